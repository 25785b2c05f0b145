/* SPDX-License-Identifier: MIT */
/*
 * Many threads, one engine: reads and writes of files, hand-overs through pipes, threads that come and go, children.
 * A plain program, so that the thread sanitizer can watch it. Says nothing when all is well.
 *
 * Owns:    a file and pipes. Threads: the workers and short-lived ones; they share the file, each its own part.
 * Never:   waits by the clock; depends on luck for its verdict.
 */
#include "config.h"
#include "engine.h"

#include <pthread.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

enum { THREADS = 6, ROUNDS = 400, BLOCK = 512, BLOCKS = 32 };

static int file;

static void check(bool ok, const char *what, int64_t got)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %lld\n", what, (long long)got);
	exit(1);
}

static int64_t run_rw(enum dftio_op_code code, int fd, void *buf, size_t len, int64_t offset)
{
	struct dftio_op op;

	dftio__op_init_rw(&op, code, fd, buf, len, offset);
	return dftio__engine_run(&op);
}

/* Its own blocks of the shared file: what was written last is what is read. */
static void use_file(unsigned *seed, int self)
{
	char out[BLOCK], in[BLOCK];
	int64_t offset = ((int64_t)self * BLOCKS + rand_r(seed) % BLOCKS) * BLOCK;
	int64_t r;

	memset(out, rand_r(seed), sizeof(out));
	r = run_rw(DFTIO_OP_PWRITE, file, out, sizeof(out), offset);
	check(r == BLOCK, "pwrite", r);
	r = run_rw(DFTIO_OP_PREAD, file, in, sizeof(in), offset);
	check(r == BLOCK && memcmp(in, out, sizeof(in)) == 0, "pread", r);
}

struct ends {
	int fd[2];
	char byte;
};

static void *write_to(void *arg)
{
	struct ends *e = arg;
	int64_t r = run_rw(DFTIO_OP_WRITE, e->fd[1], &e->byte, 1, 0);

	check(r == 1, "write to the pipe", r);
	return NULL;
}

/* A read that waits, and a thread made for the one write that ends it. */
static void hand_over(unsigned *seed)
{
	struct ends e = { .byte = (char)rand_r(seed) };
	pthread_t t;
	char got = 0;
	int64_t r;

	check(pipe(e.fd) == 0, "pipe", errno);
	check(pthread_create(&t, NULL, write_to, &e) == 0, "pthread_create", errno);
	r = run_rw(DFTIO_OP_READ, e.fd[0], &got, 1, 0);
	check(r == 1 && got == e.byte, "read from the pipe", r);
	pthread_join(t, NULL);
	close(e.fd[0]);
	close(e.fd[1]);
}

static void *work(void *arg)
{
	int self = (int)(intptr_t)arg;
	unsigned seed = (unsigned)self + 1;

	for (int i = 0; i < ROUNDS; i++) {
		use_file(&seed, self);
		if (i % 16 == 0)
			hand_over(&seed);
	}
	return NULL;
}

/* A child has an engine of its own. (Not under the thread sanitizer, which lets it make no threads.) */
__attribute__((unused)) static void have_child(void)
{
	unsigned seed = 99;
	int status = 1;
	pid_t child = fork();

	if (child == 0) {
		use_file(&seed, THREADS);
		_exit(0);
	}
	waitpid(child, &status, 0);
	check(status == 0, "the child", status);
}

int main(int argc, char **argv)
{
	char name[] = "/var/tmp/dftio-stress.XXXXXX";
	pthread_t threads[THREADS];

	if (argc != 2)
		return 2;
	snprintf(dftio__config.backend, sizeof(dftio__config.backend), "%s", argv[1]);
	dftio__config.backend_forced = true;
	if (strcmp(dftio__engine_backend()->name, argv[1]) != 0) {
		printf("SKIP: %s\n", dftio__engine_why());
		return 77;
	}
	file = mkstemp(name);
	check(file >= 0 && unlink(name) == 0, name, errno);
	for (int i = 0; i < THREADS; i++)
		check(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i) == 0, "pthread_create", errno);
#ifndef __SANITIZE_THREAD__
	for (int i = 0; i < 20; i++)
		have_child();
#endif
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
