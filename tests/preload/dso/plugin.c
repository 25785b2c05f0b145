/* SPDX-License-Identifier: MIT */
/*
 * A library that is loaded at run time, and does I/O in its constructor, when asked, and in its destructor.
 *
 * Owns:    the file "plugin" of the current directory.
 * Threads: the one that loads, calls or unloads it.
 * Never:   prints by an interposed name.
 */
#include "../common/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int plugin_io(const char *when);

static void tell(const char *when, const char *what, long ret, int err)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s, %s: %ld errno %d\n", when, what, ret, err);

	RAW(SYS_write, 1, line, (size_t)len);
}

#define TELL(call)                                                                                                     \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		long ret_ = (long)(call);                                                                              \
		tell(when, #call, ret_, errno);                                                                        \
	} while (0)

int plugin_io(const char *when)
{
	char buf[32] = "text of the plug-in";
	struct iovec vector = {buf, 10};
	int fd = -1;

	TELL(fd = open("plugin", O_RDWR | O_CREAT | O_TRUNC, 0644));
	TELL(write(fd, buf, 19));
	TELL(pwrite(fd, "T", 1, 0));
	TELL(pread(fd, buf, 32, 0));
	TELL(memcmp(buf, "Text of the plug-in", 19));
	TELL(readv(fd, &vector, 1));
	TELL(pwritev(fd, &vector, 1, 100));
	TELL(lseek(fd, 5, SEEK_SET));
	TELL(read(fd, buf, 2));
	TELL(pread(fd, buf, 4, -1));
	TELL(fsync(fd));
	TELL(close(fd));
	TELL(read(fd, buf, 1));
	return fd;
}

__attribute__((constructor)) static void begin(void)
{
	plugin_io("constructor");
}

__attribute__((destructor)) static void end(void)
{
	plugin_io("destructor");
}
