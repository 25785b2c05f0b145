/* SPDX-License-Identifier: MIT */
/*
 * Pipes, events, terminals: what read, write and their vectors do where they may have to wait.
 *
 * Owns:    nothing.
 * Threads: a test's first; drains and operations in flight.
 * Never:   waits for what the test does not bring about itself.
 */
#include "promise.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#define LARGE (KIB * KIB)

#define EACH_STREAM_READER(what) \
	PROMISE_BY(read, what)   \
	PROMISE_BY(readv, what)
#define EACH_STREAM_WRITER(what) \
	PROMISE_BY(write, what)  \
	PROMISE_BY(writev, what)

static unsigned char *pattern(size_t len)
{
	unsigned char *p = malloc(len);

	cr_assert_not_null(p);
	fill_pattern(p, len, 0);
	return p;
}

static void of_a_pipe_takes_what_there_is(enum dftio_op_code code)
{
	struct pipe_pair p = make_pipes(0);

	cr_assert_eq(both_write(DFTIO_OP_WRITE, p.out, 100, 0), 100);
	cr_assert_eq(both_read(code, p.in, 60, 0), 60);
	cr_assert_eq(both_read(code, p.in, 60, 0), 40);
	cr_assert_eq(both_read(code, p.in, 0, 0), 0);
	close_pair(p.out);
	cr_assert_eq(both_read(code, p.in, 60, 0), 0);
}
EACH_STREAM_READER(of_a_pipe_takes_what_there_is)

static void of_an_empty_nonblocking_stream_is_eagain(enum dftio_op_code code)
{
	struct pair all[] = { make_pipes(O_NONBLOCK).in, make_sockets(SOCK_STREAM | SOCK_NONBLOCK).in,
		make_sockets(SOCK_DGRAM | SOCK_NONBLOCK).in, make_tcp(SOCK_NONBLOCK).in,
		{ { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) } } };

	/* Of a pipe nobody writes to it would be the end. */
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		cr_assert_eq(both_read(code, all[i], 60, 0), -EAGAIN, "%zu", i);
		cr_assert_eq(both_read(code, all[i], 60, 0), -EAGAIN, "%zu", i);
	}
}
EACH_STREAM_READER(of_an_empty_nonblocking_stream_is_eagain)

static void of_the_wrong_end_is_ebadf(enum dftio_op_code code)
{
	struct pipe_pair p = make_pipes(0);

	if (dftio__op_descs[code].traits & DFTIO_T_IN)
		cr_assert_eq(both_read(code, p.out, 60, 0), -EBADF);
	else
		cr_assert_eq(both_write(code, p.in, 60, 0), -EBADF);
}
EACH_STREAM_READER(of_the_wrong_end_is_ebadf)
EACH_STREAM_WRITER(of_the_wrong_end_is_ebadf)

static void of_a_stream_to_a_bad_address_takes_nothing(enum dftio_op_code code)
{
	struct pipe_pair p = make_pipes(0), s = make_sockets(SOCK_STREAM);
	char *edge = edge_of_memory();

	not_under_valgrind();
	cr_assert_eq(both_write(DFTIO_OP_WRITE, p.out, 100, 0), 100);
	cr_assert_eq(both_write(DFTIO_OP_WRITE, s.out, 100, 0), 100);
	cr_assert_eq(both_at(code, p.in, edge, 60, 0), -EFAULT);
	cr_assert_eq(both_at(code, s.in, edge, 60, 0), -EFAULT);
	cr_assert_eq(both_read(code, p.in, 200, 0), 100);
	cr_assert_eq(both_read(code, s.in, 200, 0), 100);
}
EACH_STREAM_READER(of_a_stream_to_a_bad_address_takes_nothing)

/* The kernel drops it; asking again would wait for, or drop, the next. */
static void of_a_datagram_to_a_bad_address_takes_one(enum dftio_op_code code)
{
	struct pipe_pair d = make_sockets(SOCK_DGRAM);
	char *edge = edge_of_memory();

	not_under_valgrind();
	cr_assert_eq(both_write(DFTIO_OP_WRITE, d.out, 10, 0), 10);
	cr_assert_eq(both_write(DFTIO_OP_WRITE, d.out, 20, 0), 20);
	cr_assert_eq(both_at(code, d.in, edge, 60, 0), -EFAULT);
	cr_assert_eq(both_read(code, d.in, 60, 0), 20);
}
EACH_STREAM_READER(of_a_datagram_to_a_bad_address_takes_one)

static void make_read(struct flight *f, enum dftio_op_code code, int fd, void *buf, size_t len, struct iovec *iov)
{
	make_transfer(&f->op, code, fd, buf, len, 0, iov);
}

/* On all that can be read and waits. */
static void waits_until_there_is_something(enum dftio_op_code code)
{
	struct pipe_pair all[] = { make_pipes(0), make_sockets(SOCK_STREAM), make_sockets(SOCK_DGRAM),
		make_sockets(SOCK_SEQPACKET), make_tcp(0), make_pipes(O_DIRECT) };
	char buf[100];

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct flight f;
		struct iovec iov;

		make_read(&f, code, all[i].in.fd[ENGINE], buf, sizeof(buf), &iov);
		take_off(&f);
		cr_assert(backend_is_in_place() || is_in_flight(&f), "it waits");
		cr_assert_eq(write(all[i].out.fd[ENGINE], "brought", 7), 7);
		cr_assert_eq(land(&f), 7);
		cr_assert_eq(memcmp(buf, "brought", 7), 0);
	}
}
EACH_STREAM_READER(waits_until_there_is_something)

static void waits_until_there_is_nobody(enum dftio_op_code code)
{
	struct pipe_pair all[] = { make_pipes(0), make_sockets(SOCK_STREAM), make_tcp(0) };
	char buf[100];

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct flight f;
		struct iovec iov;

		make_read(&f, code, all[i].in.fd[ENGINE], buf, sizeof(buf), &iov);
		take_off(&f);
		close(all[i].out.fd[ENGINE]);
		cr_assert_eq(land(&f), 0);
	}
}
EACH_STREAM_READER(waits_until_there_is_nobody)

static void of_events_and_timers(enum dftio_op_code code)
{
	struct itimerspec soon = { .it_value = { 0, 1000000 } };
	int event = eventfd(0, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
	uint64_t value = 0, five = 5;
	struct flight f;
	struct iovec iov;

	make_read(&f, code, event, &value, sizeof(value), &iov);
	take_off(&f);
	cr_assert_eq(write(event, &five, 8), 8);
	cr_assert_eq(land(&f), 8);
	cr_assert_eq(value, 5);
	make_read(&f, code, timer, &value, sizeof(value), &iov);
	take_off(&f);
	cr_assert_eq(timerfd_settime(timer, 0, &soon, NULL), 0);
	cr_assert_eq(land(&f), 8);
	cr_assert_geq(value, 1);
	make_read(&f, code, event, &value, 4, &iov);
	take_off(&f);
	cr_assert_eq(land(&f), -EINVAL, "too small for a count");
}
EACH_STREAM_READER(of_events_and_timers)

static void of_a_terminal_is_a_line_at_a_time(enum dftio_op_code code)
{
	struct pair ends[2];

	for (int side = 0; side < SIDES; side++) {
		ends[0].fd[side] = posix_openpt(O_RDWR | O_NOCTTY);
		if (ends[0].fd[side] < 0 || grantpt(ends[0].fd[side]) < 0 || unlockpt(ends[0].fd[side]) < 0)
			cr_skip_test("no terminals here: %s", strerror(errno));
		ends[1].fd[side] = open(ptsname(ends[0].fd[side]), O_RDWR | O_NOCTTY);
		cr_assert_geq(ends[1].fd[side], 0);
		cr_assert_eq(write(ends[0].fd[side], "one\ntwo\n", 8), 8);
	}
	cr_assert_eq(both_read(code, ends[1], 100, 0), 4);
	cr_assert_eq(both_read(code, ends[1], 2, 0), 2);
	cr_assert_eq(both_read(code, ends[1], 100, 0), 2);
	cr_assert_eq(both_write(DFTIO_OP_WRITE, ends[1], 30, 0), 30);
	set_nonblocking(ends[1]);
	cr_assert_eq(both_read(code, ends[1], 100, 0), -EAGAIN);
	close_pair(ends[0]);
	both_read(code, ends[1], 100, 0);
	cr_assert_eq(both_write(DFTIO_OP_WRITE, ends[1], 30, 0), -EIO);
}
EACH_STREAM_READER(of_a_terminal_is_a_line_at_a_time)

static void to_a_broken_pipe_is_epipe(enum dftio_op_code code)
{
	struct pipe_pair all[] = { make_pipes(0), make_sockets(SOCK_STREAM), make_pipes(O_NONBLOCK) };

	ignore(SIGPIPE);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		close_pair(all[i].in);
		cr_assert_eq(both_write(code, all[i].out, 100, 0), -EPIPE);
		cr_assert_eq(both_write(code, all[i].out, 100, 0), -EPIPE);
	}
}
EACH_STREAM_WRITER(to_a_broken_pipe_is_epipe)

static _Atomic int broken;
static pthread_t broken_in;

static void on_broken_pipe(int sig)
{
	(void)sig;
	broken_in = pthread_self();
	atomic_fetch_add(&broken, 1);
}

static void to_a_broken_pipe_is_a_signal_of_the_callers(enum dftio_op_code code)
{
	struct sigaction act = { .sa_handler = on_broken_pipe };
	struct pipe_pair all[] = { make_pipes(0), make_sockets(SOCK_STREAM), make_pipes(O_NONBLOCK) };

	sigaction(SIGPIPE, &act, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		broken = 0;
		close_pair(all[i].in);
		cr_assert_eq(both_write(code, all[i].out, 100, 0), -EPIPE);
		cr_assert_eq(broken, SIDES, "%d signals, not one for each side", broken);
		cr_assert(pthread_equal(broken_in, pthread_self()));
	}
}
EACH_STREAM_WRITER(to_a_broken_pipe_is_a_signal_of_the_callers)

static void to_a_full_nonblocking_pipe_is_eagain(enum dftio_op_code code)
{
	struct pipe_pair p = make_pipes(O_NONBLOCK);

	cr_assert_eq(both_write(code, p.out, LARGE, 0), 64 * KIB);
	cr_assert_eq(both_write(code, p.out, 100, 0), -EAGAIN);
	cr_assert_eq(both_read(DFTIO_OP_READ, p.in, 5000, 0), 5000);
	cr_assert_eq(both_write(code, p.out, PIPE_BUF, 0), PIPE_BUF, "whole or not at all");
	cr_assert_eq(both_write(code, p.out, PIPE_BUF, 0), -EAGAIN);
}
EACH_STREAM_WRITER(to_a_full_nonblocking_pipe_is_eagain)

static void of_much_to_a_slow_reader_goes_to_the_end(enum dftio_op_code code)
{
	struct pipe_pair all[] = { make_pipes(0), make_sockets(SOCK_STREAM), make_tcp(0) };
	unsigned char *bytes = pattern(LARGE + 17);

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct flight f;
		struct iovec iov;
		struct drain d;

		make_transfer(&f.op, code, all[i].out.fd[ENGINE], bytes, LARGE + 17, 0, &iov);
		take_off(&f);
		drain_start(&d, all[i].in.fd[ENGINE], LARGE + 17);
		cr_assert_eq(land(&f), LARGE + 17, "%zu: %lld", i, (long long)f.op.res);
		drain_join(&d);
	}
	free(bytes);
}
EACH_STREAM_WRITER(of_much_to_a_slow_reader_goes_to_the_end)

/* The reader leaves half way: what was written counts, the error comes with the next. */
static void of_much_to_a_reader_who_leaves_is_short(enum dftio_op_code code)
{
	struct pipe_pair p = make_pipes(0);
	unsigned char *bytes = pattern(LARGE), some[5000];
	struct flight f;
	struct iovec iov;

	ignore(SIGPIPE);
	make_transfer(&f.op, code, p.out.fd[ENGINE], bytes, LARGE, 0, &iov);
	take_off(&f);
	cr_assert_eq(read(p.in.fd[ENGINE], some, sizeof(some)), sizeof(some));
	close(p.in.fd[ENGINE]);
	cr_assert_geq(land(&f), (int64_t)(64 * KIB));
	cr_assert_lt(f.op.res, (int64_t)LARGE);
	close(p.in.fd[KERNEL]);
	cr_assert_eq(both_write(code, p.out, 10, 0), -EPIPE);
	free(bytes);
}
EACH_STREAM_WRITER(of_much_to_a_reader_who_leaves_is_short)

/* What one write puts into a pipe of packets, or a socket of messages, one read takes out. */
static void keeps_packets_apart(enum dftio_op_code code)
{
	struct pipe_pair all[] = { make_pipes(O_DIRECT), make_sockets(SOCK_SEQPACKET), make_sockets(SOCK_DGRAM) };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		cr_assert_eq(both_write(code, all[i].out, 100, 0), 100);
		cr_assert_eq(both_write(code, all[i].out, 200, 0), 200);
		cr_assert_eq(both_read(DFTIO_OP_READ, all[i].in, 1000, 0), 100);
		cr_assert_eq(both_read(DFTIO_OP_READ, all[i].in, 50, 0), 50, "the rest is dropped");
		set_nonblocking(all[i].in);
		cr_assert_eq(both_read(DFTIO_OP_READ, all[i].in, 1000, 0), -EAGAIN);
	}
}
EACH_STREAM_WRITER(keeps_packets_apart)

static void of_no_bytes_is_a_message_where_the_kernel_makes_one(enum dftio_op_code code)
{
	struct pipe_pair d = make_sockets(SOCK_DGRAM), p = make_pipes(0), s = make_sockets(SOCK_STREAM);

	cr_assert_eq(both_write(code, p.out, 0, 0), 0);
	cr_assert_eq(both_write(code, s.out, 0, 0), 0);
	both_write(code, d.out, 0, 0);
	cr_assert_eq(both_write(code, d.out, 10, 0), 10);
	set_nonblocking(d.in);
	for (int i = 0; i < 3; i++)
		both_recv(d.in, 100, 0);
}
EACH_STREAM_WRITER(of_no_bytes_is_a_message_where_the_kernel_makes_one)

static void more_than_an_event_takes_is_its_own_affair(enum dftio_op_code code)
{
	struct pair e = { { eventfd(0, 0), eventfd(0, 0) } };
	uint64_t values[2] = { 3, 4 };

	both_at(code, e, values, 16, 0);
	cr_assert_eq(both_at(code, e, values, 8, 0), 8);
	cr_assert_eq(both_read(DFTIO_OP_READ, e, 8, 0), 8);
	values[0] = UINT64_MAX;
	cr_assert_eq(both_at(code, e, values, 8, 0), -EINVAL);
}
EACH_STREAM_WRITER(more_than_an_event_takes_is_its_own_affair)

static void of_a_fifo_is_as_of_a_pipe(enum dftio_op_code code)
{
	char path[SIDES][4200];
	struct pair f;

	for (int side = 0; side < SIDES; side++) {
		snprintf(path[side], sizeof(path[side]), "%s/fifo%d", own_directory(), side);
		cr_assert_eq(mkfifo(path[side], 0600), 0);
		f.fd[side] = open(path[side], O_RDWR);
		cr_assert_geq(f.fd[side], 0);
	}
	cr_assert_eq(both_write(DFTIO_OP_WRITE, f, 100, 0), 100);
	cr_assert_eq(both_read(code, f, 60, 0), 60);
	cr_assert_eq(both_read(code, f, 60, 0), 40);
}
EACH_STREAM_READER(of_a_fifo_is_as_of_a_pipe)
