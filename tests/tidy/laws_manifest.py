# SPDX-License-Identifier: MIT
"""Laws that hold the manifest of intercepted names against the C library of this machine."""

from laws import Skip, law
from laws_binary import need_tools
from prototypes import descriptor_functions

# Wrapped names that an older glibc lacks, and the first that has them.
SINCE = {
    'quick_exit': (2, 24),  # moved then; 2.10 on some ports
    'preadv2': (2, 26), 'preadv64v2': (2, 26), 'pwritev2': (2, 26), 'pwritev64v2': (2, 26),
    'copy_file_range': (2, 27),
    'fcntl64': (2, 28),
    '_Fork': (2, 34), 'close_range': (2, 34), 'closefrom': (2, 34), 'execveat': (2, 34),
}
# Wrapped names that a glibc may lack or keep to itself.
MAY_LACK = {
    'llseek': 'exported for old programs, on old ports alone',
    '__recv': 'private to glibc, for its own libraries', '__sendmmsg': 'private to glibc, for its own libraries',
    '__libc_system': 'private to glibc, for its own libraries',
}
# Found by each of the ways in prototypes.py; when one is missing, a way has gone blind.
KNOWN = {
    'read', 'preadv2', 'splice', 'fstatat', 'recvmmsg', 'getdents64', 'socketpair', 'select',
    'posix_spawn_file_actions_adddup2', 'open', 'memfd_create', 'aio_read64', '__fxstat', '__read_chk', '__pread64_chk',
    '__openat_2', 'lseek64', '__write',
}


def the_glibc(house):
    need_tools('nm')
    if not house.libc:
        raise Skip('the compiler links with no glibc')
    return house.libc


@law('the manifest speaks of every function of libc that takes or makes a descriptor', floor=220)
def manifest_covers_libc(house, findings):
    functions = descriptor_functions(house.cc, the_glibc(house))
    findings.look(len(functions))
    for name in sorted(KNOWN - set(functions)):
        findings.offence('tests/tidy/prototypes.py', f'does not find {name}',
                         'mend it: what it finds is not all there is')
    for name, why in sorted(functions.items()):
        if name not in house.manifest:
            findings.offence('interpose/names.txt', f'does not speak of {name} ({why})',
                             'wrap it, or add it to a line "pass NAME : reason"')


@law('every wrapped name is one of libc\'s', floor=50)
def wrapped_names_are_libcs(house, findings):
    libc = the_glibc(house)
    for name in sorted(house.wrapped):
        findings.look()
        if name in libc.versions or name in MAY_LACK or libc.newest < SINCE.get(name, (0, 0)):
            continue
        findings.offence(house.manifest_line(name), f'{name} is wrapped, but {libc.path} does not export it',
                         'mend the name, or say in SINCE or MAY_LACK in tests/tidy/laws_manifest.py which glibc has it')
