# SPDX-License-Identifier: MIT
"""Laws that the built libraries keep: what they export, import, need, and how much thread-local storage they take."""

import re
import shutil

import csource
from laws import Skip, law
from symbols import defined, dynamic_section, exported, imported, relocations, tls_bytes, undefined

MAP = 'src/dftio.map'
TLS_BYTES = 256
# What a C library calls itself and its parts, and the loader.
LIBC = re.compile(r'(libc|libpthread|libdl|librt)\.so\.\d+|libc\.so|libc\.musl-.*|ld-linux.*|ld64\.so\.\d+')


def need_tools(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Skip(f'no {tool}')


def need_plain_build(house):
    if house.instrumentation:
        raise Skip(f'an instrumented build: it calls {house.instrumentation}')


@law('libdftio.so exports the wrapped names of the manifest, and nothing else', floor=50)
def preload_exports_the_manifest(house, findings):
    need_tools('nm')
    names = {name for name, _, _ in exported(house.preload)}
    findings.look(len(names))
    for name in sorted(names - house.exported):
        findings.offence(house.preload.name, f'exports {name}, which the manifest does not wrap',
                         'hide it: a preload that defines a name takes it from every program')
    for name in sorted(house.exported - names):
        findings.offence(house.manifest_line(name), f'{name} is wrapped, but libdftio.so does not export it',
                         'see that interpose/gen.py writes its wrapper and the map names it')


def version_map(text):
    """node -> {name: line} of what a version script makes global."""
    nodes, node, section = {}, None, None
    for number, line in enumerate(csource.without_comments(text).splitlines(), 1):
        if m := re.match(r'\s*([\w.]+)\s*\{', line):
            node, section = nodes.setdefault(m[1], {}), None
        elif m := re.match(r'\s*(global|local)\s*:', line):
            section = m[1]
        elif (m := re.match(r'\s*([\w*]+)\s*;', line)) and section == 'global':
            node[m[1]] = number
    return nodes


def public_functions(house):
    """name -> (where, whether a comment stands right above) of what the public headers declare."""
    found = {}
    for path, text in house.files.items():
        if not path.startswith('src/include/'):
            continue
        for m in re.finditer(r'^DFTIO_API\b[^;(]*?\b(\w+)\s*\(', csource.without_comments(text), re.M):
            above = text[:m.start()].rstrip()
            found[m[1]] = (f'{path}:{csource.line_of(text, m.start())}', above.endswith('*/'))
    return found


@law('libdftio-core.so exports what its map and the documented public headers say, and nothing else', floor=20)
def core_exports_its_map(house, findings):
    need_tools('nm')
    nodes, declared = version_map(house.files[MAP]), public_functions(house)
    public = {name: node for node, names in nodes.items() for name in names if node != 'DFTIO_PRIVATE'}
    symbols = [s for s in exported(house.core) if not (s[2] == 'A' and s[0] in nodes)]
    findings.look(len(symbols))
    for name, version, _ in symbols:
        expected = 'DFTIO_PRIVATE' if name.startswith('dftio__') else public.get(name)
        if version != expected:
            findings.offence(house.core.name, f'exports {name} under {version or "no version"}',
                             f'{MAP} would have {expected or "it hidden"}')
    exports = {name for name, _, _ in symbols}
    for name, node in sorted(public.items()):
        where = f'{MAP}:{nodes[node][name]}'
        if name not in exports:
            findings.offence(where, f'{name} is not exported', 'define it with DFTIO_API, or take it off the map')
        if name not in declared:
            findings.offence(where, f'{name} stands in no public header', 'declare it there with DFTIO_API')
    for name, (where, documented) in sorted(declared.items()):
        if name not in public:
            findings.offence(where, f'{name} is not in {MAP}', 'add it to the node of the release that brings it')
        if not documented:
            findings.offence(where, f'{name} has no comment right above it',
                             'say what it does, what it returns, and since when')


def imports_no_wrapped_name(house, findings, library, table):
    """No object of a library but the table's imports a wrapped name. table: the one source that may, or None."""
    objects = house.objects(library)
    if not any(source == table for source, _ in objects) and table:
        findings.offence(table, 'is not among the objects looked at', 'let this law read what the library is made of')
    for source, obj in objects:
        findings.look()
        names = undefined(obj)
        if '__gnu_lto_slim' in names:
            raise Skip('a build for link-time optimization: its objects hold no symbols yet')
        caught = sorted(names & house.wrapped)
        if source == table:
            # The control: reading imports finds those that are there.
            if not caught:
                findings.offence(source, 'imports no wrapped name', 'the table of real calls is made of them')
        elif caught:
            findings.offence(source, f'calls {", ".join(caught)} by name',
                             'call through dftio__sys: a name of libc\'s comes back to the preload\'s own wrapper')


@law('the core reaches libc\'s intercepted calls through the table in sys.c alone', floor=15)
def core_calls_through_its_table(house, findings):
    need_tools('nm')
    imports_no_wrapped_name(house, findings, house.core_objects, 'src/sys.c')


@law('the preload reaches libc\'s intercepted calls through the table of next functions alone', floor=5)
def preload_calls_the_next(house, findings):
    need_tools('nm')
    imports_no_wrapped_name(house, findings, house.preload, None)
    if not any(house.wrapped <= defined(obj) for _, obj in house.objects(house.preload)):
        findings.offence(house.preload.name, 'none of the objects looked at defines the wrapped names',
                         'let this law read what the library is made of')


@law(f'thread-local storage is reached without a call, and takes at most {TLS_BYTES} bytes', floor=2)
def thread_local_storage_is_static(house, findings):
    need_tools('nm', 'readelf')
    need_plain_build(house)
    total = 0
    for library in (house.core, house.preload):
        findings.look()
        if '__tls_get_addr' in imported(library):
            findings.offence(library.name, 'calls __tls_get_addr, which may allocate',
                             'give its thread-local variables the initial-exec model')
        for line in relocations(library):
            if re.search(r'DTPMOD|DTPREL|DTPOFF|TLSDESC|TLS_DTP', line):
                findings.offence(library.name, f'a dynamic TLS relocation: {line}',
                                 'give its thread-local variables the initial-exec model')
        total += tls_bytes(library)
    if total > TLS_BYTES:
        findings.offence('libdftio-core.so and libdftio.so', f'{total} bytes of thread-local storage together',
                         'the loader has little room for libraries that come late; keep it behind one pointer')


@law('the libraries need libc and each other, and nothing else', floor=2)
def libraries_need_libc_alone(house, findings):
    need_tools('readelf')
    need_plain_build(house)
    core_name = dynamic_section(house.core, 'SONAME')
    for library, own in ((house.core, []), (house.preload, core_name)):
        findings.look()
        needed = dynamic_section(library, 'NEEDED')
        for name in needed:
            if name not in own and not LIBC.fullmatch(name):
                findings.offence(library.name, f'needs {name}',
                                 'use headers alone, or do without: a host is given no library that it did not ask for')
        if not any(LIBC.fullmatch(name) for name in needed) or not set(own) <= set(needed):
            findings.offence(library.name, f'needs only {", ".join(needed) or "nothing"}',
                             f'it is to be linked with libc{" and " + own[0] if own else ""}')
