/* SPDX-License-Identifier: MIT */
/*
 * syscall(2), the way past every name: all six arguments arrive, and what comes back is the kernel's, whether a
 * preload lets it pass or not.
 *
 * Owns:    files of its own.
 * Threads: one.
 * Never:   uses a number whose call would return on another stack.
 */
#include "victim.h"

#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { LENGTH = 100000 };

static void calls_on_files_by_number(void)
{
	char buf[1000];
	struct iovec halves[2] = {{buf, 500}, {buf + 500, 500}};
	off64_t from = 10;
	off64_t to = 50000;
	int fd;

	make_file("file", LENGTH);
	SEE(fd = (int)syscall(SYS_openat, AT_FDCWD, "file", O_RDWR, 0), "openat");
	SEE(pread(fd, buf, 1000, 0), "pread by name");
	SEE(syscall(SYS_read, fd, buf, 1000L), "read");
	verdict(is_pattern(buf, 1000, 0), "its bytes");
	SEE(read(fd, buf, 1000), "read by name");
	verdict(is_pattern(buf, 1000, 1000), "its bytes");
	SEE(syscall(SYS_pread64, fd, buf, 1000L, 5000L), "pread64");
	verdict(is_pattern(buf, 1000, 5000), "its bytes");
	SEE(syscall(SYS_preadv, fd, halves, 2L, 7000L, 0L), "preadv");
	verdict(is_pattern(buf, 1000, 7000), "its bytes");
	SEE(syscall(SYS_preadv2, fd, halves, 2L, -1L, -1L, 0L), "preadv2");
	SEE(syscall(SYS_preadv2, fd, halves, 2L, 0L, 0L, 0x1000L), "preadv2, unknown flag");
	SEE(syscall(SYS_pwritev2, fd, halves, 2L, 0L, 0L, 0x10L), "pwritev2 appends");
	SEE(syscall(SYS_copy_file_range, fd, &from, fd, &to, 100L, 0L), "copy_file_range");
	say("from %lld to %lld", (long long)from, (long long)to);
	SEE(syscall(SYS_copy_file_range, fd, &from, fd, &to, 100L, 1L), "copy_file_range, unknown flag");
	SEE(syscall(SYS_lseek, fd, -10L, SEEK_END), "lseek");
	SEE(syscall(SYS_fallocate, fd, 0L, 0L, 200000L), "fallocate");
	SEE(syscall(SYS_ftruncate, fd, 50L), "ftruncate");
	SEE(read(fd, buf, 1000), "read by name, beyond the end");
	SEE(syscall(SYS_fsync, fd), "fsync");
}

static void calls_on_descriptors_by_number(void)
{
	char buf[100];
	int pair[2];
	int fd;

	make_file("file", LENGTH);
	fd = open("file", O_RDWR);
	SEE(pread(fd, buf, 100, 0), "pread");
	SEE(syscall(SYS_dup3, fd, 40, 0), "dup3");
	SEE(syscall(SYS_fcntl, 40, F_DUPFD, 50L), "fcntl");
	SEE(syscall(SYS_close, fd), "close");
	SEE(pread(fd, buf, 100, 0), "pread of the closed");
	SEE(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
	say("numbers %d %d", pair[0], pair[1]);
	SEE(syscall(SYS_sendto, pair[0], "abc", 3L, 0, NULL, 0L), "sendto");
	SEE(read(pair[1], buf, 100), "read");
	SEE(pread(pair[1], buf, 100, 0), "pread");
	SEE(syscall(SYS_close_range, 3U, 45U, 0U), "close_range");
	SEE(pread(50, buf, 100, 100), "pread");
	verdict(is_pattern(buf, 100, 100), "its bytes");
	say_descriptors("open");
}

static void other_calls_by_number(void)
{
	char *memory;
	struct stat st;

	make_file("file", LENGTH);
	memory = (char *)syscall(SYS_mmap, NULL, 8192L, PROT_READ, MAP_PRIVATE, raw_open("file", O_RDONLY, 0), 4096L);
	verdict(memory != MAP_FAILED && is_pattern(memory, 8192, 4096), "mmap has six arguments");
	SEE(syscall(SYS_munmap, memory, 8192L), "munmap");
	SEE(syscall(SYS_mmap, NULL, 8192L, PROT_READ, MAP_PRIVATE, -1, 1L), "mmap, wrong");
	SEE(syscall(SYS_newfstatat, AT_FDCWD, "file", &st, 0L), "newfstatat");
	say("size %lld", (long long)st.st_size);
	SEE(syscall(-1L), "-1");
	SEE(syscall(511L), "511");
	SEE(syscall(512L), "512");
	SEE(syscall(100000L), "100000");
	SEE(syscall(1L << 40, -1L, NULL, 0L), "2^40, of which the lower half is read");
	SEE(syscall(SYS_close, -1), "close of -1");
	verdict(syscall(SYS_getpid) == getpid() && syscall(SYS_gettid) == raw_gettid(), "getpid and gettid");
}

static void changing_tables_and_processes_by_number(void)
{
	char buf[100];
	pid_t child;
	int fd;

	make_file("file", LENGTH);
	fd = open("file", O_RDWR);
	SEE(pread(fd, buf, 100, 0), "pread");
#ifdef SYS_fork
	child = (pid_t)syscall(SYS_fork);
	if (child == 0) {
		bool right = pread(fd, buf, 100, 500) == 100 && is_pattern(buf, 100, 500) && read(fd, buf, 10) == 10;

		syscall(SYS_exit_group, right ? 5L : 6L);
	}
	say("fork: %s", ending(child));
#endif
	SEE(lseek(fd, 0, SEEK_CUR), "position");
	SEE(syscall(SYS_unshare, CLONE_FILES), "unshare");
	SEE(close(fd), "close");
	SEE(open("file", O_RDONLY), "open");
	SEE(pread(fd, buf, 100, 700), "pread");
	verdict(is_pattern(buf, 100, 700), "its bytes");
	SEE(write(fd, "x", 1), "write");
	child = fork();
	if (child == 0) {
		char *arguments[] = {
			(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t) "exit 7", NULL};

		syscall(SYS_execve, "/bin/sh", arguments, NULL);
		_exit(127);
	}
	say("execve: %s", ending(child));
}

const struct promise promises[] = {
	{PROMISE(calls_on_files_by_number)},
	{PROMISE(calls_on_descriptors_by_number)},
	{PROMISE(other_calls_by_number)},
	{PROMISE(changing_tables_and_processes_by_number)},
	{.name = NULL},
};
