/* SPDX-License-Identifier: MIT */
/*
 * The victim of the benchmarks: a plain C program that knows nothing of the shim, and does one call over and over.
 *
 *	loop OP FILE BYTES COUNT [THREADS]
 *
 * Owns its descriptors; every thread opens its own, so that what is measured between threads is the shim's sharing and
 * not the kernel's. The clock runs around the loop only: opening, warming up and printing lie outside. It must never
 * time a call that failed or came back short: that ends the program. With one thread no second one is ever created,
 * because libc's own calls are cheaper in a program with a single thread.
 */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { ALIGNMENT = 4096, THREADS_MAX = 64, BURST = 32 };

struct job {
	const struct op *op;
	const char *file;
	size_t bytes;
	long count;
	uint64_t blocks; /* of the file; 0 where there is no end to wrap at */
	uint64_t at;
	uint32_t random;
	int fd, other; /* the second one is the writing end of a pipe or the peer of a socket */
	char *buf;
	pthread_barrier_t *gate;
};

struct op {
	const char *name;
	void (*loop)(struct job *, long);
	int flags; /* for open(); -1: no file at all */
	int calls; /* in one turn of the loop */
};

static void die(const char *what)
{
	fprintf(stderr, "loop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline void check(const struct job *j, ssize_t n)
{
	if (__builtin_expect(n != (ssize_t)j->bytes, 0)) {
		if (n >= 0)
			errno = ENODATA;
		die(j->op->name);
	}
}

static inline off_t somewhere(struct job *j)
{
	return (off_t)(measure_block(&j->random, j->blocks) * j->bytes);
}

/* Sequential access goes round: one lseek a lap. */
static inline void advance(struct job *j)
{
	if (j->blocks && ++j->at == j->blocks) {
		j->at = 0;
		if (lseek(j->fd, 0, SEEK_SET) < 0)
			die("lseek");
	}
}

static void loop_pread(struct job *j, long n)
{
	while (n-- > 0)
		check(j, pread(j->fd, j->buf, j->bytes, somewhere(j)));
}

static void loop_pwrite(struct job *j, long n)
{
	while (n-- > 0)
		check(j, pwrite(j->fd, j->buf, j->bytes, somewhere(j)));
}

static void loop_read(struct job *j, long n)
{
	while (n-- > 0) {
		check(j, read(j->fd, j->buf, j->bytes));
		advance(j);
	}
}

static void loop_write(struct job *j, long n)
{
	while (n-- > 0) {
		check(j, write(j->fd, j->buf, j->bytes));
		advance(j);
	}
}

static void loop_pipe(struct job *j, long n)
{
	while (n-- > 0) {
		check(j, write(j->other, j->buf, j->bytes));
		check(j, read(j->fd, j->buf, j->bytes));
	}
}

/*
 * In bursts: one at a time the kernel would use the same two buffers for ever, and whether those lie well is worth
 * more than what is to be measured.
 */
static void loop_socket(struct job *j, long n)
{
	for (; n > 0; n -= BURST) {
		for (int i = 0; i < BURST; i++)
			check(j, send(j->other, j->buf, j->bytes, 0));
		for (int i = 0; i < BURST; i++)
			check(j, recv(j->fd, j->buf, j->bytes, 0));
	}
}

/* Nothing is ever there: the cheapest call on a socket. */
static void loop_recv(struct job *j, long n)
{
	while (n-- > 0) {
		if (recv(j->fd, j->buf, j->bytes, MSG_DONTWAIT) != -1 || errno != EAGAIN)
			die(j->op->name);
	}
}

/* Does nothing: what a process looks like before its first call. */
static void loop_idle(struct job *j, long n)
{
	(void)j;
	(void)n;
}

static const struct op ops[] = {
	{"pread", loop_pread, O_RDONLY, 1},
	{"pread-direct", loop_pread, O_RDONLY | O_DIRECT, 1},
	{"pwrite", loop_pwrite, O_RDWR, 1},
	{"read", loop_read, O_RDONLY, 1},
	{"write", loop_write, O_WRONLY, 1},
	{"pipe", loop_pipe, -1, 2},
	{"socket", loop_socket, -1, 2},
	{"recv", loop_recv, -1, 1},
	{"idle", loop_idle, -1, 1},
};

static void open_pair(struct job *j)
{
	int fds[2] = {-1, -1};
	int err = 0;

	if (j->op->loop == loop_pipe)
		err = pipe(fds);
	else if (j->op->loop == loop_socket || j->op->loop == loop_recv)
		err = socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	if (err)
		die(j->op->name);
	j->fd = fds[0];
	j->other = fds[1];
}

static void prepare(struct job *j)
{
	struct stat st;

	if (posix_memalign((void **)&j->buf, ALIGNMENT, j->bytes + ALIGNMENT))
		die("memory");
	memset(j->buf, 'x', j->bytes);
	if (j->op->flags == -1) {
		open_pair(j);
		return;
	}
	j->fd = open(j->file, j->op->flags);
	if (j->fd < 0 || fstat(j->fd, &st))
		die(j->file);
	j->blocks = S_ISREG(st.st_mode) ? (uint64_t)st.st_size / j->bytes : 0;
	if (S_ISREG(st.st_mode) && !j->blocks) {
		errno = ENODATA;
		die(j->file);
	}
}

static void pass(struct job *j)
{
	if (j->gate)
		pthread_barrier_wait(j->gate);
}

/* Two gates: between them every thread is warm and none runs, and there the clock is read. */
static void *work(void *arg)
{
	struct job *j = arg;

	prepare(j);
	j->op->loop(j, j->count / 10 + 1000);
	pass(j);
	pass(j);
	j->op->loop(j, j->count);
	pass(j);
	return NULL;
}

static struct measure run(struct job *jobs, int threads)
{
	struct measure m;
	pthread_barrier_t gate;
	pthread_t ids[THREADS_MAX];

	if (threads == 1) {
		prepare(jobs);
		jobs->op->loop(jobs, jobs->count / 10 + 1000);
		measure_start(&m);
		jobs->op->loop(jobs, jobs->count);
		measure_stop(&m);
		return m;
	}
	pthread_barrier_init(&gate, NULL, (unsigned)threads + 1);
	for (int i = 0; i < threads; i++) {
		jobs[i].gate = &gate;
		errno = pthread_create(&ids[i], NULL, work, &jobs[i]);
		if (errno)
			die("pthread_create");
	}
	pthread_barrier_wait(&gate);
	measure_start(&m);
	pthread_barrier_wait(&gate);
	pthread_barrier_wait(&gate);
	measure_stop(&m);
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	return m;
}

int main(int argc, char **argv)
{
	static struct job jobs[THREADS_MAX];
	const struct op *op = NULL;
	int threads = argc > 5 ? atoi(argv[5]) : 1;
	struct measure m;

	for (size_t i = 0; argc > 4 && i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(argv[1], ops[i].name))
			op = &ops[i];
	if (!op || threads < 1 || threads > THREADS_MAX || atol(argv[3]) < 1 || atol(argv[4]) < 1) {
		fprintf(stderr, "usage: loop OP FILE BYTES COUNT [THREADS]\nOP:");
		for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
			fprintf(stderr, " %s", ops[i].name);
		fprintf(stderr, "\n");
		return 2;
	}
	for (int i = 0; i < threads; i++)
		jobs[i] = (struct job){.op = op,
			.file = argv[2],
			.bytes = (size_t)atol(argv[3]),
			.count = atol(argv[4]),
			.random = 2463534242u + (uint32_t)i};
	m = run(jobs, threads);
	measure_print(&m, (double)jobs->count * op->calls * threads);
	return 0;
}
