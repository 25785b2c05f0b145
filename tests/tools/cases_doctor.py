# SPDX-License-Identifier: MIT
"""dftio doctor PROGRAM: what it predicts, and where it can be tried, that it comes true."""

import json
import os
import re
import shutil
import stat
import subprocess

from tap import Skip, case, check, contains, equal, lacks
from world import MOVES_SOURCE, WITNESS_SOURCE, foreign_elf

STDIO_SOURCE = '''
#include <stdio.h>
int main(int argc, char **argv)
{
    char line[80];
    FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;
    while (f && fgets(line, sizeof(line), f))
        fwrite(line, 1, 1, stdout);
    return f ? fclose(f) : 1;
}
'''

LIBRARY_SOURCE = '''
#include <unistd.h>
long test_take(int fd, void *data, unsigned long size) { return pread(fd, data, size, 0); }
'''

CALLER_SOURCE = '''
long test_take(int fd, void *data, unsigned long size);
int main(void) { char byte; return test_take(-1, &byte, 1) == -1 ? 0 : 1; }
'''


def library(w):
    os.makedirs(w.path('libs'), exist_ok=True)
    return w.built('libs/libtake.so', LIBRARY_SOURCE, '-shared', '-fPIC', '-Wl,-soname,libtake.so')


@case('doctor: a program whose reads and writes are intercepted is seen: 0')
def plain(w):
    entry = w.diagnose(w.moves())
    equal((entry['verdict'], entry['status']), ('seen', 0))
    imports = entry['objects'][0]['intercepted']
    check('read' in imports and 'write' in imports, imports)


@case('doctor: the text has one verdict line for each program')
def verdict_lines(w):
    a, b = w.moves(), w.built('stdio', STDIO_SOURCE)
    done = w.command('doctor', a, b)
    lines = done.stdout.splitlines()
    check(f'{a}: seen' in lines and f'{b}: not seen' in lines, lines)
    equal(done.returncode, 1)


@case('doctor: a name without a slash is looked for in PATH')
def looks_in_path(w):
    moves = w.moves()
    equal(w.diagnose('moves', env={'PATH': f'/no/such:{w.scratch}'})['file'], moves)


@case('doctor: what is not there, or no program, is said in one line: 2')
def not_a_program(w):
    for name, part in (('/no/such/program', 'not found'), ('no-such-program', 'not found'),
                       (w.scratch, 'is a directory'), (w.write('notes', 'text\n'), 'neither ELF nor executable'),
                       (w.write('blob', b'\x00\x01' * 100, 0o755), 'neither ELF nor a script'),
                       (w.write('empty', b'', 0o755), 'an empty file'), ('/dev/null', 'not a regular file')):
        done = w.command('doctor', name)
        equal((done.returncode, done.stdout, len(done.stderr.splitlines())), (2, '', 1), name)
        contains(done.stderr, part)


@case('doctor: a FIFO is not waited for')
def fifo(w):
    os.mkfifo(w.path('fifo'), 0o755)
    equal(w.command('doctor', w.path('fifo')).returncode, 2)


@case('doctor: one program that cannot be examined does not hide the others')
def others_are_shown(w):
    done = w.command('doctor', '/no/such/program', w.moves())
    equal(done.returncode, 2)
    contains(done.stdout, 'moves: seen')


@case('doctor: a static program is not seen, and so it comes')
def static(w):
    program = w.built('static', WITNESS_SOURCE, '-static', need='no static libc here')
    entry = w.diagnose(program)
    equal((entry['verdict'], entry['status'], list(entry['codes'])), ('not seen', 1, ['static']))
    check(not w.is_reached(program))


@case('doctor: a static PIE is not seen, and so it comes')
def static_pie(w):
    program = w.built('static-pie', WITNESS_SOURCE, '-static-pie', '-fPIE', need='no static PIEs here')
    entry = w.diagnose(program)
    equal((entry['verdict'], entry['status'], list(entry['codes'])), ('not seen', 1, ['static-pie']))
    check(not w.is_reached(program))


@case('doctor: a Go program is known by its section, dynamic or static')
def go(w):
    mark = '__attribute__((section(".go.buildinfo"), used)) static const char go[32] = "\\xff Go buildinf:";\n'
    entry = w.diagnose(w.built('go-cgo', mark + MOVES_SOURCE))
    equal((entry['verdict'], entry['codes']['go']['verdict']), ('partly seen', 'partly seen'))
    contains(entry['codes']['go']['text'], 'raw system calls')
    entry = w.diagnose(w.built('go', mark + 'int main(void) { return 0; }'))
    equal((entry['verdict'], entry['status']), ('not seen', 1))
    static_go = w.compile('go-static', mark + MOVES_SOURCE, '-static')
    if static_go:
        equal(sorted(w.diagnose(static_go)['codes']), ['go', 'static'])


@case('doctor: a Go program is known by its note, without section headers')
def go_note(w):
    note = ('__asm__(".section .note.other, \\"a\\", @note\\n.long 4, 4, 1\\n.asciz \\"GNU\\"\\n.long 0\\n"'
            '".section .note.test, \\"a\\", @note\\n.long 4, 4, 4\\n.asciz \\"Go\\\\0\\"\\n.long 0\\n.text");\n')
    program = w.built('go-note', note + MOVES_SOURCE)
    without_sections(program)
    check('go' in w.diagnose(program)['codes'])


def without_sections(program):
    with open(program, 'r+b') as f:
        f.seek(40)
        f.write(bytes(8))
        f.seek(58)
        f.write(bytes(6))


@case('doctor: imports are found without section headers')
def stripped_of_sections(w):
    for flags in (['-Wl,--hash-style=sysv'], ['-Wl,--hash-style=gnu'],
                  # Nothing is in the hash table: only the relocations tell how many symbols there are.
                  ['-Wl,--hash-style=gnu', '-no-pie', '-fno-pie'],
                  ['-Wl,--hash-style=gnu', '-no-pie', '-fno-pie', '-fno-plt']):
        program = w.built('whole', MOVES_SOURCE, *flags)
        wanted = sorted(w.diagnose(program)['objects'][0]['intercepted'])
        without_sections(program)
        equal(sorted(w.diagnose(program)['objects'][0]['intercepted']), wanted, flags)
        check('read' in wanted and 'write' in wanted, wanted)


@case('doctor: what it says of a set-user-ID program is what happens')
def set_user_id(w):
    program = w.built('setuid', WITNESS_SOURCE)
    if os.geteuid() == 0:
        os.chown(program, 65534, 65534)
    os.chmod(program, 0o4755)
    entry = w.diagnose(program)
    contains(entry['codes']['setuid']['text'], 'ld.so drops LD_PRELOAD')
    equal(entry['codes']['setuid']['verdict'] == 'not seen', not w.is_reached(program))


@case('doctor: a set-user-ID program of one\'s own is reached, and that is what happens')
def set_user_id_own(w):
    program = w.built('setuid-own', WITNESS_SOURCE)
    os.chmod(program, 0o4755)
    equal(w.diagnose(program)['codes']['setuid']['verdict'], 'seen')
    check(w.is_reached(program))


@case('doctor: what it says of a set-group-ID program is what happens')
def set_group_id(w):
    program = w.built('setgid', WITNESS_SOURCE)
    if os.geteuid() == 0:
        os.chown(program, 0, 65534)
    os.chmod(program, 0o2755)
    entry = w.diagnose(program)
    contains(entry['codes']['setgid']['text'], 'ld.so drops LD_PRELOAD')
    equal(entry['codes']['setgid']['verdict'] == 'not seen', not w.is_reached(program))


@case('doctor: what it says of a program with file capabilities is what happens')
def capabilities(w):
    program = w.built('capable', WITNESS_SOURCE)
    done = subprocess.run(['setcap', 'cap_net_raw+ep', program], capture_output=True, text=True) \
        if any(os.access(f'{d}/setcap', os.X_OK) for d in os.environ['PATH'].split(':')) else None
    if not done or done.returncode != 0:
        raise Skip('no setcap, or not allowed')
    entry = w.diagnose(program)
    contains(entry['codes']['capabilities']['text'], 'ld.so drops LD_PRELOAD')
    equal(entry['codes']['capabilities']['verdict'] == 'not seen', not w.is_reached(program))


@case('doctor: a plain copy is known to have no privileges')
def no_privileges(w):
    program = w.built('plain-copy', WITNESS_SOURCE)
    equal(stat.S_IMODE(os.stat(program).st_mode) & 0o6000, 0)
    codes = w.diagnose(program)['codes']
    check(not {'setuid', 'setgid', 'capabilities'} & set(codes), codes)


@case('doctor: a program of another class, machine or byte order is not seen')
def foreign(w):
    for wide, big, machine, code, part in ((False, False, 3, 'class', '32-bit i386'),
                                           (False, True, 8, 'class', '32-bit mips (big-endian)'),
                                           (True, True, 22, 'machine', '64-bit s390 (big-endian)'),
                                           (True, False, 243, 'machine', '64-bit riscv')):
        entry = w.diagnose(w.write('foreign', foreign_elf(wide, big, machine), 0o755))
        equal((entry['verdict'], entry['status']), ('not seen', 1), part)
        contains(entry['codes'][code]['text'], part)


@case('doctor: a program of another C library is not seen')
def other_libc(w):
    program = w.built('musl', WITNESS_SOURCE, '-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1')
    entry = w.diagnose(program)
    equal(entry['verdict'], 'not seen')
    contains(entry['codes']['libc']['text'], 'musl')


def sanitized(w, name, compiler, *flags):
    if not shutil.which(compiler):
        raise Skip(f'no {compiler} here')
    path = w.path(name)
    code = w.write(name + '.c', WITNESS_SOURCE)
    done = subprocess.run([compiler, '-w', '-o', path, code, *flags], capture_output=True, text=True)
    if done.returncode != 0 or subprocess.run([path], capture_output=True).returncode != 0:
        raise Skip(f'{compiler} {" ".join(flags)} builds nothing that runs here')
    return path


@case('doctor: AddressSanitizer as a library ends the program under the preload; each remedy that is named helps')
def address_sanitizer(w):
    program = sanitized(w, 'asan', 'gcc', '-fsanitize=address')
    runtime = subprocess.run(['gcc', '-print-file-name=libasan.so'], capture_output=True, text=True).stdout.strip()
    entry = w.diagnose(program, env={'ASAN_OPTIONS': None})
    equal(entry['verdict'], 'not seen')
    contains(entry['codes']['sanitizer']['remedy'], 'verify_asan_link_order=0')
    done = w.run(program, env={'ASAN_OPTIONS': None})
    equal(done.stdout, '')
    contains(done.stderr.splitlines()[0], 'verify_asan_link_order=0')
    for env in ({'ASAN_OPTIONS': 'verify_asan_link_order=1:verify_asan_link_order=0'}, {'LD_PRELOAD': runtime}):
        equal(w.diagnose(program, env=env)['codes']['sanitizer']['verdict'], 'seen')
        done = w.run(program, env=env)
        equal((done.stdout, done.stderr), ('reached\n', ''), env)


@case('doctor: other sanitizers do not stand against the preload')
def other_sanitizers(w):
    tried = 0
    for name, compiler, flag in (('tsan', 'gcc', '-fsanitize=thread'), ('casan', 'clang', '-fsanitize=address'),
                                 ('ctsan', 'clang', '-fsanitize=thread'), ('ubsan', 'gcc', '-fsanitize=undefined')):
        try:
            program = sanitized(w, name, compiler, flag)
        except Skip:
            continue
        lacks(list(w.diagnose(program)['codes']), 'no-imports')
        for finding in w.diagnose(program)['findings']:
            check(finding['code'] != 'sanitizer' or finding['verdict'] == 'seen', finding)
        check(w.is_reached(program), name)
        tried += 1
    if not tried:
        raise Skip('no sanitizer here')


@case('doctor: a script is examined through its interpreter, env and all')
def script(w):
    moves = w.moves()
    for line, env in ((f'#!{moves}', {}), (f'#! {moves} -x', {}), ('#!/usr/bin/env moves', {'PATH': w.scratch}),
                      ('#!/usr/bin/env -S A=b moves -x', {'PATH': w.scratch})):
        entry = w.diagnose(w.write('script', line + '\n', 0o755), env=env)
        equal((entry['verdict'], entry['file']), ('seen', moves), line)
        equal(entry['scripts'], [w.path('script')])
        contains(entry['codes']['script']['text'], moves)


@case('doctor: a text without #! is the shell\'s, as execvp has it')
def script_without_line(w):
    equal(w.diagnose(w.write('bare', 'echo\n', 0o755))['file'], '/bin/sh')


@case('doctor: a script whose interpreter is missing, or that runs itself, is said so: 2')
def script_without_interpreter(w):
    itself = w.path('itself')
    for content, part in (('#!/no/such/interpreter\n', "'/no/such/interpreter': No such file"),
                          ('#!/usr/bin/env no-such-command\n', "'no-such-command', which is not in PATH"),
                          (f'#!{itself}\n', 'without end'), ('#!\n', 'neither ELF nor a script'),
                          ('#!/bin/sh\r\n', "'/bin/sh\\x0d'")):
        w.write('itself', content, 0o755)
        done = w.command('doctor', itself)
        equal((done.returncode, len(done.stderr.splitlines())), (2, 1), content)
        contains(done.stderr, part)


@case('doctor: scripts that run scripts are followed as far as the kernel does')
def script_chain(w):
    before, outcomes = '/bin/sh', set()
    for depth in range(8):
        before = w.write(f'chain-{depth}', f'#!{before}\n', 0o755)
        try:
            works = subprocess.run([before], stdin=subprocess.DEVNULL).returncode == 0
        except OSError:
            works = False
        equal(w.command('doctor', before).returncode != 2, works, f'{depth + 1} scripts:')
        outcomes.add(works)
    equal(outcomes, {True, False})


@case('doctor: stdio alone is not seen')
def stdio_only(w):
    entry = w.diagnose(w.built('stdio', STDIO_SOURCE))
    equal((entry['verdict'], entry['status']), ('not seen', 1))
    contains(entry['codes']['stdio-only']['text'], 'fopen')


@case('doctor: streams beside read and write are partly seen; messages on the standard streams are a remark')
def stdio_too(w):
    both = MOVES_SOURCE.replace('int main(void)', '#include <stdio.h>\nint other(void) { return !fopen("x", "r"); }\n'
                                'int main(void)')
    entry = w.diagnose(w.built('both', both, '-rdynamic'))
    equal(entry['verdict'], 'partly seen')
    contains(entry['codes']['stdio']['text'], 'fopen')
    talks = MOVES_SOURCE.replace('int main(void)\n{', '#include <stdio.h>\nint main(void)\n{\n    puts("x");')
    entry = w.diagnose(w.built('talks', talks))
    equal((entry['verdict'], entry['codes']['stdio-messages']['verdict']), ('seen', 'seen'))


@case('doctor: a program that moves nothing is not seen')
def nothing(w):
    entry = w.diagnose(w.built('nothing', 'int main(void) { return 0; }'))
    equal((entry['verdict'], list(entry['codes'])), ('not seen', ['no-imports']))


@case('doctor: calls that are passed on are named with the manifest\'s reason')
def passed_on(w):
    source = MOVES_SOURCE.replace('int main', 'int other(void) { return tee(0, 1, 1, 0); }\nint main')
    entry = w.diagnose(w.built('passes', '#define _GNU_SOURCE\n#include <fcntl.h>\n' + source, '-rdynamic'))
    names = {p['name']: p['why'] for p in entry['objects'][0]['passed_on']}
    if 'tee' not in names:
        raise Skip('tee is routed')
    check(len(names['tee']) > 3, names)
    equal(entry['codes']['passed-on']['verdict'], 'partly seen')
    contains(w.command('doctor', w.path('passes')).stdout, names['tee'])


@case('doctor: the text names every import that is passed on')
def passed_on_in_text(w):
    for program in ('cat', 'grep', 'sh', 'tar'):
        entry = w.diagnose(program)
        if entry['status'] == 2:
            continue
        out = w.command('doctor', program).stdout
        for passed in entry['objects'][0]['passed_on']:
            check(re.search(rf'^  passed on .*\b{passed["name"]}\b', out, re.M), program, passed, out)


def copied(w, program, *words):
    """The report of a copy that the program makes, by operation, and the size of what is copied."""
    w.real_shim_bears_others()
    data = w.write('big', os.urandom(1 << 20))
    report = w.path('report.json')
    with open(data, 'rb') as f, open(w.path('copy'), 'wb') as t:
        done = subprocess.run([w.dftio, 'run', f'--stats={report}', program, *words], env=w.environment(), stdin=f,
                              stdout=t, stderr=subprocess.PIPE, timeout=60)
    equal((done.returncode, done.stderr), (0, b''))
    with open(w.path('copy'), 'rb') as copy, open(data, 'rb') as original:
        check(copy.read() == original.read(), 'the copy differs')
    with open(report) as f:
        operations = json.load(f)['operations']
    os.unlink(report)
    return operations, os.path.getsize(data)


@case('doctor: what is said to be seen is in the report, byte for byte')
def comes_true_seen(w):
    equal(w.diagnose(w.moves())['verdict'], 'seen')
    operations, size = copied(w, w.moves())
    equal((operations['read']['bytes'], operations['write']['bytes']), (size, size))


@case('doctor: what is said to go unseen is not in the report')
def comes_true_unseen(w):
    source = ('#include <stdio.h>\nint main(void)\n{\n    char data[512];\n    size_t n;\n'
              '    while ((n = fread(data, 1, sizeof(data), stdin)) > 0)\n        fwrite(data, 1, n, stdout);\n'
              '    return fflush(stdout);\n}\n')
    program = w.built('filter', source)
    equal(w.diagnose(program)['verdict'], 'not seen')
    operations, _ = copied(w, program)
    equal(sum(o['bytes'] for o in operations.values()), 0, operations)


@case('doctor: an own definition of an intercepted name is partly seen')
def own_definition(w):
    source = MOVES_SOURCE.replace('int main', 'ssize_t write(int fd, const void *p, size_t n) { return (ssize_t)n; }\n'
                                  'int main')
    entry = w.diagnose(w.built('own', source, '-rdynamic'))
    equal((entry['verdict'], entry['objects'][0]['own_definitions']), ('partly seen', ['write']))
    contains(entry['codes']['own-definition']['text'], 'write')


@case('doctor: libraries are examined, found by RUNPATH, RPATH, $ORIGIN and LD_LIBRARY_PATH')
def libraries(w):
    found = library(w)
    for flags, env in ((['-Wl,--enable-new-dtags', '-Wl,-rpath,$ORIGIN/libs'], {}),
                       (['-Wl,--disable-new-dtags', '-Wl,-rpath,${ORIGIN}/libs'], {}),
                       (['-Wl,-rpath,/no/such:' + w.path('libs')], {}),
                       ([], {'LD_LIBRARY_PATH': '/no/such:' + w.path('libs')})):
        program = w.built('caller', CALLER_SOURCE, found, *flags)
        entry = w.diagnose(program, env=env)
        take = [o for o in entry['objects'] if o['name'] == 'libtake.so']
        equal([os.path.realpath(o['path']) for o in take], [found], flags)
        equal((take[0]['intercepted'], entry['verdict']), (['pread'], 'seen'))


@case('doctor: a library that is not found is said so, and not guessed at')
def library_missing(w):
    program = w.built('caller', CALLER_SOURCE, library(w))
    entry = w.diagnose(program)
    contains(entry['codes']['missing-library']['text'], 'libtake.so was not found')
    equal([o['path'] for o in entry['objects'] if o['name'] == 'libtake.so'], [None])


@case('doctor: where a library is found is where ld.so finds it')
def agrees_with_ldd(w):
    checked = 0
    for program in ('git', 'sqlite3', 'bash', 'tar', 'openssl', 'curl'):
        entry = w.diagnose(program)
        if entry['status'] == 2:
            continue
        out = subprocess.run(['ldd', entry['file']], capture_output=True, text=True).stdout
        theirs = dict(line.split(' => ') for line in out.splitlines() if ' => ' in line)
        theirs = {k.strip(): os.path.realpath(v.split(' (')[0]) for k, v in theirs.items()}
        for o in entry['objects'][1:]:
            equal(os.path.realpath(o['path'] or ''), theirs.get(o['name']), f'{program}: {o["name"]}:')
            checked += 1
    if not checked:
        raise Skip('no program with libraries here')


@case('doctor: dlopen, syscall and own engines are remarked')
def remarks(w):
    source = '#include <dlfcn.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n' + MOVES_SOURCE.replace(
        'int main(void)\n{', 'int main(void)\n{\n    if (!dlopen("x", 1)) syscall(SYS_getpid);')
    codes = w.diagnose(w.built('opens', source, '-ldl'))['codes']
    check({'dlopen', 'syscall'} <= set(codes), codes)
    engine = w.built('liburing.so.9', 'int test_engine(void) { return 0; }', '-shared', '-fPIC',
                     '-Wl,-soname,liburing.so.9')
    calls = MOVES_SOURCE.replace('int main(void)\n{', 'int test_engine(void);\nint main(void)\n{\n    test_engine();')
    entry = w.diagnose(w.built('engine', calls, engine, f'-Wl,-rpath,{w.scratch}'))
    equal((entry['verdict'], entry['codes']['own-engine']['verdict']), ('partly seen', 'partly seen'))


@case('doctor: a shared library can be asked about')
def shared_library(w):
    entry = w.diagnose(library(w))
    equal((entry['verdict'], 'library' in entry['codes']), ('seen', True))


@case('doctor: objects files and core dumps are no programs: 2')
def object_file(w):
    program = w.built('object.o', MOVES_SOURCE, '-c')
    done = w.command('doctor', program)
    equal(done.returncode, 2)
    contains(done.stderr, 'object file')


@case('doctor: what a name holds does not reach the terminal, and is JSON all the same')
def hostile_names(w):
    name = 'es\x1b[31mc\n"quote"\\'
    path = w.path(name)
    os.link(w.moves(), path)
    done = w.command('doctor', path)
    lacks(done.stdout, '\x1b')
    contains(done.stdout, 'es\\x1b[31mc\\x0a"quote"\\: seen')
    equal(w.diagnose(path)['program'], path)
    raw = os.fsencode(w.scratch) + b'/\xff\xfe'
    os.link(w.moves(), raw)
    equal(w.diagnose(raw)['program'], w.path('\ufffd\ufffd'))
