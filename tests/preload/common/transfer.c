/* SPDX-License-Identifier: MIT */
/*
 * One function per interposed name of the read and write family, all of one signature.
 *
 * Owns:    nothing.
 * Threads: any; also signal handlers and vfork children.
 * Never:   does anything but the call: no retry, no look at the result.
 */
#include "transfer.h"

#include "victim.h"

#include <string.h>
#include <sys/uio.h>

/*
 * Two pieces where that is interesting: not for lengths that no buffer has, and cut where a page ends, or not at
 * all, when an O_DIRECT file could take the whole.
 */
static int pieces(struct iovec vector[2], void *buf, size_t len)
{
	size_t cut = len >= 8192 ? 4096 : len % 512 == 0 ? 0 : len / 2;

	if (len > (1U << 30) || cut == 0) {
		vector[0] = (struct iovec){buf, len};
		return 1;
	}
	vector[0] = (struct iovec){buf, cut};
	vector[1] = (struct iovec){(char *)buf + cut, len - cut};
	return 2;
}

#define PLAIN(name)                                                                                                    \
	static ssize_t by_##name(int fd, void *buf, size_t len, off64_t offset)                                        \
	{                                                                                                              \
		(void)offset;                                                                                          \
		return name(fd, buf, len);                                                                             \
	}
#define PLAIN_AT(name)                                                                                                 \
	static ssize_t by_##name(int fd, void *buf, size_t len, off64_t offset)                                        \
	{                                                                                                              \
		return name(fd, buf, len, offset);                                                                     \
	}
#define VECTOR(name)                                                                                                   \
	static ssize_t by_##name(int fd, void *buf, size_t len, off64_t offset)                                        \
	{                                                                                                              \
		struct iovec vector[2];                                                                                \
		int count = pieces(vector, buf, len);                                                                  \
                                                                                                                       \
		(void)offset;                                                                                          \
		return name(fd, vector, count);                                                                        \
	}
#define VECTOR_AT(name)                                                                                                \
	static ssize_t by_##name(int fd, void *buf, size_t len, off64_t offset)                                        \
	{                                                                                                              \
		struct iovec vector[2];                                                                                \
		int count = pieces(vector, buf, len);                                                                  \
                                                                                                                       \
		return name(fd, vector, count, offset);                                                                \
	}
#define VECTOR_FLAGS(name)                                                                                             \
	static ssize_t by_##name(int fd, void *buf, size_t len, off64_t offset)                                        \
	{                                                                                                              \
		struct iovec vector[2];                                                                                \
		int count = pieces(vector, buf, len);                                                                  \
                                                                                                                       \
		return name(fd, vector, count, offset, 0);                                                             \
	}

PLAIN(read)
PLAIN_AT(pread)
PLAIN_AT(pread64)
VECTOR(readv)
VECTOR_AT(preadv)
VECTOR_AT(preadv64)
VECTOR_FLAGS(preadv2)
VECTOR_FLAGS(preadv64v2)
PLAIN(write)
PLAIN_AT(pwrite)
PLAIN_AT(pwrite64)
VECTOR(writev)
VECTOR_AT(pwritev)
VECTOR_AT(pwritev64)
VECTOR_FLAGS(pwritev2)
VECTOR_FLAGS(pwritev64v2)

const struct transfer transfers[] = {
	{"read", by_read, false, false, false},
	{"pread", by_pread, false, true, false},
	{"pread64", by_pread64, false, true, false},
	{"readv", by_readv, false, false, true},
	{"preadv", by_preadv, false, true, true},
	{"preadv64", by_preadv64, false, true, true},
	{"preadv2", by_preadv2, false, true, true},
	{"preadv64v2", by_preadv64v2, false, true, true},
	{"write", by_write, true, false, false},
	{"pwrite", by_pwrite, true, true, false},
	{"pwrite64", by_pwrite64, true, true, false},
	{"writev", by_writev, true, false, true},
	{"pwritev", by_pwritev, true, true, true},
	{"pwritev64", by_pwritev64, true, true, true},
	{"pwritev2", by_pwritev2, true, true, true},
	{"pwritev64v2", by_pwritev64v2, true, true, true},
	{NULL, NULL, false, false, false},
};

const struct transfer *transfer_named(const char *name)
{
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		if (strcmp(t->name, name) == 0)
			return t;
	}
	give_up(name);
}
