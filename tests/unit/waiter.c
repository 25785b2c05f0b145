/* SPDX-License-Identifier: MIT */
/*
 * The rendezvous: a completion is never lost, and whoever did not park is not woken.
 *
 * Owns:    nothing.
 * Threads: the one that waits, and one that completes.
 * Never:   waits by the clock for what an event tells.
 */
#include "unit.h"
#include "waiter.h"

#include <pthread.h>
#include <semaphore.h>

TestSuite(waiter, .init = kill_when_stuck);

Test(waiter, a_completion_before_the_wait_is_not_lost)
{
	struct dftio_waiter w;

	dftio__waiter_init_futex(&w);
	cr_assert(!dftio__waiter_done(&w));
	dftio__waiter_complete(&w);
	cr_assert(dftio__waiter_done(&w));
	cr_assert(dftio__waiter_wait(&w, -1));
	cr_assert(dftio__waiter_wait(&w, 0));
}

Test(waiter, a_wait_with_a_limit_comes_back)
{
	struct dftio_waiter w;

	dftio__waiter_init_futex(&w);
	cr_assert(!dftio__waiter_wait(&w, 0));
	cr_assert(!dftio__waiter_wait(&w, 5));
	cr_assert(!dftio__waiter_done(&w));
	dftio__waiter_complete(&w);
	cr_assert(dftio__waiter_wait(&w, 5));
}

static unsigned woken;

static void count_wake(struct dftio_waiter *w)
{
	(void)w;
	woken++;
}

Test(waiter, is_woken_once_and_only_when_parked)
{
	struct dftio_waiter w;

	dftio__waiter_init_futex(&w);
	w.wake = count_wake;
	dftio__waiter_complete(&w);
	cr_assert_eq(woken, 0);
	dftio__waiter_init_futex(&w);
	w.wake = count_wake;
	cr_assert(!dftio__waiter_wait(&w, 0));
	dftio__waiter_complete(&w);
	cr_assert_eq(woken, 1);
	cr_assert(dftio__waiter_wait(&w, -1));
	cr_assert_eq(woken, 1);
}

Test(waiter, leaves_errno_alone)
{
	struct dftio_waiter w;

	dftio__waiter_init_futex(&w);
	errno = 4711;
	dftio__waiter_wait(&w, 1);
	dftio__waiter_complete(&w);
	dftio__waiter_wait(&w, -1);
	cr_assert_eq(errno, 4711);
}

enum { HANDOVERS = 50000 };

static _Atomic(struct dftio_waiter *) handed_over;

static void *complete_each(void *arg)
{
	struct dftio_waiter *w;

	(void)arg;
	for (int i = 0; i < HANDOVERS; i++) {
		while (!(w = atomic_exchange(&handed_over, NULL)))
			;
		/* Sometimes before it is parked, sometimes after. */
		for (volatile int spin = i % 64 * 8; spin > 0; spin--)
			;
		dftio__waiter_complete(w);
	}
	return NULL;
}

static bool wait_for_one(int i)
{
	struct dftio_waiter w;

	dftio__waiter_init_futex(&w);
	atomic_store(&handed_over, &w);
	if (i % 3 == 0)
		while (!dftio__waiter_wait(&w, 0))
			;
	return dftio__waiter_wait(&w, -1) || dftio__waiter_wait(&w, -1) || dftio__waiter_wait(&w, -1);
}

/* Each on the waiting thread's stack, which is used again at once. */
Test(waiter, two_threads_lose_none_of_many)
{
	pthread_t t;

	cr_assert_eq(pthread_create(&t, NULL, complete_each, NULL), 0);
	for (int i = 0; i < HANDOVERS; i++)
		cr_assert(wait_for_one(i));
	pthread_join(t, NULL);
}
