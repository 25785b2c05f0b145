#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns the manifest, names.txt, into what is built from it.

usage: gen.py names.txt OUTPUT WHAT
WHAT: next (header), wrappers (C), map (version script), doctor (header), names (Markdown), list (plain, for tests)
"""
import re
import sys


class Wrap:
    def __init__(self, kind, arg, names, ret, params):
        self.kind, self.arg, self.names, self.ret = kind, arg, names, ret
        self.noreturn = ret.startswith("noreturn ")
        self.ret = ret.removeprefix("noreturn ").strip()
        self.variadic = None
        self.params = []
        for p in split_params(params):
            if p.startswith("..."):
                self.variadic = p[3:]
            elif p != "void":
                self.params.append(p)

    @staticmethod
    def param_name(p):
        found = re.search(r"\(\*(\w+)\)\(", p) or re.search(r"(\w+)(\[\])?$", p)
        return found.group(1)

    def args(self):
        return [self.param_name(p) for p in self.params]

    def declared(self):
        parts = self.params + (["..."] if self.variadic else [])
        return ", ".join(parts) or "void"

    def fds(self):
        return [a for a in self.args() if a in ("fd", "in_fd", "out_fd")]


def split_params(text):
    """At the commas outside of parentheses."""
    return [p.strip() for p in re.split(r",(?![^(]*\))", text) if p.strip()]


def parse(path):
    wraps, passes = [], []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if line.startswith("pass "):
                names, reason = line[5:].split(" : ", 1)
                passes.append((names.split(), reason.strip()))
                continue
            head, proto = line.split(" = ", 1)
            kind, *names = head.split()
            kind, _, arg = kind.partition(":")
            ret, params = re.fullmatch(r"(.*?)\s*\((.*)\)", proto).groups()
            wraps.append(Wrap(kind, arg, names, ret, params))
        except (ValueError, AttributeError) as e:
            sys.exit(f"{path}:{number}: cannot be understood: {line!r} ({e})")
    return wraps, passes


def pointer(w, name):
    noreturn = " __attribute__((noreturn))" if w.noreturn else ""
    return f"{w.ret} (*{name})({w.declared()}){noreturn}"


def gen_next(wraps, _passes):
    yield "/* Generated from names.txt. */"
    yield "#ifndef DFTIO_NEXT_STRUCT"
    yield "#define DFTIO_NEXT_STRUCT"
    yield "struct dftio_next {"
    for w in wraps:
        for n in w.names:
            yield f"\t{pointer(w, n)};"
    yield "};"
    yield "#endif"
    yield ""
    yield "#ifdef DFTIO_NEXT_TABLE"
    yield "/* Until the real ones are resolved: raw system calls. */"
    yield "struct dftio_next dftio__next = {"
    for w in wraps:
        for n in w.names:
            yield f"\t.{n} = raw_{w.names[0]},"
    yield "};"
    yield ""
    yield "static const struct { const char *name; size_t offset; } next_names[] = {"
    for w in wraps:
        for n in w.names:
            yield f'\t{{ "{n}", offsetof(struct dftio_next, {n}) }},'
    yield "};"
    yield "#endif"


VARIADIC = {
    "mode": "\tmode_t mode = 0;\n\n\tif (dftio__open_has_mode(flags)) {\n\t\tva_list ap;\n\n\t\tva_start(ap, flags);\n"
            "\t\tmode = va_arg(ap, mode_t);\n\t\tva_end(ap);\n\t}",
    "prctl": "\tva_list ap;\n\tunsigned long a[4];\n\n\tva_start(ap, option);\n\tfor (int i = 0; i < 4; i++)\n"
             "\t\ta[i] = va_arg(ap, unsigned long);\n\tva_end(ap);",
    "clone": "\tvoid *a[3];\n\tva_list ap;\n\n\tva_start(ap, arg);\n\tfor (int i = 0; i < 3; i++)\n"
             "\t\ta[i] = va_arg(ap, void *);\n\tva_end(ap);",
    "arg": "\tva_list ap;\n\tvoid *arg;\n\n\tva_start(ap, cmd);\n\targ = va_arg(ap, void *);\n\tva_end(ap);",
}


def body(w, name):
    args = w.args() + ([w.variadic] if w.variadic in ("mode", "arg") else [])
    args += [f"a[{i}]" for i in range({"prctl": 4, "clone": 3}.get(w.variadic, 0))]
    call = f"dftio__next.{name}({', '.join(args)})"
    ret = "" if w.ret == "void" else "return "
    if w.variadic in VARIADIC:
        yield VARIADIC[w.variadic]
    if w.kind == "route":
        prefix = "dftio__route_pread_passes" if w.arg == "pread" else "dftio__route_passes"
        passes = " || ".join(f"{prefix}({fd})" for fd in w.fds())
        yield f"\tif (likely({passes}))"
        yield f"\t\treturn {call};"
        yield f"\treturn dftio__route_{w.arg}(dftio__next.{name}, {', '.join(args)});"
    elif w.kind == "chk":
        fn, plain = w.arg.split(":")
        prefix = "dftio__route_pread_passes" if fn == "pread" else "dftio__route_passes"
        yield f"\tif (likely({prefix}(fd)) || len > buflen)"
        yield f"\t\treturn {call};"
        yield f"\treturn dftio__route_{fn}(dftio__next.{plain}, {', '.join(args[:-1])});"
    elif w.kind == "count":
        # A jump, not a call, where nobody counts: a frame across a system call costs more than the wrapper.
        yield f"\t{w.ret} r;"
        yield ""
        yield "\tif (likely(!dftio__route.counting))"
        yield f"\t\treturn {call};"
        yield f"\tr = {call};"
        yield f"\tdftio__route_count(DFTIO_OP_{w.arg}, r);"
        yield "\treturn r;"
    elif w.kind == "opened":
        yield f"\treturn dftio__opened(DFTIO_OP_{w.arg}, {call});"
    elif w.kind == "asm":
        sys.exit(f"{name}: has no C wrapper")
    elif w.kind == "share":
        yield "\tdftio__share();"
        yield f"\t{ret}{call};"
    elif w.variadic == "list":
        yield "\tva_list ap;"
        yield "\tint r;"
        yield ""
        yield "\tva_start(ap, arg0);"
        yield f"\tr = dftio__{w.arg}({', '.join(args)}, &ap);"
        yield "\tva_end(ap);"
        yield "\treturn r;"
    elif w.kind == "hand":
        yield f"\t{ret}dftio__{w.arg}({', '.join([f'dftio__next.{name}'] + args)});"
    else:
        sys.exit(f"{name}: no such kind: {w.kind}")


def gen_wrappers(wraps, _passes):
    yield "/* Generated from names.txt: the intercepted names, and nothing else. */"
    yield '#include "wrap.h"'
    for w in wraps:
        for n in w.names:
            if w.kind == "asm":
                continue
            yield ""
            noreturn = "__attribute__((noreturn)) " if w.noreturn else ""
            # Named by an assembler label: libc's headers declare these names in ways of their own (transparent
            # unions, redirections, attributes), and what counts is the symbol.
            yield f'{noreturn}EXPORT {w.ret} wrap_{n}({w.declared()}) __asm__("{n}");'
            yield f"{w.ret} wrap_{n}({w.declared()})"
            yield "{"
            yield from body(w, n)
            yield "}"


def gen_map(wraps, _passes):
    # No version node: a versioned library would not match references to GLIBC_2.2.5.
    yield "{"
    yield "\tglobal:"
    for w in wraps:
        for n in w.names:
            yield f"\t\t{n};"
    yield "\tlocal:"
    yield "\t\t*;"
    yield "};"


MEANING = {
    "route": "data operation: routed for regular files and block devices, passed on for all else",
    "chk": "data operation: routed for regular files and block devices, passed on for all else",
    "count": "passed on: a socket can wait for ever",
    "opened": "passed on; what was known of the number it makes is forgotten",
    "hand": "made by the calling thread, and observed",
    "asm": "passed on by a jump; a seccomp(2) in it ends routing",
    "share": "passed on; file positions may be shared with another process afterwards",
}


def gen_doctor(wraps, passes):
    yield "/* Generated from names.txt. */"
    yield "static const struct { const char *name; int wrapped; const char *reason; } interposed_names[] = {"
    count = 0
    for w in wraps:
        for n in w.names:
            yield f'\t{{ "{n}", 1, "{MEANING[w.kind]}" }},'
            count += 1
    for names, reason in passes:
        for n in names:
            yield f'\t{{ "{n}", 0, "{reason}" }},'
            count += 1
    yield "};"
    yield f"#define INTERPOSED_NAMES_COUNT {count}"


def gen_names(wraps, passes):
    yield "# Intercepted names"
    yield ""
    yield "Generated from `interpose/names.txt`."
    yield ""
    yield "| name | what becomes of it |"
    yield "|---|---|"
    for w in wraps:
        yield f"| {' '.join(f'`{n}`' for n in w.names)} | {MEANING[w.kind]} |"
    yield ""
    yield "## Not wrapped, and why"
    yield ""
    yield "| name | reason |"
    yield "|---|---|"
    for names, reason in passes:
        yield f"| {' '.join(f'`{n}`' for n in names)} | {reason} |"


def gen_list(wraps, passes):
    for w in wraps:
        for n in w.names:
            yield f"{'jump' if w.kind == 'asm' else 'wrap'} {n}"
    for names, _ in passes:
        for n in names:
            yield f"pass {n}"


def main():
    source, output, what = sys.argv[1:]
    wraps, passes = parse(source)
    seen = set()
    for n in [n for w in wraps for n in w.names] + [n for p in passes for n in p[0]]:
        if n in seen:
            sys.exit(f"{source}: {n} stands there twice")
        seen.add(n)
    lines = globals()[f"gen_{what}"](wraps, passes)
    with open(output, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


main()
