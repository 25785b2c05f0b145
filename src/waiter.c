/* SPDX-License-Identifier: MIT */
/*
 * Waiting on a futex.
 *
 * Owns:    nothing.
 * Threads: one waits, one completes.
 * Never:   touches a waiter after it was seen DONE by its owner: the wake goes to an address, not to an object.
 */
#include "waiter.h"
#include "futex.h"

static void wake_futex(struct dftio_waiter *w)
{
	dftio__futex_wake(&w->state, 1);
}

void dftio__waiter_init_futex(struct dftio_waiter *w)
{
	atomic_init(&w->state, DFTIO_WAITER_IDLE);
	w->wake = wake_futex;
}

bool dftio__waiter_wait(struct dftio_waiter *w, int timeout_ms)
{
	uint32_t idle = DFTIO_WAITER_IDLE;

	/* Fails when it is PARKED already (an earlier wait timed out) or DONE: both are handled by the futex's check.
	 */
	atomic_compare_exchange_strong_explicit(
		&w->state, &idle, DFTIO_WAITER_PARKED, memory_order_acq_rel, memory_order_acquire);
	if (!dftio__waiter_done(w))
		dftio__futex_wait(&w->state, DFTIO_WAITER_PARKED, timeout_ms);
	return dftio__waiter_done(w);
}
