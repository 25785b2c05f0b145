/* SPDX-License-Identifier: MIT */
/*
 * Threads that keep many operations in flight, on files, pipes and sockets, through one backend.
 *
 * A plain program, so that it runs under the thread sanitizer: exit status 0, 1, or 77 where the backend cannot start.
 * stress_engine BACKEND [THREADS [OPERATIONS]]: so many operations by each thread.
 *
 * Owns:    one file, of which each thread has a part; each thread a pipe and a pair of sockets.
 * Threads: those it was told.
 * Never:   runs for a time: the number of operations bounds it.
 */
#include "config.h"
#include "engine.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK      1024
#define BLOCKS     64
#define WINDOW     16
#define MAX_THREAD 64

struct worker {
	pthread_t thread;
	unsigned number, random;
	long operations;
	int pipe[2], socket[2];
	unsigned char version[BLOCKS]; /* what each block was written with last */
	struct dftio_op op[WINDOW];
	struct dftio_waiter waiter[WINDOW];
	struct iovec iov[WINDOW][2];
	struct stat st[WINDOW];
	unsigned block[WINDOW];
	unsigned char buf[WINDOW][BLOCK];
};

static int file;

static void fail(const char *what, long long got)
{
	fprintf(stderr, "%s: %lld\n", what, got);
	exit(1);
}

static unsigned draw(struct worker *w, unsigned n)
{
	w->random = w->random * 1103515245 + 12345;
	return w->random / 65536 % n;
}

static int64_t offset_of(const struct worker *w, unsigned block)
{
	return ((int64_t)w->number * BLOCKS + block) * BLOCK;
}

/* A block is used by one operation at a time: slot i has the blocks whose number leaves i. */
static void make_file_op(struct worker *w, int i)
{
	static const enum dftio_op_code codes[] = { DFTIO_OP_PREAD, DFTIO_OP_PWRITE, DFTIO_OP_PREADV,
		DFTIO_OP_PWRITEV };
	enum dftio_op_code code = codes[draw(w, 4)];
	bool writes = dftio__op_descs[code].traits & DFTIO_T_OUT;
	unsigned block = (unsigned)i + WINDOW * draw(w, BLOCKS / WINDOW);

	w->block[i] = block;
	if (writes)
		memset(w->buf[i], ++w->version[block], BLOCK);
	w->iov[i][0] = (struct iovec){ w->buf[i], 100 };
	w->iov[i][1] = (struct iovec){ w->buf[i] + 100, BLOCK - 100 };
	if (dftio__op_descs[code].traits & DFTIO_T_VECTOR)
		dftio__op_init_v(&w->op[i], code, file, w->iov[i], 2, offset_of(w, block), 0);
	else
		dftio__op_init_rw(&w->op[i], code, file, w->buf[i], BLOCK, offset_of(w, block));
}

static void make_op(struct worker *w, int i)
{
	if (draw(w, 10)) {
		make_file_op(w, i);
	} else if (draw(w, 2)) {
		dftio__op_init(&w->op[i], DFTIO_OP_FSTAT, file);
		w->op[i].arg.stat.st = &w->st[i];
	} else {
		dftio__op_init(&w->op[i], DFTIO_OP_SLEEP, -1);
		w->op[i].arg.sleep.sec = 0;
		w->op[i].arg.sleep.nsec = draw(w, 1000);
	}
	dftio__waiter_init_futex(&w->waiter[i]);
	w->op[i].waiter = &w->waiter[i];
}

static void finish_op(struct worker *w, int i)
{
	int64_t r = dftio__engine_wait(&w->op[i], NULL);
	bool moves = dftio__op_desc(&w->op[i])->traits & (DFTIO_T_IN | DFTIO_T_OUT);

	if (r != (moves ? BLOCK : 0))
		fail(dftio__op_desc(&w->op[i])->name, r);
	if (dftio__op_desc(&w->op[i])->traits & DFTIO_T_IN)
		for (int k = 0; k < BLOCK; k++)
			if (w->buf[i][k] != w->version[w->block[i]])
				fail("another byte was read", w->buf[i][k]);
}

static void run(struct dftio_op *op, int64_t want)
{
	if (dftio__engine_run(op) != want)
		fail(dftio__op_desc(op)->name, op->res);
}

static void *write_later(void *arg)
{
	const struct worker *w = arg;

	if (write(w->pipe[1], "p", 1) != 1 || write(w->socket[1], "s", 1) != 1)
		fail("writing later", -errno);
	return NULL;
}

/* A wait that another thread ends. */
static void wait_for_another(struct worker *w)
{
	struct dftio_op op;
	pthread_t other;
	char c;

	if (pthread_create(&other, NULL, write_later, w))
		fail("a thread", -1);
	dftio__op_init_rw(&op, DFTIO_OP_RECV, w->socket[0], &c, 1, 0);
	run(&op, 1);
	dftio__op_init_rw(&op, DFTIO_OP_READ, w->pipe[0], &c, 1, 0);
	run(&op, 1);
	pthread_join(other, NULL);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	long begun = 0;

	if (pipe(w->pipe) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, w->socket) < 0)
		fail("a pipe", -errno);
	for (int i = 0; i < WINDOW; i++, begun++) {
		make_op(w, i);
		dftio__engine_submit(&w->op[i]);
	}
	for (; begun < w->operations; begun++) {
		int i = (int)draw(w, WINDOW);

		finish_op(w, i);
		make_op(w, i);
		dftio__engine_submit(&w->op[i]);
		if (begun % 256 == 0)
			wait_for_another(w);
	}
	for (int i = 0; i < WINDOW; i++)
		finish_op(w, i);
	close(w->pipe[0]);
	close(w->pipe[1]);
	close(w->socket[0]);
	close(w->socket[1]);
	return NULL;
}

static long argument(int argc, char **argv, int i, long otherwise, long most)
{
	long n = argc > i ? strtol(argv[i], NULL, 10) : otherwise;

	return n < 1 ? 1 : n > most ? most : n;
}

int main(int argc, char **argv)
{
	long threads = argument(argc, argv, 2, 4, MAX_THREAD), operations = argument(argc, argv, 3, 20000, 1000000000);
	char name[] = "./stress-XXXXXX";
	struct worker *w;

	if (argc < 2) {
		fprintf(stderr, "usage: stress_engine BACKEND [THREADS [OPERATIONS]]\n");
		return 1;
	}
	snprintf(dftio__config.backend, sizeof(dftio__config.backend), "%s", argv[1]);
	dftio__config.backend_forced = true;
	if (strcmp(dftio__engine_backend()->name, argv[1]) != 0) {
		fprintf(stderr, "%s\n", dftio__engine_why());
		return 77;
	}
	file = mkstemp(name);
	if (file < 0 || unlink(name) < 0 || ftruncate(file, (off_t)threads * BLOCKS * BLOCK) < 0)
		fail("a file", -errno);
	w = calloc((size_t)threads, sizeof(*w));
	for (long i = 0; i < threads; i++) {
		w[i].number = (unsigned)i;
		w[i].random = (unsigned)i * 77 + 1;
		w[i].operations = operations;
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			fail("a thread", i);
	}
	for (long i = 0; i < threads; i++)
		pthread_join(w[i].thread, NULL);
	free(w);
	return 0;
}
