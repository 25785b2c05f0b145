/* SPDX-License-Identifier: MIT */
/*
 * Limits that the kernel answers with a signal or an error: RLIMIT_FSIZE, a pipe nobody reads, a full device. The
 * signal is raised in the thread that made the call, before the call returns.
 *
 * Owns:    the signal dispositions of the process.
 * Threads: one at a time makes the calls; another only waits for it.
 * Never:   raises a signal itself.
 */
#include "transfer.h"
#include "victim.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { LIMIT = 8192 };

static volatile int raised;        /* how often the handler ran */
static volatile int raised_thread; /* in which thread, the last time */
static volatile int raised_code;

static void note(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	raised++;
	raised_thread = raw_gettid();
	raised_code = info->si_code;
}

static void handle(int number)
{
	struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};

	NEED(sigaction(number, &action, NULL) == 0);
}

static void tell_signal(void)
{
	if (raised == 0)
		say("  no signal");
	else
		say("  raised %d times, %s, code %d", raised,
			raised_thread == raw_gettid() ? "in the caller" : "in ANOTHER thread: BROKEN", raised_code);
	raised = 0;
}

static void limit_file_size(void)
{
	struct rlimit limit = {LIMIT, RLIM_INFINITY};

	NEED(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = LIMIT;
	NEED(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void *write_beyond_the_limit(void *flags)
{
	static char block[5000];
	int fd = open("limited", O_RDWR | O_CREAT | O_TRUNC | *(int *)flags, 0644);

	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		if (!t->writes)
			continue;
		raw_truncate(fd, LIMIT - 3000);
		raw_seek(fd, LIMIT - 3000, SEEK_SET);
		SEE(t->call(fd, block, sizeof(block), LIMIT - 3000), "%s across the limit", t->name);
		tell_signal();
		say("  size=%lld pos=%lld", (long long)raw_seek(fd, 0, SEEK_END), (long long)raw_seek(fd, 0, SEEK_CUR));
		raw_seek(fd, LIMIT, SEEK_SET);
		SEE(t->call(fd, block, sizeof(block), LIMIT), "%s at the limit", t->name);
		tell_signal();
		SEE(t->call(fd, block, sizeof(block), LIMIT + 10000), "%s beyond the limit", t->name);
		tell_signal();
		SEE(t->call(fd, block, 0, LIMIT + 10000), "%s of nothing beyond the limit", t->name);
		tell_signal();
	}
	return NULL;
}

static void in_two_threads(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	say("--- in the first thread");
	run(argument);
	say("--- in another thread");
	NEED(pthread_create(&thread, NULL, run, argument) == 0);
	pthread_join(thread, NULL);
}

static void file_size_limit_in_writes(void)
{
	int flags = 0;

	handle(SIGXFSZ);
	limit_file_size();
	in_two_threads(write_beyond_the_limit, &flags);
}

static void file_size_limit_in_appends(void)
{
	int flags = O_APPEND;

	handle(SIGXFSZ);
	limit_file_size();
	in_two_threads(write_beyond_the_limit, &flags);
}

static void *grow_beyond_the_limit(void *unused)
{
	int source = open("source", O_RDONLY);
	int fd = open("limited", O_RDWR | O_CREAT | O_TRUNC, 0644);

	(void)unused;
	SEE(ftruncate(fd, LIMIT), "ftruncate to the limit");
	tell_signal();
	SEE(ftruncate(fd, LIMIT + 1), "ftruncate beyond");
	tell_signal();
	SEE(ftruncate64(fd, LIMIT + 1), "ftruncate64 beyond");
	tell_signal();
	SEE(lseek(fd, LIMIT - 100, SEEK_SET), "lseek");
	SEE(sendfile(fd, source, NULL, 1000), "sendfile across");
	tell_signal();
	SEE(sendfile(fd, source, NULL, 1000), "sendfile beyond");
	tell_signal();
	SEE(copy_file_range(source, NULL, fd, NULL, 1000, 0), "copy_file_range beyond");
	tell_signal();
	raw_close(source);
	raw_close(fd);
	return NULL;
}

static void file_size_limit_in_other_calls(void)
{
	make_file("source", 20000);
	handle(SIGXFSZ);
	limit_file_size();
	in_two_threads(grow_beyond_the_limit, NULL);
}

/* Nobody handles the signal: the call ends the process. */
static void file_size_limit_ends_the_process(void)
{
	static char block[5000];

	limit_file_size();
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		pid_t child;

		if (!t->writes)
			continue;
		child = fork();
		if (child == 0) {
			int fd = open("limited", O_RDWR | O_CREAT | O_TRUNC, 0644);

			t->call(fd, block, sizeof(block), 0);
			lseek(fd, LIMIT, SEEK_SET);
			t->call(fd, block, sizeof(block), LIMIT);
			_exit(0);
		}
		say("%s: %s", t->name, ending(child));
	}
}

/* Ignored: only the error is left. */
static void file_size_limit_ignored(void)
{
	int flags = 0;

	signal(SIGXFSZ, SIG_IGN);
	limit_file_size();
	write_beyond_the_limit(&flags);
}

static int broken_pipe(void)
{
	int ends[2];

	NEED(raw_pipe(ends, 0) == 0);
	raw_close(ends[0]);
	return ends[1];
}

static int broken_socket(void)
{
	int pair[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	raw_close(pair[1]);
	return pair[0];
}

static void *write_to_nobody(void *unused)
{
	int pipe_end = broken_pipe();
	int socket_end = broken_socket();
	int source = open("source", O_RDONLY);
	char byte = 'x';

	(void)unused;
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		if (!t->writes)
			continue;
		SEE(t->call(pipe_end, &byte, 1, -1), "%s to a pipe", t->name);
		tell_signal();
		SEE(t->call(socket_end, &byte, 1, -1), "%s to a socket", t->name);
		tell_signal();
		SEE(t->call(pipe_end, &byte, 0, -1), "%s of nothing to a pipe", t->name);
		tell_signal();
	}
	SEE(send(socket_end, &byte, 1, 0), "send");
	tell_signal();
	SEE(send(socket_end, &byte, 1, MSG_NOSIGNAL), "send without a signal");
	tell_signal();
	SEE(sendfile(socket_end, source, NULL, 100), "sendfile to a socket");
	tell_signal();
	SEE(sendfile(pipe_end, source, NULL, 100), "sendfile to a pipe");
	tell_signal();
	return NULL;
}

static void broken_pipes_signal_the_caller(void)
{
	make_file("source", 1000);
	handle(SIGPIPE);
	in_two_threads(write_to_nobody, NULL);
}

static void broken_pipes_with_the_signal_ignored(void)
{
	make_file("source", 1000);
	signal(SIGPIPE, SIG_IGN);
	in_two_threads(write_to_nobody, NULL);
}

/* Blocked: it stays pending for the thread that wrote, not for the process. */
static void *write_with_the_signal_blocked(void *unused)
{
	char status[4096];
	sigset_t set;
	int fd;
	ssize_t n;

	(void)unused;
	SEE(write(broken_pipe(), "x", 1), "write");
	fd = raw_open("/proc/thread-self/status", O_RDONLY, 0);
	n = raw_read(fd, status, sizeof(status) - 1);
	status[n > 0 ? n : 0] = '\0';
	verdict(strstr(status, "SigPnd:\t0000000000001000") != NULL, "pending for the thread");
	verdict(strstr(status, "ShdPnd:\t0000000000000000") != NULL, "not for the process");
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	SEE(sigtimedwait(&set, NULL, &(struct timespec){0, 0}), "sigtimedwait");
	raw_close(fd);
	return NULL;
}

static void broken_pipes_with_the_signal_blocked(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	NEED(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	in_two_threads(write_with_the_signal_blocked, NULL);
}

static void broken_pipes_end_the_process(void)
{
	for (int which = 0; which < 4; which++) {
		pid_t child = fork();

		if (child == 0) {
			if (which == 0)
				write(broken_pipe(), "x", 1);
			else if (which == 1)
				write(broken_socket(), "x", 1);
			else if (which == 2)
				send(broken_socket(), "x", 1, 0);
			else
				writev(broken_pipe(), &(struct iovec){(char[1]){'x'}, 1}, 1);
			_exit(0);
		}
		say("%d: %s", which, ending(child));
	}
}

static void a_full_device(void)
{
	static char block[5000];
	int fd = open("/dev/full", O_RDWR);

	if (fd < 0)
		skip("no /dev/full");
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		SEE(t->call(fd, block, sizeof(block), 0), "%s", t->name);
		SEE(t->call(fd, block, 0, 0), "%s of nothing", t->name);
	}
	SEE(fsync(fd), "fsync");
	SEE(ftruncate(fd, 10), "ftruncate");
	SEE(close(fd), "close");
}

/* A tmpfs of its own would need privileges; a sealed file says no as well. */
static void a_file_that_may_not_grow(void)
{
	static char block[5000];
	int fd = (int)RAW(SYS_memfd_create, "sealed", 2U /* MFD_ALLOW_SEALING */);

	NEED(fd >= 0 && raw_truncate(fd, 4096) == 0);
	NEED(raw_fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		raw_seek(fd, 4000, SEEK_SET);
		SEE(t->call(fd, block, sizeof(block), 4000), "%s across the end", t->name);
		raw_seek(fd, 4096, SEEK_SET);
		SEE(t->call(fd, block, sizeof(block), 4096), "%s at the end", t->name);
	}
	SEE(ftruncate(fd, 5000), "ftruncate");
	NEED(raw_fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		raw_seek(fd, 0, SEEK_SET);
		SEE(t->call(fd, block, 10, 0), "%s when sealed", t->name);
	}
}

const struct promise promises[] = {
	{PROMISE(file_size_limit_in_writes)},
	{PROMISE(file_size_limit_in_appends)},
	{PROMISE(file_size_limit_in_other_calls)},
	{PROMISE(file_size_limit_ends_the_process)},
	{PROMISE(file_size_limit_ignored)},
	{PROMISE(broken_pipes_signal_the_caller)},
	{PROMISE(broken_pipes_with_the_signal_ignored)},
	{PROMISE(broken_pipes_with_the_signal_blocked)},
	{PROMISE(broken_pipes_end_the_process)},
	{PROMISE(a_full_device)},
	{PROMISE(a_file_that_may_not_grow)},
	{.name = NULL},
};
