#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The laws of the house: what its structure promises, held against the tree and what was built of it. Prints TAP.

A law is a function in one of the laws_*.py. prove.py breaks each of them and sees that it notices.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True  # the source tree may be read-only, and is looked over itself

import laws
from house import House

# Each adds its laws.
import laws_source  # noqa: F401
import laws_headers  # noqa: F401
import laws_binary  # noqa: F401
import laws_manifest  # noqa: F401
import laws_docs  # noqa: F401


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--root', required=True, help='the source tree')
    parser.add_argument('--build', required=True, help='the build directory')
    parser.add_argument('--preload', required=True, help='libdftio.so, built')
    parser.add_argument('--core', required=True, help='libdftio-core.so, built')
    parser.add_argument('--core-objects', required=True, help='the static library of the core')
    parser.add_argument('--names', required=True, help='the list of names that the build makes of the manifest')
    parser.add_argument('--only', default='', help='the laws whose promise has this text')
    parser.add_argument('--prove', action='store_true', help='break each law in a copy, and see that it notices')
    parser.add_argument('cc', nargs='+', help='the C compiler')
    return parser.parse_args()


def main():
    args = arguments()
    chosen = [one for one in laws.LAWS if args.only in one[0]]
    with tempfile.TemporaryDirectory(prefix='dftio-tidy-') as scratch:
        house = House(args.root, args.build, args.preload, args.core, args.core_objects, args.names, args.cc, scratch)
        if args.prove:
            import prove
            return prove.prove_laws(house, chosen, Path(scratch))
        return laws.run_laws(house, chosen)


if __name__ == '__main__':
    sys.exit(main())
