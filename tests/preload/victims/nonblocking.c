/* SPDX-License-Identifier: MIT */
/*
 * O_NONBLOCK means what it means natively: nothing on a regular file, EAGAIN at once on what can wait for ever.
 *
 * Owns:    files, pipes and sockets of its own.
 * Threads: one. SIGALRM, which nobody handles, ends a call that waits.
 * Never:   relies on how fast a disk is: a cold file's bytes are asked for, not the time.
 */
#include "transfer.h"
#include "victim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

enum { LENGTH = 1 << 20, PIECE = 65536 };

static void limit_the_wait(void)
{
	alarm(20);
}

static void make_cold(int fd)
{
	NEED(RAW(SYS_fdatasync, fd) == 0);
	NEED(RAW(SYS_fadvise64, fd, 0L, 0L, POSIX_FADV_DONTNEED) == 0);
}

static void ask_file(int flags)
{
	char *buf = aligned_alloc(4096, PIECE);
	int wrong = 0;
	int fd;

	limit_the_wait();
	make_file("file", LENGTH);
	fd = open("file", O_RDWR | O_NONBLOCK | flags);
	if (fd < 0)
		skip("the file system does not take these flags");
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		for (int i = 0; i < 4; i++) {
			off64_t at = (off64_t)i * (LENGTH / 4);
			ssize_t n;

			make_cold(fd);
			raw_seek(fd, at, SEEK_SET);
			fill_pattern(buf, PIECE, (uint64_t)at);
			if (!t->writes)
				memset(buf, 0, PIECE);
			errno = ERRNO_BEFORE;
			n = t->call(fd, buf, PIECE, at);
			saw(n, errno, "%s cold at %lld", t->name, (long long)at);
			wrong += n != PIECE || !is_pattern(buf, PIECE, (uint64_t)at);
		}
	}
	verdict(wrong == 0, "whole and right every time");
}

static void a_cold_file_is_read_whole(void)
{
	ask_file(0);
}

static void a_cold_direct_file_is_read_whole(void)
{
	ask_file(O_DIRECT);
}

static void a_cold_synchronous_file_is_written_whole(void)
{
	ask_file(O_DSYNC);
}

static void an_appended_file_grows_whole(void)
{
	static char block[PIECE];
	int fd = open("log", O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0644);
	struct stat st;

	limit_the_wait();
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		if (t->writes)
			SEE(t->call(fd, block, sizeof(block), 0), "%s", t->name);
	}
	SEE(fsync(fd), "fsync");
	NEED(fstat(fd, &st) == 0);
	say("size %lld", (long long)st.st_size);
}

/* Set by fcntl after the first use, on a duplicate, and taken away again: status flags belong to the open file. */
static void a_flag_set_later_counts(void)
{
	char buf[100];
	int ends[2];
	int copy;

	limit_the_wait();
	NEED(raw_pipe(ends, 0) == 0);
	raw_write(ends[1], "0123456789", 10);
	SEE(read(ends[0], buf, 5), "blocking");
	copy = raw_fcntl(ends[0], F_DUPFD, 50);
	SEE(fcntl(copy, F_SETFL, O_NONBLOCK), "set on the duplicate");
	SEE(read(ends[0], buf, 100), "what is left");
	SEE(read(ends[0], buf, 100), "nothing");
	SEE(readv(ends[0], &(struct iovec){buf, 100}, 1), "readv nothing");
	SEE(raw_fcntl(ends[0], F_GETFL, 0) & O_NONBLOCK, "raw flag");
	raw_fcntl(copy, F_SETFL, 0);
	raw_write(ends[1], "x", 1);
	SEE(read(ends[0], buf, 100), "blocking again");
}

static void ask_empty(const char *kind, int fd)
{
	static char buf[PIECE];

	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		if (!t->writes) {
			SEE(t->call(fd, buf, 100, -1), "%s %s", kind, t->name);
			SEE(t->call(fd, buf, PIECE, -1), "%s %s, more", kind, t->name);
		}
	}
	SEE(recv(fd, buf, 100, 0), "%s recv", kind);
}

static void ask_full(const char *kind, int fd)
{
	static char buf[1 << 20];
	ssize_t n;
	int rounds = 0;

	while ((n = raw_write(fd, buf, sizeof(buf))) > 0 && rounds < 10000)
		rounds++;
	while ((n = raw_write(fd, buf, 1)) > 0 && rounds < 100000)
		rounds++;
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		if (t->writes) {
			SEE(t->call(fd, buf, 1, -1), "%s %s", kind, t->name);
			SEE(t->call(fd, buf, sizeof(buf), -1), "%s %s, more", kind, t->name);
		}
	}
	SEE(send(fd, buf, 1, 0), "%s send", kind);
}

static void empty_and_full(void)
{
	int ends[2];
	int pair[2];
	int fifo;

	limit_the_wait();
	NEED(raw_pipe(ends, O_NONBLOCK) == 0);
	ask_empty("pipe", ends[0]);
	ask_full("pipe", ends[1]);
	NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	ask_empty("stream", pair[0]);
	ask_full("stream", pair[1]);
	NEED(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) == 0);
	ask_empty("datagram", pair[0]);
	ask_full("datagram", pair[1]);
	NEED(mkfifo("fifo", 0600) == 0);
	fifo = open("fifo", O_RDWR | O_NONBLOCK);
	ask_empty("fifo", fifo);
	ask_full("fifo", fifo);
	ask_empty("counter", eventfd(0, EFD_NONBLOCK));
	ask_empty("timer", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
}

/* A write that fits in part: the rest is not waited for, and what fits arrives. */
static void a_partial_write_to_a_pipe(void)
{
	static char block[100000];
	int ends[2];
	int waiting = 0;

	limit_the_wait();
	fill_pattern(block, sizeof(block), 0);
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		if (!t->writes || (t->positional && !t->vectored))
			continue;
		NEED(raw_pipe(ends, O_NONBLOCK) == 0);
		raw_write(ends[1], block, 1000);
		SEE(t->call(ends[1], block, sizeof(block), -1), "%s", t->name);
		SEE(t->call(ends[1], block, 4096, -1), "%s again", t->name);
		NEED(ioctl(ends[0], FIONREAD, &waiting) == 0);
		say("  waiting %d", waiting);
		raw_close(ends[0]);
		raw_close(ends[1]);
	}
}

static void sockets_asked_not_to_wait(void)
{
	static char block[1 << 20];
	int pair[2];

	limit_the_wait();
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	SEE(recv(pair[0], block, 100, MSG_DONTWAIT), "recv nothing");
	verdict(send(pair[1], block, sizeof(block), MSG_DONTWAIT) > 0, "send a part");
	while (RAW(SYS_sendto, pair[1], block, 1, MSG_DONTWAIT, NULL, 0) > 0)
		;
	SEE(send(pair[1], block, sizeof(block), MSG_DONTWAIT), "send to the full");
	SEE(recv(pair[0], block, 100, MSG_DONTWAIT), "recv");
}

const struct promise promises[] = {
	{PROMISE(a_cold_file_is_read_whole)},
	{PROMISE(a_cold_direct_file_is_read_whole)},
	{PROMISE(a_cold_synchronous_file_is_written_whole)},
	{PROMISE(an_appended_file_grows_whole)},
	{PROMISE(a_flag_set_later_counts)},
	{PROMISE(empty_and_full)},
	{PROMISE(a_partial_write_to_a_pipe)},
	{PROMISE(sockets_asked_not_to_wait)},
	{.name = NULL},
};
