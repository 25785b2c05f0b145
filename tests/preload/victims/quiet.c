/* SPDX-License-Identifier: MIT */
/*
 * Standard output and standard error belong to the program: what is in them is what it wrote, in its order,
 * whether they are files, pipes, or closed.
 *
 * Owns:    its standard descriptors; observations go to another number.
 * Threads: one.
 * Never:   writes to its own standard output anything that run.py does not compare.
 */
#include "victim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { LENGTH = 100000 };

static void work(void)
{
	char buf[1000];
	int fd;

	make_file("file", LENGTH);
	fd = open("file", O_RDWR);
	for (int i = 0; i < 100; i++)
		NEED(pread(fd, buf, 1000, i * 100) == 1000 && pwrite(fd, buf, 1000, i * 100) == 1000);
	NEED(pread(fd, buf, 1000, -1) == -1 && write(950, buf, 1) == -1 && fsync(fd) == 0 && close(fd) == 0);
}

/* The same text by every means a program has, interleaved: the order is the program's. */
static void write_by_all_means(int round)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "write %d\n", round);
	struct iovec vector = {line, (size_t)len};

	NEED(write(1, line, (size_t)len) == len);
	printf("printf %d\n", round);
	fflush(stdout);
	NEED(writev(1, &vector, 1) == len);
	NEED(raw_write(1, line, (size_t)len) == len);
	dprintf(1, "dprintf %d\n", round);
	NEED(write(2, line, (size_t)len) == len);
	fprintf(stderr, "fprintf %d\n", round);
}

static void tell_file(const char *name)
{
	static char content[1 << 16];
	int fd = raw_open(name, O_RDONLY, 0);
	ssize_t n = raw_read(fd, content, sizeof(content) - 1);

	say("%s: %zd bytes, %08x", name, n, n > 0 ? checksum(content, (size_t)n) : 0);
	if (n > 0 && n < 200) {
		content[n] = '\0';
		say("%s", content);
	}
	raw_close(fd);
}

/* Runs `part` in a child whose 1 and 2 are what the caller says; a number below 0 closes. */
static void in_a_child(void (*part)(void), int out, int err)
{
	pid_t child = fork();

	if (child == 0) {
		say_on = raw_fcntl(1, F_DUPFD_CLOEXEC, 900);
		raw_close(1);
		raw_close(2);
		if (out >= 0)
			RAW(SYS_dup3, out, 1, 0);
		if (err >= 0)
			RAW(SYS_dup3, err, 2, 0);
		part();
		exit(0);
	}
	say("%s", ending(child));
}

static void twenty_rounds(void)
{
	for (int i = 0; i < 20; i++) {
		write_by_all_means(i);
		work();
	}
}

static void output_to_files_is_the_programs(void)
{
	int out = raw_open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	int err = raw_open("err", O_WRONLY | O_CREAT | O_TRUNC, 0644);

	in_a_child(twenty_rounds, out, err);
	tell_file("out");
	tell_file("err");
}

/* `program > file 2>&1`: one open file under two numbers, one position. */
static void output_and_errors_share_a_file(void)
{
	int both = raw_open("both", O_WRONLY | O_CREAT | O_TRUNC, 0644);

	in_a_child(twenty_rounds, both, both);
	tell_file("both");
}

static void output_to_a_pipe_is_the_programs(void)
{
	static char content[65536];
	int ends[2];
	ssize_t n;

	NEED(raw_pipe(ends, O_CLOEXEC) == 0);
	in_a_child(twenty_rounds, ends[1], ends[1]);
	n = raw_read(ends[0], content, sizeof(content));
	say("%zd bytes, %08x", n, n > 0 ? checksum(content, (size_t)n) : 0);
}

static void silent(void)
{
	work();
}

/* The numbers are free, so the next files opened get them: nobody else writes there. */
static void files_under_the_standard_numbers(void)
{
	char buf[100];

	SEE(open("one", O_RDWR | O_CREAT, 0644), "open");
	SEE(open("two", O_RDWR | O_CREAT, 0644), "open");
	SEE(write(1, "only this", 9), "write");
	work();
	SEE(pread(1, buf, 100, 0), "pread");
	SEE(write(2, "and this", 8), "write");
	work();
}

static void closed_output_stays_closed(void)
{
	in_a_child(silent, -1, -1);
	in_a_child(files_under_the_standard_numbers, -1, -1);
	tell_file("one");
	tell_file("two");
}

/* stderr is a full device: whatever somebody wants to say there fails, and harms nobody. */
static void errors_to_a_full_device(void)
{
	int full = raw_open("/dev/full", O_WRONLY, 0);

	if (full < 0)
		skip("no /dev/full");
	in_a_child(silent, full, full);
}

extern char **environ;

/* What the program finds in its environment after I/O, but for what switched the preload on. */
static void the_environment_is_left_alone(void)
{
	work();
	for (char **entry = environ; *entry != NULL; entry++) {
		if (strncmp(*entry, "DFTIO_", 6) != 0 && strncmp(*entry, "LD_PRELOAD=", 11) != 0 &&
			strncmp(*entry, "TEST_", 5) != 0)
			say("%.*s %08x", (int)strcspn(*entry, "="), *entry, checksum(*entry, strlen(*entry)));
	}
}

static void nothing_is_added_to_the_output(void)
{
	work();
	say("this is all");
}

const struct promise promises[] = {
	{PROMISE(output_to_files_is_the_programs)},
	{PROMISE(output_and_errors_share_a_file)},
	{PROMISE(output_to_a_pipe_is_the_programs)},
	{PROMISE(closed_output_stays_closed)},
	{PROMISE(errors_to_a_full_device)},
	{PROMISE(nothing_is_added_to_the_output)},
	{PROMISE(the_environment_is_left_alone)},
	{.name = NULL},
};
