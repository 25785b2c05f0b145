/* SPDX-License-Identifier: MIT */
/*
 * Which process this is.
 *
 * A page that the kernel wipes in every forked child (MADV_WIPEONFORK) tells a child from its parent without a system
 * call, however it was forked: fork, _Fork, daemon, clone. A vfork child shares our memory and looks like its parent;
 * whoever would change something for good asks dftio__life_is_owner(), which costs a getpid.
 */
#pragma once

#include "base.h"

struct dftio_life {
	_Atomic uint32_t alive;
	pid_t pid;
	uint64_t blocked; /* the signals that were blocked at its start */
};

extern DFTIO_PRIVATE_API struct dftio_life *dftio__life;

void dftio__life_init(void);

/* Starts this process afresh after a fork. Called through dftio__life_check. */
DFTIO_PRIVATE_API void dftio__life_reborn(void);

/* To be passed before anything of the engine is used: one load when nothing has happened. */
static inline void dftio__life_check(void)
{
	if (unlikely(!load_relaxed(&dftio__life->alive)))
		dftio__life_reborn();
}

/* Whether this process owns the memory it runs in: false in a vfork child. */
DFTIO_PRIVATE_API bool dftio__life_is_owner(void);
