/* SPDX-License-Identifier: MIT */
/*
 * Cancellation: the calls that are cancellation points natively still are, the others still are not, and a thread
 * that is cancelled takes no byte with it.
 *
 * Owns:    files, pipes and sockets of its own.
 * Threads: the first, and one at a time that is cancelled.
 * Never:   uses asynchronous cancellation.
 */
#include "transfer.h"
#include "victim.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static int file = -1;
static int pipe_ends[2];
static int pair[2];
static char block[4096];

static void prepare(void)
{
	make_file("file", 100000);
	file = open("file", O_RDWR);
	NEED(file >= 0 && raw_pipe(pipe_ends, 0) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	raw_write(pipe_ends[1], block, 4096);
	raw_write(pair[1], block, 4096);
}

static struct iovec piece = {block, 100};
static struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
static const struct sockaddr_un nobody = {AF_UNIX, "nobody"};
static off64_t from;
static off64_t to = 50000;

/* Every call that could be a cancellation point: its name in the observations, and the call. */
#define EACH_POINT(X)                                                                                                  \
	X(read, read(file, block, 100))                                                                                \
	X(pread, pread(file, block, 100, 0))                                                                           \
	X(pread64, pread64(file, block, 100, 0))                                                                       \
	X(readv, readv(file, &piece, 1))                                                                               \
	X(preadv, preadv(file, &piece, 1, 0))                                                                          \
	X(preadv2, preadv2(file, &piece, 1, 0, 0))                                                                     \
	X(write, write(file, block, 100))                                                                              \
	X(pwrite, pwrite(file, block, 100, 0))                                                                         \
	X(pwrite64, pwrite64(file, block, 100, 0))                                                                     \
	X(writev, writev(file, &piece, 1))                                                                             \
	X(pwritev, pwritev(file, &piece, 1, 0))                                                                        \
	X(pwritev2, pwritev2(file, &piece, 1, 0, 0))                                                                   \
	X(read_of_a_pipe, read(pipe_ends[0], block, 10))                                                               \
	X(write_to_a_pipe, write(pipe_ends[1], block, 10))                                                             \
	X(open, open("file", O_RDONLY))                                                                                \
	X(open64, open64("file", O_RDONLY))                                                                            \
	X(openat, openat(AT_FDCWD, "file", O_RDONLY))                                                                  \
	X(creat, creat("created", 0600))                                                                               \
	X(close, close(900))                                                                                           \
	X(close_range, close_range(900, 910, 0))                                                                       \
	X(fcntl, fcntl(file, F_GETFL))                                                                                 \
	X(fcntl_to_lock, fcntl(file, F_SETLKW, &lock))                                                                 \
	X(fsync, fsync(file))                                                                                          \
	X(fdatasync, fdatasync(file))                                                                                  \
	X(sync_file_range, sync_file_range(file, 0, 0, 7))                                                             \
	X(lseek, lseek(file, 0, SEEK_CUR))                                                                             \
	X(ftruncate, ftruncate(file, 100000))                                                                          \
	X(dup, raw_close(dup(file)))                                                                                   \
	X(dup2, dup2(file, 500))                                                                                       \
	X(sendfile, sendfile(pair[0], file, &from, 10))                                                                \
	X(copy_file_range, copy_file_range(file, &from, file, &to, 10, 0))                                             \
	X(send, send(pair[0], block, 10, 0))                                                                           \
	X(recv, recv(pair[0], block, 10, MSG_DONTWAIT))                                                                \
	X(recvfrom, recvfrom(pair[0], block, 10, MSG_DONTWAIT, NULL, NULL))                                            \
	X(accept, accept(pair[0], NULL, NULL))                                                                         \
	X(connect, connect(pair[0], (const struct sockaddr *)&nobody, sizeof(nobody)))

#define DEFINE(name, call)                                                                                             \
	static void point_##name(void)                                                                                 \
	{                                                                                                              \
		(void)(call);                                                                                          \
	}
EACH_POINT(DEFINE)

#define ENTRY(name, call) {#name, point_##name},
static const struct point {
	const char *name;
	void (*call)(void);
} points[] = {EACH_POINT(ENTRY)};

struct request {
	const struct point *point;
	bool disabled;
	bool came_back;
	bool cleaned_up;
	ssize_t read_in_clean_up;
};

static void clean_up(void *argument)
{
	struct request *r = argument;
	char buf[100];

	r->cleaned_up = true;
	r->read_in_clean_up = pread(file, buf, 100, 200);
}

static void *be_cancelled(void *argument)
{
	struct request *r = argument;
	int old;

	pthread_cleanup_push(clean_up, r);
	if (r->disabled)
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	pthread_cancel(pthread_self());
	r->point->call();
	r->came_back = true;
	pthread_cleanup_pop(0);
	return NULL;
}

static void ask_points(bool disabled)
{
	prepare();
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		struct request r = {.point = &points[i], .disabled = disabled};
		pthread_t thread;
		void *result;
		off64_t before = raw_seek(file, 0, SEEK_CUR);
		off64_t after;

		NEED(pthread_create(&thread, NULL, be_cancelled, &r) == 0);
		pthread_join(thread, &result);
		after = raw_seek(file, 0, SEEK_CUR);
		say("%s: %s, %s, clean-up read %zd, position %+lld", points[i].name,
			result == PTHREAD_CANCELED ? "cancelled" : "not cancelled",
			r.came_back ? "the call came back" : "the call did not come back", r.read_in_clean_up,
			(long long)(after - before));
	}
	say_descriptors("open");
}

static void a_pending_request_acts_at_the_call(void)
{
	ask_points(false);
}

static void a_pending_request_waits_while_disabled(void)
{
	ask_points(true);
}

/* The library's own threads and waits come between: the same after the preload's machinery is warm. */
static void a_pending_request_acts_when_warm(void)
{
	prepare();
	for (int i = 0; i < 200; i++)
		NEED(pread(file, block, 100, i) == 100 && pwrite(file, block, 100, 50000) == 100);
	ask_points(false);
}

struct waiter {
	int fd;
	int which;
	atomic_int tid;
};

static void *wait_for_ever(void *argument)
{
	struct waiter *w = argument;
	char buf[64];

	w->tid = raw_gettid();
	if (w->which == 0)
		read(w->fd, buf, sizeof(buf));
	else if (w->which == 1)
		readv(w->fd, &(struct iovec){buf, sizeof(buf)}, 1);
	else if (w->which == 2)
		recv(w->fd, buf, sizeof(buf), 0);
	else if (w->which == 3)
		accept(w->fd, NULL, NULL);
	else
		write(w->fd, block, sizeof(block));
	return NULL;
}

/* Until /proc says that the thread sleeps in the kernel. */
static void until_asleep(atomic_int *tid)
{
	char path[64];
	char line[512];

	for (;;) {
		int fd;
		ssize_t n;
		char *state;

		sched_yield();
		if (*tid == 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", *tid);
		fd = raw_open(path, O_RDONLY, 0);
		n = raw_read(fd, line, sizeof(line) - 1);
		raw_close(fd);
		line[n > 0 ? n : 0] = '\0';
		state = strrchr(line, ')');
		if (state != NULL && state[2] == 'S')
			return;
	}
}

static void cancel_waiter(int which, int fd, const char *name)
{
	struct waiter w = {.fd = fd, .which = which};
	pthread_t thread;
	void *result;
	double began;

	NEED(pthread_create(&thread, NULL, wait_for_ever, &w) == 0);
	until_asleep(&w.tid);
	began = now();
	NEED(pthread_cancel(thread) == 0);
	pthread_join(thread, &result);
	say("%s: %s", name, result == PTHREAD_CANCELED ? "cancelled" : "came back");
	verdict(now() - began < 5, "at once");
}

static void waiting_calls_are_ended(void)
{
	struct sockaddr_un name = {AF_UNIX, "socket"};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	char buf[64];
	int ends[2];

	NEED(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(listener, 1) == 0);
	NEED(raw_pipe(ends, 0) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	make_file("file", 1000);
	file = open("file", O_RDONLY);
	SEE(pread(file, buf, 10, 0), "pread");
	cancel_waiter(0, ends[0], "read of a pipe");
	cancel_waiter(1, ends[0], "readv of a pipe");
	cancel_waiter(2, pair[0], "recv");
	cancel_waiter(3, listener, "accept");
	/* What is sent now belongs to the next reader, not to the one that is gone. */
	SEE(write(ends[1], "abc", 3), "write");
	SEE(read(ends[0], buf, sizeof(buf)), "read");
	SEE(send(pair[1], "defg", 4, 0), "send");
	SEE(recv(pair[0], buf, sizeof(buf), 0), "recv");
	for (int i = 0; i < 16; i++)
		raw_write(ends[1], block, 4096);
	cancel_waiter(4, ends[1], "write to a full pipe");
	SEE(read(ends[0], buf, 64), "read");
}

struct reader {
	atomic_int rounds;
	atomic_int wrong;
};

static void *read_for_ever(void *argument)
{
	struct reader *r = argument;
	char on_stack[512];

	for (;;) {
		ssize_t n = read(file, on_stack, sizeof(on_stack));

		if (n == 0)
			lseek(file, 0, SEEK_SET);
		else if (n != sizeof(on_stack))
			r->wrong++;
		if (pread(file, on_stack, 100, 4000) != 100 || !is_pattern(on_stack, 100, 4000))
			r->wrong++;
		r->rounds++;
	}
	return NULL;
}

/* Cancelled somewhere in its file calls: each happened whole or not at all, and the stack is not written to later. */
static void busy_readers_are_ended(void)
{
	struct reader r = {0};
	int misplaced = 0;
	int not_cancelled = 0;

	make_file("file", 512 * 100);
	file = open("file", O_RDONLY);
	for (int i = 0; i < 200; i++) {
		pthread_t thread;
		void *result;

		r.rounds = 0;
		NEED(pthread_create(&thread, NULL, read_for_ever, &r) == 0);
		while (r.rounds < i % 7)
			sched_yield();
		NEED(pthread_cancel(thread) == 0);
		pthread_join(thread, &result);
		not_cancelled += result != PTHREAD_CANCELED;
		misplaced += raw_seek(file, 0, SEEK_CUR) % 512 != 0;
	}
	verdict(r.wrong == 0 && misplaced == 0 && not_cancelled == 0, "wrong %d, misplaced %d, not cancelled %d",
		r.wrong, misplaced, not_cancelled);
	say_descriptors("open");
}

const struct promise promises[] = {
	{PROMISE(a_pending_request_acts_at_the_call)},
	{PROMISE(a_pending_request_waits_while_disabled)},
	{PROMISE(a_pending_request_acts_when_warm)},
	{PROMISE(waiting_calls_are_ended)},
	{PROMISE(busy_readers_are_ended)},
	{.name = NULL},
};
