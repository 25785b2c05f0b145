# SPDX-License-Identifier: MIT
"""Processes in each way that Python makes them, and what parent and child share."""

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading


def sha(data):
    return hashlib.sha256(data).hexdigest()[:16]


def exit_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def subprocesses():
    done = subprocess.run(['sort', '-r'], stdin=open('in/text.txt', 'rb'), capture_output=True, check=True)
    print('run', sha(done.stdout))
    cat = subprocess.Popen(['cat', 'in/big.bin'], stdout=subprocess.PIPE)
    gzip = subprocess.Popen(['gzip', '-1nc'], stdin=cat.stdout, stdout=subprocess.PIPE)
    cat.stdout.close()
    print('pipeline', sha(subprocess.run(['gzip', '-dc'], stdin=gzip.stdout, capture_output=True, check=True).stdout),
          cat.wait(), gzip.wait())
    echo = subprocess.run(['cat'], input=b'both ways ' * 50_000, capture_output=True, check=True)
    print('communicate', sha(echo.stdout))
    print('shell', subprocess.getoutput('echo $((6 * 7)); cat in/byte'), os.system('exit 3') >> 8)
    print('missing', end=' ')
    try:
        subprocess.run(['in/missing'], check=True)
    except FileNotFoundError as error:
        print(error.strerror)
    with open('redirected', 'wb') as out:
        subprocess.run(['cat', 'in/small.bin'], stdout=out, check=True)
        out.write(b'by the parent, after the child')
    slow = subprocess.Popen(['sleep', '30'])
    slow.send_signal(signal.SIGTERM)
    print('killed', slow.wait(), os.popen('cat in/byte').read())
    spawned = os.posix_spawn('/bin/cat', ['cat', 'in/byte'], os.environ,
                             file_actions=[(os.POSIX_SPAWN_OPEN, 1, 'spawned', os.O_WRONLY | os.O_CREAT, 0o644)])
    print('posix_spawn', exit_of(spawned), open('spawned', encoding='ascii').read())


def shared_offset():
    """Parent and child read one descriptor by turns and meet each other's place."""
    fd = os.open('in/text.txt', os.O_RDONLY)
    os.read(fd, 100)
    child = os.fork()
    if child == 0:
        os._exit(len(os.read(fd, 100)) + (os.lseek(fd, 0, os.SEEK_CUR) != 200))
    print('child read', exit_of(child), 'offset', os.lseek(fd, 0, os.SEEK_CUR), sha(os.read(fd, 50)))


def fork_with_threads():
    """fork while other threads have I/O in flight; the child does I/O of its own, and so does its child."""
    stop = threading.Event()
    fd = os.open('in/big.bin', os.O_RDONLY)

    def busy():
        while not stop.is_set():
            os.pread(fd, 65536, 4096)
    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    children = []
    for n in range(8):
        child = os.fork()
        if child == 0:
            with open(f'of-child-{n}', 'wb', buffering=0) as file:
                file.write(os.pread(fd, 10_000, n * 1000))
            grandchild = os.fork()
            if grandchild == 0:
                os._exit(len(os.pread(fd, 50, 0)))
            os._exit(exit_of(grandchild) + 1)
        children.append(child)
    print('children', [exit_of(child) for child in children])
    stop.set()
    for thread in threads:
        thread.join()


def closes_everything():
    """A daemon's loop: every descriptor above stderr is closed, and I/O goes on after it."""
    before = os.open('in/small.bin', os.O_RDONLY)
    os.pread(before, 100, 0)
    child = os.fork()
    if child == 0:
        os.closerange(3, 4096)
        first = os.open('in/byte', os.O_RDONLY)
        ok = first == 3 and os.read(first, 5) == b'x'
        with open('of-daemon', 'wb', buffering=0) as file:
            file.write(b'alive')
        os.dup2(first, 700)
        os._exit(0 if ok and os.pread(700, 1, 0) == b'x' else 1)
    print('daemon', exit_of(child), len(os.pread(before, 100, 0)))


def nothing_leaks():
    """A program started without close_fds, and without the preload, sees only what it should."""
    with open('in/big.bin', 'rb', buffering=0) as file:
        file.read(100_000)
    clean = {name: value for name, value in os.environ.items() if name != 'LD_PRELOAD'}
    shown = subprocess.run(['sh', '-c', 'cd /proc/self/fd; echo *'], close_fds=False, env=clean, capture_output=True,
                           stdin=subprocess.DEVNULL, check=True).stdout.split()
    print('inherited', [number for number in shown if not (number == b'3' or int(number) < 3)])


def square(n):
    with open('in/big.bin', 'rb', buffering=0) as file:
        file.seek(n * 1000)
        return n * n, sha(file.read(5000))


def pools():
    for method in ('fork', 'spawn', 'forkserver'):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            print(method, sha(repr(pool.map(square, range(30))).encode()))
    reader, writer = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context('fork').Process(target=writer.send_bytes, args=(b'm' * 300_000,))
    child.start()
    print('pipe', sha(reader.recv_bytes()))
    child.join()
    print('ended', child.exitcode)


def deaths():
    for how in ('os._exit(4)', 'sys.exit(5)', 'os.kill(os.getpid(), 9)', 'os.abort()', 'os.execlp("true", "true")'):
        code = f'import os, sys; os.pread(os.open("in/big.bin", 0), 70000, 0); {how}'
        print(how, subprocess.run([sys.executable, '-c', code], check=False).returncode)


if __name__ == '__main__':
    sys.stdout.reconfigure(line_buffering=True)
    subprocesses()
    shared_offset()
    fork_with_threads()
    closes_everything()
    nothing_leaks()
    pools()
    deaths()
