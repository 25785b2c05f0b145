/* SPDX-License-Identifier: MIT */
/*
 * A number that was one thing and is another, changed by calls that no preload sees: libc's own, and system calls.
 * What was known of it must not matter.
 *
 * Owns:    NUMBER, the descriptor whose meaning changes.
 * Threads: one, and children that wait.
 * Never:   closes or replaces NUMBER by a name that is interposed, unless the promise says so.
 */
#include "transfer.h"
#include "victim.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { NUMBER = 3, LENGTH = 100000 };

static char block[65536];

/* NUMBER as a regular file, opened and used by the interposed names, so that everything about it is known. */
static void use_as_file(void)
{
	char buf[1000];
	int fd;

	raw_close(NUMBER);
	make_file("file", LENGTH);
	fd = open("file", O_RDWR);
	NEED(fd == NUMBER);
	for (int i = 0; i < 200; i++) {
		NEED(pread(fd, buf, 1000, i * 100) == 1000 && pwrite(fd, buf, 1000, i * 100) == 1000);
		NEED(read(fd, buf, 100) == 100);
	}
	NEED(readv(fd, &(struct iovec){buf, 100}, 1) == 100 && write(fd, buf, 1) == 1);
}

/* Takes `fd`'s place without a trace: dup3 and close by system call. */
static void replace_with(int fd)
{
	NEED(RAW(SYS_dup3, fd, NUMBER, 0) == NUMBER);
	raw_close(fd);
}

static void see_all_calls(const char *what)
{
	char buf[64];
	struct iovec vector = {buf, 10};

	memset(buf, 'x', sizeof(buf));
	SEE(pread(NUMBER, buf, 10, 5), "%s: pread", what);
	SEE(preadv(NUMBER, &vector, 1, 5), "%s: preadv", what);
	SEE(pwrite(NUMBER, buf, 10, 5), "%s: pwrite", what);
	SEE(lseek(NUMBER, 0, SEEK_CUR), "%s: lseek", what);
	SEE(fsync(NUMBER), "%s: fsync", what);
	SEE(ftruncate(NUMBER, 50), "%s: ftruncate", what);
	SEE(read(NUMBER, buf, 10), "%s: read", what);
	SEE(readv(NUMBER, &vector, 1), "%s: readv", what);
	SEE(preadv2(NUMBER, &vector, 1, -1, 0), "%s: preadv2", what);
	SEE(write(NUMBER, buf, 10), "%s: write", what);
	SEE(writev(NUMBER, &vector, 1), "%s: writev", what);
}

/* The empty pipe makes the caller wait, and a signal ends the wait. */
static void see_waiting_reads(const char *what)
{
	char buf[64];
	struct iovec vector = {buf, 10};

	on_signal(SIGALRM, NULL, 0);
	alarm_every(2000);
	SEE(read(NUMBER, buf, 10), "%s: read is interrupted", what);
	SEE(readv(NUMBER, &vector, 1), "%s: readv is interrupted", what);
	SEE(preadv2(NUMBER, &vector, 1, -1, 0), "%s: preadv2 is interrupted", what);
	alarm_every(0);
}

static void a_file_closed_by_stdio_becomes_a_pipe(void)
{
	char buf[64];
	FILE *stream;
	int ends[2];

	use_as_file();
	stream = fdopen(NUMBER, "r+");
	NEED(stream != NULL && fgetc(stream) != EOF && fclose(stream) == 0);
	NEED(raw_pipe(ends, 0) == 0 && ends[0] == NUMBER);
	see_waiting_reads("empty pipe");
	raw_write(ends[1], "0123456789abcdefghij0123456789", 30);
	see_all_calls("pipe");
	raw_close(ends[1]);
	SEE(read(NUMBER, buf, 10), "pipe at its end");
	SEE(read(NUMBER, buf, 10), "pipe at its end");
}

static void a_file_becomes_the_pipe_of_a_child(void)
{
	char buf[64] = "";
	FILE *stream;

	use_as_file();
	stream = fdopen(NUMBER, "r");
	NEED(stream != NULL && fclose(stream) == 0);
	stream = popen("read line; echo \"got $line\"; exit 3", "w");
	NEED(stream != NULL);
	say("number %d", fileno(stream));
	SEE(lseek(fileno(stream), 0, SEEK_CUR), "lseek");
	SEE(pwrite(fileno(stream), "x", 1, 0), "pwrite");
	SEE(write(fileno(stream), "hello\n", 6), "write");
	say("status %#x", (unsigned)pclose(stream));
	use_as_file();
	stream = fdopen(NUMBER, "r");
	NEED(stream != NULL && fclose(stream) == 0);
	stream = popen("echo hello", "r");
	NEED(stream != NULL);
	say("number %d", fileno(stream));
	SEE(pread(fileno(stream), buf, 10, 0), "pread");
	SEE(read(fileno(stream), buf, 10), "read");
	say("%s", buf);
	say("status %#x", (unsigned)pclose(stream));
}

/* Bytes that wait in the pipe or socket whose reading end is `fd`. */
static int waiting_in(int fd)
{
	int count = -1;

	NEED(ioctl(fd, FIONREAD, &count) == 0);
	return count;
}

/*
 * The first call on the number since it became a pipe or a socket has an offset: ESPIPE, and not a byte is taken
 * out or put in by whoever tried.
 */
static void a_positional_call_takes_nothing_and_leaves_nothing(void)
{
	char buf[16] = "0123456789";
	int ends[2];

	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		for (int kind = 0; t->positional && kind < 2; kind++) {
			use_as_file();
			if (kind == 0)
				NEED(raw_pipe(ends, 0) == 0);
			else
				NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
			if (!t->writes)
				NEED(raw_write(ends[1], "0123456789", 10) == 10);
			NEED(RAW(SYS_dup3, ends[t->writes ? 1 : 0], NUMBER, 0) == NUMBER);
			SEE(t->call(NUMBER, buf, 10, 0), "%s, %s", t->name, kind == 0 ? "pipe" : "socket");
			say("  waiting %d", waiting_in(ends[0]));
			raw_close(ends[0]);
			raw_close(ends[1]);
		}
	}
}

/* The first call has none: it does the same as on a descriptor that was never anything else. */
static void a_plain_call_takes_what_is_there(void)
{
	char buf[16] = "0123456789";
	int ends[2];

	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		if (t->positional && strstr(t->name, "v2") == NULL)
			continue;
		use_as_file();
		NEED(raw_pipe(ends, 0) == 0);
		if (!t->writes)
			NEED(raw_write(ends[1], "abcdefgh", 8) == 8);
		NEED(RAW(SYS_dup3, ends[t->writes ? 1 : 0], NUMBER, 0) == NUMBER);
		SEE(t->call(NUMBER, buf, 10, -1), "%s", t->name);
		say("  waiting %d, %.10s", waiting_in(ends[0]), buf);
		raw_close(ends[0]);
		raw_close(ends[1]);
	}
}

static void a_file_becomes_a_full_pipe(void)
{
	int ends[2];

	use_as_file();
	NEED(raw_pipe(ends, 0) == 0);
	NEED(raw_write(ends[1], block, 65536) == 65536);
	replace_with(ends[1]);
	on_signal(SIGALRM, NULL, 0);
	alarm_every(2000);
	SEE(write(NUMBER, block, 100), "write is interrupted");
	SEE(writev(NUMBER, &(struct iovec){block, 100}, 1), "writev is interrupted");
	SEE(pwritev2(NUMBER, &(struct iovec){block, 100}, 1, -1, 0), "pwritev2 is interrupted");
	SEE(sendfile(NUMBER, open("file", O_RDONLY), NULL, 100), "sendfile is interrupted");
	alarm_every(0);
	raw_fcntl(NUMBER, F_SETFL, O_NONBLOCK);
	SEE(write(NUMBER, block, 100), "write is refused");
	raw_read(ends[0], block, 65536);
	SEE(write(NUMBER, block, 100), "write");
}

static void a_file_becomes_other_things(void)
{
	int pair[2];
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0 && pair[0] == NUMBER);
	NEED(raw_pipe(ends, O_NONBLOCK) == 0);
	for (int i = 3; i < 7; i++)
		raw_fcntl(i, F_DUPFD, 50 + i);
	for (int i = 3; i < 7; i++)
		raw_close(i);
	use_as_file();
	replace_with(53);
	raw_write(54, "0123456789abcdefghij0123456789", 30);
	see_all_calls("socket");
	SEE(recv(NUMBER, block, 10, 0), "recv");
	use_as_file();
	replace_with(55);
	see_all_calls("reader");
	use_as_file();
	replace_with(56);
	see_all_calls("writer");
	use_as_file();
	replace_with(raw_open("/dev/null", O_RDWR, 0));
	see_all_calls("null");
	use_as_file();
	replace_with(raw_open(".", O_RDONLY, 0));
	see_all_calls("directory");
	use_as_file();
	replace_with(raw_open("/proc/version", O_RDONLY, 0));
	SEE(lseek(NUMBER, 0, SEEK_CUR), "proc: lseek");
	use_as_file();
	replace_with(raw_open("file", O_PATH, 0));
	see_all_calls("path");
	use_as_file();
	raw_close(NUMBER);
	see_all_calls("closed");
}

/* Another file, shorter, elsewhere, opened in another way. */
static void a_file_becomes_another_file(void)
{
	char content[300] = "";

	use_as_file();
	make_file("second", 200);
	replace_with(raw_open("second", O_RDWR, 0));
	see_all_calls("shorter");
	say("size %lld", (long long)raw_seek(NUMBER, 0, SEEK_END));
	use_as_file();
	replace_with(raw_open("second", O_RDWR | O_APPEND, 0));
	see_all_calls("appended");
	say("size %lld", (long long)raw_seek(NUMBER, 0, SEEK_END));
	use_as_file();
	replace_with(raw_open("second", O_RDONLY, 0));
	see_all_calls("read-only");
	use_as_file();
	replace_with(raw_open("second", O_WRONLY, 0));
	see_all_calls("write-only");
	use_as_file();
	replace_with(raw_open("second", O_RDWR | O_DIRECT, 0));
	see_all_calls("direct");
	if (on_tmpfs() != NULL) {
		use_as_file();
		replace_with(make_unnamed(on_tmpfs(), 300));
		see_all_calls("tmpfs");
		see_all_calls("tmpfs");
		use_as_file();
	}
	raw_pread(raw_open("second", O_RDONLY, 0), content, 300, 0);
	say("content %08x", checksum(content, 70));
}

static void a_pipe_becomes_a_file(void)
{
	int ends[2];
	char buf[10];

	make_file("file", LENGTH);
	NEED(pipe(ends) == 0 && ends[0] == NUMBER);
	for (int i = 0; i < 200; i++)
		NEED(write(ends[1], "0123456789", 10) == 10 && read(NUMBER, buf, 10) == 10);
	replace_with(raw_open("file", O_RDWR, 0));
	see_all_calls("file");
	SEE(pread(NUMBER, block, 30, 0), "pread");
	verdict(is_pattern(block, 5, 0), "its bytes");
}

/* A FIFO opened by name, a terminal, a file again: seen by the interposed open this time, but not the close. */
static void a_directory_stream_gives_its_number_back(void)
{
	DIR *directory;

	use_as_file();
	raw_close(NUMBER);
	directory = opendir(".");
	NEED(directory != NULL && dirfd(directory) == NUMBER);
	see_all_calls("directory");
	closedir(directory);
	see_all_calls("closed");
	NEED(raw_open("file", O_RDWR, 0) == NUMBER);
	see_all_calls("file");
}

static atomic_int reader_tid;

static void *read_in_thread(void *unused)
{
	char buf[10];

	(void)unused;
	reader_tid = raw_gettid();
	SEE(read(NUMBER, buf, 10), "read in a thread");
	return NULL;
}

/* A thread waits on the pipe; others do their file I/O meanwhile, and the process can end. */
static void waiting_on_a_stale_number_keeps_nobody(void)
{
	char path[64];
	char line[256];
	pthread_t thread;
	int ends[2];
	int other;

	use_as_file();
	other = open("file", O_RDWR);
	NEED(raw_pipe(ends, 0) == 0);
	replace_with(ends[0]);
	NEED(pthread_create(&thread, NULL, read_in_thread, NULL) == 0);
	for (bool asleep = false; !asleep;) {
		int fd;
		ssize_t n;

		sched_yield();
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", reader_tid);
		fd = raw_open(path, O_RDONLY, 0);
		n = fd >= 0 ? raw_read(fd, line, sizeof(line) - 1) : 0;
		raw_close(fd);
		line[n > 0 ? n : 0] = '\0';
		asleep = reader_tid != 0 && strstr(line, ") S ") != NULL;
	}
	for (int i = 0; i < 100; i++)
		NEED(pread(other, line, 256, i) == 256 && pwrite(other, line, 256, i) == 256);
	SEE(fsync(other), "fsync meanwhile");
	raw_write(ends[1], "abc", 3);
	pthread_join(thread, NULL);
}

const struct promise promises[] = {
	{PROMISE(a_file_closed_by_stdio_becomes_a_pipe)},
	{PROMISE(a_file_becomes_the_pipe_of_a_child)},
	{PROMISE(a_positional_call_takes_nothing_and_leaves_nothing)},
	{PROMISE(a_plain_call_takes_what_is_there)},
	{PROMISE(a_file_becomes_a_full_pipe)},
	{PROMISE(a_file_becomes_other_things)},
	{PROMISE(a_file_becomes_another_file)},
	{PROMISE(a_pipe_becomes_a_file)},
	{PROMISE(a_directory_stream_gives_its_number_back)},
	{PROMISE(waiting_on_a_stale_number_keeps_nobody)},
	{.name = NULL},
};
