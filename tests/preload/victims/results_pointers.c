/* SPDX-License-Identifier: MIT */
/*
 * Pointers and vectors that no program should pass: the kernel's EFAULT or EINVAL or short count, never a crash.
 *
 * Owns:    a buffer of two pages of which only the first exists.
 * Threads: one.
 * Never:   asks a question that can wait.
 */
#include "transfer.h"
#include "victim.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { PAGE = 4096, LENGTH = 20000 };

static char *half;      /* a page that exists, then one that does not */
static char *read_only; /* a page that can only be read */
static char *missing;

static void make_buffers(void)
{
	half = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(half != MAP_FAILED && read_only != MAP_FAILED);
	NEED(mprotect(half, PAGE, PROT_READ | PROT_WRITE) == 0);
	missing = half + 2 * PAGE;
}

/* Puts `fd` back: files to their pattern and position 0, pipes and sockets to 5000 bytes to read. */
static void reset(int fd, int behind)
{
	static unsigned char content[LENGTH];
	char sink[65536];

	fill_pattern(content, sizeof(content), 0);
	if (raw_seek(fd, 0, SEEK_SET) == 0) {
		raw_truncate(fd, LENGTH);
		raw_pwrite(fd, content, LENGTH, 0);
		raw_seek(fd, 0, SEEK_SET);
		return;
	}
	while (raw_read(fd, sink, sizeof(sink)) > 0)
		;
	while (raw_read(behind, sink, sizeof(sink)) > 0)
		;
	raw_write(behind, content, 5000);
}

static void describe(const char *what, int fd, ssize_t ret, int err)
{
	ssize_t n;
	char content[LENGTH * 2];

	n = raw_pread(fd, content, sizeof(content), 0);
	say("%s: %zd %s pos=%lld file=%08x first=%08x", what, ret, errno_name(err),
		(long long)raw_seek(fd, 0, SEEK_CUR), n > 0 ? checksum(content, (size_t)n) : 0, checksum(half, PAGE));
}

static void ask_buffer(int fd, int behind, const char *kind, char *buf, size_t len)
{
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		char what[80];
		ssize_t ret;

		reset(fd, behind);
		memset(half, 0x5a, PAGE);
		snprintf(what, sizeof(what), "%s %s len=%zu", t->name, kind, len);
		errno = ERRNO_BEFORE;
		ret = t->call(fd, buf, len, 0);
		describe(what, fd, ret, errno);
	}
}

static void ask_buffers(int fd, int behind)
{
	make_buffers();
	ask_buffer(fd, behind, "null", NULL, 0);
	ask_buffer(fd, behind, "null", NULL, 100);
	ask_buffer(fd, behind, "missing", missing, 0);
	ask_buffer(fd, behind, "missing", missing, 100);
	ask_buffer(fd, behind, "missing", missing, 9000);
	ask_buffer(fd, behind, "kernel's", (char *)(UINTPTR_MAX - 4095), 100);
	ask_buffer(fd, behind, "half", half + PAGE - 100, 200);
	ask_buffer(fd, behind, "half", half, 2 * PAGE);
	ask_buffer(fd, behind, "half from one byte", half + PAGE - 1, 3000);
	ask_buffer(fd, behind, "read-only", read_only, 100);
}

struct vector_question {
	const char *name;
	struct iovec *vector;
	int count;
};

static void ask_vector(int fd, int behind, const struct vector_question *q)
{
	ssize_t ret;
	char what[80];

#define ASK(label, call)                                                                                               \
	do {                                                                                                           \
		reset(fd, behind);                                                                                     \
		memset(half, 0x5a, PAGE);                                                                              \
		snprintf(what, sizeof(what), "%s, %s", label, q->name);                                                \
		errno = ERRNO_BEFORE;                                                                                  \
		ret = call;                                                                                            \
		describe(what, fd, ret, errno);                                                                        \
	} while (0)
	ASK("readv", readv(fd, q->vector, q->count));
	ASK("writev", writev(fd, q->vector, q->count));
	ASK("preadv", preadv(fd, q->vector, q->count, 10));
	ASK("pwritev", pwritev(fd, q->vector, q->count, 10));
	ASK("preadv2", preadv2(fd, q->vector, q->count, 10, 0));
	ASK("pwritev2", pwritev2(fd, q->vector, q->count, 10, 0));
	ASK("preadv2 at -1", preadv2(fd, q->vector, q->count, -1, 0));
	ASK("pwritev2 at -1", pwritev2(fd, q->vector, q->count, -1, 0));
#undef ASK
}

static void ask_vectors(int fd, int behind)
{
	static struct iovec many[1025];
	static struct iovec bytes[1025];
	char *at;

	make_buffers();
	at = half;
	for (int i = 0; i < 1025; i++) {
		many[i] = (struct iovec){at, 0};
		bytes[i] = (struct iovec){at + i, 1};
	}
	struct iovec one[] = {{at, 100}};
	struct iovec good_bad[] = {{at, 100}, {missing, 100}, {at + 200, 100}};
	struct iovec bad_good[] = {{missing, 100}, {at, 100}};
	struct iovec half_good[] = {{half + PAGE - 50, 100}, {at, 100}};
	struct iovec empty_bad[] = {{missing, 0}, {at, 100}, {NULL, 0}};
	struct iovec negative[] = {{at, 100}, {at + 100, (size_t)-1}};
	struct iovec overflow[] = {{at, SSIZE_MAX}, {at, SSIZE_MAX}};
	struct iovec biggest[] = {{at, 100}, {missing, SSIZE_MAX - 50}};
	char *vast = mmap(NULL, 4UL << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct iovec three_gib[] = {{at, 100}, {vast, 3UL << 30}};
	struct iovec nine_gib[] = {{at, 100}, {vast, 3UL << 30}, {vast, 3UL << 30}, {vast, 3UL << 30}};
	const struct vector_question questions[] = {{"count -1", one, -1}, {"count 0", one, 0},
		{"null count 0", NULL, 0}, {"one", one, 1}, {"null", NULL, 1}, {"1024 empty", many, 1024},
		{"1024 bytes", bytes, 1024}, {"1025", bytes, 1025}, {"INT_MAX", bytes, INT_MAX},
		{"INT_MIN", bytes, INT_MIN}, {"missing vector", (struct iovec *)missing, 1},
		{"missing vector count 0", (struct iovec *)missing, 0},
		{"half a vector", (struct iovec *)(half + PAGE - sizeof(struct iovec)), 2},
		{"good bad good", good_bad, 3}, {"bad good", bad_good, 2}, {"half good", half_good, 2},
		{"empty bad", empty_bad, 3}, {"negative length", negative, 2}, {"lengths overflow", overflow, 2},
		{"lengths cut", biggest, 2}, {"three gibibytes", three_gib, 2}, {"nine gibibytes", nine_gib, 4}};

	NEED(vast != MAP_FAILED);

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		ask_vector(fd, behind, &questions[i]);
}

static int disk_file(int flags)
{
	int fd;

	make_file("file", LENGTH);
	fd = raw_open("file", O_RDWR | flags, 0);
	NEED(fd >= 0);
	return fd;
}

static void ask_pair(void (*ask)(int fd, int behind))
{
	int pair[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	ask(pair[0], pair[1]);
}

static void bad_buffers_on_a_file(void)
{
	ask_buffers(disk_file(0), -1);
}

static void bad_buffers_on_an_append_file(void)
{
	ask_buffers(disk_file(O_APPEND), -1);
}

static void bad_buffers_on_tmpfs(void)
{
	if (on_tmpfs() == NULL)
		skip("no tmpfs");
	ask_buffers(make_unnamed(on_tmpfs(), LENGTH), -1);
}

static void bad_buffers_on_a_socket(void)
{
	ask_pair(ask_buffers);
}

static void bad_buffers_on_a_closed_number(void)
{
	ask_buffers(77, -1);
}

static void bad_buffers_on_devices(void)
{
	ask_buffers(raw_open("/dev/null", O_RDWR, 0), -1);
	ask_buffers(raw_open("/dev/zero", O_RDWR, 0), -1);
}

static void vectors_on_a_file(void)
{
	ask_vectors(disk_file(0), -1);
}

static void vectors_on_a_read_only_file(void)
{
	make_file("file", LENGTH);
	ask_vectors(raw_open("file", O_RDONLY, 0), -1);
}

static void vectors_on_tmpfs(void)
{
	if (on_tmpfs() == NULL)
		skip("no tmpfs");
	ask_vectors(make_unnamed(on_tmpfs(), LENGTH), -1);
}

static void vectors_on_a_socket(void)
{
	ask_pair(ask_vectors);
}

static void vectors_on_a_closed_number(void)
{
	ask_vectors(77, -1);
}

static void bad_pointers_of_other_calls(void)
{
	int file = disk_file(0);
	int pair[2];
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int client = socket(AF_UNIX, SOCK_STREAM, 0);

	make_buffers();
	NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	SEE(open((char *)missing, O_RDONLY), "open missing name");
	SEE(openat(AT_FDCWD, (char *)missing, O_RDONLY), "openat missing name");
	SEE(creat((char *)missing, 0600), "creat missing name");
	SEE(send(pair[0], missing, 100, 0), "send missing buffer");
	SEE(send(pair[0], half + PAGE - 100, 200, 0), "send half a buffer");
	SEE(send(pair[0], "ten bytes.", 10, 0), "send");
	SEE(recv(pair[1], missing, 100, 0), "recv into missing buffer");
	SEE(recv(pair[1], half, 100, 0), "recv");
	SEE(connect(client, (struct sockaddr *)missing, 16), "connect missing address");
	SEE(bind(listener, (struct sockaddr *)&(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)), "bind");
	SEE(listen(listener, 1), "listen");
	SEE(accept(listener, (struct sockaddr *)missing, NULL), "accept without a connection");
	SEE(fcntl(file, F_GETLK, missing), "F_GETLK missing lock");
	SEE(fcntl(file, F_SETLK, missing), "F_SETLK missing lock");
	SEE(sendfile(pair[0], file, (off_t *)missing, 10), "sendfile missing offset");
	SEE(sendfile64(pair[0], file, (off64_t *)read_only, 10), "sendfile64 read-only offset");
	SEE(copy_file_range(file, (off64_t *)missing, file, NULL, 10, 0), "copy_file_range missing offset");
	say("position %lld", (long long)raw_seek(file, 0, SEEK_CUR));
}

const struct promise promises[] = {
	{PROMISE(bad_buffers_on_a_file)},
	{PROMISE(bad_buffers_on_an_append_file)},
	{PROMISE(bad_buffers_on_tmpfs)},
	{PROMISE(bad_buffers_on_a_socket)},
	{PROMISE(bad_buffers_on_a_closed_number)},
	{PROMISE(bad_buffers_on_devices)},
	{PROMISE(vectors_on_a_file)},
	{PROMISE(vectors_on_a_read_only_file)},
	{PROMISE(vectors_on_tmpfs)},
	{PROMISE(vectors_on_a_socket)},
	{PROMISE(vectors_on_a_closed_number)},
	{PROMISE(bad_pointers_of_other_calls)},
	{.name = NULL},
};
