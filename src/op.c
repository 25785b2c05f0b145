/* SPDX-License-Identifier: MIT */
/*
 * How each operation is carried out, and how it ends.
 *
 * The only place that knows which real call an operation is: pool threads, the reactor's and the ring's fallbacks and
 * the inline path all come here.
 *
 * Owns:    the descriptor table.
 * Threads: any; no locks.
 * Never:   retries, interprets or hides what the kernel says.
 */
#include "op.h"

static int64_t perform_read(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.read(op->fd, op->arg.rw.buf, op->arg.rw.len));
}

static int64_t perform_write(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.write(op->fd, op->arg.rw.buf, op->arg.rw.len));
}

static int64_t perform_pread(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.pread(op->fd, op->arg.rw.buf, op->arg.rw.len, op->offset));
}

static int64_t perform_pwrite(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.pwrite(op->fd, op->arg.rw.buf, op->arg.rw.len, op->offset));
}

/* With RWF_* flags "at the file position" is spelled preadv2 at -1. */
static int64_t perform_readv(const struct dftio_op *op)
{
	if (op->arg.v.flags)
		return dftio__result(dftio__sys.preadv2(op->fd, op->arg.v.iov, op->arg.v.iovcnt, -1, op->arg.v.flags));
	return dftio__result(dftio__sys.readv(op->fd, op->arg.v.iov, op->arg.v.iovcnt));
}

static int64_t perform_writev(const struct dftio_op *op)
{
	if (op->arg.v.flags)
		return dftio__result(dftio__sys.pwritev2(op->fd, op->arg.v.iov, op->arg.v.iovcnt, -1, op->arg.v.flags));
	return dftio__result(dftio__sys.writev(op->fd, op->arg.v.iov, op->arg.v.iovcnt));
}

/* preadv2 only where there are flags: it needs a 4.6 kernel, and takes offset -1 for the file position. */
static int64_t perform_preadv(const struct dftio_op *op)
{
	if (op->arg.v.flags)
		return dftio__result(
			dftio__sys.preadv2(op->fd, op->arg.v.iov, op->arg.v.iovcnt, op->offset, op->arg.v.flags));
	return dftio__result(dftio__sys.preadv(op->fd, op->arg.v.iov, op->arg.v.iovcnt, op->offset));
}

static int64_t perform_pwritev(const struct dftio_op *op)
{
	if (op->arg.v.flags)
		return dftio__result(
			dftio__sys.pwritev2(op->fd, op->arg.v.iov, op->arg.v.iovcnt, op->offset, op->arg.v.flags));
	return dftio__result(dftio__sys.pwritev(op->fd, op->arg.v.iov, op->arg.v.iovcnt, op->offset));
}

static int64_t perform_open(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.openat(op->fd, op->arg.open.path, op->arg.open.flags, op->arg.open.mode));
}

static int64_t perform_close(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.close(op->fd));
}

static int64_t perform_fsync(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.fsync(op->fd));
}

static int64_t perform_fdatasync(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.fdatasync(op->fd));
}

static int64_t perform_ftruncate(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.ftruncate(op->fd, op->offset));
}

static int64_t perform_fstat(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.fstat(op->fd, op->arg.stat.st));
}

static int64_t perform_lseek(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.lseek(op->fd, op->offset, op->arg.seek.whence));
}

static int64_t perform_sendfile(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.sendfile(op->fd, op->arg.copy.in, op->arg.copy.in_off, op->arg.copy.len));
}

static int64_t perform_copy_file_range(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.copy_file_range(op->arg.copy.in, op->arg.copy.in_off, op->fd,
		op->arg.copy.out_off, op->arg.copy.len, op->arg.copy.flags));
}

static int64_t perform_sync_file_range(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.sync_file_range(op->fd, op->offset, op->arg.range.len, op->arg.range.flags));
}

static int64_t perform_accept(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.accept4(op->fd, op->arg.sock.addr, op->arg.sock.addrlen, op->arg.sock.flags));
}

static int64_t perform_recv(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.recv(op->fd, op->arg.rw.buf, op->arg.rw.len, op->arg.rw.flags));
}

static int64_t perform_send(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.send(op->fd, op->arg.rw.buf, op->arg.rw.len, op->arg.rw.flags));
}

static int64_t perform_connect(const struct dftio_op *op)
{
	return dftio__result(dftio__sys.connect(op->fd, op->arg.sock.addr, op->arg.sock.len));
}

/* The result is the events that came, 0 when the time ran out: poll(2) of the one descriptor. */
static int64_t perform_poll(const struct dftio_op *op)
{
	struct pollfd pfd = {.fd = op->fd, .events = op->arg.poll.events};
	int64_t r = dftio__result(dftio__sys.poll(&pfd, 1, op->arg.poll.timeout_ms));

	return r > 0 ? pfd.revents : r;
}

static int64_t perform_sleep(const struct dftio_op *op)
{
	struct timespec ts = {op->arg.sleep.sec, (long)op->arg.sleep.nsec};

	return dftio__result(dftio__sys.nanosleep(&ts, NULL));
}

const struct dftio_op_desc dftio__op_descs[DFTIO_OP_MAX_] = {
#define DFTIO_OP(code, verb, t) [DFTIO_OP_##code] = {#verb, (t), perform_##verb},
#include "op_list.h"
#undef DFTIO_OP
};

bool dftio__op_goes_on(struct dftio_op *op, int64_t res)
{
	if (!(op->flags & DFTIO_OPF_WHOLE) || res <= 0 || (size_t)res >= op->arg.rw.len)
		return false;
	op->done += (size_t)res;
	op->arg.rw.buf = (char *)op->arg.rw.buf + res;
	op->arg.rw.len -= (size_t)res;
	return true;
}

void dftio__op_complete(struct dftio_op *op, int64_t res)
{
	struct dftio_waiter *w = op->waiter;

	/* What was written before an error is the answer; the error comes with the next call, as from the kernel. */
	op->res = op->done ? (int64_t)op->done + (res > 0 ? res : 0) : res;
	dftio__op_set_state(op, DFTIO_OPS_DONE);
	if (w)
		dftio__waiter_complete(w);
}
