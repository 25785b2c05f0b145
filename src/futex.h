/* SPDX-License-Identifier: MIT */
/* The futex system call: process-private, errno kept, and a lock made of it that no allocator is behind. */
#pragma once

#include "sys.h"

#include <limits.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>
#include <sys/syscall.h>

/* Sleeps while *word == expected, at most timeout_ms (negative: for ever). Returns 0 or -errno; may wake spuriously. */
static inline int dftio__futex_wait(_Atomic uint32_t *word, uint32_t expected, int timeout_ms)
{
	struct timespec ts = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};
	int saved = errno, r;

	r = (int)dftio__sys.syscall(
		SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ms < 0 ? NULL : &ts, NULL, 0);
	r = r < 0 ? -errno : 0;
	errno = saved;
	return r;
}

static inline void dftio__futex_wake(_Atomic uint32_t *word, int n)
{
	int saved = errno;

	dftio__sys.syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
	errno = saved;
}

/*
 * A lock: 0 free, 1 held, 2 held and waited for. Not recursive. Taken only with signals blocked or where no handler
 * can come back for it.
 */
struct dftio_lock {
	_Atomic uint32_t word;
};

static inline void dftio__lock(struct dftio_lock *l)
{
	uint32_t free = 0;

	if (likely(atomic_compare_exchange_strong_explicit(
		    &l->word, &free, 1, memory_order_acquire, memory_order_relaxed)))
		return;
	while (atomic_exchange_explicit(&l->word, 2, memory_order_acquire) != 0)
		dftio__futex_wait(&l->word, 2, -1);
}

static inline void dftio__unlock(struct dftio_lock *l)
{
	if (atomic_exchange_explicit(&l->word, 0, memory_order_release) == 2)
		dftio__futex_wake(&l->word, 1);
}
