# SPDX-License-Identifier: MIT
"""What breaks the laws on the libraries and the manifest. Each returns what its law is to say, and what it is not."""

from unittest import mock

import laws_binary
import laws_manifest
import prototypes
from prove import breaks
from symbols import glibc_of


def definitions(names):
    """C that defines these names, whatever the compiler thinks that it knows of them."""
    return ''.join(f'void f{i}(void) __asm__("{name}"); void f{i}(void) {{}}\n' for i, name in enumerate(sorted(names)))


@breaks(laws_binary.preload_exports_the_manifest, 'a name too many and a name too few')
def preload_exports_otherwise(house):
    house.preload = house.library('libdftio.so', definitions(house.exported - {'pread64'} | {'malloc'}))
    return ['libdftio.so: exports malloc', 'pread64 is wrapped, but libdftio.so does not export it'], ['exports read']


@breaks(laws_binary.core_exports_its_map, 'names on the map that are neither defined nor declared')
def map_names_nothing(house):
    house.write('src/dftio.map', house.files['src/dftio.map'].replace('global:', 'global:\n\t\tdftio_newest;', 1))
    return ['src/dftio.map:3: dftio_newest is not exported',
            'src/dftio.map:3: dftio_newest stands in no public header'], ['dftio_version']


@breaks(laws_binary.core_exports_its_map, 'functions of the public headers that are not on the map, or say nothing')
def header_declares_more(house):
    house.write('src/include/dftio/new.h', 'DFTIO_API int dftio_newest(\n\tint a);\n/* It does x. */\n'
                'DFTIO_API const char *dftio_said(void);\n/* DFTIO_API int dftio_former(void); */\n')
    return ['src/include/dftio/new.h:1: dftio_newest is not in src/dftio.map',
            'src/include/dftio/new.h:1: dftio_newest has no comment right above it',
            'src/include/dftio/new.h:4: dftio_said is not in src/dftio.map'], ['dftio_said has no', 'dftio_former']


@breaks(laws_binary.core_exports_its_map, 'symbols that the core exports beside its map')
def core_exports_more(house):
    script = house.scratch / 'broken.map'
    script.write_text('DFTIO_0.1 { global: dftio_version; dftio_stray; };\nDFTIO_0.2 { global: dftio_backend; };\n'
                      'DFTIO_PRIVATE { global: dftio__*; astray; };\n')
    house.core = house.library(
        'libdftio-core.so', definitions(['dftio_version', 'dftio_stray', 'dftio__inner', 'astray', 'dftio_backend']),
        f'-Wl,--version-script,{script}')
    return ['exports dftio_stray under DFTIO_0.1', 'exports astray under DFTIO_PRIVATE',
            'exports dftio_backend under DFTIO_0.2', 'dftio_path_info is not exported'], \
        ['exports dftio_version', 'exports dftio__inner']


CALLS_READ = 'long read(int, void *, unsigned long); long f(void) { return read(0, 0, 0); }\n'
CALLS_THE_TABLE = 'extern struct { long (*read)(void); } dftio__sys; long f(void) { return dftio__sys.read(); }\n'


@breaks(laws_binary.core_calls_through_its_table, 'an intercepted call by name outside sys.c')
def core_calls_by_name(house):
    house.made_of[house.core_objects] = [
        *house.objects(house.core_objects), ('src/raw.c', house.compiled('raw.o', CALLS_READ, '-c')),
        ('src/good.c', house.compiled('good.o', CALLS_THE_TABLE, '-c'))]
    return ['src/raw.c: calls read by name'], ['src/sys.c', 'src/good.c']


@breaks(laws_binary.core_calls_through_its_table, 'that it reads other objects than the core\'s')
def core_has_no_table(house):
    house.made_of[house.core_objects] = [o for o in house.objects(house.core_objects) if o[0] != 'src/sys.c']
    return ['src/sys.c: is not among the objects looked at'], []


@breaks(laws_binary.core_calls_through_its_table, 'that it sees no import any more')
def imports_are_not_seen(house):
    good = house.compiled('good.o', CALLS_THE_TABLE, '-c')
    house.made_of[house.core_objects] = [(source, good) for source, _ in house.objects(house.core_objects)]
    return ['src/sys.c: imports no wrapped name'], []


@breaks(laws_binary.preload_calls_the_next, 'an intercepted call by name, in next.c too')
def preload_calls_by_name(house):
    raw = house.compiled('raw.o', CALLS_READ, '-c')
    house.made_of[house.preload] = [(source, raw if source.endswith('/next.c') else obj)
                                    for source, obj in house.objects(house.preload)]
    return ['interpose/next.c: calls read by name'], ['interpose/init.c']


@breaks(laws_binary.preload_calls_the_next, 'that it reads other objects than the preload\'s')
def preload_is_another(house):
    house.made_of[house.preload] = [o for o in house.objects(house.preload) if 'wrappers' not in str(o[0])]
    return ['none of the objects looked at defines the wrapped names'], []


@breaks(laws_binary.thread_local_storage_is_static, 'a thread-local variable reached by a call, and a large one')
def dynamic_thread_local(house):
    house.core = house.library('libdftio-core.so', '__thread char large[300]; char *f(void) { return large; }\n',
                               '-ftls-model=global-dynamic')
    return ['a dynamic TLS relocation', 'bytes of thread-local storage together'], \
        ['libdftio.so: calls', 'libdftio.so: a dynamic']


@breaks(laws_binary.thread_local_storage_is_static, 'two libraries that take too much together')
def too_much_thread_local(house):
    text = '__thread char large[{}]; char *f(void) {{ return large; }}\n'
    house.core = house.library('libdftio-core.so', text.format(256), '-ftls-model=initial-exec')
    house.preload = house.library('libdftio.so', text.format(1), '-ftls-model=initial-exec')
    return ['257 bytes of thread-local storage together'], ['relocation', '__tls_get_addr']


@breaks(laws_binary.libraries_need_libc_alone, 'a library that the host did not ask for, and one that is missing')
def needs_more(house):
    text = 'int f(void) { return 0; }\n'
    house.core = house.compiled('libdftio-core.so', text, '-shared', '-Wl,--no-as-needed', '-lm')
    house.preload = house.library('libdftio.so', text)
    return ['libdftio-core.so: needs libm.so.6', 'libdftio.so: needs only nothing'], ['needs libc.so']


@breaks(laws_manifest.manifest_covers_libc, 'a name that the manifest forgot, found in each of the ways')
def manifest_forgets(house):
    forgotten = ['splice', 'recvmmsg', 'pidfd_getfd', 'memfd_create', 'aio_read64', '__fxstat', '__read_chk', '__write',
                 '__openat64_2', 'fstat64']
    for name in forgotten:
        del house.manifest[name]
    return [f'does not speak of {name} (' for name in forgotten], ['speak of read ', 'speak of printf', 'speak of ftw ']


@breaks(laws_manifest.manifest_covers_libc, 'that it reads no prototype any more')
def prototypes_are_not_read(house):
    house.undo.enter_context(mock.patch.object(prototypes, 'headers_of', lambda cc: []))
    return ['does not find splice', 'does not find preadv2'], []


@breaks(laws_manifest.wrapped_names_are_libcs, 'a wrapped name that libc does not have')
def wrapped_name_of_nobody(house):
    house.manifest['raed'] = 'wrap'
    house.manifest['wriet'] = 'pass'
    return ['raed is wrapped, but'], ['wriet', 'close_range']


@breaks(laws_manifest.wrapped_names_are_libcs, 'a name that an older glibc must have, but not one that came later')
def older_glibc(house):
    house.libc = glibc_of(house.cc)
    house.libc.newest = (2, 27)
    for name in ('close_range', 'copy_file_range'):
        del house.libc.versions[name]
    return ['copy_file_range is wrapped, but'], ['close_range']
