/* SPDX-License-Identifier: MIT */
/*
 * What each operation means, said once more and independently of src/op.c: the reference of the whole contract.
 *
 * Owns:    nothing.
 * Threads: any.
 * Never:   uses anything of the core but the shape of an operation.
 */
#include "direct.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/sendfile.h>

static int64_t data_call(const struct dftio_op *op)
{
	const struct iovec *iov = op->arg.v.iov;
	int n = op->arg.v.iovcnt, flags = op->arg.v.flags;

	switch ((enum dftio_op_code)op->code) {
	case DFTIO_OP_READ:
		return read(op->fd, op->arg.rw.buf, op->arg.rw.len);
	case DFTIO_OP_WRITE:
		return write(op->fd, op->arg.rw.buf, op->arg.rw.len);
	case DFTIO_OP_PREAD:
		return pread(op->fd, op->arg.rw.buf, op->arg.rw.len, op->offset);
	case DFTIO_OP_PWRITE:
		return pwrite(op->fd, op->arg.rw.buf, op->arg.rw.len, op->offset);
	case DFTIO_OP_READV:
		return flags ? preadv2(op->fd, iov, n, -1, flags) : readv(op->fd, iov, n);
	case DFTIO_OP_WRITEV:
		return flags ? pwritev2(op->fd, iov, n, -1, flags) : writev(op->fd, iov, n);
	case DFTIO_OP_PREADV:
		return flags ? preadv2(op->fd, iov, n, op->offset, flags) : preadv(op->fd, iov, n, op->offset);
	case DFTIO_OP_PWRITEV:
		return flags ? pwritev2(op->fd, iov, n, op->offset, flags) : pwritev(op->fd, iov, n, op->offset);
	case DFTIO_OP_SENDFILE:
		return sendfile(op->fd, op->arg.copy.in, op->arg.copy.in_off, op->arg.copy.len);
	case DFTIO_OP_COPY_FILE_RANGE:
		return copy_file_range(op->arg.copy.in, op->arg.copy.in_off, op->fd, op->arg.copy.out_off,
			op->arg.copy.len, op->arg.copy.flags);
	default:
		abort();
	}
}

static int64_t stream_call(const struct dftio_op *op)
{
	struct pollfd p = { .fd = op->fd };
	struct timespec ts;
	int r;

	switch ((enum dftio_op_code)op->code) {
	case DFTIO_OP_ACCEPT:
		return accept4(op->fd, op->arg.sock.addr, op->arg.sock.addrlen, op->arg.sock.flags);
	case DFTIO_OP_CONNECT:
		return connect(op->fd, op->arg.sock.addr, op->arg.sock.len);
	case DFTIO_OP_RECV:
		return recv(op->fd, op->arg.rw.buf, op->arg.rw.len, op->arg.rw.flags);
	case DFTIO_OP_SEND:
		return send(op->fd, op->arg.rw.buf, op->arg.rw.len, op->arg.rw.flags);
	case DFTIO_OP_POLL:
		p.events = op->arg.poll.events;
		r = poll(&p, 1, op->arg.poll.timeout_ms);
		return r > 0 ? p.revents : r;
	case DFTIO_OP_SLEEP:
		ts.tv_sec = op->arg.sleep.sec;
		ts.tv_nsec = (long)op->arg.sleep.nsec;
		return nanosleep(&ts, NULL);
	default:
		return data_call(op);
	}
}

int64_t direct_call(const struct dftio_op *op)
{
	int saved = errno;
	int64_t r;

	errno = 0;
	switch ((enum dftio_op_code)op->code) {
	case DFTIO_OP_OPEN:
		r = openat(op->fd, op->arg.open.path, op->arg.open.flags, op->arg.open.mode);
		break;
	case DFTIO_OP_CLOSE:
		r = close(op->fd);
		break;
	case DFTIO_OP_FSYNC:
		r = fsync(op->fd);
		break;
	case DFTIO_OP_FDATASYNC:
		r = fdatasync(op->fd);
		break;
	case DFTIO_OP_FTRUNCATE:
		r = ftruncate(op->fd, op->offset);
		break;
	case DFTIO_OP_FSTAT:
		r = fstat(op->fd, op->arg.stat.st);
		break;
	case DFTIO_OP_LSEEK:
		r = lseek(op->fd, op->offset, op->arg.seek.whence);
		break;
	case DFTIO_OP_SYNC_FILE_RANGE:
		r = sync_file_range(op->fd, op->offset, op->arg.range.len, op->arg.range.flags);
		break;
	default:
		r = stream_call(op);
	}
	r = r < 0 ? -errno : r;
	errno = saved;
	return r;
}
