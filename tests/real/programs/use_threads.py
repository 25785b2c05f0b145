# SPDX-License-Identifier: MIT
"""Threads that share descriptors: each record exactly once, each line whole, nobody starved."""

import collections
import concurrent.futures
import hashlib
import os
import queue
import random
import tempfile
import threading

THREADS = 8


def run_threads(function, count=THREADS):
    threads = [threading.Thread(target=function, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def records_once():
    """64-byte records read by all threads from one descriptor."""
    count = 12_000
    with open('records', 'wb') as file:
        file.writelines(b'%063d\n' % n for n in range(count))
    fd = os.open('records', os.O_RDONLY)
    seen = collections.Counter()
    lock = threading.Lock()

    def read(_):
        mine = collections.Counter()
        while record := os.read(fd, 64):
            mine[record] += 1
        with lock:
            seen.update(mine)
    run_threads(read)
    whole = sum(1 for record in seen if len(record) == 64 and record.endswith(b'\n'))
    print('records', len(seen), 'whole', whole, 'most often', max(seen.values()))


def shared_writes():
    """One descriptor without O_APPEND: writes take turns at its offset."""
    fd = os.open('turns', os.O_WRONLY | os.O_CREAT, 0o644)
    run_threads(lambda n: [os.write(fd, b'%d' % n * 63 + b'\n') for _ in range(400)])
    os.close(fd)
    lines = collections.Counter(open('turns', 'rb').read().splitlines())
    print('turns', sorted(lines.items()))
    os.unlink('turns')


def appended_lines():
    """A descriptor for each thread, all with O_APPEND."""
    def append(n):
        fd = os.open('appended', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for i in range(300):
            os.writev(fd, [b'thread %d ' % n, b'line %03d ' % i, b'.' * (n * 50), b'\n'])
        os.close(fd)
    run_threads(append)
    lines = sorted(open('appended', 'rb').read().splitlines())
    print('appended', len(lines), hashlib.sha256(b'\n'.join(lines)).hexdigest()[:16])
    os.unlink('appended')


def random_reads():
    """Many small reads at random places by a pool of threads."""
    whole = open('in/big.bin', 'rb').read()
    fd = os.open('in/big.bin', os.O_RDONLY)

    def read(seed):
        rng = random.Random(seed)
        places = [(rng.randrange(len(whole)), rng.randint(1, 9000)) for _ in range(150)]
        return all(os.pread(fd, length, at) == whole[at:at + length] for at, length in places)
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        print('random reads', all(pool.map(read, range(40))))


def disjoint_writes():
    """Each thread fills its own blocks of one file, some with fsync."""
    fd = os.open('blocks', os.O_RDWR | os.O_CREAT, 0o644)

    def write(n):
        for block in range(n, 400, THREADS):
            os.pwrite(fd, bytes([block % 251]) * 4096, block * 4096)
        os.fsync(fd)
    run_threads(write)
    print('blocks', hashlib.sha256(os.pread(fd, 400 * 4096, 0)).hexdigest()[:16])


def waiting_readers():
    """Forty threads wait on empty pipes; files go on meanwhile; then each reader gets its own message."""
    pipes = [os.pipe() for _ in range(40)]
    answers = queue.Queue()
    readers = [threading.Thread(target=lambda n=n, fd=fd: answers.put((n, os.read(fd, 100))))
               for n, (fd, _) in enumerate(pipes)]
    for reader in readers:
        reader.start()
    with open('meanwhile', 'wb', buffering=0) as file:
        for n in range(300):
            file.write(b'%08d' % n)
    print('meanwhile', os.path.getsize('meanwhile'))
    for n, (_, into) in reversed(list(enumerate(pipes))):
        os.write(into, b'message %d' % n)
    for reader in readers:
        reader.join()
    got = sorted(answers.get() for _ in pipes)
    print('messages', len(got), all(message == b'message %d' % n for n, message in got))


def short_lives():
    """Some hundred threads, each with one file of its own."""
    def live(n):
        with tempfile.TemporaryFile(dir='.') as file:
            file.write(b'%d' % n)
            file.flush()
            if os.pread(file.fileno(), 10, 0) == b'%d' % n:
                lived.append(n)
    lived = []
    for _ in range(10):
        run_threads(live, 30)
    print('lives', len(lived))


def reused_numbers():
    """Threads open and close at once, so that descriptor numbers change owners all the time."""
    wrong = []

    def churn(n):
        names = [('in/byte', 1), ('in/small.bin', 70_001), ('in/empty', 0)]
        for i in range(300):
            name, size = names[(n + i) % 3]
            fd = os.open(name, os.O_RDONLY)
            length = len(os.pread(fd, 100_000, 0))
            if length != size:
                wrong.append((name, length))
            os.close(fd)
    run_threads(churn)
    print('reused numbers, wrong', wrong)


records_once()
shared_writes()
appended_lines()
random_reads()
disjoint_writes()
waiting_readers()
short_lives()
reused_numbers()
