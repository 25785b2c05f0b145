# SPDX-License-Identifier: MIT
"""Help, version, usage errors, the manual page."""

import os
import re
import shutil
import subprocess

from tap import Skip, case, check, contains, equal

COMMANDS = ('run', 'info', 'doctor')


def options_of(text):
    return set(re.findall(r'(?<![\w-])--[a-z][a-z-]+', text))


@case('help: the command\'s own names every subcommand, on standard output: 0')
def main_help(w):
    for word in ('--help', '-h'):
        done = w.command(word)
        equal((done.returncode, done.stderr), (0, ''))
        for name in COMMANDS:
            check(re.search(rf'^  {name} ', done.stdout, re.M), done.stdout)


@case('help: each subcommand has one, on standard output: 0')
def command_help(w):
    for name in COMMANDS:
        for word in ('--help', '-h'):
            done = w.command(name, word)
            equal((done.returncode, done.stderr), (0, ''))
            contains(done.stdout, f'Usage: dftio {name}')
            check({'--help', '--version'} <= options_of(done.stdout))


@case('help: fits a terminal of 100 columns')
def width(w):
    for words in ((), *((name,) for name in COMMANDS)):
        for line in w.command(*words, '--help').stdout.splitlines():
            check(len(line) <= 100, line)


@case('version: the command and each subcommand print it, on standard output: 0')
def version(w):
    for words in ((), *((name,) for name in COMMANDS)):
        for word in ('--version', '-V'):
            done = w.command(*words, word)
            equal((done.returncode, done.stderr), (0, ''))
            check(re.fullmatch(r'dftio \d+\.\d+\.\d+\n', done.stdout), done.stdout)


@case('usage: what is wrong is one line on standard error, with a hint: 2')
def usage(w):
    for words, hint in ((('nonsense',), 'dftio'), (('--nonsense',), 'dftio'), ((), 'dftio'),
                        (('info', '--nonsense'), 'dftio info'), (('doctor', '--nonsense'), 'dftio doctor'),
                        (('doctor', '--shim'), 'dftio doctor')):
        done = w.command(*words)
        equal((done.returncode, done.stdout), (2, ''), words)
        lines = done.stderr.splitlines()
        equal((len(lines), lines[-1]), (2, f"Try '{hint} --help'."), words)


@case('output: what cannot be written is not passed over in silence: 2')
def full_device(w):
    if not os.path.exists('/dev/full'):
        raise Skip('no /dev/full')
    for words in (['--help'], ['info'], ['info', '--json'], ['doctor', w.moves()], ['run', '--help']):
        with open('/dev/full', 'w') as full:
            done = subprocess.run([w.dftio, *words], env=w.environment(), stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=60)
        equal(done.returncode, 2, words)
        contains(done.stderr, 'writing the output failed')


def rendered(w):
    for tool in (['mandoc', '-Tascii'], ['groff', '-mandoc', '-Tascii', '-P-c']):
        if shutil.which(tool[0]):
            out = subprocess.run([*tool, w.man], capture_output=True, text=True, timeout=60).stdout
            return re.sub('.\b', '', out)
    raise Skip('neither mandoc nor groff')


@case('manual: renders without a warning')
def man_warnings(w):
    ran = 0
    for tool in (['man', '--warnings', '-l'], ['groff', '-mandoc', '-ww', '-Tascii'],
                 ['mandoc', '-Tlint', '-Wwarning']):
        if not shutil.which(tool[0]):
            continue
        done = subprocess.run([*tool, w.man], env={**os.environ, 'LC_ALL': 'C.UTF-8', 'MANPAGER': 'cat'},
                              capture_output=True, text=True, timeout=60)
        said = done.stdout if tool[0] == 'mandoc' else done.stderr
        equal((done.returncode, said), (0, ''), tool[0])
        ran += 1
    if not ran:
        raise Skip('neither man, groff nor mandoc')


@case('manual: documents every option that a --help names, and names no other')
def man_options(w):
    text = re.sub('-\n *', '-', rendered(w))
    named = set()
    for words in ((), *((name,) for name in COMMANDS)):
        named |= options_of(w.command(*words, '--help').stdout)
    in_text = options_of(text)
    equal(named - in_text, set(), 'not documented:')
    equal(in_text - named, set(), 'documented and not there:')


@case('manual: documents every variable that the command knows, and every exit status')
def man_variables(w):
    text = rendered(w)
    for name in ('DFTIO_BACKEND', 'DFTIO_ROUTE', 'DFTIO_FILES', 'DFTIO_STATS', 'DFTIO_LOG', 'DFTIO_LOG_FILE',
                 'DFTIO_POOL_MAX', 'DFTIO_QUEUE_DEPTH', 'DFTIO_DISABLE', 'LD_PRELOAD', 'NO_COLOR'):
        check(re.search(rf'^     {name}$|\b{name}\b', text, re.M), name)
    section = text[text.index('EXIT STATUS'):text.index('EXAMPLES')]
    for status in ('125', '126', '127'):
        contains(section, status)
