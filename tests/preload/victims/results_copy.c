/* SPDX-License-Identifier: MIT */
/*
 * sendfile, sendfile64 and copy_file_range: between files, pipes, sockets and what cannot be copied.
 *
 * Owns:    a source and a destination, set back before each call.
 * Threads: one.
 * Never:   fills a destination that waits.
 */
#include "victim.h"

#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum { LENGTH = 20000 };

static void refill(int fd, size_t len, off64_t position)
{
	static unsigned char content[LENGTH];
	char sink[65536];
	int waiting;

	fill_pattern(content, sizeof(content), 0);
	raw_truncate(fd, 0);
	if (raw_pwrite(fd, content, len, 0) < 0) {
		while (ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0 && raw_read(fd, sink, sizeof(sink)) > 0)
			;
	}
	raw_seek(fd, position, SEEK_SET);
}

static void describe(const char *side, int fd, int behind)
{
	static char content[3 * LENGTH];
	ssize_t n = raw_pread(fd, content, sizeof(content), 0);
	int waiting = 0;

	if (n < 0 && behind >= 0 && ioctl(behind, FIONREAD, &waiting) == 0 && waiting > 0)
		n = raw_read(behind, content, sizeof(content));
	say("  %s: pos=%lld content=%zd %08x", side, (long long)raw_seek(fd, 0, SEEK_CUR), n,
		n > 0 ? checksum(content, (size_t)n) : 0);
}

struct ends {
	const char *name;
	int out, out_behind, in;
};

static void ask_sendfile(const struct ends *e)
{
	static const size_t counts[] = {0, 1, 5000, 30000, (1UL << 31) + 5, SSIZE_MAX, SIZE_MAX};
	static const off64_t offsets[] = {0, 7000, 30000, -1, INT64_MAX};

	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		for (size_t o = 0; o <= sizeof(offsets) / sizeof(offsets[0]); o++) {
			off64_t offset = o > 0 ? offsets[o - 1] : 0;

			refill(e->in, LENGTH, 100);
			refill(e->out, 10, 5);
			SEE(sendfile(e->out, e->in, o > 0 ? (off_t *)&offset : NULL, counts[c]),
				"sendfile %s count=%zu offset=%lld", e->name, counts[c],
				o > 0 ? (long long)offsets[o - 1] : -77LL);
			say("  offset=%lld", (long long)offset);
			describe("in", e->in, -1);
			describe("out", e->out, e->out_behind);
		}
	}
	refill(e->in, LENGTH, 100);
	refill(e->out, 10, 5);
	SEE(sendfile64(e->out, e->in, NULL, 50), "sendfile64 %s", e->name);
	describe("out", e->out, e->out_behind);
}

static void sendfile_between_everything(void)
{
	int pipe_ends[2];
	int pair[2];
	int source;

	make_file("source", LENGTH);
	make_file("sink", 10);
	NEED(raw_pipe(pipe_ends, O_NONBLOCK) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	source = raw_open("source", O_RDWR, 0);
	const struct ends all[] = {{"file to file", raw_open("sink", O_RDWR, 0), -1, source},
		{"file to append", raw_open("sink", O_RDWR | O_APPEND, 0), -1, source},
		{"file to read-only", raw_open("sink", O_RDONLY, 0), -1, source},
		{"write-only to file", raw_open("sink", O_RDWR, 0), -1, raw_open("source", O_WRONLY, 0)},
		{"file to pipe", pipe_ends[1], pipe_ends[0], source}, {"file to socket", pair[0], pair[1], source},
		{"file to null", raw_open("/dev/null", O_WRONLY, 0), -1, source},
		{"directory to file", raw_open("sink", O_RDWR, 0), -1, raw_open(".", O_RDONLY, 0)},
		{"pipe to file", raw_open("sink", O_RDWR, 0), -1, pipe_ends[0]},
		{"proc to pipe", pipe_ends[1], pipe_ends[0], raw_open("/proc/version", O_RDONLY, 0)},
		{"file to closed", 77, -1, source}, {"closed to file", raw_open("sink", O_RDWR, 0), -1, 77},
		{"-1 to -1", -1, -1, -1}, {"file to full", raw_open("/dev/full", O_WRONLY, 0), -1, source}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		ask_sendfile(&all[i]);
}

static void sendfile_from_tmpfs(void)
{
	int ends[2];

	if (on_tmpfs() == NULL)
		skip("no tmpfs");
	NEED(raw_pipe(ends, O_NONBLOCK) == 0);
	ask_sendfile(&(struct ends){"tmpfs to pipe", ends[1], ends[0], make_unnamed(on_tmpfs(), LENGTH)});
}

static void ask_copy(const struct ends *e)
{
	static const size_t counts[] = {0, 1, 5000, 30000, (1UL << 31) + 5, SSIZE_MAX, SIZE_MAX};
	static const off64_t from[] = {-77, 0, 7000, 30000, -1};
	static const off64_t to[] = {-77, 0, 30000, -1};

	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		for (size_t i = 0; i < 5 * 4; i++) {
			off64_t in = from[i % 5];
			off64_t out = to[i / 5];

			refill(e->in, LENGTH, 100);
			if (e->out != e->in)
				refill(e->out, 10, 5);
			SEE(copy_file_range(
				    e->in, in == -77 ? NULL : &in, e->out, out == -77 ? NULL : &out, counts[c], 0),
				"copy_file_range %s count=%zu from=%lld to=%lld", e->name, counts[c],
				(long long)from[i % 5], (long long)to[i / 5]);
			say("  from=%lld to=%lld", (long long)in, (long long)out);
			describe("in", e->in, -1);
			describe("out", e->out, e->out_behind);
		}
	}
	SEE(copy_file_range(e->in, NULL, e->out, NULL, 10, 1), "copy_file_range %s, unknown flag", e->name);
}

static void copy_file_range_between_everything(void)
{
	int pipe_ends[2];
	int source;

	make_file("source", LENGTH);
	make_file("sink", 10);
	NEED(raw_pipe(pipe_ends, O_NONBLOCK) == 0);
	source = raw_open("source", O_RDWR, 0);
	const struct ends all[] = {{"file to file", raw_open("sink", O_RDWR, 0), -1, source},
		{"file to itself", source, -1, source},
		{"file to append", raw_open("sink", O_RDWR | O_APPEND, 0), -1, source},
		{"file to read-only", raw_open("sink", O_RDONLY, 0), -1, source},
		{"write-only to file", raw_open("sink", O_RDWR, 0), -1, raw_open("source", O_WRONLY, 0)},
		{"file to pipe", pipe_ends[1], pipe_ends[0], source},
		{"directory to file", raw_open("sink", O_RDWR, 0), -1, raw_open(".", O_RDONLY, 0)},
		{"file to directory", raw_open(".", O_RDONLY, 0), -1, source}, {"file to closed", 77, -1, source},
		{"closed to file", raw_open("sink", O_RDWR, 0), -1, 77},
		{"path to file", raw_open("sink", O_RDWR, 0), -1, raw_open("source", O_PATH, 0)}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		ask_copy(&all[i]);
}

static void copy_file_range_across_file_systems(void)
{
	if (on_tmpfs() == NULL)
		skip("no tmpfs");
	ask_copy(&(struct ends){"disk to tmpfs", make_unnamed(on_tmpfs(), 10), -1, make_unnamed(".", LENGTH)});
}

const struct promise promises[] = {
	{PROMISE(sendfile_between_everything)},
	{PROMISE(sendfile_from_tmpfs)},
	{PROMISE(copy_file_range_between_everything)},
	{PROMISE(copy_file_range_across_file_systems)},
	{.name = NULL},
};
