/* SPDX-License-Identifier: MIT */
/*
 * One operation: what to do, on what, and what came of it.
 *
 * Caller-owned and intrusive: nothing is allocated for it, it may live on a stack. From submit until it is done the
 * engine owns it, its buffer and its descriptor; it is completed exactly once.
 */
#pragma once

#include "sys.h"
#include "waiter.h"

enum dftio_op_code {
	DFTIO_OP_INVALID = 0, /* zeroed memory is no operation */
#define DFTIO_OP(code, verb, traits) DFTIO_OP_##code,
#include "op_list.h"
#undef DFTIO_OP
	DFTIO_OP_MAX_
};

enum dftio_traits {
	DFTIO_T_FD = 1 << 0,        /* works on op->fd */
	DFTIO_T_IN = 1 << 1,        /* may wait for the descriptor to become readable */
	DFTIO_T_OUT = 1 << 2,       /* ... or writable */
	DFTIO_T_MOVES_POS = 1 << 3, /* moves the file position, which the kernel guards and a ring does not */
	DFTIO_T_VECTOR = 1 << 4,    /* has an iovec */
	DFTIO_T_MAY_WAIT = 1 << 5,  /* may wait for ever whatever the descriptor is */
	DFTIO_T_ONCE = 1 << 6,      /* done or failed, it leaves its mark (open, fsync): never asked for again */
	DFTIO_T_PIECES = 1 << 7,    /* the kernel lets a signal end it half way: carried out in pieces */
	DFTIO_T_CANCEL = 1 << 8,    /* libc makes the call a cancellation point */
	DFTIO_T_SIZES = 1 << 9,     /* sets a file's size */
};

enum dftio_op_state {
	DFTIO_OPS_INVALID = 0,
	DFTIO_OPS_READY, /* initialised; the caller's */
	DFTIO_OPS_LANE,  /* with the submitting thread's own lane, which that thread must reap */
	DFTIO_OPS_POOL,  /* with a pool thread, which wakes the waiter */
	DFTIO_OPS_DONE,  /* `res` is final; the caller's again */
};

enum dftio_op_flags {
	DFTIO_OPF_FILE = 1 << 0,   /* a regular file or block device: verified */
	DFTIO_OPF_STREAM = 1 << 1, /* anything else */
	DFTIO_OPF_SOLE = 1 << 2,   /* nobody else can move the file position meanwhile */
	DFTIO_OPF_WAITS = 1 << 3,  /* a stream to wait for: it blocks, without a time limit or a flag that wants more */
	DFTIO_OPF_WHOLE = 1 << 4,  /* ... and is written to the end: a pipe or a stream socket */
	DFTIO_OPF_INSTANT = 1 << 5, /* a stream that does not wait: the real call at once */
	DFTIO_OPF_CUT = 1 << 6,     /* out: a signal was pending at its end */
	DFTIO_OPF_KNOWN = 1 << 7,   /* `file` says which file the descriptor was just now */
};

enum dftio_op_carrier { DFTIO_BY_INLINE, DFTIO_BY_BACKEND, DFTIO_BY_POOL, DFTIO_BY_MAX_ };

struct dftio_op {
	uint8_t code;
	_Atomic uint8_t state; /* relaxed: who may look at it follows from what it says */
	uint8_t flags;
	uint8_t carrier; /* who carried it out, for the statistics */
	int fd;
	int64_t res;    /* bytes, descriptor, offset or 0; or -errno */
	int64_t offset; /* offset, or a length for ftruncate */
	struct dftio_waiter *waiter;
	struct dftio_op *next; /* whoever owns it links it */
	size_t done;           /* bytes that went before, of a write that goes on */
	union {
		struct {
			void *buf;
			size_t len;
			int flags; /* MSG_* */
		} rw;
		struct {
			const struct iovec *iov;
			int iovcnt;
			int flags; /* RWF_* */
		} v;
		struct {
			const char *path;
			int flags;
			mode_t mode;
		} open;
		struct {
			int64_t *in_off;
			int64_t *out_off;
			size_t len;
			int in;
			unsigned flags;
		} copy;
		struct {
			int64_t len;
			unsigned flags;
		} range;
		struct {
			struct sockaddr *addr;
			socklen_t *addrlen;
			socklen_t len;
			int flags;
		} sock;
		struct {
			int whence;
		} seek;
		struct {
			struct stat *st;
		} stat;
		struct {
			short events;
			int timeout_ms;
		} poll;
		struct {
			int64_t sec, nsec;
		} sleep;
	} arg;
	struct {
		uint64_t dev, ino;
	} file; /* with DFTIO_OPF_KNOWN: another thread's number may be another file */
};

_Static_assert(sizeof(struct dftio_op) <= 128, "an operation fits two cache lines");

struct dftio_op_desc {
	const char *name;
	unsigned traits;
	int64_t (*perform)(const struct dftio_op *op); /* the real call, in place: result or -errno */
};

extern DFTIO_PRIVATE_API const struct dftio_op_desc dftio__op_descs[DFTIO_OP_MAX_];

static inline const struct dftio_op_desc *dftio__op_desc(const struct dftio_op *op)
{
	return &dftio__op_descs[op->code];
}

static inline int64_t dftio__op_perform(const struct dftio_op *op)
{
	return dftio__op_desc(op)->perform(op);
}

/* The one setter of the state. */
static inline void dftio__op_set_state(struct dftio_op *op, enum dftio_op_state state)
{
	store_relaxed(&op->state, (uint8_t)state);
}

static inline enum dftio_op_state dftio__op_state(const struct dftio_op *op)
{
	return (enum dftio_op_state)load_relaxed(&op->state);
}

/*
 * A blocking write to a stream returns when all is written; its carrier may come to an end sooner. True: `res` bytes
 * more are done, the operation describes the rest, and goes on. Called by the carrier, before it would complete it.
 */
bool dftio__op_goes_on(struct dftio_op *op, int64_t res);

/* Ends an operation: called by its carrier, exactly once. After it returns the operation may be gone. */
void dftio__op_complete(struct dftio_op *op, int64_t res);

/* Makes an operation of `code` on `fd`, ready to submit; the caller fills `arg`. */
static inline void dftio__op_init(struct dftio_op *op, enum dftio_op_code code, int fd)
{
	op->code = (uint8_t)code;
	op->flags = 0;
	op->carrier = DFTIO_BY_INLINE;
	op->fd = fd;
	op->res = 0;
	op->offset = 0;
	op->waiter = NULL;
	op->next = NULL;
	op->done = 0;
	dftio__op_set_state(op, DFTIO_OPS_READY);
}

static inline void dftio__op_init_rw(
	struct dftio_op *op, enum dftio_op_code code, int fd, const void *buf, size_t len, int64_t offset)
{
	dftio__op_init(op, code, fd);
	op->arg.rw.buf = (void *)(uintptr_t)buf;
	op->arg.rw.len = len;
	op->arg.rw.flags = 0;
	op->offset = offset;
}

static inline void dftio__op_init_v(struct dftio_op *op, enum dftio_op_code code, int fd, const struct iovec *iov,
	int iovcnt, int64_t offset, int flags)
{
	dftio__op_init(op, code, fd);
	op->arg.v.iov = iov;
	op->arg.v.iovcnt = iovcnt;
	op->arg.v.flags = flags;
	op->offset = offset;
}
