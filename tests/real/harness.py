# SPDX-License-Identifier: MIT
"""
What every family of real programs stands on: cases, one run of a case, and the children of a run.

A case is a function that drives programs through a Run. It is carried out once natively and once for each
combination of backend and route; compare.py then holds the two results against each other. A Run never
judges by itself what a program printed, but it does judge the native run: where a program fails natively,
nothing can be learnt from the case.

Every child is the leader of its own session, has a time limit, and its whole session is killed when the
limit has passed or the runner ends.
"""

import ctypes
import dataclasses
import hashlib
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import threading
import time

# Not the caller's: a version manager's wrapper scripts in front of the real programs would be tested instead.
PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
PYTHON = '/usr/bin/python3'
SANITIZER_OPTIONS = ('ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS', 'LSAN_OPTIONS')
HANGS_BEFORE_HASTE = 5
SECONDS_TO_DIE = 2
KEPT_BYTES_MAX = 64 * 1024
NR_IO_URING_SETUP = 425  # the same on every architecture


class Skip(Exception):
    """The case cannot run on this machine; the argument says why."""


class Failed(Exception):
    """A promise does not hold; the arguments are lines for the reader."""


@dataclasses.dataclass(frozen=True)
class Combo:
    """One way to run a program: a backend and a route."""
    backend: str
    route: str

    def __str__(self):
        return f'({self.backend}, {self.route})'

    def environment(self, shim):
        if not shim:
            return {}
        return {'LD_PRELOAD': shim, 'DFTIO_BACKEND': self.backend, 'DFTIO_ROUTE': self.route}


@dataclasses.dataclass
class Suite:
    """What all runs share; made once by run.py."""
    base: pathlib.Path
    shim: str
    launcher: str
    timeout: int
    keep: bool
    hung: int = 0

    def limit(self):
        """Seconds that a program may take. Where many hang, the others are not worth waiting for as long."""
        return self.timeout if self.hung < HANGS_BEFORE_HASTE else max(1, self.timeout // 4)

    @property
    def inputs(self):
        return self.base / 'in'

    @property
    def programs(self):
        return pathlib.Path(__file__).resolve().parent / 'programs'


@dataclasses.dataclass(frozen=True)
class Case:
    """A promise of the form: under the shim, BODY gives what it gives natively."""
    name: str
    body: callable
    needs: tuple
    unlike: tuple   # globs of files whose bytes differ between two native runs: only name, kind and mode count
    mtimes: tuple   # globs of files whose modification time is part of the result
    quick: bool

    @property
    def file_name(self):
        return re.sub('[^a-z0-9]+', '-', self.name.lower())

    def require_programs(self):
        for program in self.needs:
            if not which(program):
                raise Skip(f'{program} is not installed')


@dataclasses.dataclass(frozen=True)
class Point:
    """One line of TAP: PROVE returns, or raises Skip or Failed; it may return lines worth telling."""
    name: str
    prove: callable
    combo: Combo
    quick: bool = False


CASES = []


def case(name, needs=(), unlike=(), mtimes=(), quick=False):
    """Registers the decorated function as a case."""
    def register(body):
        CASES.append(Case(name, body, tuple(needs), tuple(unlike), tuple(mtimes), quick))
        return body
    return register


def which(program):
    return shutil.which(program, path=PATH)


def plain_environment(home):
    """The environment of every child: little of the caller's, so that a run means the same everywhere."""
    return {
        **{name: os.environ[name] for name in SANITIZER_OPTIONS if name in os.environ},
        'PATH': PATH, 'HOME': str(home), 'TMPDIR': str(home), 'LC_ALL': 'C', 'TZ': 'UTC', 'TERM': 'dumb',
        'PYTHONHASHSEED': '0', 'PYTHONDONTWRITEBYTECODE': '1', 'PYTHONNOUSERSITE': '1',
    }


def uring_refusal():
    """Why this machine gives nobody an io_uring, or None."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(NR_IO_URING_SETUP, 1, ctypes.create_string_buffer(120))
    if fd < 0:
        return f'io_uring_setup: {os.strerror(ctypes.get_errno())}'
    os.close(fd)
    return None


# --- children ------------------------------------------------------------------------------------------------

_alive = set()
_alive_lock = threading.Lock()      # held while a child is started, so that none is missed at the end
_ending = threading.Event()


def _spawn(argv, **popen):
    with _alive_lock:
        refuse_when_ending()
        child = subprocess.Popen(argv, start_new_session=True, **popen)
        _alive.add(child.pid)
    return child


def refuse_when_ending():
    if _ending.is_set():
        raise Failed('the runner was told to end')


def _session_members(leader):
    """(pid, command) of each process in the session that LEADER opened."""
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            line = pathlib.Path('/proc', entry, 'stat').read_text(encoding='utf-8', errors='replace')
        except OSError:
            continue
        command, _, rest = line.partition('(')[2].rpartition(')')
        if int(rest.split()[3]) == leader:
            yield int(entry), command


def _kill_session(leader):
    """SIGKILL to every process of the session; twice, because one may have forked in between."""
    for _ in range(2):
        members = list(_session_members(leader))
        for pid, _command in members:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not members:
            break


def _forget(child):
    """A child has ended: what it left behind in its session ends too."""
    _kill_session(child.pid)
    with _alive_lock:
        _alive.discard(child.pid)


def kill_everything():
    """For the runner's own end: afterwards no child runs, and none is started any more."""
    _ending.set()
    with _alive_lock:
        leaders = list(_alive)
    for leader in leaders:
        _kill_session(leader)
        deadline = time.monotonic() + SECONDS_TO_DIE
        while any(_session_members(leader)) and time.monotonic() < deadline:
            time.sleep(0.01)


def where_it_hangs(leader):
    """One line for each thread of a session: what it waits for in the kernel."""
    lines = []
    for pid, command in _session_members(leader):
        for task in sorted(pathlib.Path(f'/proc/{pid}/task').glob('*')):
            def peek(name, of=task):
                try:
                    return (of / name).read_text(errors='replace').split('\n')[0]
                except OSError:
                    return '?'
            stack = 'running' if peek('syscall') == 'running' else f'wchan {peek("wchan")}, syscall {peek("syscall")}'
            lines.append(f'  process {pid} ({command}) thread {task.name} ({peek("comm")}): {stack}')
    return lines


# --- one run of a case ---------------------------------------------------------------------------------------

@dataclasses.dataclass
class Step:
    """One program of a run, after it has ended."""
    argv: tuple
    status: object = None
    stdout: bytes = b''
    stderr: bytes = b''

    def __str__(self):
        text = ' '.join(self.argv)
        return text if len(text) <= 150 else text[:147] + '...'


class Run:
    """A case being carried out in a directory of its own, natively (COMBO None) or under the shim."""

    def __init__(self, suite, name, combo, prefix=()):
        refuse_when_ending()
        self.suite = suite
        self.combo = combo
        self.prefix = list(prefix)
        self.steps = []
        self.facts = {}
        self.servers = []
        label = 'native' if combo is None else f'{combo.backend}-{combo.route}'
        self.dir = suite.base / 'runs' / f'{name}' / label
        self.dir.mkdir(parents=True)
        (self.dir / 'in').symlink_to(suite.inputs)
        self.extra = {} if combo is None else combo.environment(suite.shim)

    # Environment and command line --------------------------------------------------------------------------

    def environment(self, extra=None, native=False):
        env = plain_environment(self.dir)
        env.update(extra or {})
        if not self.prefix and not native:
            env.update(self.extra)
        return env

    def command(self, argv, native=False):
        """With a prefix (a sandbox) the shim is loaded by the program only, not by the prefix."""
        real = which(argv[0]) or argv[0]
        words = [real, *map(str, argv[1:])]
        if not self.prefix or native:
            return words
        return [*self.prefix, which('env'), *(f'{k}={v}' for k, v in self.extra.items()), *words]

    # Programs that end by themselves -----------------------------------------------------------------------

    def run(self, *argv, stdin=None, feed=None, out=None, expect=0, clean=None, clean_err=None, env=None, cwd=None,
            timeout=None, native=False):
        """
        Runs a program to its end and records what it printed and how it ended.

        STDIN names an input file, FEED is bytes through a pipe, OUT names a file for stdout (otherwise a pipe).
        EXPECT is the exit status, or statuses, without which the native run is worth nothing. CLEAN and CLEAN_ERR
        take out of stdout and stderr what differs between two native runs (a rate, a time). NATIVE runs this one
        program without the shim in every run.
        """
        argv = tuple(map(str, argv))
        step = Step(argv)
        self.steps.append(step)
        limit = timeout or self.suite.limit()
        source = subprocess.PIPE if feed is not None else open(self.dir / stdin if stdin else os.devnull, 'rb')
        sink = open(self.dir / out, 'wb') if out else subprocess.PIPE
        try:
            child = _spawn(self.command(argv, native), stdin=source, stdout=sink, stderr=subprocess.PIPE,
                           cwd=self.dir / (cwd or '.'), env=self.environment(env, native))
        finally:
            for file in (source, sink):
                if file is not subprocess.PIPE:
                    file.close()
        try:
            stdout, stderr = child.communicate(feed, timeout=limit)
        except subprocess.TimeoutExpired:
            self.suite.hung += 1
            hung = where_it_hangs(child.pid)
            _kill_session(child.pid)
            child.wait()
            raise Failed(f'timed out after {limit} s: {step}', *hung) from None
        finally:
            _forget(child)
        step.status = child.returncode
        step.stdout = self._same_everywhere(stdout or b'', clean)
        step.stderr = self._same_everywhere(stderr or b'', clean_err)
        self._judge_native(step, expect)
        return step

    def _same_everywhere(self, data, clean):
        data = data.replace(os.fsencode(self.dir), b'@DIR@')
        return clean(data) if clean else data

    def _judge_native(self, step, expect):
        wanted = expect if isinstance(expect, (tuple, list)) else (expect,)
        if self.combo is None and step.status not in wanted:
            raise Failed(f'the native run failed already: status {step.status} of: {step}',
                         *step.stderr.decode(errors='replace').splitlines()[:20])

    # Programs that serve -----------------------------------------------------------------------------------

    def start(self, *argv, ready=None, env=None, pass_fds=()):
        """Starts a server; with READY (a regular expression) returns when its output has shown a line like it."""
        server = Server(self, argv, env, pass_fds)
        self.servers.append(server)
        if ready:
            server.wait_for(ready)
        return server

    def stop_servers(self):
        for server in self.servers:
            server.kill()

    # Facts and checks --------------------------------------------------------------------------------------

    def fact(self, name, value):
        """A value that must be the same natively and under the shim."""
        self.facts[name] = value

    def check(self, holds, *message):
        """A promise within this one run (before and after a restart, say)."""
        if not holds:
            raise Failed(*message)

    def path(self, name):
        return self.dir / name

    def tree(self, unlike=(), mtimes=()):
        """name -> Entry for everything below the run's directory, but for the link to the inputs."""
        found = {}
        for root, dirs, files in os.walk(self.dir):
            for name in dirs + files:
                path = pathlib.Path(root, name)
                relative = str(path.relative_to(self.dir))
                if relative != 'in':
                    found[relative] = Entry.of(path, relative, unlike, mtimes)
        return found


@dataclasses.dataclass
class Result:
    """What a run left: what compare.py looks at."""
    steps: list
    facts: dict
    tree: dict
    dir: pathlib.Path


def carry_out(suite, the_case, combo, prefix=(), name=None):
    """One run of a case from beginning to end; its directory stays for the caller to remove."""
    run = Run(suite, name or the_case.file_name, combo, prefix)
    try:
        the_case.body(run)
    finally:
        run.stop_servers()
    return Result(run.steps, run.facts, run.tree(the_case.unlike, the_case.mtimes), run.dir)


class Natives:
    """The native result of each case, made once, by whoever asks first, and removed when nobody will ask again."""

    def __init__(self, suite):
        self.suite = suite
        self.lock = threading.Lock()
        self.made = {}      # case name -> [lock, result or exception]
        self.users = {}     # case name -> how many will still ask

    def expect(self, the_case):
        self.users[the_case.name] = self.users.get(the_case.name, 0) + 1
        self.made.setdefault(the_case.name, [threading.Lock(), None])

    def result(self, the_case):
        slot = self.made[the_case.name]
        with slot[0]:
            if slot[1] is None:
                try:
                    slot[1] = carry_out(self.suite, the_case, None)
                except (Skip, Failed) as outcome:
                    slot[1] = outcome
        if isinstance(slot[1], Exception):
            raise slot[1]
        return slot[1]

    def done(self, the_case):
        with self.lock:
            self.users[the_case.name] -= 1
            last = self.users[the_case.name] == 0
        if last and not self.suite.keep:
            free_space(self.suite.base / 'runs' / the_case.file_name)


class Server:
    """A child that runs until it is stopped; its output is collected by a thread."""

    def __init__(self, run, argv, env, pass_fds):
        self.run = run
        self.argv = argv
        self.lines = []
        self.seen = 0
        self.news = threading.Condition()
        self.ended = False
        self.child = _spawn(run.command(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=run.dir,
                            stderr=subprocess.STDOUT, env=run.environment(env), pass_fds=pass_fds)
        self.reader = threading.Thread(target=self._collect, daemon=True)
        self.reader.start()

    def _collect(self):
        for line in self.child.stdout:
            with self.news:
                self.lines.append(line.decode(errors='replace').rstrip())
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def wait_for(self, pattern, timeout=None):
        """Waits for the next line like PATTERN, after those that earlier calls have found."""
        limit = timeout or self.run.suite.limit()
        deadline = time.monotonic() + limit
        with self.news:
            while True:
                while self.seen < len(self.lines):
                    self.seen += 1
                    if re.search(pattern, self.lines[self.seen - 1]):
                        return
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    self.run.suite.hung += not self.ended
                    why = 'ended' if self.ended else f'was silent for {limit} s'
                    raise Failed(f'{self.argv[0]} {why} before it printed "{pattern}"', *self.lines[-20:],
                                 *where_it_hangs(self.child.pid))
                self.news.wait(left)

    def stop(self, number=signal.SIGTERM, timeout=None):
        """Sends the signal to the server alone and waits for it to end; its status is returned."""
        os.kill(self.child.pid, number)
        limit = timeout or self.run.suite.limit()
        try:
            status = self.child.wait(limit)
        except subprocess.TimeoutExpired:
            self.run.suite.hung += 1
            raise Failed(f'{self.argv[0]} did not end within {limit} s of signal {number}', *self.lines[-10:],
                         *where_it_hangs(self.child.pid)) from None
        self.kill()
        return status

    def kill(self):
        if self.child.poll() is None:
            _kill_session(self.child.pid)
            self.child.wait()
        _forget(self.child)
        self.reader.join(5)
        self.child.stdout.close()


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is compared of one file."""
    kind: str
    mode: int
    size: int = 0
    content: str = ''
    links: int = 1
    mtime: object = None

    @staticmethod
    def of(path, relative, unlike, mtimes):
        info = path.lstat()
        mode = stat.S_IMODE(info.st_mode)
        mtime = info.st_mtime_ns if matches(relative, mtimes) else None
        if stat.S_ISLNK(info.st_mode):
            return Entry('symbolic link', mode, content=os.readlink(path), mtime=mtime)
        if not stat.S_ISREG(info.st_mode):
            kind = {stat.S_IFDIR: 'directory', stat.S_IFIFO: 'fifo', stat.S_IFSOCK: 'socket'}
            return Entry(kind.get(stat.S_IFMT(info.st_mode), 'other'), mode, mtime=mtime)
        if matches(relative, unlike):
            return Entry('file', mode)
        return Entry('file', mode, info.st_size, sha256_of(path), info.st_nlink, mtime)


def matches(relative, globs):
    """Globs in which * stands for anything, slashes too."""
    return any(re.fullmatch(glob.replace('.', r'\.').replace('*', '.*'), relative, re.S) for glob in globs)


def free_space(directory):
    """
    Removes what is large. The rest goes at the end of all: ext4 avoids inodes that were freed a moment ago, and
    takes milliseconds for each new file after thousands were removed.
    """
    for root, _dirs, files in os.walk(directory):
        for path in (pathlib.Path(root, name) for name in files):
            if not path.is_symlink() and path.stat().st_size > KEPT_BYTES_MAX:
                path.unlink(missing_ok=True)


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
