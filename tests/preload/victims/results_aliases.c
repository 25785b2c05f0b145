/* SPDX-License-Identifier: MIT */
/*
 * The double-underscore names under which libc exports the same calls. They are looked up at run time, as a
 * program linked against them would find them.
 *
 * Owns:    one file, one pair of sockets.
 * Threads: one.
 * Never:   assumes that a name exists; a libc without it shows a SKIP line for that name.
 */
#include "victim.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

/* The address behind a name; prints that there is none. ISO C has no cast from it to a function, hence memcpy. */
static bool find(const char *name, void *function)
{
	void *address = dlsym(RTLD_DEFAULT, name);

	memcpy(function, &address, sizeof(address));
	if (address == NULL)
		say("%s: none in this libc", name);
	return address != NULL;
}

static void files(void)
{
	int (*open_it)(const char *, int, ...);
	ssize_t (*read_it)(int, void *, size_t);
	ssize_t (*write_it)(int, const void *, size_t);
	ssize_t (*pread_it)(int, void *, size_t, off64_t);
	ssize_t (*pwrite_it)(int, const void *, size_t, off64_t);
	off_t (*seek_it)(int, off_t, int);
	int (*fcntl_it)(int, int, ...);
	int (*dup_it)(int, int);
	int (*close_it)(int);
	static const char *const opens[] = {"__open", "__open64"};
	static const char *const preads[] = {"__pread64", "__libc_pread"};
	static const char *const pwrites[] = {"__pwrite64", "__libc_pwrite"};
	char buf[100];
	int fd = -1;

	make_file("file", 1000);
	for (size_t i = 0; i < 2; i++) {
		if (find(opens[i], &open_it)) {
			SEE(fd = open_it("file", O_RDWR), "%s", opens[i]);
			SEE(open_it("missing", O_RDWR), "%s missing", opens[i]);
			SEE(open_it("made", O_RDWR | O_CREAT | O_CLOEXEC, 0640), "%s new", opens[i]);
		}
	}
	if (find("__read", &read_it)) {
		SEE(read_it(fd, buf, sizeof(buf)), "__read");
		verdict(is_pattern(buf, sizeof(buf), 0), "the bytes");
		SEE(read_it(77, buf, sizeof(buf)), "__read closed");
		SEE(read_it(fd, NULL, sizeof(buf)), "__read null");
	}
	if (find("__write", &write_it)) {
		SEE(write_it(fd, "0123456789", 10), "__write");
		SEE(write_it(77, buf, sizeof(buf)), "__write closed");
	}
	for (size_t i = 0; i < 2; i++) {
		if (find(preads[i], &pread_it)) {
			SEE(pread_it(fd, buf, sizeof(buf), 500), "%s", preads[i]);
			verdict(is_pattern(buf, sizeof(buf), 500), "the bytes");
			SEE(pread_it(fd, buf, sizeof(buf), -5), "%s negative", preads[i]);
			SEE(pread_it(77, buf, sizeof(buf), 0), "%s closed", preads[i]);
		}
		if (find(pwrites[i], &pwrite_it)) {
			SEE(pwrite_it(fd, "0123456789", 10, 995), "%s", pwrites[i]);
			SEE(pwrite_it(77, buf, sizeof(buf), 0), "%s closed", pwrites[i]);
		}
	}
	if (find("__lseek", &seek_it)) {
		SEE(seek_it(fd, 0, SEEK_CUR), "__lseek");
		SEE(seek_it(fd, -5, SEEK_SET), "__lseek negative");
	}
	if (find("__fcntl", &fcntl_it)) {
		SEE(fcntl_it(fd, F_GETFL), "__fcntl F_GETFL");
		SEE(fcntl_it(fd, F_DUPFD, 60), "__fcntl F_DUPFD");
		SEE(fcntl_it(fd, 9999, 0), "__fcntl unknown");
	}
	if (find("__dup2", &dup_it))
		SEE(dup_it(fd, 61), "__dup2");
	if (find("__close", &close_it)) {
		SEE(close_it(fd), "__close");
		SEE(close_it(fd), "__close again");
	}
	say_descriptors("open");
}

static void sockets(void)
{
	struct sockaddr_un nobody = {AF_UNIX, "nobody"};
	ssize_t (*send_it)(int, const void *, size_t, int);
	int (*connect_it)(int, const struct sockaddr *, socklen_t);
	ssize_t (*write_it)(int, const void *, size_t);
	ssize_t (*read_it)(int, void *, size_t);
	char buf[16];
	int pair[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	if (find("__send", &send_it)) {
		SEE(send_it(pair[0], "hello", 5, 0), "__send");
		SEE(send_it(0, "hello", 5, 0), "__send on no socket");
	}
	if (find("__connect", &connect_it))
		SEE(connect_it(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&nobody, sizeof(nobody)),
			"__connect");
	if (find("__write", &write_it))
		SEE(write_it(pair[0], "hello", 5), "__write");
	if (find("__read", &read_it))
		SEE(read_it(pair[1], buf, sizeof(buf)), "__read");
}

/* Names that programs built by other means ask for, and the fortified ones, found the same way. */
static void fortified_names(void)
{
	ssize_t (*read_it)(int, void *, size_t, size_t);
	ssize_t (*pread_it)(int, void *, size_t, off64_t, size_t);
	ssize_t (*recv_it)(int, void *, size_t, size_t, int);
	char buf[100];
	int pair[2];
	int fd;

	make_file("file", 1000);
	fd = open("file", O_RDWR);
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	if (find("__read_chk", &read_it)) {
		SEE(read_it(fd, buf, 50, sizeof(buf)), "__read_chk");
		SEE(read_it(77, buf, 50, sizeof(buf)), "__read_chk closed");
	}
	if (find("__pread_chk", &pread_it))
		SEE(pread_it(fd, buf, 50, 300, sizeof(buf)), "__pread_chk");
	if (find("__pread64_chk", &pread_it)) {
		SEE(pread_it(fd, buf, 50, 300, sizeof(buf)), "__pread64_chk");
		verdict(is_pattern(buf, 50, 300), "the bytes");
		SEE(pread_it(fd, buf, 50, -300, sizeof(buf)), "__pread64_chk negative");
	}
	raw_write(pair[0], "hello", 5);
	if (find("__recv_chk", &recv_it))
		SEE(recv_it(pair[1], buf, 50, sizeof(buf), 0), "__recv_chk");
}

/* Not a promise of its own: what run.py uses to see that the preload takes part at all. */
static void warm_up(void)
{
	char buf[100];
	int fd;

	make_file("file", 100000);
	fd = open("file", O_RDWR);
	for (int i = 0; i < 100; i++)
		NEED(pread(fd, buf, sizeof(buf), i * 1000) == 100);
}

const struct promise promises[] = {
	{PROMISE(files)},
	{PROMISE(sockets)},
	{PROMISE(fortified_names)},
	{PROMISE(warm_up), .hidden = true},
	{.name = NULL},
};
