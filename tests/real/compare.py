# SPDX-License-Identifier: MIT
"""The native result against the one under the shim, and how a difference is told to a person."""

import difflib
import itertools

LINES_MAX = 40
NAMES_MAX = 6
DIFF_LINES_MAX = 16
DIFF_COLUMNS_MAX = 120
TEXT_MAX = 256 * 1024


def differences(native, other, native_dir, other_dir):
    """Lines that say what differs between two results; none where they are the same."""
    lines = []
    for ours, theirs in itertools.zip_longest(native.steps, other.steps):
        if ours is None or theirs is None:
            lines.append(f'only {"under the shim" if ours is None else "natively"}: {ours or theirs}')
            continue
        lines += _step_differences(ours, theirs)
    for name in sorted(native.facts.keys() | other.facts.keys()):
        if native.facts.get(name) != other.facts.get(name):
            lines.append(f'{name}: natively {native.facts.get(name)}, under the shim {other.facts.get(name)}')
    lines += _tree_differences(native.tree, other.tree, native_dir, other_dir)
    if len(lines) > LINES_MAX:
        lines[LINES_MAX:] = [f'... and {len(lines) - LINES_MAX} lines more']
    return lines


def _step_differences(native, other):
    lines = []
    if native.status != other.status:
        lines.append(f'exit status: natively {native.status}, under the shim {other.status}')
    for stream in ('stdout', 'stderr'):
        ours, theirs = getattr(native, stream), getattr(other, stream)
        if ours != theirs:
            lines += _byte_differences(stream, ours, theirs)
    if lines:
        lines.insert(0, f'command: {native}')
    return lines


def _tree_differences(native, other, native_dir, other_dir):
    lines = []
    for side, names in (('natively', native.keys() - other.keys()), ('under the shim', other.keys() - native.keys())):
        if names:
            shown = ', '.join(map(repr, sorted(names)[:NAMES_MAX]))
            lines.append(f'{len(names)} files only {side}: {shown}{", ..." if len(names) > NAMES_MAX else ""}')
    for name in sorted(native.keys() & other.keys()):
        if native[name] != other[name]:
            lines += _entry_differences(name, native[name], other[name], native_dir, other_dir)
    return lines


def _entry_differences(name, ours, theirs, native_dir, other_dir):
    lines = []
    for field in ('kind', 'mode', 'size', 'links', 'mtime'):
        one, two = getattr(ours, field), getattr(theirs, field)
        if one != two:
            form = oct if field == 'mode' else str
            lines.append(f'file {name!r}: {field}: natively {form(one)}, under the shim {form(two)}')
    if ours.kind == theirs.kind == 'file' and ours.content != theirs.content:
        lines += _byte_differences(f'file {name!r}', (native_dir / name).read_bytes(), (other_dir / name).read_bytes())
    elif ours.content != theirs.content:
        lines.append(f'file {name!r}: natively {ours.content!r}, under the shim {theirs.content!r}')
    return lines


def _byte_differences(label, ours, theirs):
    """As text where both are text and not too long; else the place of the first difference."""
    lines = [f'{label} differs: {len(ours)} bytes natively, {len(theirs)} under the shim']
    try:
        if max(len(ours), len(theirs)) > TEXT_MAX:
            raise ValueError
        text = ours.decode('ascii').splitlines(), theirs.decode('ascii').splitlines()
    except ValueError:
        return lines + _first_difference(ours, theirs)
    diff = list(difflib.unified_diff(*text, 'native', 'shim', lineterm='', n=1))
    shown = [f'  {line[:DIFF_COLUMNS_MAX]}' for line in diff[:DIFF_LINES_MAX]]
    return lines + (shown or _first_difference(ours, theirs))   # lines may differ in their ends alone


def _first_difference(ours, theirs):
    shorter = min(len(ours), len(theirs))
    at = shorter if ours[:shorter] == theirs[:shorter] else _first_unequal(ours, theirs, shorter)
    unequal = sum(1 for a, b in zip(ours, theirs) if a != b)
    return [f'  first difference at byte {at} ({at:#x}); {unequal} of the first {shorter} bytes differ',
            f'  native: {ours[at:at + 24].hex(" ")}', f'  shim:   {theirs[at:at + 24].hex(" ")}']


def _first_unequal(ours, theirs, end):
    """By halving: comparing slices is much faster than a loop over bytes."""
    begin = 0
    while end - begin > 1:
        middle = (begin + end) // 2
        if ours[begin:middle] != theirs[begin:middle]:
            end = middle
        else:
            begin = middle
    return begin
