/* SPDX-License-Identifier: MIT */
/*
 * Children that share the parent's memory until they exec, and the calls of libc that make such children: what a
 * child does to its descriptors is the child's own affair.
 *
 * Owns:    files of its own; results that a vfork child leaves in volatile memory.
 * Threads: the first makes children, others do I/O meanwhile where a promise says so.
 * Never:   returns from the function that called vfork.
 */
#include "victim.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>

extern char **environ;

enum { LENGTH = 100000 };

static int file = -1;
static int other = -1;
static int pipe_ends[2];
static volatile int results[16];
static char block[4096];

static void prepare(void)
{
	make_file("file", LENGTH);
	make_file("other", 1000);
	file = open("file", O_RDWR);
	other = open("other", O_RDWR);
	NEED(file >= 0 && other >= 0 && raw_pipe(pipe_ends, O_NONBLOCK) == 0);
	SEE(pread(file, block, 100, 0), "before: file");
	SEE(pread(other, block, 100, 0), "before: other");
	SEE(read(file, block, 100), "before: read");
}

/* What the parent finds afterwards: each number is what it was, position included. */
static void look_at_all(void)
{
	char buf[200];

	SEE(read(file, buf, 200), "after: read");
	verdict(is_pattern(buf, 200, (uint64_t)lseek(file, 0, SEEK_CUR) - 200), "its bytes");
	SEE(pread(file, buf, 200, 5000), "after: pread");
	verdict(is_pattern(buf, 200, 5000), "its bytes");
	SEE(pread(other, buf, 200, 500), "after: other");
	verdict(is_pattern(buf, 200, 500), "its bytes");
	SEE(write(pipe_ends[1], "abc", 3), "after: pipe");
	SEE(read(pipe_ends[0], buf, 10), "after: pipe");
	SEE(read(pipe_ends[0], buf, 10), "after: empty pipe");
	SEE(pwrite(file, buf, 3, LENGTH), "after: pwrite");
	say("position %lld", (long long)lseek(file, 0, SEEK_CUR));
	say_descriptors("open");
}

static void child_swaps_and_closes(void)
{
	results[0] = dup2(pipe_ends[0], file);
	results[1] = dup2(file, other);
	results[2] = (int)read(file, block, 10);
	results[3] = close(file);
	results[4] = (int)pread(file, block, 10, 0);
	results[5] = open("other", O_RDONLY);
	results[6] = (int)pread(results[5], block, 100, 0);
	results[7] = (int)read(results[5], block, 100);
	results[8] = close_range(3, ~0U, 0);
	results[9] = (int)write(other, "x", 1);
	results[10] = open("file", O_RDWR);
	results[11] = (int)pread(results[10], block, 4096, 4096);
	results[12] = open("other", O_RDWR);
	results[13] = (int)write(results[12], block, 10);
	results[14] = dup(results[12]);
	results[15] = (int)lseek(results[14], 0, SEEK_CUR);
}

static void child_reads_and_writes(void)
{
	struct iovec vector = {block, 50};

	results[0] = (int)read(file, block, 100);
	results[1] = (int)readv(file, &vector, 1);
	results[2] = (int)preadv(file, &vector, 1, 0);
	results[3] = (int)pwrite(file, block, 50, LENGTH + 100);
	results[4] = (int)lseek(file, 10, SEEK_CUR);
	results[5] = (int)write(pipe_ends[1], "abcdef", 6);
	results[6] = (int)read(pipe_ends[0], block, 6);
	results[7] = (int)pread(other, block, 4096, 0);
	results[8] = fsync(other);
	results[9] = (int)pread(77, block, 1, 0);
}

/* noinline and returns_twice-safe: nothing but volatile memory is used after the child's part. */
static __attribute__((noinline)) int run_in_vfork(void (*part)(void), int status)
{
	volatile int end = status;
	pid_t child = vfork();

	if (child == 0) {
		part();
		_exit(end);
	}
	return child;
}

static void tell_results(int count)
{
	for (int i = 0; i < count; i++)
		say("child %d: %d", i, results[i]);
}

static void child_changes_its_table(void)
{
	prepare();
	say("%s", ending(run_in_vfork(child_swaps_and_closes, 3)));
	tell_results(16);
	look_at_all();
	say("%s", ending(run_in_vfork(child_swaps_and_closes, 4)));
	look_at_all();
}

static void child_does_io(void)
{
	prepare();
	say("%s", ending(run_in_vfork(child_reads_and_writes, 3)));
	tell_results(10);
	look_at_all();
}

/* The very first interposed call of the process is made by a vfork child. */
static void child_makes_the_first_call(void)
{
	make_file("file", LENGTH);
	make_file("other", 1000);
	file = raw_open("file", O_RDWR, 0);
	other = raw_open("other", O_RDWR, 0);
	NEED(raw_pipe(pipe_ends, O_NONBLOCK) == 0);
	say("%s", ending(run_in_vfork(child_reads_and_writes, 3)));
	tell_results(10);
	say("%s", ending(run_in_vfork(child_swaps_and_closes, 3)));
	tell_results(16);
	look_at_all();
}

static atomic_bool stop;
static atomic_int wrong;

static void *read_on(void *unused)
{
	char buf[512];

	(void)unused;
	while (!stop) {
		for (int i = 0; i < 50; i++) {
			if (pread(file, buf, 512, i * 700) != 512 || !is_pattern(buf, 512, (uint64_t)i * 700))
				wrong++;
		}
	}
	return NULL;
}

static void many_children_beside_busy_threads(void)
{
	pthread_t threads[4];
	int bad = 0;

	prepare();
	for (int i = 0; i < 4; i++)
		NEED(pthread_create(&threads[i], NULL, read_on, NULL) == 0);
	for (int i = 0; i < 150; i++) {
		int status = 0;
		pid_t child = run_in_vfork(i % 2 == 0 ? child_swaps_and_closes : child_reads_and_writes, 0);

		NEED(waitpid(child, &status, 0) == child);
		bad += status != 0 || (i % 2 == 0 ? results[11] != 4096 : results[7] != 1000);
	}
	stop = true;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	verdict(bad == 0 && wrong == 0, "children %d bad, threads %d wrong", bad, wrong);
	/* The children moved the shared position; not where it is, but that it works counts. */
	SEE(lseek(file, 0, SEEK_SET), "lseek");
	look_at_all();
}

/* The child executes another program, which is preloaded too, on descriptors that it arranged. */
static __attribute__((noinline)) int vfork_and_execute(void)
{
	pid_t child = vfork();

	if (child == 0) {
		int in = open("file", O_RDONLY);
		int out = open("copy", O_WRONLY | O_CREAT | O_TRUNC, 0644);

		dup2(in, 0);
		dup2(out, 1);
		close(in);
		close(out);
		close_range(3, ~0U, 0);
		execlp("cat", "cat", (char *)NULL);
		_exit(127);
	}
	return child;
}

static void tell_copy(const char *name, size_t len)
{
	char *content = malloc(LENGTH + 1);
	int fd = raw_open(name, O_RDONLY, 0);
	ssize_t n = raw_pread(fd, content, LENGTH + 1, 0);

	say("%s: %zd bytes", name, n);
	verdict(n == (ssize_t)len && is_pattern(content, len, 0), "its bytes");
	raw_close(fd);
	free(content);
}

static void child_executes_a_program(void)
{
	prepare();
	say("%s", ending(vfork_and_execute()));
	tell_copy("copy", LENGTH);
	look_at_all();
}

static void spawning(void)
{
	posix_spawn_file_actions_t actions;
	char *arguments[] = {(char *)(uintptr_t) "cat", NULL};
	pid_t child;

	prepare();
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "file", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 50, "copy", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	posix_spawn_file_actions_adddup2(&actions, 50, 1);
	posix_spawn_file_actions_addclose(&actions, 50);
	posix_spawn_file_actions_addclose(&actions, file);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	SEE(posix_spawnp(&child, "cat", &actions, NULL, arguments, environ), "posix_spawnp");
	say("%s", ending(child));
	tell_copy("copy", LENGTH);
	SEE(posix_spawn(&child, "/nonexistent", &actions, NULL, arguments, environ), "posix_spawn of nothing");
	posix_spawn_file_actions_destroy(&actions);
	look_at_all();
}

static void shells(void)
{
	char line[64] = "";
	FILE *stream;

	prepare();
	SEE(system("cat file > copy"), "system");
	tell_copy("copy", LENGTH);
	SEE(system("exit 7"), "system with a status");
	stream = popen("wc -c < file", "r");
	NEED(stream != NULL);
	verdict(fgets(line, sizeof(line), stream) != NULL && atoi(line) == LENGTH, "popen for reading");
	SEE(pclose(stream), "pclose");
	stream = popen("cat > copy2", "w");
	NEED(stream != NULL);
	verdict(fputs("text of the parent\n", stream) > 0, "popen for writing");
	SEE(pread(file, block, 100, 0), "pread between");
	SEE(pclose(stream), "pclose");
	other = open("copy2", O_RDONLY);
	SEE(read(other, block, 100), "what it wrote");
	verdict(memcmp(block, "text of the parent\n", 19) == 0, "its bytes");
	other = open("other", O_RDWR);
	look_at_all();
}

/* A daemon: two forks, a session of its own, descriptors closed and opened anew, then its work. */
static void work_as_a_daemon(int report)
{
	char buf[100];
	int verdicts = 0;
	int fd;

	verdicts += pread(file, buf, 100, 0) == 100 && is_pattern(buf, 100, 0);
	close_range(3, (unsigned)report - 1, 0);
	close_range((unsigned)report + 1, ~0U, 0);
	close(0);
	verdicts += open("/dev/null", O_RDWR) == 0;
	dup2(0, 1);
	dup2(0, 2);
	fd = open("file", O_RDWR);
	verdicts += fd == 3;
	verdicts += read(fd, buf, 100) == 100 && is_pattern(buf, 100, 0);
	verdicts += pwrite(fd, "daemon", 6, LENGTH - 6) == 6;
	verdicts += pread(fd, buf, 6, LENGTH - 6) == 6 && memcmp(buf, "daemon", 6) == 0;
	verdicts += fsync(fd) == 0;
	raw_write(report, &verdicts, sizeof(verdicts));
	_exit(0);
}

static void daemons(void)
{
	for (int by_libc = 0; by_libc < 2; by_libc++) {
		int verdicts = -1;
		int ends[2];
		pid_t child;

		prepare();
		NEED(raw_pipe(ends, O_CLOEXEC) == 0);
		NEED(fcntl(ends[1], F_DUPFD, 600) == 600 && raw_close(ends[1]) == 0);
		child = fork();
		if (child == 0) {
			raw_close(ends[0]);
			if (by_libc) {
				if (daemon(1, 1) == 0)
					work_as_a_daemon(600);
				_exit(9);
			}
			setsid();
			if (fork() == 0)
				work_as_a_daemon(600);
			_exit(0);
		}
		raw_close(600);
		say("%s", ending(child));
		/* Comes when the daemon has written, or ended. */
		NEED(raw_read(ends[0], &verdicts, sizeof(verdicts)) >= 0);
		say("%d of 7 steps", verdicts);
		raw_read(ends[0], &verdicts, sizeof(verdicts));
		raw_close(ends[0]);
		look_at_all();
		RAW(SYS_close_range, 3U, ~0U, 0U);
	}
}

const struct promise promises[] = {
	{PROMISE(child_changes_its_table)},
	{PROMISE(child_does_io)},
	{PROMISE(child_makes_the_first_call)},
	{PROMISE(many_children_beside_busy_threads)},
	{PROMISE(child_executes_a_program)},
	{PROMISE(spawning)},
	{PROMISE(shells)},
	{PROMISE(daemons)},
	{.name = NULL},
};
