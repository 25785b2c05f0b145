/* SPDX-License-Identifier: MIT */
/*
 * Descriptor numbers are the ones the kernel would have given, and nothing is made before it is needed.
 *
 * Owns:    the descriptors of the process.
 * Threads: one, and readers that keep the preload busy while numbers are given out.
 * Never:   makes an interposed call before a promise about the time before.
 */
#include "victim.h"

#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { LENGTH = 100000 };

static int file = -1;
static atomic_bool stop;
static atomic_int wrong;

static void *keep_busy(void *unused)
{
	char buf[512];

	(void)unused;
	while (!stop) {
		for (int i = 0; i < 20; i++) {
			if (pread(file, buf, 512, i * 700) != 512 || !is_pattern(buf, 512, (uint64_t)i * 700))
				wrong++;
			if (pwrite(file, buf, 512, i * 700) != 512)
				wrong++;
		}
	}
	return NULL;
}

/* Everything that makes a descriptor, then some closed, then again: always the lowest that is free. */
static void give_out(int round)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int made[24];
	int count = 0;
	int pair[2];
	DIR *directory;
	FILE *stream;

	snprintf(name.sun_path, sizeof(name.sun_path), "socket%d", round);
#define MADE(call)                                                                                                     \
	do {                                                                                                           \
		made[count] = (call);                                                                                  \
		say("%s: %d", #call, made[count]);                                                                     \
		count++;                                                                                               \
	} while (0)
	MADE(open("file", O_RDONLY));
	MADE(dup(made[0]));
	MADE(fcntl(made[0], F_DUPFD, 0));
	MADE(fcntl(made[0], F_DUPFD_CLOEXEC, 0));
	NEED(pipe(pair) == 0);
	MADE(pair[0]);
	MADE(pair[1]);
	MADE(socket(AF_UNIX, SOCK_STREAM, 0));
	NEED(bind(made[6], (struct sockaddr *)&name, sizeof(name)) == 0 && listen(made[6], 4) == 0);
	MADE(socket(AF_UNIX, SOCK_STREAM, 0));
	NEED(connect(made[7], (struct sockaddr *)&name, sizeof(name)) == 0);
	MADE(accept(made[6], NULL, NULL));
	MADE(epoll_create1(0));
	MADE(eventfd(0, 0));
	MADE(timerfd_create(CLOCK_MONOTONIC, 0));
	MADE(inotify_init1(0));
	MADE(creat("created", 0600));
	MADE(openat(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY));
	stream = fopen("file", "r");
	directory = opendir(".");
	NEED(stream != NULL && directory != NULL);
	say("fopen: %d, opendir: %d", fileno(stream), dirfd(directory));
	closedir(directory);
	fclose(stream);
	for (int i = 0; i < count; i += 2)
		close(made[i]);
	for (int i = 0; i < count; i += 2)
		say("lowest: %d", made[i] = dup(made[1]));
	for (int i = 0; i < count; i++)
		close(made[i]);
}

static void numbers_are_the_lowest_free(void)
{
	char buf[100];

	make_file("file", LENGTH);
	file = open("file", O_RDWR);
	say("first: %d", file);
	for (int round = 0; round < 3; round++) {
		give_out(round);
		SEE(pread(file, buf, 100, 0), "pread");
	}
	say_descriptors("open");
}

static void numbers_are_the_lowest_free_beside_busy_threads(void)
{
	pthread_t threads[4];

	make_file("file", LENGTH);
	file = open("file", O_RDWR);
	for (int i = 0; i < 4; i++)
		NEED(pthread_create(&threads[i], NULL, keep_busy, NULL) == 0);
	for (int round = 0; round < 10; round++)
		give_out(round);
	stop = true;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	verdict(wrong == 0, "the readers, %d wrong", wrong);
	say_descriptors("open");
}

static atomic_bool going;
static atomic_bool first_call_made;

static void *make_the_first_call(void *unused)
{
	char buf[100];

	(void)unused;
	while (!going)
		;
	if (pread(file, buf, 100, 0) != 100)
		wrong++;
	first_call_made = true;
	return NULL;
}

/* One process: a thread makes the first routed call of all while this one opens and closes. 0: no number was odd. */
static int open_beside_the_first_call(void)
{
	pthread_t thread;
	int odd = 0;
	int expected = raw_fcntl(file, F_DUPFD, 0);

	raw_close(expected);
	if (pthread_create(&thread, NULL, make_the_first_call, NULL) != 0)
		return 99;
	going = true;
	for (int after = 0; after < 20; after += first_call_made) {
		int fd = raw_open("file", O_RDONLY | O_CLOEXEC, 0);

		odd += fd != expected;
		raw_close(fd);
	}
	pthread_join(thread, NULL);
	return odd + wrong > 0 ? 1 : 0;
}

/* Not even for a moment does anybody else take a number: another thread's open would skip it. */
static void no_number_is_skipped_while_a_backend_starts(void)
{
	int bad = 0;

	make_file("file", LENGTH);
	file = raw_open("file", O_RDONLY, 0);
	for (int i = 0; i < 100; i++) {
		int status = 0;
		pid_t child = fork();

		if (child == 0)
			_exit(open_beside_the_first_call());
		NEED(waitpid(child, &status, 0) == child);
		bad += status != 0;
	}
	verdict(bad == 0, "processes in which one was: %d", bad);
}

/* A shell runs a program with its standard input closed: the first file opened is 0. */
static void numbers_below_three_are_given_out_too(void)
{
	char buf[100];

	say_on = raw_fcntl(1, F_DUPFD_CLOEXEC, 900);
	raw_close(0);
	raw_close(1);
	raw_close(2);
	make_file("file", LENGTH);
	for (int i = 0; i < 5; i++) {
		int fd = open("file", O_RDWR);

		say("open: %d", fd);
		SEE(pread(fd, buf, 100, 300), "pread");
		verdict(is_pattern(buf, 100, 300), "its bytes");
	}
	say_descriptors("open");
}

static void tell_what_is_there(const char *when)
{
	say("%s: %d threads", when, count_entries("task"));
	say_descriptors(when);
	say("%s: %d rings mapped", when, count_mappings("io_uring"));
}

/* Nothing but what the program made, until a call is routed; not even then a descriptor. */
static void nothing_is_made_before_the_first_routed_call(void)
{
	char buf[100];
	int ends[2];
	int pair[2];

	tell_what_is_there("at the start");
	NEED(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	SEE(write(ends[1], "abc", 3), "write to a pipe");
	SEE(read(ends[0], buf, 100), "read of a pipe");
	SEE(send(pair[0], "abc", 3, 0), "send");
	SEE(recv(pair[1], buf, 100, 0), "recv");
	SEE(read(77, buf, 1), "read of a closed number");
	SEE(close(dup(ends[0])), "dup and close");
	SEE(fcntl(ends[0], F_GETFL), "fcntl");
	tell_what_is_there("after calls that are passed on");
	file = open("/dev/null", O_RDWR);
	SEE(write(file, buf, 10), "write to /dev/null");
	SEE(read(file, buf, 10), "read of /dev/null");
	tell_what_is_there("after calls on a device");
}

static void no_descriptor_is_made_by_the_first_routed_call(void)
{
	char buf[100];

	make_file("file", LENGTH);
	file = open("file", O_RDWR);
	SEE(lseek(file, 10, SEEK_SET), "lseek");
	say_descriptors("opened");
	SEE(pread(file, buf, 100, 0), "pread");
	say_descriptors("after the first pread");
	SEE(write(file, buf, 100), "write");
	SEE(fsync(file), "fsync");
	say_descriptors("after more");
	say("numbers go on with %d", open("file", O_RDONLY));
	SEE(waitpid(-1, NULL, 0), "no child that is not the program's");
}

const struct promise promises[] = {
	{PROMISE(numbers_are_the_lowest_free)},
	{PROMISE(numbers_are_the_lowest_free_beside_busy_threads)},
	{PROMISE(no_number_is_skipped_while_a_backend_starts)},
	{PROMISE(numbers_below_three_are_given_out_too)},
	{PROMISE(nothing_is_made_before_the_first_routed_call)},
	{PROMISE(no_descriptor_is_made_by_the_first_routed_call)},
	{.name = NULL},
};
