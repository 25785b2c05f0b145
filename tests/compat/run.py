#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The preload beside other allocators and sanitizers: the same output as without it, in every order of preloading.

usage: run.py --shim LIB --victim EXE [--asan EXE] [--tsan EXE] [--ubsan EXE] --cc CC ...
TAP on stdout; each run bounded by a time limit.
"""
import argparse
import glob
import os
import subprocess
import sys
import tempfile

BACKENDS = ["default", "threadpool", "epoll", "io_uring"]
ALLOCATORS = {"jemalloc": "libjemalloc.so.2", "mimalloc": "libmimalloc.so.2*", "tcmalloc": "libtcmalloc_minimal.so.4"}


class Tap:
    def __init__(self):
        self.count = 0

    def result(self, ok, name, skip=None, detail=""):
        self.count += 1
        print(f"{'ok' if ok else 'not ok'} {self.count} - {name}" + (f" # SKIP {skip}" if skip else ""))
        for line in detail.splitlines()[:12] if not ok else []:
            print("# " + line)
            print(line, file=sys.stderr)


def run(command, preload, backend, extra=()):
    ours = ("LD_PRELOAD", "LD_LIBRARY_PATH")
    env = {k: v for k, v in os.environ.items() if not k.startswith("DFTIO_") and k not in ours}
    env.update(extra)
    if preload:
        env["LD_PRELOAD"] = ":".join(preload)
    if backend not in (None, "default"):
        env["DFTIO_BACKEND"] = backend
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        try:
            p = subprocess.run(command, env=env, cwd=work, timeout=60, capture_output=True, text=True, check=False)
        except subprocess.TimeoutExpired:
            return "stopped after 60 seconds"
    return f"exit {p.returncode}\n{p.stdout}{p.stderr}"


def library(pattern):
    found = []
    for directory in ("/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib"):
        found += sorted(glob.glob(os.path.join(directory, pattern)))
    return found[0] if found else None


def allocators(tap, args):
    for name, pattern in ALLOCATORS.items():
        lib = library(pattern)
        for backend in BACKENDS:
            for order in ("before", "after"):
                case = f"{name} preloaded {order} the shim: same output ({backend})"
                if not lib:
                    tap.result(True, case, f"{pattern} is not installed")
                    continue
                want = run([args.victim], [lib], None)
                both = [lib, args.shim] if order == "before" else [args.shim, lib]
                got = run([args.victim], both, backend)
                tap.result(got == want, case, detail=f"without: {want}\nwith: {got}")


def sanitizers(tap, args):
    for name, exe in (("ASan", args.asan), ("TSan", args.tsan), ("UBSan", args.ubsan)):
        for backend in BACKENDS:
            case = f"a program built with {name}: same output ({backend})"
            if not exe:
                tap.result(True, case, "the compiler has none")
                continue
            first = []
            if name == "ASan":
                # Its runtime insists on being first.
                question = args.cc + ["-print-file-name=libasan.so"]
                found = subprocess.run(question, capture_output=True, text=True, check=False)
                first = [found.stdout.strip()] if found.stdout.strip().startswith("/") else []
            # TSan lets no child of a process with threads make threads; ours are threads.
            options = {"TSAN_OPTIONS": "die_after_fork=0"}
            want = run([exe], [], None, options)
            got = run([exe], first + [args.shim], backend, options)
            tap.result(got == want, case, detail=f"without: {want}\nwith: {got}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shim", required=True)
    parser.add_argument("--victim", required=True)
    for s in ("--asan", "--tsan", "--ubsan"):
        parser.add_argument(s)
    parser.add_argument("cc", nargs="*", default=["cc"])
    args = parser.parse_args()
    for name in ("victim", "asan", "tsan", "ubsan"):
        if getattr(args, name):
            setattr(args, name, os.path.abspath(getattr(args, name)))
    tap = Tap()
    allocators(tap, args)
    sanitizers(tap, args)
    print(f"1..{tap.count}")


main()
