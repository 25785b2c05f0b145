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

enum point {
	READ, PREAD, PREAD64, READV, PREADV, PREADV2, WRITE, PWRITE, PWRITE64, WRITEV, PWRITEV, PWRITEV2, READ_PIPE,
	WRITE_PIPE, OPEN, OPENAT, OPEN64, CREAT, CLOSE, FCNTL, FCNTL_LOCK, FSYNC, FDATASYNC, LSEEK, FTRUNCATE, DUP, DUP2,
	SENDFILE, COPY, SYNC_RANGE, SEND, RECV, RECVFROM, ACCEPT, CONNECT, CLOSE_RANGE, POINTS
};

static const char *const point_names[POINTS] = {"read", "pread", "pread64", "readv", "preadv", "preadv2", "write",
	"pwrite", "pwrite64", "writev", "pwritev", "pwritev2", "read of a pipe", "write to a pipe", "open", "openat",
	"open64", "creat", "close", "fcntl", "fcntl lock", "fsync", "fdatasync", "lseek", "ftruncate", "dup", "dup2",
	"sendfile", "copy_file_range", "sync_file_range", "send", "recv", "recvfrom", "accept", "connect", "close_range"};

static void call_file(enum point point)
{
	struct iovec vector = {block, 100};

	switch (point) {
	case READ:
		read(file, block, 100);
		break;
	case PREAD:
		pread(file, block, 100, 0);
		break;
	case PREAD64:
		pread64(file, block, 100, 0);
		break;
	case READV:
		readv(file, &vector, 1);
		break;
	case PREADV:
		preadv(file, &vector, 1, 0);
		break;
	case PREADV2:
		preadv2(file, &vector, 1, 0, 0);
		break;
	case WRITE:
		write(file, block, 100);
		break;
	case PWRITE:
		pwrite(file, block, 100, 0);
		break;
	case PWRITE64:
		pwrite64(file, block, 100, 0);
		break;
	case WRITEV:
		writev(file, &vector, 1);
		break;
	case PWRITEV:
		pwritev(file, &vector, 1, 0);
		break;
	default:
		pwritev2(file, &vector, 1, 0, 0);
		break;
	}
}

static void call_descriptor(enum point point)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	switch (point) {
	case OPEN:
		open("file", O_RDONLY);
		break;
	case OPENAT:
		openat(AT_FDCWD, "file", O_RDONLY);
		break;
	case OPEN64:
		open64("file", O_RDONLY);
		break;
	case CREAT:
		creat("created", 0600);
		break;
	case CLOSE:
		close(900);
		break;
	case FCNTL:
		fcntl(file, F_GETFL);
		break;
	case FCNTL_LOCK:
		fcntl(file, F_SETLKW, &lock);
		break;
	case FSYNC:
		fsync(file);
		break;
	case FDATASYNC:
		fdatasync(file);
		break;
	case LSEEK:
		lseek(file, 0, SEEK_CUR);
		break;
	case FTRUNCATE:
		ftruncate(file, 100000);
		break;
	case DUP:
		raw_close(dup(file));
		break;
	case DUP2:
		dup2(file, 500);
		break;
	default:
		close_range(900, 910, 0);
		break;
	}
}

static void call_other(enum point point)
{
	struct sockaddr_un nobody = {AF_UNIX, "nobody"};
	off64_t at = 0;
	off64_t to = 50000;

	switch (point) {
	case READ_PIPE:
		read(pipe_ends[0], block, 10);
		break;
	case WRITE_PIPE:
		write(pipe_ends[1], block, 10);
		break;
	case SENDFILE:
		sendfile(pair[0], file, &at, 10);
		break;
	case COPY:
		copy_file_range(file, &at, file, &to, 10, 0);
		break;
	case SYNC_RANGE:
		sync_file_range(file, 0, 0, 7);
		break;
	case SEND:
		send(pair[0], block, 10, 0);
		break;
	case RECV:
		recv(pair[0], block, 10, MSG_DONTWAIT);
		break;
	case RECVFROM:
		recvfrom(pair[0], block, 10, MSG_DONTWAIT, NULL, NULL);
		break;
	case ACCEPT:
		accept(pair[0], NULL, NULL);
		break;
	default:
		connect(pair[0], (struct sockaddr *)&nobody, sizeof(nobody));
		break;
	}
}

static void make_call(enum point point)
{
	if (point <= PWRITEV2)
		call_file(point);
	else if ((point >= OPEN && point <= DUP2) || point == CLOSE_RANGE)
		call_descriptor(point);
	else
		call_other(point);
}

struct request {
	enum point point;
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
	make_call(r->point);
	r->came_back = true;
	pthread_cleanup_pop(0);
	return NULL;
}

static void ask_points(bool disabled)
{
	prepare();
	for (int i = 0; i < POINTS; i++) {
		struct request r = {.point = (enum point)i, .disabled = disabled};
		pthread_t thread;
		void *result;
		off64_t before = raw_seek(file, 0, SEEK_CUR);
		off64_t after;

		NEED(pthread_create(&thread, NULL, be_cancelled, &r) == 0);
		pthread_join(thread, &result);
		after = raw_seek(file, 0, SEEK_CUR);
		say("%s: %s, %s, clean-up read %zd, position %+lld", point_names[i],
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
	verdict(r.wrong == 0 && misplaced == 0 && not_cancelled == 0, "wrong %d, misplaced %d, not cancelled %d", r.wrong,
		misplaced, not_cancelled);
	say_descriptors("open");
}

const struct promise promises[] = {
	PROMISE(a_pending_request_acts_at_the_call),
	PROMISE(a_pending_request_waits_while_disabled),
	PROMISE(a_pending_request_acts_when_warm),
	PROMISE(waiting_calls_are_ended),
	PROMISE(busy_readers_are_ended),
	PROMISES_END,
};
