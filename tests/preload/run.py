#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the preload victims natively and preloaded, and compares what they saw. TAP on stdout, nothing else.

Each promise of each victim is a process of its own: once natively, then once per configuration below. The native
run is the reference; it must itself hold every invariant (no line ends in BROKEN, no failed set-up). A preloaded
run must end the same way, print the same lines, and write nothing else to stdout or stderr.

  run.py --shim build/interpose/libdftio.so --victims build/tests/preload/victims
  run.py --shim ... --victims ... --only 'fork/*'              some promises
  run.py --shim ... --victims ... --only 'fork/*' --repeat 20  the same, again and again
  run.py --shim none --victims ...                             native against native: what is not deterministic?
  run.py --shim broken.so --victims ... --expect-differences   succeeds when differences are found
"""

import argparse
import concurrent.futures
import ctypes
import difflib
import errno
import fnmatch
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# Name of the configuration: what the environment says. The last is what a user gets who sets nothing.
CONFIGURATIONS = {
    "sync": {"DFTIO_BACKEND": "sync", "DFTIO_ROUTE": "backend"},
    "threadpool": {"DFTIO_BACKEND": "threadpool", "DFTIO_ROUTE": "backend"},
    "epoll": {"DFTIO_BACKEND": "epoll", "DFTIO_ROUTE": "backend"},
    "io_uring": {"DFTIO_BACKEND": "io_uring", "DFTIO_ROUTE": "backend"},
    "default": {},
    "disabled": {"DFTIO_DISABLE": "1"},
}
ON_REQUEST = {"disabled"}
SKIPPED = 77
DIFF_LINES = 40


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shim", required=True, help="the library to preload; 'none' compares native with native")
    parser.add_argument("--victims", required=True, type=Path, metavar="DIR", help="where the executables are")
    parser.add_argument("--only", action="append", metavar="GLOB", help="promises to run, as VICTIM/PROMISE")
    parser.add_argument("--config", action="append", choices=CONFIGURATIONS, help="configurations to run")
    parser.add_argument("--timeout", type=float, default=30, help="seconds for one promise, native or preloaded")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--repeat", type=int, default=1, help="run every configuration that often")
    parser.add_argument("--times", action="store_true", help="add a '# ' line with the seconds to each result")
    parser.add_argument("--expect-differences", action="store_true", help="succeed when at least one is found")
    parser.add_argument("names", nargs="*", help="names of victims; all executables of the directory without any")
    return parser.parse_args()


def ring_refused():
    """Why this process may not have an io_uring, or None."""
    libc = ctypes.CDLL(None, use_errno=True)
    params = (ctypes.c_uint32 * 30)()
    fd = libc.syscall(425, 1, params)
    if fd >= 0:
        os.close(fd)
        return None
    return "io_uring_setup: " + errno.errorcode.get(ctypes.get_errno(), "?")


class Outcome:
    """How one process ended and what it wrote."""

    def __init__(self, status, out, err, trouble, seconds):
        self.status, self.out, self.err, self.trouble, self.seconds = status, out, err, trouble, seconds

    def ending(self):
        if self.status is None:
            return "did not end"
        return f"signal {-self.status}" if self.status < 0 else f"exit {self.status}"


def read_quietly(path):
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""


def state_of(stat_path):
    """The fields of a stat file of /proc from the state on: state, parent, group, session..."""
    return read_quietly(stat_path).rpartition(")")[2].split()


def has_ended(pid):
    """True for a zombie, which is nobody's fault; but a process goes on when only its first thread has ended."""
    return all((state_of(stat) or ["X"])[0] in "ZX" for stat in Path(f"/proc/{pid}/task").glob("*/stat"))


def processes_of(group):
    """Ids of the processes of a process group or a session that still run."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and str(group) in state_of(f"/proc/{entry}/stat")[2:4] and not has_ended(entry):
            found.append(int(entry))
    return found


def where_it_hangs(group):
    """One line per thread of the group: what it waits for in the kernel."""
    lines = []
    for pid in processes_of(group):
        for task in sorted(Path(f"/proc/{pid}/task").glob("*"), key=lambda p: int(p.name)):
            call = " ".join(read_quietly(task / "syscall").split(" ")[:4])
            lines.append(f"pid {pid} tid {task.name} {read_quietly(task / 'comm')} "
                         f"{''.join(state_of(task / 'stat')[:1])} wchan={read_quietly(task / 'wchan')} syscall={call}")
    return lines[:24]


def end_group(group):
    """Kills what is left of a victim's session. True when there was something."""
    left = processes_of(group)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return bool(left)


class Runner:
    def __init__(self, args, scratch, scratch_tmpfs):
        self.args, self.scratch, self.scratch_tmpfs = args, scratch, scratch_tmpfs
        self.base = {k: v for k, v in os.environ.items() if not k.startswith(("DFTIO_", "LD_", "MALLOC_"))}
        self.count = 0
        self.lock = threading.Lock()

    def environment(self, config, directory):
        env = dict(self.base, TEST_DIRECTORY=str(directory), LC_ALL="C")
        if self.scratch_tmpfs is not None:
            env["TEST_TMPFS"] = str(self.scratch_tmpfs / directory.name)
        if config != "native" and self.args.shim != "none":
            env.update(CONFIGURATIONS[config], LD_PRELOAD=self.args.shim)
        return env

    def fresh_directory(self):
        with self.lock:
            self.count += 1
            name = f"run{self.count}"
        places = [self.scratch / name] + ([self.scratch_tmpfs / name] if self.scratch_tmpfs else [])
        for place in places:
            place.mkdir()
            place.chmod(0o755)
        return places

    def run(self, victim, promise, config, more=None):
        places = self.fresh_directory()
        out_path, err_path = self.scratch / f"{places[0].name}.out", self.scratch / f"{places[0].name}.err"
        env = self.environment(config, places[0])
        env.update(more or {})
        trouble = []
        begin = time.monotonic()
        # Files that are appended to, not pipes: nothing a victim leaves behind can keep us waiting for their end.
        with open(out_path, "ab") as out, open(err_path, "ab") as err:
            child = subprocess.Popen([str(self.args.victims / victim), promise], cwd=places[0], env=env, stdout=out,
                                     stderr=err, stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                status = child.wait(self.args.timeout)
            except subprocess.TimeoutExpired:
                trouble = [f"still running after {self.args.timeout:g} s:"] + where_it_hangs(child.pid)
                end_group(child.pid)
                child.wait()
                status = None
        if end_group(child.pid) and status is not None:
            trouble.append("it left processes behind")
        outcome = Outcome(status, out_path.read_text(errors="replace").splitlines(),
                          err_path.read_text(errors="replace").splitlines(), trouble, time.monotonic() - begin)
        for path in [out_path, err_path]:
            path.unlink()
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
        return outcome


def faults_of_native(native):
    faults = list(native.trouble)
    if native.status not in (0, SKIPPED, None):
        # A victim whose topic is how it ends says so in its last line.
        if not native.out or native.out[-1] != f"ends with: {native.ending()}":
            faults.append(f"ended with {native.ending()}")
    faults += [line for line in native.out if "BROKEN" in line]
    faults += [f"stderr: {line}" for line in native.err]
    return faults


def is_warning(line):
    return line.startswith(("dftio", "libdftio"))


def differences(native, preloaded, config, may_warn):
    faults = list(preloaded.trouble)
    if preloaded.status != native.status and not (preloaded.status is None):
        faults.append(f"ended with {preloaded.ending()}, natively with {native.ending()}")
    err = preloaded.err
    if may_warn and config != "default":
        err = [line for line in err if not is_warning(line)]
    if err != native.err:
        faults += [f"stderr: {line}" for line in err[:8]]
    if preloaded.out != native.out:
        faults += list(difflib.unified_diff(native.out, preloaded.out, "native", config, lineterm="", n=0))
    return faults


class Tap:
    """The only one that prints."""

    def __init__(self, silent):
        self.silent, self.number, self.failed = silent, 0, 0

    def line(self, text):
        if not self.silent:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def result(self, name, faults, skip=None, notes=()):
        self.number += 1
        self.failed += bool(faults)
        self.line(f"{'not ok' if faults else 'ok'} {self.number} - {name}" + (f" # SKIP {skip}" if skip else ""))
        for text in faults[:DIFF_LINES]:
            self.line(f"# {text[:300]}")
        if len(faults) > DIFF_LINES:
            self.line(f"# ... and {len(faults) - DIFF_LINES} more lines")
        for text in notes:
            self.line(f"# {text}")


def promises_of(args):
    """(victim, promise, may_warn) of all that is to be run."""
    names = args.names or sorted(p.name for p in args.victims.iterdir()
                                 if p.is_file() and p.suffix == "" and os.access(p, os.X_OK))
    found = []
    for victim in names:
        listing = subprocess.run([str(args.victims / victim), "--list"], stdout=subprocess.PIPE, check=True, text=True,
                                 stdin=subprocess.DEVNULL, timeout=args.timeout)
        for line in listing.stdout.splitlines():
            promise, *marks = line.split()
            name = f"{victim}/{promise}"
            if not args.only or any(fnmatch.fnmatch(name, glob) for glob in args.only):
                found.append((victim, promise, "may_warn" in marks))
    return found


def active_faults(runner, config):
    """Without this a preload that is never loaded, or passes everything on, would pass everything."""
    with tempfile.TemporaryDirectory(dir=runner.scratch) as where:
        report = Path(where) / "stats.json"
        outcome = runner.run("results_aliases", "warm_up", config, {"DFTIO_STATS": str(report)})
        if outcome.status != 0:
            return [f"ended with {outcome.ending()}"] + outcome.err
        try:
            stats = json.loads(report.read_text())
        except (OSError, ValueError) as error:
            return [f"no statistics: {error}"]
    faults = []
    if stats.get("backend") != CONFIGURATIONS[config].get("DFTIO_BACKEND", stats.get("backend")):
        faults.append(f"the backend is {stats.get('backend')}: {stats.get('why')}")
    row = stats.get("operations", {}).get("pread", {})
    if config != "disabled" and row.get("calls", 0) < 1:
        faults.append(f"pread was not counted: {row}")
    if config != "disabled" and row.get("passed", 0) == row.get("calls", 0):
        faults.append(f"pread was passed on: {row}, {stats.get('passed_why')}")
    return faults


def run_all(args, runner, tap):
    cases = promises_of(args)
    configs = args.config or [name for name in CONFIGURATIONS if name not in ON_REQUEST]
    refused = ring_refused() if args.shim != "none" else None
    check_active = args.shim != "none" and not args.only
    tap.line(f"1..{len(cases) * (1 + len(configs) * args.repeat) + len(configs) * check_active}")
    for config in configs if check_active else []:
        skip = refused if config == "io_uring" else None
        tap.result(f"the preload is loaded and routes [{config}]", [] if skip else active_faults(runner, config), skip)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        pending = []
        for victim, promise, may_warn in cases:
            runs = [(config, pool.submit(runner.run, victim, promise, config)) for config in
                    ["native"] + [c for c in configs for _ in range(args.repeat) if not (refused and c == "io_uring")]]
            pending.append((f"{victim}/{promise}", may_warn, runs))
        for name, may_warn, runs in pending:
            native = runs[0][1].result()
            skip = native.out[-1][5:] if native.status == SKIPPED and native.out else None
            for config, future in runs:
                outcome = future.result()
                faults = faults_of_native(native) if config == "native" else differences(
                    native, outcome, config, may_warn)
                tap.result(f"{name} [{config}]", faults, skip,
                           [f"{outcome.seconds:.2f} s"] if args.times else ())
            for _ in range(args.repeat if refused and "io_uring" in configs else 0):
                tap.result(f"{name} [io_uring]", [], skip or refused)


def main():
    args = arguments()
    if args.shim != "none":
        args.shim = str(Path(args.shim).resolve())
    args.victims = args.victims.resolve()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o022)
    scratch = Path(tempfile.mkdtemp(prefix="preload-victims-", dir="/var/tmp"))
    scratch.chmod(0o755)
    scratch_tmpfs = None
    if os.access("/dev/shm", os.W_OK):
        scratch_tmpfs = Path(tempfile.mkdtemp(prefix="preload-victims-", dir="/dev/shm"))
        scratch_tmpfs.chmod(0o755)
    tap = Tap(silent=args.expect_differences)
    try:
        run_all(args, Runner(args, scratch, scratch_tmpfs), tap)
    except (OSError, subprocess.SubprocessError) as error:
        tap.line(f"Bail out! {error}")
        return 2
    finally:
        for place in [scratch, scratch_tmpfs]:
            if place is not None:
                shutil.rmtree(place, ignore_errors=True)
    if args.expect_differences:
        verdict = Tap(silent=False)
        verdict.line("1..1")
        verdict.result("a preload that lies is noticed", [] if tap.failed else ["no difference was found"])
        return 0 if tap.failed else 1
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
