/* SPDX-License-Identifier: MIT */
/*
 * The flags of preadv2 and pwritev2, known and unknown, and offset -1, which moves the position.
 *
 * Owns:    the descriptors under test, set back before each call.
 * Threads: one.
 * Never:   prints what RWF_NOWAIT may decide either way.
 */
#include "victim.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { LENGTH = 20000, PAGE = 4096 };

/* By value: not every C library's headers know them all. */
enum {
	HIPRI = 0x1,
	DSYNC = 0x2,
	SYNC = 0x4,
	NOWAIT = 0x8,
	APPEND = 0x10,
	NOAPPEND = 0x20,
	ATOMIC = 0x40,
	DONTCACHE = 0x80,
	UNKNOWN = 0x1000,
};

static const int every_flags[] = {0, HIPRI, DSYNC, SYNC, DSYNC | SYNC, APPEND, NOAPPEND, APPEND | NOAPPEND, ATOMIC,
	DONTCACHE, UNKNOWN, UNKNOWN | NOWAIT, 1 << 30, -1};
static const off64_t every_offset[] = {0, 5000, 30000, -1, -2, INT64_MAX};

static void reset(int fd, int other)
{
	static unsigned char content[LENGTH];
	char sink[4096];

	fill_pattern(content, sizeof(content), 0);
	raw_truncate(other, 0);
	if (raw_pwrite(other, content, LENGTH, 0) == LENGTH) {
		raw_seek(fd, 300, SEEK_SET);
		return;
	}
	while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0 || recv(other, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
	raw_write(other, content, 1000);
}

static void look(int fd, int other, ssize_t ret, int err, const char *name, int flags, off64_t offset, const char *buf)
{
	char content[2 * LENGTH];
	ssize_t n = raw_pread(other, content, sizeof(content), 0);

	say("%s flags=%#x off=%lld: %zd %s pos=%lld size=%lld file=%08x bytes=%08x", name, (unsigned)flags,
		(long long)offset, ret, errno_name(err), (long long)raw_seek(fd, 0, SEEK_CUR),
		(long long)raw_seek(other, 0, SEEK_END), n > 0 ? checksum(content, (size_t)n) : 0, checksum(buf, PAGE));
}

static void ask(int fd, int other)
{
	static char buf[PAGE] __attribute__((aligned(4096)));
	struct iovec vector = {buf, PAGE};

	NEED(fd >= 0);
	for (size_t f = 0; f < sizeof(every_flags) / sizeof(every_flags[0]); f++) {
		for (size_t o = 0; o < sizeof(every_offset) / sizeof(every_offset[0]); o++) {
			int flags = every_flags[f];
			off64_t offset = every_offset[o];
			ssize_t ret;

#define ASK(name)                                                                                                      \
	do {                                                                                                           \
		reset(fd, other);                                                                                      \
		memset(buf, 0x33, sizeof(buf));                                                                        \
		errno = ERRNO_BEFORE;                                                                                  \
		ret = name(fd, &vector, 1, offset, flags);                                                             \
		look(fd, other, ret, errno, #name, flags, offset, buf);                                                \
	} while (0)
			ASK(preadv2);
			ASK(preadv64v2);
			ASK(pwritev2);
			ASK(pwritev64v2);
#undef ASK
		}
	}
}

static void ask_file(int flags)
{
	make_file("file", LENGTH);
	ask(raw_open("file", flags, 0), raw_open("file", O_RDWR, 0));
}

static void flags_on_a_file(void)
{
	ask_file(O_RDWR);
}

static void flags_on_an_append_file(void)
{
	ask_file(O_RDWR | O_APPEND);
}

static void flags_on_a_read_only_file(void)
{
	ask_file(O_RDONLY);
}

static void flags_on_a_direct_file(void)
{
	int fd;

	make_file("file", LENGTH);
	fd = raw_open("file", O_RDWR | O_DIRECT, 0);
	if (fd < 0)
		skip("no O_DIRECT on this file system");
	ask(fd, raw_open("file", O_RDWR, 0));
}

static void flags_on_tmpfs(void)
{
	int fd;

	if (on_tmpfs() == NULL)
		skip("no tmpfs");
	fd = make_unnamed(on_tmpfs(), LENGTH);
	ask(fd, fd);
}

static void flags_on_a_socket(void)
{
	int pair[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	ask(pair[0], pair[1]);
}

static void flags_on_the_zero_device(void)
{
	ask(raw_open("/dev/zero", O_RDWR, 0), -1);
}

static void flags_on_a_directory(void)
{
	ask(raw_open(".", O_RDONLY, 0), -1);
}

static void flags_on_a_closed_number(void)
{
	ask(77, -1);
}

/* EAGAIN, a part or the whole: whichever it is, the bytes are right, and the position moved by as many. */
static void nowait_reads_never_lie(void)
{
	static char buf[65536];
	struct iovec vector = {buf, sizeof(buf)};
	int right = 0;
	int fd;

	make_file("file", 1 << 20);
	fd = raw_open("file", O_RDWR, 0);
	NEED(fd >= 0 && RAW(SYS_fdatasync, fd) == 0);
	for (int i = 0; i < 64; i++) {
		off64_t at = (off64_t)(i % 16) * 65536;
		bool moving = i % 2 == 0;
		ssize_t n;

		if (i % 4 < 2)
			RAW(SYS_fadvise64, fd, 0L, 0L, POSIX_FADV_DONTNEED);
		raw_seek(fd, at, SEEK_SET);
		errno = ERRNO_BEFORE;
		n = preadv2(fd, &vector, 1, moving ? -1 : at, NOWAIT);
		if (n < 0)
			right += errno == EAGAIN && raw_seek(fd, 0, SEEK_CUR) == at;
		else
			right += n > 0 && is_pattern(buf, (size_t)n, (uint64_t)at) &&
				 raw_seek(fd, 0, SEEK_CUR) == at + (moving ? n : 0);
	}
	verdict(right == 64, "%d of 64", right);
}

/* On an empty pipe and on a full one: EAGAIN at once, although the descriptors are blocking. */
static void nowait_on_a_pipe(void)
{
	static char buf[65536];
	struct iovec vector = {buf, 100};
	int ends[2];

	NEED(raw_pipe(ends, 0) == 0);
	SEE(preadv2(ends[0], &vector, 1, -1, NOWAIT), "empty");
	NEED(raw_write(ends[1], buf, sizeof(buf)) == sizeof(buf));
	SEE(pwritev2(ends[1], &vector, 1, -1, NOWAIT), "full");
	SEE(preadv2(ends[0], &vector, 1, -1, NOWAIT), "not empty");
	SEE(preadv2(ends[0], &vector, 1, 0, NOWAIT), "at an offset");
	SEE(preadv2(ends[0], &vector, 1, -1, HIPRI), "polled");
}

const struct promise promises[] = {
	{PROMISE(flags_on_a_file)},
	{PROMISE(flags_on_an_append_file)},
	{PROMISE(flags_on_a_read_only_file)},
	{PROMISE(flags_on_a_direct_file)},
	{PROMISE(flags_on_tmpfs)},
	{PROMISE(flags_on_a_socket)},
	{PROMISE(flags_on_the_zero_device)},
	{PROMISE(flags_on_a_directory)},
	{PROMISE(flags_on_a_closed_number)},
	{PROMISE(nowait_reads_never_lie)},
	{PROMISE(nowait_on_a_pipe)},
	{.name = NULL},
};
