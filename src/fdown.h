/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of ours in the program's table: few, high, CLOEXEC, and as if they were not open.
 *
 * The preload asks before it closes, replaces or uses a number; whoever owns one registers it here.
 */
#pragma once

#include "base.h"

#define DFTIO_FDOWN_MAX 64

extern DFTIO_PRIVATE_API _Atomic unsigned dftio__fdown_count;

/*
 * Moves fd as high as the limits let us and registers it; the new number, which is kept in `*where` from now on, also
 * when it must move again. -EMFILE, and fd closed, when there are too many of ours.
 */
int dftio__fdown_adopt(int fd, _Atomic int *where);

/* Gives back the one that is kept there and closes it; nothing when there is none. */
void dftio__fdown_close(_Atomic int *where);

DFTIO_PRIVATE_API bool dftio__fdown_is_ours_slow(int fd);

static inline bool dftio__fdown_is_ours(int fd)
{
	return unlikely(load_relaxed(&dftio__fdown_count)) && dftio__fdown_is_ours_slow(fd);
}

/* The program wants this number (dup2): moves ours out of its way, or closes it where it cannot be moved. */
DFTIO_PRIVATE_API void dftio__fdown_yield(int fd);

/* The lowest of ours in [first, last], or -1. */
DFTIO_PRIVATE_API int dftio__fdown_next(unsigned first, unsigned last);
