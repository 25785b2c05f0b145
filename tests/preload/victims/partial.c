/* SPDX-License-Identifier: MIT */
/*
 * How much comes back, and when less is the whole answer: files cached in part, files that grow, files of the
 * kernel that are read in its own pieces.
 *
 * Owns:    files of its own; reads some of the kernel's.
 * Threads: one, and a child that lets a file grow.
 * Never:   depends on what the page cache holds: any state must give the same answer.
 */
#include "transfer.h"
#include "victim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { LENGTH = 1 << 20, PIECE = 128 << 10 };

static char *buf;

static void prepare(void)
{
	buf = aligned_alloc(4096, PIECE);
	NEED(buf != NULL);
	make_file("file", LENGTH);
}

/* Throws away a part of what the page cache holds of the file; the rest stays. */
static void evict(int fd, off64_t from, off64_t len)
{
	NEED(RAW(SYS_fdatasync, fd) == 0);
	NEED(RAW(SYS_fadvise64, fd, from, len, POSIX_FADV_DONTNEED) == 0);
}

/* The beginning is in memory, the rest is not: the call waits for it rather than return what there is. */
static void a_file_cached_in_part_is_read_whole(void)
{
	int wrong = 0;
	int fd;

	prepare();
	fd = open("file", O_RDONLY);
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		for (int i = 0; !t->writes && i < 8; i++) {
			off64_t at = (off64_t)i * PIECE;
			ssize_t n;

			for (off64_t k = 0; k < LENGTH; k += 4096)
				raw_pread(fd, buf, 1, k);
			evict(fd, at + 4096 * (1 + i), PIECE);
			raw_seek(fd, at, SEEK_SET);
			memset(buf, 0, PIECE);
			errno = ERRNO_BEFORE;
			n = t->call(fd, buf, PIECE, at);
			wrong += n != PIECE || errno != ERRNO_BEFORE || !is_pattern(buf, PIECE, (uint64_t)at);
			wrong += raw_seek(fd, 0, SEEK_CUR) != (t->positional ? at : at + PIECE);
		}
	}
	verdict(wrong == 0, "%d wrong", wrong);
}

/* Across the end, cold and warm: as much as there is, then nothing. */
static void the_end_of_a_cold_file(void)
{
	int fd;

	prepare();
	fd = open("file", O_RDONLY);
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		if (t->writes)
			continue;
		for (int round = 0; round < 2; round++) {
			if (round == 0)
				evict(fd, 0, 0);
			raw_seek(fd, LENGTH - 5000, SEEK_SET);
			SEE(t->call(fd, buf, PIECE, LENGTH - 5000), "%s across the end", t->name);
			verdict(is_pattern(buf, 5000, LENGTH - 5000), "its bytes");
			SEE(t->call(fd, buf, PIECE, LENGTH), "%s at the end", t->name);
		}
	}
}

/* What was the end a moment ago is not any more. */
static void a_file_that_grows(void)
{
	static char line[100];
	int fd;
	int writer;

	make_file("log", 0);
	fd = open("log", O_RDONLY);
	writer = raw_open("log", O_WRONLY | O_APPEND, 0);
	for (int i = 0; i < 50; i++) {
		ssize_t n;

		fill_pattern(line, sizeof(line), (uint64_t)i * 100);
		NEED(raw_write(writer, line, (size_t)(i % 3) * 50) >= 0);
		n = read(fd, line, sizeof(line));
		if (n != (ssize_t)(i % 3) * 50)
			say("round %d: %zd", i, n);
		SEE(read(fd, line, sizeof(line)), "round %d, at the end", i);
	}
	say("position %lld", (long long)raw_seek(fd, 0, SEEK_CUR));
}

/* Cut off while it is read. */
static void a_file_that_shrinks(void)
{
	int fd;
	int writer;

	prepare();
	fd = open("file", O_RDONLY);
	writer = raw_open("file", O_WRONLY, 0);
	for (off64_t size = LENGTH; size >= 0; size -= 99999) {
		NEED(raw_truncate(writer, size) == 0);
		SEE(pread(fd, buf, PIECE, size - 1000), "pread across %lld", (long long)size);
		SEE(pread(fd, buf, PIECE, size), "pread at %lld", (long long)size);
	}
}

static void a_file_with_holes(void)
{
	char content[8192];
	int fd = open("holes", O_RDWR | O_CREAT, 0644);
	int wrong = 0;

	for (int i = 0; i < 16; i++) {
		fill_pattern(content, 100, (uint64_t)i);
		SEE(pwrite(fd, content, 100, (off64_t)i << 20), "pwrite %d", i);
	}
	for (int i = 0; i < 16; i++) {
		memset(content, 1, sizeof(content));
		SEE(pread(fd, content, sizeof(content), (off64_t)i << 20), "pread %d", i);
		wrong += !is_pattern(content, 100, (uint64_t)i);
		for (size_t k = 100; i < 15 && k < sizeof(content); k++)
			wrong += content[k] != 0;
	}
	SEE(lseek(fd, 0, SEEK_HOLE), "the first hole");
	verdict(wrong == 0, "%d wrong", wrong);
}

/* The kernel hands out such files in pieces of its own; a piece is an answer. */
static void files_of_the_kernel_come_in_pieces(void)
{
	static const char *const paths[] = {"/proc/kallsyms", "/proc/filesystems", "/proc/self/auxv", "/proc/self/comm",
		"/sys/kernel/mm/transparent_hugepage/enabled"};

	prepare();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = open(paths[i], O_RDONLY);

		say("%s: %s", paths[i], fd >= 0 ? "opened" : "none");
		for (int k = 0; fd >= 0 && k < 6; k++)
			SEE(read(fd, buf, PIECE), "read %d", k);
		if (fd >= 0)
			say("position %lld", (long long)lseek(fd, 0, SEEK_CUR));
		for (int k = 0; fd >= 0 && k < 3; k++)
			SEE(pread(fd, buf, PIECE, k * 5000), "pread at %d", k * 5000);
		close(fd);
	}
}

/* Memory of the process as a file: the addresses are the caller's, and so is what changes. */
static void the_memory_of_the_process_as_a_file(void)
{
	static volatile unsigned long word = 0x1234;
	unsigned long other = 0;
	int fd = open("/proc/self/mem", O_RDWR);

	if (fd < 0)
		skip("no /proc/self/mem");
	SEE(pread(fd, &other, sizeof(other), (off64_t)(uintptr_t)&word), "pread");
	say("%#lx", other);
	other = 0x5678;
	SEE(pwrite(fd, &other, sizeof(other), (off64_t)(uintptr_t)&word), "pwrite");
	say("%#lx", word);
	SEE(pread(fd, &other, sizeof(other), 8), "pread where nothing is");
}

/* A file of the kernel that asks which thread writes: a thread may only change its own attributes. */
static void files_that_ask_who_writes(void)
{
	static const char *const paths[] = {
		"/proc/thread-self/attr/current", "/proc/thread-self/attr/fscreate", "/proc/self/loginuid"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = open(paths[i], O_RDWR);

		say("%s: %s", paths[i], fd >= 0 ? "opened" : "none");
		if (fd < 0)
			continue;
		SEE(write(fd, "nonsense", 8), "write");
		SEE(pwrite(fd, "nonsense", 8, 0), "pwrite");
		close(fd);
	}
}

const struct promise promises[] = {
	{PROMISE(a_file_cached_in_part_is_read_whole)},
	{PROMISE(the_end_of_a_cold_file)},
	{PROMISE(a_file_that_grows)},
	{PROMISE(a_file_that_shrinks)},
	{PROMISE(a_file_with_holes)},
	{PROMISE(files_of_the_kernel_come_in_pieces)},
	{PROMISE(the_memory_of_the_process_as_a_file)},
	{PROMISE(files_that_ask_who_writes)},
	{.name = NULL},
};
