#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Real programs under every backend.

Each program is run once without the shim and then with it, under each backend and route. What it prints, how it
ends, and the files it leaves (names, sizes, contents, modes) must be the same. Further families hold that the shim
routes and counts at all (statistics), and that it copes where io_uring is refused (sandbox).

stdout is TAP and nothing else. The exit status is 0 also when a point fails; it is not 0 when the runner itself
could not do its work. With an empty --shim each program is compared with itself: what fails then is not
deterministic, and tells nothing about a shim.
"""

import argparse
import concurrent.futures
import dataclasses
import fnmatch
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True  # a test leaves the source tree as it was

# ruff: noqa: E402, F401 (importing a family of cases registers them)
import cases_archive
import cases_coreutils
import cases_sandbox
import cases_script
import cases_server
import cases_stats
import cases_store
import compare
import harness
import inputs

BACKENDS = ('sync', 'threadpool', 'epoll', 'io_uring')
COMBOS = tuple(harness.Combo(backend, route) for route in ('backend', 'auto') for backend in BACKENDS)
COMBOS += (harness.Combo('auto', 'auto'),)
QUICK_COMBOS = (harness.Combo('threadpool', 'backend'), harness.Combo('io_uring', 'backend'),
                harness.Combo('auto', 'auto'))
SLOWEST = 15


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--shim', default=os.environ.get('TEST_SHIM'), metavar='PATH',
                        help='the library to preload (or TEST_SHIM in the environment); empty: native against native')
    parser.add_argument('--launcher', default='', metavar='PATH', help='the program that refuses io_uring')
    parser.add_argument('--only', default='*', metavar='GLOB', help='only cases, or whole points, of this name')
    parser.add_argument('--backends', default='', metavar='A,B', help='only these (auto is one)')
    parser.add_argument('--quick', action='store_true', help='fewer cases, three combinations')
    parser.add_argument('--jobs', type=int, default=min(2, os.cpu_count() or 1), metavar='N', help='at once (2)')
    parser.add_argument('--timeout', type=int, default=60, metavar='SECONDS', help='for each program (60)')
    parser.add_argument('--dir', default='/var/tmp', help='where to work: a disk file system (/var/tmp)')
    parser.add_argument('--keep', action='store_true', help='leave all directories')
    parser.add_argument('--verbose', action='store_true', help='name the slowest points')
    chosen = parser.parse_args()
    if chosen.shim is None:
        parser.error('--shim or TEST_SHIM is needed (empty: without a shim)')
    for library in chosen.shim.split(':') if chosen.shim else ():
        if not os.path.isfile(library):
            parser.error(f'no such library: {library}')
    unknown = set(filter(None, chosen.backends.split(','))) - {*BACKENDS, 'auto'}
    if unknown:
        parser.error(f'unknown backends: {", ".join(sorted(unknown))}')
    return chosen


def lacks_sanitizer(shim):
    """A library built with a sanitizer loads only after that sanitizer's runtime, which --shim can name first."""
    *before, last = shim.split(':')
    symbols = pathlib.Path(last).read_bytes()
    return any(f'__{name}_init'.encode() in symbols and not any(name in os.path.basename(other) for other in before)
               for name in ('asan', 'tsan'))


# --- what is to be proved ------------------------------------------------------------------------------------

def same_output(suite, natives, the_case, combo):
    """The point that a case gives under a combination what it gives natively."""
    natives.expect(the_case)

    def prove():
        try:
            the_case.require_programs()
            native = natives.result(the_case)
            other = harness.carry_out(suite, the_case, combo)
            found = compare.differences(native, other, native.dir, other.dir)
            if found:
                raise harness.Failed(*found)
            if not suite.keep:
                harness.free_space(other.dir)
        finally:
            natives.done(the_case)
    return harness.Point(f'{the_case.name}: same output {combo}', prove, combo, the_case.quick)


def inputs_untouched(suite):
    """No case may write to the inputs, or all that follow compare something else."""
    def digests():
        return {str(path): harness.Entry.of(path, str(path), (), ('*',)) for path in sorted(suite.inputs.rglob('*'))}
    before = digests()

    def prove():
        after = digests()
        changed = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
        if changed:
            raise harness.Failed('changed:', *sorted(changed)[:20])
    return harness.Point('inputs: untouched by all that ran', prove, None, True)


def all_points(suite, chosen):
    """(points, natives) as the options ask for."""
    natives = harness.Natives(suite)
    combos = QUICK_COMBOS if chosen.quick else COMBOS
    backends = set(filter(None, chosen.backends.split(',')))
    refusal = harness.uring_refusal()
    wanted = [combo for combo in combos if not backends or combo.backend in backends]
    points = []
    for the_case in harness.CASES:
        for combo in wanted:
            if selected(chosen, f'{the_case.name}: same output {combo}', the_case.name, the_case.quick):
                points.append(same_output(suite, natives, the_case, combo))
    for point in cases_stats.points(suite, wanted) + cases_sandbox.points(suite, natives):
        fits = not backends or point.combo.backend in backends
        if fits and selected(chosen, point.name, point.name.partition(':')[0], point.quick):
            points.append(point)
    return [skipped(point, refusal) if refusal and needs_uring(point) else point for point in points]


def selected(chosen, name, short, quick):
    by_name = fnmatch.fnmatch(name, chosen.only) or fnmatch.fnmatch(short, chosen.only)
    return by_name and (quick or not chosen.quick)


def needs_uring(point):
    return point.combo.backend == 'io_uring' and not point.name.startswith('sandbox')


def skipped(point, reason):
    def prove():
        raise harness.Skip(reason)
    return dataclasses.replace(point, prove=prove)


# --- proving it ----------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Outcome:
    verdict: str        # ok, skip, fail, broken
    lines: list
    seconds: float


def prove(point):
    began = time.monotonic()
    verdict, lines = 'ok', []
    try:
        point.prove()
    except harness.Skip as skip:
        verdict, lines = 'skip', [str(skip)]
    except harness.Failed as failed:
        verdict, lines = 'fail', [str(line) for line in failed.args]
    except Exception:  # whatever it is, it is the runner's trouble, and the other points go on
        verdict, lines = 'broken', traceback.format_exc().splitlines()
    return Outcome(verdict, lines, time.monotonic() - began)


def say(*lines):
    for line in lines:
        print(line.encode('utf-8', 'backslashreplace').decode('utf-8'))
    sys.stdout.flush()


def report(number, point, outcome):
    name = point.name.replace('#', '')
    if outcome.verdict == 'skip':
        say(f'ok {number} - {name} # SKIP {" ".join(outcome.lines[0].split())}')
        return
    say(f'{"ok" if outcome.verdict == "ok" else "not ok"} {number} - {name}')
    if outcome.verdict == 'broken':
        say('# the runner failed:')
    # A carriage return or an escape sequence of a program's output must not reach a terminal as such.
    say(*('# ' + ''.join(c if c.isprintable() else repr(c)[1:-1] for c in line) for line in outcome.lines))


def prove_all(points, chosen):
    """Proves and reports in order; returns whether the runner itself did its work."""
    say('TAP version 13', f'1..{len(points)}')
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        # The last point looks back on all the others.
        futures = [pool.submit(prove, point) for point in points[:-1]]
        try:
            for number, future in enumerate(futures, 1):
                outcomes.append(future.result())
                report(number, points[number - 1], outcomes[-1])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    outcomes.append(prove(points[-1]))
    report(len(points), points[-1], outcomes[-1])
    if chosen.verbose:
        slowest = sorted(zip(outcomes, points), key=lambda pair: -pair[0].seconds)[:SLOWEST]
        say('# slowest:', *(f'#   {outcome.seconds:6.2f} s  {point.name}' for outcome, point in slowest))
        say(f'# {sum(outcome.seconds for outcome in outcomes):.1f} s in all')
    return all(outcome.verdict != 'broken' for outcome in outcomes)


def main():
    chosen = options()
    os.umask(0o022)
    shim = ':'.join(os.path.abspath(part) for part in chosen.shim.split(':')) if chosen.shim else ''
    if shim and lacks_sanitizer(shim):
        say('1..0 # SKIP the shim is built with a sanitizer; name its runtime first in --shim')
        return 0
    launcher = os.path.abspath(chosen.launcher) if chosen.launcher else ''
    base = pathlib.Path(tempfile.mkdtemp(prefix='dftio-real-', dir=os.path.realpath(chosen.dir)))

    def clean_up():
        harness.kill_everything()
        if chosen.keep:
            say(f'# left in {base}')
        else:
            shutil.rmtree(base, ignore_errors=True)

    def stop_at_once(number, _frame):
        """No child may survive the runner. The main thread starts none, and so holds no lock that this needs."""
        clean_up()
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, stop_at_once)
    signal.signal(signal.SIGINT, stop_at_once)
    suite = harness.Suite(base, shim, launcher, chosen.timeout, chosen.keep)
    try:
        inputs.make(suite.inputs)
        points = all_points(suite, chosen) + [inputs_untouched(suite)]
        return 0 if prove_all(points, chosen) else 2
    except Exception:  # TAP has a line for it
        say('Bail out! the runner failed', *('# ' + line for line in traceback.format_exc().splitlines()))
        return 2
    finally:
        clean_up()


if __name__ == '__main__':
    sys.exit(main())
