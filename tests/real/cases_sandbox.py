# SPDX-License-Identifier: MIT
"""
Programs in a sandbox that refuses io_uring_setup, as container runtimes do.

`auto` must then find another backend without a word; a forced io_uring must say so in exactly one line, and the
program must give what it gives natively all the same. Each case is a single program, so that one line is one line.
"""

import errno
import os
import subprocess

import compare
from harness import PYTHON, Case, Combo, Failed, Point, Skip, carry_out
from cases_store import transactions

READ_AND_WRITE = '''
import os
fd = os.open("in/big.bin", os.O_RDONLY)
out = os.open("out", os.O_WRONLY | os.O_CREAT, 0o644)
for at in range(0, 3_000_000, 300_000):
    os.pwrite(out, os.pread(fd, 250_000, at), at)
os.fsync(out)
print("python", os.fstat(out).st_size)
'''


def cat(run):
    run.run('cat', 'in/big.bin', 'in/text.txt')


def dd(run):
    run.run('dd', 'if=in/big.bin', 'of=out', 'bs=4k', 'conv=fsync', 'status=none')


def sqlite(run):
    run.run('sqlite3', '-batch', 'db', feed=transactions(60, 'wal'))


def python(run):
    run.run(PYTHON, '-c', READ_AND_WRITE)


PROGRAMS = (('cat', cat, 'cat'), ('dd', dd, 'dd'), ('sqlite3', sqlite, 'sqlite3'), ('python', python, PYTHON))
COMBOS = (Combo('auto', 'auto'), Combo('auto', 'backend'), Combo('io_uring', 'backend'))


def points(suite, natives):
    """Each program, refusal and combination."""
    made = []
    for name, body, program in PROGRAMS:
        the_case = Case(f'sandbox: {name}', body, (program,), (), (), True)
        for refusal in ('EPERM', 'ENOSYS'):
            for combo in COMBOS:
                natives.expect(the_case)
                made.append(_point(suite, natives, the_case, refusal, combo))
    return made


def _point(suite, natives, the_case, refusal, combo):
    promise = 'says why in one line' if combo.backend == 'io_uring' else 'is silent'

    def prove():
        try:
            the_case.require_programs()
            require_sandbox(suite)
            native = natives.result(the_case)
            prefix = (suite.launcher, refusal, '--')
            other = carry_out(suite, the_case, combo, prefix, f'{the_case.file_name}/{refusal}')
            problems = []
            if combo.backend == 'io_uring':
                for ours, theirs in zip(native.steps, other.steps):
                    problems += _one_line_more(ours, theirs, refusal)
            problems += compare.differences(native, other, native.dir, other.dir)
            if problems:
                raise Failed(*problems)
        finally:
            natives.done(the_case)
    return Point(f'{the_case.name} under {refusal}: same output, {promise} {combo}', prove, combo, True)


def _one_line_more(native, other, refusal):
    """Takes the line off OTHER's stderr, or says what is wrong with it."""
    line = other.stderr.removeprefix(native.stderr).decode(errors='replace')
    other.stderr = native.stderr
    reason = refusal, os.strerror(getattr(errno, refusal))
    problems = []
    if line.count('\n') != 1 or not line.endswith('\n'):
        problems.append(f'{line.count(chr(10))} lines on stderr instead of one:')
    for word in ('DFTIO_BACKEND', 'io_uring'):
        if word not in line:
            problems.append(f'{word} is not named on stderr:')
    if not any(word in line for word in reason):
        problems.append(f'neither {reason[0]} nor "{reason[1]}" is on stderr:')
    return problems + [f'  {shown}' for shown in line.splitlines()[:10]] if problems else []


def require_sandbox(suite):
    if not suite.shim:
        raise Skip('no shim')
    if not suite.launcher:
        raise Skip('no launcher (option --launcher)')
    tried = subprocess.run([suite.launcher, 'EPERM', '--', 'true'], capture_output=True, check=False,
                           timeout=suite.timeout)
    if tried.returncode != 0:
        raise Skip(tried.stderr.decode(errors='replace').strip() or 'no seccomp filter possible')
