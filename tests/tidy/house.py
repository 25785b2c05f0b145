# SPDX-License-Identifier: MIT
"""The house as the laws see it: the tree's files, and what the build made of them."""

import json
import os
import re
import shlex
import subprocess
from functools import cached_property
from pathlib import Path

from symbols import glibc_of, undefined

# Never the tree's own: version control, caches, fetched subprojects.
FOREIGN = {'.git', '__pycache__', 'subprojects'}
KINDS = {'.c': 'C', '.h': 'C', '.py': 'Python', '.sh': 'shell', '.pl': 'Perl', '.S': 'assembler', '.cpp': 'C++'}


class House:
    """One tree and one build of it. Paths of files are strings relative to the root, with '/'."""

    def __init__(self, root, build, preload, core, core_objects, names, cc, scratch):
        self.root, self.build = Path(root), Path(build)
        self.preload, self.core, self.core_objects = Path(preload), Path(core), Path(core_objects)
        self.names_list = Path(names)
        self.cc = list(cc)
        self.scratch = Path(scratch)

    @cached_property
    def files(self):
        """Every file with text in it, by its path. What is not UTF-8 is no text, and a link is another's."""
        found = {}
        for folder, folders, names in os.walk(self.root):
            folders[:] = [f for f in folders if f not in FOREIGN and not Path(folder, f, 'meson-private').is_dir()]
            for path in (Path(folder, name) for name in names):
                try:
                    if path.is_file() and not path.is_symlink():
                        found[path.relative_to(self.root).as_posix()] = path.read_text(encoding='utf-8')
                except (UnicodeDecodeError, FileNotFoundError):
                    pass
        ours = self.of_the_repository()
        return {path: text for path, text in sorted(found.items()) if ours is None or path in ours}

    def of_the_repository(self):
        """The paths that git tracks or would; None outside a repository, where every file is the tree's."""
        if not (self.root / '.git').exists():
            return None
        listed = subprocess.run(['git', '-C', str(self.root), 'ls-files', '-z', '--cached', '--others',
                                 '--exclude-standard'], capture_output=True)
        return set(os.fsdecode(listed.stdout).split('\0')) if listed.returncode == 0 else None

    def kind(self, path):
        """'C', 'Python', ... by suffix or by the interpreter named on the first line; None for no source."""
        suffix = os.path.splitext(path)[1]
        if suffix in KINDS:
            return KINDS[suffix]
        if os.path.basename(path) in ('meson.build', 'meson_options.txt'):
            return 'Meson'
        m = re.match(r'#!.*?\b(python|perl|sh|bash)', self.files[path])
        return {'python': 'Python', 'perl': 'Perl', 'sh': 'shell', 'bash': 'shell'}[m[1]] if m else None

    def sources(self, *kinds):
        """The paths of the sources of these kinds."""
        return [p for p in self.files if self.kind(p) in kinds]

    @cached_property
    def manifest(self):
        """name -> 'wrap' or 'pass', as the build lists it."""
        lines = self.names_list.read_text(encoding='utf-8').splitlines()
        return {name: what for what, name in (line.split() for line in lines)}

    @property
    def wrapped(self):
        return {n for n, what in self.manifest.items() if what == 'wrap'}

    @property
    def exported(self):
        """The wrapped names, and those that are passed on by a jump."""
        return {n for n, what in self.manifest.items() if what != 'pass'}

    def manifest_line(self, name):
        """Where the manifest speaks of a name: 'interpose/names.txt:12'."""
        path = 'interpose/names.txt'
        for number, line in enumerate(self.files.get(path, '').splitlines(), 1):
            if not line.startswith('#') and name in line.split(' : ')[0].split('=')[0].split():
                return f'{path}:{number}'
        return path

    @cached_property
    def commands(self):
        """What the build ran: (source relative to the root, object, arguments), from compile_commands.json."""
        found = []
        for entry in json.loads((self.build / 'compile_commands.json').read_text(encoding='utf-8')):
            source = Path(os.path.relpath(Path(entry['directory'], entry['file']).resolve(), self.root.resolve()))
            found.append((source.as_posix(), self.build / entry['output'], shlex.split(entry['command'])))
        return found

    def objects(self, library):
        """(source, object) of what this library is linked from."""
        private = Path(str(library) + '.p')
        return [(source, obj) for source, obj, _ in self.commands if obj.parent.resolve() == private.resolve()]

    @cached_property
    def libc(self):
        """The glibc that the compiler links with, or None."""
        return glibc_of(self.cc)

    @cached_property
    def instrumentation(self):
        """The run-time of a sanitizer or of coverage that the core calls, or None."""
        for _, obj in self.objects(self.core_objects):
            for name in sorted(undefined(obj)):
                if re.match(r'__(asan|tsan|msan|hwasan|ubsan|sanitizer|gcov|llvm_prof)', name):
                    return name
        return None
