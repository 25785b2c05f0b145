# SPDX-License-Identifier: MIT
"""dftio info: JSON and text say the same, and what can be checked is true."""

import json
import os
import resource

from tap import Skip, case, check, contains, equal, lacks


def info(w, *words, **env):
    done = w.command('info', '--json', *words, env=env)
    return json.loads(done.stdout), done.returncode


@case('info: --json has the backends, each with a state and, when unavailable, the reason')
def backends(w):
    document, status = info(w)
    equal((document['dftio_info'], status), (1, 0))
    names = [b['name'] for b in document['backends']]
    check({'epoll', 'threadpool'} <= set(names), names)
    for backend in document['backends']:
        equal(set(backend), {'name', 'long_name', 'available', 'error', 'reason', 'detail'})
        equal(bool(backend['reason']), not backend['available'], backend)
        equal(backend['error'] != 0, not backend['available'], backend)


@case('info: auto is the first backend that is available')
def auto(w):
    document, _ = info(w)
    available = [b['name'] for b in document['backends'] if b['available']]
    equal(document['auto'], available[0])
    equal(document['in_use']['backend'], available[0])
    check(document['in_use']['why'])


@case('info: a backend that is asked for is the one in use, and auto stays what it is')
def asked_for(w):
    before, _ = info(w)
    document, _ = info(w, DFTIO_BACKEND='threadpool')
    equal((document['in_use']['backend'], document['auto']), ('threadpool', before['auto']))
    text = w.command('info', env={'DFTIO_BACKEND': 'threadpool'}).stdout
    contains(text, 'in use      threadpool')
    contains(text, f'auto takes  {before["auto"]}')


@case('info: every backend that it names is one that run accepts')
def run_accepts(w):
    document, _ = info(w)
    for backend in document['backends']:
        for name in (backend['name'], backend['long_name']):
            equal(w.run(f'--backend={name}', 'true').returncode, 0, name)


@case('info: features have a name, the kernel that brought them, and a use')
def features(w):
    document, _ = info(w)
    check(document['features'])
    for feature in document['features']:
        equal(set(feature), {'name', 'since', 'present', 'use'})
        check(feature['name'] and feature['since'] and feature['use'], feature)


@case('info: the limits are this process\'s')
def limits(w):
    document, _ = info(w)
    got = document['limits']
    for name, which in (('rlimit_nofile', resource.RLIMIT_NOFILE), ('rlimit_memlock', resource.RLIMIT_MEMLOCK),
                        ('rlimit_nproc', resource.RLIMIT_NPROC)):
        soft = resource.getrlimit(which)[0]
        equal(got[name], 'unlimited' if soft == resource.RLIM_INFINITY else soft, name)
    equal(got['cpus'], len(os.sched_getaffinity(0)))
    try:
        with open('/proc/sys/kernel/io_uring_disabled') as f:
            equal(got['io_uring_disabled'], int(f.read()))
    except FileNotFoundError:
        equal(got['io_uring_disabled'], None)


@case('info: the kernel is the one that runs')
def kernel(w):
    document, _ = info(w)
    equal((document['kernel'], document['machine']), (os.uname().release, os.uname().machine))
    contains(w.command('info').stdout.splitlines()[0], os.uname().release)


@case('info: tells of each path what becomes of its calls')
def paths(w):
    plain, fifo = w.write('plain-file', 'x'), w.path('a-fifo')
    os.mkfifo(fifo)
    document, status = info(w, plain, fifo, w.scratch)
    equal(status, 0)
    got = {p['path']: p for p in document['paths']}
    equal(sorted(got), sorted([plain, fifo, w.scratch]))
    equal((got[plain]['kind'], got[fifo]['routed'], got[w.scratch]['routed']), ('regular file', False, False))
    for p in got.values():
        check(p['why'] and p['file_system'], p)
    equal(got[plain]['block_size'], os.stat(plain).st_blksize)


@case('info: a path that cannot be looked at is 1, and does not hide the others')
def path_missing(w):
    document, status = info(w, '/no/such/file', w.scratch)
    equal((status, document['paths'][0]['error'], len(document['paths'])), (1, 'No such file or directory', 2))
    done = w.command('info', '/no/such/file', w.scratch)
    equal(done.returncode, 1)
    contains(done.stderr, "'/no/such/file': No such file or directory")
    contains(done.stdout, w.scratch)


@case('info: the text has what the document has')
def text(w):
    document, _ = info(w)
    out = w.command('info').stdout
    for backend in document['backends']:
        line = next(line for line in out.splitlines() if line.split()[:1] == [backend['name']])
        contains(line, backend['long_name'])
        contains(line, '  available' if backend['available'] else 'unavailable')
        contains(line, backend['detail'] if backend['available'] else backend['reason'])
    for feature in document['features']:
        contains(out, feature['name'])


def on_terminal(w, **env):
    """What dftio info writes to a terminal."""
    pid, fd = os.forkpty()
    if pid == 0:
        try:
            os.execve(w.dftio, [w.dftio, 'info'], w.environment(**env))
        finally:
            os._exit(126)
    out = b''
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError:  # EIO: the terminal's other side is closed
            break
        if not data:
            break
        out += data
    os.close(fd)
    equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
    return out.decode()


@case('info: colours on a terminal only, and none with NO_COLOR or a dumb terminal')
def colours(w):
    lacks(w.command('info', env={'TERM': 'xterm'}).stdout, '\x1b')
    try:
        contains(on_terminal(w, TERM='xterm', NO_COLOR=None), '\x1b[')
    except OSError as error:
        raise Skip(f'no pseudo-terminals: {error}')
    contains(on_terminal(w, TERM='xterm', NO_COLOR=''), '\x1b[')
    lacks(on_terminal(w, TERM='xterm', NO_COLOR='1'), '\x1b')
    lacks(on_terminal(w, TERM='dumb', NO_COLOR=None), '\x1b')
