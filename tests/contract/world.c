/* SPDX-License-Identifier: MIT */
/*
 * What operations work on: twin files, pipes, sockets, odd memory; and the comparison of what became of them.
 *
 * Owns:    the test's own directory, which goes when the test ends.
 * Threads: a test's first; drains have one each.
 * Never:   uses the engine.
 */
#include "support.h"

#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

static char directory[4096];
static pid_t directory_owner;

void fill_pattern(void *buf, size_t len, size_t from)
{
	unsigned char *p = buf;

	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)((from + i) * 131 + (from + i) / 251);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void remove_directory(void)
{
	if (getpid() == directory_owner)
		nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *own_directory(void)
{
	const char *where = getenv("TEST_DIR");

	if (directory[0])
		return directory;
	snprintf(directory, sizeof(directory), "%s/contract-XXXXXX", where ? where : ".");
	cr_assert_not_null(mkdtemp(directory), "%s: %s", directory, strerror(errno));
	directory_owner = getpid();
	atexit(remove_directory);
	return directory;
}

static int new_file(size_t size, int flags)
{
	char name[4200], link[32];
	unsigned char *bytes;
	int fd, again;

	snprintf(name, sizeof(name), "%s/file-XXXXXX", own_directory());
	fd = mkstemp(name);
	cr_assert_geq(fd, 0);
	bytes = malloc(size + 1);
	fill_pattern(bytes, size, 0);
	cr_assert_eq(pwrite(fd, bytes, size, 0), (ssize_t)size);
	free(bytes);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	again = open(link, flags | O_CLOEXEC);
	if (again < 0 && (flags & O_DIRECT) && errno == EINVAL)
		cr_skip_test("this file system has no O_DIRECT");
	cr_assert_geq(again, 0, "%s", strerror(errno));
	close(fd);
	unlink(name);
	return again;
}

struct pair file_pair(size_t size, int flags)
{
	struct pair p;

	for (int side = 0; side < SIDES; side++)
		p.fd[side] = new_file(size, flags);
	return p;
}

struct pair memory_pair(size_t size)
{
	struct pair p;

	for (int side = 0; side < SIDES; side++) {
		char *bytes = malloc(size + 1);

		p.fd[side] = memfd_create("contract", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		cr_assert_geq(p.fd[side], 0);
		fill_pattern(bytes, size, 0);
		cr_assert_eq(pwrite(p.fd[side], bytes, size, 0), (ssize_t)size);
		free(bytes);
	}
	return p;
}

struct pair path_pair(const char *path, int flags)
{
	struct pair p;

	for (int side = 0; side < SIDES; side++) {
		p.fd[side] = open(path, flags | O_CLOEXEC);
		cr_assert_geq(p.fd[side], 0, "%s: %s", path, strerror(errno));
	}
	return p;
}

struct pair same_fd(int fd)
{
	return (struct pair){ { fd, fd } };
}

void close_pair(struct pair p)
{
	for (int side = 0; side < SIDES; side++)
		close(p.fd[side]);
}

struct pipe_pair make_pipes(int flags)
{
	struct pipe_pair p;
	int ends[2];

	for (int side = 0; side < SIDES; side++) {
		cr_assert_eq(pipe2(ends, flags | O_CLOEXEC), 0);
		p.in.fd[side] = ends[0];
		p.out.fd[side] = ends[1];
	}
	return p;
}

struct pipe_pair make_sockets(int type)
{
	struct pipe_pair p;
	int ends[2];

	for (int side = 0; side < SIDES; side++) {
		cr_assert_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
		p.in.fd[side] = ends[0];
		p.out.fd[side] = ends[1];
	}
	return p;
}

struct pipe_pair make_tcp(int type)
{
	struct pipe_pair p;

	for (int side = 0; side < SIDES; side++) {
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
		int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		socklen_t len = sizeof(a);

		cr_assert_eq(bind(listener, (struct sockaddr *)&a, len), 0);
		cr_assert_eq(listen(listener, 1), 0);
		cr_assert_eq(getsockname(listener, (struct sockaddr *)&a, &len), 0);
		p.out.fd[side] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		cr_assert_eq(connect(p.out.fd[side], (struct sockaddr *)&a, len), 0);
		p.in.fd[side] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		cr_assert_geq(p.in.fd[side], 0);
		close(listener);
	}
	if (type & SOCK_NONBLOCK) {
		set_nonblocking(p.in);
		set_nonblocking(p.out);
	}
	return p;
}

void set_nonblocking(struct pair p)
{
	for (int side = 0; side < SIDES; side++)
		cr_assert_eq(fcntl(p.fd[side], F_SETFL, fcntl(p.fd[side], F_GETFL) | O_NONBLOCK), 0);
}

char *edge_of_memory(void)
{
	size_t half = 16 * KIB;
	char *p = mmap(NULL, 2 * half, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	memset(p, 'm', half);
	cr_assert_eq(mprotect(p + half, half, PROT_NONE), 0);
	return p + half;
}

char *vast_memory(void)
{
	char *p = mmap(NULL, VAST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		cr_skip_test("no 3 GiB of address space: %s", strerror(errno));
	return p;
}

void same_position(struct pair p)
{
	off_t at = lseek(p.fd[KERNEL], 0, SEEK_CUR);

	cr_assert_eq(lseek(p.fd[ENGINE], 0, SEEK_CUR), at, "the position is %lld, not %lld",
		(long long)lseek(p.fd[ENGINE], 0, SEEK_CUR), (long long)at);
}

void seek_both(struct pair p, int64_t offset)
{
	for (int side = 0; side < SIDES; side++)
		cr_assert_eq(lseek(p.fd[side], offset, SEEK_SET), offset);
}

static int reopen_for_reading(int fd)
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return open(link, O_RDONLY | O_CLOEXEC);
}

void same_file(struct pair p)
{
	static char chunk[SIDES][64 * 1024];
	struct pair r;
	ssize_t n, m;

	for (int side = 0; side < SIDES; side++)
		cr_assert_geq(r.fd[side] = reopen_for_reading(p.fd[side]), 0);
	do {
		n = read(r.fd[KERNEL], chunk[KERNEL], sizeof(chunk[KERNEL]));
		m = read(r.fd[ENGINE], chunk[ENGINE], sizeof(chunk[ENGINE]));
		cr_assert_eq(n, m, "the files have not the same size");
		cr_assert(n <= 0 || memcmp(chunk[KERNEL], chunk[ENGINE], (size_t)n) == 0,
			"the files have not the same bytes");
	} while (n > 0);
	close_pair(r);
	same_position(p);
}

static void *drain(void *arg)
{
	struct drain *d = arg;
	unsigned char buf[5000], want[sizeof(buf)];
	ssize_t n;

	while (d->got < d->len) {
		n = read(d->fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		fill_pattern(want, (size_t)n, d->got);
		d->same = d->same && memcmp(buf, want, (size_t)n) == 0;
		d->got += (size_t)n;
	}
	return NULL;
}

void drain_start(struct drain *d, int fd, size_t len)
{
	d->fd = fd;
	d->len = len;
	d->got = 0;
	d->same = true;
	cr_assert_eq(pthread_create(&d->thread, NULL, drain, d), 0);
}

void drain_join(struct drain *d)
{
	pthread_join(d->thread, NULL);
	cr_assert_eq(d->got, d->len, "%zu bytes came of %zu", d->got, d->len);
	cr_assert(d->same, "other bytes came");
}

void ignore(int signal_number)
{
	signal(signal_number, SIG_IGN);
}

bool under_valgrind(void)
{
	return RUNNING_ON_VALGRIND;
}

void not_under_valgrind(void)
{
	if (under_valgrind())
		cr_skip_test("valgrind reports what the kernel is asked to refuse");
}
