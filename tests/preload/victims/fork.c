/* SPDX-License-Identifier: MIT */
/*
 * fork from a program whose threads are in the middle of their I/O: the child can do I/O, the parent's goes on.
 * The same for children made past libc's fork, where no handler of pthread_atfork runs.
 *
 * Owns:    a file that all read, one that each child makes.
 * Threads: WORKERS that read and write files until told to stop; the first forks.
 * Never:   does more in a child than a program may: calls that are async-signal-safe, and _exit.
 */
#include "victim.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { WORKERS = 8, LENGTH = 1 << 20, FORKS = 300, PIECE = 4096 };

static int file = -1;
static atomic_bool stop;
static atomic_int wrong;
static atomic_int started;

/* One round of everything, on descriptors of its own. Returns 0, or the number of the step that went wrong. */
static int round_of_io(const char *name, int seed)
{
	unsigned char buf[PIECE];
	off64_t at = (off64_t)(seed * 7919 % (LENGTH - PIECE));
	struct iovec halves[2] = {{buf, PIECE / 2}, {buf + PIECE / 2, PIECE / 2}};
	int own;

	if (pread(file, buf, PIECE, at) != PIECE || !is_pattern(buf, PIECE, (uint64_t)at))
		return 1;
	own = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (own < 0)
		return 2;
	if (write(own, buf, PIECE) != PIECE)
		return 3;
	if (pwritev(own, halves, 2, PIECE) != PIECE)
		return 4;
	memset(buf, 0, PIECE);
	if (lseek(own, 100, SEEK_SET) != 100 || read(own, buf, 1000) != 1000 ||
		!is_pattern(buf, 1000, (uint64_t)at + 100))
		return 5;
	memset(buf, 0, PIECE);
	if (preadv(own, halves, 2, PIECE) != PIECE || !is_pattern(buf, PIECE, (uint64_t)at))
		return 6;
	if (close(own) != 0)
		return 7;
	return 0;
}

static void *work(void *argument)
{
	char name[32];
	int seed = (int)(intptr_t)argument;

	snprintf(name, sizeof(name), "worker%d", seed);
	started++;
	while (!stop) {
		if (round_of_io(name, seed++) != 0)
			wrong++;
	}
	return NULL;
}

static void start(pthread_t workers[WORKERS])
{
	make_file("file", LENGTH);
	file = open("file", O_RDONLY);
	NEED(file >= 0);
	for (intptr_t i = 0; i < WORKERS; i++)
		NEED(pthread_create(&workers[i], NULL, work, (void *)i) == 0);
	while (started < WORKERS)
		sched_yield();
}

static void finish(pthread_t workers[WORKERS])
{
	stop = true;
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	verdict(wrong == 0, "the parent's threads, %d wrong", wrong);
	say("first thread: step %d", round_of_io("first", 1));
}

static pid_t by_fork(void)
{
	return fork();
}

#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
#define HAVE_FORK_WITHOUT_HANDLERS 1
static pid_t by_fork_without_handlers(void)
{
	return _Fork();
}
#endif

static pid_t by_clone(void)
{
	return (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, NULL, NULL, 0L);
}

static void fork_under_fire(pid_t (*make_child)(void), int forks)
{
	pthread_t workers[WORKERS];
	int bad = 0;

	start(workers);
	for (int i = 0; i < forks; i++) {
		int status = 0;
		pid_t child = make_child();

		if (child == 0)
			_exit(round_of_io("child", i));
		NEED(child > 0 && waitpid(child, &status, 0) == child);
		if (status != 0 && bad++ < 5)
			say("child %d: status %#x", i, (unsigned)status);
	}
	verdict(bad == 0, "%d children, %d bad", forks, bad);
	finish(workers);
}

static void forks_from_a_busy_program(void)
{
	fork_under_fire(by_fork, FORKS);
}

static void forks_without_handlers(void)
{
#ifdef HAVE_FORK_WITHOUT_HANDLERS
	fork_under_fire(by_fork_without_handlers, FORKS);
#else
	skip("no _Fork in this C library");
#endif
}

static void clones_past_libc(void)
{
#ifdef __x86_64__
	fork_under_fire(by_clone, FORKS);
#else
	(void)by_clone;
	skip("the order of clone's arguments is not known here");
#endif
}

/* Several children at a time, each with a child and a thread of its own. */
static void *thread_in_child(void *argument)
{
	return (void *)(intptr_t)round_of_io("thread", (int)(intptr_t)argument);
}

static int family(int seed)
{
	pthread_t thread;
	void *result = NULL;
	int status = 0;
	pid_t child;

	if (round_of_io("child", seed) != 0)
		return 10;
	/* The workers are gone in here; a thread of the child's own finds everything working. */
	if (pthread_create(&thread, NULL, thread_in_child, (void *)(intptr_t)seed) != 0)
		return 11;
	pthread_join(thread, &result);
	if (result != NULL)
		return 20 + (int)(intptr_t)result;
	child = fork();
	if (child == 0)
		_exit(round_of_io("grandchild", seed));
	if (waitpid(child, &status, 0) != child || status != 0)
		return 30;
	return round_of_io("child", seed + 1);
}

static void families(void)
{
	pthread_t workers[WORKERS];
	int bad = 0;

	start(workers);
	for (int i = 0; i < 10; i++) {
		pid_t children[4];

		for (int c = 0; c < 4; c++) {
			children[c] = fork();
			if (children[c] == 0) {
				char name[32];

				snprintf(name, sizeof(name), "family%d", c);
				if (RAW(SYS_mkdirat, AT_FDCWD, name, 0755) != 0 && errno != EEXIST)
					_exit(99);
				if (RAW(SYS_chdir, name) != 0)
					_exit(98);
				_exit(family(i * 4 + c));
			}
		}
		for (int c = 0; c < 4; c++) {
			const char *end = ending(children[c]);

			if (strcmp(end, "exit 0") != 0 && bad++ < 5)
				say("family: %s", end);
		}
	}
	verdict(bad == 0, "%d bad", bad);
	finish(workers);
}

/* The position and the file are shared; each sees what the other did. */
static void parent_and_child_share_the_position(void)
{
	char buf[100];
	pid_t child;

	make_file("file", LENGTH);
	file = open("file", O_RDWR);
	SEE(read(file, buf, 100), "parent");
	child = fork();
	if (child == 0) {
		SEE(read(file, buf, 100), "child");
		verdict(is_pattern(buf, 100, 100), "its bytes");
		SEE(pwrite(file, "child was here", 14, 5000), "child");
		SEE(lseek(file, 1000, SEEK_CUR), "child");
		_exit(0);
	}
	say("%s", ending(child));
	SEE(read(file, buf, 100), "parent");
	verdict(is_pattern(buf, 100, 1200), "its bytes");
	SEE(pread(file, buf, 14, 5000), "parent");
	verdict(memcmp(buf, "child was here", 14) == 0, "the child's bytes");
}

/* The program's own handlers of pthread_atfork do I/O. */
static void handler_io(void)
{
	char buf[100];

	if (pread(file, buf, 100, 300) != 100 || !is_pattern(buf, 100, 300) || read(file, buf, 1) != 1 ||
		pwrite(file, buf, 1, LENGTH + 1) != 1)
		wrong++;
}

static void handlers_of_fork_do_io(void)
{
	make_file("file", LENGTH);
	file = open("file", O_RDWR);
	NEED(pthread_atfork(handler_io, handler_io, handler_io) == 0);
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(round_of_io("child", i) + (wrong != 0 ? 100 : 0));
		say("%s", ending(child));
	}
	verdict(wrong == 0, "the handlers, %d wrong", wrong);
	say("position %lld", (long long)raw_seek(file, 0, SEEK_CUR));
}

/* Before the first routed call of the parent: nothing is there to inherit. */
static void forks_before_any_io(void)
{
	make_file("file", LENGTH);
	file = raw_open("file", O_RDONLY, 0);
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(family(i));
		say("%s", ending(child));
	}
	say("parent: step %d", round_of_io("parent", 1));
	say_descriptors("open");
}

/* A generation after the other, each forked by a thread that is not the first. */
static void *fork_in_a_thread(void *argument)
{
	int depth = (int)(intptr_t)argument;
	pthread_t thread;
	pid_t child;

	if (round_of_io("generation", depth) != 0)
		_exit(40 + depth);
	if (depth == 0)
		return NULL;
	child = fork();
	if (child == 0) {
		if (pthread_create(&thread, NULL, fork_in_a_thread, (void *)(intptr_t)(depth - 1)) != 0)
			_exit(50);
		pthread_join(thread, NULL);
		_exit(0);
	}
	say("generation %d: %s", depth, ending(child));
	return NULL;
}

static void generations(void)
{
	pthread_t thread;

	make_file("file", LENGTH);
	file = open("file", O_RDONLY);
	NEED(pthread_create(&thread, NULL, fork_in_a_thread, (void *)(intptr_t)6) == 0);
	pthread_join(thread, NULL);
	say("step %d", round_of_io("last", 1));
}

const struct promise promises[] = {
	{PROMISE(forks_from_a_busy_program)},
	{PROMISE(forks_without_handlers)},
	{PROMISE(clones_past_libc)},
	{PROMISE(families)},
	{PROMISE(parent_and_child_share_the_position)},
	{PROMISE(handlers_of_fork_do_io)},
	{PROMISE(forks_before_any_io)},
	{PROMISE(generations)},
	{.name = NULL},
};
