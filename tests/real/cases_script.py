# SPDX-License-Identifier: MIT
"""bash, Python, Perl and a compiler: they use descriptors, processes, threads and signals in their own ways."""

from harness import PYTHON, Skip, case


def program(run, name):
    """A script of ours, copied beside the data, so that its path is the same in every run."""
    source = run.suite.programs / name
    run.path(name).write_bytes(source.read_bytes())
    return name


@case('bash: redirections', needs=['bash'], quick=True)
def bash_redirections(run):
    run.run('bash', program(run, 'redirections.sh'))


@case('bash: pipes', needs=['bash'], quick=True)
def bash_pipes(run):
    run.run('bash', program(run, 'pipes.sh'))


@case('bash: script read while it grows', needs=['bash'])
def bash_growing(run):
    """bash reads a script by its descriptor's offset; a shim that reads ahead runs the wrong lines."""
    run.path('grows.sh').write_bytes(b'echo "echo appended; rm gone" >> grows.sh\n: > gone\necho last of the first\n')
    run.run('bash', 'grows.sh')
    run.run('bash', feed=b'read -r line\nthis line is data\necho "got: $line"\ncat\nthe rest\nis for cat\n')


@case('python: files', needs=[PYTHON], quick=True)
def python_files(run):
    run.run(PYTHON, program(run, 'use_files.py'))


@case('python: errors', needs=[PYTHON], quick=True)
def python_errors(run):
    run.run(PYTHON, program(run, 'use_errors.py'))


@case('python: mmap', needs=[PYTHON], quick=True)
def python_mmap(run):
    run.run(PYTHON, program(run, 'use_mmap.py'))


@case('python: processes', needs=[PYTHON], quick=True)
def python_processes(run):
    run.run(PYTHON, program(run, 'use_processes.py'))


@case('python: threads', needs=[PYTHON], quick=True)
def python_threads(run):
    run.run(PYTHON, program(run, 'use_threads.py'))


@case('python: signals', needs=[PYTHON])
def python_signals(run):
    run.run(PYTHON, program(run, 'use_signals.py'))


@case('python: sockets and event loops', needs=[PYTHON])
def python_sockets(run):
    run.run(PYTHON, program(run, 'use_sockets.py'))


@case('perl', needs=['perl'], quick=True)
def perl(run):
    if run.run('perl', '-MDigest::SHA', '-e', '1', native=True, expect=(0, 2)).status:
        raise Skip('perl without Digest::SHA')
    run.run('perl', program(run, 'use_files.pl'))
    run.path('edited').write_bytes(run.path('in/text.txt').read_bytes())
    run.run('perl', '-pi.orig', '-e', 's/\\b(\\w)(\\w+)/$2$1/g', 'edited')
    run.run('perl', '-ne', 'print if eof or $. % 1000 == 0', 'in/text.txt', 'in/unended.txt')


@case('gcc', needs=['gcc', 'ar'])
def gcc(run):
    """Compiler, assembler and linker hand each other files; the same source gives the same bytes."""
    for n in range(4):
        run.path(f'part{n}.c').write_text(f'int part{n}(int x) {{ return x * {n} + {n}; }}\n', encoding='ascii')
    run.path('main.c').write_text(
        '#include <stdio.h>\nint part0(int), part1(int), part2(int), part3(int);\n'
        'int main(void) { printf("%d\\n", part0(1) + part1(2) + part2(3) + part3(4)); return 7; }\n', encoding='ascii')
    run.run('gcc', '-O1', '-g', '-ffile-prefix-map=' + str(run.dir) + '=.', '-c', *(f'part{n}.c' for n in range(4)))
    run.run('ar', 'rcD', 'libparts.a', *(f'part{n}.o' for n in range(4)))
    run.run('gcc', '-pipe', '-o', 'program', 'main.c', 'libparts.a')
    run.run('./program', expect=7)
    run.run('gcc', '-c', 'in/missing.c', expect=1)
