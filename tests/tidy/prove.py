# SPDX-License-Identifier: MIT
"""Breaks each law in a copy of the house, and sees that the law notices it there. Prints TAP."""

import copy
import shutil
import traceback
from contextlib import ExitStack

from house import House
from laws import Skip, comment, judge
from symbols import output_of

BREAKS = []


class Copy(House):
    """A copy of the house's tree, to be broken. What was built stays the house's until a break replaces it."""

    def __init__(self, house, scratch):
        self.__dict__.update(copy.copy(house.__dict__))
        self.scratch, self.root, self.made_of = scratch, scratch / 'tree', {}
        self.commands, self.manifest = house.commands, dict(house.manifest)
        self.undo = ExitStack()
        shutil.rmtree(self.root, ignore_errors=True)
        self.files = dict(house.files)
        for path, text in house.files.items():
            # What compilers and generators read; the laws themselves read self.files.
            if path.endswith('.h') or path.startswith('interpose/'):
                self.write(path, text)

    def write(self, path, text):
        self.files[path] = text
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding='utf-8')

    def append(self, path, text):
        """Adds to a file; the first line of what was added, as 'path:line'."""
        line = len(self.files[path].splitlines()) + 1
        self.write(path, self.files[path] + text)
        return f'{path}:{line}'

    def compiled(self, name, text, *flags):
        """What the compiler makes of some C."""
        target = self.scratch / name
        output_of(*self.cc, '-w', '-fPIC', '-fno-builtin', *flags, '-x', 'c', '-', '-o', str(target), input=text)
        return target

    def library(self, name, text, *flags):
        """A shared library of some C, and of nothing else."""
        return self.compiled(name, text, '-shared', '-nostdlib', *flags)

    def objects(self, library):
        return self.made_of.get(library) or super().objects(library)


def breaks(law, what):
    """A way to break a law: a function that breaks a Copy, and returns what the law is to say, and what it is not."""

    def add(function):
        BREAKS.append((law, what, function))
        return function

    return add


def prove(house, scratch, law, floor, function):
    """Why a law did not notice; '' when it did."""
    broken = Copy(house, scratch)
    with broken.undo:
        said, unsaid = function(broken)
        text = judge(broken, floor, law).text()
    reasons = [f'it does not say {part!r}' for part in said if part not in text]
    reasons += [f'it says {part!r}' for part in unsaid if part in text]
    return '\n'.join(reasons + ['it says:', text]) if reasons else ''


def prove_laws(house, laws, scratch):
    """Breaks every law given in each way. The exit status: 1 when one was not noticed."""
    import breaks_source  # noqa: F401
    import breaks_built  # noqa: F401

    floors = {law: floor for _, floor, law in laws}
    chosen = [b for b in BREAKS if b[0] in floors]
    unproved = sorted(law.__name__ for law in floors if law not in {b[0] for b in chosen})
    failed = bool(unproved)
    print(f'1..{len(chosen) + 1}', flush=True)
    for number, (law, what, function) in enumerate(chosen, 1):
        try:
            reason = prove(house, scratch, law, floors[law], function)
        except Skip as why:
            print(f'ok {number} - {law.__name__} notices {what} # SKIP {why}', flush=True)
            continue
        except Exception as error:  # a break that breaks proves nothing; the others still do
            reason = traceback.format_exc() + (getattr(error, 'stderr', None) or '')
        print(f'{"not ok" if reason else "ok"} {number} - {law.__name__} notices {what}', flush=True)
        if reason:
            failed = True
            comment(f'{law.__name__} does not notice {what}:\n{reason}')
    print(f'{"not ok" if unproved else "ok"} {len(chosen) + 1} - every law is broken in some way', flush=True)
    if unproved:
        comment(f'never broken: {", ".join(unproved)}')
    return 1 if failed else 0
