# SPDX-License-Identifier: MIT
"""Cases, and their TAP. A case is a function; its promise is what the line of output says."""

import sys
import traceback

CASES = []


class Skip(Exception):
    """The machine cannot run this case; the text says why."""


def case(promise):
    def add(function):
        CASES.append((promise, function))
        return function

    return add


def check(condition, *what):
    if not condition:
        raise AssertionError(' '.join(str(w) for w in what) or 'does not hold')


def equal(got, wanted, what=''):
    if got != wanted:
        raise AssertionError(f'{what} got {got!r}, wanted {wanted!r}'.strip())


def contains(text, part):
    if part not in text:
        raise AssertionError(f'{part!r} is not in:\n{text}')


def lacks(text, part):
    if part in text:
        raise AssertionError(f'{part!r} is in:\n{text}')


def run_cases(*args):
    """Runs every case with these arguments. The exit status: 1 when one failed."""
    failed = 0
    print(f'1..{len(CASES)}', flush=True)
    for number, (promise, function) in enumerate(CASES, 1):
        try:
            function(*args)
            print(f'ok {number} - {promise}', flush=True)
        except Skip as why:
            print(f'ok {number} - {promise} # SKIP {why}', flush=True)
        except Exception:  # a case that breaks is a case that fails; the others still run
            failed += 1
            print(f'not ok {number} - {promise}', flush=True)
            for line in traceback.format_exc().splitlines():
                print(f'# {line}', flush=True)
    return 1 if failed else 0


def bail_out(why):
    print(f'Bail out! {why}', flush=True)
    sys.exit(1)
