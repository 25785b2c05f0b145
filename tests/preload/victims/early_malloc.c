/* SPDX-License-Identifier: MIT */
/*
 * A program with an allocator of its own that does I/O: allocators read /proc and /sys, log, and do so while they
 * hold their lock.
 *
 * Owns:    malloc and its family for the whole process: a bump allocator that never gives back.
 * Threads: any may allocate; the arena is an atomic counter.
 * Never:   does I/O within the I/O it does itself: a thread-local mark says that it is at it.
 */
#include "victim.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum { ARENA = 64 << 20, HEADER = 16, FILE_SIZE = 100000 };

static char arena[ARENA] __attribute__((aligned(16)));
static atomic_size_t used;
static atomic_int wrong;        /* I/O inside malloc that gave something else than it should */
static atomic_int calls;        /* of malloc and its family */
static atomic_int calls_in_io;  /* those that came while this program was inside an interposed call */
static _Thread_local bool busy; /* inside the allocator's own I/O */
static _Thread_local bool in_io;
static bool with_io;

/* What allocators do: look into a file, append to a log. From the very first allocation on. */
static void do_io(void)
{
	char buf[64];
	int fd;

	if (!with_io || busy)
		return;
	busy = true;
	int err = errno;

	fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n <= 0 || pread(fd, buf + n, 1, 0) != 1 || buf[n] != buf[0])
			wrong++;
		if (close(fd) != 0)
			wrong++;
	}
	fd = open("malloc.log", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, "allocated", 9) != 9 || pread(fd, buf, 9, 0) != 9 || memcmp(buf, "allocated", 9) != 0)
		wrong++;
	if (writev(fd, &(struct iovec){buf, 3}, 1) != 3 || lseek(fd, 0, SEEK_CUR) != 12 || close(fd) != 0)
		wrong++;
	errno = err;
	busy = false;
}

void *malloc(size_t size)
{
	size_t need = (size + HEADER + 15) & ~(size_t)15;
	size_t at = atomic_fetch_add(&used, need);

	calls++;
	if (in_io && !busy)
		calls_in_io++;
	if (at + need > ARENA) {
		errno = ENOMEM;
		return NULL;
	}
	memcpy(arena + at, &size, sizeof(size));
	do_io();
	return arena + at + HEADER;
}

void free(void *memory)
{
	(void)memory;
}

void *calloc(size_t count, size_t size)
{
	return malloc(count * size); /* the arena is zero, and nothing is given out twice */
}

void *realloc(void *memory, size_t size)
{
	size_t old = 0;
	void *fresh = malloc(size);

	if (memory != NULL && fresh != NULL) {
		memcpy(&old, (char *)memory - HEADER, sizeof(old));
		memcpy(fresh, memory, old < size ? old : size);
	}
	return fresh;
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size)
{
	char *memory = malloc(size + alignment + HEADER);
	size_t over;

	if (memory == NULL)
		return NULL;
	over = (uintptr_t)memory % alignment;
	if (over != 0)
		memory += alignment - over;
	return memory;
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	*memory = memalign(alignment, size);
	return *memory == NULL ? ENOMEM : 0;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

/* On for the whole life of the process, also while libraries are being loaded, when the name says so. */
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char **, char **);
static void before_everything(int argc, char **argv, char **environment)
{
	(void)environment;
	with_io = argc == 2 && strncmp(argv[1], "io_in_malloc", 12) == 0;
}
static void (*const preinit)(int, char **, char **) = before_everything;

static void *work(void *argument)
{
	char buf[100];
	int fd = *(int *)argument;

	for (int i = 0; i < 50; i++) {
		char *memory = malloc(100);

		if (memory == NULL || pread(fd, buf, 100, i * 100) != 100 || !is_pattern(buf, 100, (uint64_t)i * 100))
			wrong++;
		free(memory);
	}
	return NULL;
}

static void io_in_malloc_from_the_first_one(void)
{
	pthread_t threads[4];
	int fd;

	make_file("file", FILE_SIZE);
	fd = open("file", O_RDWR);
	work(&fd);
	for (int i = 0; i < 4; i++)
		NEED(pthread_create(&threads[i], NULL, work, &fd) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	verdict(calls > 0 && wrong == 0, "every result right");
	say_descriptors("open");
}

/* The first interposed call of all comes from within malloc, called by a library function. */
static void io_in_malloc_called_by_libc(void)
{
	char *copy = strdup("a string");

	verdict(copy != NULL && strcmp(copy, "a string") == 0 && wrong == 0, "every result right");
}

/* Once warm, the calls allocate nothing: a program may make them while it holds its allocator's lock. */
static void io_allocates_nothing_once_warm(void)
{
	char buf[4096];
	struct iovec vector[2] = {{buf, 100}, {buf + 100, 100}};
	int ends[2];
	int fd;

	make_file("file", FILE_SIZE);
	fd = open("file", O_RDWR);
	NEED(raw_pipe(ends, 0) == 0);
	for (int round = 0; round < 2; round++) {
		in_io = round == 1;
		for (int i = 0; i < 300; i++) {
			wrong += pread(fd, buf, 100, i) != 100 || pwrite(fd, buf, 100, i) != 100;
			wrong += readv(fd, vector, 2) != 200 || preadv(fd, vector, 2, i) != 200;
			wrong += writev(fd, vector, 2) != 200 || pwritev(fd, vector, 2, i) != 200;
			wrong += lseek(fd, 0, SEEK_SET) != 0 || read(fd, buf, 10) != 10 || write(fd, buf, 10) != 10;
			wrong += write(ends[1], buf, 10) != 10 || read(ends[0], buf, 10) != 10;
			wrong += close(dup(fd)) != 0;
		}
		in_io = false;
	}
	verdict(wrong == 0, "every result right");
	verdict(calls_in_io == 0, "allocations in 300 rounds: %d", calls_in_io);
}

const struct promise promises[] = {
	{PROMISE(io_in_malloc_from_the_first_one)},
	{PROMISE(io_in_malloc_called_by_libc)},
	{PROMISE(io_allocates_nothing_once_warm)},
	{.name = NULL},
};
