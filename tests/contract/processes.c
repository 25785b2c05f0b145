/* SPDX-License-Identifier: MIT */
/*
 * Threads that come and go, processes that fork, signals: what surrounds the operations.
 *
 * Owns:    nothing.
 * Threads: many, short-lived.
 * Never:   asserts in a child, which would speak to the runner in its parent's name: a child says it by its status.
 */
#include "promise.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_SIZE (64 * KIB)

static int count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* A few operations of all sorts on a file of patterned bytes and a pipe; nothing of it asserts. */
static bool works(int file)
{
	unsigned char got[1000], want[1000];
	struct dftio_op op;
	bool ok = true;
	int ends[2];

	for (int i = 0; i < 10; i++) {
		dftio__op_init_rw(&op, DFTIO_OP_PREAD, file, got, sizeof(got), i * 977);
		ok = ok && dftio__engine_run(&op) == sizeof(got);
		fill_pattern(want, sizeof(want), (size_t)i * 977);
		ok = ok && memcmp(got, want, sizeof(got)) == 0;
	}
	dftio__op_init(&op, DFTIO_OP_FSYNC, file);
	ok = ok && dftio__engine_run(&op) == 0;
	if (pipe(ends) < 0)
		return false;
	dftio__op_init_rw(&op, DFTIO_OP_WRITE, ends[1], want, sizeof(want), 0);
	ok = ok && dftio__engine_run(&op) == sizeof(want);
	dftio__op_init_rw(&op, DFTIO_OP_READ, ends[0], got, sizeof(got), 0);
	ok = ok && dftio__engine_run(&op) == sizeof(got) && memcmp(got, want, sizeof(got)) == 0;
	close(ends[0]);
	close(ends[1]);
	return ok;
}

static void *work_once(void *arg)
{
	return works(*(int *)arg) ? arg : NULL;
}

/* Several at a time, so that their lanes overlap. */
static void churn(int file, int threads)
{
	enum { AT_ONCE = 8 };
	pthread_t t[AT_ONCE];
	void *ok;

	for (int done = 0; done < threads; done += AT_ONCE) {
		for (int i = 0; i < AT_ONCE; i++)
			cr_assert_eq(pthread_create(&t[i], NULL, work_once, &file), 0);
		for (int i = 0; i < AT_ONCE; i++) {
			pthread_join(t[i], &ok);
			cr_assert_not_null(ok);
		}
	}
}

PROMISE_OF_ALL(threads, that_come_and_go_leave_nothing_behind)
{
	struct pair f = file_pair(FILE_SIZE, O_RDWR);
	int before;

	churn(f.fd[ENGINE], 8);
	before = count_descriptors();
	churn(f.fd[ENGINE], 200);
	cr_assert_eq(count_descriptors(), before);
	cr_assert(works(f.fd[ENGINE]));
}

static int run_child(int file, int depth)
{
	pid_t child;
	int status;

	if (!works(file))
		return 1;
	if (depth == 0)
		return 0;
	child = fork();
	if (child == 0) {
		die_with_parent();
		_exit(run_child(file, depth - 1));
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		return 2;
	return works(file) ? 0 : 3;
}

static void forks_well(int file, int depth)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		die_with_parent();
		_exit(run_child(file, depth));
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0, "the child ended with %#x", (unsigned)status);
}

PROMISE_OF_ALL(fork, children_and_their_children_start_afresh)
{
	struct pair f = file_pair(FILE_SIZE, O_RDWR);

	forks_well(f.fd[ENGINE], 2);
	cr_assert(works(f.fd[ENGINE]));
	forks_well(f.fd[ENGINE], 2);
	cr_assert(works(f.fd[ENGINE]));
}

/* The child uses the engine while an operation of its parent's is in flight: that one still is the parent's alone. */
PROMISE_OF_ALL(fork, what_is_in_flight_stays_the_parents)
{
	struct pair f = file_pair(FILE_SIZE, O_RDWR);
	struct pipe_pair p = make_pipes(0), s = make_sockets(SOCK_STREAM);
	struct flight reads, receives;
	char a[10] = "", b[10] = "";

	dftio__op_init_rw(&reads.op, DFTIO_OP_READ, p.in.fd[ENGINE], a, sizeof(a), 0);
	dftio__op_init_rw(&receives.op, DFTIO_OP_RECV, s.in.fd[ENGINE], b, sizeof(b), 0);
	take_off(&reads);
	take_off(&receives);
	forks_well(f.fd[ENGINE], 1);
	cr_assert(backend_is_in_place() || (is_in_flight(&reads) && is_in_flight(&receives)));
	cr_assert_eq(write(p.out.fd[ENGINE], "parent", 6), 6);
	cr_assert_eq(write(s.out.fd[ENGINE], "parents", 7), 7);
	cr_assert_eq(land(&reads), 6);
	cr_assert_eq(land(&receives), 7);
	cr_assert_eq(memcmp(a, "parent", 6), 0);
	cr_assert_eq(memcmp(b, "parents", 7), 0);
}

static _Atomic bool stop;

static void *work_until_told(void *arg)
{
	while (!stop)
		if (!works(*(int *)arg))
			return NULL;
	return arg;
}

PROMISE_OF_ALL(fork, in_the_midst_of_other_threads_work)
{
	enum { WORKERS = 4 };
	struct pair f = file_pair(FILE_SIZE, O_RDWR);
	pthread_t t[WORKERS];
	void *ok;

	for (int i = 0; i < WORKERS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, work_until_told, &f.fd[ENGINE]), 0);
	for (int i = 0; i < 20; i++)
		forks_well(f.fd[ENGINE], 0);
	stop = true;
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(t[i], &ok);
		cr_assert_not_null(ok);
	}
}

/* What the library does of its own, now or a little later, must not cut short a call of the program's. */
PROMISE_OF_ALL(host, is_not_interrupted_without_a_signal)
{
	struct pair f = file_pair(FILE_SIZE, O_RDWR);
	int nothing = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev;

	for (int i = 0; i < 5; i++) {
		cr_assert(works(f.fd[ENGINE]));
		cr_assert_eq(epoll_wait(nothing, &ev, 1, 60), 0, "%s", strerror(errno));
	}
}

PROMISE_OF_ALL(host, keeps_its_signal_mask)
{
	struct pair f = file_pair(FILE_SIZE, O_RDWR);
	sigset_t set, after;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	cr_assert_eq(pthread_sigmask(SIG_SETMASK, &set, NULL), 0);
	cr_assert(works(f.fd[ENGINE]));
	cr_assert_eq(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
	for (int sig = 1; sig < SIGRTMIN; sig++)
		cr_assert_eq(sigismember(&after, sig), sigismember(&set, sig), "signal %d", sig);
	cr_assert_eq(dftio__tls.busy, 0);
}

static _Atomic int handled;
static int handler_file;
static _Atomic bool handler_worked;

static void on_signal(int sig)
{
	(void)sig;
	handler_worked = works(handler_file);
	handled++;
}

/* It waits until the operation is done, and may then do I/O of its own. */
PROMISE_OF_ALL(host, handlers_run_when_the_operation_is_done)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct pair f = file_pair(FILE_SIZE, O_RDWR);
	int before;

	handler_file = f.fd[ENGINE];
	sigaction(SIGUSR1, &act, NULL);
	for (int i = 0; i < 20; i++) {
		before = handled;
		pthread_kill(pthread_self(), SIGUSR1);
		cr_assert(works(f.fd[ENGINE]));
		cr_assert_eq(handled, before + 1);
		cr_assert(handler_worked);
	}
}

PROMISE_OF_ALL(host, has_no_descriptor_of_ours_among_its_own)
{
	struct pair f = file_pair(FILE_SIZE, O_RDWR);
	int lowest = dup(0);

	close(lowest);
	cr_assert(works(f.fd[ENGINE]));
	cr_assert_eq(dup(0), lowest, "the lowest free number is the program's");
}
