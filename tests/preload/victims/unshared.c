/* SPDX-License-Identifier: MIT */
/*
 * A thread with a descriptor table of its own: the same number is another file there, and the call acts on the
 * caller's.
 *
 * Owns:    two files under one number, in two tables.
 * Threads: the first, and one or more that leave its table.
 * Never:   prints from two threads at a time.
 */
#include "victim.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { LENGTH = 100000, SHIFT = 500 };

static int file = -1;
static atomic_int wrong;

/* "mine" holds the pattern SHIFT bytes further on, so that the two files differ at every offset. */
static void prepare(void)
{
	static char content[LENGTH];
	int fd;

	make_file("file", LENGTH);
	fill_pattern(content, LENGTH, SHIFT);
	fd = raw_open("mine", O_RDWR | O_CREAT, 0644);
	NEED(fd >= 0 && raw_pwrite(fd, content, LENGTH, 0) == LENGTH);
	raw_close(fd);
	file = open("file", O_RDWR);
	NEED(file >= 0);
}

static void check_reads(int fd, uint64_t shift)
{
	char buf[600];
	struct iovec halves[2] = {{buf, 300}, {buf + 300, 300}};

	for (int i = 0; i < 200; i++) {
		off64_t at = i * 331;

		if (pread(fd, buf, 600, at) != 600 || !is_pattern(buf, 600, (uint64_t)at + shift))
			wrong++;
		if (preadv(fd, halves, 2, at) != 600 || !is_pattern(buf, 600, (uint64_t)at + shift))
			wrong++;
		if (lseek(fd, at, SEEK_SET) != at || read(fd, buf, 600) != 600 ||
			!is_pattern(buf, 600, (uint64_t)at + shift))
			wrong++;
		if (pwrite(fd, buf, 600, at) != 600)
			wrong++;
	}
}

static void *leave_the_table(void *unused)
{
	char buf[100];
	int ends[2];

	(void)unused;
	SEE(pread(file, buf, 100, 0), "before");
	if (unshare(CLONE_FILES) != 0)
		skip("unshare(CLONE_FILES) is refused");
	check_reads(file, 0);
	SEE(close(file), "close of its own");
	SEE(pread(file, buf, 100, 0), "pread of the closed");
	SEE(open("mine", O_RDWR), "open");
	check_reads(file, SHIFT);
	SEE(close(file), "close");
	NEED(raw_pipe(ends, O_NONBLOCK) == 0);
	say("a pipe at %d", ends[0]);
	SEE(read(file, buf, 10), "read of the pipe");
	SEE(pread(file, buf, 10, 0), "pread of the pipe");
	SEE(write(ends[1], "abc", 3), "write");
	SEE(read(file, buf, 10), "read");
	return NULL;
}

static void a_thread_with_its_own_table(void)
{
	pthread_t thread;

	prepare();
	check_reads(file, 0);
	NEED(pthread_create(&thread, NULL, leave_the_table, NULL) == 0);
	pthread_join(thread, NULL);
	check_reads(file, 0);
	verdict(wrong == 0, "%d wrong", wrong);
	say_descriptors("open");
}

/* The same without a name that could be seen. */
static void *leave_unseen(void *unused)
{
	(void)unused;
	if (syscall(SYS_unshare, CLONE_FILES) != 0)
		skip("unshare(CLONE_FILES) is refused");
	NEED(raw_close(file) == 0 && raw_open("mine", O_RDWR, 0) == file);
	check_reads(file, SHIFT);
	return NULL;
}

static void a_thread_that_left_by_system_call(void)
{
	pthread_t thread;

	prepare();
	check_reads(file, 0);
	NEED(pthread_create(&thread, NULL, leave_unseen, NULL) == 0);
	pthread_join(thread, NULL);
	check_reads(file, 0);
	verdict(wrong == 0, "%d wrong", wrong);
}

/* close_range with CLOSE_RANGE_UNSHARE leaves the table too. */
static void *leave_by_close_range(void *unused)
{
	(void)unused;
	SEE(close_range((unsigned)file, ~0U, 2 /* CLOSE_RANGE_UNSHARE */), "close_range");
	SEE(open("mine", O_RDWR), "open");
	check_reads(file, SHIFT);
	return NULL;
}

static void a_thread_that_left_by_close_range(void)
{
	pthread_t thread;

	prepare();
	check_reads(file, 0);
	NEED(pthread_create(&thread, NULL, leave_by_close_range, NULL) == 0);
	pthread_join(thread, NULL);
	check_reads(file, 0);
	verdict(wrong == 0, "%d wrong", wrong);
	say_descriptors("open");
}

/* Several at once, in and out of step. */
static void *stay(void *unused)
{
	(void)unused;
	for (int i = 0; i < 5; i++) {
		char buf[600];

		for (int k = 0; k < 200; k++) {
			if (pread(file, buf, 600, k * 331) != 600 || !is_pattern(buf, 600, (uint64_t)k * 331))
				wrong++;
		}
	}
	return NULL;
}

static void tables_side_by_side(void)
{
	pthread_t leavers[3];
	pthread_t stayers[3];

	prepare();
	check_reads(file, 0);
	for (int i = 0; i < 3; i++) {
		NEED(pthread_create(&stayers[i], NULL, stay, NULL) == 0);
		NEED(pthread_create(&leavers[i], NULL, leave_unseen, NULL) == 0);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(stayers[i], NULL);
		pthread_join(leavers[i], NULL);
	}
	verdict(wrong == 0, "%d wrong", wrong);
}

/* Directory and umask can be a thread's own as well. */
static void *leave_the_directory(void *unused)
{
	char buf[100];
	struct stat st;
	int fd;

	(void)unused;
	if (unshare(CLONE_FS) != 0)
		skip("unshare(CLONE_FS) is refused");
	NEED(chdir("sub") == 0);
	umask(0077);
	SEE(fd = open("file", O_RDONLY), "open below");
	SEE(read(fd, buf, 100), "read");
	SEE(fd = open("made", O_RDWR | O_CREAT, 0666), "create");
	NEED(fstat(fd, &st) == 0);
	say("mode %o", st.st_mode);
	raw_close(fd);
	return NULL;
}

static void a_thread_with_its_own_directory(void)
{
	pthread_t thread;
	struct stat st;
	int fd;

	prepare();
	NEED(mkdir("sub", 0755) == 0);
	make_file("sub/file", 50);
	check_reads(file, 0);
	NEED(pthread_create(&thread, NULL, leave_the_directory, NULL) == 0);
	pthread_join(thread, NULL);
	SEE(fd = open("made", O_RDWR | O_CREAT | O_EXCL, 0666), "create");
	NEED(fstat(fd, &st) == 0);
	say("mode %o", st.st_mode);
	verdict(wrong == 0, "%d wrong", wrong);
}

const struct promise promises[] = {
	{PROMISE(a_thread_with_its_own_table)},
	{PROMISE(a_thread_that_left_by_system_call)},
	{PROMISE(a_thread_that_left_by_close_range)},
	{PROMISE(tables_side_by_side)},
	{PROMISE(a_thread_with_its_own_directory)},
	{.name = NULL},
};
