/* SPDX-License-Identifier: MIT */
/*
 * The single policy: where a data operation of an ordinary thread goes.
 *
 *   passed   the real call; not ours to carry: a pipe, a socket, /proc, a nested call, DFTIO_ROUTE=direct ...
 *   inline   the real call, in place, because that is the fastest way: policy auto, memory-backed files, no backend
 *   backend  through the engine, and waited for: policy backend; policy auto for a positional read of cold data
 *
 * Every way ends in the kernel's own answer. Where an argument is odd (a negative offset, a length beyond what one
 * transfer may have) or an answer is not final, the real call is made in place and its answer given.
 *
 * Owns:    the decision; the hints it refreshes are fdinfo's.
 * Threads: any; no locks. A handler that interrupts it finds the thread busy and is passed.
 * Never:   reads through a pointer of the program's; changes errno on success; waits on a descriptor it has not just
 *          looked at.
 */
#include "route.h"
#include "config.h"
#include "engine.h"
#include "fdown.h"
#include "life.h"
#include "next.h"
#include "pool.h"
#include "stats.h"

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/utsname.h>

/* A real call out of so many asks with RWF_NOWAIT whether the data still is cached. */
#define SAMPLE_EVERY 64

/* What sendfile and copy_file_range move before they look for a signal. */
#define PIECE ((size_t)8 << 20)

enum way { PASSED, INLINE, AUTO, BACKEND };

struct plan {
	enum way way;
	enum dftio_why why;
	uint8_t hint;
};

struct dftio_route_state dftio__route;
static bool nowait_is_sound;

/* Linux 5.9 and 5.10 answer RWF_NOWAIT with a false end of file. */
static bool kernel_answers_nowait(void)
{
	struct utsname u;

	return uname(&u) == 0 && strncmp(u.release, "5.9.", 4) != 0 && strncmp(u.release, "5.10.", 5) != 0;
}

void dftio__route_start(void)
{
	struct dftio_route_state s = {0};

	nowait_is_sound = kernel_answers_nowait();
	s.counting = dftio__config.stats;
	s.every = s.counting || dftio__config.route == DFTIO_ROUTE_BACKEND;
	s.soles = dftio__config.route == DFTIO_ROUTE_BACKEND &&
		  (!dftio__config.backend_forced || strcmp(dftio__config.backend, "io_uring") == 0);
	s.live = s.counting || dftio__config.route != DFTIO_ROUTE_DIRECT;
	if (!dftio__config.disabled)
		dftio__route = s;
}

void dftio__route_stop(void)
{
	if (!dftio__life_is_owner())
		return;
	dftio__route = (struct dftio_route_state){0};
	dftio__stats_stop();
	dftio__engine_freeze();
	dftio__pool_close();
}

void dftio__route_count(enum dftio_op_code code, int64_t r)
{
	int saved = errno;

	if (dftio__route.live)
		dftio__count_passed(code, r, DFTIO_WHY_TABLE);
	errno = saved;
}

static enum dftio_why why_of_kind(enum dftio_fd_kind kind)
{
	switch (kind) {
	case DFTIO_FD_PSEUDO:
		return DFTIO_WHY_PSEUDO;
	case DFTIO_FD_EXCLUDED:
		return DFTIO_WHY_EXCLUDED;
	case DFTIO_FD_BAD:
		return DFTIO_WHY_BAD_FD;
	default:
		return DFTIO_WHY_KIND;
	}
}

static struct plan passed(enum dftio_why why)
{
	return (struct plan){PASSED, why, 0};
}

static struct plan make_plan(int fd, const void *frame)
{
	struct plan p = {INLINE, 0, 0};
	enum dftio_fd_kind kind;

	if (unlikely(dftio__tls.busy) && !dftio__engine_recover(frame))
		return passed(DFTIO_WHY_NESTED);
	if (dftio__config.route == DFTIO_ROUTE_DIRECT)
		return passed(DFTIO_WHY_DIRECT);
	if (unlikely((unsigned)fd >= DFTIO_FD_MAX))
		return passed(fd < 0 ? DFTIO_WHY_BAD_FD : DFTIO_WHY_NO_TABLE);
	p.hint = dftio__fd_hint(fd);
	if (unlikely(dftio__fd_kind(p.hint) == DFTIO_FD_UNKNOWN))
		p.hint = dftio__fdown_is_ours(fd) ? (uint8_t)DFTIO_FD_BAD : dftio__fd_learn(fd);
	kind = dftio__fd_kind(p.hint);
	if (kind >= DFTIO_FD_PASS)
		return passed(why_of_kind(kind));
	if (unlikely(load_relaxed(&dftio__threads_differ)))
		return passed(DFTIO_WHY_PRIVATE);
	if (dftio__config.route == DFTIO_ROUTE_AUTO)
		p.way = kind == DFTIO_FD_DISK ? AUTO : INLINE;
	else if (!dftio__engine_backend()->in_place)
		p.way = BACKEND;
	return p;
}

static int64_t count(const struct plan *p, enum dftio_op_code code, int64_t r)
{
	int saved = errno;

	if (likely(!dftio__route.counting))
		return r;
	if (p->way == PASSED)
		dftio__count_passed(code, r, p->why);
	else
		dftio__count(code, r, DFTIO_BY_INLINE);
	errno = saved;
	return r;
}

/* The engine's result in libc's convention. */
static int64_t to_libc(int64_t r)
{
	if (likely(r >= 0))
		return r;
	errno = (int)-r;
	return -1;
}

/*
 * Hands an operation to the backend and waits. The descriptor is looked at once more, because what we remember may be
 * stale and what is not a file could wait for ever; then false, and nothing was done. The calls stay cancellation
 * points: a pending request acts here, before anything is in flight.
 */
static bool run(struct dftio_op *op, uint8_t hint, int64_t *result)
{
	struct stat st;
	enum dftio_fd_kind kind = dftio__fd_classify(op->fd, false, &st);

	if (kind != DFTIO_FD_DISK && kind != DFTIO_FD_MEM) {
		dftio__fd_forget(op->fd);
		return false;
	}
	if (dftio__op_desc(op)->traits & DFTIO_T_CANCEL)
		pthread_testcancel();
	op->flags |= DFTIO_OPF_FILE | DFTIO_OPF_KNOWN;
	op->file.dev = st.st_dev;
	op->file.ino = st.st_ino;
	if ((hint & DFTIO_FD_SOLE) && __libc_single_threaded)
		op->flags |= DFTIO_OPF_SOLE;
	*result = to_libc(dftio__engine_run(op));
	if (unlikely(dftio__route.counting)) {
		int saved = errno;

		dftio__count((enum dftio_op_code)op->code, *result, (enum dftio_op_carrier)op->carrier);
		errno = saved;
	}
	return true;
}

/* The bytes of a read that was tried without waiting, and is whole; -1: another way must be taken. errno untouched. */
static ssize_t finished(int fd, uint8_t *hint, int64_t r, size_t len)
{
	if (r == (int64_t)len || r == 0) {
		if (unlikely(*hint & DFTIO_FD_COLD))
			dftio__fd_set_bits(fd, 0, DFTIO_FD_COLD);
		return (ssize_t)r;
	}
	if (r == -EOPNOTSUPP) {
		dftio__fd_set_bits(fd, DFTIO_FD_NO_NOWAIT, 0);
		*hint |= DFTIO_FD_NO_NOWAIT;
	} else if (r == -EAGAIN) {
		dftio__fd_set_bits(fd, DFTIO_FD_COLD, 0);
		*hint |= DFTIO_FD_COLD;
	}
	/* A short answer inside a file is no answer; and the whole again is one the kernel gives in one piece. */
	return -1;
}

static ssize_t try_in_place(int fd, uint8_t *hint, void *buf, size_t len, off64_t offset)
{
	struct iovec iov = {buf, len};
	int saved = errno;
	int64_t r = dftio__result(dftio__next.preadv64v2(fd, &iov, 1, offset, RWF_NOWAIT));

	errno = saved;
	return finished(fd, hint, r, len);
}

/*
 * A ring reads a pipe and ignores the offset, where the real call says ESPIPE: so even this attempt first looks whether
 * the number still is something with a position. lseek is the cheapest call that knows, a third of an fstat.
 */
static ssize_t try_in_backend(
	const void *frame, int fd, uint8_t *hint, void *buf, size_t len, off64_t offset, int64_t *got)
{
	struct dftio_op op;
	int saved = errno;

	if (unlikely(dftio__sys.lseek(fd, 0, SEEK_CUR) < 0)) {
		errno = saved;
		dftio__fd_forget(fd);
		return -1;
	}
	pthread_testcancel();
	dftio__op_init_rw(&op, DFTIO_OP_PREAD, fd, buf, len, offset);
	*got = dftio__engine_attempt(&op, frame);
	return finished(fd, hint, *got, len);
}

/* Policy auto: whether this call should ask if the data is cached. Most calls of a warm file do not. */
static bool is_sampled(uint8_t hint)
{
	if (hint & (DFTIO_FD_NO_NOWAIT | DFTIO_FD_COLD))
		return hint & DFTIO_FD_COLD;
	return unlikely(dftio__tls.sample++ % SAMPLE_EVERY == 0) && nowait_is_sound;
}

static __attribute__((noinline)) ssize_t pread_by_plan(
	ssize_t (*next)(int, void *, size_t, off64_t), int fd, void *buf, size_t len, off64_t offset)
{
	const void *frame = __builtin_frame_address(0);
	struct plan p = make_plan(fd, frame);
	struct dftio_op op;
	int64_t r = -1, got = -1;

	if (p.way < AUTO || offset < 0 || len > DFTIO_MAX_RW || len == 0)
		return count(&p, DFTIO_OP_PREAD, next(fd, buf, len, offset));
	if (p.way == AUTO) {
		if (dftio__route.every && !is_sampled(p.hint))
			return count(&p, DFTIO_OP_PREAD, next(fd, buf, len, offset));
		r = try_in_place(fd, &p.hint, buf, len, offset);
		if (r >= 0)
			return count(&p, DFTIO_OP_PREAD, r);
		/* Only a ring costs less than it may gain: a pool would add two thread switches to the same wait. */
		if (!(p.hint & DFTIO_FD_COLD) || !dftio__engine_backend()->attempt)
			return count(&p, DFTIO_OP_PREAD, next(fd, buf, len, offset));
	} else if (nowait_is_sound && !(p.hint & DFTIO_FD_NO_NOWAIT)) {
		r = try_in_backend(frame, fd, &p.hint, buf, len, offset, &got);
		if (likely(r >= 0)) {
			if (unlikely(dftio__route.counting))
				dftio__count(DFTIO_OP_PREAD, r, DFTIO_BY_BACKEND);
			return r;
		}
	}
	dftio__op_init_rw(&op, DFTIO_OP_PREAD, fd, buf, len, offset);
	if (run(&op, p.hint, &r))
		return r;
	/* No file after all, but one that can be read with an offset (an eventfd): what was short of it was its answer.
	 */
	if (got > 0)
		return count(&p, DFTIO_OP_PREAD, got);
	return count(&p, DFTIO_OP_PREAD, next(fd, buf, len, offset));
}

/*
 * Policy auto makes the real call for nearly every read of a file that is known and warm: decided here, before a frame
 * is made, because one across a system call costs more than all the rest.
 */
ssize_t dftio__route_pread(ssize_t (*next)(int, void *, size_t, off64_t), int fd, void *buf, size_t len, off64_t offset)
{
	uint8_t hint;

	if (likely(!dftio__route.every)) {
		hint = dftio__fd_hint(fd);
		if (likely(dftio__fd_kind(hint) != DFTIO_FD_UNKNOWN && !is_sampled(hint)))
			return next(fd, buf, len, offset);
	}
	return pread_by_plan(next, fd, buf, len, offset);
}

/*
 * The rest have one shape: where the policy is not "backend" the real call; else the operation, and where its
 * descriptor turned out to be no file, the real call again.
 */
static bool plan_is_backend(struct plan *p, int fd, const void *frame)
{
	*p = make_plan(fd, frame);
	if (p->way == AUTO)
		p->way = INLINE;
	return p->way == BACKEND;
}

/* The frame is the routed function's own, which is as deep as that of any other call the program makes from there. */
#define goes_to_backend(p, fd) plan_is_backend(p, fd, __builtin_frame_address(0))

static bool run_planned(struct plan *p, struct dftio_op *op, int64_t *r)
{
	if (run(op, p->hint, r))
		return true;
	*p = passed(DFTIO_WHY_KIND);
	return false;
}

ssize_t dftio__route_read(ssize_t (*next)(int, void *, size_t), int fd, void *buf, size_t len)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd)) {
		dftio__op_init_rw(&op, DFTIO_OP_READ, fd, buf, len, 0);
		if (run_planned(&p, &op, &r))
			return r;
	}
	return count(&p, DFTIO_OP_READ, next(fd, buf, len));
}

ssize_t dftio__route_write(ssize_t (*next)(int, const void *, size_t), int fd, const void *buf, size_t len)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd)) {
		dftio__op_init_rw(&op, DFTIO_OP_WRITE, fd, buf, len, 0);
		if (run_planned(&p, &op, &r))
			return r;
	}
	return count(&p, DFTIO_OP_WRITE, next(fd, buf, len));
}

ssize_t dftio__route_pwrite(
	ssize_t (*next)(int, const void *, size_t, off64_t), int fd, const void *buf, size_t len, off64_t offset)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd)) {
		dftio__op_init_rw(&op, DFTIO_OP_PWRITE, fd, buf, len, offset);
		if (run_planned(&p, &op, &r))
			return r;
	}
	return count(&p, DFTIO_OP_PWRITE, next(fd, buf, len, offset));
}

ssize_t dftio__route_readv(ssize_t (*next)(int, const struct iovec *, int), int fd, const struct iovec *iov, int iovcnt)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd)) {
		dftio__op_init_v(&op, DFTIO_OP_READV, fd, iov, iovcnt, 0, 0);
		if (run_planned(&p, &op, &r))
			return r;
	}
	return count(&p, DFTIO_OP_READV, next(fd, iov, iovcnt));
}

ssize_t dftio__route_writev(
	ssize_t (*next)(int, const struct iovec *, int), int fd, const struct iovec *iov, int iovcnt)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd)) {
		dftio__op_init_v(&op, DFTIO_OP_WRITEV, fd, iov, iovcnt, 0, 0);
		if (run_planned(&p, &op, &r))
			return r;
	}
	return count(&p, DFTIO_OP_WRITEV, next(fd, iov, iovcnt));
}

ssize_t dftio__route_preadv(ssize_t (*next)(int, const struct iovec *, int, off64_t), int fd, const struct iovec *iov,
	int iovcnt, off64_t offset)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd)) {
		dftio__op_init_v(&op, DFTIO_OP_PREADV, fd, iov, iovcnt, offset, 0);
		if (run_planned(&p, &op, &r))
			return r;
	}
	return count(&p, DFTIO_OP_PREADV, next(fd, iov, iovcnt, offset));
}

ssize_t dftio__route_pwritev(ssize_t (*next)(int, const struct iovec *, int, off64_t), int fd, const struct iovec *iov,
	int iovcnt, off64_t offset)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd)) {
		dftio__op_init_v(&op, DFTIO_OP_PWRITEV, fd, iov, iovcnt, offset, 0);
		if (run_planned(&p, &op, &r))
			return r;
	}
	return count(&p, DFTIO_OP_PWRITEV, next(fd, iov, iovcnt, offset));
}

/*
 * With flags. Offset -1 means the file position: then it is a readv. RWF_NOWAIT asks for this very thread's answer,
 * now: the real call.
 */
ssize_t dftio__route_preadv2(ssize_t (*next)(int, const struct iovec *, int, off64_t, int), int fd,
	const struct iovec *iov, int iovcnt, off64_t offset, int flags)
{
	enum dftio_op_code code = offset == -1 ? DFTIO_OP_READV : DFTIO_OP_PREADV;
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd) && !(flags & RWF_NOWAIT)) {
		dftio__op_init_v(&op, code, fd, iov, iovcnt, offset, flags);
		if (run_planned(&p, &op, &r))
			return r;
	}
	return count(&p, code, next(fd, iov, iovcnt, offset, flags));
}

ssize_t dftio__route_pwritev2(ssize_t (*next)(int, const struct iovec *, int, off64_t, int), int fd,
	const struct iovec *iov, int iovcnt, off64_t offset, int flags)
{
	enum dftio_op_code code = offset == -1 ? DFTIO_OP_WRITEV : DFTIO_OP_PWRITEV;
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd) && !(flags & RWF_NOWAIT)) {
		dftio__op_init_v(&op, code, fd, iov, iovcnt, offset, flags);
		if (run_planned(&p, &op, &r))
			return r;
	}
	return count(&p, code, next(fd, iov, iovcnt, offset, flags));
}

/* Two descriptors: only from file to file; anything else at either end can wait for ever. */
static bool both_are_backend(struct plan *p, int out_fd, int in_fd, const void *frame)
{
	struct rlimit lim;
	struct plan in;

	if (!plan_is_backend(p, out_fd, frame))
		return false;
	/* The kernel goes on after a short piece, and may raise SIGXFSZ although it returns what it moved. */
	if (getrlimit(RLIMIT_FSIZE, &lim) < 0 || lim.rlim_cur != RLIM_INFINITY) {
		p->way = INLINE;
		return false;
	}
	if (plan_is_backend(&in, in_fd, frame)) {
		enum dftio_fd_kind kind = dftio__fd_classify(in_fd, false, NULL);

		if (kind == DFTIO_FD_DISK || kind == DFTIO_FD_MEM)
			return true;
		dftio__fd_forget(in_fd);
		in = passed(DFTIO_WHY_KIND);
	}
	*p = in;
	return false;
}

/*
 * Both are carried out in pieces: in the kernel a signal ends them half way, with what was moved so far, and a handler
 * shall not have to wait for gigabytes. `op` is prepared but for its length.
 */
static bool run_in_pieces(struct plan *p, struct dftio_op *op, size_t len, int64_t *total)
{
	int64_t r;
	size_t piece;

	*total = 0;
	do {
		piece = len - (size_t)*total < PIECE ? len - (size_t)*total : PIECE;
		op->arg.copy.len = piece;
		dftio__op_set_state(op, DFTIO_OPS_READY);
		if (!run_planned(p, op, &r)) {
			/* No file any more: what was moved before is the answer, or there is none. */
			return *total > 0;
		}
		if (r < 0) {
			*total = *total ? *total : r;
			return true;
		}
		*total += r;
	} while ((size_t)r == piece && (size_t)*total < len && !(op->flags & DFTIO_OPF_CUT));
	return true;
}

ssize_t dftio__route_sendfile(
	ssize_t (*next)(int, int, off64_t *, size_t), int out_fd, int in_fd, off64_t *offset, size_t len)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (both_are_backend(&p, out_fd, in_fd, __builtin_frame_address(0)) && len <= DFTIO_MAX_RW) {
		dftio__op_init(&op, DFTIO_OP_SENDFILE, out_fd);
		op.arg.copy.in = in_fd;
		op.arg.copy.in_off = offset;
		if (run_in_pieces(&p, &op, len, &r))
			return r;
	}
	return count(&p, DFTIO_OP_SENDFILE, next(out_fd, in_fd, offset, len));
}

ssize_t dftio__route_copy_file_range(ssize_t (*next)(int, off64_t *, int, off64_t *, size_t, unsigned), int in_fd,
	off64_t *in_offset, int out_fd, off64_t *out_offset, size_t len, unsigned flags)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (both_are_backend(&p, out_fd, in_fd, __builtin_frame_address(0)) && len <= DFTIO_MAX_RW) {
		dftio__op_init(&op, DFTIO_OP_COPY_FILE_RANGE, out_fd);
		op.arg.copy.in = in_fd;
		op.arg.copy.in_off = in_offset;
		op.arg.copy.out_off = out_offset;
		op.arg.copy.flags = flags;
		if (run_in_pieces(&p, &op, len, &r))
			return r;
	}
	return count(&p, DFTIO_OP_COPY_FILE_RANGE, next(in_fd, in_offset, out_fd, out_offset, len, flags));
}

int dftio__route_fsync(int (*next)(int), int fd)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd)) {
		dftio__op_init(&op, DFTIO_OP_FSYNC, fd);
		if (run_planned(&p, &op, &r))
			return (int)r;
	}
	return (int)count(&p, DFTIO_OP_FSYNC, next(fd));
}

int dftio__route_fdatasync(int (*next)(int), int fd)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd)) {
		dftio__op_init(&op, DFTIO_OP_FDATASYNC, fd);
		if (run_planned(&p, &op, &r))
			return (int)r;
	}
	return (int)count(&p, DFTIO_OP_FDATASYNC, next(fd));
}

int dftio__route_ftruncate(int (*next)(int, off64_t), int fd, off64_t length)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd)) {
		dftio__op_init(&op, DFTIO_OP_FTRUNCATE, fd);
		op.offset = length;
		if (run_planned(&p, &op, &r))
			return (int)r;
	}
	return (int)count(&p, DFTIO_OP_FTRUNCATE, next(fd, length));
}

int dftio__route_sync_file_range(
	int (*next)(int, off64_t, off64_t, unsigned), int fd, off64_t offset, off64_t len, unsigned flags)
{
	struct dftio_op op;
	struct plan p;
	int64_t r;

	if (goes_to_backend(&p, fd)) {
		dftio__op_init(&op, DFTIO_OP_SYNC_FILE_RANGE, fd);
		op.offset = offset;
		op.arg.range.len = len;
		op.arg.range.flags = flags;
		if (run_planned(&p, &op, &r))
			return (int)r;
	}
	return (int)count(&p, DFTIO_OP_SYNC_FILE_RANGE, next(fd, offset, len, flags));
}
