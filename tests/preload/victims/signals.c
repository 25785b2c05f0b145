/* SPDX-License-Identifier: MIT */
/*
 * Signal handlers that do I/O, that leave by siglongjmp, that interrupt what can be interrupted and nothing else.
 *
 * Owns:    the signal dispositions, ITIMER_REAL, files of its own.
 * Threads: the first makes the calls; handlers run in it. Where others exist they block all signals.
 * Never:   waits for a time to pass: loops end after so many handler runs.
 */
#include "transfer.h"
#include "victim.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { LENGTH = 1 << 18, RECORD = 512, LOG_LENGTH = 1 << 16 };

static int main_file = -1;
static int handler_file = -1;
static int handler_log = -1;
static int handler_pipe[2];
static volatile int runs;        /* of the handler */
static volatile int wanted_runs; /* after which it stops the timer */
static volatile int handler_wrong;

/* Everything a handler may do to other descriptors, checked. */
static void io_in_handler(int number)
{
	unsigned char buf[300];
	off64_t at = (off64_t)runs * 100 % (LENGTH - 300);
	off64_t log_at = (off64_t)runs % (LOG_LENGTH / 8) * 8;
	uint64_t word = (uint64_t)runs;
	int err = errno;

	(void)number;
	if (pread(handler_file, buf, 300, at) != 300 || !is_pattern(buf, 300, (uint64_t)at))
		handler_wrong++;
	if (lseek(handler_file, at, SEEK_SET) != at || read(handler_file, buf, 100) != 100 ||
		!is_pattern(buf, 100, (uint64_t)at))
		handler_wrong++;
	if (pwrite(handler_log, &word, 8, log_at) != 8 || pread(handler_log, buf, 8, log_at) != 8 ||
		memcmp(buf, &word, 8) != 0)
		handler_wrong++;
	if (write(handler_pipe[1], "abc", 3) != 3 || read(handler_pipe[0], buf, 3) != 3)
		handler_wrong++;
	if (++runs >= wanted_runs)
		alarm_every(0);
	errno = err;
}

static void prepare(void)
{
	make_file("main", LENGTH);
	make_file("handler", LENGTH);
	make_file("log", LOG_LENGTH);
	main_file = open("main", O_RDWR);
	handler_file = open("handler", O_RDONLY);
	handler_log = open("log", O_RDWR);
	NEED(main_file >= 0 && handler_file >= 0 && handler_log >= 0 && raw_pipe(handler_pipe, 0) == 0);
}

/* One round of the main loop: reads on, writes what is there already, reads elsewhere. Returns what went wrong. */
static int main_round(off64_t *position)
{
	unsigned char buf[2 * RECORD];
	struct iovec halves[2] = {{buf, RECORD}, {buf + RECORD, RECORD}};
	off64_t at = *position;
	int wrong = 0;

	if (at + RECORD > LENGTH) {
		wrong += lseek(main_file, 0, SEEK_SET) != 0;
		at = 0;
	}
	errno = ERRNO_BEFORE;
	wrong += read(main_file, buf, RECORD) != RECORD || !is_pattern(buf, RECORD, (uint64_t)at);
	wrong += lseek(main_file, 0, SEEK_CUR) != at + RECORD;
	wrong += preadv(main_file, halves, 2, at / 2) != 2 * RECORD || !is_pattern(buf, 2 * RECORD, (uint64_t)at / 2);
	fill_pattern(buf, RECORD, (uint64_t)at);
	wrong += pwrite(main_file, buf, RECORD, at) != RECORD;
	wrong += pread(main_file, buf, RECORD, at) != RECORD || !is_pattern(buf, RECORD, (uint64_t)at);
	wrong += errno != ERRNO_BEFORE;
	*position = at + RECORD;
	return wrong;
}

static void interrupt_file_io(long microseconds, int handlers, int flags)
{
	char *content = malloc(LENGTH);
	off64_t position = 0;
	int wrong = 0;
	int rounds = 0;

	prepare();
	wanted_runs = handlers;
	on_signal(SIGALRM, io_in_handler, flags);
	alarm_every(microseconds);
	while (runs < wanted_runs || rounds < 200) {
		wrong += main_round(&position);
		rounds++;
	}
	verdict(wrong == 0, "the main loop, %d wrong", wrong);
	verdict(handler_wrong == 0, "the handler, %d wrong", handler_wrong);
	NEED(raw_pread(main_file, content, LENGTH, 0) == LENGTH);
	verdict(is_pattern(content, LENGTH, 0), "the file");
	free(content);
}

static void handlers_do_io_at_1_kilohertz(void)
{
	interrupt_file_io(1000, 300, SA_RESTART);
}

static void handlers_do_io_at_10_kilohertz(void)
{
	interrupt_file_io(100, 3000, SA_RESTART);
}

/* Calls on files are not interrupted, with or without SA_RESTART. */
static void file_calls_never_return_eintr(void)
{
	interrupt_file_io(200, 1500, 0);
}

static void handlers_on_a_small_stack(void)
{
	size_t size = (size_t)sysconf(_SC_SIGSTKSZ);
	stack_t stack = {.ss_size = size > 8192 ? size : 8192};

	stack.ss_sp = malloc(stack.ss_size);
	NEED(sigaltstack(&stack, NULL) == 0);
	interrupt_file_io(1000, 200, SA_RESTART | SA_ONSTACK);
}

static sigjmp_buf way_out;
static volatile bool may_leave;

static void leave(int number)
{
	(void)number;
	if (++runs >= wanted_runs)
		alarm_every(0);
	if (may_leave) {
		may_leave = false;
		siglongjmp(way_out, 1);
	}
}

/*
 * The handler leaves while file calls run. What was going on has either happened whole or not at all: the position
 * is a multiple of the record, and the buffer, which is somebody else's by then, is not written to any more.
 */
static void leaving_a_handler_while_files_are_read(void)
{
	static unsigned char buf[RECORD];
	static unsigned char other[RECORD];
	static int wrong;
	static volatile int left;

	prepare();
	wanted_runs = 1000;
	on_signal(SIGALRM, leave, 0);
	alarm_every(500);
	while (runs < wanted_runs) {
		if (sigsetjmp(way_out, 1) == 0) {
			may_leave = true;
			for (int i = 0; may_leave && runs < wanted_runs; i++) {
				off64_t at = lseek(main_file, 0, SEEK_CUR);

				if (at + RECORD > LENGTH)
					at = lseek(main_file, 0, SEEK_SET);
				wrong += read(main_file, buf, RECORD) != RECORD ||
					 !is_pattern(buf, RECORD, (uint64_t)at);
				wrong += pread(handler_file, buf, RECORD, i) != RECORD;
			}
			may_leave = false;
			continue;
		}
		left++;
		wrong += raw_seek(main_file, 0, SEEK_CUR) % RECORD != 0;
		memset(buf, 0xee, RECORD);
		memset(other, 0xee, RECORD);
		for (int i = 0; i < 3; i++) {
			unsigned char fresh[RECORD];

			wrong += pread(main_file, fresh, RECORD, 4096) != RECORD || !is_pattern(fresh, RECORD, 4096);
		}
		wrong += memcmp(buf, other, RECORD) != 0;
	}
	verdict(wrong == 0, "%d wrong", wrong);
	verdict(left > 10, "it left in the middle more than ten times");
}

/* The handler leaves a read that waits on a pipe; nothing written afterwards is lost to the abandoned read. */
static void leaving_a_handler_while_a_pipe_is_read(void)
{
	static int ends[2];
	static char buf[RECORD];
	static volatile int wrong;

	prepare();
	NEED(raw_pipe(ends, 0) == 0);
	wanted_runs = 1 << 30;
	on_signal(SIGALRM, leave, 0);
	alarm_every(1000);
	for (volatile int i = 0; i < 200; i++) {
		if (sigsetjmp(way_out, 1) == 0) {
			may_leave = true;
			wrong += read(ends[0], buf, RECORD) != 1000000;
		}
		wrong += write(ends[1], "text", 4) != 4;
		wrong += read(ends[0], buf, RECORD) != 4 || memcmp(buf, "text", 4) != 0;
		wrong += pread(main_file, buf, RECORD, 100) != RECORD || !is_pattern(buf, RECORD, 100);
	}
	alarm_every(0);
	verdict(wrong == 0, "%d wrong", wrong);
}

static int feed_to = -1; /* the handler writes one byte here on its second run */

static void feed(int number)
{
	(void)number;
	if (++runs == 2 && feed_to >= 0)
		raw_write(feed_to, "x", 1);
}

static void see_waiting_read(const struct transfer *t, int fd, int feeder, int flags, const char *kind)
{
	char buf[16];

	runs = 0;
	feed_to = feeder;
	on_signal(SIGALRM, feed, flags);
	alarm_every(2000);
	SEE(t->call(fd, buf, sizeof(buf), -1), "%s %s, %s", t->name, kind, flags == 0 ? "interrupted" : "restarted");
	alarm_every(0);
	if (flags != 0)
		verdict(runs >= 2, "  it waited on after the first signal");
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static void waiting_reads_are_interrupted_or_restarted(void)
{
	int ends[2];
	int pair[2];

	NEED(raw_pipe(ends, 0) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		if (t->writes || (t->positional && strstr(t->name, "v2") == NULL))
			continue;
		see_waiting_read(t, ends[0], -1, 0, "of a pipe");
		see_waiting_read(t, ends[0], ends[1], SA_RESTART, "of a pipe");
		see_waiting_read(t, pair[0], -1, 0, "of a socket");
		see_waiting_read(t, pair[0], pair[1], SA_RESTART, "of a socket");
	}
}

static void drain(int number)
{
	static char sink[1 << 20];

	(void)number;
	if (++runs == 2 && feed_to >= 0)
		raw_read(feed_to, sink, sizeof(sink));
}

static void waiting_writes_are_interrupted_or_restarted(void)
{
	static char block[65536];
	int ends[2];

	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		if (!t->writes || (t->positional && strstr(t->name, "v2") == NULL))
			continue;
		NEED(raw_pipe(ends, 0) == 0);
		NEED(raw_write(ends[1], block, 65536) == 65536);
		for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
			runs = 0;
			feed_to = flags ? ends[0] : -1;
			on_signal(SIGALRM, drain, flags);
			alarm_every(2000);
			SEE(t->call(ends[1], block, 4096, -1), "%s to a full pipe, %s", t->name,
				flags ? "restarted" : "interrupted");
			alarm_every(0);
		}
		raw_close(ends[0]);
		raw_close(ends[1]);
		NEED(raw_pipe(ends, 0) == 0);
		runs = 0;
		feed_to = -1;
		on_signal(SIGALRM, drain, 0);
		alarm_every(2000);
		SEE(t->call(ends[1], block, 65536, -1), "%s that fits", t->name);
		raw_read(ends[0], block, 16384);
		SEE(t->call(ends[1], block, 65536, -1), "%s that fits in part, interrupted", t->name);
		alarm_every(0);
		raw_close(ends[0]);
		raw_close(ends[1]);
	}
}

static void other_waits_are_interrupted(void)
{
	struct sockaddr_un name = {AF_UNIX, "socket"};
	struct timeval limit = {5, 0};
	char buf[16];
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	int pair[2];

	NEED(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(listener, 1) == 0);
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	on_signal(SIGALRM, NULL, 0);
	alarm_every(2000);
	SEE(accept(listener, NULL, NULL), "accept");
	SEE(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept4");
	SEE(recv(pair[0], buf, sizeof(buf), 0), "recv");
	SEE(recvfrom(pair[0], buf, sizeof(buf), 0, NULL, NULL), "recvfrom");
	SEE(recv(pair[0], buf, sizeof(buf), MSG_PEEK), "recv to look");
	on_signal(SIGALRM, NULL, SA_RESTART);
	NEED(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
	SEE(recv(pair[0], buf, sizeof(buf), 0), "recv with a time-out is not restarted");
	SEE(read(pair[0], buf, sizeof(buf)), "read with a time-out is not restarted");
}

/* A part had arrived before the signal: recv returns the part. */
static void a_partial_result_survives_the_signal(void)
{
	char buf[16] = "";
	int pair[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	on_signal(SIGALRM, NULL, 0);
	raw_write(pair[1], "abc", 3);
	alarm_every(2000);
	SEE(recv(pair[0], buf, 10, MSG_WAITALL), "recv all");
	say("%s", buf);
}

static volatile int handled_in;

static void note_thread(int number)
{
	(void)number;
	handled_in = raw_gettid();
}

static void *read_a_little(void *unused)
{
	char buf[100];

	(void)unused;
	for (int i = 0; i < 50; i++)
		NEED(pread(main_file, buf, 100, i) == 100);
	return NULL;
}

/* A signal for the process finds only threads of the program: when they block it, it waits. */
static void signals_reach_only_the_programs_threads(void)
{
	static const int numbers[] = {SIGUSR1, SIGTERM, SIGALRM, SIGCHLD, SIGIO, SIGPROF};
	pthread_t thread;
	sigset_t set;

	prepare();
	NEED(pthread_create(&thread, NULL, read_a_little, NULL) == 0);
	pthread_join(thread, NULL);
	read_a_little(NULL);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		on_signal(numbers[i], note_thread, 0);
		sigemptyset(&set);
		sigaddset(&set, numbers[i]);
		NEED(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
		handled_in = 0;
		NEED(kill(getpid(), numbers[i]) == 0);
		read_a_little(NULL);
		verdict(handled_in == 0, "signal %d waits", numbers[i]);
		NEED(sigpending(&set) == 0);
		say("pending %d", sigismember(&set, numbers[i]));
		sigemptyset(&set);
		sigaddset(&set, numbers[i]);
		NEED(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
		verdict(handled_in == raw_gettid(), "and is handled here");
	}
}

/* The mask that a thread sees is its own, before, during (in a handler) and after. */
static void the_signal_mask_is_left_alone(void)
{
	sigset_t before;
	sigset_t after;

	prepare();
	sigemptyset(&before);
	sigaddset(&before, SIGUSR2);
	NEED(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	read_a_little(NULL);
	SEE(write(main_file, "x", 1), "write");
	SEE(fsync(main_file), "fsync");
	NEED(pthread_sigmask(SIG_SETMASK, NULL, &after) == 0);
	for (int number = 1; number < 32; number++) {
		if (sigismember(&after, number))
			say("blocked: %d", number);
	}
}

/* Dispositions are the program's. 32 and 33 are libc's own, for cancellation and for setuid. */
static void no_handler_is_installed(void)
{
	prepare();
	read_a_little(NULL);
	SEE(write(main_file, "x", 1), "write");
	SEE(fsync(main_file), "fsync");
	for (int number = 1; number < 64; number++) {
		struct {
			uintptr_t handler; /* 0: the default, 1: ignored */
			unsigned long flags;
			void *restorer;
			unsigned long mask;
		} action = {0, 0, NULL, 0};

		if (number != 32 && number != 33 &&
			RAW(SYS_rt_sigaction, number, NULL, &action, sizeof(action.mask)) == 0 && action.handler != 0)
			say("signal %d: %s", number, action.handler == 1 ? "ignored" : "handled");
	}
}

static void end_now(int number)
{
	char buf[100];

	(void)number;
	_exit(pread(main_file, buf, 100, 0) == 100 ? 5 : 6);
}

static void a_handler_may_end_the_process(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();

		if (child == 0) {
			prepare();
			on_signal(SIGALRM, end_now, 0);
			alarm_every(500 + i * 100);
			for (;;)
				read_a_little(NULL);
		}
		say("%s", ending(child));
	}
}

/* A debugger or a shell stops and continues the process while it reads. */
static void stopping_and_continuing(void)
{
	char buf[100];
	int ends[2];
	pid_t child;

	prepare();
	NEED(raw_pipe(ends, 0) == 0);
	child = fork();
	if (child == 0) {
		SEE(read(ends[0], buf, 100), "read of the pipe");
		read_a_little(NULL);
		_exit(0);
	}
	for (int i = 0; i < 20; i++) {
		int status;

		kill(child, SIGSTOP);
		NEED(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
		kill(child, SIGCONT);
	}
	raw_write(ends[1], "abc", 3);
	say("%s", ending(child));
}

const struct promise promises[] = {
	{PROMISE(handlers_do_io_at_1_kilohertz)},
	{PROMISE(handlers_do_io_at_10_kilohertz)},
	{PROMISE(file_calls_never_return_eintr)},
	{PROMISE(handlers_on_a_small_stack)},
	{PROMISE(leaving_a_handler_while_files_are_read)},
	{PROMISE(leaving_a_handler_while_a_pipe_is_read)},
	{PROMISE(waiting_reads_are_interrupted_or_restarted)},
	{PROMISE(waiting_writes_are_interrupted_or_restarted)},
	{PROMISE(other_waits_are_interrupted)},
	{PROMISE(a_partial_result_survives_the_signal)},
	{PROMISE(signals_reach_only_the_programs_threads)},
	{PROMISE(the_signal_mask_is_left_alone)},
	{PROMISE(no_handler_is_installed)},
	{PROMISE(a_handler_may_end_the_process)},
	{PROMISE(stopping_and_continuing)},
	{.name = NULL},
};
