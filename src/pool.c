/* SPDX-License-Identifier: MIT */
/*
 * The pool of threads that make real calls.
 *
 * A worker that finds nothing to do parks on a futex of its own, last in first out, so that the warm ones are used
 * and the cold ones go: ten seconds of idleness end a worker.
 *
 * `looking` counts the workers that are sure to look at the queue before they park: woken, just made, or about to
 * finish. A submission that one of them will see wakes and makes nobody; so one caller that waits for each operation
 * keeps one worker, although its next submission often comes before that worker has parked.
 *
 * Workers are made by a thread of their own, the maker: a submission may come from a signal handler, or from inside an
 * allocator, and making a thread allocates. While the maker waits for an allocator that is waiting for us, the waiter
 * takes its operation back (engine.c). The maker itself has to be made by a submission: one whose thread has no more
 * signals blocked than the process started with, which a handler has.
 *
 * Owns:    the queues and the workers. Not the operations: their waiters are woken, nothing else of them is kept.
 * Threads: the workers, created by submissions; all application signals blocked in them, libc's own two open (its
 *          set*id functions wait for every thread to answer).
 * Locks:   pool.lock, never held while an operation is carried out, completed, or a thread is created.
 * Never:   calls an allocator itself (pthread_create does, at a submission, not per operation).
 */
#include "pool.h"
#include "config.h"
#include "futex.h"
#include "life.h"
#include "log.h"
#include "sigs.h"
#include "sys.h"
#include "thread.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#define IDLE_MS      10000
#define ASK_AGAIN    64
#define WORKER_STACK ((size_t)256 * 1024)

enum { QUICK, SLOW, CLASSES };

struct worker {
	_Atomic uint32_t parked;
	struct worker *next_idle;
};

static struct pool {
	struct dftio_lock lock;
	struct {
		struct dftio_op *head, **tail;
	} queue[CLASSES];
	struct worker *idle;
	unsigned threads;
	unsigned looking;
	unsigned queued;
	unsigned wanted;  /* workers that the maker shall make */
	bool maker;       /* there is one, or one is being made */
	bool closed;      /* no more workers, ever */
	unsigned not_now; /* submissions until a thread is asked for again, after one was refused */
	unsigned slow_running;
	bool said_no_thread;
} pool;

static _Atomic uint32_t ended;   /* threads of ours, ever: a futex */
static _Atomic uint32_t summons; /* what the maker sleeps on */
static _Atomic bool leaving;     /* idle workers end instead of parking */

static int class_of(const struct dftio_op *op)
{
	if (op->flags & DFTIO_OPF_FILE)
		return QUICK;
	return dftio__op_desc(op)->traits & (DFTIO_T_MAY_WAIT | DFTIO_T_IN | DFTIO_T_OUT) ? SLOW : QUICK;
}

static unsigned slow_max(void)
{
	unsigned cap = dftio__config.pool_max;

	return cap - (cap >= 8 ? cap / 4 : 1);
}

static void enqueue(struct dftio_op *op, int class)
{
	if (!pool.queue[class].head)
		pool.queue[class].tail = &pool.queue[class].head;
	op->next = NULL;
	*pool.queue[class].tail = op;
	pool.queue[class].tail = &op->next;
	pool.queued++;
}

/* False when a worker has it already. */
static bool unqueue(struct dftio_op *op, int class)
{
	struct dftio_op **p = &pool.queue[class].head;

	while (*p && *p != op)
		p = &(*p)->next;
	if (!*p)
		return false;
	*p = op->next;
	if (!op->next)
		pool.queue[class].tail = p;
	pool.queued--;
	return true;
}

static struct dftio_op *take(int *class)
{
	struct dftio_op *op;

	*class = pool.queue[QUICK].head || pool.slow_running >= slow_max() ? QUICK : SLOW;
	op = pool.queue[*class].head;
	if (op) {
		pool.queue[*class].head = op->next;
		pool.queued--;
	}
	return op;
}

/*
 * A program built with the thread sanitizer sees its buffer written by a thread of ours, and does not see our futexes:
 * told so, where its runtime is in the process.
 */
extern void __tsan_acquire(void *addr) __attribute__((weak));
extern void __tsan_release(void *addr) __attribute__((weak));

static void hand_over(struct dftio_op *op)
{
	if (unlikely(__tsan_release != NULL))
		__tsan_release(op);
}

static void take_over(struct dftio_op *op)
{
	if (unlikely(__tsan_acquire != NULL))
		__tsan_acquire(op);
}

/*
 * Threads may have descriptor tables of their own (unshare, by number even), and then the number means another file
 * here than where it was submitted. Then it is handed back rather than carried out on the wrong one.
 */
static bool is_other_file(const struct dftio_op *op)
{
	struct stat st;

	if (!(op->flags & DFTIO_OPF_KNOWN))
		return false;
	return dftio__sys.fstat(op->fd, &st) < 0 || st.st_dev != op->file.dev || st.st_ino != op->file.ino;
}

/* Returns looking: counted before the owner is woken, who may submit again at once. The lock is held at both ends. */
static void carry_out(struct dftio_op *op, int class)
{
	int64_t res;

	pool.slow_running += class == SLOW;
	dftio__unlock(&pool.lock);
	take_over(op);
	op->carrier = DFTIO_BY_POOL;
	res = is_other_file(op) ? DFTIO_POOL_REFUSED : dftio__op_perform(op);
	dftio__lock(&pool.lock);
	pool.slow_running -= class == SLOW;
	pool.looking++;
	dftio__unlock(&pool.lock);
	hand_over(op);
	dftio__op_complete(op, res);
	dftio__lock(&pool.lock);
}

/* Parks until a submission takes it off the idle list: it is looking then. False when nobody came: it shall end. */
static bool park(struct worker *self)
{
	if (load_relaxed(&leaving) || pool.closed)
		return false;
	store_relaxed(&self->parked, 1);
	self->next_idle = pool.idle;
	pool.idle = self;
	dftio__unlock(&pool.lock);
	while (load_acquire(&self->parked)) {
		if (dftio__futex_wait(&self->parked, 1, IDLE_MS) == -ETIMEDOUT)
			break;
	}
	dftio__lock(&pool.lock);
	if (!load_acquire(&self->parked))
		return true;
	for (struct worker **p = &pool.idle; *p; p = &(*p)->next_idle) {
		if (*p == self) {
			*p = self->next_idle;
			break;
		}
	}
	return false;
}

static void start_thread(void)
{
	uint64_t internal = UINT64_C(3) << 31; /* signals 32 and 33: libc's, for cancellation and set*id */

	dftio__sys.syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &internal, NULL, sizeof(internal));
	dftio__sys.syscall(SYS_prctl, PR_SET_NAME, "dftio-pool");
	/* A real call may be another preload's, and come back to us by name: it must not be queued behind itself. */
	dftio__tls.busy = 1;
}

/* Who asked us to leave waits for this. Not a thread's very end, but a few instructions from it. */
static void end_thread(void)
{
	atomic_fetch_add(&ended, 1);
	dftio__futex_wake(&ended, INT_MAX);
}

static void *worker_main(void *arg)
{
	struct worker self = {0};
	struct dftio_op *op;
	int class;

	(void)arg;
	start_thread();
	dftio__lock(&pool.lock);
	for (;;) {
		/* Here a worker is looking. */
		pool.looking--;
		op = take(&class);
		if (!op && park(&self))
			continue;
		/* Nobody came for it; but something may have been queued between the time-out and the lock. */
		if (!op)
			op = take(&class);
		if (!op)
			break;
		carry_out(op, class);
	}
	pool.threads--;
	dftio__unlock(&pool.lock);
	end_thread();
	return NULL;
}

static int make_thread(void *(*fn)(void *))
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t t;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, WORKER_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = dftio__sys.thread_create(&t, &attr, fn, NULL);
	if (r == EINVAL) {
		/* A program with much static thread-local data needs more than we ask for: libc's default then. */
		pthread_attr_destroy(&attr);
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		r = dftio__sys.thread_create(&t, &attr, fn, NULL);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

/* A worker that was counted is not to be had. Its queue is others', or its waiters', who take back what they wait for.
 */
static void not_made(int error)
{
	bool first = !pool.said_no_thread;

	pool.threads--;
	pool.looking--;
	pool.not_now = ASK_AGAIN;
	pool.said_no_thread = true;
	if (first)
		dftio__log(DFTIO_LOG_INFO, "no thread for the pool: %s; the real calls are made where there is none",
			strerror(error));
}

static void *maker_main(void *arg)
{
	uint32_t seen;
	int r;

	(void)arg;
	start_thread();
	dftio__lock(&pool.lock);
	while (!load_relaxed(&leaving) && !pool.closed) {
		if (!pool.wanted) {
			seen = load_relaxed(&summons);
			dftio__unlock(&pool.lock);
			dftio__futex_wait(&summons, seen, -1);
			dftio__lock(&pool.lock);
			continue;
		}
		pool.wanted--;
		dftio__unlock(&pool.lock);
		r = make_thread(worker_main);
		dftio__lock(&pool.lock);
		if (r)
			not_made(r);
	}
	/* Nobody refused those: their submitters take back what they wait for, and the next makes a maker. */
	pool.threads -= pool.wanted;
	pool.looking -= pool.wanted;
	pool.wanted = 0;
	pool.maker = false;
	dftio__unlock(&pool.lock);
	end_thread();
	return NULL;
}

static void summon_maker(void)
{
	atomic_fetch_add(&summons, 1);
	dftio__futex_wake(&summons, 1);
}

/*
 * The maker could not be made. Whether a worker has the operation all the same; if not it is the caller's again.
 */
static bool was_taken(struct dftio_op *op, int class, int error)
{
	bool taken;

	dftio__lock(&pool.lock);
	pool.maker = false;
	for (; pool.wanted; pool.wanted--)
		not_made(error);
	taken = !unqueue(op, class);
	dftio__unlock(&pool.lock);
	return taken;
}

/* More signals are blocked than at the start: this may be a handler, which interrupted who knows what. */
static bool may_be_handler(void)
{
	return dftio__tls.blocked & ~dftio__life->blocked;
}

void dftio__pool_done(struct dftio_op *op)
{
	take_over(op);
}

bool dftio__pool_take_back(struct dftio_op *op)
{
	bool taken;

	dftio__lock(&pool.lock);
	taken = unqueue(op, class_of(op));
	dftio__unlock(&pool.lock);
	return taken;
}

int dftio__pool_submit(struct dftio_op *op)
{
	int class = class_of(op), r;
	struct worker *w;
	bool grow, first;

	dftio__lock(&pool.lock);
	if (unlikely(pool.threads == 0 && (pool.not_now > 0 || pool.closed || (!pool.maker && may_be_handler())))) {
		pool.not_now -= pool.not_now > 0;
		dftio__unlock(&pool.lock);
		return -EBUSY;
	}
	dftio__op_set_state(op, DFTIO_OPS_POOL);
	hand_over(op);
	enqueue(op, class);
	/* One that is looking will see it. */
	w = pool.looking >= pool.queued ? NULL : pool.idle;
	grow = pool.looking < pool.queued && !w && pool.threads < dftio__config.pool_max && !pool.closed &&
	       (pool.maker || !may_be_handler());
	first = grow && !pool.maker;
	pool.maker |= first;
	pool.threads += grow;
	pool.wanted += grow;
	pool.looking += w || grow;
	if (w) {
		/* Under the lock: from the moment it sees the word the worker may end, and its stack with it. */
		pool.idle = w->next_idle;
		store_release(&w->parked, 0);
	}
	dftio__unlock(&pool.lock);
	if (w)
		dftio__futex_wake(&w->parked, 1); /* to an address, not to an object */
	if (grow && !first)
		summon_maker();
	if (!first)
		return 0;
	r = make_thread(maker_main);
	if (r == 0 || was_taken(op, class, r))
		return 0;
	dftio__op_set_state(op, DFTIO_OPS_READY);
	return -EBUSY;
}

/* Wakes all that are parked, to look and find that they are to leave. */
static void wake_all(void)
{
	struct worker *w;

	dftio__lock(&pool.lock);
	while ((w = pool.idle)) {
		pool.idle = w->next_idle;
		pool.looking++;
		store_release(&w->parked, 0);
		dftio__futex_wake(&w->parked, 1);
	}
	dftio__unlock(&pool.lock);
}

/* A link for each thread, and two. */
static unsigned threads_of_process(void)
{
	struct stat st;
	int saved = errno;
	unsigned n = stat("/proc/self/task", &st) == 0 && st.st_nlink > 2 ? (unsigned)st.st_nlink - 2 : 1;

	errno = saved;
	return n;
}

static bool has_idle_to_leave(void)
{
	bool some;

	dftio__lock(&pool.lock);
	some = pool.looking > 0 || pool.maker;
	dftio__unlock(&pool.lock);
	return some;
}

void dftio__pool_leave(void)
{
	struct dftio_sigs s;
	uint32_t seen;

	/* First who we are: a child's lock is as some thread of its parent's held it. */
	if (!dftio__life_is_owner() || (!has_idle_to_leave() && dftio__pool_threads() == 0))
		return;
	dftio__sigs_block(&s);
	store_relaxed(&leaving, true);
	wake_all();
	summon_maker();
	for (int i = 0; i < 10; i++) {
		seen = load_acquire(&ended);
		if (!has_idle_to_leave())
			break;
		dftio__futex_wait(&ended, seen, 100);
	}
	/* Out of the pool is not yet out of the process: the kernel counts a thread until it is gone. */
	for (int i = 0; i < 1000 && threads_of_process() > 1 && dftio__pool_threads() == 0; i++)
		sched_yield();
	store_relaxed(&leaving, false);
	dftio__sigs_restore(&s);
}

void dftio__pool_close(void)
{
	if (!dftio__life_is_owner())
		return;
	dftio__lock(&pool.lock);
	pool.closed = true;
	dftio__unlock(&pool.lock);
	dftio__pool_leave();
}

void dftio__pool_reborn(void)
{
	memset(&pool, 0, sizeof(pool));
	store_relaxed(&leaving, false);
}

unsigned dftio__pool_threads(void)
{
	unsigned n;

	dftio__lock(&pool.lock);
	n = pool.threads;
	dftio__unlock(&pool.lock);
	return n;
}
