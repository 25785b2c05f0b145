/* SPDX-License-Identifier: MIT */
/*
 * No backend at all: the real call, in place. The baseline of every comparison, and the last resort.
 *
 * Owns:    nothing.
 * Threads: the caller's; no locks.
 * Never:   does anything but the real call.
 */
#include "backends.h"

static bool sync_probe(struct dftio_probe *p)
{
	(void)p;
	return true;
}

static int sync_submit(struct dftio_lane *lane, struct dftio_op *op)
{
	(void)lane;
	op->carrier = DFTIO_BY_INLINE;
	dftio__op_complete(op, dftio__op_perform(op));
	return 0;
}

const struct dftio_backend_ops dftio__backend_sync = {
	.name = "sync",
	.long_name = "SYNC",
	.in_place = true,
	.probe = sync_probe,
	.submit = sync_submit,
};
