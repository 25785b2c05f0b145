# SPDX-License-Identifier: MIT
"""C as far as the laws need it: comments and strings told from code, functions and their lengths, includes.

No preprocessor: code under #if and #else is all read, so both branches keep whole statements.
"""

import re

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.M)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def blank(text):
    """The same lines with nothing on them."""
    return re.sub(r'[^\n]', ' ', text)


def without_comments(text):
    return TOKEN.sub(lambda m: blank(m[0]) if m[0].startswith('/') else m[0], text)


def code_only(text):
    """Without comments, and with empty strings, so that every brace and parenthesis left is one."""
    return TOKEN.sub(lambda m: blank(m[0]) if m[0].startswith('/') else m[0][0] + blank(m[0][1:-1]) + m[0][0], text)


def line_of(text, index):
    return text.count('\n', 0, index) + 1


def includes(text):
    """(line, kind, name) of every include; kind is '<' or '"'."""
    bare = without_comments(text)
    return [(line_of(bare, m.start(1)), m[1], m[2]) for m in INCLUDE.finditer(bare)]


def closing(text, start):
    """Where the parenthesis at start is closed; the end of the text when it is not."""
    depth = 0
    for m in re.compile(r'[()]').finditer(text, start):
        depth += 1 if m[0] == '(' else -1
        if depth == 0:
            return m.start()
    return len(text)


def without_calls(text, name):
    """Without each name(...), whatever is nested in it; the lines stay."""
    kept, end = [], 0
    for m in re.finditer(name + r'\s*\(', text):
        if m.start() >= end:
            kept.append(text[end:m.start()])
            end = closing(text, m.end() - 1) + 1
            kept.append(blank(text[m.start():end]))
    return ''.join(kept) + text[end:]


def opening_comment(text):
    """The first block comment that is more than the licence line; '' when code comes first."""
    rest = text
    while m := re.match(r'\s*/\*.*?\*/', rest, re.S):
        if 'SPDX-License-Identifier' not in m[0]:
            return m[0]
        rest = rest[m.end():]
    return ''


class Unbalanced(Exception):
    """Braces that do not pair, at this line."""


def parameters_at(header):
    """Where the last parenthesis group outside any other opens; -1 when there is none or the header assigns."""
    depth, opened = 0, -1
    for i, c in enumerate(header):
        if c == '(':
            if depth == 0:
                opened = i
            depth += 1
        elif c == ')':
            depth -= 1
        elif c == '=' and depth == 0:
            return -1
    return opened


def named(header):
    """The index of the name that a function definition's header defines, or None when it is no such header."""
    header = without_calls(without_calls(header, '__attribute__'), '__asm__')
    if not header.rstrip().endswith(')'):
        return None
    m = re.search(r'\w+\s*$', header[:max(parameters_at(header), 0)])
    return m.start() if m else None


def functions(text):
    """(name, first line, last line) of every function defined: from the line of its name to its closing brace."""
    code = DIRECTIVE.sub(lambda m: blank(m[0]), code_only(text))
    found, depth, since, current = [], 0, 0, None
    for m in re.finditer(r'[{};]', code):
        if m[0] == '{':
            header = code[since:m.start()]
            if depth == 0 and re.search(r'\bextern\s*"\s*"\s*$', header):
                since = m.end()
                continue
            at = named(header) if depth == 0 else None
            if at is not None:
                current = (re.match(r'\w+', header[at:])[0], line_of(code, since + at))
            depth += 1
        elif m[0] == '}':
            # One more than was opened closes an extern "C".
            depth = max(depth - 1, 0)
            if depth == 0 and current:
                found.append((*current, line_of(code, m.start())))
                current = None
        if depth == 0:
            since = m.end()
    if depth:
        raise Unbalanced(line_of(code, since))
    return found
