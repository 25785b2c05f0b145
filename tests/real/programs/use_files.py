# SPDX-License-Identifier: MIT
"""Python's files, raw and buffered, and the libraries on top of them; every result is printed."""

import gzip
import hashlib
import io
import mmap
import os
import shelve
import shutil
import sqlite3
import tarfile
import tempfile
import zipfile


def sha(data):
    return hashlib.sha256(data).hexdigest()[:16]


def raw_calls():
    source = os.open('in/big.bin', os.O_RDONLY)
    print('pread', sha(os.pread(source, 100_000, 777)), sha(os.pread(source, 0, 5)), len(os.pread(source, 9, 1 << 40)))
    print('read', sha(os.read(source, 5000)), os.lseek(source, 0, os.SEEK_CUR))
    parts = [bytearray(n) for n in (1, 4096, 0, 333, 70_000)]
    print('readv', os.readv(source, parts), sha(b''.join(parts)), os.lseek(source, 0, os.SEEK_CUR))
    print('preadv', os.preadv(source, parts, 3_000_000), sha(b''.join(parts)), os.lseek(source, 0, os.SEEK_CUR))
    print('end', os.lseek(source, -100, os.SEEK_END), len(os.read(source, 4096)), len(os.read(source, 4096)))

    target = os.open('raw', os.O_RDWR | os.O_CREAT, 0o644)
    data = os.pread(source, 500_000, 0)
    print('write', os.write(target, data[:12_345]), 'pwrite', os.pwrite(target, data, 100_000))
    print('writev', os.writev(target, [data[:7], b'', data[:8192]]), os.lseek(target, 0, os.SEEK_CUR))
    print('pwritev', os.pwritev(target, [data[:10], data[:20]], 900_000), os.fstat(target).st_size)
    os.ftruncate(target, 700_000)
    os.posix_fallocate(target, 0, 800_000)
    os.fsync(target)
    os.fdatasync(target)
    print('copied', os.copy_file_range(source, target, 50_000, 10, 20), os.pread(target, 8, 20).hex())
    print('sent', os.sendfile(target, source, 40, 30_000), os.lseek(target, 0, os.SEEK_CUR))
    print('descriptor', sha(os.pread(target, 1_000_000, 0)), os.fstat(target).st_size)
    os.close(source)
    os.close(target)


def appending():
    first = os.open('log', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    second = os.open('log', os.O_WRONLY | os.O_APPEND)
    for n in range(200):
        os.write((first, second)[n % 2], b'%d,' % n)
    print('pwrite with O_APPEND', os.pwrite(first, b'at the end', 3))
    third = os.dup(first)
    os.lseek(third, 0, os.SEEK_SET)
    os.write(third, b'.')
    print('offsets', [os.lseek(fd, 0, os.SEEK_CUR) for fd in (first, second, third)])


def direct():
    try:
        fd = os.open('direct', os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o644)
    except OSError as error:
        print('direct', error.strerror)
        return
    page = mmap.mmap(-1, 65536)
    page.write(os.urandom(0) + bytes(range(256)) * 256)
    print('direct', os.writev(fd, [page]), os.pwritev(fd, [page], 65536), os.preadv(fd, [page], 4096), sha(page[:]))
    try:
        os.pwrite(fd, b'not aligned', 3)
    except OSError as error:
        print('direct, not aligned', error.strerror)
    os.close(fd)


def buffered():
    with open('buffered', 'w+b', buffering=512) as file:
        for n in range(3000):
            file.write(b'%05d\n' % n)
            if n % 700 == 0:
                file.seek(-3, io.SEEK_CUR)
        file.seek(1001)
        print('buffered', file.read(20), file.tell(), file.readline())
    with open('in/text.txt', encoding='ascii') as file:
        print('text', sum(len(line) for line in file))
    with open('latin', 'w', encoding='utf-16', newline='\r\n') as file:
        file.writelines(f'zeile {n}\n' for n in range(2000))
    with open('buffered', 'rb', buffering=0) as file:
        chunk = bytearray(50)
        print('unbuffered', file.readinto(chunk), bytes(chunk[:10]), file.readall()[-6:])
    with tempfile.TemporaryFile(dir='.') as file:
        file.write(b'gone at once' * 1000)
        file.seek(0)
        print('unnamed', sha(file.read()))
    with tempfile.SpooledTemporaryFile(max_size=100, dir='.') as file:
        file.write(b's' * 5000)
        file.seek(4990)
        print('spooled', file.read())


def libraries():
    shutil.copyfile('in/big.bin', 'copied')
    shutil.copytree('in/tree/d1', 'tree', symlinks=True)
    with zipfile.ZipFile('packed.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in ('text.txt', 'small.bin', 'empty'):
            archive.writestr(zipfile.ZipInfo(name), open(f'in/{name}', 'rb').read())
    with zipfile.ZipFile('packed.zip') as archive:
        print('zip', archive.testzip(), [info.file_size for info in archive.infolist()])
    with gzip.GzipFile('packed.gz', 'wb', mtime=0) as file:
        shutil.copyfileobj(open('in/text.txt', 'rb'), file)
    with tarfile.open('packed.tar', 'w') as archive:
        archive.add('in/tree/d2', 'd2')
    with tarfile.open('packed.tar') as archive:
        print('tar', len(archive.getmembers()), sha(archive.extractfile('d2/e2/f3.txt').read()))
    with shelve.open('shelf') as shelf:
        shelf.update({str(n): list(range(n)) for n in range(50)})
    with shelve.open('shelf', 'r') as shelf:
        print('shelf', sum(len(value) for value in shelf.values()))
    with sqlite3.connect('database') as database:
        database.execute('create table t (n integer primary key, s text)')
        database.executemany('insert into t values (?, ?)', ((n, str(n) * 9) for n in range(2000)))
    print('sqlite', database.execute('select count(*), sum(length(s)) from t').fetchone())
    database.close()


def pseudo_files():
    print('proc', open('/proc/self/comm', encoding='ascii').read().strip(), len(open('/proc/self/maps').read()) > 0)
    print('zero', os.read(os.open('/dev/zero', os.O_RDONLY), 10), len(os.read(os.open('/dev/urandom', 0), 10)))
    print('null', os.write(os.open('/dev/null', os.O_WRONLY), b'x' * 100_000))
    memory = os.memfd_create('memory')
    print('memfd', os.write(memory, b'm' * 10_000), sha(os.pread(memory, 20_000, 5)))
    for name in os.listdir('.'):
        if name.startswith('shelf'):
            os.unlink(name)     # its format is the machine's choice


raw_calls()
appending()
direct()
buffered()
libraries()
pseudo_files()
