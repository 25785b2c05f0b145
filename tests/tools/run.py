#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The dftio command, from outside. Prints TAP."""

import argparse
import os
import sys
import tempfile

import tap
from world import World

# Each adds its cases.
import cases_run  # noqa: F401
import cases_doctor  # noqa: F401
import cases_hostile  # noqa: F401
import cases_install  # noqa: F401
import cases_info  # noqa: F401
import cases_help  # noqa: F401


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--dftio', required=True, help='the command')
    parser.add_argument('--core', required=True, help='the core library that it was built with')
    parser.add_argument('--shim', required=True, help='the preload that it was built with')
    parser.add_argument('--man', required=True, help='its manual page')
    parser.add_argument('--bindir', default='bin')
    parser.add_argument('--libdir', default='lib')
    parser.add_argument('--only', help='run the cases whose promise has this text')
    parser.add_argument('cc', nargs='+', help='the C compiler')
    args = parser.parse_args()
    if args.only:
        tap.CASES[:] = [c for c in tap.CASES if args.only in c[0]]
    with tempfile.TemporaryDirectory(prefix='dftio-tools-') as scratch:
        # Programs there must be reachable for other users too: set-user-ID copies are run.
        os.chmod(scratch, 0o755)
        return tap.run_cases(World(args, scratch))


if __name__ == '__main__':
    sys.exit(main())
