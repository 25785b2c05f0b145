/* SPDX-License-Identifier: MIT */
/*
 * Every way to end, also while threads are in the middle of their I/O: the same wait status, the same output, and
 * what was written before is in the file.
 *
 * Owns:    children, each of which ends in another way.
 * Threads: in the children: WORKERS that read and write, and some that wait on a pipe for ever.
 * Never:   ends the parent in another way than by returning from main.
 */
#include "victim.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { LENGTH = 1 << 18, WORKERS = 4 };

static int file = -1;
static int output = -1;
static int pipe_ends[2];
static atomic_int started;

static void *work(void *argument)
{
	char buf[4096];
	int number = (int)(intptr_t)argument;

	started++;
	for (int i = 0;; i++) {
		if (pread(file, buf, sizeof(buf), i % 60 * 4096) != sizeof(buf))
			_exit(90);
		if (pwrite(file, buf, sizeof(buf), i % 60 * 4096) != sizeof(buf))
			_exit(91);
		if (number == 0 && fdatasync(file) != 0)
			_exit(92);
	}
	return NULL;
}

static void *wait_for_ever(void *unused)
{
	char byte;

	(void)unused;
	started++;
	read(pipe_ends[0], &byte, 1);
	return NULL;
}

static void say_handler_ran(void)
{
	char buf[100];

	say("a handler ran, pread %zd", pread(file, buf, 100, 0));
}

/* Children of which the last line of text must be in the file "output", whichever way they end. */
static void in_a_child(const char *what, void (*end)(void), int workers)
{
	char text[64] = "";
	pid_t child = fork();

	if (child == 0) {
		pthread_t thread;

		NEED(atexit(say_handler_ran) == 0 && at_quick_exit(say_handler_ran) == 0);
		for (intptr_t i = 0; i < workers; i++)
			NEED(pthread_create(&thread, NULL, work, (void *)i) == 0);
		if (workers > 0) {
			NEED(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
			while (started < workers + 1)
				sched_yield();
		}
		NEED(pwrite(output, what, strlen(what), 0) == (ssize_t)strlen(what));
		end();
		say("it went on");
	}
	say("%s: %s", what, ending(child));
	NEED(raw_pread(output, text, strlen(what), 0) > 0);
	verdict(strcmp(text, what) == 0, "its text is in the file");
}

static void prepare(void)
{
	make_file("file", LENGTH);
	file = open("file", O_RDWR);
	output = open("output", O_RDWR | O_CREAT, 0644);
	NEED(file >= 0 && output >= 0 && raw_pipe(pipe_ends, 0) == 0);
}

static void by_exit(void)
{
	exit(3);
}

static void by__exit(void)
{
	_exit(4);
}

static void by__Exit(void)
{
	_Exit(5);
}

static void by_quick_exit(void)
{
	quick_exit(6);
}

static void by_abort(void)
{
	abort();
}

static void by_kill(void)
{
	kill(getpid(), SIGKILL);
}

static void by_term(void)
{
	kill(getpid(), SIGTERM);
}

static void by_fault(void)
{
	*(volatile int *)(uintptr_t)8 = 1;
}

static void by_system_call(void)
{
	syscall(SYS_exit_group, 7);
}

static void *exit_in_thread(void *unused)
{
	(void)unused;
	exit(8);
}

static void by_exit_in_a_thread(void)
{
	pthread_t thread;

	NEED(pthread_create(&thread, NULL, exit_in_thread, NULL) == 0);
	pthread_join(thread, NULL);
}

static const struct way {
	const char *name;
	void (*end)(void);
} ways[] = {{"exit", by_exit}, {"_exit", by__exit}, {"_Exit", by__Exit}, {"quick_exit", by_quick_exit},
	{"abort", by_abort}, {"SIGKILL", by_kill}, {"SIGTERM", by_term}, {"a fault", by_fault},
	{"exit_group", by_system_call}, {"exit in a thread", by_exit_in_a_thread}};

static void ways_to_end(void)
{
	prepare();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		in_a_child(ways[i].name, ways[i].end, 0);
}

static void ways_to_end_in_the_middle_of_io(void)
{
	prepare();
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
			in_a_child(ways[i].name, ways[i].end, WORKERS);
	}
}

/* The process has made no call of its own yet. */
static void ways_to_end_before_any_io(void)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		pid_t child = fork();

		if (child == 0)
			ways[i].end();
		say("%s: %s", ways[i].name, ending(child));
	}
}

/* Killed from outside while its threads read, write and wait. */
static void killed_from_outside(void)
{
	prepare();
	for (int i = 0; i < 20; i++) {
		int ends[2];
		char byte;
		pid_t child;

		NEED(raw_pipe(ends, O_CLOEXEC) == 0);
		child = fork();
		if (child == 0) {
			pthread_t thread;

			for (intptr_t k = 0; k < WORKERS; k++)
				NEED(pthread_create(&thread, NULL, work, (void *)k) == 0);
			while (started < WORKERS)
				sched_yield();
			raw_write(ends[1], "x", 1);
			work(NULL);
		}
		NEED(raw_read(ends[0], &byte, 1) == 1);
		kill(child, i % 2 == 0 ? SIGKILL : SIGTERM);
		say("%s", ending(child));
		raw_close(ends[0]);
		raw_close(ends[1]);
	}
}

static void the_process_returns_from_main(void)
{
	char buf[100];

	prepare();
	NEED(atexit(say_handler_ran) == 0);
	SEE(pread(file, buf, 100, 0), "pread");
}

/* main returns while other threads read, write and wait. */
static void the_process_returns_from_main_in_the_middle_of_io(void)
{
	pthread_t thread;

	prepare();
	for (intptr_t i = 0; i < WORKERS; i++)
		NEED(pthread_create(&thread, NULL, work, (void *)i) == 0);
	NEED(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
	while (started < WORKERS + 1)
		sched_yield();
	NEED(atexit(say_handler_ran) == 0);
}

static void abort_ends_the_process_itself(void)
{
	char buf[100];

	prepare();
	SEE(pread(file, buf, 100, 0), "pread");
	say("ends with: signal 6");
	abort();
}

/* The status is the program's, and stdio's buffers are written where they belong. */
static void exit_flushes_what_stdio_holds(void)
{
	prepare();
	for (int i = 0; i < 2; i++) {
		char text[64] = "";
		pid_t child = fork();
		int fd;

		if (child == 0) {
			FILE *stream = fopen("stream", "w");

			NEED(stream != NULL);
			fputs("held back", stream);
			NEED(pwrite(output, "x", 1, 0) == 1);
			if (i == 0)
				exit(0);
			_exit(0);
		}
		say("%s", ending(child));
		fd = raw_open("stream", O_RDONLY, 0);
		say("%zd bytes", raw_read(fd, text, sizeof(text)));
		raw_close(fd);
	}
}

const struct promise promises[] = {
	{PROMISE(ways_to_end)},
	{PROMISE(ways_to_end_in_the_middle_of_io)},
	{PROMISE(ways_to_end_before_any_io)},
	{PROMISE(killed_from_outside)},
	{PROMISE(the_process_returns_from_main)},
	{PROMISE(the_process_returns_from_main_in_the_middle_of_io)},
	{PROMISE(abort_ends_the_process_itself)},
	{PROMISE(exit_flushes_what_stdio_holds)},
	{.name = NULL},
};
