# SPDX-License-Identifier: MIT
"""
The input of all cases, made from fixed seeds into one directory that no case may write to.

Modes and modification times are fixed too, because archives carry them. The only input that differs between
machines is `doc`, a copy of some of the machine's own headers or documents.
"""

import os
import pathlib
import random
import shutil

EPOCH = 1_600_000_000
MACHINE_TREES = ('/usr/include/linux', '/usr/include', '/usr/share/doc', '/etc')
MACHINE_FILES_MAX = 500
MACHINE_FILE_BYTES_MAX = 128 * 1024


def make(root):
    """Makes everything below ROOT, which must not exist."""
    root.mkdir()
    rng = random.Random(20)
    (root / 'big.bin').write_bytes(rng.randbytes(3 * 1024 * 1024 + 1234))
    (root / 'aligned.bin').write_bytes(rng.randbytes(2 * 1024 * 1024))
    (root / 'small.bin').write_bytes(rng.randbytes(70_001))
    (root / 'empty').write_bytes(b'')
    (root / 'byte').write_bytes(b'x')
    text = _text(rng, 24_000)
    (root / 'text.txt').write_bytes(text)
    (root / 'unended.txt').write_bytes(text[:100_000].rstrip(b'\n') + b'\nlast line without an end')
    _sparse(root / 'sparse.bin', rng)
    _tree(root / 'tree', rng)
    _many(root / 'many', rng, text)
    _machine(root / 'doc')
    _fix_times(root)


def _text(rng, lines):
    words = [''.join(rng.choices('abcdefghijklmnopqrstuvwxyz', k=rng.randint(2, 11))) for _ in range(3000)]
    made = (f'{rng.randint(0, 99999):05d} ' + ' '.join(rng.choices(words, k=rng.randint(1, 18)))
            for _ in range(lines))
    return ('\n'.join(made) + '\n').encode()


def _sparse(path, rng):
    """Data, a hole, data across a page boundary, a hole up to the end."""
    with open(path, 'wb') as file:
        file.write(rng.randbytes(65536))
        file.seek(1024 * 1024 + 777)
        file.write(rng.randbytes(200_000))
        file.truncate(6 * 1024 * 1024 + 5)


def _tree(root, rng):
    """Some hundred files with the sizes, modes, links and names that archivers stumble over."""
    modes = (0o644, 0o600, 0o755, 0o444, 0o640)
    sizes = (0, 1, 511, 512, 513, 4095, 4096, 4097, 10_240, 32_768, 70_000)
    for i in range(12):
        directory = root / f'd{i % 4}' / f'e{i}'
        directory.mkdir(parents=True)
        for j in range(25):
            path = directory / f'file {j}.bin' if j % 7 == 0 else directory / f'f{j}.txt'
            path.write_bytes(rng.randbytes(rng.choice(sizes)))
            path.chmod(rng.choice(modes))
        (directory / 'near').symlink_to('f1.txt')
        (directory / 'up').symlink_to('../../d0')
        os.link(directory / 'f2.txt', directory / 'same as f2')
    (root / 'dangling').symlink_to('no/such/file')
    (root / ('n' * 150)).write_bytes(b'a name longer than a tar header takes\n')
    (root / 'nothing inside').mkdir(mode=0o700)


def _many(root, rng, text):
    """Some thousand small texts, for git."""
    for i in range(2500):
        directory = root / f'm{i // 100:02d}'
        directory.mkdir(parents=True, exist_ok=True)
        at = rng.randrange(len(text) - 2000)
        (directory / f'{i:04d}.txt').write_bytes(text[at:at + rng.randint(50, 1500)] + b'\n')


def _machine(root):
    source = pathlib.Path(next(tree for tree in MACHINE_TREES if os.path.isdir(tree)))
    copied = 0
    for directory, names, files in os.walk(source):
        names.sort()
        for name in sorted(files):
            path = pathlib.Path(directory, name)
            if copied >= MACHINE_FILES_MAX or path.is_symlink() or not path.is_file():
                continue
            if path.stat().st_size > MACHINE_FILE_BYTES_MAX or not os.access(path, os.R_OK):
                continue
            target = root / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            copied += 1


def _fix_times(root):
    for directory, names, files in os.walk(root, topdown=False):
        for i, name in enumerate(sorted(files + names)):
            os.utime(os.path.join(directory, name), ns=(EPOCH * 10**9, (EPOCH + i) * 10**9 + 123_456_789),
                     follow_symlinks=False)
    os.utime(root, (EPOCH, EPOCH))
