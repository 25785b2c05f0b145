# SPDX-License-Identifier: MIT
"""dftio doctor on ELF files that are not what they say: a clear line or an honest verdict, never a crash."""

import json
import os
import random
import struct

from tap import case, check, contains, equal

HEADER = {'e_type': (16, 'H'), 'e_phoff': (32, 'Q'), 'e_shoff': (40, 'Q'), 'e_phentsize': (54, 'H'),
          'e_phnum': (56, 'H'), 'e_shnum': (60, 'H'), 'e_shstrndx': (62, 'H')}


def content_of(w):
    with open(w.moves(), 'rb') as f:
        return f.read()


def patched(content, offset, form, value):
    field = struct.pack('<' + form, value)
    return content[:offset] + field + content[offset + len(field):]


def examine(w, files):
    """Examines all of them in one run: that it ends at all, and by itself, is the promise."""
    done = w.command('doctor', '--json', *files)
    check(done.returncode in (0, 1, 2), 'status', done.returncode, done.stderr[-2000:])
    equal(done.stderr, '')
    equal(len(json.loads(done.stdout)['programs']), len(files))


@case('doctor: a truncated ELF file is said to be truncated: 2')
def truncated(w):
    content = content_of(w)
    for size in (4, 15, 16, 63, 64, 100, 500, 1000, len(content) // 4):
        done = w.command('doctor', w.write('cut', content[:size], 0o755))
        equal((done.returncode, len(done.stderr.splitlines())), (2, 1), size)
        contains(done.stderr, 'truncated')


@case('doctor: a file without its section headers, which no one needs to run it, is examined')
def tail_missing(w):
    content = content_of(w)
    offset, = struct.unpack_from('<Q', content, 40)
    entry = w.diagnose(w.write('tailless', content[:offset], 0o755))
    equal((entry['verdict'], 'read' in entry['objects'][0]['intercepted']), ('seen', True))


@case('doctor: header fields that point nowhere give one line, not a crash')
def wild_header(w):
    content = content_of(w)
    for name, (offset, form) in HEADER.items():
        for value in (0, 1, 0x7fff, 0xffff) + ((2**32, 2**63, 2**64 - 1, 2**64 - 64) if form == 'Q' else ()):
            done = w.command('doctor', w.write('wild', patched(content, offset, form, value), 0o755))
            check(done.returncode in (0, 1, 2), name, value, done.returncode, done.stderr)
            check(len(done.stderr.splitlines()) == (1 if done.returncode == 2 else 0), name, value, done.stderr)


@case('doctor: a sparse file of 1 TiB that claims tables as large is refused at once')
def enormous(w):
    content = content_of(w)
    entry, = struct.unpack_from('<Q', content, 32)
    for index in range(struct.unpack_from('<H', content, 56)[0]):
        kind, = struct.unpack_from('<I', content, entry + index * 56)
        if kind in (2, 3):  # PT_DYNAMIC, PT_INTERP
            path = w.write('huge', patched(content, entry + index * 56 + 32, 'Q', 1 << 39), 0o755)
            os.truncate(path, 1 << 40)
            done = w.command('doctor', path)
            equal(done.returncode, 2)
            contains(done.stderr, 'damaged')
            os.unlink(path)


@case('doctor: files cut anywhere are examined to an end')
def cut_anywhere(w):
    content = content_of(w)
    sizes = sorted({int(len(content) * i / 300) for i in range(300)} | set(range(0, 200, 7)))
    examine(w, [w.write(f'cut-{size}', content[:size], 0o755) for size in sizes])


@case('doctor: files with bytes changed anywhere are examined to an end')
def changed_anywhere(w):
    content = content_of(w)
    dice = random.Random(20)
    files = []
    for number in range(400):
        copy = bytearray(content)
        # The headers, the program headers and the dynamic tables are at the beginning and decide most.
        reach = len(copy) if number % 4 == 0 else 0x800
        for _ in range(dice.choice((1, 2, 8, 64))):
            copy[dice.randrange(4, reach)] = dice.choice((0, 1, 0x7f, 0x80, 0xff, dice.randrange(256)))
        files.append(w.write(f'changed-{number}', bytes(copy), 0o755))
    examine(w, files)


@case('doctor: dynamic sections with any values are examined to an end')
def wild_dynamic(w):
    content = content_of(w)
    table, = struct.unpack_from('<Q', content, 32)
    count, = struct.unpack_from('<H', content, 56)
    segments = [struct.unpack_from('<IIQQQQQQ', content, table + i * 56) for i in range(count)]
    offset, size = next((s[2], s[5]) for s in segments if s[0] == 2)
    dice = random.Random(21)
    values = (0, 1, 8, 0xfff, 0x1000, 0x4000, 2**31, 2**32 - 1, 2**32, 2**48, 2**63, 2**64 - 1)
    files = []
    for number in range(400):
        copy = content
        for _ in range(dice.choice((1, 1, 2, 5))):
            entry = offset + 16 * dice.randrange(size // 16)
            copy = patched(copy, entry + dice.choice((0, 8, 8, 8)), 'Q', dice.choice(values))
        if number % 2:  # without section headers, so that symbols are counted by what refers to them
            copy = patched(copy, 40, 'Q', 0)
        files.append(w.write(f'dynamic-{number}', copy, 0o755))
    examine(w, files)
