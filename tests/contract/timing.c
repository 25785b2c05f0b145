/* SPDX-License-Identifier: MIT */
/*
 * poll and sleep.
 *
 * Owns:    nothing.
 * Threads: a test's first; operations in flight.
 * Never:   asserts that something took less than a time.
 */
#include "promise.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static struct dftio_op poll_op(int fd, short events, int timeout_ms)
{
	struct dftio_op op;

	dftio__op_init(&op, DFTIO_OP_POLL, fd);
	op.arg.poll.events = events;
	op.arg.poll.timeout_ms = timeout_ms;
	return op;
}

static int64_t both_poll(struct pair fd, short events, int timeout_ms)
{
	struct dftio_op op = poll_op(-1, events, timeout_ms);

	return both(fd, &op);
}

PROMISE(poll, tells_what_is_ready)
{
	static const short events[] = { POLLIN, POLLOUT, POLLIN | POLLOUT, POLLPRI, POLLRDHUP, 0,
		POLLIN | POLLRDNORM | POLLRDBAND, POLLOUT | POLLWRNORM };
	struct pipe_pair p = make_pipes(0), s = make_sockets(SOCK_STREAM), t = make_tcp(0), gone = make_pipes(0),
		left = make_sockets(SOCK_STREAM);
	struct pair all[] = { p.in, p.out, s.in, s.out, t.in, t.out, gone.out, left.out, file_pair(10, O_RDONLY),
		path_pair("/dev/null", O_RDWR), { { eventfd(1, 0), eventfd(1, 0) } } };

	close_pair(gone.in);
	close_pair(left.in);
	cr_assert_eq(both_write(DFTIO_OP_WRITE, p.out, 10, 0), 10);
	cr_assert_eq(both_write(DFTIO_OP_WRITE, s.out, 10, 0), 10);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(events); k++) {
			int64_t now = both_poll(all[i], events[k], 0);

			/* What is ready at once is so with any limit, and without one. */
			if (now == 0)
				continue;
			cr_assert_eq(both_poll(all[i], events[k], 10000), now);
			cr_assert_eq(both_poll(all[i], events[k], -1), now);
		}
	}
}

PROMISE(poll, of_what_is_not_open_is_pollnval)
{
	struct pair closed = file_pair(10, O_RDONLY);

	close_pair(closed);
	cr_assert_eq(both_poll(closed, POLLIN, 0), POLLNVAL);
	cr_assert_eq(both_poll(closed, POLLIN, 1000), POLLNVAL);
	cr_assert_eq(both_poll(closed, POLLIN, -1), POLLNVAL);
	cr_assert_eq(both_poll(same_fd(1 << 20), POLLIN, -1), POLLNVAL);
	cr_assert_eq(both_poll(same_fd(-1), POLLIN, 10), 0, "a negative number is passed over");
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

PROMISE(poll, ends_when_the_time_is_up)
{
	struct pipe_pair p = make_pipes(0);
	struct dftio_op op = poll_op(p.in.fd[ENGINE], POLLIN, 30);
	int64_t before = now_ns();

	cr_assert_eq(call_engine(&op), 0);
	cr_assert_geq(now_ns() - before, 30 * 1000000);
}

static void is_woken(int timeout_ms)
{
	static const short events[] = { POLLIN, POLLIN | POLLPRI, POLLIN | POLLRDHUP };

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		struct pipe_pair p = make_sockets(SOCK_STREAM);
		struct flight f;

		f.op = poll_op(p.in.fd[ENGINE], events[i], timeout_ms);
		take_off(&f);
		cr_assert(backend_is_in_place() || is_in_flight(&f), "it waits");
		cr_assert_eq(write(p.out.fd[ENGINE], "x", 1), 1);
		cr_assert_eq(land(&f), POLLIN);
	}
}

PROMISE(poll, with_a_limit_waits_until_it_is_ready)
{
	is_woken(PATIENCE * 1000);
}

PROMISE(poll, without_a_limit_waits_until_it_is_ready)
{
	is_woken(-1);
	is_woken(-1000);
}

PROMISE(poll, waits_for_room)
{
	static const short events[] = { POLLOUT, POLLIN | POLLOUT };
	static char buf[64 * 1024];

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		struct pipe_pair p = make_pipes(0);
		struct flight f;

		cr_assert_eq(write(p.out.fd[ENGINE], buf, sizeof(buf)), sizeof(buf));
		f.op = poll_op(p.out.fd[ENGINE], events[i], -1);
		take_off(&f);
		cr_assert_eq(read(p.in.fd[ENGINE], buf, sizeof(buf)), sizeof(buf));
		cr_assert_eq(land(&f), POLLOUT);
	}
}

/* One waits to read, another to be told that there is something: both are. */
PROMISE(poll, beside_a_read_of_the_same_descriptor)
{
	struct pipe_pair p = make_pipes(0);
	struct flight told, reads;
	char c;

	told.op = poll_op(p.in.fd[ENGINE], POLLIN, -1);
	dftio__op_init_rw(&reads.op, DFTIO_OP_READ, p.in.fd[ENGINE], &c, 1, 0);
	take_off(&told);
	take_off(&reads);
	cr_assert_eq(write(p.out.fd[ENGINE], "xy", 2), 2);
	cr_assert_eq(land(&told), POLLIN);
	cr_assert_eq(land(&reads), 1);
}

PROMISE(sleep, lasts_as_long_as_asked)
{
	int64_t before = now_ns();
	struct dftio_op op;

	dftio__op_init(&op, DFTIO_OP_SLEEP, -1);
	op.arg.sleep.sec = 0;
	op.arg.sleep.nsec = 30 * 1000000;
	cr_assert_eq(call_engine(&op), 0);
	cr_assert_geq(now_ns() - before, 30 * 1000000);
}

PROMISE(sleep, of_no_time_is_0)
{
	struct dftio_op op;

	dftio__op_init(&op, DFTIO_OP_SLEEP, -1);
	op.arg.sleep.sec = op.arg.sleep.nsec = 0;
	cr_assert_eq(both(same_fd(-1), &op), 0);
}

PROMISE(sleep, says_what_is_wrong)
{
	static const int64_t times[][2] = { { 0, 1000000000 }, { 0, -1 }, { -1, 0 }, { 0, INT64_MAX } };
	struct dftio_op op;

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		dftio__op_init(&op, DFTIO_OP_SLEEP, -1);
		op.arg.sleep.sec = times[i][0];
		op.arg.sleep.nsec = times[i][1];
		cr_assert_eq(both(same_fd(-1), &op), -EINVAL);
	}
}
