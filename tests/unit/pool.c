/* SPDX-License-Identifier: MIT */
/*
 * The pool: elastic, capped, in two classes, and nobody's trouble when there are no threads.
 *
 * Owns:    hooks in the table of real calls.
 * Threads: the pool's.
 * Never:   waits for a worker to end by itself, which takes ten seconds.
 */
#include "unit.h"
#include "pool.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define CAP  4
#define MANY 100

static struct dftio_op ops[MANY];
static struct dftio_waiter waiters[MANY];
static char bytes[MANY];

static void begin(void)
{
	kill_when_stuck();
	use_backend("threadpool");
	dftio__config.pool_max = CAP;
}

TestSuite(pool, .init = begin);

static void submit(int i, enum dftio_op_code code, int fd)
{
	dftio__op_init_rw(&ops[i], code, fd, &bytes[i], 1, 0);
	dftio__waiter_init_futex(&waiters[i]);
	ops[i].waiter = &waiters[i];
	dftio__engine_submit(&ops[i]);
}

Test(pool, has_no_thread_before_it_is_used)
{
	cr_assert_str_eq(dftio__engine_backend()->name, "threadpool");
	cr_assert_eq(dftio__pool_threads(), 0);
	cr_assert_eq(count_threads("dftio"), 0);
}

Test(pool, keeps_one_worker_for_one_caller)
{
	int fd = make_file(1000);
	char c;

	for (int i = 0; i < 1000; i++)
		cr_assert_eq(run_rw(DFTIO_OP_PREAD, fd, &c, 1, i), 1);
	cr_assert_eq(dftio__pool_threads(), 1);
}

static void never_exceeds_its_cap(bool streams)
{
	int fd = make_file(MANY), p[2];

	cr_assert_eq(pipe(p), 0);
	for (int i = 0; i < MANY; i++) {
		submit(i, streams && i % 2 ? DFTIO_OP_READ : DFTIO_OP_PREAD, streams && i % 2 ? p[0] : fd);
		cr_assert_leq(dftio__pool_threads(), CAP);
	}
	for (int i = 0; i < MANY; i += 2)
		cr_assert_eq(dftio__engine_wait(&ops[i], NULL), 1);
	cr_assert_leq(dftio__pool_threads(), CAP);
	/* One more makes the workers: never carried out itself. */
	cr_assert_leq(count_threads("dftio"), CAP + 1);
	for (int i = 1; i < MANY; i += 2)
		cr_assert_eq(write(p[1], "x", 1), 1);
	for (int i = 1; i < MANY; i += 2)
		cr_assert_eq(dftio__engine_wait(&ops[i], NULL), 1);
}

Test(pool, never_has_more_threads_than_its_cap)
{
	never_exceeds_its_cap(false);
}

Test(pool, never_has_more_threads_than_its_cap_for_what_waits)
{
	never_exceeds_its_cap(true);
}

static _Atomic int reading, most_reading;
static sem_t read_begun;

static ssize_t read_that_counts(int fd, void *buf, size_t len)
{
	int now = atomic_fetch_add(&reading, 1) + 1;
	ssize_t n;

	if (now > most_reading)
		most_reading = now;
	sem_post(&read_begun);
	n = read(fd, buf, len);
	atomic_fetch_sub(&reading, 1);
	return n;
}

/* All that may wait are queued first; the workers that take them are one fewer than there may be. */
Test(pool, what_may_wait_never_takes_the_last_thread)
{
	int fd = make_file(100), p[2];
	char c;

	cr_assert_eq(pipe(p), 0);
	sem_init(&read_begun, 0, 0);
	dftio__sys.read = read_that_counts;
	for (int i = 0; i < MANY; i++)
		submit(i, DFTIO_OP_READ, p[0]);
	for (int i = 0; i < CAP - 1; i++)
		sem_wait(&read_begun);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(run_rw(DFTIO_OP_PREAD, fd, &c, 1, i), 1);
	cr_assert_eq(most_reading, CAP - 1);
	close(p[1]);
	for (int i = 0; i < MANY; i++)
		cr_assert_eq(dftio__engine_wait(&ops[i], NULL), 0);
	cr_assert_eq(most_reading, CAP - 1);
}

static int refuse_thread(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
	(void)t;
	(void)a;
	(void)fn;
	(void)arg;
	return EAGAIN;
}

Test(pool, that_gets_no_thread_leaves_the_operation_its_callers)
{
	int fd = make_file(100);
	struct dftio_op op;
	char c = 0;

	dftio__sys.thread_create = refuse_thread;
	for (int i = 0; i < 200; i++) {
		dftio__op_init_rw(&op, DFTIO_OP_PREAD, fd, &c, 1, 0);
		cr_assert_lt(dftio__pool_submit(&op), 0);
		cr_assert_eq(dftio__op_state(&op), DFTIO_OPS_READY);
	}
	cr_assert_eq(c, 0, "nobody has carried it out");
	cr_assert_eq(dftio__pool_threads(), 0);
	cr_assert_eq(run_rw(DFTIO_OP_PREAD, fd, &c, 1, 0), 1);
	cr_assert_eq(c, 'a');
}

Test(pool, asks_again_for_a_thread_after_it_was_refused)
{
	int fd = make_file(1000);
	char c;

	dftio__sys.thread_create = refuse_thread;
	cr_assert_eq(run_rw(DFTIO_OP_PREAD, fd, &c, 1, 0), 1);
	dftio__sys.thread_create = pthread_create;
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(run_rw(DFTIO_OP_PREAD, fd, &c, 1, i), 1);
	cr_assert_eq(dftio__pool_threads(), 1);
}

static sigset_t worker_mask;
static char worker_name[32];

static int fsync_that_looks(int fd)
{
	pthread_sigmask(SIG_SETMASK, NULL, &worker_mask);
	pthread_getname_np(pthread_self(), worker_name, sizeof(worker_name));
	return fsync(fd);
}

Test(pool, workers_take_no_signal_of_the_programs)
{
	int fd = make_file(100);
	struct dftio_op op;

	dftio__sys.fsync = fsync_that_looks;
	dftio__op_init(&op, DFTIO_OP_FSYNC, fd);
	cr_assert_eq(dftio__engine_run(&op), 0);
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && (sig < 32 || sig >= SIGRTMIN))
			cr_assert(sigismember(&worker_mask, sig), "signal %d", sig);
	cr_assert_eq(strncmp(worker_name, "dftio", 5), 0, "it can be told from the program's threads");
}

Test(pool, workers_leave_when_asked_and_come_again)
{
	int fd = make_file(100);
	char c;

	for (int i = 0; i < 20; i++) {
		cr_assert_eq(run_rw(DFTIO_OP_PREAD, fd, &c, 1, i), 1);
		dftio__pool_leave();
		cr_assert_eq(dftio__pool_threads(), 0);
	}
}

static _Atomic unsigned in_hook;

static ssize_t pread_that_marks(int fd, void *buf, size_t len, int64_t offset)
{
	atomic_fetch_add(&in_hook, 1);
	return pread(fd, buf, len, offset);
}

/* From many threads at once: each is carried out once. */
static void *read_many(void *arg)
{
	int fd = *(int *)arg;
	char c;

	for (int i = 0; i < 2000; i++)
		if (run_rw(DFTIO_OP_PREAD, fd, &c, 1, i % 26) != 1 || c != 'a' + i % 26)
			return NULL;
	return arg;
}

Test(pool, carries_each_out_once)
{
	int fd = make_file(100);
	pthread_t t[6];
	void *ok;

	dftio__sys.pread = pread_that_marks;
	for (int i = 0; i < 6; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, read_many, &fd), 0);
	for (int i = 0; i < 6; i++) {
		pthread_join(t[i], &ok);
		cr_assert_not_null(ok);
	}
	cr_assert_eq(in_hook, 6 * 2000);
	cr_assert_leq(dftio__pool_threads(), CAP);
}
