# SPDX-License-Identifier: MIT
"""Signals that arrive during I/O: handlers run, calls that were interrupted go on or say so, no byte is lost."""

import ctypes
import hashlib
import os
import signal
import threading
import time

HANDLED = 20
libc = ctypes.CDLL(None, use_errno=True)


def under_a_timer():
    """A timer fires all the time while files are written and read back."""
    fired = []
    signal.signal(signal.SIGALRM, lambda *_: fired.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    digest = hashlib.sha256()
    with open('timed', 'wb+', buffering=0) as file:
        for n in range(1500):
            assert file.write(b'%04d' % (n % 10_000) * 500) == 2000
        os.fsync(file.fileno())
        file.seek(0)
        while block := file.read(3000):
            digest.update(block)
    while not fired:
        signal.sigtimedwait([], 0.01)
    signal.setitimer(signal.ITIMER_REAL, 0)
    print('timed', digest.hexdigest()[:16], 'fired', len(fired) > 0)


def interrupted_read():
    """A C read() of an empty pipe: EINTR without SA_RESTART, resumed with it. Python itself would retry."""
    out, into = os.pipe()
    main = threading.get_ident()
    buffer = ctypes.create_string_buffer(10)
    signal.signal(signal.SIGUSR1, lambda *_: None)

    def poke(then):
        """Waits until the main thread sleeps in its read, then signals it."""
        while open(f'/proc/self/task/{os.getpid()}/syscall').read().split()[0] != str(READ):
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGUSR1)
        then()

    for restart in (False, True):
        signal.siginterrupt(signal.SIGUSR1, not restart)
        then = (lambda: os.write(into, b'late')) if restart else (lambda: None)
        helper = threading.Thread(target=poke, args=(then,))
        helper.start()
        got = libc.read(out, buffer, 10)
        error = ctypes.get_errno() if got < 0 else 0
        helper.join()
        print('with SA_RESTART' if restart else 'without', got, os.strerror(error) if error else buffer.value)


def handler_does_io():
    """A handler reads and writes files while the code it interrupted does too; so does one that interrupts it."""
    fd = os.open('by-handler', os.O_RDWR | os.O_CREAT, 0o644)
    source = os.open('in/big.bin', os.O_RDONLY)
    whole = os.pread(source, 4_000_000, 0)
    count = 0

    def handler(*_):
        nonlocal count
        mine = count
        if mine < HANDLED:
            count += 1
            os.pwrite(fd, os.pread(source, 10, mine * 1000), mine * 10)
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    same = True
    while count < HANDLED:
        same = same and os.pread(source, 100_000, 5000) == whole[5000:105_000]
    signal.setitimer(signal.ITIMER_REAL, 0)
    print('handler', same, hashlib.sha256(os.pread(fd, 1000, 0)).hexdigest()[:16])


def broken_pipe():
    """SIGPIPE is delivered to the thread that wrote."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        out, into = os.pipe()
        os.close(out)
        os.write(into, b'x')
        os._exit(1)
    print('broken pipe', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


READ = 0 if os.uname().machine == 'x86_64' else 63
under_a_timer()
interrupted_read()
handler_does_io()
broken_pipe()
