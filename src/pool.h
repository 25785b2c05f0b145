/* SPDX-License-Identifier: MIT */
/*
 * The pool: threads that make real calls for others. Elastic and capped.
 *
 * Two classes share the cap: what may wait for ever (an accept, a read from a pipe) never takes the last threads, so
 * that it cannot keep file I/O from moving.
 */
#pragma once

#include "op.h"

/* The result of an operation that its worker would not carry out: it is for the submitter to do in place. */
#define DFTIO_POOL_REFUSED INT64_MIN

/*
 * Takes a READY operation (then POOL) and carries it out on a pool thread; its waiter is woken. Returns 0; or -EBUSY
 * when there is no thread and none can be made: the operation still is the caller's. Signals blocked by the caller.
 */
int dftio__pool_submit(struct dftio_op *op);

/* The owner has seen that it is done: what its worker did happened before. For the thread sanitizer alone. */
void dftio__pool_done(struct dftio_op *op);

/* For a wait that takes long: takes back an operation that no worker has begun. True: it is the caller's again. */
bool dftio__pool_take_back(struct dftio_op *op);

/*
 * Asks the workers that have nothing to do to leave, and waits until they have, a second at most. The next submission
 * makes new ones. For what the kernel refuses to a process of several threads.
 */
DFTIO_PRIVATE_API void dftio__pool_leave(void);

/* The same for good: the main thread has ended, or the process locks itself in. From now on none are made. */
DFTIO_PRIVATE_API void dftio__pool_close(void);

/* In a forked child: there are no threads. */
void dftio__pool_reborn(void);

/* Threads that exist now, for tests and reports. */
DFTIO_PRIVATE_API unsigned dftio__pool_threads(void);
