/* SPDX-License-Identifier: MIT */
/*
 * The peer of every passed-on call: the least that a preload can be, one jump to the next definition of the name.
 *
 * Owns one pointer per name, first set to a function that looks the real one up; no lock, because every thread that
 * comes first stores the same value. It must never do anything else: what it costs is what preloading costs.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static void *next(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (!p)
		abort();
	return p;
}

#define FORWARD(name, symbol, parameters, arguments)                                                                   \
	ssize_t forward_##name parameters __asm__(symbol);                                                             \
	static ssize_t first_##name parameters;                                                                        \
	static ssize_t(*next_##name) parameters = first_##name;                                                        \
	static ssize_t first_##name parameters                                                                         \
	{                                                                                                              \
		*(void **)&next_##name = next(symbol);                                                                 \
		return next_##name arguments;                                                                          \
	}                                                                                                              \
	ssize_t forward_##name parameters                                                                              \
	{                                                                                                              \
		return next_##name arguments;                                                                          \
	}

FORWARD(read, "read", (int fd, void *buf, size_t len), (fd, buf, len))
FORWARD(write, "write", (int fd, const void *buf, size_t len), (fd, buf, len))
FORWARD(pread, "pread", (int fd, void *buf, size_t len, off_t at), (fd, buf, len, at))
FORWARD(pread64, "pread64", (int fd, void *buf, size_t len, off_t at), (fd, buf, len, at))
FORWARD(pwrite, "pwrite", (int fd, const void *buf, size_t len, off_t at), (fd, buf, len, at))
FORWARD(pwrite64, "pwrite64", (int fd, const void *buf, size_t len, off_t at), (fd, buf, len, at))
FORWARD(send, "send", (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags))
FORWARD(recv, "recv", (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))
