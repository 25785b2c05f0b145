/* SPDX-License-Identifier: MIT */
/*
 * A program built with _FORTIFY_SOURCE, which calls __read_chk and its like: the same results, and the same death
 * when a length exceeds the buffer.
 *
 * Owns:    one file, one pair of sockets.
 * Threads: one.
 * Never:   overflows in this process: children do.
 */
#include "victim.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Values the compiler cannot know, so that the checks stay in the program. */
static volatile size_t fifty = 50;
static volatile size_t too_many = 101;
static volatile int read_write = O_RDWR;

/* True when this executable's file contains the name of an imported symbol, between two zero bytes. */
static bool imports(const char *name)
{
	struct stat st;
	char wanted[64] = "";
	char *file;
	int fd = raw_open("/proc/self/exe", O_RDONLY, 0);
	bool found;

	NEED(fd >= 0 && fstat(fd, &st) == 0);
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	NEED(file != MAP_FAILED);
	/* Put together here, so that the name asked for is not itself found. */
	snprintf(wanted + 1, sizeof(wanted) - 1, "__%s", name);
	found = memmem(file, (size_t)st.st_size, wanted, strlen(wanted + 1) + 2) != NULL;
	munmap(file, (size_t)st.st_size);
	raw_close(fd);
	return found;
}

static void the_program_imports_fortified_names(void)
{
	static const char *const names[] = {
		"read_chk", "pread64_chk", "open64_2", "openat64_2", "recv_chk", "recvfrom_chk", "poll_chk"};

	if (!imports("read_chk"))
		skip("this compiler and C library make no fortified calls");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		verdict(imports(names[i]), "__%s", names[i]);
}

static void fortified_calls_give_the_same(void)
{
	char buf[100];
	struct pollfd ready[1];
	int pair[2];
	int fd;

	make_file("file", 1000);
	SEE(fd = open("file", read_write), "open");
	SEE(open64("missing", read_write), "open64");
	SEE(openat(AT_FDCWD, "file", read_write), "openat");
	SEE(openat64(AT_FDCWD, "file", read_write), "openat64");
	SEE(read(fd, buf, fifty), "read");
	verdict(is_pattern(buf, 50, 0), "the bytes");
	SEE(pread(fd, buf, fifty, 200), "pread");
	verdict(is_pattern(buf, 50, 200), "the bytes");
	SEE(pread64(fd, buf, fifty, 980), "pread64 near the end");
	SEE(pread(fd, buf, fifty, -1), "pread at -1");
	SEE(read(77, buf, fifty), "read of a closed number");
	SEE(lseek(fd, 0, SEEK_CUR), "position");
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	raw_write(pair[0], "hello, world", 12);
	SEE(recv(pair[1], buf, fifty / 10, 0), "recv");
	SEE(recvfrom(pair[1], buf, fifty, MSG_DONTWAIT, NULL, NULL), "recvfrom");
	SEE(recv(pair[1], buf, fifty, MSG_DONTWAIT), "recv of nothing");
	SEE(recv(fd, buf, fifty, 0), "recv of a file");
	ready[0] = (struct pollfd){pair[0], POLLOUT, 0};
	SEE(poll(ready, fifty / 50, 0), "poll");
}

static void overflow(int which, int fd, int socket)
{
	char buf[100];

	switch (which) {
	case 0:
		say("%zd", read(fd, buf, too_many));
		break;
	case 1:
		say("%zd", pread(fd, buf, too_many, 0));
		break;
	case 2:
		say("%zd", pread64(fd, buf, too_many, 0));
		break;
	case 3:
		say("%zd", recv(socket, buf, too_many, MSG_DONTWAIT));
		break;
	default:
		say("%zd", recvfrom(socket, buf, too_many, MSG_DONTWAIT, NULL, NULL));
		break;
	}
	say("%d", buf[0] == 'x');
}

static void an_overflow_still_ends_the_program(void)
{
	int pair[2];
	int fd;

	make_file("file", 1000);
	fd = open("file", O_RDWR);
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	for (int which = 0; which < 5; which++) {
		pid_t child = fork();

		if (child == 0) {
			RAW(SYS_dup3, raw_open("/dev/null", O_WRONLY, 0), 2, 0);
			overflow(which, fd, pair[1]);
			_exit(0);
		}
		say("%d: %s", which, ending(child));
	}
}

const struct promise promises[] = {
	{PROMISE(the_program_imports_fortified_names)},
	{PROMISE(fortified_calls_give_the_same)},
	{PROMISE(an_overflow_still_ends_the_program)},
	{.name = NULL},
};
