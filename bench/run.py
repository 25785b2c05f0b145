#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the preload costs, against the bare program and against named peers; README.md says how to read it.

Every figure comes from rounds in which the variants take turns (every second round backwards); a ratio or a difference
is taken within its round, and the median of those is held against the budget. A missed budget is printed and is no
error; a victim that fails is one.
"""
import argparse
import contextlib
import dataclasses
import json
import math
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20
BACKENDS = ("io_uring", "epoll", "threadpool", "sync")
WITHIN, OVER, INFO = "within", "over", "-"


class Failed(Exception):
    """A victim that did not run to its end: there is nothing to measure."""


class Skip(Exception):
    """This machine or this build cannot run the row."""


@dataclasses.dataclass
class Figure:
    """The median of the rounds, and their spread."""
    median: float
    low: float
    high: float
    unit: str
    low95: float  # the median itself is known no better than this: order statistics, 95 %
    high95: float

    def __str__(self):
        if self.unit == "x":
            return f"{self.median:.3f}x [{self.low:.3f} .. {self.high:.3f}]"
        if self.unit == "ns":
            return f"{self.median:+.1f} ns [{self.low:+.1f} .. {self.high:+.1f}]"
        if self.unit == "ms":
            return f"{self.median:+.3f} ms [{self.low:+.3f} .. {self.high:+.3f}]"
        return f"{self.median:g} {self.unit}" + (f" (up to {self.high:g})" if self.high != self.median else "")


def figure(values, unit):
    v, n = sorted(values), len(values)
    k = max(0, math.floor(n / 2 - 0.98 * math.sqrt(n)))
    return Figure(statistics.median(v), v[0], v[-1], unit, v[k], v[n - 1 - k])


def ratio(samples, ours, base, key="cpu_ns"):
    return figure([a[key] / b[key] for a, b in zip(samples[ours], samples[base])], "x")


def added(samples, ours, base, key="cpu_ns"):
    return figure([a[key] - b[key] for a, b in zip(samples[ours], samples[base])], "ns")


class Table:
    """Prints each line as soon as it is known, and keeps it for --json."""

    FORMAT = "{:<3} {:<47} {:<15} {:<32} {:<8} {:<8} {}"

    def __init__(self):
        self.lines = []

    def head(self):
        print(self.FORMAT.format("row", "what", "against", "median [min .. max]", "budget", "verdict", "peer"))

    def add(self, row, what, against, ours, budget=None, at_least=False, peer=("", None), notes=()):
        verdict = INFO
        if budget is not None:
            verdict = WITHIN if (ours.median >= budget if at_least else ours.median <= budget) else OVER
            if ours.low95 <= budget < ours.high95:
                verdict += " ?"
        text = "" if budget is None else f"{'>=' if at_least else '<='} {budget:g}"
        said = f"{peer[0]} {peer[1]}" if peer[1] else peer[0]
        print(self.FORMAT.format(row, what, against, str(ours), text, verdict, said).rstrip())
        for note in notes:
            print(f"      {note}")
        sys.stdout.flush()
        self.lines.append({
            "row": row, "what": what, "against": against, "ours": dataclasses.asdict(ours), "budget": budget,
            "at_least": at_least, "verdict": verdict, "peer": peer[0],
            "peer_figure": dataclasses.asdict(peer[1]) if peer[1] else None, "notes": list(notes)})

    def word(self, row, what, word):
        print(self.FORMAT.format(row, what, "", "", "", "", word).rstrip(), flush=True)
        self.lines.append({"row": row, "what": what, "verdict": word})


class Bench:
    """The programs, the data files, and how a victim is run."""

    def __init__(self, args, where):
        self.bin = args.bin
        self.quick = args.quick
        self.preload = os.path.abspath(args.preload)
        self.where = where
        self.table = Table()
        self.failed = False
        self.serial = 0
        self.stderr = {}
        self.files = []
        self.forward = self.program("libforward.so")
        self.rounds = 7 if args.quick else 15
        self.many = 15 if args.quick else 41  # where single nanoseconds count
        self.big_bytes = (256 if args.quick else 1024) * MIB

    def program(self, name):
        return os.path.join(self.bin, name)

    def data(self, name, size, folder=None):
        """A file of random bytes, on disk and in the page cache; made once."""
        path = os.path.join(folder or self.where, name)
        if os.path.exists(path):
            return path
        self.files.append(path)
        block = os.urandom(MIB)
        with open(path, "wb", buffering=0) as f:
            for _ in range(max(1, size // MIB)):
                f.write(block)
            f.truncate(size)
            os.fsync(f.fileno())
        return path

    def big(self):
        free = shutil.disk_usage(self.where).free
        if free < self.big_bytes + 256 * MIB:
            raise Skip(f"{free // MIB} MiB free in {self.where}, {self.big_bytes // MIB + 256} wanted")
        return self.data("big", self.big_bytes)

    def small(self):
        return self.data("small", MIB)

    def medium(self):
        return self.data("medium", 64 * MIB)

    def tmpfs(self):
        if not os.access("/dev/shm", os.W_OK):
            raise Skip("no /dev/shm to write to")
        return self.data(f"dftio-bench.{os.getpid()}", 64 * MIB, "/dev/shm")

    def env(self, preload, **more):
        env = {k: v for k, v in os.environ.items()
               if k not in ("LD_PRELOAD", "LD_LIBRARY_PATH") and not k.startswith("DFTIO_")}
        if preload:
            env["LD_PRELOAD"] = preload
        env.update(more)
        return env

    def bare(self):
        return self.env(None)

    def peer(self):
        return self.env(self.forward)

    def ours(self, **more):
        return self.env(self.preload, **more)

    def call(self, argv, env):
        """What a victim printed. A statistics file is new in every run, and gone after it."""
        env = dict(env)
        stats = env.get("DFTIO_STATS")
        if stats:
            self.serial += 1
            stats = env["DFTIO_STATS"] = os.path.join(self.where, f"stats.{self.serial}.json")
        try:
            done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False,
                                  stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as e:
            raise Failed(f"{e}") from e
        finally:
            counted = self.read_stats(stats)
        for line in done.stderr.splitlines():
            self.stderr[line] = self.stderr.get(line, 0) + 1
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
            raise Failed(f"{os.path.basename(argv[0])} {argv[1]}: status {done.returncode}: {last}")
        return done.stdout, counted

    @staticmethod
    def read_stats(path):
        if not path or not os.path.exists(path):
            return None
        try:
            with open(path, encoding="utf-8") as f:
                return json.load(f)
        except ValueError:
            return {"unreadable": True}
        finally:
            os.unlink(path)

    def sample(self, argv, env):
        out, _ = self.call(argv, env)
        return {k: float(v) for k, v in (pair.split("=") for pair in out.split())}

    def interleave(self, variants, rounds=None):
        """variants: name -> (argv, env). One sample of each a round; the first round warms up and is not kept."""
        names = list(variants)
        samples = {name: [] for name in names}
        for r in range(-1, rounds or self.rounds):
            for name in names if r % 2 else reversed(names):
                got = self.sample(*variants[name])
                if r >= 0:
                    samples[name].append(got)
        return samples

    @contextlib.contextmanager
    def part(self, row, what):
        """A part of a row that fails, or cannot run here, leaves the others standing."""
        try:
            yield
        except Failed as e:
            self.failed = True
            self.table.word(row, what, f"FAILED: {e}")
        except Skip as e:
            self.table.word(row, what, f"SKIP: {e}")

    @contextlib.contextmanager
    def one_cpu(self):
        """Keeps the victims on one CPU, for calls that no other thread takes part in: half the spread."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(before)})
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def loop(self, op, path, size, count, threads=1):
        count = max(500, count // 2) if self.quick else count
        return [self.program("loop"), op, path, str(size), str(count), str(threads)]

    def rawring(self, path, count, *more):
        if not os.path.exists(self.program("rawring")):
            return None
        return [self.program("rawring"), path, "4096", str(count // 2 if self.quick else count), *more]

    def how(self, op, argv, env):
        """One more run with statistics: did the calls go where the row says that they go?"""
        counted = self.call(argv, dict(env, DFTIO_STATS="here"))[1]
        if not counted:
            return "ways not known: the preload wrote no statistics"
        name = op.split("-", maxsplit=1)[0]
        row = counted.get("operations", {}).get(name, {})
        calls = row.get("calls", 0)
        if not calls:
            return f"backend {counted.get('backend')}: no {name} counted"
        parts = [f"{100 * row[k] / calls:.4g} % {k}" for k in ("inline", "backend", "pool", "passed") if row.get(k)]
        return f"backend {counted.get('backend')}, route {counted.get('route')}: {name} " + ", ".join(parts)


def base_ns(samples, name="bare", key="cpu_ns"):
    return f"{name} {statistics.median(s[key] for s in samples[name]):.0f} ns"


def per_call(samples, name):
    cpu = statistics.median(s["cpu_ns"] for s in samples[name])
    wall = statistics.median(s["wall_ns"] for s in samples[name])
    switches = statistics.median(s["switches"] for s in samples[name])
    threads = max(s["threads"] for s in samples[name])
    return (f"{name}: {cpu:.0f} ns CPU, {wall:.0f} ns wall, {switches:.2g} context switches a call; "
            f"at most {threads:g} thread{'s' * (threads > 1)}")


def row_1(b):
    """default, cached pread"""
    for label, path in ((f"{b.big_bytes // MIB} MiB file", b.big), ("1 MiB file", b.small)):
        with b.part(1, label):
            argv = b.loop("pread", path(), 4096, 60_000)
            variants = {"bare": (argv, b.bare()), "forwarder": (argv, b.peer()), "ours": (argv, b.ours())}
            s = b.interleave(variants, b.many)
            b.table.add(1, f"pread 4 KiB random, {label}, default", base_ns(s), ratio(s, "ours", "bare"), 1.05,
                        peer=("forwarder", ratio(s, "forwarder", "bare")), notes=[b.how("pread", argv, b.ours())])


def passed_on(b):
    """label, operation, file, environment, turns of the loop"""
    direct = b.ours(DFTIO_ROUTE="direct")
    return (("pipe, write + read 1 byte", "pipe", "-", b.ours(), 80_000),
            ("socket, send + recv 1 byte", "socket", "-", b.ours(), 1250 * 32),
            ("recv on an empty socket", "recv", "-", b.ours(), 100_000),
            ("read 1 byte /dev/zero, direct", "read", "/dev/zero", direct, 150_000),
            ("write 1 byte /dev/null, direct", "write", "/dev/null", direct, 150_000),
            ("pread 1 byte tmpfs, direct", "pread", b.tmpfs(), direct, 150_000))


def row_2_cost(b):
    """passed-on calls"""
    for label, op, path, env, count in passed_on(b):
        with b.part(2, label), b.one_cpu():
            argv = b.loop(op, path, 1, count)
            s = b.interleave({"bare": (argv, b.bare()), "forwarder": (argv, b.peer()), "ours": (argv, env)}, b.many)
            b.table.add(2, f"{label}, per call", base_ns(s), added(s, "ours", "bare"), 5,
                        peer=("forwarder", added(s, "forwarder", "bare")))


def row_2_threads(b):
    """passed-on calls, two threads"""
    for label, op, path, env, _ in (passed_on(b)[0], passed_on(b)[3]):
        argv = b.loop(op, path, 1, 200_000, 2)
        s = b.interleave({"bare": (argv, b.bare()), "forwarder": (argv, b.peer()), "ours": (argv, env)})
        for key, unit in (("wall_ns", "wall"), ("cpu_ns", "CPU")):
            b.table.add(2, f"{label.split(',')[0]}: speed of 2 threads, {unit}", base_ns(s, key=key),
                        ratio(s, "bare", "ours", key), 0.95, at_least=True,
                        peer=("forwarder", ratio(s, "bare", "forwarder", key)))


def row_3_ring(b):
    """io_uring, cached pread"""
    env = b.ours(DFTIO_BACKEND="io_uring", DFTIO_ROUTE="backend")
    for label, path in ((f"{b.big_bytes // MIB} MiB file", b.big), ("1 MiB file", b.small)):
        with b.part(3, label):
            argv, raw = b.loop("pread", path(), 4096, 40_000), b.rawring(path(), 40_000)
            variants = {"bare": (argv, b.bare()), "ours": (argv, env)}
            if raw:
                variants["raw ring"] = (raw, b.bare())
            s = b.interleave(variants, b.many)
            peer, notes = ("raw ring: built without liburing", None), [b.how("pread", argv, env)]
            if raw:
                peer = ("raw ring", ratio(s, "raw ring", "bare"))
                notes.append(f"ours / raw ring {ratio(s, 'ours', 'raw ring')}")
            b.table.add(3, f"pread 4 KiB random, {label}, io_uring", base_ns(s), ratio(s, "ours", "bare"), 1.30,
                        peer=peer, notes=notes + [per_call(s, "ours")])


def row_3_others(b):
    """the other backends"""
    path, rounds = b.medium(), max(3, b.rounds // 3)
    for op, label in (("pread", "random"), ("read", "sequential"), ("pwrite", "random")):
        for backend in BACKENDS[op == "pread":]:
            with b.part(3, f"{op}, {backend}"):
                count = 40_000 if backend == "sync" else 8_000
                argv = b.loop(op, path, 4096, count)
                env = b.ours(DFTIO_BACKEND=backend, DFTIO_ROUTE="backend")
                variants = {"bare": (argv, b.bare()), "ours": (argv, env)}
                raw = b.rawring(path, count, "write") if (op, backend) == ("pwrite", "io_uring") else None
                if raw:
                    variants["raw ring"] = (raw, b.bare())
                s = b.interleave(variants, rounds)
                b.table.add(3, f"{op} 4 KiB {label}, 64 MiB file, {backend}", base_ns(s), ratio(s, "ours", "bare"),
                            peer=("raw ring", ratio(s, "raw ring", "bare")) if raw else ("", None),
                            notes=[f"{b.how(op, argv, env)}; {per_call(s, 'ours')}"])


def row_3_device(b):
    """O_DIRECT pread"""
    argv, raw = b.loop("pread-direct", b.medium(), 4096, 2000), b.rawring(b.medium(), 2000, "direct")
    variants = {"bare": (argv, b.bare()), "default": (argv, b.ours()),
                "io_uring": (argv, b.ours(DFTIO_BACKEND="io_uring", DFTIO_ROUTE="backend"))}
    if raw:
        variants["raw ring"] = (raw, b.bare())
    try:
        b.sample(*variants["bare"])
    except Failed as e:
        raise Skip(f"no O_DIRECT in {b.where}? {e}") from e
    s = b.interleave(variants, b.rounds // 2)
    peer = ("raw ring", ratio(s, "raw ring", "bare", "wall_ns")) if raw else ("", None)
    for name in ("default", "io_uring"):
        b.table.add(3, f"pread 4 KiB O_DIRECT, {name}, wall time", base_ns(s, key="wall_ns"),
                    ratio(s, name, "bare", "wall_ns"), peer=peer,
                    notes=[f"{b.how('pread', argv, variants[name][1])}; {per_call(s, name)}"])


def row_4_default(b):
    """tmpfs, default"""
    argv, raw = b.loop("pread", b.tmpfs(), 4096, 150_000), b.rawring(b.tmpfs(), 15_000)
    variants = {"bare": (argv, b.bare()), "ours": (argv, b.ours())}
    if raw:
        variants["raw ring"] = (raw, b.bare())
    s = b.interleave(variants)
    peer = ("raw ring", ratio(s, "raw ring", "bare")) if raw else ("", None)
    b.table.add(4, "pread 4 KiB random, tmpfs, default", base_ns(s), ratio(s, "ours", "bare"), 1.3, peer=peer,
                notes=[b.how("pread", argv, b.ours())])
    if raw:
        peer = ("raw ring", figure([x["iou_wrk"] for x in s["raw ring"]], "threads"))
    b.table.add(4, "the same: iou-wrk threads after the loop", "bare 0",
                figure([x["iou_wrk"] for x in s["ours"]], "threads"), 0, peer=peer)


def row_4_ring(b):
    """tmpfs, io_uring"""
    argv, env = b.loop("pread", b.tmpfs(), 4096, 10_000), b.ours(DFTIO_BACKEND="io_uring", DFTIO_ROUTE="backend")
    s = b.interleave({"bare": (argv, b.bare()), "ours": (argv, env)}, max(3, b.rounds // 3))
    b.table.add(4, "pread 4 KiB random, tmpfs, io_uring", base_ns(s), ratio(s, "ours", "bare"),
                notes=[f"{b.how('pread', argv, env)}; {per_call(s, 'ours')}"])


def row_5(b):
    """heap calls"""
    for backend in (None, *BACKENDS):
        with b.part(5, f"heap calls, {backend or 'default'}"):
            env = b.ours(DFTIO_BACKEND=backend, DFTIO_ROUTE="backend") if backend else b.ours()
            n = 10_000 if b.quick else 100_000
            argv = [b.program("heap"), b.medium(), "4096"]
            got = b.sample([*argv, str(n)], env)
            others = ", ".join(f"{k} {v:g}" for k, v in got.items() if k != "pread")
            b.table.add(5, f"heap calls in {n} preads, {backend or 'default'}", "bare 0",
                        figure([got["pread"]], "calls"), 0,
                        notes=[f"and in {n // 5} each of: {others}", b.how("pread", [*argv, "1000"], env)])


def row_6_time(b):
    """start-up time"""
    true = shutil.which("true") or "/bin/true"
    rounds = 150 if b.quick else 600
    out, _ = b.call([b.program("spawn"), str(rounds), true, "--", f"LD_PRELOAD={b.forward}", "--",
                     f"LD_PRELOAD={b.preload}"], b.bare())
    wall, cpu = ([[float(v.split("/")[i]) / 1e3 for v in line.split()] for line in out.splitlines()] for i in (0, 1))
    b.table.add(6, "start-up added to true, wall time", f"bare {statistics.median(r[0] for r in wall):.3f} ms",
                figure([r[2] - r[0] for r in wall], "ms"), 1,
                peer=("forwarder", figure([r[1] - r[0] for r in wall], "ms")),
                notes=[f"by CPU: ours {figure([r[2] - r[0] for r in cpu], 'ms')}"])


def row_6_there(b):
    """before the first routed call"""
    argv = [b.program("loop"), "idle", "-", "1", "1"]
    bare, ours = b.sample(argv, b.bare()), b.sample(argv, b.ours())
    for key in ("threads", "fds", "rings"):
        b.table.add(6, f"{key} before the first routed call, added", f"bare {bare[key]:g}",
                    figure([ours[key] - bare[key]], key), 0)


def row_6_made(b):
    """system calls of the start"""
    true = shutil.which("true") or "/bin/true"
    count = [b.program("spawn"), "count", true]
    try:
        bare = b.sample(count, b.bare())
    except Failed as e:
        raise Skip(f"no ptrace here ({e})") from e
    forward = b.sample([*count, f"LD_PRELOAD={b.forward}"], b.bare())
    ours = b.sample([*count, f"LD_PRELOAD={b.preload}"], b.bare())
    b.table.add(6, "rings made by true, start to end", "bare 0", figure([ours["rings"]], "rings"), 0)
    b.table.add(6, "threads made by true, start to end", "bare 0", figure([ours["clones"]], "threads"), 0)
    b.table.add(6, "system calls of true", f"bare {bare['calls']:g}", figure([ours["calls"]], "calls"),
                peer=("forwarder", figure([forward["calls"]], "calls")))


def row_7(b):
    """statistics"""
    ring = {"DFTIO_BACKEND": "io_uring", "DFTIO_ROUTE": "backend"}
    for label, op, path, size, more in (("pread 4 KiB, 1 MiB file, default", "pread", b.small(), 4096, {}),
                                        ("pread 4 KiB, 1 MiB file, io_uring", "pread", b.small(), 4096, ring),
                                        ("pipe, write + read 1 byte", "pipe", "-", 1, {}),
                                        ("read 1 byte /dev/zero, direct", "read", "/dev/zero", 1,
                                         {"DFTIO_ROUTE": "direct"})):
        with b.part(7, label), b.one_cpu():
            argv = b.loop(op, path, size, 80_000 if size == 1 else 40_000)
            s = b.interleave({"off": (argv, b.ours(**more)), "on": (argv, b.ours(DFTIO_STATS="here", **more))}, b.many)
            b.table.add(7, f"statistics: {label}", base_ns(s, "off"), added(s, "on", "off"), 40)


ROWS = {1: (row_1,), 2: (row_2_cost, row_2_threads), 3: (row_3_ring, row_3_others, row_3_device),
        4: (row_4_default, row_4_ring), 5: (row_5,), 6: (row_6_time, row_6_there, row_6_made), 7: (row_7,)}


def file_system(path):
    """The type of the mount that holds path: the longest mount point that is a prefix."""
    best = ("", "unknown")
    try:
        with open("/proc/self/mounts", encoding="utf-8") as f:
            for line in f:
                _, point, kind, *_ = line.split()
                if (path + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best[0]):
                    best = (point, kind)
    except OSError:
        pass
    return best[1]


def machine(where):
    model = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
        model = names[0] if names else model
    except OSError:
        pass
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(), "data": where,
            "file_system": file_system(where), "shm": file_system("/dev/shm"), "libc": " ".join(platform.libc_ver()),
            "load": os.getloadavg()[0]}


def arguments():
    here = os.path.dirname(os.path.abspath(__file__))
    build = os.path.join(os.path.dirname(here), "build")
    p = argparse.ArgumentParser(description="Benchmarks of the preload; see bench/README.md.")
    p.add_argument("--bin", default=os.path.join(build, "bench"), help="where loop, heap and the others were built")
    p.add_argument("--preload", default=os.path.join(build, "interpose", "libdftio.so"), help="the shim to measure")
    p.add_argument("--rows", default=",".join(map(str, ROWS)), help="which rows, as 1,3")
    p.add_argument("--json", metavar="F", help="write the figures to F as well")
    p.add_argument("--quick", action="store_true", help="fewer rounds, smaller files")
    p.add_argument("--dir", default="/var/tmp", help="where the data files are made and removed again")
    args = p.parse_args()
    try:
        args.rows = [int(r) for r in args.rows.split(",")]
    except ValueError:
        p.error("--rows wants numbers, as 1,3")
    if not set(args.rows) <= set(ROWS):
        p.error(f"--rows: there are {min(ROWS)} to {max(ROWS)}")
    for path in (args.preload, os.path.join(args.bin, "loop"), os.path.join(args.bin, "libforward.so")):
        if not os.path.exists(path):
            p.error(f"{path} is not there: build first, or name it")
    return args


def run(args, where):
    b = Bench(args, where)
    facts = machine(where)
    begun = time.monotonic()
    print(f"machine  {facts['cpu']}, {facts['cpus']} CPUs; Linux {facts['kernel']}; {facts['libc']}; load "
          f"{facts['load']:.2f}\ndata     {where} on {facts['file_system']}, /dev/shm on {facts['shm']}\n"
          f"preload  {b.preload}\nrounds   {b.rounds}, and {b.many} where a few per cent or ns count; CPU time where "
          "nothing else is said\n")
    b.table.head()
    try:
        for row in args.rows:
            for part in ROWS[row]:
                with b.part(row, part.__doc__):
                    part(b)
    finally:
        for path in b.files:
            if os.path.exists(path):
                os.unlink(path)
    over = sum(line["verdict"].startswith(OVER) for line in b.table.lines)
    within = sum(line["verdict"].startswith(WITHIN) for line in b.table.lines)
    unsure = sum(line["verdict"].endswith(" ?") for line in b.table.lines)
    print(f"\n{within} within, {over} over, {unsure} of them too noisy to tell (?), {time.monotonic() - begun:.0f} s")
    for line, times in b.stderr.items():
        print(f"stderr ({times}x): {line}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"machine": facts, "preload": b.preload, "rounds": b.rounds, "quick": args.quick,
                       "rows": b.table.lines, "stderr": b.stderr}, f, indent=1)
            f.write("\n")
    return 1 if b.failed else 0


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the data files go even then
    where = tempfile.mkdtemp(prefix="dftio-bench.", dir=args.dir)
    try:
        return run(args, where)
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(where, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
