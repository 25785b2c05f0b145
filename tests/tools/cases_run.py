# SPDX-License-Identifier: MIT
"""dftio run: the command is as without it, and has the preload."""

import os
import signal
import subprocess

from tap import Skip, case, check, contains, equal, lacks
from world import WITNESS_SOURCE, foreign_elf


@case('run: the exit status is the command\'s')
def exit_status(w):
    for status in (0, 1, 2, 42, 125, 126, 127, 255):
        equal(w.run('sh', '-c', f'exit {status}').returncode, status)


@case('run: a command that dies of a signal dies of it for the caller too')
def death_by_signal(w):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGUSR1):
        equal(w.run('sh', '-c', f'kill -{int(number)} $$').returncode, -number)


@case('run: the command has the process ID that the caller started')
def process_id(w):
    child = subprocess.Popen([w.dftio, 'run', f'--shim={w.shim}', 'sh', '-c', 'echo $$'], env=w.environment(),
                             stdout=subprocess.PIPE, text=True)
    out, _ = child.communicate(timeout=60)
    equal(int(out), child.pid)


@case('run: standard input and output are the command\'s, byte for byte')
def standard_streams(w):
    data = bytes(range(256)) * 500
    done = w.run('cat', input=data, text=False)
    equal((done.stdout, done.stderr, done.returncode), (data, b'', 0))


@case('run: words behind the command are its own, options or not')
def arguments(w):
    script = 'for a; do printf "[%s]" "$a"; done'
    words = ['--backend', 'x', '', 'two words', '--', '-h', '$HOME']
    for separator in ([], ['--']):
        done = w.run(*separator, 'sh', '-c', script, 'sh', *words)
        equal(done.stdout, ''.join(f'[{word}]' for word in words))


@case('run: ignored signals and closed descriptors stay as the caller had them')
def inherited_state(w):
    done = subprocess.run(
        ['sh', '-c', 'trap "" USR1; exec "$@" 7<&-', 'sh', w.dftio, 'run', f'--shim={w.shim}', 'sh', '-c',
         'kill -USR1 $$; ls /proc/self/fd | wc -l'], env=w.environment(), capture_output=True, text=True, timeout=60)
    bare = subprocess.run(['sh', '-c', 'ls /proc/self/fd | wc -l'], capture_output=True, text=True, timeout=60)
    equal((done.stdout, done.returncode), (bare.stdout, 0))


@case('run: LD_PRELOAD names the preload by its absolute path')
def absolute_path(w):
    done = w.command('run', '--shim=libstandin.so', 'printenv', 'LD_PRELOAD', cwd=w.scratch)
    equal(done.stdout, w.shim + '\n')


@case('run: an LD_PRELOAD that is there is kept, behind the preload')
def existing_preload(w):
    other = w.built('libother.so', 'int test_other;', '-shared', '-fPIC')
    third = w.built('libthird.so', 'int test_third;', '-shared', '-fPIC')
    for existing in (other, f'{other}:{third}', f'{other} {third}'):
        done = w.run('printenv', 'LD_PRELOAD', env={'LD_PRELOAD': existing})
        equal(done.stdout, f'{w.shim}:{existing}\n')


@case('run: run under run has the preload once')
def nested(w):
    done = w.run(w.dftio, 'run', f'--shim={w.shim}', 'printenv', 'LD_PRELOAD')
    equal(done.stdout, w.shim + '\n')


@case('run: a sanitizer\'s runtime that comes first in LD_PRELOAD stays first')
def sanitizer_first(w):
    runtime = w.built('libasan.so.99', 'int test_runtime;', '-shared', '-fPIC')
    other = w.built('libother.so', 'int test_other;', '-shared', '-fPIC')
    done = w.run('printenv', 'LD_PRELOAD', env={'LD_PRELOAD': f'{runtime}:{other}'})
    equal(done.stdout, f'{runtime}:{w.shim}:{other}\n')
    done = w.run('printenv', 'LD_PRELOAD', env={'LD_PRELOAD': runtime})
    equal(done.stdout, f'{runtime}:{w.shim}\n')


@case('run: the preload gets into the command')
def preload_gets_in(w):
    check(w.is_reached(w.built('witness', WITNESS_SOURCE)))


@case('run: each option sets its variable')
def variables(w):
    done = w.run('--backend=EPOLL-Threadpool', '--route', 'direct', '--stats', '--files=*.db:!/tmp/*', '--log=debug',
                 'env')
    lines = done.stdout.splitlines()
    for line in ('DFTIO_BACKEND=epoll', 'DFTIO_ROUTE=direct', 'DFTIO_STATS=1', 'DFTIO_FILES=*.db:!/tmp/*',
                 'DFTIO_LOG=debug'):
        check(line in lines, line, 'not in', lines)


@case('run: without options no variable is set, and those of the caller are kept')
def no_variables(w):
    lacks(w.run('env').stdout, 'DFTIO_')
    contains(w.run('env', env={'DFTIO_ROUTE': 'backend'}).stdout, 'DFTIO_ROUTE=backend\n')


@case('run: every name of a backend is taken, in any case, with - or _')
def backend_names(w):
    names = {'auto': 'auto', 'AUTO': 'auto', 'IO_URING': 'io_uring', 'io-uring': 'io_uring', 'Io_Uring': 'io_uring',
             'EPOLL_THREADPOOL': 'epoll', 'epoll-threadpool': 'epoll', 'epoll': 'epoll', 'kqueue': 'kqueue',
             'KQUEUE_THREADPOOL': 'kqueue', 'THREADPOOL': 'threadpool', 'sync': 'sync'}
    for name, short in names.items():
        equal(w.run(f'--backend={name}', 'printenv', 'DFTIO_BACKEND').stdout, short + '\n', name)


@case('run: an unknown value is refused in one line that names option, value and valid values; nothing is started')
def unknown_values(w):
    mark = w.path('started')
    for option, value, valid in (('--backend', 'uringg', 'io_uring, epoll, kqueue, threadpool, sync'),
                                 ('--route', 'both', 'auto, backend, direct'),
                                 ('--log', 'loud', 'error, warn, info, debug'),
                                 ('--files', 'x' * 5000, 'globs')):
        done = w.run(f'{option}={value}', 'touch', mark)
        equal((done.returncode, done.stdout), (2, ''), option)
        first, second = done.stderr.splitlines()
        for part in (option, value, valid):
            contains(first, part)
        equal(second, "Try 'dftio run --help'.")
    check(not os.path.exists(mark), 'the command was started')


@case('run: an empty value is refused')
def empty_values(w):
    for option in ('--backend=', '--route=', '--log=', '--files=', '--stats='):
        done = w.run(option, 'true')
        equal(done.returncode, 2, option)
        equal(len(done.stderr.splitlines()), 2)


@case('run: wrong usage is 2, one line and a hint')
def wrong_usage(w):
    for words in ([], ['--'], ['--nonsense', 'true'], ['--backend'], ['-x', 'true'], ['--help=1']):
        done = w.command('run', *words)
        equal((done.returncode, done.stdout), (2, ''), words)
        lines = done.stderr.splitlines()
        equal((len(lines), lines[-1]), (2, "Try 'dftio run --help'."), words)


@case('run: the file of --stats is made absolute')
def stats_file(w):
    os.makedirs(w.path('sub'), exist_ok=True)
    for given, wanted in (('s.json', w.path('s.json')), ('sub/s.txt', w.path('sub', 's.txt')),
                          ('sub/../t.json', w.path('t.json')), ('/tmp/u.json', os.path.realpath('/tmp') + '/u.json')):
        done = w.run(f'--stats={given}', 'printenv', 'DFTIO_STATS', cwd=w.scratch)
        equal(done.stdout, wanted + '\n', given)


@case('run: a file of --stats that cannot be written is refused before the command runs')
def stats_file_refused(w):
    mark = w.path('stats-started')
    for given, part in (('missing/s.json', "directory 'missing': No such file"), ('sub/', 'not the name of a file')):
        done = w.run(f'--stats={given}', 'touch', mark, cwd=w.scratch)
        equal(done.returncode, 2, given)
        contains(done.stderr, part)
    check(not os.path.exists(mark), 'the command was started')


@case('run: a command that is not there is 127')
def not_found(w):
    for name in ('no-such-command', './no-such-command', '/no/such/command', ''):
        # A directory in PATH that may not be searched would make it 126, as for env(1).
        done = w.run(name, env={'PATH': '/usr/bin:/bin'})
        equal((done.returncode, len(done.stderr.splitlines())), (127, 1), name)
        contains(done.stderr, f"'{name}': No such file or directory")


@case('run: a command whose interpreter or loader is missing is 127, and the line says that')
def interpreter_missing(w):
    script = w.write('orphan', '#!/no/such/interpreter\n', 0o755)
    loader = w.built('musl', WITNESS_SOURCE, '-Wl,--dynamic-linker=/no/such/ld-musl.so.1')
    for program in (script, loader):
        done = w.run('--log=error', program)
        equal(done.returncode, 127)
        contains(done.stderr, 'interpreter or loader')


@case('run: a command that cannot be executed is 126')
def not_executable(w):
    for name in (w.write('plain', 'text\n'), w.scratch, '/etc/passwd/x'):
        equal(w.run(name).returncode, 126, name)


@case('run: a preload that is missing, no file, or beyond what LD_PRELOAD can name is 125; nothing is started')
def no_shim(w):
    mark = w.path('shim-started')
    blank = w.path('with blank.so')
    os.link(w.shim, blank)
    for shim, part in (('/no/such.so', 'No such file'), (w.scratch, 'not a regular file'), (blank, 'blank')):
        done = w.command('run', f'--shim={shim}', 'touch', mark)
        equal((done.returncode, len(done.stderr.splitlines())), (125, 1), shim)
        contains(done.stderr, part)
    check(not os.path.exists(mark), 'the command was started')


@case('run: a command that will not be reached is warned of in one line with the remedy, and runs')
def warns_of_static(w):
    program = w.built('static', WITNESS_SOURCE, '-static', need='no static libc here')
    done = w.run(program)
    equal((done.returncode, done.stdout), (0, 'not reached\n'))
    line, = done.stderr.splitlines()
    contains(line, 'statically linked')
    contains(line, 'remedy')


@case('run: a command of another class is warned of')
def warns_of_class(w):
    program = w.write('foreign', foreign_elf(False, False, 3), 0o755)
    contains(w.run(program).stderr, '32-bit i386')


@case('run: a command that will be reached is not warned of')
def no_needless_warning(w):
    for words in (['true'], ['sh', '-c', ':'], [w.moves()]):
        equal(w.run(*words).stderr, '', words)


@case('run: --log=error silences the warning')
def silence(w):
    program = w.built('static', WITNESS_SOURCE, '-static', need='no static libc here')
    equal(w.run('--log=error', program).stderr, '')


@case('run: a library that is switched off by DFTIO_DISABLE is warned of')
def warns_of_disable(w):
    contains(w.run('true', env={'DFTIO_DISABLE': '1'}).stderr, 'DFTIO_DISABLE')


@case('run: finds the preload of its build tree')
def finds_build_tree(w):
    w.real_shim_bears_others()
    done = w.command('run', 'printenv', 'LD_PRELOAD')
    equal(done.stdout, os.path.realpath(w.real_shim) + '\n', done.stderr)


@case('run: finds the preload of its installation, wherever that was moved')
def finds_installation(w):
    if os.path.isabs(w.libdir) or os.path.isabs(w.bindir):
        raise Skip('configured with absolute directories')
    command = w.path('moved', w.bindir, 'dftio')
    shim = w.path('moved', w.libdir, 'libdftio.so')
    for source, target in ((w.dftio, command), (w.shim, shim)):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(source, 'rb') as f, open(target, 'wb') as t:
            t.write(f.read())
        os.chmod(target, 0o755)
    env = w.environment(LD_LIBRARY_PATH=os.path.dirname(w.core))
    done = subprocess.run([command, 'run', 'printenv', 'LD_PRELOAD'], env=env, capture_output=True, text=True,
                          timeout=60)
    equal(done.stdout, shim + '\n', done.stderr)
