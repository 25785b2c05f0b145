/* SPDX-License-Identifier: MIT */
/*
 * The engine: the choice of the backend, the threads' lanes, and the wait.
 *
 * Owns:    the choice. Lanes belong to their threads.
 * Threads: any. The choice is published by one compare-and-swap: threads that probe at once come to the same answer
 *          and one of them says it. No locks.
 * Never:   loses an operation: what no backend takes is carried out in place. Never leaves signals blocked.
 */
#include "engine.h"
#include "config.h"
#include "fdinfo.h"
#include "life.h"
#include "log.h"
#include "pool.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* How long a wait goes on before it looks for a signal that should end the process. */
#define TICK_MS 200

/* How long an operation may stand in the pool's queue before its waiter carries it out itself. */
#define QUEUE_MS 10

/* How often it looks after its lane while it waits for a pool thread. */
#define LANE_MS 1

extern const struct dftio_backend_ops dftio__backend_sync;

static _Atomic(const struct dftio_backend_ops *) chosen;
static _Atomic bool frozen; /* no system call of ours any more: lanes are left to the kernel */
static char why[256] = "nothing has been routed yet";

static const struct dftio_backend_ops *find_backend(const char *name)
{
	for (size_t i = 0; dftio__backends[i]; i++)
		if (strcmp(dftio__backends[i]->name, name) == 0)
			return dftio__backends[i];
	return NULL;
}

static const struct dftio_backend_ops *choose_named(char *text, size_t size)
{
	const struct dftio_backend_ops *be = find_backend(dftio__config.backend);
	struct dftio_probe p = {0};

	if (be && be->probe(&p)) {
		snprintf(text, size, "asked for by DFTIO_BACKEND");
		return be;
	}
	if (!be)
		snprintf(p.reason, sizeof(p.reason), "not built for this system");
	snprintf(text, size, "DFTIO_BACKEND=%s cannot start: %s", dftio__config.backend, p.reason);
	return &dftio__backend_sync;
}

static const struct dftio_backend_ops *choose_best(char *text, size_t size)
{
	char first[160] = "";

	for (size_t i = 0; dftio__backends[i]; i++) {
		struct dftio_probe p = {0};

		if (dftio__backends[i]->probe(&p)) {
			if (i == 0)
				snprintf(text, size, "the best that starts here");
			else
				snprintf(text, size, "the best that starts here; %s does not: %s",
					dftio__backends[0]->name, first);
			return dftio__backends[i];
		}
		if (i == 0)
			memcpy(first, p.reason, sizeof(first));
	}
	snprintf(text, size, "no other backend starts here");
	return &dftio__backend_sync;
}

static const struct dftio_backend_ops *choose(void)
{
	const struct dftio_backend_ops *be, *none = NULL;
	char text[sizeof(why)];
	bool failed;
	int cancel, saved = errno;

	/* A vfork child's calls are its own; a ring that it tried out would stay behind in its parent's memory. */
	if (!dftio__life_is_owner())
		return &dftio__backend_sync;
	/* Probing makes calls that are cancellation points, where the program's own call may be none. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	be = dftio__config.backend_forced ? choose_named(text, sizeof(text)) : choose_best(text, sizeof(text));
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	failed = dftio__config.backend_forced && strcmp(be->name, dftio__config.backend) != 0;
	if (!atomic_compare_exchange_strong(&chosen, &none, be))
		return none;
	memcpy(why, text, sizeof(why));
	if (failed)
		dftio__log(DFTIO_LOG_WARN, "%s; the real calls are made instead", text);
	else
		dftio__log(DFTIO_LOG_INFO, "backend %s: %s", be->name, text);
	return be;
}

const struct dftio_backend_ops *dftio__engine_backend(void)
{
	const struct dftio_backend_ops *be = load_acquire(&chosen);

	return likely(be) ? be : choose();
}

const char *dftio__engine_backend_now(void)
{
	const struct dftio_backend_ops *be = load_acquire(&chosen);

	return be ? be->name : "none";
}

const char *dftio__engine_why(void)
{
	return why;
}

void dftio__engine_reset(void)
{
	struct dftio_thread *t = dftio__thread();

	if (t)
		dftio__engine_close_lane(&t->lane);
	atomic_store(&chosen, NULL);
}

/* Empty before it is closed: a handler that comes in between finds none, and opens another. */
static struct dftio_lane take_lane(struct dftio_lane *lane)
{
	struct dftio_lane taken = *lane;

	lane->impl = NULL;
	lane->failed = 0;
	return taken;
}

void dftio__engine_freeze(void)
{
	store_relaxed(&frozen, true);
}

void dftio__engine_close_lane(struct dftio_lane *lane)
{
	struct dftio_lane taken = take_lane(lane);

	if (taken.impl && !load_relaxed(&frozen))
		dftio__engine_backend()->close(&taken);
}

void dftio__engine_drop_lane(struct dftio_lane *lane)
{
	struct dftio_lane taken = take_lane(lane);

	if (taken.impl)
		dftio__engine_backend()->drop(&taken);
}

/*
 * On the same stack what interrupted the attempt lies below it; a call at its height or above has taken its place. On
 * an alternate stack nothing can be told, and what was interrupted is taken to live. Only attempts run with signals
 * open, so only they can be left.
 */
bool dftio__engine_recover(const void *frame)
{
	int saved = errno;
	stack_t alt;

	if (!dftio__tls.frame || frame < dftio__tls.frame)
		return false;
	if (sigaltstack(NULL, &alt) < 0 || (alt.ss_flags & SS_ONSTACK) || !dftio__life_is_owner()) {
		errno = saved;
		return false;
	}
	/* The lane knows by itself that its last attempt has not ended. */
	dftio__tls.busy = 0;
	atomic_signal_fence(memory_order_seq_cst);
	dftio__tls.frame = NULL;
	errno = saved;
	return true;
}

/* The calling thread's lane, open; NULL when this thread can have none. */
static struct dftio_lane *my_lane(const struct dftio_backend_ops *be)
{
	struct dftio_thread *t = dftio__thread();
	int r, cancel;

	if (!t || t->lane.failed)
		return NULL;
	if (likely(t->lane.impl))
		return &t->lane;
	/* What a vfork child opened would stay behind in its parent's memory. */
	if (!dftio__life_is_owner())
		return NULL;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	r = be->open(&t->lane);
	pthread_setcancelstate(cancel, NULL);
	if (r == 0)
		return &t->lane;
	t->lane.failed = 1;
	dftio__log(
		DFTIO_LOG_INFO, "%s: this thread gets none of its own (%s) and uses the pool", be->name, strerror(-r));
	return NULL;
}

/* Whether the socket has a time limit of its own, which only the kernel's own wait keeps. */
static bool has_time_limit(const struct dftio_op *op)
{
	bool out = dftio__op_desc(op)->traits & DFTIO_T_OUT;
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);

	return getsockopt(op->fd, SOL_SOCKET, out ? SO_SNDTIMEO : SO_RCVTIMEO, &tv, &len) == 0 &&
	       (tv.tv_sec || tv.tv_usec);
}

static bool is_written_whole(const struct dftio_op *op, enum dftio_fd_kind kind)
{
	int type = 0;
	socklen_t len = sizeof(type);

	if (op->code != DFTIO_OP_WRITE && op->code != DFTIO_OP_SEND)
		return false;
	if (kind == DFTIO_FD_PIPE)
		return true;
	return kind == DFTIO_FD_SOCKET && getsockopt(op->fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM;
}

/* Flags of recv and send that a wait for readiness can keep; with any other the kernel waits differently. */
#define PLAIN_MSG_FLAGS (MSG_NOSIGNAL | MSG_TRUNC)

static bool asks_for_more(const struct dftio_op *op)
{
	/* Nothing is something to a device: /dev/full has no room for it. */
	if (!(dftio__op_desc(op)->traits & DFTIO_T_VECTOR) && op->code != DFTIO_OP_ACCEPT &&
		op->code != DFTIO_OP_CONNECT && op->arg.rw.len == 0)
		return true;
	if (op->code == DFTIO_OP_RECV || op->code == DFTIO_OP_SEND)
		return (op->arg.rw.flags & ~PLAIN_MSG_FLAGS) || op->arg.rw.len > DFTIO_MAX_RW;
	if (op->code == DFTIO_OP_READ || op->code == DFTIO_OP_WRITE)
		return op->arg.rw.len > DFTIO_MAX_RW;
	return (dftio__op_desc(op)->traits & DFTIO_T_VECTOR) && op->arg.v.flags;
}

/* An accept that is wrong is told so at once by the real call, and must not be waited for. */
static bool is_listening(const struct dftio_op *op)
{
	int yes = 0;
	socklen_t len = sizeof(yes);

	return !(op->arg.sock.flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) &&
	       getsockopt(op->fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes;
}

static bool is_wrong_mode(const struct dftio_op *op, int status)
{
	int mode = status & O_ACCMODE;

	return dftio__op_desc(op)->traits & DFTIO_T_OUT ? mode == O_RDONLY : mode == O_WRONLY;
}

static void classify_stream(struct dftio_op *op, enum dftio_fd_kind kind)
{
	int status = dftio__sys.fcntl(op->fd, F_GETFL, 0);

	op->flags |= DFTIO_OPF_STREAM;
	/* Not open, or not for this: the real call says so, at once. */
	if (status < 0 || (status & (O_NONBLOCK | O_PATH)) || is_wrong_mode(op, status)) {
		op->flags |= DFTIO_OPF_INSTANT;
		return;
	}
	if (op->code == DFTIO_OP_ACCEPT && !is_listening(op))
		return;
	if (asks_for_more(op) || (kind == DFTIO_FD_SOCKET && has_time_limit(op)))
		return;
	op->flags |= DFTIO_OPF_WAITS;
	if (is_written_whole(op, kind))
		op->flags |= DFTIO_OPF_WHOLE;
}

/* What kind of descriptor it is, when the submitter does not know: streams are waited for, files are not. */
static void classify(struct dftio_op *op)
{
	enum dftio_fd_kind kind;

	if (!(dftio__op_desc(op)->traits & (DFTIO_T_IN | DFTIO_T_OUT)) ||
		(op->flags & (DFTIO_OPF_FILE | DFTIO_OPF_STREAM)))
		return;
	kind = dftio__fd_classify(op->fd, false, NULL);
	if (kind == DFTIO_FD_DISK || kind == DFTIO_FD_MEM)
		op->flags |= DFTIO_OPF_FILE;
	else
		classify_stream(op, kind);
}

static void perform_in_place(struct dftio_op *op)
{
	op->carrier = DFTIO_BY_INLINE;
	dftio__op_complete(op, dftio__op_perform(op));
}

/* A full lane empties as it is reaped; one that does not, because the kernel is short of something, is given up. */
static int submit_when_room(const struct dftio_backend_ops *be, struct dftio_lane *lane, struct dftio_op *op)
{
	int r;

	do
		r = be->submit(lane, op);
	while (r == -EAGAIN && be->reap(lane, TICK_MS) > 0);
	return r;
}

static int submit_to_backend(const struct dftio_backend_ops *be, struct dftio_op *op)
{
	struct dftio_lane *lane = NULL;

	/* A stream whose wait only the kernel can keep: a thread waits in the real call. */
	if ((op->flags & (DFTIO_OPF_STREAM | DFTIO_OPF_WAITS)) == DFTIO_OPF_STREAM && !be->in_place)
		return dftio__pool_submit(op);
	if (be->needs_lane && be->needs_lane(op)) {
		lane = my_lane(be);
		if (!lane)
			return dftio__pool_submit(op);
	}
	return submit_when_room(be, lane, op);
}

void dftio__engine_submit(struct dftio_op *op)
{
	int saved = errno;

	classify(op);
	if (op->flags & DFTIO_OPF_INSTANT)
		perform_in_place(op);
	/* Refused: what may wait for ever shall not do it here, if there is anybody else. */
	else if (submit_to_backend(dftio__engine_backend(), op) < 0 &&
		 ((op->flags & DFTIO_OPF_FILE) || dftio__pool_submit(op) < 0))
		perform_in_place(op);
	errno = saved;
}

static bool is_one_of(int64_t res, const int *errors, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (res == -errors[i])
			return true;
	return false;
}

/* SIGXFSZ comes with EFBIG, to the thread that made the call: which must be the program's. */
static bool may_want_sigxfsz(const struct dftio_op *op)
{
	struct rlimit lim;

	return op->res == -EFBIG && (dftio__op_desc(op)->traits & (DFTIO_T_OUT | DFTIO_T_PIECES | DFTIO_T_SIZES)) &&
	       getrlimit(RLIMIT_FSIZE, &lim) == 0 && lim.rlim_cur != RLIM_INFINITY;
}

/*
 * Errors that say something about the way rather than about the file. They leave nothing behind, so the same question
 * put to the kernel in place gets its own words. A file system's own errors are its answer: some are consumed by being
 * told (fsync), and a write that failed must not be tried behind the program's back. A stream's are mostly its answer
 * too (a datagram that met a bad buffer is gone): only what a ring says about itself is asked again there.
 */
static bool is_about_the_way(const struct dftio_op *op)
{
	static const int ring[] = {EINVAL, EOPNOTSUPP, ENOSYS};
	static const int write[] = {EAGAIN, EOPNOTSUPP, ENOSYS, ECANCELED, EINVAL, EBADF, EFAULT};
	static const int read[] = {EAGAIN, EOPNOTSUPP, ENOSYS, ECANCELED, EINVAL, EINTR, EBADF, EFAULT, ENOMEM};
	unsigned traits = dftio__op_desc(op)->traits;

	if (op->carrier == DFTIO_BY_INLINE)
		return false;
	if (may_want_sigxfsz(op) || (op->res == -EPIPE && (traits & DFTIO_T_OUT)))
		return true; /* and SIGPIPE likewise, at most once: it is blocked and pending where it was raised
				already */
	if (op->carrier == DFTIO_BY_POOL)
		return op->res == DFTIO_POOL_REFUSED;
	if (traits & DFTIO_T_ONCE)
		return op->res == -ECANCELED; /* by the ring: it was not even begun */
	if (op->flags & DFTIO_OPF_STREAM)
		return is_one_of(op->res, ring, ARRAY_SIZE(ring));
	if (traits & DFTIO_T_OUT)
		return is_one_of(op->res, write, ARRAY_SIZE(write));
	return is_one_of(op->res, read, ARRAY_SIZE(read));
}

/* While a pool thread is waited for, what this thread has in its lane goes on. False when there is nothing. */
static bool lane_goes_on(const struct dftio_backend_ops *be)
{
	struct dftio_thread *t = dftio__tls.self;

	return t && t->lane.impl && be->reap(&t->lane, 0) >= 0;
}

static void wait_until_done(struct dftio_op *op, const struct dftio_sigs *sigs)
{
	const struct dftio_backend_ops *be = dftio__engine_backend();

	while (dftio__op_state(op) == DFTIO_OPS_LANE) {
		if (be->reap(&dftio__thread()->lane, TICK_MS) == 0 && sigs)
			dftio__sigs_let_fatal(sigs);
	}
	/* A pool whose threads are all stuck (in a dead file system) must not stop what has nothing to do with it. */
	if (!dftio__waiter_wait(op->waiter, QUEUE_MS) && dftio__pool_take_back(op))
		perform_in_place(op);
	while (!dftio__waiter_wait(op->waiter, lane_goes_on(be) ? LANE_MS : TICK_MS))
		if (sigs)
			dftio__sigs_let_fatal(sigs);
	dftio__pool_done(op);
}

int64_t dftio__engine_wait(struct dftio_op *op, const struct dftio_sigs *sigs)
{
	wait_until_done(op, sigs);
	if (unlikely(op->res < 0) && is_about_the_way(op)) {
		op->carrier = DFTIO_BY_INLINE;
		op->res = dftio__op_perform(op);
	}
	return op->res;
}

int64_t dftio__engine_run(struct dftio_op *op)
{
	struct dftio_waiter w;
	struct dftio_sigs s;
	int saved = errno, cancel;

	/* A vfork child has its own descriptors and our threads have its parent's: only its own calls are right. */
	if (!dftio__life_is_owner()) {
		op->res = dftio__op_perform(op);
		errno = saved;
		return op->res;
	}
	dftio__waiter_init_futex(&w);
	op->waiter = &w;
	/* Nothing may leave this frame before the operation is done: no handler, and no cancellation. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	dftio__sigs_block(&s);
	dftio__tls.blocked = s.old;
	dftio__tls.busy++;
	dftio__engine_submit(op);
	dftio__engine_wait(op, &s);
	if (unlikely(dftio__op_desc(op)->traits & DFTIO_T_PIECES) && dftio__sigs_pending(&s))
		op->flags |= DFTIO_OPF_CUT;
	dftio__tls.busy--;
	dftio__sigs_restore(&s);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return op->res;
}

int64_t dftio__engine_attempt(struct dftio_op *op, const void *frame)
{
	const struct dftio_backend_ops *be = dftio__engine_backend();
	struct dftio_lane *lane;
	int64_t res = -EAGAIN;
	int saved = errno;

	if (!be->attempt)
		return -EAGAIN;
	dftio__life_check();
	/* In this order, so that a thread left busy always has the frame by which that is found out. */
	dftio__tls.frame = frame;
	atomic_signal_fence(memory_order_seq_cst);
	dftio__tls.busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	lane = my_lane(be);
	if (likely(lane))
		res = be->attempt(lane, op);
	atomic_signal_fence(memory_order_seq_cst);
	/* Unless another stack of this thread took it for left, and makes an attempt of its own now. */
	if (dftio__tls.frame == frame) {
		dftio__tls.busy = 0;
		atomic_signal_fence(memory_order_seq_cst);
		dftio__tls.frame = NULL;
	}
	errno = saved;
	return res;
}
