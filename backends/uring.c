/* SPDX-License-Identifier: MIT */
/*
 * io_uring: a ring per thread, reaped by the thread that waits.
 *
 * Of liburing only the header's prep helpers and constants are used; the ring itself is set up in uring_ring.c. An
 * operation without a row in the prep column, without its opcode in this kernel, or with arguments the opcode cannot
 * express, goes to the pool.
 *
 * Owns:    nothing but the column; rings belong to lanes.
 * Threads: a lane's own. No locks, no completion thread.
 * Never:   reads at the file position unless nobody else can move it (a ring does not take the kernel's position
 *          lock), passes a length that does not fit 32 bits, leaves an SQE behind that was refused.
 */
#include "backends.h"
#include "pool.h"
#include "uring_ring.h"

#include <liburing.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * At the position. A stream has none. A file's a ring does not keep: it takes no lock on it, and leaves it behind where
 * a transfer ends short or completes later. So a read of a file is made at the offset that the position has, which is
 * moved on afterwards: only where nobody else can move it meanwhile. A write never, for it may be an append.
 */
static uint64_t position(const struct dftio_op *op)
{
	return op->flags & DFTIO_OPF_FILE ? (uint64_t)op->offset : (uint64_t)-1;
}

static bool at_position(const struct dftio_op *op)
{
	return op->flags & DFTIO_OPF_STREAM || (op->flags & DFTIO_OPF_SOLE && op->offset >= 0);
}

static bool moves_position(const struct dftio_op *op)
{
	return (op->flags & DFTIO_OPF_SOLE) && (op->flags & DFTIO_OPF_FILE) &&
	       (dftio__op_desc(op)->traits & DFTIO_T_MOVES_POS);
}

/* With an offset: only files; a ring would read a pipe and ignore the offset, the real call says ESPIPE. */
static bool at_offset(const struct dftio_op *op)
{
	return (op->flags & DFTIO_OPF_FILE) && op->offset >= 0;
}

/*
 * What a ring would hand to a worker of the kernel's own (a write through the page cache, a sync) is a pool thread's:
 * the kernel's worker lets go of the file only some time after the operation is done, and a program that closes it, and
 * locks or executes it, would find it still open. A direct write stays with the ring.
 */
static bool is_direct(const struct dftio_op *op)
{
	return dftio__sys.fcntl(op->fd, F_GETFL, 0) & O_DIRECT;
}

static bool prep_read(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_read(sqe, op->fd, op->arg.rw.buf, (unsigned)op->arg.rw.len, position(op));
	return at_position(op) && op->arg.rw.len <= DFTIO_MAX_RW;
}

static bool prep_write(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_write(sqe, op->fd, op->arg.rw.buf, (unsigned)op->arg.rw.len, (uint64_t)-1);
	return (op->flags & DFTIO_OPF_STREAM) && op->arg.rw.len <= DFTIO_MAX_RW;
}

static bool prep_pread(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_read(sqe, op->fd, op->arg.rw.buf, (unsigned)op->arg.rw.len, (uint64_t)op->offset);
	return at_offset(op) && op->arg.rw.len <= DFTIO_MAX_RW;
}

static bool prep_pwrite(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_write(sqe, op->fd, op->arg.rw.buf, (unsigned)op->arg.rw.len, (uint64_t)op->offset);
	return at_offset(op) && is_direct(op) && op->arg.rw.len <= DFTIO_MAX_RW;
}

/* RWF_HIPRI: a ring refuses it unless it polls, the real call takes it for a hint. */
static bool vector_fits(const struct dftio_op *op)
{
	return !(op->arg.v.flags & RWF_HIPRI) && op->arg.v.iovcnt >= 0 && op->arg.v.iovcnt <= 1024;
}

static bool prep_readv(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_readv2(sqe, op->fd, op->arg.v.iov, (unsigned)op->arg.v.iovcnt, position(op), op->arg.v.flags);
	return at_position(op) && vector_fits(op);
}

static bool prep_preadv(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_readv2(
		sqe, op->fd, op->arg.v.iov, (unsigned)op->arg.v.iovcnt, (uint64_t)op->offset, op->arg.v.flags);
	return at_offset(op) && vector_fits(op);
}

static bool prep_pwritev(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_writev2(
		sqe, op->fd, op->arg.v.iov, (unsigned)op->arg.v.iovcnt, (uint64_t)op->offset, op->arg.v.flags);
	return at_offset(op) && is_direct(op) && vector_fits(op);
}

static bool prep_open(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_openat(sqe, op->fd, op->arg.open.path, op->arg.open.flags, op->arg.open.mode);
	return true;
}

static bool prep_close(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_close(sqe, op->fd);
	return op->fd >= 0;
}

static bool prep_accept(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_accept(sqe, op->fd, op->arg.sock.addr, op->arg.sock.addrlen, op->arg.sock.flags);
	return true;
}

static bool prep_recv(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_recv(sqe, op->fd, op->arg.rw.buf, op->arg.rw.len, op->arg.rw.flags);
	return true;
}

static bool prep_send(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_send(sqe, op->fd, op->arg.rw.buf, op->arg.rw.len, op->arg.rw.flags);
	return true;
}

static bool prep_connect(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_connect(sqe, op->fd, op->arg.sock.addr, op->arg.sock.len);
	return true;
}

/* With a time limit it would take two linked entries: the pool's poll(2) says it in one. */
static bool prep_poll(struct io_uring_sqe *sqe, const struct dftio_op *op)
{
	io_uring_prep_poll_add(sqe, op->fd, (unsigned short)op->arg.poll.events);
	return op->arg.poll.timeout_ms < 0 && op->fd >= 0;
}

static bool (*const prep[DFTIO_OP_MAX_])(struct io_uring_sqe *, const struct dftio_op *) = {
	[DFTIO_OP_READ] = prep_read,
	[DFTIO_OP_WRITE] = prep_write,
	[DFTIO_OP_PREAD] = prep_pread,
	[DFTIO_OP_PWRITE] = prep_pwrite,
	[DFTIO_OP_READV] = prep_readv,
	[DFTIO_OP_PREADV] = prep_preadv,
	[DFTIO_OP_PWRITEV] = prep_pwritev,
	[DFTIO_OP_OPEN] = prep_open,
	[DFTIO_OP_CLOSE] = prep_close,
	[DFTIO_OP_ACCEPT] = prep_accept,
	[DFTIO_OP_RECV] = prep_recv,
	[DFTIO_OP_SEND] = prep_send,
	[DFTIO_OP_CONNECT] = prep_connect,
	[DFTIO_OP_POLL] = prep_poll,
};

static int enqueue(struct uring *r, struct dftio_op *op)
{
	struct io_uring_sqe *sqe = uring_next_sqe(r);
	int error;

	if (!sqe)
		return -EAGAIN;
	if (moves_position(op))
		op->offset = dftio__result(dftio__sys.lseek(op->fd, 0, SEEK_CUR));
	if (!prep[op->code](sqe, op) || !uring_has_opcode(sqe->opcode))
		return dftio__pool_submit(op);
	sqe->user_data = (uintptr_t)op;
	op->carrier = DFTIO_BY_BACKEND;
	dftio__op_set_state(op, DFTIO_OPS_LANE);
	error = uring_push(r);
	if (error < 0)
		dftio__op_set_state(op, DFTIO_OPS_READY);
	else
		uring_count(r, 1);
	return error;
}

/* The rest of a write that goes on; where the ring does not take it, a pool thread, or in place. */
static void go_on(struct uring *r, struct dftio_op *op)
{
	if (enqueue(r, op) == 0 || dftio__pool_submit(op) == 0)
		return;
	dftio__op_complete(op, dftio__op_perform(op));
}

/* What poll(2) says of it now: a ring repeats what it was woken with, which may be more than is true. */
static int64_t poll_now(const struct dftio_op *op)
{
	struct dftio_op now = *op;

	now.arg.poll.timeout_ms = 0;
	return dftio__op_perform(&now);
}

/* The operation's own result, and what is left to do when it is done. */
static int64_t result(const struct dftio_op *op, int res)
{
	if (res > 0 && moves_position(op))
		dftio__sys.lseek(op->fd, op->offset + res, SEEK_SET);
	return op->code == DFTIO_OP_POLL && res > 0 ? poll_now(op) : res;
}

static int drain(struct uring *r)
{
	struct io_uring_cqe cqe;
	struct dftio_op *op;
	int64_t res;
	int n = 0;

	while (uring_pop(r, &cqe)) {
		if (cqe.user_data & 1)
			continue; /* an attempt's that was given up: odd, no address */
		uring_count(r, -1);
		op = (struct dftio_op *)(uintptr_t)cqe.user_data;
		res = result(op, cqe.res);
		/* More to write; or a poll that was woken for nothing. */
		if (dftio__op_goes_on(op, res) || (op->code == DFTIO_OP_POLL && res == 0)) {
			go_on(r, op);
			continue;
		}
		dftio__op_complete(op, res);
		n++;
	}
	return n;
}

static int uring_submit(struct dftio_lane *lane, struct dftio_op *op)
{
	int error;

	if (!lane)
		return dftio__pool_submit(op);
	error = enqueue(lane->impl, op);
	drain(lane->impl);
	return error;
}

static int uring_reap(struct dftio_lane *lane, int timeout_ms)
{
	struct uring *r = lane->impl;
	int n = drain(r);

	if (n > 0)
		return n;
	if (timeout_ms == 0 && uring_is_idle(r))
		return -ENOENT;
	(void)uring_wait(r, timeout_ms);
	return drain(r);
}

/* The attempt's own completion; those of attempts that were left are thrown away. False when it is not there. */
static bool pop_own(struct uring *r, uint64_t name, int *res)
{
	struct io_uring_cqe cqe;

	while (uring_pop(r, &cqe)) {
		if (cqe.user_data == name) {
			*res = cqe.res;
			return true;
		}
	}
	return false;
}

/*
 * Signals are open. A handler may leave by siglongjmp, switch to another stack, or fork and return in the child: there
 * the ring is found empty and refuses. So nothing here waits for a completion that must come.
 */
static int64_t attempt(struct uring *r, struct dftio_op *op)
{
	uint64_t name = uring_begin_attempt(r);
	struct io_uring_sqe *sqe = uring_next_sqe(r);
	int res;

	if (unlikely(!sqe))
		return -EAGAIN;
	io_uring_prep_read(sqe, op->fd, op->arg.rw.buf, (unsigned)op->arg.rw.len, (uint64_t)op->offset);
	sqe->rw_flags = RWF_NOWAIT;
	sqe->user_data = name;
	if (unlikely(uring_push(r) < 0))
		return -EAGAIN;
	/* It never waits, so its completion is there, or but a turn of the kernel's task work away. */
	if (unlikely(!pop_own(r, name, &res))) {
		(void)uring_wait(r, 0);
		if (!pop_own(r, name, &res))
			return -EAGAIN;
	}
	return res;
}

static int64_t uring_attempt(struct dftio_lane *lane, struct dftio_op *op)
{
	struct uring *r = lane->impl;
	int64_t res;

	/* No ring: a child, forked just now. */
	if (unlikely(!r || op->arg.rw.len > DFTIO_MAX_RW || op->offset < 0 || !uring_survives_fork(r)))
		return -EAGAIN;
	res = attempt(r, op);
	uring_end_attempt(r);
	return res;
}

/* What the prep column has no row for goes to the pool, which needs no ring. */
static bool uring_needs_lane(const struct dftio_op *op)
{
	return prep[op->code];
}

static int uring_open_lane(struct dftio_lane *lane)
{
	return uring_open((struct uring **)&lane->impl);
}

static void uring_close_lane(struct dftio_lane *lane)
{
	uring_close(lane->impl);
}

static void uring_drop_lane(struct dftio_lane *lane)
{
	uring_drop(lane->impl);
}

const struct dftio_backend_ops dftio__backend_uring = {
	.name = "io_uring",
	.long_name = "IO_URING",
	.probe = uring_probe,
	.needs_lane = uring_needs_lane,
	.open = uring_open_lane,
	.close = uring_close_lane,
	.drop = uring_drop_lane,
	.submit = uring_submit,
	.reap = uring_reap,
	.attempt = uring_attempt,
};
