# SPDX-License-Identifier: MIT
"""Laws on headers: each stands alone; the public ones in any C and C++ that a program may be written in."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import csource
from laws import Skip, law

PUBLIC = 'src/include/'
CXX_STANDARDS = ('c++11', 'c++14', 'c++17', 'c++20')
# Headers of what the build may have been configured without; who includes one is only compiled where it is.
OPTIONAL = {'liburing.h'}


def try_header(house, compiler, flags, language, path):
    """Compiles a file that includes one header, twice. The compiler's complaint, or ''."""
    text = f'#include "{house.root / path}"\n' * 2
    done = subprocess.run([*compiler, *flags, '-fsyntax-only', '-x', language, '-'], input=text, cwd=house.build,
                          capture_output=True, encoding='utf-8', errors='replace', env={**os.environ, 'LC_ALL': 'C'})
    if done.returncode == 0:
        return ''
    errors = [line for line in done.stderr.splitlines() if 'error:' in line]
    return '\n'.join(errors[:4]) + (f'\n... and {len(errors) - 4} more' if len(errors) > 4 else '') or done.stderr


def folder_flags(house, folder):
    """The flags that the build compiles this folder's sources with, or those of C as the project writes it."""
    for source, _, arguments in house.commands:
        if os.path.dirname(source) == folder:
            kept, rest = [], iter(arguments[1:])
            for argument in rest:
                if argument in ('-o', '-MQ', '-MF', '-c'):
                    next(rest)
                elif argument != '-MD' and not argument.startswith(('-W', '-fdiagnostics')):
                    kept.append(argument)
            return kept
    return ['-std=gnu11', '-D_GNU_SOURCE'] + [f'-I{house.root}/{f}' for f in ('src', 'src/include', folder)]


def list_macro(path):
    """-D for the macro that an X-macro list is made of: sys_list.h is nothing but DFTIO_SYS(...) lines."""
    stem = os.path.basename(path).removesuffix('_list.h')
    return [] if path.endswith('/' + stem) or not path.endswith('_list.h') else [f'-DDFTIO_{stem.upper()}(...)=']


def missing_option(house, path):
    """The optional library whose header this one includes and the machine lacks, or None."""
    for _, _, name in csource.includes(house.files[path]):
        if name in OPTIONAL:
            probe = subprocess.run([*house.cc, '-E', '-x', 'c', '-'], input=f'#include <{name}>\n',
                                   capture_output=True, encoding='utf-8')
            if probe.returncode:
                return name
    return None


@law('each header compiles alone, and twice', floor=20)
def headers_stand_alone(house, findings):
    headers = [p for p in house.files if p.endswith('.h') and not missing_option(house, p)]

    def check(path):
        flags = folder_flags(house, os.path.dirname(path)) + list_macro(path)
        return path, try_header(house, house.cc, flags, 'c', path)

    with ThreadPoolExecutor(2) as workers:
        for path, complaint in workers.map(check, headers):
            findings.look()
            if complaint:
                findings.offence(path, f'does not compile alone:\n{complaint}', 'include what it uses; guard it')


def try_public(house, findings, compiler, standard, language):
    for path in house.files:
        if path.startswith(PUBLIC) and path.endswith('.h'):
            findings.look()
            flags = [f'-std={standard}', '-pedantic', '-Wall', '-Wextra', '-Werror', f'-I{house.root / PUBLIC}']
            complaint = try_header(house, compiler, flags, language, path)
            if complaint:
                findings.offence(path, f'does not compile as {standard}:\n{complaint}',
                                 'write public headers in what C99 and C++11 share')


@law('public headers compile as pedantic C99 without a warning')
def public_headers_are_c99(house, findings):
    try_public(house, findings, house.cc, 'c99', 'c')


@law('public headers compile as C++11 and later without a warning')
def public_headers_are_cxx(house, findings):
    compiler = next((c for c in ('c++', 'g++', 'clang++') if shutil.which(c)), None)
    if not compiler:
        raise Skip('no C++ compiler')
    for standard in CXX_STANDARDS:
        known = subprocess.run([compiler, f'-std={standard}', '-fsyntax-only', '-x', 'c++', '-'], input='',
                               capture_output=True, encoding='utf-8')
        if known.returncode == 0:
            try_public(house, findings, [compiler], standard, 'c++')
