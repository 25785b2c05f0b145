/* SPDX-License-Identifier: MIT */
/*
 * Every operation to the pool.
 *
 * Owns:    nothing; the pool is the core's.
 * Threads: the pool's; no locks of its own.
 * Never:   carries anything out in the submitting thread.
 */
#include "backends.h"
#include "pool.h"

static bool threadpool_probe(struct dftio_probe *p)
{
	(void)p; /* a thread may be refused at any time, not only now: then the real call is made in place */
	return true;
}

static int threadpool_submit(struct dftio_lane *lane, struct dftio_op *op)
{
	(void)lane;
	return dftio__pool_submit(op);
}

const struct dftio_backend_ops dftio__backend_threadpool = {
	.name = "threadpool",
	.long_name = "THREADPOOL",
	.probe = threadpool_probe,
	.submit = threadpool_submit,
};
