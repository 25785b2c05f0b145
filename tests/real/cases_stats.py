# SPDX-License-Identifier: MIT
"""
The shim really routes, and really counts: a shim that passes everything on would give the same output as none, and
pass every other family of this suite.

Under the route `backend` a program's reads and writes of files are carried by the backend that was asked for, and
the statistics say how many there were and how many bytes, exactly.
"""

import collections
import json
import os

from harness import PYTHON, Case, Combo, Failed, Point, Run, Skip, free_space
from cases_store import transactions

READS = ('read', 'readv', 'pread', 'preadv', 'preadv2')
WRITES = ('write', 'writev', 'pwrite', 'pwritev', 'pwritev2')
CARRIERS = ('backend', 'pool')
HOW = ('inline', 'backend', 'pool', 'passed')

PYTHON_CALLS = '''
import os
fd = os.open("in/aligned.bin", os.O_RDONLY)
for n in range(100):
    assert len(os.pread(fd, 1000, n * 5000)) == 1000
assert os.pread(fd, 10, 1 << 30) == b""
try:
    os.pwrite(fd, b"x", 0)
except OSError:
    pass
out = os.open("out", os.O_RDWR | os.O_CREAT, 0o644)
for n in range(50):
    os.pwrite(out, b"y" * 777, n * 777)
os.ftruncate(out, 100)
'''


class Statistics:
    """The statistics of one process, and what may be asked of them."""

    def __init__(self, path):
        try:
            self.document = json.loads(path.read_text(encoding='utf-8'))
        except OSError as error:
            raise Failed(f'no statistics were written: {path.name}: {error.strerror}') from None
        except ValueError as error:
            raise Failed(f'{path.name} is not JSON: {error}', *path.read_text(errors='replace')[:500].splitlines()) \
                from None
        self.operations = self.document.get('operations', {})

    def total(self, names, *fields):
        return sum(self.operations.get(name, {}).get(field, 0) for name in names for field in fields)

    def problems(self, combo):
        """What is wrong whatever the program does."""
        found = [f'"{key}" is {self.document.get(key)!r} instead of {wanted!r}'
                 for key, wanted in (('dftio_stats', 1), ('route', combo.route)) if self.document.get(key) != wanted]
        # A backend is started by the first call that needs it.
        routed = self.total(self.operations, 'inline', 'backend', 'pool')
        name = self.document.get('backend')
        if combo.backend != 'auto' and name != combo.backend and (routed or name != 'none'):
            found.append(f'"backend" is {name!r} instead of {combo.backend!r}')
        for name, row in self.operations.items():
            if row['calls'] != sum(row[how] for how in HOW) or row['errors'] > row['calls']:
                found.append(f'the calls of {name} do not add up: {row}')
        return found

    def carried(self, combo, names, what):
        """Under the route `backend`, every call on a file by the backend; none passed on."""
        if combo.route != 'backend':
            return []
        carriers = CARRIERS + ('inline',) if combo.backend == 'sync' else CARRIERS
        found = []
        if self.total(names, *carriers) == 0:
            found.append(f'no {what} was carried by {combo.backend}')
        if self.total(names, 'passed') != 0:
            found.append(f'{self.total(names, "passed")} {what}s of files were passed on')
        # A call that fails may be put to the kernel in place, for its own errno.
        if combo.backend != 'sync' and self.total(names, 'inline') > self.total(names, 'errors'):
            found.append(f'{self.total(names, "inline")} {what}s were carried out inline')
        return found

    def counted(self, names, what, **wanted):
        return [f'{what}s: {field} is {self.total(names, field)} instead of {number}'
                for field, number in wanted.items() if self.total(names, field) != number]

    def rows(self):
        return [f'  {name}: {json.dumps(row)}' for name, row in self.operations.items() if row.get('calls')]


def size_of(run, name):
    return os.path.getsize(run.path(name))


def dd(run, stats, combo):
    run.run('dd', 'if=in/big.bin', 'of=out', 'bs=4k', 'status=none')
    size = size_of(run, 'in/big.bin')
    blocks = -(-size // 4096)
    counted = stats()
    return (counted.counted(('read',), 'read', calls=blocks + 1, bytes=size, errors=0)
            + counted.counted(('write',), 'write', calls=blocks, bytes=size, errors=0)
            + counted.carried(combo, READS, 'read') + counted.carried(combo, WRITES, 'write')), counted


def cat(run, stats, combo):
    run.run('cat', 'in/big.bin', 'in/text.txt')
    size = size_of(run, 'in/big.bin') + size_of(run, 'in/text.txt')
    counted = stats()
    problems = counted.counted(READS, 'read', bytes=size, errors=0) + counted.carried(combo, READS, 'read')
    # cat writes into the runner's pipe: counted, and never handed to a backend.
    problems += counted.counted(('write',), 'write', bytes=size, backend=0, pool=0)
    return problems, counted


def gzip(run, stats, combo):
    run.path('data').write_bytes(run.path('in/text.txt').read_bytes())
    run.run('gzip', '-1', 'data')
    counted = stats()
    return (counted.counted(('read',), 'read', bytes=size_of(run, 'in/text.txt'))
            + counted.counted(('write',), 'write', bytes=size_of(run, 'data.gz'))
            + counted.carried(combo, READS, 'read') + counted.carried(combo, WRITES, 'write')), counted


def python(run, stats, combo):
    run.run(PYTHON, '-c', PYTHON_CALLS)
    counted = stats()
    return (counted.counted(('pread',), 'pread', calls=101, bytes=100_000, errors=0)
            + counted.counted(('pwrite',), 'pwrite', calls=51, bytes=50 * 777, errors=1)
            + counted.carried(combo, ('pread',), 'pread')
            + counted.carried(combo, ('pwrite',), 'pwrite')), counted


def sqlite(run, stats, combo):
    run.run('sqlite3', '-batch', 'db', feed=transactions(30, 'delete'))
    counted = stats()
    problems = counted.carried(combo, ('pread',), 'pread') + counted.carried(combo, ('pwrite',), 'pwrite')
    if counted.total(('pwrite',), 'bytes') < size_of(run, 'db'):
        problems.append('fewer bytes were counted than the database has')
    return problems, counted


def sha256sum(run, stats, combo):
    """Reads through stdio, which no preload sees: nothing may be claimed that was not seen."""
    del combo
    run.run('sha256sum', 'in/big.bin')
    counted = stats()
    return counted.counted(READS, 'read', calls=0, bytes=0), counted


def pipeline(run, stats, combo):
    """Four processes with one variable: a document of its own for each."""
    del combo
    run.run('bash', '-c', 'cat in/big.bin | gzip -1 | cat > out; echo done')
    first = stats()
    paths = sorted(run.dir.glob('stats*.json'))
    all_of_them = [Statistics(path).document for path in paths]
    programs = collections.Counter(document.get('program') for document in all_of_them)
    problems = []
    if (programs['cat'], programs['gzip'], programs['bash']) != (2, 1, 1):
        problems.append(f'statistics of {dict(programs)} in {[path.name for path in paths]}')
    if len({document.get('pid') for document in all_of_them}) != len(paths):
        problems.append('two documents name the same process')
    return problems, first


PROGRAMS = (('dd', dd, 'dd', 'each read and write'), ('cat', cat, 'cat', 'file reads, passes the pipe on'),
            ('gzip', gzip, 'gzip', 'each byte in and out'), ('python', python, PYTHON, 'each pread and pwrite'),
            ('sqlite3', sqlite, 'sqlite3', 'reads and writes of the database'),
            ('sha256sum', sha256sum, 'sha256sum', 'nothing of stdio, which is not seen'),
            ('pipeline', pipeline, 'bash', 'each process for itself'))


def points(suite, combos):
    """Each program under each named backend, and under what a user gets without asking."""
    asked = [combo for combo in combos if combo.route == 'backend' or combo.backend == 'auto']
    asked.append(Combo('auto', 'direct'))
    return [_point(suite, name, body, program, what, combo) for name, body, program, what in PROGRAMS
            for combo in asked]


def _point(suite, name, body, program, what, combo):
    the_case = Case(f'statistics: {name}', body, (program,), (), (), True)

    def prove():
        if not suite.shim:
            raise Skip('no shim')
        the_case.require_programs()
        run = Run(suite, the_case.file_name, combo)
        run.extra['DFTIO_STATS'] = str(run.path('stats.json'))
        problems, counted = body(run, lambda: Statistics(run.path('stats.json')), combo)
        if combo.route == 'direct':
            problems += [f'{operation} was not passed on: {row}' for operation, row in counted.operations.items()
                         if row['passed'] != row['calls']]
        status = [step for step in run.steps if step.status != 0 or step.stderr]
        problems += [f'status {step.status}: {step}: {step.stderr[:300]!r}' for step in status]
        problems += counted.problems(combo)
        if problems:
            raise Failed(*problems, 'counted were:', *counted.rows())
        if not suite.keep:
            free_space(run.dir)
    return Point(f'{the_case.name}: counts {what} {combo}', prove, combo, True)
