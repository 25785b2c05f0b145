# SPDX-License-Identifier: MIT
"""dftio doctor without a program: the installation and this environment."""

import json
import subprocess
import os

from tap import case, check, contains, equal


def report(w, *words, **env):
    done = w.command('doctor', '--json', *words, env=env)
    document = json.loads(done.stdout)
    return document, done


def checks(document, name):
    return [c for c in document['checks'] if c['check'] == name]


@case('doctor: an installation that works is said to work: 0')
def works(w):
    w.real_shim_bears_others()
    document, done = report(w)
    equal(document['preload'], os.path.realpath(w.real_shim))
    equal([c['state'] for c in checks(document, 'preload') + checks(document, 'loads')], ['ok', 'ok'], document)
    check(document['state'] in ('ok', 'remark'), document)
    equal(done.returncode, 0)
    text = w.command('doctor')
    contains(text.stdout.splitlines()[-1], 'libdftio works here')
    equal(text.returncode, 0)


@case('doctor: a preload that is missing is said so: 1')
def shim_missing(w):
    document, done = report(w, '--shim=/no/such/libdftio.so')
    equal((document['preload'], document['state'], done.returncode), (None, 'bad', 1))
    contains(checks(document, 'preload')[0]['text'], 'No such file')


@case('doctor: a preload that lacks a library is said so, with the library\'s name: 1')
def shim_lacks_library(w):
    needed = w.built('libgone.so', 'int test_gone(void) { return 0; }', '-shared', '-fPIC', '-Wl,-soname,libgone.so')
    shim = w.built('libneeds.so', 'int test_gone(void); int test_needs(void) { return test_gone(); }', '-shared',
                   '-fPIC', needed)
    os.unlink(needed)
    document, done = report(w, f'--shim={shim}')
    equal(done.returncode, 1)
    contains(checks(document, 'loads')[0]['text'], 'libgone.so')


@case('doctor: a preload that is no library is said so, in the loader\'s words: 1')
def shim_no_library(w):
    shim = w.write('libtext.so', 'no library\n' * 100, 0o755)
    document, done = report(w, f'--shim={shim}')
    equal(done.returncode, 1)
    contains(checks(document, 'loads')[0]['text'], 'ERROR: ld.so')


@case('doctor: a preload that kills or hangs the program is said so, and is not waited for without end: 1')
def shim_kills(w):
    source = '#include <stdlib.h>\n#include <unistd.h>\n__attribute__((constructor)) static void f(void) { %s; }\n'
    for code, part in (('abort()', 'Abort'), ('_exit(3)', 'exit status 3'), ('for (;;) pause()', 'no end within')):
        shim = w.built('libkills.so', source % code, '-shared', '-fPIC')
        document, done = report(w, f'--shim={shim}')
        equal(done.returncode, 1)
        contains(checks(document, 'loads')[0]['text'], part)


@case('doctor: what is in LD_PRELOAD already is named; a file that is missing there is bad')
def other_preloads(w):
    other = w.built('libother.so', 'int test_other;', '-shared', '-fPIC')
    document, _ = report(w, f'--shim={w.shim}', LD_PRELOAD=other)
    entry, = checks(document, 'LD_PRELOAD')
    equal(entry['state'], 'remark')
    contains(entry['text'], other)
    document, done = report(w, f'--shim={w.shim}', LD_PRELOAD='/no/such.so')
    equal([c['state'] for c in checks(document, 'LD_PRELOAD')], ['bad'])
    equal(done.returncode, 1)


@case('doctor: nothing is left behind by trying the preload')
def leaves_nothing(w):
    w.real_shim_bears_others()
    directory = w.path('nothing-left')
    os.mkdir(directory)
    w.command('doctor', env={'DFTIO_STATS': os.path.join(directory, 'left.json')})
    equal(os.listdir(directory), [])


# Of each variable: values that the library takes, and values that it does not.
VALUES = {
    'DFTIO_BACKEND': (['auto', 'IO_URING', 'Epoll-Threadpool', 'sync', ''], ['uring2', 'x' * 40, 'io uring']),
    'DFTIO_ROUTE': (['auto', 'Backend', 'DIRECT'], ['both', '1']),
    'DFTIO_POOL_MAX': (['2', '64', '1024'], ['0', '1', '1025', '-3', '4x', ' 4', '99999999999999999999']),
    'DFTIO_QUEUE_DEPTH': (['1', '4096'], ['0', '4097', 'deep']),
    'DFTIO_STATS': (['0', 'x.json'], ['x' * 5000]),
    'DFTIO_LOG': (['warn', 'Info'], ['loud', '2']),
    'DFTIO_LOG_FILE': ([], ['x' * 5000]),
    'DFTIO_DISABLE': (['0'], ['yes', '2']),
    'DFTIO_FILES': (['*', '!/tmp/*:*.db'], ['x' * 5000]),
    'DFTIO_NO_SUCH': ([], ['1', '']),
}


def preloaded_says(w, variables):
    """What the preload says on standard error when a program starts with these variables."""
    env = {'PATH': os.environ['PATH'], 'LD_PRELOAD': w.real_shim, **variables}
    return subprocess.run(['true'], env=env, capture_output=True, text=True, timeout=20, check=False).stderr


@case('doctor: says of each DFTIO_* variable what the library says of it')
def variables(w):
    for name, (good, bad) in VALUES.items():
        for value in good + bad:
            document, done = report(w, f'--shim={w.shim}', **{name: value})
            states = {c['state'] for c in checks(document, 'settings')}
            equal(states, {'bad' if value in bad else 'ok'}, f'{name}={value[:40]}:')
            said = preloaded_says(w, {name: value})
            equal(name in said, value in bad, f'{name}={value[:40]}: the library: {said[:200]!r}:')
            equal(done.returncode, 1 if value in bad else 0)


@case('doctor: DFTIO_DISABLE=1 is a bad state: nothing will be routed')
def disabled(w):
    document, done = report(w, f'--shim={w.shim}', DFTIO_DISABLE='1')
    equal((document['state'], done.returncode), ('bad', 1))


@case('doctor: a backend that is asked for and cannot start is a bad state')
def backend_cannot_start(w):
    known = json.loads(w.command('info', '--json').stdout)['backends']
    for name in ('kqueue', 'epoll'):
        can = any(b['name'] == name and b['available'] for b in known)
        document, done = report(w, f'--shim={w.shim}', DFTIO_BACKEND=name)
        equal([c['state'] for c in checks(document, 'backend')], ['ok' if can else 'bad'], name)
        equal(done.returncode, 0 if can else 1, name)
