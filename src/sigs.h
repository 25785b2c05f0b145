/* SPDX-License-Identifier: MIT */
/*
 * Signals while an operation of an ordinary thread is in flight.
 *
 * The kernel never runs a handler in the middle of a system call: it runs when the call returns. For file I/O that
 * means when the I/O is done. We keep that: signals are blocked from before the submission until the operation is
 * done, so that a handler can neither leave by siglongjmp while a buffer is being written to, nor meet us half way.
 */
#pragma once

#include "base.h"

struct dftio_sigs {
	uint64_t old;
};

/* Blocks all signals of this thread but those that a fault raises. */
void dftio__sigs_block(struct dftio_sigs *s);
void dftio__sigs_restore(const struct dftio_sigs *s);

/* Whether a signal waits that was not blocked before: in the kernel it would end what can be ended half way. */
bool dftio__sigs_pending(const struct dftio_sigs *s);

/*
 * Called now and then by a wait that takes long: lets a pending signal through that would end or stop the process by
 * its default action, as it would end a killable wait in the kernel. No handler runs.
 */
void dftio__sigs_let_fatal(const struct dftio_sigs *s);
