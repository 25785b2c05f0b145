# SPDX-License-Identifier: MIT
"""What nm and readelf tell of object files and libraries."""

import re
import subprocess
from pathlib import Path


def output_of(*command, **more):
    """What a tool printed. A tool that fails is an error, never an empty answer."""
    return subprocess.run(command, check=True, capture_output=True, encoding='utf-8', errors='replace', **more).stdout


def nm(path, *flags):
    """(symbol, kind letter) of each that nm lists."""
    return [tuple(line.split()[:2]) for line in output_of('nm', '-P', *flags, str(path)).splitlines() if line.strip()]


def undefined(obj):
    """The names that an object file imports."""
    return {name for name, _ in nm(obj, '-u')}


def defined(obj):
    """The names that an object file defines."""
    return {name for name, _ in nm(obj, '--defined-only')}


def exported(library):
    """(name, version, kind letter) of every dynamic symbol that a library defines; version '' without one."""
    parted = [(symbol.partition('@'), letter) for symbol, letter in nm(library, '-D', '--defined-only')]
    return [(name, version.lstrip('@'), letter) for (name, _, version), letter in parted]


def imported(library):
    """The names that a library imports when it is loaded."""
    return {symbol.partition('@')[0] for symbol, _ in nm(library, '-D', '-u')}


def dynamic_section(library, tag):
    """The values of a tag in a library's dynamic section."""
    return re.findall(rf'\({tag}\).*\[(.*)\]', output_of('readelf', '-dW', str(library)))


def relocations(library):
    """The lines of a library's dynamic relocations."""
    return [' '.join(line.split()) for line in output_of('readelf', '-rW', str(library)).splitlines()]


def tls_bytes(library):
    """The size of a library's thread-local segment."""
    segments = [line.split() for line in output_of('readelf', '-lW', str(library)).splitlines()]
    if not any(s[:1] == ['LOAD'] for s in segments):
        raise ValueError(f'readelf shows no segment of {library}')
    return sum(int(s[5], 16) for s in segments if s[:1] == ['TLS'])


class Libc:
    """A glibc's exports: name -> its versions, and the newest version of all."""

    def __init__(self, path):
        self.path = Path(path)
        self.versions = {}
        self.newest = (0, 0)
        for name, version, letter in exported(path):
            node = re.fullmatch(r'GLIBC_(\d+)\.(\d+)', name)
            if letter == 'A' and node:
                self.newest = max(self.newest, (int(node[1]), int(node[2])))
            else:
                self.versions.setdefault(name, set()).add(version)

    @property
    def public(self):
        """The names that a program may bind to."""
        return {name for name, versions in self.versions.items() if versions != {'GLIBC_PRIVATE'}}


def glibc_of(cc):
    """The glibc that a compiler links with, or None."""
    path = Path(output_of(*cc, '-print-file-name=libc.so.6').strip())
    return Libc(path) if path.is_absolute() and path.exists() else None
