/* SPDX-License-Identifier: MIT */
/*
 * Counts the heap calls of a steady state: a program whose own malloc, calloc, realloc and free take the place of
 * libc's in the whole process, the preload and its threads included.
 *
 *	heap FILE BYTES COUNT		(FILE is overwritten in place)
 *
 * The allocator is a bump pointer over a static arena that is never given back: it needs no lock, no other allocator
 * and no dlsym, so it works from the first call of the loader on. One atomic counter. It must never call into stdio
 * between the two readings of the counter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEADER = 16, WARM_UP = 2000 };

static _Alignas(64) unsigned char arena[(size_t)512 << 20];
static atomic_size_t arena_used;
static atomic_long heap_calls;

static void *take(size_t alignment, size_t size)
{
	size_t room, at, p;

	if (alignment < HEADER)
		alignment = HEADER;
	if (size > sizeof(arena) || alignment > sizeof(arena))
		goto out;
	room = (size + alignment + 2 * HEADER) & ~(size_t)(HEADER - 1);
	at = atomic_fetch_add(&arena_used, room);
	if (at > sizeof(arena) || room > sizeof(arena) - at)
		goto out;
	p = ((uintptr_t)arena + at + HEADER + alignment - 1) & ~(alignment - 1);
	((size_t *)p)[-1] = size;
	return (void *)p;
out:
	errno = ENOMEM;
	return NULL;
}

static void count(void)
{
	atomic_fetch_add_explicit(&heap_calls, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
	count();
	return take(HEADER, size);
}

/* The arena is zero to begin with and nothing is used twice. */
void *calloc(size_t n, size_t size)
{
	size_t total;

	count();
	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return take(HEADER, total);
}

void *realloc(void *old, size_t size)
{
	void *p;

	count();
	p = take(HEADER, size);
	if (p && old) {
		size_t had = ((size_t *)old)[-1];

		memcpy(p, old, had < size ? had : size);
	}
	return p;
}

void free(void *p)
{
	if (p)
		count();
}

void *aligned_alloc(size_t alignment, size_t size)
{
	count();
	return take(alignment, size);
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size)
{
	count();
	return take(alignment, size);
}

int posix_memalign(void **p, size_t alignment, size_t size)
{
	count();
	*p = take(alignment, size);
	return *p ? 0 : ENOMEM;
}

struct file {
	int fd;
	size_t bytes;
	off_t size;
	char *buf;
};

static ssize_t do_pread(struct file *f, off_t at)
{
	return pread(f->fd, f->buf, f->bytes, at);
}

static ssize_t do_pwrite(struct file *f, off_t at)
{
	return pwrite(f->fd, f->buf, f->bytes, at);
}

static ssize_t do_preadv(struct file *f, off_t at)
{
	struct iovec v[2] = {{f->buf, f->bytes / 2}, {f->buf + f->bytes / 2, f->bytes - f->bytes / 2}};

	return preadv(f->fd, v, 2, at);
}

static ssize_t do_pwritev(struct file *f, off_t at)
{
	struct iovec v[2] = {{f->buf, f->bytes / 2}, {f->buf + f->bytes / 2, f->bytes - f->bytes / 2}};

	return pwritev(f->fd, v, 2, at);
}

static ssize_t do_read(struct file *f, off_t at)
{
	if (!at && lseek(f->fd, 0, SEEK_SET))
		return -1;
	return read(f->fd, f->buf, f->bytes);
}

static ssize_t do_write(struct file *f, off_t at)
{
	if (!at && lseek(f->fd, 0, SEEK_SET))
		return -1;
	return write(f->fd, f->buf, f->bytes);
}

static const struct {
	const char *name;
	ssize_t (*once)(struct file *, off_t);
} ops[] = {
	{"pread", do_pread},
	{"pwrite", do_pwrite},
	{"preadv", do_preadv},
	{"pwritev", do_pwritev},
	{"read", do_read},
	{"write", do_write},
};

static void repeat(ssize_t (*once)(struct file *, off_t), struct file *f, long n)
{
	off_t at = 0;

	for (; n > 0; n--) {
		if (once(f, at) != (ssize_t)f->bytes) {
			fprintf(stderr, "heap: short or failed call: %s\n", strerror(errno));
			exit(1);
		}
		at += (off_t)f->bytes;
		if (at + (off_t)f->bytes > f->size)
			at = 0;
	}
}

int main(int argc, char **argv)
{
	static char buf[1 << 20];
	struct file f = {.buf = buf};
	struct stat st;
	long n = argc > 3 ? atol(argv[3]) : 0;

	if (n < 1 || atol(argv[2]) < 1 || atol(argv[2]) > (long)sizeof(buf)) {
		fprintf(stderr, "usage: heap FILE BYTES COUNT\n");
		return 2;
	}
	f.bytes = (size_t)atol(argv[2]);
	f.fd = open(argv[1], O_RDWR);
	if (f.fd < 0 || fstat(f.fd, &st) || st.st_size < (off_t)f.bytes) {
		fprintf(stderr, "heap: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	f.size = st.st_size;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		long before, after;

		repeat(ops[i].once, &f, WARM_UP);
		before = atomic_load(&heap_calls);
		repeat(ops[i].once, &f, i ? n / 5 : n); /* the first one is the row; the rest stand by it */
		after = atomic_load(&heap_calls);
		printf("%s%s=%ld", i ? " " : "", ops[i].name, after - before);
	}
	printf("\n");
	return 0;
}
