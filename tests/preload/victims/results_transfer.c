/* SPDX-License-Identifier: MIT */
/*
 * Every name of the read and write family, on every kind of descriptor, with every kind of length and offset:
 * value, errno, position, size and bytes are the kernel's.
 *
 * Owns:    the files and the descriptor under test, set back to the same state before each call.
 * Threads: one.
 * Never:   makes a call that would wait: readers find data, writers find room, or the descriptor is non-blocking.
 */
#include "transfer.h"
#include "victim.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>
#include <poll.h>

enum { FILE_LENGTH = 10000, DIRECT_LENGTH = 65536, START = 100, BUFFER = 1 << 20 };

static const size_t every_length[] = {0, 1, 4097, BUFFER, (1UL << 31) + 4097, SSIZE_MAX, SIZE_MAX};
static const size_t aligned_lengths[] = {0, 1, 512, 4096, 4097, 8192, (1UL << 31) + 4096, SIZE_MAX};
static const size_t small_lengths[] = {0, 1, 3, 100};
static const size_t waiting_lengths[] = {0, 1, 4097};
static const off64_t every_offset[] = {0, 5000, 20000, 1LL << 40, -1, INT64_MIN, INT64_MAX};
static const off64_t aligned_offsets[] = {0, 4096, 5000, 65536 - 4096, 1 << 20, -1};

/* What is under test, and how to put it back. */
static int fd = -1;     /* the descriptor the calls get */
static int behind = -1; /* a plain descriptor of the same file, or the other end */
static char *buffer;    /* BUFFER bytes, and then 4 GiB that nothing may touch */
static size_t file_length = FILE_LENGTH;
static off64_t start = START;

static void make_buffer(void)
{
	buffer = mmap(NULL, 5UL << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	NEED(buffer != MAP_FAILED);
	NEED(mprotect(buffer, BUFFER, PROT_READ | PROT_WRITE) == 0);
}

static void reset_file(void)
{
	static unsigned char content[DIRECT_LENGTH];

	if (content[0] == 0)
		fill_pattern(content, sizeof(content), 0);
	raw_truncate(behind, 0);
	raw_pwrite(behind, content, file_length, 0);
	raw_seek(fd, start, SEEK_SET);
}

/* Takes out what is there without waiting, then puts 5000 bytes in. */
static void reset_readable(void)
{
	static unsigned char content[5000];
	char sink[8192];
	int waiting = 0;

	fill_pattern(content, sizeof(content), 0);
	while (ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0)
		raw_read(fd, sink, sizeof(sink));
	raw_write(behind, content, sizeof(content));
}

/* Takes out at the other end what the last call put in, so that the next finds room. */
static void reset_writable(void)
{
	char sink[65536];
	int waiting = 0;

	while (ioctl(behind, FIONREAD, &waiting) == 0 && waiting > 0)
		raw_read(behind, sink, sizeof(sink));
}

static void reset_both_ways(void)
{
	reset_writable();
	reset_readable();
}

static void reset_tty(void)
{
	struct pollfd ready = {fd, POLLIN, 0};

	tcflush(fd, TCIOFLUSH);
	reset_writable();
	raw_write(behind, "one line\n", 9);
	poll(&ready, 1, 10000);
}

static void reset_comm(void)
{
	raw_pwrite(behind, "victim", 6, 0);
	raw_seek(fd, 0, SEEK_SET);
}

static void reset_counter(void)
{
	uint64_t value = 3;
	char sink[8];

	raw_read(fd, sink, sizeof(sink));
	raw_write(fd, &value, sizeof(value));
}

static void reset_position(void)
{
	raw_seek(fd, 0, SEEK_SET);
}

static void reset_nothing(void) {}

/* The first bytes of the file as it is now, its size, and the position of the descriptor under test. */
static void describe_file(char *words, size_t room)
{
	static char content[FILE_LENGTH * 2];
	ssize_t n = raw_pread(behind, content, sizeof(content), 0);
	off64_t size = raw_seek(behind, 0, SEEK_END);

	snprintf(words, room, " pos=%lld size=%lld file=%08x", (long long)raw_seek(fd, 0, SEEK_CUR), (long long)size,
		checksum(content, n > 0 ? (size_t)n : 0));
}

static void describe_position(char *words, size_t room)
{
	snprintf(words, room, " pos=%lld", (long long)raw_seek(fd, 0, SEEK_CUR));
}

/* Whether the position moved: where to depends on what the file held at that moment. */
static void describe_movement(char *words, size_t room)
{
	snprintf(words, room, " %s", raw_seek(fd, 0, SEEK_CUR) > 0 ? "moved" : "did not move");
}

/* What is still to be read here, and what arrived at the other end. */
static void describe_ends(char *words, size_t room)
{
	static char arrived[1 << 17];
	int left = -1;
	int waiting = 0;
	ssize_t n = 0;

	ioctl(fd, FIONREAD, &left);
	if (ioctl(behind, FIONREAD, &waiting) == 0 && waiting > 0)
		n = raw_read(behind, arrived, sizeof(arrived));
	snprintf(words, room, " left=%d arrived=%zd:%08x", left, n, checksum(arrived, n > 0 ? (size_t)n : 0));
}

struct question {
	void (*reset)(void);
	void (*describe)(char *words, size_t room);
	const size_t *lengths;
	size_t lengths_count;
	const off64_t *offsets;
	size_t offsets_count;
	bool content_varies; /* print neither the bytes read nor how many */
};
#define LENGTHS(list) (list), sizeof(list) / sizeof((list)[0])
#define OFFSETS(list) (list), sizeof(list) / sizeof((list)[0])

static void ask_one(const struct question *q, const struct transfer *t, size_t len, off64_t offset)
{
	char words[160] = "";
	char result[32];
	ssize_t ret;
	size_t shown;
	int err;

	q->reset();
	if (t->writes)
		fill_pattern(buffer, 8192, 777);
	else
		memset(buffer, 0xa5, 8192);
	errno = ERRNO_BEFORE;
	ret = t->call(fd, buffer, len, offset);
	err = errno;
	shown = ret > 0 && !t->writes ? (size_t)ret : 0;
	shown = shown + 64 < BUFFER ? shown + 64 : BUFFER;
	snprintf(result, sizeof(result), "%zd", ret);
	if (q->content_varies && ret > 0)
		snprintf(result, sizeof(result), "some");
	else if (!t->writes)
		snprintf(words, sizeof(words), " bytes=%08x", checksum(buffer, shown));
	q->describe(words + strlen(words), sizeof(words) - strlen(words));
	if (t->positional)
		say("%s len=%zu off=%lld: %s %s%s", t->name, len, (long long)offset, result, errno_name(err), words);
	else
		say("%s len=%zu: %s %s%s", t->name, len, result, errno_name(err), words);
}

static void ask(const struct question *q)
{
	make_buffer();
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		for (size_t l = 0; l < q->lengths_count; l++) {
			for (size_t o = 0; o < (t->positional ? q->offsets_count : 1); o++)
				ask_one(q, t, q->lengths[l], q->offsets[o]);
		}
	}
}

static void ask_file(const char *directory, int flags)
{
	static const struct question whole = {
		reset_file, describe_file, LENGTHS(every_length), OFFSETS(every_offset), false};
	char path[512];

	snprintf(path, sizeof(path), "%s/file", directory);
	make_file(path, file_length);
	fd = raw_open(path, flags, 0);
	behind = raw_open(path, O_RDWR, 0);
	NEED(fd >= 0 && behind >= 0);
	ask(&whole);
}

static void regular_file(void)
{
	ask_file(".", O_RDWR);
}

static void append_file(void)
{
	ask_file(".", O_RDWR | O_APPEND);
}

static void read_only_file(void)
{
	ask_file(".", O_RDONLY);
}

static void write_only_file(void)
{
	ask_file(".", O_WRONLY);
}

static void synchronous_file(void)
{
	static const struct question few = {
		reset_file, describe_file, LENGTHS(small_lengths), OFFSETS(aligned_offsets), false};

	make_file("file", file_length);
	fd = raw_open("file", O_RDWR | O_SYNC, 0);
	behind = raw_open("file", O_RDWR, 0);
	NEED(fd >= 0 && behind >= 0);
	ask(&few);
}

static void path_only_descriptor(void)
{
	ask_file(".", O_PATH);
}

static void tmpfs_file(void)
{
	if (on_tmpfs() == NULL)
		skip("no tmpfs");
	ask_file(on_tmpfs(), O_RDWR);
}

static void tmpfs_append_file(void)
{
	if (on_tmpfs() == NULL)
		skip("no tmpfs");
	ask_file(on_tmpfs(), O_RDWR | O_APPEND);
}

static void direct_file(void)
{
	static const struct question aligned = {
		reset_file, describe_file, LENGTHS(aligned_lengths), OFFSETS(aligned_offsets), false};

	file_length = DIRECT_LENGTH;
	start = 4096;
	make_file("file", file_length);
	fd = raw_open("file", O_RDWR | O_DIRECT, 0);
	if (fd < 0)
		skip("no O_DIRECT on this file system");
	behind = raw_open("file", O_RDWR, 0);
	ask(&aligned);
}

static void memory_file(void)
{
	static const struct question whole = {
		reset_file, describe_file, LENGTHS(every_length), OFFSETS(every_offset), false};
	char path[64];

	fd = (int)RAW(SYS_memfd_create, "victim", 0);
	NEED(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	behind = raw_open(path, O_RDWR, 0);
	NEED(behind >= 0);
	ask(&whole);
}

/* Opens `path` as it is; nothing is put back between the calls but the position. */
static void ask_path(const char *path, int flags, const size_t *lengths, size_t count, bool varies)
{
	struct question q = {reset_position, varies ? describe_movement : describe_position, lengths, count,
		OFFSETS(every_offset), varies};

	fd = raw_open(path, flags, 0);
	if (fd < 0)
		skip(path);
	ask(&q);
}

static void directory(void)
{
	ask_path(".", O_RDONLY | O_DIRECTORY, LENGTHS(every_length), false);
}

static void null_device(void)
{
	ask_path("/dev/null", O_RDWR, LENGTHS(every_length), false);
}

static void zero_device(void)
{
	ask_path("/dev/zero", O_RDWR, LENGTHS(every_length), false);
}

static void full_device(void)
{
	ask_path("/dev/full", O_RDWR, LENGTHS(every_length), false);
}

static void random_device(void)
{
	ask_path("/dev/urandom", O_RDONLY, LENGTHS(small_lengths), true);
}

static void proc_file(void)
{
	ask_path("/proc/version", O_RDONLY, LENGTHS(every_length), false);
}

static void proc_file_that_changes(void)
{
	ask_path("/proc/self/status", O_RDONLY, LENGTHS(every_length), true);
}

/* Reads and writes reach this process, whoever carries them out. */
static void proc_file_of_this_process(void)
{
	static const struct question q = {
		reset_comm, describe_position, LENGTHS(small_lengths), OFFSETS(every_offset), false};

	fd = raw_open("/proc/self/comm", O_RDWR, 0);
	behind = raw_open("/proc/self/comm", O_RDWR, 0);
	if (fd < 0 || behind < 0)
		skip("no /proc/self/comm");
	ask(&q);
}

static void sys_file(void)
{
	ask_path("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY, LENGTHS(every_length), false);
}

/* The first block device that can be read; its content is other people's. */
static void block_device(void)
{
	static const char *const candidates[] = {
		"/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/xvda", "/dev/zram0", "/dev/loop0"};

	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		char byte;
		int device = raw_open(candidates[i], O_RDONLY, 0);

		if (device >= 0 && raw_read(device, &byte, 1) == 1) {
			raw_close(device);
			ask_path(candidates[i], O_RDONLY, LENGTHS(waiting_lengths), true);
			return;
		}
		raw_close(device);
	}
	skip("no block device can be read");
}

static void ask_pipe(bool reader, int flags, const size_t *lengths, size_t count)
{
	struct question q = {
		reader ? reset_readable : reset_writable, describe_ends, lengths, count, OFFSETS(every_offset), false};
	int ends[2];

	NEED(raw_pipe(ends, flags) == 0);
	fd = reader ? ends[0] : ends[1];
	behind = reader ? ends[1] : ends[0];
	ask(&q);
}

static void pipe_reader(void)
{
	ask_pipe(true, 0, LENGTHS(every_length));
}

static void pipe_writer(void)
{
	ask_pipe(false, 0, LENGTHS(waiting_lengths));
}

static void pipe_writer_nonblocking(void)
{
	ask_pipe(false, O_NONBLOCK, LENGTHS(every_length));
}

static void ask_socket(int type, const size_t *lengths, size_t count)
{
	struct question q = {reset_both_ways, describe_ends, lengths, count, OFFSETS(every_offset), false};
	int pair[2];

	NEED(socketpair(AF_UNIX, type, 0, pair) == 0);
	fd = pair[0];
	behind = pair[1];
	ask(&q);
}

static void stream_socket(void)
{
	ask_socket(SOCK_STREAM, LENGTHS(waiting_lengths));
}

static void datagram_socket(void)
{
	ask_socket(SOCK_DGRAM, LENGTHS(waiting_lengths));
}

static void datagram_socket_nonblocking(void)
{
	ask_socket(SOCK_DGRAM | SOCK_NONBLOCK, LENGTHS(every_length));
}

static void terminal(void)
{
	static const struct question q = {
		reset_tty, describe_position, LENGTHS(small_lengths), OFFSETS(every_offset), false};
	struct termios mode;

	behind = posix_openpt(O_RDWR | O_NOCTTY);
	if (behind < 0 || grantpt(behind) != 0 || unlockpt(behind) != 0)
		skip("no pseudo terminal");
	fd = raw_open(ptsname(behind), O_RDWR | O_NOCTTY, 0);
	NEED(fd >= 0 && tcgetattr(fd, &mode) == 0);
	mode.c_lflag &= ~(tcflag_t)ECHO;
	mode.c_oflag &= ~(tcflag_t)OPOST;
	NEED(tcsetattr(fd, TCSANOW, &mode) == 0);
	ask(&q);
}

static void event_counter(void)
{
	static const size_t lengths[] = {0, 1, 8, 4097};
	static const struct question q = {
		reset_counter, describe_position, LENGTHS(lengths), OFFSETS(every_offset), false};

	fd = eventfd(0, EFD_NONBLOCK);
	NEED(fd >= 0);
	ask(&q);
}

static void ask_number(int number)
{
	static const struct question q = {
		reset_nothing, describe_position, LENGTHS(every_length), OFFSETS(every_offset), false};

	fd = number;
	ask(&q);
}

static void minus_one(void)
{
	ask_number(-1);
}

static void int_max(void)
{
	ask_number(INT32_MAX);
}

static void int_min(void)
{
	ask_number(INT32_MIN);
}

/* It was a file a moment ago, and the calls went well. */
static void closed_file(void)
{
	int number;

	make_file("file", FILE_LENGTH);
	number = open("file", O_RDWR);
	make_buffer();
	SEE(pread(number, buffer, 100, 0), "pread before close");
	SEE(write(number, buffer, 100), "write before close");
	SEE(close(number), "close");
	ask_number(number);
}

/* A transfer of more than 2 GiB is cut to 0x7ffff000 bytes, not to its lowest 32 bits. */
static void more_than_two_gibibytes(void)
{
	static const char *const names[] = {"pread", "preadv", "read"};
	enum { PIECE = 2 << 20 };
	size_t len = (1UL << 32) + 4096;
	int memory = (int)RAW(SYS_memfd_create, "piece", 0);

	if (on_tmpfs() == NULL)
		skip("no tmpfs");
	NEED(memory >= 0 && raw_truncate(memory, PIECE) == 0);
	/* The same two megabytes again and again: a buffer of 4 GiB that costs 2 MiB. */
	buffer = mmap(NULL, len + PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	NEED(buffer != MAP_FAILED);
	for (size_t at = 0; at < len; at += PIECE)
		NEED(mmap(buffer + at, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0) ==
			buffer + at);
	fd = make_unnamed(on_tmpfs(), 0);
	NEED(raw_truncate(fd, (off64_t)len) == 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct transfer *t = transfer_named(names[i]);

		SEE(t->call(fd, buffer, i == 0 ? len : 0x7ffff001, 0), "%s", t->name);
		say("position %lld", (long long)raw_seek(fd, 0, SEEK_CUR));
	}
	fd = raw_open("/dev/null", O_WRONLY, 0);
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		if (t->writes)
			SEE(t->call(fd, buffer, len, 0), "%s to /dev/null", t->name);
	}
}

const struct promise promises[] = {
	{PROMISE(regular_file)},
	{PROMISE(append_file)},
	{PROMISE(read_only_file)},
	{PROMISE(write_only_file)},
	{PROMISE(synchronous_file)},
	{PROMISE(direct_file)},
	{PROMISE(path_only_descriptor)},
	{PROMISE(tmpfs_file)},
	{PROMISE(tmpfs_append_file)},
	{PROMISE(memory_file)},
	{PROMISE(directory)},
	{PROMISE(null_device)},
	{PROMISE(zero_device)},
	{PROMISE(full_device)},
	{PROMISE(random_device)},
	{PROMISE(proc_file)},
	{PROMISE(proc_file_that_changes)},
	{PROMISE(proc_file_of_this_process)},
	{PROMISE(sys_file)},
	{PROMISE(block_device)},
	{PROMISE(pipe_reader)},
	{PROMISE(pipe_writer)},
	{PROMISE(pipe_writer_nonblocking)},
	{PROMISE(stream_socket)},
	{PROMISE(datagram_socket)},
	{PROMISE(datagram_socket_nonblocking)},
	{PROMISE(terminal)},
	{PROMISE(event_counter)},
	{PROMISE(minus_one)},
	{PROMISE(int_max)},
	{PROMISE(int_min)},
	{PROMISE(closed_file)},
	{PROMISE(more_than_two_gibibytes)},
	{.name = NULL},
};
