/* SPDX-License-Identifier: MIT */
/*
 * exec: descriptors are passed on as the program left them, nothing of ours is among them, and the next program
 * starts afresh.
 *
 * Owns:    the descriptors it hands to itself, run again with a hidden promise's name.
 * Threads: one when it execs, or several in the middle of their I/O, which exec ends.
 * Never:   lets the hidden part run by itself.
 */
#include "victim.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

enum { LENGTH = 100000, PASSED = 10 };

static int file = -1;

/* What the program finds that was executed. */
static void after_exec(void)
{
	unsigned char buf[1000];

	say_descriptors("inherited");
	say("threads %d", count_entries("task"));
	SEE(lseek(PASSED, 0, SEEK_CUR), "position");
	SEE(read(PASSED, buf, 1000), "read");
	verdict(is_pattern(buf, 1000, 1000), "its bytes");
	SEE(pread(PASSED, buf, 1000, 5000), "pread");
	verdict(is_pattern(buf, 1000, 5000), "its bytes");
	SEE(pwrite(PASSED, buf, 1000, 5000), "pwrite");
	SEE(write(PASSED, buf, 0), "write of nothing");
	SEE(read(PASSED + 1, buf, 10), "read of the pipe");
	SEE(fcntl(PASSED, F_GETFL), "F_GETFL");
	say("next number %d", open("file", O_RDONLY));
	for (char **entry = environ; *entry != NULL; entry++) {
		if (strncmp(*entry, "TEST_MARK=", 10) == 0)
			say("%s", *entry);
	}
}

static void prepare(void)
{
	unsigned char buf[1000];
	int ends[2];
	int fd;

	make_file("file", LENGTH);
	fd = open("file", O_RDWR);
	NEED(fd >= 0 && dup2(fd, PASSED) == PASSED && close(fd) == 0);
	file = PASSED;
	NEED(pipe(ends) == 0 && dup2(ends[0], PASSED + 1) == PASSED + 1);
	NEED(fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0);
	SEE(write(ends[1], "abc", 3), "write to the pipe");
	SEE(open("file", O_RDONLY | O_CLOEXEC), "one that is not passed on");
	SEE(read(file, buf, 1000), "read");
	SEE(pwrite(file, buf, 1000, 0), "pwrite");
	SEE(fsync(file), "fsync");
}

static void execute(void)
{
	execl("/proc/self/exe", "exec", "after_exec", (char *)NULL);
	SEE(-1, "execl");
}

static void descriptors_are_passed_on(void)
{
	prepare();
	execute();
}

static void descriptors_are_passed_on_to_a_child(void)
{
	pid_t child;

	prepare();
	child = fork();
	if (child == 0) {
		execute();
		_exit(127);
	}
	say("%s", ending(child));
	SEE(lseek(file, 0, SEEK_CUR), "position");
}

/* With an environment of the program's own making: without the preload, if it did not think of it. */
static void an_environment_of_its_own(void)
{
	char *arguments[] = {(char *)(uintptr_t) "exec", (char *)(uintptr_t) "after_exec", NULL};
	char *environment[] = {(char *)(uintptr_t) "TEST_MARK=1", NULL};
	pid_t child;

	prepare();
	child = fork();
	if (child == 0) {
		execve("/proc/self/exe", arguments, environment);
		_exit(127);
	}
	say("%s", ending(child));
}

static void by_every_name(void)
{
	char *arguments[] = {(char *)(uintptr_t) "exec", (char *)(uintptr_t) "after_exec", NULL};
	char path[512];
	ssize_t n;

	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	NEED(n > 0);
	path[n] = '\0';
	for (int name = 0; name < 8; name++) {
		pid_t child;

		prepare();
		child = fork();
		if (child == 0) {
			int self = raw_open("/proc/self/exe", O_RDONLY | O_CLOEXEC, 0);

			say("--- name %d", name);
			if (name == 0)
				execv(path, arguments);
			else if (name == 1)
				execve(path, arguments, environ);
			else if (name == 2)
				execvp(path, arguments);
			else if (name == 3)
				execvpe(path, arguments, environ);
			else if (name == 4)
				fexecve(self, arguments, environ);
			else if (name == 5)
				execl(path, "exec", "after_exec", (char *)NULL);
			else if (name == 6)
				execlp(path, "exec", "after_exec", (char *)NULL);
			else
				execle(path, "exec", "after_exec", (char *)NULL, environ);
			_exit(127);
		}
		say("%s", ending(child));
		RAW(SYS_close_range, 3U, ~0U, 0U);
	}
}

/* It fails: the program goes on, and so does its I/O. */
static void a_failed_exec_changes_nothing(void)
{
	char buf[1000];

	prepare();
	for (int i = 0; i < 3; i++) {
		SEE(execl("/nonexistent", "nothing", (char *)NULL), "execl");
		SEE(execlp("no-such-program", "nothing", (char *)NULL), "execlp");
		SEE(pread(file, buf, 1000, 700), "pread");
		verdict(is_pattern(buf, 1000, 700), "its bytes");
		SEE(read(file, buf, 100), "read");
	}
	say_descriptors("open");
}

static atomic_int started;

static void *keep_reading(void *unused)
{
	char buf[4096];

	(void)unused;
	started++;
	for (int i = 0;; i++) {
		pread(file, buf, sizeof(buf), i % 20 * 4096);
		pwrite(file, buf, sizeof(buf), i % 20 * 4096);
	}
	return NULL;
}

static void threads_in_the_middle_of_their_io_end(void)
{
	for (int i = 0; i < 10; i++) {
		pid_t child;

		prepare();
		child = fork();
		if (child == 0) {
			pthread_t thread;

			for (int k = 0; k < 4; k++)
				NEED(pthread_create(&thread, NULL, keep_reading, NULL) == 0);
			while (started < 4)
				sched_yield();
			execute();
			_exit(127);
		}
		say("%s", ending(child));
		RAW(SYS_close_range, 3U, ~0U, 0U);
	}
}

const struct promise promises[] = {
	{PROMISE(descriptors_are_passed_on)},
	{PROMISE(descriptors_are_passed_on_to_a_child)},
	{PROMISE(an_environment_of_its_own)},
	{PROMISE(by_every_name)},
	{PROMISE(a_failed_exec_changes_nothing)},
	{PROMISE(threads_in_the_middle_of_their_io_end)},
	{PROMISE(after_exec), .hidden = true},
	{.name = NULL},
};
