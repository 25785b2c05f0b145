/* SPDX-License-Identifier: MIT */
/*
 * Thread records: counters and the lane.
 *
 * Owns:    the list of records, which only grows; a record is claimed by one thread at a time and reused after it.
 * Threads: each writes its own record; sums read all of them without a lock. Claiming is a compare-and-swap.
 * Never:   calls an allocator (records are mapped); frees a record; touches another thread's lane.
 */
#include "thread.h"
#include "engine.h"
#include "life.h"
#include "pool.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

DFTIO_TLS struct dftio_tls dftio__tls;
_Atomic bool dftio__threads_differ;

_Static_assert(sizeof(struct dftio_tls) <= 256, "static TLS is scarce in a process we do not own");

static _Atomic(struct dftio_thread *) all_threads;
static pthread_key_t exit_key;
static bool have_exit_key;
static pthread_key_t main_key;
static bool have_main_key;

/*
 * A thread ends. Other destructors may still do I/O after this one: they find no record, claim one, and set the key
 * again, for which libc calls us once more.
 */
static void thread_ends(void *arg)
{
	struct dftio_thread *t = arg;
	struct dftio_sigs s;

	dftio__sigs_block(&s);
	dftio__engine_close_lane(&t->lane);
	dftio__tls.self = NULL;
	store_release(&t->in_use, 0);
	dftio__sigs_restore(&s);
}

/*
 * The main thread ends by pthread_exit. The process lives on with the others, but not for the sake of ours: natively it
 * would end with its last thread.
 */
static void main_ends(void *arg)
{
	(void)arg;
	dftio__pool_close();
}

void dftio__thread_init(void)
{
	have_exit_key = pthread_key_create(&exit_key, thread_ends) == 0;
	have_main_key = pthread_key_create(&main_key, main_ends) == 0;
	if (have_main_key)
		pthread_setspecific(main_key, &main_key);
}

struct dftio_thread *dftio__thread_all(void)
{
	return load_acquire(&all_threads);
}

static struct dftio_thread *claim_free(void)
{
	for (struct dftio_thread *t = dftio__thread_all(); t; t = t->next_all) {
		uint32_t free = 0;

		if (load_relaxed(&t->in_use) == 0 && atomic_compare_exchange_strong(&t->in_use, &free, 1))
			return t;
	}
	return NULL;
}

struct dftio_thread *dftio__thread_slow(void)
{
	int saved = errno;
	struct dftio_thread *t = claim_free();

	if (!t) {
		t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (t == MAP_FAILED) {
			errno = saved;
			return NULL;
		}
		atomic_init(&t->in_use, 1);
		t->next_all = load_relaxed(&all_threads);
		while (!atomic_compare_exchange_weak(&all_threads, &t->next_all, t))
			;
	}
	dftio__tls.self = t;
	if (have_exit_key)
		pthread_setspecific(exit_key, t);
	errno = saved;
	return t;
}

/*
 * A forked child: its counters start at nought, its parent's rings are forgotten, only its one thread has a record.
 * Where it was forked by a handler that interrupted an attempt, that attempt's frames are still below and will end it:
 * it stays busy, and its lane's memory stays too.
 */
void dftio__thread_reborn(void)
{
	for (struct dftio_thread *t = dftio__thread_all(); t; t = t->next_all) {
		memset(t->ops, 0, sizeof(t->ops));
		memset(t->why, 0, sizeof(t->why));
		if (t == dftio__tls.self && dftio__tls.busy)
			t->lane = (struct dftio_lane){0};
		else
			dftio__engine_drop_lane(&t->lane);
		store_relaxed(&t->in_use, t == dftio__tls.self);
	}
	store_relaxed(&dftio__threads_differ, false);
	if (have_main_key)
		pthread_setspecific(main_key, &main_key); /* it is the main thread now */
}

static struct dftio_counters *count(enum dftio_op_code code, int64_t res)
{
	static const bool moves_bytes[DFTIO_OP_MAX_] = {
		[DFTIO_OP_READ] = true,
		[DFTIO_OP_WRITE] = true,
		[DFTIO_OP_PREAD] = true,
		[DFTIO_OP_PWRITE] = true,
		[DFTIO_OP_READV] = true,
		[DFTIO_OP_WRITEV] = true,
		[DFTIO_OP_PREADV] = true,
		[DFTIO_OP_PWRITEV] = true,
		[DFTIO_OP_SENDFILE] = true,
		[DFTIO_OP_COPY_FILE_RANGE] = true,
		[DFTIO_OP_RECV] = true,
		[DFTIO_OP_SEND] = true,
	};
	struct dftio_thread *t;
	struct dftio_counters *c;

	dftio__life_check();
	t = dftio__thread();
	if (!t)
		return NULL;
	c = &t->ops[code];
	dftio__add(&c->calls, 1);
	if (res < 0)
		dftio__add(&c->errors, 1);
	else if (moves_bytes[code])
		dftio__add(&c->bytes, (uint64_t)res);
	return c;
}

void dftio__count(enum dftio_op_code code, int64_t res, enum dftio_op_carrier carrier)
{
	struct dftio_counters *c = count(code, res);

	if (c)
		dftio__add(&c->carried[carrier], 1);
}

void dftio__count_passed(enum dftio_op_code code, int64_t res, enum dftio_why why)
{
	if (count(code, res))
		dftio__add(&dftio__tls.self->why[why], 1);
}
