# SPDX-License-Identifier: MIT
"""SQLite, git and fio: programs that trust what they wrote, and check it."""

import json
import shutil

from harness import Skip, case, uring_refusal
from cases_coreutils import needs_direct


# --- SQLite --------------------------------------------------------------------------------------------------

def transactions(count, mode, more=''):
    """SQL of COUNT small transactions with deletes, indexes, a rollback and an overflowing blob."""
    lines = [f'pragma journal_mode={mode};', 'pragma synchronous=full;', more,
             'create table t (n integer primary key, word text, filler blob); create index by_word on t (word);']
    for n in range(count):
        lines.append(f"begin; insert into t values ({n}, 'word {n * 7919 % 1000}', zeroblob({n * 37 % 3000}));"
                     f"update t set word = word || '!' where n = {n // 2}; commit;")
        if n % 10 == 9:
            lines.append(f'delete from t where n % 11 = 3 and n < {n}; begin; delete from t; rollback;')
    lines += ["insert into t values (99999, 'large', zeroblob(300000));", 'pragma integrity_check;',
              'select count(*), sum(n), sum(length(filler)), count(distinct word) from t;']
    return '\n'.join(lines).encode() + b'\n'


@case('sqlite3: WAL', needs=['sqlite3'], quick=True)
def sqlite_wal(run):
    run.run('sqlite3', '-batch', '-bail', 'db', feed=transactions(300, 'wal', 'pragma wal_autocheckpoint=50;'))
    run.run('sqlite3', '-batch', 'db', 'pragma integrity_check; pragma wal_checkpoint(truncate); vacuum;')
    run.run('sqlite3', '-batch', 'db', '.dump')
    run.run('sqlite3', '-batch', 'db', '.backup copy')
    run.run('cmp', 'db', 'copy', expect=(0, 1))


# A journal that stays holds a random number.
@case('sqlite3: rollback journals and mmap', needs=['sqlite3'], unlike=['persist.db-journal'])
def sqlite_journals(run):
    for mode in ('delete', 'truncate', 'persist'):
        run.run('sqlite3', '-batch', '-bail', f'{mode}.db', feed=transactions(40, mode))
    run.run('sqlite3', '-batch', '-bail', 'mapped.db', feed=transactions(60, 'wal', 'pragma mmap_size=1000000;'))
    run.run('sqlite3', '-batch', 'mapped.db', 'pragma mmap_size=10000000; pragma integrity_check; select * from t;')


@case('sqlite3: two writers at once', needs=['sqlite3', 'bash'], unlike=['db'])
def sqlite_two_writers(run):
    """Two processes, one database: locks hold, and no transaction is lost."""
    run.run('sqlite3', 'db', 'pragma journal_mode=wal; create table t (who, n, primary key (who, n));')
    for who in ('a', 'b'):
        body = ''.join(f"begin immediate; insert into t values ('{who}', {n}); commit;\n" for n in range(150))
        run.path(f'{who}.sql').write_text('.timeout 30000\n.bail on\n' + body, encoding='ascii')
    run.run('bash', '-c', 'sqlite3 -batch db < a.sql & one=$!; sqlite3 -batch db < b.sql & wait $one; echo $?; wait $!;'
                          'echo $?')
    run.run('sqlite3', '-batch', 'db', 'pragma integrity_check; select who, count(*), sum(n) from t group by who;')


@case('sqlite3: killed between transactions', needs=['sqlite3'], unlike=['db'])
def sqlite_killed(run):
    """What was committed is there after kill -9, and what was not is gone."""
    run.run('sqlite3', '-batch', 'db', feed=transactions(50, 'wal') + b"begin; insert into t values (5e5, 'x', 'y');\n"
            b'.shell kill -9 $PPID\nselect 1;\n', expect=-9)
    run.run('sqlite3', '-batch', 'db', 'pragma integrity_check; select n, word, length(filler) from t;')


# --- git -----------------------------------------------------------------------------------------------------

GIT_ENVIRONMENT = {
    'GIT_CONFIG_GLOBAL': '/dev/null', 'GIT_CONFIG_SYSTEM': '/dev/null', 'GIT_TERMINAL_PROMPT': '0',
    'GIT_AUTHOR_NAME': 'A', 'GIT_AUTHOR_EMAIL': 'a@example.org', 'GIT_AUTHOR_DATE': '1600000000 +0000',
    'GIT_COMMITTER_NAME': 'C', 'GIT_COMMITTER_EMAIL': 'c@example.org', 'GIT_COMMITTER_DATE': '1600000000 +0000',
}
# One thread, because the deltas that several find depend on their timing; nothing in the background.
GIT_SETTINGS = ('pack.threads=1', 'gc.auto=0', 'gc.autoDetach=false', 'maintenance.auto=false', 'core.fsync=committed',
                'advice.detachedHead=false', 'init.defaultBranch=main')


def git(run, *words, cwd='repo', **more):
    settings = [word for setting in GIT_SETTINGS for word in ('-c', setting)]
    return run.run('git', *settings, *words, cwd=cwd, env=GIT_ENVIRONMENT, **more)


def edit(run, step):
    """Changes, adds and removes files of the tree, each step in another way."""
    files = sorted(run.path('repo').glob('m*/*.txt'))
    for i, path in enumerate(files):
        if i % 10 == step:
            path.write_bytes(path.read_bytes() + b'changed in step %d\n' % step)
        elif i % 97 == step:
            path.unlink()
    run.path(f'repo/step {step}').write_bytes(b'a new file\n' * step * 100)


# The index holds inode numbers and times of change; a clone knows by its absolute path where it came from.
@case('git', needs=['git'], unlike=['*/index', 'clone/.git/logs/*', 'clone/.git/config'], quick=True)
def git_life(run):
    shutil.copytree(run.path('in/many'), run.path('repo'))
    git(run, 'init', '-q')
    for step in range(3):
        git(run, 'add', '-A')
        git(run, 'commit', '-q', '-m', f'step {step}')
        edit(run, step + 1)
    git(run, 'status', '--porcelain')
    git(run, 'diff', '--stat')
    git(run, 'checkout', '-q', '-b', 'side', 'HEAD~1', '-f')
    run.path('repo/on the side').write_bytes(b'side\n')
    git(run, 'add', '-A')
    git(run, 'commit', '-q', '-m', 'side')
    git(run, 'checkout', '-q', 'main')
    git(run, 'merge', '-q', '-m', 'both', 'side')
    git(run, 'gc', '--quiet', '--prune=now')
    git(run, 'fsck', '--full', '--strict', '--no-progress')
    git(run, 'log', '--stat', '--format=%H %T %s')
    git(run, 'ls-files', '-s')
    git(run, 'clone', '-q', '--no-local', 'repo', 'clone', cwd='.')
    git(run, 'fsck', '--full', '--no-progress', cwd='clone')
    git(run, 'archive', '--format=tar', '--output=../archive.tar', 'HEAD~1')
    git(run, 'grep', '-c', 'changed in')


# --- fio -----------------------------------------------------------------------------------------------------

FIO_GLOBAL = {'size': '2m', 'randseed': 7, 'allrandrepeat': 1, 'fallocate': 'none', 'rw': 'randwrite',
              'exitall_on_error': 1, 'verify_fatal': 1, 'filename_format': '$jobname.$jobnum'}
FIO_CHECKED = {'verify': 'crc32c', 'bsrange': '4k-16k'}
FIO_COUNTS = ('total_ios', 'io_bytes', 'short_ios', 'drop_ios')


def fio(run, options, jobs, native=False):
    """Runs JOBS (name -> options) at the same time; of fio's report its counts are kept, which no run changes."""
    def counts(report):
        try:
            done = json.loads(report[report.index(b'{'):])['jobs']
            kept = [[job['jobname'], f'error {job["error"]}',
                     *(f'{way} {name} {job[way][name]}' for way in ('read', 'write') for name in FIO_COUNTS)]
                    for job in done]
        except (ValueError, KeyError):
            return report
        return '\n'.join(line for job in kept for line in job).encode()

    sections = {'global': {**FIO_GLOBAL, **options}, **jobs}
    run.path('jobs.fio').write_text('\n'.join(
        f'[{name}]\n' + ''.join(f'{key}={value}\n' for key, value in section.items())
        for name, section in sections.items()), encoding='ascii')
    run.run('fio', '--output-format=json', 'jobs.fio', clean=counts, native=native)


def fio_engine(run, options):
    """What is written under the shim is verified under it and natively; what is written natively, under the shim."""
    fio(run, options, {'ours': {**FIO_CHECKED, 'do_verify': 1}})
    fio(run, options, {'ours': {**FIO_CHECKED, 'verify_only': 1}, 'foreign': {**FIO_CHECKED, 'do_verify': 0}},
        native=True)
    fio(run, options, {
        'foreign': {**FIO_CHECKED, 'verify_only': 1},
        'pattern': {'bs': '4k', 'verify': 'pattern', 'verify_pattern': '%o', 'do_verify': 1},
        'input': {'bs': '4k', 'rw': 'randread', 'filename': 'in/aligned.bin'}})


def register_fio(engine, label='', quick=False, **options):
    # Checksummed blocks hold the time of their writing.
    @case(f'fio: {engine}{label}', needs=['fio'], unlike=['ours.*', 'foreign.*', 'local-*'], quick=quick)
    def fio_case(run):
        if options.get('direct'):
            needs_direct(run)
        if engine == 'io_uring' and (refusal := uring_refusal()):
            raise Skip(refusal)
        fio_engine(run, {'ioengine': engine, **options})


register_fio('psync', quick=True, fsync=64)
register_fio('sync')
register_fio('vsync', iodepth=8)
register_fio('pvsync2', ' with O_DIRECT', direct=1)
register_fio('pvsync2', ' in threads', numjobs=2, thread=1)
register_fio('libaio', quick=True, direct=1, iodepth=16)
register_fio('io_uring', quick=True, iodepth=16)
register_fio('posixaio', iodepth=8)
