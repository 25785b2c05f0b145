# SPDX-License-Identifier: MIT
"""What breaks the laws on sources, headers and documents. Each returns what its law is to say, and what it is not."""

import laws_docs
import laws_headers
import laws_source
from laws import Findings
from prove import breaks


def lines(number, text='\t;\n'):
    return text * number


@breaks(laws_source.includes_point_down, 'the core including a backend, by whatever path')
def core_includes_backend(house):
    first = house.append('src/op.c', '#include "../backends/reactor.h"\n')
    second = house.append('src/pool.h', '\t#\tinclude "reactor.h"\n')
    return [f'{first}: includes backends/reactor.h, which src/ may not',
            f'{second}: includes backends/reactor.h, which src/ may not'], []


@breaks(laws_source.includes_point_down, 'backends and the preload including each other')
def siblings_include_each_other(house):
    first = house.append('backends/sync.c', '#include "route.h"\n')
    second = house.append('interpose/init.c', '#include "../backends/backends.h"\n')
    return [f'{first}: includes interpose/route.h', f'{second}: includes backends/backends.h'], []


@breaks(laws_source.includes_point_down, 'tools, benchmarks and public headers including the inside')
def outside_includes_inside(house):
    house.write('tools/new.c', '#include <dftio/dftio.h>\n#include "text.h"\n#include "interposed_names.h"\n'
                '#include <engine.h>\n')
    house.write('bench/new.c', '#include "dftio/dftio.h"\n#include <poll.h>\n#include "../src/op.h"\n')
    house.write('src/include/dftio/new.h', '#include <stddef.h>\n#include "base.h"\n')
    return ['tools/new.c:4: includes src/engine.h', 'bench/new.c:3: includes src/op.h',
            'src/include/dftio/new.h:2: includes src/base.h'], ['tools/new.c:1', 'tools/new.c:2', 'tools/new.c:3',
                                                                'bench/new.c:1', 'bench/new.c:2', 'new.h:1']


@breaks(laws_source.includes_point_down, 'anything including the tests, but not the tests including anything')
def core_includes_tests(house):
    house.write('tests/new/new.h', '#include "engine.h"\n#include "../../backends/reactor.h"\n')
    where = house.append('src/log.c', '#include "../tests/new/new.h"\n')
    return [f'{where}: includes tests/new/new.h, which src/ may not'], ['tests/new/new.h:1', 'tests/new/new.h:2']


@breaks(laws_source.includes_point_down, 'a header that is nowhere, but not one in a comment')
def header_is_nowhere(house):
    where = house.append('src/log.c', '#include "nowhere.h"\n/*\n#include "no_more.h"\n*/\n')
    return [f'{where}: includes "nowhere.h"'], ['no_more.h']


@breaks(laws_source.includes_point_down, 'a folder that no rule is for')
def folder_without_rule(house):
    house.write('annex/new.c', '#include <stdio.h>\n')
    return ['annex/new.c: no rule says what annex/ may include'], []


@breaks(laws_source.functions_are_short, 'a function of 71 lines, but none of 70')
def function_of_71_lines(house):
    house.write('src/long.c', 'extern "C" {\nstruct s {\n' + lines(90, '\tint i;\n') + '};\n'
                'static const int table[] = {\n' + lines(90, '\t0,\n') + '};\n'
                'int enough(void)\n{\n' + lines(67) + '}\n'
                '__attribute__((noinline)) static int *\ntoo_long(int (*f)(void),\n\tint a) /* { */\n{\n\tputs("}");\n'
                + lines(66) + '}\n'
                'int after(void)\n{\n#if 1\n\tif (a)\n#else\n\tif (b)\n#endif\n\t\tc();\n}\n')
    house.write('src/torn.c', 'int f(void)\n{\n#if 1\n\tif (a) {\n#else\n\tif (b) {\n#endif\n\t}\n}\n')
    house.write('tests/new/long.c', 'Test(suite, name, .init = setup)\n{\n' + lines(68) + '}\n')
    return ['too_long() has 71 lines', 'tests/new/long.c:1: Test() has 71 lines',
            'src/torn.c:1: braces that do not pair'], ['enough()', 'after()', 'table', ' s()', 'src/long.c:1:']


@breaks(laws_source.files_are_short, 'a file of 801 lines, but none of 800')
def file_of_801_lines(house):
    house.write('src/fits.c', lines(800))
    for path in ('src/long.c', 'tests/new/long.py', 'tools/long.sh', 'bench/meson.build'):
        house.write(path, lines(801, 'x\n'))
    house.write('tools/long', '#!/bin/sh\n' + lines(800, 'x\n'))
    house.write('README.md', lines(801, 'x\n'))
    return [f'{path}:801: the file has 801 lines'
            for path in ('src/long.c', 'tests/new/long.py', 'tools/long.sh', 'tools/long', 'bench/meson.build')], \
        ['fits.c', 'README']


@breaks(laws_source.lines_are_short, 'a line of 121 columns, tabs counted by 8, but none of 120')
def line_of_121_columns(house):
    house.write('src/wide.c', 'x' * 120 + '\n' + 'x' * 121 + '\n' + '\t' + 'x' * 112 + '\n' + '\t' + 'x' * 113 + '\n')
    house.write('tests/new/wide.py', '# ' + 'ä' * 119 + '\n')
    return ['src/wide.c:2: 121 columns', 'src/wide.c:4: 121 columns', 'tests/new/wide.py:1: 121 columns'], \
        ['src/wide.c:1:', 'src/wide.c:3:']


@breaks(laws_source.operations_are_tables, 'a switch on the operation, but not in the tests')
def switch_on_operation(house):
    text = 'int f(void)\n{\n\tswitch (g(op)->code) {\n\tcase DFTIO_OP_READ:\n\t\t;\n\t}\n\tswitch (mode) {\n\t}\n}\n' \
        '/* switch (op->code) */\n'
    house.write('backends/new.c', text)
    house.write('tests/new/new.c', text)
    return ['backends/new.c:3: switch (g(op)->code)', 'backends/new.c:4: case DFTIO_OP_READ'], \
        ['new.c:7', 'new.c:10', 'tests/new/new.c']


@breaks(laws_source.sources_open_with_their_rules, 'a source without an opening comment, or with half of one')
def source_without_rules(house):
    licence = '/* SPDX-License-Identifier: MIT */\n'
    house.write('src/bare.c', licence + '#include "base.h"\n/* Owns: Threads: Never: */\n')
    house.write('backends/half.c', licence + '/*\n * Half.\n *\n * Owns: nothing.\n */\n')
    house.write('interpose/whole.c', licence + '/*\n * Whole.\n *\n * Owns: x.\n * Threads: none.\n * Never: x.\n */\n')
    return ['src/bare.c:1: the opening comment does not say Owns:, Threads:, Never:',
            'backends/half.c:1: the opening comment does not say Threads:, Never:'], ['whole.c']


@breaks(laws_source.files_speak_of_the_project, 'a path of a machine, and work left to do')
def words_that_do_not_belong(house):
    home, todo, fix = '/' + 'home/', 'TO' + 'DO', 'FIX' + 'ME'
    house.write('docs/new.md',
                f'One.\n{home}someone/dftio\nsee ../home/x, tests/work/y and mktemp XXXXXX\n{todo}: more\n')
    where = house.append('src/log.c', f'/* {fix} */\n')
    return [f'docs/new.md:2: names {home}someone/dftio', f'docs/new.md:4: {todo}', f'{where}: {fix}'], \
        ['new.md:3', 'new.md:1']


@breaks(laws_headers.headers_stand_alone, 'a header that leans on another, or has no guard, but no list for a macro')
def header_leans_on_another(house):
    house.write('src/leans.h', '#pragma once\nsize_t f(void);\n')
    house.write('tests/preload/common/unguarded.h', 'struct unguarded { int a; };\n')
    house.write('src/new_list.h', 'DFTIO_NEW(int, a, (int b))\nDFTIO_NEW(int, c, (void))\n')
    return ["src/leans.h: does not compile alone:", "unguarded.h: does not compile alone:"], ['new_list.h']


@breaks(laws_headers.public_headers_are_c99, 'C11 in a public header')
def public_header_in_c11(house):
    house.write('src/include/dftio/new.h', '#pragma once\nstruct dftio_new { struct { int a; }; };\n')
    return ['src/include/dftio/new.h: does not compile as c99'], ['dftio/dftio.h']


@breaks(laws_headers.public_headers_are_cxx, 'a public header that is C alone')
def public_header_in_c(house):
    house.write('src/include/dftio/new.h', '#pragma once\nstruct dftio_new { int class; };\n')
    findings = Findings()
    laws_headers.public_headers_are_c99(house, findings)
    return ['src/include/dftio/new.h: does not compile as c++11', 'does not compile as c++17'], \
        ['dftio/dftio.h', *(['as c'] if findings.offences else [])]


@breaks(laws_docs.variables_are_documented, 'a variable that is read and documented nowhere')
def variable_without_documentation(house):
    line = house.append('src/config.c', 'static const char newest[] = "DFTIO_NEWEST"; /* "DFTIO_NEVER" */\n')
    house.write('README.md', house.files.get('README.md', '') + ' DFTIO_NEWEST_OF_ALL\n')
    return [f'{document}: does not speak of DFTIO_NEWEST, which {line} reads' for document in laws_docs.DOCUMENTS], \
        ['DFTIO_NEVER', 'DFTIO_NEWEST_']


@breaks(laws_docs.variables_are_documented, 'a document that is gone')
def document_is_gone(house):
    house.files.pop('README.md', None)
    return ['README.md: there is no such file'], []


@breaks(laws_docs.wrapped_names_are_listed, 'a wrapped name that the list leaves out')
def wrapped_name_unlisted(house):
    house.manifest['newest'] = 'wrap'
    house.manifest['passed_on'] = 'pass'
    return ['newest is wrapped, but names.md does not list it'], ['passed_on']


@breaks(laws_source.includes_point_down, 'that it finds no include any more')
@breaks(laws_source.functions_are_short, 'that it finds no function any more')
@breaks(laws_source.files_are_short, 'that it finds no file any more')
@breaks(laws_source.lines_are_short, 'that it finds no line any more')
@breaks(laws_source.operations_are_tables, 'that it finds no source any more')
@breaks(laws_source.sources_open_with_their_rules, 'that it finds no source any more')
@breaks(laws_source.files_speak_of_the_project, 'that it finds no file any more')
@breaks(laws_headers.headers_stand_alone, 'that it finds no header any more')
@breaks(laws_headers.public_headers_are_c99, 'that it finds no header any more')
@breaks(laws_headers.public_headers_are_cxx, 'that it finds no header any more')
def nothing_left(house):
    house.files = {}
    return ['looked at 0, fewer than'], []
