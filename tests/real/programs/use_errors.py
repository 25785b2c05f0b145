# SPDX-License-Identifier: MIT
"""Each call that must fail fails with the kernel's own errno; each that must not wait does not."""

import errno
import fcntl
import os
import resource
import socket
import threading


def attempt(label, function, *arguments):
    try:
        print(label, '->', repr(function(*arguments))[:60])
    except OSError as error:
        print(label, '->', errno.errorcode[error.errno])
    except (ValueError, OverflowError) as error:
        print(label, '->', type(error).__name__)


def bad_descriptors():
    for number in (-1, 987, 1 << 20):
        for name, arguments in (('read', (10,)), ('pread', (10, 0)), ('write', (b'x',)), ('pwrite', (b'x', 0)),
                                ('readv', ([bytearray(1)],)), ('writev', ([b'x'],)), ('fsync', ()), ('fdatasync', ()),
                                ('ftruncate', (0,)), ('lseek', (0, 0)), ('close', ())):
            attempt(f'{name} on {number}', getattr(os, name), number, *arguments)
    closed = os.open('in/byte', os.O_RDONLY)
    os.read(closed, 1)
    os.close(closed)
    attempt('read after close', os.read, closed, 1)
    attempt('pread after close', os.pread, closed, 1, 0)


def wrong_kinds():
    directory = os.open('in/tree', os.O_RDONLY | os.O_DIRECTORY)
    attempt('read of a directory', os.read, directory, 10)
    attempt('pread of a directory', os.pread, directory, 10, 0)
    reading, writing = os.open('in/byte', os.O_RDONLY), os.open('out', os.O_WRONLY | os.O_CREAT, 0o644)
    attempt('write to a reader', os.write, reading, b'x')
    attempt('pwrite to a reader', os.pwrite, reading, b'x', 0)
    attempt('read from a writer', os.read, writing, 1)
    attempt('pread at a negative offset', os.pread, reading, 1, -1)
    attempt('lseek before the start', os.lseek, reading, -5, os.SEEK_SET)
    attempt('readv with 1025 parts', os.readv, reading, [bytearray(1)] * 1025)
    attempt('writev with 1024 parts', os.writev, writing, [b'x'] * 1024)
    attempt('writev with none', os.writev, writing, [])
    attempt('ftruncate of a reader', os.ftruncate, reading, 0)
    path = os.open('in/byte', os.O_PATH)
    attempt('read of O_PATH', os.read, path, 1)
    attempt('fsync of /dev/null', os.fsync, os.open('/dev/null', os.O_WRONLY))
    full = os.open('/dev/full', os.O_RDWR)
    attempt('write to /dev/full', os.write, full, b'x')
    attempt('read of /dev/full', os.read, full, 2)
    attempt('sendfile into a reader', os.sendfile, reading, reading, 0, 1)


def pipes_and_sockets():
    out, into = os.pipe()
    attempt('pread of a pipe', os.pread, out, 1, 0)
    attempt('lseek of a pipe', os.lseek, out, 0, 0)
    attempt('fsync of a pipe', os.fsync, out)
    os.set_blocking(out, False)
    os.set_blocking(into, False)
    attempt('read of an empty pipe', os.read, out, 1)
    print('filled', sum(iter(lambda: write_some(into), 0)))
    attempt('write to a full pipe', os.write, into, b'x')
    os.close(out)
    attempt('write without a reader', os.write, into, b'x')
    one, two = socket.socketpair()
    two.setblocking(False)
    attempt('recv with nothing there', two.recv, 1)
    one.shutdown(socket.SHUT_WR)
    attempt('recv after the end', two.recv, 1)
    attempt('send after shutdown', one.send, b'x')
    attempt('pread of a socket', os.pread, one.fileno(), 1, 0)
    if hasattr(os, 'eventfd'):
        event = os.eventfd(0, os.EFD_NONBLOCK)
        attempt('eventfd with no event', os.eventfd_read, event)
        attempt('eventfd of 3 bytes', os.read, event, 3)
    print('flags', [fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK > 0 for fd in (into, one.fileno(), two.fileno())])


def write_some(fd):
    try:
        return os.write(fd, b'x' * 4096)
    except BlockingIOError:
        return 0


def limits():
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
    big = os.open('limited', os.O_WRONLY | os.O_CREAT, 0o644)
    attempt('write up to the limit', os.write, big, b'x' * 20_000)
    attempt('write past the limit', os.write, big, b'x')
    attempt('pwrite past the limit', os.pwrite, big, b'x', 10_001)
    attempt('pwrite across the limit', os.pwrite, big, b'xyz', 9_999)
    attempt('ftruncate past the limit', os.ftruncate, big, 10_001)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    held = []
    try:
        while True:
            held.append(os.open('in/byte', os.O_RDONLY))
    except OSError as error:
        print('open', errno.errorcode[error.errno])
    print('reads with all descriptors used', all(os.pread(fd, 1, 0) == b'x' for fd in held))
    worker = threading.Thread(target=lambda: print('and in a new thread', os.read(held[0], 1)))
    worker.start()
    worker.join()
    for fd in held:
        os.close(fd)


bad_descriptors()
wrong_kinds()
pipes_and_sockets()
limits()
