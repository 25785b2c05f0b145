/* SPDX-License-Identifier: MIT */
/*
 * A library that a program is linked with: its constructor runs before that of a preload, its destructor after it.
 * Both make every interposed call.
 *
 * Owns:    the files "early" and "early.log" of the current directory, while a call of early_calls lasts.
 * Threads: the one that loads, and the one that ends the process.
 * Never:   calls anything but what is under test and snprintf: little else works as early.
 */
#include "early.h"
#include "../common/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static const char *phase = "?";
static int at_the_end;

static void tell(const char *what, long ret, int err)
{
	char line[160];
	int len = snprintf(line, sizeof(line), "%s, %s: %ld errno %d\n", phase, what, ret, err);

	RAW(SYS_write, 1, line, (size_t)len);
}

#define TELL(call)                                                                                                     \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		long ret_ = (long)(call);                                                                              \
		tell(#call, ret_, errno);                                                                              \
	} while (0)

static void call_transfers(int fd)
{
	char buf[64] = "text of a file";
	char more[16];
	struct iovec vector[2] = {{buf, 5}, {more, 5}};

	TELL(write(fd, buf, 14));
	TELL(writev(fd, vector, 1));
	TELL(pwrite(fd, "X", 1, 3));
	TELL(pwrite64(fd, "Y", 1, 4));
	TELL(pwritev(fd, vector, 1, 30));
	TELL(pwritev64(fd, vector, 1, 40));
	TELL(pwritev2(fd, vector, 1, 50, 0));
	TELL(pwritev64v2(fd, vector, 1, -1, 0));
	TELL(lseek(fd, 0, SEEK_SET));
	TELL(read(fd, buf, 6));
	TELL(memcmp(buf, "texXY", 5));
	TELL(readv(fd, vector, 2));
	TELL(pread(fd, buf, 64, 2));
	TELL(pread64(fd, buf, 64, 1000));
	TELL(preadv(fd, vector, 2, 0));
	TELL(preadv64(fd, vector, 2, 10));
	TELL(preadv2(fd, vector, 2, -1, 0));
	TELL(preadv64v2(fd, vector, 2, 0, 0));
	TELL(lseek64(fd, 0, SEEK_CUR));
}

static void call_descriptors(int fd)
{
	int journal = openat(AT_FDCWD, "early.log", O_RDWR | O_CREAT | O_APPEND, 0600);
	off64_t at = 0;

	TELL(sendfile(journal, fd, NULL, 10));
	TELL(sendfile(fd, journal, NULL, 10));
	TELL(sendfile64(fd, journal, &at, 10));
	TELL(copy_file_range(fd, &at, fd, NULL, 1, 0));
	TELL(fsync(fd));
	TELL(fdatasync(fd));
	TELL(sync_file_range(fd, 0, 0, 7));
	TELL(ftruncate(fd, 100));
	TELL(ftruncate64(fd, 90));
	TELL(fcntl(fd, F_GETFD));
	TELL(fcntl(fd, F_DUPFD_CLOEXEC, 30));
	TELL(fcntl64(fd, F_SETFD, FD_CLOEXEC));
	TELL(dup(fd));
	TELL(dup2(fd, 35));
	TELL(dup3(fd, 36, O_CLOEXEC));
	TELL(pread(36, (char[4]){0}, 4, 0));
	TELL(close(36));
	TELL(close(36));
	TELL(close_range(30, 35, 0));
	TELL(close(journal));
	TELL(creat("early.log", 0600));
	TELL(close(journal));
}

static void call_sockets(void)
{
	struct sockaddr_un nobody = {AF_UNIX, "nobody"};
	char buf[16];
	int pair[2] = {-1, -1};

	TELL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	TELL(send(pair[0], "hello", 5, 0));
	TELL(recv(pair[1], buf, 3, 0));
	TELL(read(pair[1], buf, 16));
	TELL(write(pair[1], "back", 4));
	TELL(recvfrom(pair[0], buf, 16, 0, NULL, NULL));
	TELL(accept(pair[0], NULL, NULL));
	TELL(accept4(pair[0], NULL, NULL, 0));
	TELL(connect(pair[0], (struct sockaddr *)&nobody, sizeof(nobody)));
	TELL(close(pair[0]));
	TELL(recv(pair[1], buf, 16, MSG_DONTWAIT));
	TELL(close(pair[1]));
}

void early_calls(const char *when)
{
	int fd;

	phase = when;
	fd = open("early", O_RDWR | O_CREAT | O_TRUNC, 0640);
	tell("open", fd, 0);
	TELL(open64("missing", O_RDONLY));
	TELL(openat64(AT_FDCWD, "missing", O_RDONLY));
	call_transfers(fd);
	call_descriptors(fd);
	call_sockets();
	TELL(close(fd));
	TELL(read(fd, (char[1]){0}, 1));
	TELL(pwrite(-1, "x", 1, 0));
	close_range(3, 29, 0);
}

void early_call_at_the_end(void)
{
	at_the_end = 1;
}

/* glibc passes main's arguments; a victim's second one names the promise. */
__attribute__((constructor)) static void begin(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "every_call_in_an_earlier_constructor") == 0)
		early_calls("constructor");
}

__attribute__((destructor)) static void end(void)
{
	if (at_the_end)
		early_calls("destructor");
}
