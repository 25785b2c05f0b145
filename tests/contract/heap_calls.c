/* SPDX-License-Identifier: MIT */
/*
 * No operation calls the heap once the engine is warm: malloc and its kin are this program's own and count.
 *
 * A plain program: exit status 0, 1, or 77 where it cannot be said (a sanitizer has the heap, no such backend here).
 *
 * Owns:    the heap's names; files, pipes and sockets of its own.
 * Threads: the first; the engine's, whose calls count too.
 * Never:   counts what the making of a thread takes: the pool is elastic, and that is not per operation.
 */
#include "config.h"
#include "engine.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define HEAP_IS_OURS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEAP_IS_OURS 0
#endif
#endif
#ifndef HEAP_IS_OURS
#define HEAP_IS_OURS 1
#endif

#define BLOCK     4096
#define IN_FLIGHT 32
#define ROUNDS    500

static _Atomic bool counting;
static _Atomic unsigned long calls;
static __thread bool making_a_thread;

#if HEAP_IS_OURS
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
	*__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static void count(void)
{
	if (counting && !making_a_thread)
		atomic_fetch_add(&calls, 1);
}

void *malloc(size_t n)
{
	count();
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t m)
{
	count();
	return __libc_calloc(n, m);
}

void *realloc(void *p, size_t n)
{
	count();
	return __libc_realloc(p, n);
}

void *memalign(size_t align, size_t n)
{
	count();
	return __libc_memalign(align, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	count();
	return __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
	count();
	*p = __libc_memalign(align, n);
	return *p ? 0 : ENOMEM;
}

void free(void *p)
{
	if (p)
		count();
	__libc_free(p);
}
#endif

static int make_thread(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
	int r;

	making_a_thread = true;
	r = pthread_create(t, a, fn, arg);
	making_a_thread = false;
	return r;
}

static void fail(const char *what, long long got)
{
	counting = false;
	fprintf(stderr, "%s: %lld\n", what, got);
	exit(1);
}

static int file, pipe_ends[2], sockets[2];
static char buf[IN_FLIGHT][BLOCK];

static void run(struct dftio_op *op, int64_t want)
{
	if (dftio__engine_run(op) != want)
		fail(dftio__op_desc(op)->name, op->res);
}

static void run_rw(enum dftio_op_code code, int fd, size_t len)
{
	struct dftio_op op;

	dftio__op_init_rw(&op, code, fd, buf[0], len, 0);
	run(&op, (int64_t)len);
}

static void run_v(enum dftio_op_code code, int fd)
{
	struct iovec iov[2] = { { buf[0], 100 }, { buf[1], 100 } };
	struct dftio_op op;

	dftio__op_init_v(&op, code, fd, iov, 2, 0, 0);
	run(&op, 200);
}

static void data(void)
{
	struct dftio_op op;

	dftio__op_init(&op, DFTIO_OP_LSEEK, file);
	op.arg.seek.whence = SEEK_SET;
	run(&op, 0);
	run_rw(DFTIO_OP_READ, file, BLOCK);
	run_rw(DFTIO_OP_WRITE, file, BLOCK);
	run_rw(DFTIO_OP_PREAD, file, BLOCK);
	run_rw(DFTIO_OP_PWRITE, file, BLOCK);
	run_v(DFTIO_OP_PREADV, file);
	run_v(DFTIO_OP_PWRITEV, file);
	run_v(DFTIO_OP_READV, file);
	run_rw(DFTIO_OP_WRITE, pipe_ends[1], BLOCK);
	run_rw(DFTIO_OP_READ, pipe_ends[0], BLOCK);
	run_v(DFTIO_OP_WRITEV, pipe_ends[1]);
	run_v(DFTIO_OP_READV, pipe_ends[0]);
	run_rw(DFTIO_OP_SEND, sockets[1], BLOCK);
	run_rw(DFTIO_OP_RECV, sockets[0], BLOCK);
}

static void rest(void)
{
	struct dftio_op op;
	struct stat st;
	int64_t offset = 0;

	dftio__op_init(&op, DFTIO_OP_FSTAT, file);
	op.arg.stat.st = &st;
	run(&op, 0);
	dftio__op_init(&op, DFTIO_OP_FTRUNCATE, file);
	op.offset = 16 * BLOCK;
	run(&op, 0);
	dftio__op_init(&op, DFTIO_OP_SENDFILE, pipe_ends[1]);
	op.arg.copy.in = file;
	op.arg.copy.in_off = &offset;
	op.arg.copy.len = 100;
	run(&op, 100);
	run_rw(DFTIO_OP_READ, pipe_ends[0], 100);
	dftio__op_init(&op, DFTIO_OP_POLL, pipe_ends[1]);
	op.arg.poll.events = POLLOUT;
	op.arg.poll.timeout_ms = -1;
	run(&op, POLLOUT);
	dftio__op_init(&op, DFTIO_OP_SLEEP, -1);
	op.arg.sleep.sec = op.arg.sleep.nsec = 0;
	run(&op, 0);
	dftio__op_init(&op, DFTIO_OP_OPEN, AT_FDCWD);
	op.arg.open.path = "/dev/null";
	op.arg.open.flags = O_RDONLY | O_CLOEXEC;
	op.arg.open.mode = 0;
	if (dftio__engine_run(&op) < 0)
		fail("open", op.res);
	dftio__op_init(&op, DFTIO_OP_CLOSE, (int)op.res);
	run(&op, 0);
}

/* One that waits among them, ended when the others are done. */
static void in_flight(void)
{
	static struct dftio_op op[IN_FLIGHT];
	static struct dftio_waiter waiter[IN_FLIGHT];
	bool waits = !dftio__engine_backend()->in_place;

	for (int i = waits ? 0 : 1; i < IN_FLIGHT; i++) {
		dftio__op_init_rw(&op[i], i ? DFTIO_OP_PREAD : DFTIO_OP_READ, i ? file : pipe_ends[0], buf[i],
			i ? BLOCK : 1, 0);
		dftio__waiter_init_futex(&waiter[i]);
		op[i].waiter = &waiter[i];
		dftio__engine_submit(&op[i]);
	}
	for (int i = 1; i < IN_FLIGHT; i++)
		if (dftio__engine_wait(&op[i], NULL) != BLOCK)
			fail("pread in flight", op[i].res);
	if (!waits)
		return;
	if (write(pipe_ends[1], "x", 1) != 1 || dftio__engine_wait(&op[0], NULL) != 1)
		fail("read in flight", op[0].res);
}

int main(void)
{
	const char *backend = getenv("TEST_BACKEND");
	char name[] = "./heap-XXXXXX";

	if (!HEAP_IS_OURS || !backend)
		return 77;
	dftio__sys.thread_create = make_thread;
	snprintf(dftio__config.backend, sizeof(dftio__config.backend), "%s", backend);
	dftio__config.backend_forced = true;
	dftio__config.pool_max = 4;
	if (strcmp(dftio__engine_backend()->name, backend) != 0) {
		fprintf(stderr, "%s\n", dftio__engine_why());
		return 77;
	}
	file = mkstemp(name);
	if (file < 0 || unlink(name) < 0 || ftruncate(file, 16 * BLOCK) < 0 || pipe(pipe_ends) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0)
		fail("setting up", -errno);
	for (int i = 0; i < ROUNDS + 20; i++) {
		counting = i >= 20;
		data();
		rest();
		in_flight();
	}
	counting = false;
	if (calls)
		fail("calls of the heap", (long long)calls);
	return 0;
}
