# SPDX-License-Identifier: MIT
"""Laws, and their TAP. A law is a function that looks over the house and names each offence against its promise."""

import sys
import traceback

LAWS = []


class Skip(Exception):
    """The machine or the build cannot hold this law; the text says why."""


class Findings:
    """What one law looked at, and what it found."""

    def __init__(self):
        self.looked_at = 0
        self.offences = []

    def look(self, number=1):
        self.looked_at += number

    def offence(self, where, what, remedy):
        """where: 'src/op.c:12', or what is offending when it has no line."""
        self.offences.append((where, what, remedy))

    def text(self):
        """Every offence, and under those in a row that share it, the remedy."""
        lines = []
        for i, (where, what, remedy) in enumerate(self.offences):
            lines.append(f'{where}: {what}')
            if self.offences[i + 1:i + 2] == [] or self.offences[i + 1][2] != remedy:
                lines.append(f'    remedy: {remedy}')
        return '\n'.join(lines)


def law(promise, floor=1):
    """A law, and the least it must have looked at: one that finds nothing to look at does not hold, it sleeps."""

    def add(function):
        LAWS.append((promise, floor, function))
        return function

    return add


def judge(house, floor, function):
    """Runs one law; its findings."""
    findings = Findings()
    function(house, findings)
    if findings.looked_at < floor:
        findings.offence(f'tests/tidy, {function.__name__}', f'looked at {findings.looked_at}, fewer than {floor}',
                         'mend what the law reads: it no longer finds what it is about')
    return findings


def comment(text):
    """The reason of a failure: as a TAP comment, and on stderr, which Meson shows for a failed test."""
    print('\n'.join(f'# {line}' for line in text.splitlines()), flush=True)
    print(text, file=sys.stderr, flush=True)


def run_laws(house, laws):
    """Holds every law against the house. The exit status: 1 when one is broken."""
    broken = 0
    print(f'1..{len(laws)}', flush=True)
    for number, (promise, floor, function) in enumerate(laws, 1):
        reason = ''
        try:
            reason = judge(house, floor, function).text()
        except Skip as why:
            print(f'ok {number} - {promise} # SKIP {why}', flush=True)
            continue
        except Exception as error:  # a law that cannot be held is broken; the others still are
            reason = traceback.format_exc() + (getattr(error, 'stderr', None) or '')
        print(f'{"not ok" if reason else "ok"} {number} - {promise}', flush=True)
        if reason:
            broken += 1
            comment(f'{promise}: does not hold\n{reason}')
    return 1 if broken else 0
