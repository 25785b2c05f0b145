/* SPDX-License-Identifier: MIT */
/*
 * The rendezvous of one operation and the one who waits for it.
 *
 * IDLE -> PARKED -> DONE, or IDLE -> DONE when the completion comes first: it is never lost. `wake` is supplied by
 * the creator and only called when somebody had parked. The completer does not touch the waiter after its exchange to
 * DONE, except to pass its address to `wake`, so the waiter may live on the waiting thread's stack.
 */
#pragma once

#include "base.h"

struct dftio_waiter {
	_Atomic uint32_t state;
	void (*wake)(struct dftio_waiter *w);
};

enum { DFTIO_WAITER_IDLE, DFTIO_WAITER_PARKED, DFTIO_WAITER_DONE };

/* A waiter whose owner sleeps on a futex. */
void dftio__waiter_init_futex(struct dftio_waiter *w);

static inline bool dftio__waiter_done(const struct dftio_waiter *w)
{
	return load_acquire(&w->state) == DFTIO_WAITER_DONE;
}

/* Called by the completer, exactly once. */
static inline void dftio__waiter_complete(struct dftio_waiter *w)
{
	void (*wake)(struct dftio_waiter *) = w->wake;

	if (atomic_exchange_explicit(&w->state, DFTIO_WAITER_DONE, memory_order_acq_rel) == DFTIO_WAITER_PARKED)
		wake(w);
}

/*
 * Sleeps until done or until about `timeout_ms` have passed; a signal handler that ran ends it too.
 * Returns whether it is done. Negative timeout: none.
 */
bool dftio__waiter_wait(struct dftio_waiter *w, int timeout_ms);
