/* SPDX-License-Identifier: MIT */
/*
 * No thread is to be had (RLIMIT_NPROC, a cgroup's limit): every operation is carried out all the same.
 *
 * Owns:    the refusal, in the table of real calls.
 * Threads: a test's first; the few that are allowed; a drain.
 * Never:   lets an operation wait for a thread that will not come.
 */
#include "promise.h"
#include "config.h"

#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic unsigned asked, allowed;

static int allow_some(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
	if (atomic_fetch_add(&asked, 1) >= allowed)
		return EAGAIN;
	return pthread_create(t, a, fn, arg);
}

static void allow_threads(unsigned n)
{
	asked = 0;
	allowed = n;
	dftio__sys.thread_create = allow_some;
}

static struct dftio_op plain_op(enum dftio_op_code code)
{
	struct dftio_op op;

	dftio__op_init(&op, code, -1);
	return op;
}

static void all_kinds_are_carried_out(void)
{
	struct pair f = file_pair(64 * KIB, O_RDWR), out = file_pair(0, O_RDWR);
	struct pipe_pair p = make_pipes(0), s = make_sockets(SOCK_STREAM);
	struct dftio_op op;
	int64_t offset = 0;
	struct stat st;

	cr_assert_eq(both_read(DFTIO_OP_READ, f, 1000, 0), 1000);
	cr_assert_eq(both_read(DFTIO_OP_PREADV, f, 1000, 5), 1000);
	cr_assert_eq(both_write(DFTIO_OP_WRITE, f, 1000, 0), 1000);
	cr_assert_eq(both_write(DFTIO_OP_PWRITE, f, 1000, 0), 1000);
	op = plain_op(DFTIO_OP_LSEEK);
	op.arg.seek.whence = SEEK_CUR;
	cr_assert_eq(both(f, &op), 2000);
	op = plain_op(DFTIO_OP_FSTAT);
	op.arg.stat.st = &st;
	cr_assert_eq(both(f, &op), 0);
	op = plain_op(DFTIO_OP_FSYNC);
	cr_assert_eq(both(f, &op), 0);
	op = plain_op(DFTIO_OP_SENDFILE);
	op.arg.copy.in = f.fd[KERNEL];
	op.arg.copy.in_off = &offset;
	op.arg.copy.len = 100;
	cr_assert_eq(both(out, &op), 100);
	cr_assert_eq(both_write(DFTIO_OP_WRITEV, p.out, 100, 0), 100);
	cr_assert_eq(both_read(DFTIO_OP_READV, p.in, 200, 0), 100);
	cr_assert_eq(both_send(s.out, 100, 0), 100);
	cr_assert_eq(both_recv(s.in, 100, MSG_WAITALL), 100);
	op = plain_op(DFTIO_OP_POLL);
	op.arg.poll.events = POLLIN;
	op.arg.poll.timeout_ms = 1;
	cr_assert_eq(both(p.in, &op), 0);
	op = plain_op(DFTIO_OP_SLEEP);
	op.arg.sleep.sec = op.arg.sleep.nsec = 0;
	cr_assert_eq(both(p.in, &op), 0);
	same_file(f);
}

PROMISE_OF_ALL(without_threads, every_operation_is_carried_out)
{
	allow_threads(0);
	all_kinds_are_carried_out();
	all_kinds_are_carried_out();
}

PROMISE_OF_ALL(without_threads, a_long_write_goes_to_the_end)
{
	struct pipe_pair p = make_pipes(0);
	unsigned char *bytes = malloc(KIB * KIB);
	struct dftio_op op;
	struct drain d;

	allow_threads(0);
	fill_pattern(bytes, KIB * KIB, 0);
	drain_start(&d, p.in.fd[ENGINE], KIB * KIB);
	dftio__op_init_rw(&op, DFTIO_OP_WRITE, p.out.fd[ENGINE], bytes, KIB * KIB, 0);
	cr_assert_eq(call_engine(&op), KIB * KIB);
	drain_join(&d);
	free(bytes);
}

PROMISE_OF_ALL(without_threads, a_few_are_enough)
{
	for (unsigned n = 1; n <= 3; n++) {
		allow_threads(n);
		all_kinds_are_carried_out();
	}
}

static sem_t worker_waits;

static ssize_t writev_that_tells(int fd, const struct iovec *iov, int n)
{
	sem_post(&worker_waits);
	return writev(fd, iov, n);
}

/* The one worker there is waits for ever, and no other is to be had: what comes now must not wait for it. */
PROMISE_OF_ALL(without_threads, a_worker_that_waits_is_none)
{
	static char fill[64 * 1024];
	struct pipe_pair p = make_pipes(0);
	struct iovec iov;
	struct flight f;

	sem_init(&worker_waits, 0, 0);
	dftio__sys.writev = writev_that_tells;
	cr_assert_eq(write(p.out.fd[ENGINE], fill, sizeof(fill)), sizeof(fill));
	make_transfer(&f.op, DFTIO_OP_WRITEV, p.out.fd[ENGINE], fill, 100, 0, &iov);
	take_off(&f);
	sem_wait(&worker_waits);
	dftio__sys.writev = writev;
	allow_threads(0);
	all_kinds_are_carried_out();
	cr_assert_eq(read(p.in.fd[ENGINE], fill, sizeof(fill)), sizeof(fill));
	cr_assert_eq(land(&f), 100);
}

static void many_in_flight(unsigned threads)
{
	enum { READS = 8 };
	struct pair f = file_pair(64 * KIB, O_RDWR);
	unsigned char buf[READS][512];
	struct flight r[READS];

	allow_threads(threads);
	for (int i = 0; i < READS; i++) {
		dftio__op_init_rw(&r[i].op, DFTIO_OP_READ, f.fd[ENGINE], buf[i], 512, 0);
		take_off(&r[i]);
	}
	for (int i = READS - 1; i >= 0; i--)
		cr_assert_eq(land(&r[i]), 512);
	cr_assert_eq(lseek(f.fd[ENGINE], 0, SEEK_CUR), READS * 512);
}

PROMISE_OF_ALL(without_threads, what_is_in_flight_is_not_forgotten)
{
	for (unsigned n = 0; n <= 3; n++)
		many_in_flight(n);
}
