# SPDX-License-Identifier: MIT
"""Sockets, pipes and terminals through selectors, asyncio and plain blocking calls."""

import asyncio
import hashlib
import http.server
import os
import pty
import selectors
import socket
import threading
import urllib.request


def sha(data):
    return hashlib.sha256(data).hexdigest()[:16]


def blocking_pairs():
    one, two = socket.socketpair()
    data = open('in/big.bin', 'rb').read()
    sender = threading.Thread(target=lambda: (one.sendall(data), one.close()))
    sender.start()
    print('received', sha(b''.join(iter(lambda: two.recv(10_000), b''))))
    sender.join()

    one, two = socket.socketpair()
    sender = threading.Thread(target=lambda: (one.sendfile(open('in/big.bin', 'rb'), 1000), one.close()))
    sender.start()
    print('sent from a file', sha(b''.join(iter(lambda: two.recv(70_000), b''))))
    sender.join()

    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.send(b'datagram')
    two.settimeout(0.05)
    print('datagram', two.recv(100))
    try:
        two.recv(1)
    except TimeoutError:
        print('timed out')
    one, two = socket.socketpair()
    with open('in/small.bin', 'rb') as file:
        socket.send_fds(one, [b'take it'], [file.fileno()])
    message, (received,), _flags, _address = socket.recv_fds(two, 100, 1)
    print('descriptor', message, sha(os.pread(received, 100_000, 0)))


def web_server():
    """Files through an HTTP server of many threads."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f'http://127.0.0.1:{server.server_port}/in/'
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def fetch(name):
        got[name] = sha(opener.open(base + name, timeout=20).read())
    got = {}
    names = ['big.bin', 'text.txt', 'small.bin', 'empty', 'byte', 'sparse.bin']
    clients = [threading.Thread(target=fetch, args=(name,)) for name in names]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    server.shutdown()
    print('web', [got.get(name) for name in names])


def selector():
    """Readiness and reads agree, for fifty pipes."""
    pipes = [os.pipe() for _ in range(50)]
    total = 0
    with selectors.DefaultSelector() as chosen:
        for out, into in pipes:
            os.set_blocking(out, False)
            chosen.register(out, selectors.EVENT_READ)
            os.write(into, b'r' * 1000)
            os.close(into)
        while chosen.get_map():
            for key, _events in chosen.select(5):
                data = os.read(key.fd, 300)
                total += len(data)
                if not data:
                    chosen.unregister(key.fd)
    print('selected', total)


async def event_loop():
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
    server = await asyncio.start_unix_server(serve, 'socket')

    async def ask(n):
        reader, writer = await asyncio.open_unix_connection('socket')
        for i in range(20):
            writer.write(b'question %d of %d\n' % (i, n))
        writer.write_eof()
        return await reader.read()
    answers = await asyncio.gather(*(ask(n) for n in range(20)))
    print('asked', sha(b''.join(answers)))
    server.close()
    child = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1)
    print('child', sha((await child.communicate(b'async ' * 30_000))[0]), child.returncode)
    loop = asyncio.get_running_loop()
    print('in a thread', sha(await loop.run_in_executor(None, lambda: open('in/big.bin', 'rb').read())))
    print('slept', await asyncio.sleep(0.01, 'well'))
    os.unlink('socket')


def terminal():
    """A terminal's line discipline between a parent and a child."""
    child, master = pty.fork()
    if child == 0:
        os.execlp('sh', 'sh', '-c', 'read line; echo "you typed: $line"; test -t 0; echo "terminal $?"')
    os.write(master, b'hello\n')
    shown = b''
    try:
        while data := os.read(master, 1000):
            shown += data
    except OSError:
        pass
    print('terminal', sorted(shown.decode().split('\r\n')), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


blocking_pairs()
web_server()
selector()
asyncio.run(event_loop())
terminal()
