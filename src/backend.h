/* SPDX-License-Identifier: MIT */
/*
 * What a backend is: a way to carry out operations.
 *
 * A thread reaches a backend through its own lane (ring, reactor): opened, submitted to and reaped by that thread
 * alone, so that no lock is needed and no thread's exit can fail another's operation. Hooks left NULL: see each.
 */
#pragma once

#include "op.h"
#include "thread.h"

struct dftio_probe {
	int error;        /* out: errno value when it cannot start */
	char reason[160]; /* out: for people, with the remedy */
	char detail[160]; /* out: what was found, when it can */
};

struct dftio_backend_ops {
	const char *name, *long_name;
	bool in_place; /* carries everything out in the calling thread: no need to come here at all */

	/*
	 * Whether it can start here, by really starting and stopping. True, or false with error and reason. Any
	 * thread, any number of times; leaves nothing behind.
	 */
	bool (*probe)(struct dftio_probe *p);

	/* Whether this operation is submitted on a lane; if not, `lane` is NULL. NULL: none is. */
	bool (*needs_lane)(const struct dftio_op *op);

	/* Opens the calling thread's lane; 0 or -errno. */
	int (*open)(struct dftio_lane *lane);

	/* Closes it: by its own thread, with nothing in flight. */
	void (*close)(struct dftio_lane *lane);

	/* Forgets it in a forked child, where what is behind it is the parent's. */
	void (*drop)(struct dftio_lane *lane);

	/*
	 * Takes a READY operation: leaves it in LANE, POOL or DONE; completed exactly once. On LANE the submitter
	 * must reap. Returns 0; or -EAGAIN when its lane is full: reap, and submit again; or
	 * another -errno when it cannot be carried out here, the operation still READY.
	 */
	int (*submit)(struct dftio_lane *lane, struct dftio_op *op);

	/*
	 * Completes what has finished in this lane; waits for at least one if there is none, at most timeout_ms
	 * (0: does not wait). Returns the number completed; with 0, -ENOENT when nothing is in it. Signals are
	 * blocked by the caller.
	 */
	int (*reap)(struct dftio_lane *lane, int timeout_ms);

	/*
	 * Carries out a pread that never waits, from submission to result, without blocking signals: the bytes; or
	 * -EAGAIN where it would have waited; or whatever went wrong. NULL: there is no such way.
	 */
	int64_t (*attempt)(struct dftio_lane *lane, struct dftio_op *op);
};

/* Best first, NULL-terminated; defined in backends/registry.c, which is all the core knows of them. */
extern const struct dftio_backend_ops *const dftio__backends[];
