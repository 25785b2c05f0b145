/* SPDX-License-Identifier: MIT */
/*
 * Readiness: what epoll and kqueue share.
 *
 * An operation on a stream is tried at once without blocking (RWF_NOWAIT, MSG_DONTWAIT); on EAGAIN it joins the queue
 * of its descriptor, which is armed, once, with the poller, and is tried again when the poller reports it. Files,
 * which are always ready and block all the same, go to the pool; so does what has no way of being tried.
 *
 * Owns:    per lane: the poller's descriptor and the table of waiting operations (reserved address space, touched
 *          where a descriptor is used).
 * Threads: a lane's own. No locks.
 * Never:   sets O_NONBLOCK on the application's file (other processes share the flag); makes a call that could block
 *          in the lane's thread.
 */
#include "reactor.h"
#include "fdinfo.h"
#include "fdown.h"
#include "pool.h"

#include <sys/mman.h>

#define EVENTS_AT_ONCE 64

struct queue {
	struct dftio_op *head, *last;
};

struct slot {
	struct queue in, out;
	bool known; /* to the poller */
};

struct reactor {
	const struct poller_ops *poller;
	_Atomic int fd;
	unsigned done;    /* completed since the last reap returned */
	unsigned waiting; /* in the queues */
	struct slot slots[];
};

/* "Nothing yet" for an attempt: distinct from the EAGAIN that a non-blocking descriptor's call returns. */
#define NOT_READY INT64_MIN

static int64_t not_ready_if_eagain(int64_t r)
{
	return r == -EAGAIN ? NOT_READY : r;
}

static int64_t attempt_read(const struct dftio_op *op)
{
	struct iovec iov = {op->arg.rw.buf, op->arg.rw.len};

	return not_ready_if_eagain(dftio__result(dftio__sys.preadv2(op->fd, &iov, 1, -1, RWF_NOWAIT)));
}

static int64_t attempt_write(const struct dftio_op *op)
{
	struct iovec iov = {op->arg.rw.buf, op->arg.rw.len};

	return not_ready_if_eagain(dftio__result(dftio__sys.pwritev2(op->fd, &iov, 1, -1, RWF_NOWAIT)));
}

static int64_t attempt_readv(const struct dftio_op *op)
{
	return not_ready_if_eagain(
		dftio__result(dftio__sys.preadv2(op->fd, op->arg.v.iov, op->arg.v.iovcnt, -1, RWF_NOWAIT)));
}

static int64_t attempt_recv(const struct dftio_op *op)
{
	return not_ready_if_eagain(dftio__result(
		dftio__sys.recv(op->fd, op->arg.rw.buf, op->arg.rw.len, op->arg.rw.flags | MSG_DONTWAIT)));
}

static int64_t attempt_send(const struct dftio_op *op)
{
	return not_ready_if_eagain(dftio__result(
		dftio__sys.send(op->fd, op->arg.rw.buf, op->arg.rw.len, op->arg.rw.flags | MSG_DONTWAIT)));
}

static bool is_ready(const struct dftio_op *op, short events)
{
	struct pollfd pfd = {.fd = op->fd, .events = events};

	return dftio__sys.poll(&pfd, 1, 0) != 0;
}

/*
 * A blocking listener cannot be asked without waiting, and a connection that poll(2) saw may be gone when we come: the
 * accept itself is a pool thread's, for the moment it takes. An idle one holds none.
 */
static int64_t attempt_accept(const struct dftio_op *op)
{
	return is_ready(op, POLLIN) ? -EOPNOTSUPP : NOT_READY;
}

static int64_t attempt_poll(const struct dftio_op *op)
{
	struct pollfd pfd = {.fd = op->fd, .events = op->arg.poll.events};
	int64_t r = dftio__result(dftio__sys.poll(&pfd, 1, 0));

	return r == 0 ? NOT_READY : r > 0 ? pfd.revents : r;
}

/* A missing row means the pool. -EOPNOTSUPP from an attempt means: this descriptor cannot be tried. */
static int64_t (*const attempts[DFTIO_OP_MAX_])(const struct dftio_op *) = {
	[DFTIO_OP_READ] = attempt_read,
	[DFTIO_OP_WRITE] = attempt_write,
	[DFTIO_OP_READV] = attempt_readv,
	[DFTIO_OP_RECV] = attempt_recv,
	[DFTIO_OP_SEND] = attempt_send,
	[DFTIO_OP_ACCEPT] = attempt_accept,
	[DFTIO_OP_POLL] = attempt_poll,
};

static unsigned side_of(const struct dftio_op *op)
{
	if (op->code == DFTIO_OP_POLL)
		return op->arg.poll.events & POLLOUT ? REACTOR_OUT : REACTOR_IN;
	return dftio__op_desc(op)->traits & DFTIO_T_OUT ? REACTOR_OUT : REACTOR_IN;
}

/* A poll(2) with a time limit, or for both sides at once, is a pool thread's. */
static bool poll_fits(const struct dftio_op *op)
{
	short e = op->arg.poll.events;

	return op->arg.poll.timeout_ms < 0 && (e == POLLIN || e == POLLOUT);
}

bool reactor_needs_lane(const struct dftio_op *op)
{
	if (op->code == DFTIO_OP_POLL)
		return poll_fits(op) && (unsigned)op->fd < DFTIO_FD_MAX;
	return (op->flags & DFTIO_OPF_WAITS) && attempts[op->code] && (unsigned)op->fd < DFTIO_FD_MAX;
}

static size_t reactor_size(void)
{
	return sizeof(struct reactor) + sizeof(struct slot) * DFTIO_FD_MAX;
}

int reactor_open(struct dftio_lane *lane, const struct poller_ops *poller)
{
	struct reactor *r =
		mmap(NULL, reactor_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int fd;

	if (r == MAP_FAILED)
		return -ENOMEM;
	r->poller = poller;
	fd = poller->create();
	if (fd < 0) {
		munmap(r, reactor_size());
		return fd;
	}
	fd = dftio__fdown_adopt(fd, &r->fd);
	if (fd < 0) {
		munmap(r, reactor_size());
		return fd;
	}
	lane->impl = r;
	return 0;
}

void reactor_close(struct dftio_lane *lane)
{
	struct reactor *r = lane->impl;

	dftio__fdown_close(&r->fd);
	munmap(r, reactor_size());
}

/* The child's copy of the descriptor is closed; the parent's poller does not notice. */
void reactor_drop(struct dftio_lane *lane)
{
	reactor_close(lane);
}

static void complete(struct reactor *r, struct dftio_op *op, int64_t res)
{
	r->done++;
	dftio__op_complete(op, res);
}

static struct queue *queue_of(struct reactor *r, const struct dftio_op *op)
{
	struct slot *s = &r->slots[op->fd];

	return side_of(op) == REACTOR_OUT ? &s->out : &s->in;
}

static int arm(struct reactor *r, int fd)
{
	struct slot *s = &r->slots[fd];
	unsigned events = (s->in.head ? REACTOR_IN : 0) | (s->out.head ? REACTOR_OUT : 0);
	int e;

	if (!events)
		return 0;
	e = r->poller->arm(r->fd, fd, events, s->known);
	/* The number was closed and is another file now: new to the poller. Or it was dup'ed and still is known. */
	if (e == -ENOENT || e == -EEXIST)
		e = r->poller->arm(r->fd, fd, events, e == -EEXIST);
	s->known = e == 0;
	return e;
}

/* Out of the queue's head and to a pool thread; in place of a lost pool the real call, which may then block. */
static void to_pool(struct reactor *r, struct dftio_op *op)
{
	if (dftio__pool_submit(op) < 0) {
		op->carrier = DFTIO_BY_INLINE;
		complete(r, op, dftio__op_perform(op));
	}
}

static void pop(struct reactor *r, struct queue *q)
{
	q->head = q->head->next;
	r->waiting--;
}

/* Carries out what is ready in one queue, in order, until one is not. */
static void run_queue(struct reactor *r, struct queue *q)
{
	struct dftio_op *op;
	int64_t res;

	while ((op = q->head)) {
		res = attempts[op->code](op);
		if (res == -EOPNOTSUPP)
			res = is_ready(op, side_of(op) == REACTOR_OUT ? POLLOUT : POLLIN) ? -EOPNOTSUPP : NOT_READY;
		if (res == NOT_READY)
			return;
		if (dftio__op_goes_on(op, res))
			continue;
		pop(r, q);
		if (res == -EOPNOTSUPP)
			to_pool(r, op);
		else
			complete(r, op, res);
	}
}

int reactor_submit(struct dftio_lane *lane, struct dftio_op *op)
{
	struct reactor *r;
	struct queue *q;
	bool first;

	if (!lane)
		return dftio__pool_submit(op);
	r = lane->impl;
	op->carrier = DFTIO_BY_BACKEND;
	dftio__op_set_state(op, DFTIO_OPS_LANE);
	q = queue_of(r, op);
	first = !q->head;
	op->next = NULL;
	if (first)
		q->head = op;
	else
		q->last->next = op;
	q->last = op;
	r->waiting++;
	if (first)
		run_queue(r, q);
	/* Those before it wait already; but maybe on another file, which this number then was. */
	while (q->head && arm(r, op->fd) < 0) {
		struct dftio_op *head = q->head;

		pop(r, q);
		to_pool(r, head);
	}
	return 0;
}

int reactor_reap(struct dftio_lane *lane, int timeout_ms)
{
	struct reactor_event ev[EVENTS_AT_ONCE];
	struct reactor *r = lane->impl;
	int n;

	if (timeout_ms == 0 && !r->waiting && !r->done)
		return -ENOENT;
	n = r->poller->wait(r->fd, ev, EVENTS_AT_ONCE, r->done ? 0 : timeout_ms);
	for (int i = 0; i < n; i++) {
		struct slot *s = &r->slots[ev[i].fd];

		if (ev[i].ready & REACTOR_IN)
			run_queue(r, &s->in);
		if (ev[i].ready & REACTOR_OUT)
			run_queue(r, &s->out);
		/* Armed once: what still waits is armed again. If that fails it goes where it can wait. */
		while (arm(r, ev[i].fd) < 0) {
			struct queue *q = s->in.head ? &s->in : &s->out;
			struct dftio_op *op = q->head;

			pop(r, q);
			to_pool(r, op);
		}
	}
	n = (int)r->done;
	r->done = 0;
	return n;
}
