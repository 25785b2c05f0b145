# SPDX-License-Identifier: MIT
"""
redis and nginx under load. Servers, clients and load generators all run under the shim.

Servers listen on UNIX sockets in the run's directory; nginx, which wrk reaches by TCP only, inherits a listening
socket from the runner, so that no free port has to be guessed and nobody waits for it to listen.
"""

import os
import random
import re
import signal
import socket

from harness import Skip, case

# --- redis ---------------------------------------------------------------------------------------------------

READY = '[Rr]eady to accept connections'


class Redis:
    """A client of a few lines: one command at a time, over the server's UNIX socket."""

    def __init__(self, run, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(run.suite.limit())
        self.socket.connect(str(path))
        self.answers = self.socket.makefile('rb')

    def __call__(self, *words):
        self.socket.sendall(resp(*words))
        line = self.answers.readline()
        if line[:1] == b'$' and line != b'$-1\r\n':
            return self.answers.read(int(line[1:]) + 2)[:-2].decode()
        return line.strip().decode()


def resp(*words):
    """A command in the server's protocol."""
    parts = [str(word).encode() for word in words]
    return b'*%d\r\n' % len(parts) + b''.join(b'$%d\r\n%s\r\n' % (len(part), part) for part in parts)


def commands(count):
    """COUNT writing commands on keys of every type, some of them long."""
    rng = random.Random(5)
    made = []
    for n in range(count):
        key = rng.randrange(400)
        made.append(rng.choice((
            ('SET', f's{key}', 'v' * rng.choice((3, 50, 20_000))), ('APPEND', f's{key}', f'{n}'), ('INCR', f'i{key}'),
            ('RPUSH', f'l{key}', n, 'x' * 100), ('LPOP', f'l{key}'), ('SADD', f'set{key}', n % 50),
            ('HSET', f'h{key}', n % 20, 'y' * 90), ('ZADD', f'z{key}', n, n % 30), ('DEL', f's{(key * 7) % 400}'),
            ('XADD', f'x{key % 9}', f'{n + 1}-1', 'field', n))))
    return b''.join(resp(*words) for words in made)


def redis_server(run, *more):
    run.path('redis').mkdir(exist_ok=True)
    return run.start('redis-server', '--port', '0', '--unixsocket', run.path('r.sock'), '--dir', run.path('redis'),
                     '--save', '', '--appendonly', 'yes', '--appendfsync', 'always', '--enable-debug-command', 'yes',
                     '--repl-diskless-sync-delay', '0', '--daemonize', 'no', *more, ready=READY)


def needs_redis_7(run):
    version = run.run('redis-server', '--version', native=True).stdout
    if int(re.search(rb'v=(\d+)', version)[1]) < 7:
        raise Skip('redis older than 7 has no --enable-debug-command')


def no_complaints(run, server):
    bad = [line for line in server.lines if re.search(r'rror|orrupt|Short read|truncated|ASSERT|crash', line)]
    run.check(not bad, 'the server complained:', *bad[:10])


# redis-server and redis-benchmark both print times; what is compared is what the server holds.
@case('redis: append-only file', needs=['redis-server', 'redis-benchmark', 'redis-cli'], unlike=['redis*'], quick=True)
def redis_append_only(run):
    needs_redis_7(run)
    path = run.path('r.sock')
    server = redis_server(run)
    run.run('redis-cli', '-s', 'r.sock', '--pipe', feed=commands(3000), clean=lambda out: out[out.find(b'errors'):])
    ask = Redis(run, path)
    run.fact('digest after known commands', ask('DEBUG', 'DIGEST'))
    server.stop(signal.SIGKILL)
    no_complaints(run, server)

    server = redis_server(run)
    ask = Redis(run, path)
    run.fact('digest after kill -9', ask('DEBUG', 'DIGEST'))
    load(run)
    ask('BGREWRITEAOF')
    load(run)
    server.wait_for('Background AOF rewrite finished successfully')
    before = ask('DEBUG', 'DIGEST')
    run.fact('status after SIGTERM', server.stop())
    no_complaints(run, server)

    server = redis_server(run)
    after = Redis(run, path)('DEBUG', 'DIGEST')
    run.check(before == after, f'digest before the restart {before}', f'digest after the restart  {after}')
    run.fact('status at the end', server.stop())
    no_complaints(run, server)
    path.unlink(missing_ok=True)


def load(run):
    run.run('redis-benchmark', '-s', 'r.sock', '-n', '1500', '-c', '20', '-P', '16', '-r', '500', '-q', '-t',
            'set,get,incr,lpush,rpush,sadd,hset,zadd,mset', clean=lambda out: b'')


@case('redis: snapshots and I/O threads', needs=['redis-server', 'redis-cli'], unlike=['redis*'])
def redis_snapshots(run):
    needs_redis_7(run)
    path = run.path('r.sock')
    server = redis_server(run, '--appendonly', 'no', '--io-threads', '3', '--io-threads-do-reads', 'yes')
    run.run('redis-cli', '-s', 'r.sock', '--pipe', feed=commands(3000), clean=lambda out: out[out.find(b'errors'):])
    ask = Redis(run, path)
    ask('BGSAVE')
    server.wait_for('Background saving terminated with success')
    run.fact('digest', ask('DEBUG', 'DIGEST'))
    run.run('redis-cli', '-s', 'r.sock', '--rdb', 'redis/fetched.rdb', clean=lambda out: b'', clean_err=lambda out: b'')
    run.fact('status', server.stop(signal.SIGKILL))
    no_complaints(run, server)
    for name in ('dump.rdb', 'fetched.rdb'):
        server = redis_server(run, '--appendonly', 'no', '--dbfilename', name)
        run.fact(f'digest from {name}', Redis(run, path)('DEBUG', 'DIGEST'))
        run.fact(f'status with {name}', server.stop())
    run.run('redis-check-rdb', 'redis/dump.rdb', clean=lambda out: out[out.find(b'\\o/'):])
    path.unlink(missing_ok=True)


# --- nginx ---------------------------------------------------------------------------------------------------

NGINX = '''
daemon off; worker_processes 2; pid nginx.pid; error_log error.log notice; {user}
thread_pool default threads=4;
events {{ worker_connections 128; }}
http {{
  log_format plain '$request_method $uri $status $body_bytes_sent';
  access_log access.log plain; log_not_found off; etag off; default_type application/octet-stream;
  client_body_temp_path t/body; proxy_temp_path t/proxy; fastcgi_temp_path t/none; uwsgi_temp_path t/none;
  scgi_temp_path t/none; client_max_body_size 20m; client_body_buffer_size 16k;
  sendfile on; tcp_nopush on; keepalive_timeout 10; root {files};
  proxy_cache_path t/cache keys_zone=cache:1m; proxy_cache_key $uri;
  server {{
    listen {address};
    location /read/ {{ alias {files}/; sendfile off; output_buffers 2 16k; }}
    location /direct/ {{ alias {files}/; sendfile off; directio 4k; directio_alignment 4k; }}
    location /threads/ {{ alias {files}/; aio threads; aio_write on; }}
    location /threads-read/ {{ alias {files}/; sendfile off; aio threads; }}
    location /packed/ {{ alias {files}/; gzip on; gzip_types *; gzip_min_length 1; gzip_comp_level 1; }}
    location /put/ {{ root {dir}; dav_methods PUT; create_full_put_path on; }}
    location /proxied/ {{ proxy_pass http://unix:{dir}/u.sock:/; proxy_buffers 4 4k; proxy_max_temp_file_size 10m; }}
    location /cached/ {{ proxy_pass http://unix:{dir}/u.sock:/; proxy_cache cache; proxy_cache_valid 200 1h; }}
    location /refused {{ return 403; }}
  }}
  server {{ listen unix:{dir}/u.sock; sendfile_max_chunk 100k; access_log off; }}
}}
'''
FETCHES = (('sendfile', ''), ('read', 'read/'), ('direct', 'direct/'), ('threads', 'threads/'),
           ('threads-read', 'threads-read/'), ('proxied', 'proxied/'), ('cached-miss', 'cached/'),
           ('cached-hit', 'cached/'), ('packed', 'packed/'))
STATUS = '%{http_code} %{size_download} %{size_upload}\\n'


def nginx(run):
    """Starts nginx on a socket of the runner's; returns the server and its URL."""
    listener = socket.create_server(('127.0.0.1', 0))
    listener.setblocking(False)     # nginx takes what it inherits as it is, and must not wait in accept
    with listener:
        address = '127.0.0.1:%d' % listener.getsockname()[1]
        run.path('t').mkdir()
        run.path('nginx.conf').write_text(NGINX.format(
            user='user root;' if os.geteuid() == 0 else '', files=run.suite.inputs, address=address, dir=run.dir))
        server = run.start('nginx', '-e', 'error.log', '-p', run.dir, '-c', run.path('nginx.conf'),
                           env={'NGINX': f'{listener.fileno()};'}, pass_fds=(listener.fileno(),))
    return server, f'http://{address}/'


def curl(run, *words, **more):
    run.run('curl', '-sS', '--noproxy', '*', '--max-time', run.suite.limit(), '-w', STATUS, *words, **more)


def stop_nginx(run, server):
    """Gracefully; then its log must hold no error, and no line is compared that holds a process id or a time."""
    run.fact('status', server.stop(signal.SIGQUIT))
    log = run.path('error.log').read_text(errors='replace').splitlines()
    bad = [line for line in log if re.search(r'\[(error|crit|alert|emerg)\]', line)]
    run.check(not bad, 'the server complained:', *bad[:10])
    run.check(not server.lines, 'the server printed:', *server.lines[:10])


NGINX_UNLIKE = ('nginx.conf', 'error.log', 'access.log', 't/*', 'nginx.pid')


@case('nginx: files fetched by curl', needs=['nginx', 'curl'], unlike=NGINX_UNLIKE, quick=True)
def nginx_fetch(run):
    server, url = nginx(run)
    for directory, prefix in FETCHES:
        run.path(directory).mkdir()
        words = []
        for name in ('big.bin', 'text.txt', 'small.bin', 'empty', 'byte', 'aligned.bin', 'doc/../sparse.bin'):
            words += ['-o', f'{directory}/{os.path.basename(name)}', url + prefix + name]
        curl(run, '--compressed', *words)
    curl(run, '-r', '1000000-2000000', '-o', 'range', url + 'big.bin')
    curl(run, '-r', '5-9,100-2000', '-o', 'range-read', url + 'read/small.bin')
    curl(run, '-I', '-o', 'head', url + 'big.bin')
    curl(run, '-o', 'not-found', url + 'missing')
    curl(run, '-o', 'refused', url + 'refused')
    curl(run, '-T', 'in/big.bin', url + 'put/a/b/big.bin')
    curl(run, '-T', '-', '-o', 'put-answer', url + 'put/small.bin', stdin='in/small.bin')
    run.path('head').unlink()          # holds a date,
    run.path('range-read').unlink()    # and this a random boundary
    stop_nginx(run, server)
    run.fact('access log', sorted(run.path('access.log').read_text().splitlines()))


@case('nginx: loaded by wrk', needs=['nginx', 'wrk'], unlike=NGINX_UNLIKE, quick=True)
def nginx_load(run):
    def verdict(report):
        requests = int((re.search(rb'(\d+) requests in', report) or [0, 0])[1])
        problems = re.findall(rb'Socket errors:.*|Non-2xx.*', report)
        return b'\n'.join([b'requests: ' + (b'some' if requests > 0 else b'none'), *problems])
    server, url = nginx(run)
    for path in ('aligned.bin', 'read/small.bin', 'threads/small.bin'):
        run.run('wrk', '-t1', '-c8', '-d1s', '--timeout', '10s', url + path, clean=verdict)
    stop_nginx(run, server)
