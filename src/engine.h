/* SPDX-License-Identifier: MIT */
/*
 * The engine: one per process. Chooses the backend, gives each thread its lane, and waits.
 *
 * Life of an operation: INVALID -> READY (init) -> LANE or POOL (submit) -> DONE (complete). From submit to DONE the
 * operation, its buffer and its descriptor are the engine's.
 */
#pragma once

#include "backend.h"
#include "sigs.h"

/* The chosen backend; chosen on the first call. Never NULL: "sync" when nothing else can start. Any thread. */
DFTIO_PRIVATE_API const struct dftio_backend_ops *dftio__engine_backend(void);

/* Why that one: a static text. */
DFTIO_PRIVATE_API const char *dftio__engine_why(void);

/* The name of the backend if one was chosen already, else "none": asks nothing of the kernel. */
const char *dftio__engine_backend_now(void);

/*
 * Hands a READY operation to the backend. Signals are blocked by the caller until it is done. Never fails: what no
 * backend takes is carried out in place.
 */
DFTIO_PRIVATE_API void dftio__engine_submit(struct dftio_op *op);

/*
 * Waits until it is done; by the thread that submitted it. Its result is what the real call would have returned.
 * `sigs` is how the caller blocked signals; a signal that ends the process by default still ends it.
 */
DFTIO_PRIVATE_API int64_t dftio__engine_wait(struct dftio_op *op, const struct dftio_sigs *sigs);

/* Both, with a waiter on this stack and signals blocked: how an ordinary thread carries out an operation. */
DFTIO_PRIVATE_API int64_t dftio__engine_run(struct dftio_op *op);

/*
 * A positional read that never waits, through the backend where it has such a way. -EAGAIN: would wait, or there is
 * no such way. Whatever else is negative is no answer: ask with the real call. Harmless in a vfork child, which the
 * kernel refuses (a ring belongs to its thread, and registered rings to their task). `frame` is that of the routed
 * call, by which a later one tells whether it still is there.
 */
DFTIO_PRIVATE_API int64_t dftio__engine_attempt(struct dftio_op *op, const void *frame);

/*
 * This thread is busy. True when it is not any more: a handler that interrupted an attempt left by siglongjmp, and the
 * frame that would have ended it is gone. `frame` as for the attempt.
 */
DFTIO_PRIVATE_API bool dftio__engine_recover(const void *frame);

/* The process locks itself in: threads that end leave their lanes to the kernel. */
DFTIO_PRIVATE_API void dftio__engine_freeze(void);

void dftio__engine_close_lane(struct dftio_lane *lane);
void dftio__engine_drop_lane(struct dftio_lane *lane);

/* For tests: forgets the choice and this thread's lane, so that the next call chooses again. */
void dftio__engine_reset(void);
