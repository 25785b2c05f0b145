/* SPDX-License-Identifier: MIT */
/*
 * Programs that close what they did not open, or put something else there: the calls give the kernel's answers for
 * every number, and I/O goes on afterwards.
 *
 * Owns:    all descriptors above 2.
 * Threads: one, and in one promise a second that reads meanwhile.
 * Never:   closes standard output, where the observations go.
 */
#include "victim.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>

enum { LENGTH = 100000 };

static int highest;

/* Opens a file and does everything with it. */
static void io_goes_on(const char *when)
{
	unsigned char buf[1000];
	struct iovec halves[2] = {{buf, 500}, {buf + 500, 500}};
	int ends[2];
	int fd;

	make_file("file", LENGTH);
	SEE(fd = open("file", O_RDWR), "%s: open", when);
	NEED(fd >= 0);
	SEE(pread(fd, buf, 1000, 3000), "%s: pread", when);
	verdict(is_pattern(buf, 1000, 3000), "its bytes");
	SEE(read(fd, buf, 1000), "%s: read", when);
	verdict(is_pattern(buf, 1000, 0), "its bytes");
	SEE(preadv(fd, halves, 2, 50), "%s: preadv", when);
	verdict(is_pattern(buf, 1000, 50), "its bytes");
	SEE(pwrite(fd, buf, 1000, LENGTH), "%s: pwrite", when);
	fill_pattern(buf, 10, 1000);
	SEE(write(fd, buf, 10), "%s: write", when);
	SEE(fsync(fd), "%s: fsync", when);
	NEED(raw_pipe(ends, 0) == 0);
	SEE(write(ends[1], "abc", 3), "%s: write to a pipe", when);
	SEE(read(ends[0], buf, 10), "%s: read of a pipe", when);
	say_descriptors(when);
	SEE(close(ends[0]), "%s: close", when);
	SEE(close(ends[1]), "%s: close", when);
	SEE(close(fd), "%s: close", when);
}

static void begin(rlim_t limit)
{
	struct rlimit files;

	NEED(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = files.rlim_max < limit ? files.rlim_max : limit;
	NEED(setrlimit(RLIMIT_NOFILE, &files) == 0);
	highest = (int)files.rlim_cur;
	io_goes_on("before");
}

static void closing_every_number(void)
{
	begin(4096);
	for (int round = 0; round < 3; round++) {
		int closed = 0;
		int refused = 0;

		for (int fd = 3; fd < highest + 10; fd++) {
			errno = ERRNO_BEFORE;
			if (close(fd) == 0)
				closed++;
			else
				refused += errno == EBADF;
		}
		say("closed %d", closed);
		verdict(closed + refused == highest + 7, "all others were not open");
		io_goes_on("after");
	}
}

static void closing_a_range(void)
{
	begin(4096);
	SEE(close_range(3, ~0U, 0), "close_range");
	io_goes_on("after");
	SEE(close_range(3, INT_MAX, 0), "close_range to INT_MAX");
	io_goes_on("after");
	SEE(close_range(3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */), "close_range, on exec");
	io_goes_on("after");
	SEE(close_range(3, ~0U, 2 /* CLOSE_RANGE_UNSHARE */), "close_range, unshared");
	io_goes_on("after");
}

static void closing_from_a_number(void)
{
	begin(4096);
	errno = ERRNO_BEFORE;
	closefrom(3);
	say("closefrom: %s", errno_name(errno));
	io_goes_on("after");
	closefrom(3);
	closefrom(-100 + 103);
	io_goes_on("after");
}

/* One file stays open in the middle; its position and content are left alone. */
static void closing_around_a_file(void)
{
	char buf[100];
	int kept;

	begin(4096);
	kept = open("file", O_RDWR);
	SEE(read(kept, buf, 100), "read");
	SEE(dup2(kept, 40), "dup2");
	SEE(close_range(3, 39, 0), "close_range below");
	SEE(close_range(41, ~0U, 0), "close_range above");
	SEE(read(40, buf, 100), "read");
	verdict(is_pattern(buf, 100, 100), "its bytes");
	io_goes_on("after");
	SEE(pread(40, buf, 100, 500), "pread");
	verdict(is_pattern(buf, 100, 500), "its bytes");
}

static void duplicating_onto_every_number(void)
{
	char buf[100];
	int right = 0;
	int pipe_right = 0;
	int ends[2];
	int fd;

	begin(1024);
	fd = open("file", O_RDWR);
	for (int n = 3; n < highest; n++) {
		if (n != fd)
			right += dup2(fd, n) == n;
	}
	say("duplicated %d", right);
	right = 0;
	for (int n = 3; n < highest; n++)
		right += pread(n, buf, 100, n * 10) == 100 && is_pattern(buf, 100, (uint64_t)n * 10);
	say("read %d", right);
	SEE(read(highest - 1, buf, 100), "read of the last");
	SEE(dup(fd), "dup when all are in use");
	SEE(open("file", O_RDONLY), "open when all are in use");
	for (int n = 500; n < highest; n++)
		raw_close(n);
	say("open %d", count_entries("fd"));
	NEED(raw_pipe(ends, O_NONBLOCK) == 0);
	for (int n = 500; n < highest; n++) {
		if (n != ends[0] && n != ends[1])
			pipe_right += dup3(ends[0], n, O_CLOEXEC) == n;
	}
	say("pipes %d", pipe_right);
	pipe_right = 0;
	for (int n = 500; n < highest; n++)
		pipe_right += read(n, buf, 1) == -1 && (errno == EAGAIN || n == ends[1]);
	say("empty %d", pipe_right);
	SEE(pread(499, buf, 100, 0), "pread of a file");
	closefrom(3);
	io_goes_on("after");
}

static atomic_bool stop;
static atomic_int wrong;

static void *keep_reading(void *argument)
{
	char buf[256];
	int fd = *(int *)argument;

	while (!stop) {
		for (int i = 0; i < 20; i++) {
			if (pread(fd, buf, 256, i * 300) != 256 || !is_pattern(buf, 256, (uint64_t)i * 300))
				wrong++;
		}
	}
	return NULL;
}

/* A thread reads its file all the while; the loop spares that number only. */
static void closing_everything_else_beside_a_reader(void)
{
	pthread_t thread;
	int fd;

	begin(1024);
	fd = open("file", O_RDONLY);
	NEED(dup2(fd, 700) == 700);
	fd = 700;
	NEED(pthread_create(&thread, NULL, keep_reading, &fd) == 0);
	for (int round = 0; round < 20; round++) {
		for (int n = 3; n < highest; n++) {
			if (n != fd)
				close(n);
		}
		close_range(3, 699, 0);
		close_range(701, ~0U, 0);
	}
	stop = true;
	pthread_join(thread, NULL);
	verdict(wrong == 0, "the reader, %d wrong", wrong);
	say_descriptors("open");
}

/* 0, 1 and 2 are numbers like others to a daemon. */
static void standard_descriptors_are_numbers_like_others(void)
{
	char buf[100];

	say_on = raw_fcntl(1, F_DUPFD_CLOEXEC, 900);
	make_file("file", LENGTH);
	SEE(close(0), "close 0");
	SEE(close(1), "close 1");
	SEE(close(2), "close 2");
	SEE(open("file", O_RDWR), "open");
	SEE(open("file", O_RDWR | O_APPEND), "open");
	SEE(open("err", O_RDWR | O_CREAT, 0644), "open");
	SEE(pread(0, buf, 100, 100), "pread");
	verdict(is_pattern(buf, 100, 100), "its bytes");
	SEE(write(1, buf, 100), "append");
	SEE(write(2, buf, 10), "write");
	SEE(read(0, buf, 100), "read");
	say("sizes %lld %lld", (long long)raw_seek(1, 0, SEEK_END), (long long)raw_seek(2, 0, SEEK_END));
	say_descriptors("open");
}

static void listing_is_the_same_before_and_after(void)
{
	char buf[100];
	int fd;

	say_descriptors("at the start");
	make_file("file", LENGTH);
	fd = open("file", O_RDWR);
	say_descriptors("opened");
	for (int i = 0; i < 1000; i++) {
		NEED(pread(fd, buf, 100, i) == 100);
		NEED(pwrite(fd, buf, 100, i) == 100);
	}
	SEE(fsync(fd), "fsync");
	say_descriptors("after I/O");
	SEE(close(fd), "close");
	say_descriptors("closed");
}

const struct promise promises[] = {
	{PROMISE(closing_every_number)},
	{PROMISE(closing_a_range)},
	{PROMISE(closing_from_a_number)},
	{PROMISE(closing_around_a_file)},
	{PROMISE(duplicating_onto_every_number)},
	{PROMISE(closing_everything_else_beside_a_reader)},
	{PROMISE(standard_descriptors_are_numbers_like_others)},
	{PROMISE(listing_is_the_same_before_and_after)},
	{.name = NULL},
};
