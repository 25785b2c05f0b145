# SPDX-License-Identifier: MIT
"""Laws that the sources keep as text: who includes whom, sizes, opening comments, forbidden words."""

import posixpath
import re

import csource
from laws import law

# Whose headers each folder may include; 'public' is src/include, which all may. Tests may include anything.
MAY_INCLUDE = {
    'public': set(),
    'src': {'src'},
    'backends': {'src', 'backends'},
    'interpose': {'src', 'interpose'},
    'writer': {'src', 'writer'},
    'tools': {'tools'},
    'bench': {'bench'},
}
# Headers that the build makes, and the folders that may include them.
GENERATED = {'next_table.h': {'interpose'}, 'interposed_names.h': {'interpose', 'tools', 'bench'}}

FUNCTION_LINES = 70
FILE_LINES = 800
COLUMNS = 120


def zone(path):
    """The folder of the house that a file belongs to."""
    return 'public' if path.startswith('src/include/') else path.split('/')[0]


def included_file(house, path, kind, name):
    """The file of the tree that an include names, as the compiler finds it; None for a system or generated header."""
    places = [zone(path), 'src', 'src/include']
    if kind == '"':
        places.insert(0, posixpath.dirname(path))
    for place in places:
        candidate = posixpath.normpath(posixpath.join(place, name))
        if candidate in house.files:
            return candidate
    if kind == '"':
        for candidate in house.files:
            if candidate.endswith('/' + name):
                return candidate
    return None


@law('includes point down: src to src, backends and interpose to src, tools and bench to the public headers', floor=100)
def includes_point_down(house, findings):
    for path in house.sources('C', 'C++'):
        if zone(path) == 'tests':
            continue
        if zone(path) not in MAY_INCLUDE:
            findings.offence(path, f'no rule says what {zone(path)}/ may include',
                             'add it to MAY_INCLUDE in tests/tidy/laws_source.py')
            continue
        allowed = MAY_INCLUDE[zone(path)] | {'public'}
        for line, kind, name in csource.includes(house.files[path]):
            findings.look()
            target = included_file(house, path, kind, name)
            if target and zone(target) not in allowed:
                findings.offence(f'{path}:{line}', f'includes {target}, which {zone(path)}/ may not',
                                 f'{zone(path)}/ includes headers of {", ".join(sorted(allowed))} only; '
                                 'move what is shared down to src/')
            if not target and kind == '"' and zone(path) not in GENERATED.get(name, ()):
                findings.offence(f'{path}:{line}', f'includes "{name}", which is no header of the tree that it may use',
                                 'a system header goes in <>; a generated one is listed in GENERATED in laws_source.py')


@law(f'every C function has at most {FUNCTION_LINES} lines', floor=300)
def functions_are_short(house, findings):
    for path in house.sources('C', 'C++'):
        try:
            functions = csource.functions(house.files[path])
        except csource.Unbalanced as line:
            findings.offence(f'{path}:{line}', 'braces that do not pair from here on',
                             'keep whole statements in each branch of an #if')
            continue
        for name, first, last in functions:
            findings.look()
            if last - first + 1 > FUNCTION_LINES:
                findings.offence(f'{path}:{first}', f'{name}() has {last - first + 1} lines', 'split it')


@law(f'every source file has at most {FILE_LINES} lines', floor=60)
def files_are_short(house, findings):
    for path in house.sources('C', 'C++', 'assembler', 'Python', 'shell', 'Perl', 'Meson'):
        findings.look()
        lines = len(house.files[path].splitlines())
        if lines > FILE_LINES:
            findings.offence(f'{path}:{FILE_LINES + 1}', f'the file has {lines} lines', 'split it by what it owns')


@law(f'lines have at most {COLUMNS} columns, a tab being 8', floor=5000)
def lines_are_short(house, findings):
    for path in house.sources('C', 'C++', 'assembler', 'Python', 'shell', 'Perl', 'Meson'):
        for number, line in enumerate(house.files[path].splitlines(), 1):
            findings.look()
            columns = len(line.expandtabs(8))
            if columns > COLUMNS:
                findings.offence(f'{path}:{number}', f'{columns} columns', 'break the line')


@law('no switch on an operation outside the tests: what differs between operations stands in op_list.h and its tables',
     floor=30)
def operations_are_tables(house, findings):
    for path in house.sources('C', 'C++'):
        if zone(path) == 'tests':
            continue
        findings.look()
        code = csource.code_only(house.files[path])
        for m in re.finditer(r'\bswitch\s*\(', code):
            subject = code[m.end():csource.closing(code, m.end() - 1)]
            if re.search(r'\b(op_?)?code\b', subject):
                findings.offence(f'{path}:{csource.line_of(code, m.start())}', f'switch ({subject.strip()})',
                                 'add a member to the description of operations, or a table indexed by them')
        for m in re.finditer(r'\bcase\s+(DFTIO_OP_\w+)', code):
            findings.offence(f'{path}:{csource.line_of(code, m.start())}', f'case {m[1]}',
                             'add a member to the description of operations, or a table indexed by them')


@law('every .c of the library opens with what it owns, its threads and locks, and what it must never do', floor=20)
def sources_open_with_their_rules(house, findings):
    for path in house.sources('C'):
        if not path.endswith('.c') or zone(path) not in ('src', 'backends', 'interpose', 'writer'):
            continue
        findings.look()
        opening = csource.opening_comment(house.files[path])
        missing = [word for word in ('Owns:', 'Threads:', 'Never:') if word not in opening]
        if missing:
            findings.offence(f'{path}:1', f'the opening comment does not say {", ".join(missing)}',
                             'say it there, under that word; "nothing" and "none" are answers')


# Put together so that this file keeps the law.
MACHINE_PATH = re.compile(r'(?<![\w.])/(?:' + '|'.join(('work', 'home')) + r')/[^\s\'")]*')
UNFINISHED = re.compile(r'\b(?:' + '|'.join(('TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X')) + r')\b')


@law('the repository speaks of the project alone: no path of a machine it was made on, nothing left to do', floor=100)
def files_speak_of_the_project(house, findings):
    for path, text in house.files.items():
        findings.look()
        for m in MACHINE_PATH.finditer(text):
            findings.offence(f'{path}:{csource.line_of(text, m.start())}', f'names {m[0]}, a path of one machine',
                             'say it relative to the tree, or let the build pass it')
        for m in UNFINISHED.finditer(text):
            findings.offence(f'{path}:{csource.line_of(text, m.start())}', f'{m[0]}',
                             'do it, or say in plain words what does not work and why')
