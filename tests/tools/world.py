# SPDX-License-Identifier: MIT
"""The machine as the cases see it: a scratch directory, a compiler, a stand-in preload, and the command."""

import json
import os
import struct
import subprocess

from tap import Skip, bail_out

# What the stand-in preload does is seen by every program it gets into, and by no other.
SHIM_SOURCE = '''
#include <stdlib.h>
__attribute__((constructor)) static void enter(void) { setenv("TEST_SHIM", "in", 1); }
'''

# Says whether the preload is in, and which it was told of.
WITNESS_SOURCE = '''
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(void)
{
    char byte;
    if (read(-1, &byte, 1) >= 0)
        return 3;
    puts(getenv("TEST_SHIM") ? "reached" : "not reached");
    return 0;
}
'''

MOVES_SOURCE = '''
#include <unistd.h>
int main(void)
{
    char data[64];
    ssize_t n;
    while ((n = read(0, data, sizeof(data))) > 0)
        if (write(1, data, (size_t)n) != n)
            return 1;
    return n < 0;
}
'''


class World:
    def __init__(self, args, scratch):
        self.dftio = os.path.abspath(args.dftio)
        self.core = os.path.abspath(args.core)
        self.real_shim = os.path.abspath(args.shim)
        self.man = args.man
        self.bindir = args.bindir
        self.libdir = args.libdir
        self.cc = args.cc
        self.scratch = os.path.realpath(scratch)
        self.shim = self.compile('libstandin.so', SHIM_SOURCE, '-shared', '-fPIC')
        if not self.shim:
            bail_out(f'{" ".join(self.cc)} builds no shared library')

    def path(self, *parts):
        return os.path.join(self.scratch, *parts)

    def write(self, name, content, mode=0o644):
        path = self.path(name)
        with open(path, 'wb') as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def compile(self, name, source, *flags):
        """The path of what was built; None when the compiler or linker cannot."""
        path = self.path(name)
        code = self.write(os.path.basename(name) + '.c', source)
        done = subprocess.run([*self.cc, '-O1', '-w', '-o', path, code, *flags], capture_output=True, text=True)
        return path if done.returncode == 0 else None

    def environment(self, **changes):
        env = {k: v for k, v in os.environ.items() if not k.startswith('DFTIO_') and k != 'LD_PRELOAD'}
        # A sanitized build of the command itself runs with other libraries before its runtime here.
        options = [env['ASAN_OPTIONS']] if env.get('ASAN_OPTIONS') else []
        env['ASAN_OPTIONS'] = ':'.join(options + ['verify_asan_link_order=0'])
        env['LC_ALL'] = 'C'
        for name, value in changes.items():
            if value is None:
                env.pop(name, None)
            else:
                env[name] = value
        return env

    def command(self, *args, env=None, **kwargs):
        """Runs dftio with these arguments, to its end."""
        kwargs.setdefault('stdin', None if 'input' in kwargs else subprocess.DEVNULL)
        if kwargs['stdin'] is None:
            del kwargs['stdin']
        kwargs.setdefault('text', True)
        return subprocess.run([self.dftio, *args], env=self.environment(**(env or {})), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, **kwargs)

    def run(self, *args, **kwargs):
        """dftio run with the stand-in preload, which every build and every program bears."""
        return self.command('run', f'--shim={self.shim}', *args, **kwargs)

    def doctor(self, *programs, **kwargs):
        """The JSON document and the exit status of dftio doctor."""
        done = self.command('doctor', '--json', *programs, **kwargs)
        return json.loads(done.stdout), done.returncode

    def diagnose(self, program, **kwargs):
        """The doctor's entry for one program."""
        document, status = self.doctor(program, **kwargs)
        entry = document['programs'][0]
        entry['status'] = status
        entry['codes'] = {f['code']: f for f in entry['findings']}
        return entry

    def is_reached(self, witness):
        """What really happens: whether the preload gets into a build of WITNESS_SOURCE."""
        done = self.run('--log=error', witness)
        if done.stdout not in ('reached\n', 'not reached\n'):
            raise AssertionError(f'the witness said {done.stdout!r}, {done.stderr!r}, status {done.returncode}')
        return done.stdout == 'reached\n'

    def moves(self):
        """A plain program with read and write; not to be changed."""
        path = self.path('moves')
        return path if os.path.exists(path) else self.built('moves', MOVES_SOURCE)

    def built(self, name, source, *flags, need=None):
        path = self.compile(name, source, *flags)
        if not path:
            raise Skip(need or f'{self.cc[0]} {" ".join(flags)} does not build it')
        return path

    def real_shim_bears_others(self):
        """A sanitized build's own preload cannot go into programs without that sanitizer."""
        with open(self.real_shim, 'rb') as f:
            content = f.read()
        if b'__asan_init' in content or b'__tsan_init' in content:
            raise Skip('the preload is a sanitized build')


def foreign_elf(wide, big, machine, interpreter=b'/lib/ld-linux.so.2\0'):
    """A program of another kind: its header, one PT_INTERP and one PT_LOAD, and nothing to run."""
    order = '>' if big else '<'
    ident = b'\x7fELF' + bytes([2 if wide else 1, 2 if big else 1, 1]) + bytes(9)
    header_size, segment_size = (64, 56) if wide else (52, 32)
    end = header_size + 2 * segment_size
    size = end + len(interpreter)
    word = 'Q' if wide else 'I'
    header = struct.pack(f'{order}HHI{word}{word}{word}IHHHHHH', 2, machine, 1, 0, header_size, 0, 0, header_size,
                         segment_size, 2, 0, 0, 0)

    def segment(kind, offset, length):
        if wide:
            return struct.pack(f'{order}IIQQQQQQ', kind, 4, offset, offset, offset, length, length, 1)
        return struct.pack(f'{order}IIIIIIII', kind, offset, offset, offset, length, length, 4, 1)

    return ident + header + segment(3, end, len(interpreter)) + segment(1, 0, size) + interpreter
