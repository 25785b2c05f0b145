/* SPDX-License-Identifier: MIT */
/*
 * The calls that make, move and end descriptors, and those that act on a file as a whole: dup, dup2, dup3, close,
 * close_range, closefrom, lseek, fsync, fdatasync, ftruncate, sync_file_range and their relatives.
 *
 * Owns:    the low descriptor numbers.
 * Threads: one.
 * Never:   closes standard output, where the observations go.
 */
#include "victim.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* One descriptor of each kind, then numbers that are none. */
struct subject {
	const char *name;
	int fd;
};
enum { SUBJECTS = 17 };
static struct subject subjects[SUBJECTS];

static void prepare(void)
{
	int pipe_ends[2];
	int pair[2];
	int closed;

	make_file("file", 10000);
	NEED(raw_pipe(pipe_ends, 0) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	closed = raw_fcntl(1, F_DUPFD, 100);
	raw_close(closed);
	const struct subject all[SUBJECTS] = {{"file", raw_open("file", O_RDWR, 0)},
		{"append", raw_open("file", O_RDWR | O_APPEND, 0)}, {"read-only", raw_open("file", O_RDONLY, 0)},
		{"write-only", raw_open("file", O_WRONLY, 0)}, {"path", raw_open("file", O_PATH, 0)},
		{"directory", raw_open(".", O_RDONLY, 0)}, {"pipe reader", pipe_ends[0]}, {"pipe writer", pipe_ends[1]},
		{"socket", pair[0]}, {"null", raw_open("/dev/null", O_RDWR, 0)},
		{"zero", raw_open("/dev/zero", O_RDWR, 0)}, {"proc", raw_open("/proc/version", O_RDONLY, 0)},
		{"sys", raw_open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY, 0)}, {"closed", closed},
		{"-1", -1}, {"INT_MAX", INT_MAX}, {"INT_MIN", INT_MIN}};

	for (int i = 0; i < SUBJECTS; i++)
		subjects[i] = all[i];
}

static void seeking(void)
{
	static const off64_t offsets[] = {0, 5000, 20000, -1, -20000, INT64_MAX, INT64_MIN};

	prepare();
	for (const struct subject *s = subjects; s < subjects + SUBJECTS; s++) {
		for (int whence = -1; whence <= 6; whence++) {
			for (size_t o = 0; o < sizeof(offsets) / sizeof(offsets[0]); o++) {
				raw_seek(s->fd, 100, SEEK_SET);
				SEE(lseek(s->fd, offsets[o], whence), "lseek %s %lld %d", s->name,
					(long long)offsets[o], whence);
				say("  pos=%lld", (long long)raw_seek(s->fd, 0, SEEK_CUR));
				raw_seek(s->fd, 100, SEEK_SET);
				SEE(lseek64(s->fd, offsets[o], whence), "lseek64 %s %lld %d", s->name,
					(long long)offsets[o], whence);
			}
		}
	}
}

static void reading_follows_seeking(void)
{
	char buf[100];

	prepare();
	SEE(lseek(subjects[0].fd, 4000, SEEK_SET), "lseek");
	SEE(read(subjects[0].fd, buf, sizeof(buf)), "read");
	verdict(is_pattern(buf, sizeof(buf), 4000), "the bytes of there");
	SEE(lseek(subjects[0].fd, -50, SEEK_CUR), "lseek back");
	SEE(read(subjects[0].fd, buf, sizeof(buf)), "read");
	verdict(is_pattern(buf, sizeof(buf), 4050), "the bytes of there");
	SEE(lseek(subjects[0].fd, -10, SEEK_END), "lseek to the end");
	SEE(read(subjects[0].fd, buf, sizeof(buf)), "read");
	SEE(read(subjects[0].fd, buf, sizeof(buf)), "read at the end");
	SEE(lseek(subjects[0].fd, 0, SEEK_CUR), "lseek");
	SEE(pread(subjects[0].fd, buf, sizeof(buf), 0), "pread");
	SEE(lseek(subjects[0].fd, 0, SEEK_CUR), "lseek");
}

static void syncing(void)
{
	prepare();
	for (const struct subject *s = subjects; s < subjects + SUBJECTS; s++) {
		SEE(fsync(s->fd), "fsync %s", s->name);
		SEE(fdatasync(s->fd), "fdatasync %s", s->name);
		SEE(sync_file_range(s->fd, 0, 4096, SYNC_FILE_RANGE_WRITE), "sync_file_range %s", s->name);
		SEE(sync_file_range(s->fd, 0, 0, 7), "sync_file_range %s, all", s->name);
		SEE(sync_file_range(s->fd, -1, 4096, 0), "sync_file_range %s, negative", s->name);
		SEE(sync_file_range(s->fd, 0, INT64_MAX, 7), "sync_file_range %s, biggest", s->name);
		SEE(sync_file_range(s->fd, 0, 4096, 0x100), "sync_file_range %s, unknown flag", s->name);
	}
}

static void truncating(void)
{
	static const off64_t lengths[] = {0, 5000, 20000, 1LL << 41, -1, INT64_MAX, INT64_MIN};

	prepare();
	for (const struct subject *s = subjects; s < subjects + SUBJECTS; s++) {
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			struct stat st = {.st_size = -1};

			SEE(ftruncate(s->fd, lengths[i]), "ftruncate %s %lld", s->name, (long long)lengths[i]);
			SEE(ftruncate64(s->fd, lengths[i]), "ftruncate64 %s %lld", s->name, (long long)lengths[i]);
			NEED(stat("file", &st) == 0);
			say("  size %lld pos=%lld", (long long)st.st_size, (long long)raw_seek(s->fd, 0, SEEK_CUR));
		}
	}
}

static void duplicating(void)
{
	static const int targets[] = {50, -1, INT_MAX, INT_MIN, 1 << 20};
	static const int flags[] = {0, O_CLOEXEC, O_NONBLOCK, -1};

	prepare();
	for (const struct subject *s = subjects; s < subjects + SUBJECTS; s++) {
		int got;

		SEE(got = dup(s->fd), "dup %s", s->name);
		say("  descriptor flags %d", raw_fcntl(got, F_GETFD, 0));
		if (got >= 0)
			raw_close(got);
		SEE(dup2(s->fd, s->fd), "dup2 %s onto itself", s->name);
		SEE(dup3(s->fd, s->fd, 0), "dup3 %s onto itself", s->name);
		for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++) {
			SEE(dup2(s->fd, targets[t]), "dup2 %s %d", s->name, targets[t]);
			SEE(dup2(s->fd, targets[t]), "dup2 %s %d again", s->name, targets[t]);
			for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++) {
				SEE(dup3(s->fd, targets[t], flags[f]), "dup3 %s %d %#x", s->name, targets[t],
					(unsigned)flags[f]);
				say("  descriptor flags %d", raw_fcntl(targets[t], F_GETFD, 0));
			}
		}
	}
	say_descriptors("open");
}

/* Duplicates are one open file: one position, one set of status flags. */
static void duplicates_share_the_position(void)
{
	char buf[10];
	int fd;
	int second;

	make_file("file", 1000);
	fd = open("file", O_RDWR);
	second = dup(fd);
	SEE(dup2(fd, 200), "dup2");
	SEE(read(fd, buf, 10), "read");
	SEE(read(second, buf, 10), "read of the duplicate");
	verdict(is_pattern(buf, 10, 10), "the next bytes");
	SEE(read(200, buf, 10), "read of the other duplicate");
	verdict(is_pattern(buf, 10, 20), "the next bytes");
	SEE(write(second, "0123456789", 10), "write to the duplicate");
	SEE(lseek(fd, 0, SEEK_CUR), "position");
	SEE(fcntl(second, F_SETFL, O_APPEND), "set O_APPEND on a duplicate");
	SEE(write(fd, "end", 3), "write");
	SEE(lseek(200, 0, SEEK_CUR), "position");
	SEE(close(fd), "close of the first");
	SEE(pread(second, buf, 10, 30), "pread of the second");
	verdict(buf[0] == '0' && buf[9] == '9', "what was written");
}

static void closing(void)
{
	char byte;

	prepare();
	for (const struct subject *s = subjects; s < subjects + SUBJECTS; s++) {
		SEE(close(s->fd), "close %s", s->name);
		SEE(close(s->fd), "close %s again", s->name);
		SEE(read(s->fd, &byte, 1), "read %s", s->name);
		SEE(pwrite(s->fd, "x", 1, 0), "pwrite %s", s->name);
		SEE(fcntl(s->fd, F_GETFD), "F_GETFD %s", s->name);
		SEE(lseek(s->fd, 0, SEEK_SET), "lseek %s", s->name);
	}
	say_descriptors("open");
}

static void closing_ranges(void)
{
	static const struct {
		unsigned first, last;
		int flags;
	} ranges[] = {{10, 5, 0}, {50, 60, 8}, {50, 60, -1}, {40, 45, 4 /* CLOSE_RANGE_CLOEXEC */}, {40, 45, 0},
		{30, 35, 2 /* CLOSE_RANGE_UNSHARE */}, {50, 50, 0}, {52, UINT_MAX, 4}, {52, UINT_MAX, 0},
		{UINT_MAX, UINT_MAX, 0}, {52, UINT_MAX, 0}, {60, INT_MAX, 0}};
	int fd;

	make_file("file", 1000);
	fd = open("file", O_RDWR);
	for (int n = 20; n < 70; n++)
		NEED(dup2(fd, n) == n);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		SEE(close_range(ranges[i].first, ranges[i].last, ranges[i].flags), "close_range %u %u %#x",
			ranges[i].first, ranges[i].last, (unsigned)ranges[i].flags);
		say("  descriptor flags %d %d", raw_fcntl(40, F_GETFD, 0), raw_fcntl(55, F_GETFD, 0));
		say_descriptors("  open");
	}
	errno = ERRNO_BEFORE;
	closefrom(25);
	say("closefrom: %s", errno_name(errno));
	say_descriptors("open");
	SEE(pread(20, (char[4]){0}, 4, 0), "pread");
	SEE(pread(26, (char[4]){0}, 4, 0), "pread of a closed number");
	errno = ERRNO_BEFORE;
	closefrom(-5 + 8);
	say("closefrom 3: %s", errno_name(errno));
	say_descriptors("open");
}

/* Status flags that change after the first use count from then on. */
static void flags_set_later_count(void)
{
	char buf[100];
	int fd;

	make_file("file", 10000);
	fd = open("file", O_RDWR);
	SEE(pread(fd, buf, 100, 1), "pread");
	SEE(pwrite(fd, buf, 100, 1), "pwrite");
	SEE(fcntl(fd, F_SETFL, O_APPEND), "set O_APPEND");
	SEE(pwrite(fd, buf, 100, 1), "pwrite appends");
	SEE(write(fd, buf, 100), "write appends");
	SEE(lseek(fd, 0, SEEK_CUR), "position");
	SEE(fcntl(fd, F_SETFL, O_DIRECT), "set O_DIRECT");
	SEE(pread(fd, buf, 100, 1), "pread of what is not aligned");
	SEE(pwrite(fd, buf, 100, 1), "pwrite of what is not aligned");
	SEE(fcntl(fd, F_SETFL, 0), "set nothing");
	SEE(pread(fd, buf, 100, 1), "pread");
	say("size %lld", (long long)raw_seek(fd, 0, SEEK_END));
}

/*
 * A closed file is let go of at once: its lock is free, a lease on it can be had. Whoever still holds a reference on
 * account of I/O that is done shows here, if only when interrupted at the wrong moment: hence the many rounds.
 */
static void a_closed_file_is_let_go_of(void)
{
	char buf[100] = "";
	int refused = 0;

	make_file("file", 10000);
	for (int i = 0; i < 6000; i++) {
		int fd = open("file", O_RDWR);
		int second;

		refused += RAW(SYS_flock, fd, LOCK_EX | LOCK_NB) != 0;
		/* The last call counts; each kind has its turn. */
		NEED(i % 2 == 0 || pread(fd, buf, 100, i) == 100);
		NEED(pwrite(fd, buf, 100, i) == 100);
		NEED(i % 4 != 1 || read(fd, buf, 100) == 100);
		NEED(i % 4 != 2 || write(fd, buf, 100) == 100);
		NEED(close(fd) == 0);
		second = raw_open("file", O_RDONLY, 0);
		refused += RAW(SYS_flock, second, LOCK_EX | LOCK_NB) != 0;
		refused += raw_fcntl(second, F_SETLEASE, F_RDLCK) != 0;
		raw_close(second);
	}
	verdict(refused == 0, "locks and leases refused: %d", refused);
}

/* As a compiler and its caller do: what was written and closed a moment ago is executed. */
static void a_written_file_can_be_executed_at_once(void)
{
	static const char script[] = "#!/bin/sh\nexit 3\n";
	int busy = 0;

	for (int i = 0; i < 60; i++) {
		int fd = open("tool", O_WRONLY | O_CREAT | O_TRUNC, 0755);
		pid_t child;

		NEED(write(fd, script, sizeof(script) - 1) == sizeof(script) - 1);
		NEED(pwrite(fd, script, sizeof(script) - 1, 0) == sizeof(script) - 1 && close(fd) == 0);
		child = fork();
		if (child == 0) {
			execl("./tool", "tool", (char *)NULL);
			_exit(errno == ETXTBSY ? 66 : 67);
		}
		busy += strcmp(ending(child), "exit 3") != 0;
	}
	verdict(busy == 0, "executions refused: %d", busy);
}

/* The highest number this process may have, up to 100000: tables indexed by descriptor end somewhere. */
static int highest_number(void)
{
	struct rlimit limit;

	NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_cur < 4000)
		skip("RLIMIT_NOFILE is below 4000");
	return limit.rlim_cur > 100010 ? 100000 : (int)limit.rlim_cur - 10;
}

static void very_large_numbers(void)
{
	char buf[100];
	int ends[2];
	int fd;
	int far;

	make_file("file", 1000);
	fd = open("file", O_RDWR);
	SEE(pread(fd, buf, 10, 0), "pread before");
	far = highest_number();
	SEE(dup2(fd, far), "dup2");
	SEE(pread(far, buf, 100, 50), "pread");
	verdict(is_pattern(buf, 100, 50), "the bytes");
	SEE(read(far, buf, 100), "read");
	verdict(is_pattern(buf, 100, 0), "the bytes");
	SEE(pwrite(far, "abc", 3, 990), "pwrite");
	SEE(write(far, "abc", 3), "write");
	SEE(fcntl(far, F_DUPFD, far + 1), "F_DUPFD");
	SEE(readv(far + 1, &(struct iovec){buf, 10}, 1), "readv");
	NEED(raw_pipe(ends, O_NONBLOCK) == 0);
	SEE(dup2(ends[0], far + 5), "dup2 of a pipe");
	SEE(read(far + 5, buf, 1), "read of the empty pipe");
	SEE(close(far), "close");
	SEE(pread(far, buf, 1, 0), "pread of the closed number");
	SEE(pread(far + 9, buf, 1, 0), "pread of a number never open");
	SEE(close_range(far, ~0U, 0), "close_range");
	say_descriptors("open");
}

const struct promise promises[] = {
	{PROMISE(seeking)},
	{PROMISE(reading_follows_seeking)},
	{PROMISE(syncing)},
	{PROMISE(truncating)},
	{PROMISE(duplicating)},
	{PROMISE(duplicates_share_the_position)},
	{PROMISE(closing)},
	{PROMISE(closing_ranges)},
	{PROMISE(flags_set_later_count)},
	{PROMISE(a_closed_file_is_let_go_of)},
	{PROMISE(a_written_file_can_be_executed_at_once)},
	{PROMISE(very_large_numbers)},
	{.name = NULL},
};
