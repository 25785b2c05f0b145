/* SPDX-License-Identifier: MIT */
/*
 * What we remember of descriptors: hints, one byte each.
 *
 * The kernel's table is the truth and changes behind our back (libc's internal closes, other processes' tables). A
 * hint chooses the first attempt; before anything is handed to a backend that could wait, the descriptor is looked at
 * again. A wrong hint costs a little time and never changes a result.
 *
 * A vfork child shares these bytes and has another descriptor table: so what a call may do without asking who we are
 * is only ever to forget.
 */
#pragma once

#include "base.h"

#define DFTIO_FD_MAX (1 << 20) /* descriptors from here on are never routed */

enum dftio_fd_kind {
	DFTIO_FD_UNKNOWN,
	DFTIO_FD_DISK, /* regular file on a real file system, or a block device */
	DFTIO_FD_MEM,  /* regular file in memory: tmpfs and its like */
	DFTIO_FD_PASS, /* first of those that are always passed on: */
	DFTIO_FD_PIPE = DFTIO_FD_PASS,
	DFTIO_FD_SOCKET,
	DFTIO_FD_CHAR,
	DFTIO_FD_DIR,
	DFTIO_FD_PSEUDO,   /* a file of /proc, /sys and the like: may wait for ever, may ask who reads it */
	DFTIO_FD_EXCLUDED, /* by DFTIO_FILES */
	DFTIO_FD_OTHER,    /* epoll, eventfd, ... */
	DFTIO_FD_BAD,      /* not open */
	DFTIO_FD_KIND_MAX_,
	DFTIO_FD_KIND_MASK = 0x0f,
	DFTIO_FD_NO_NOWAIT = 0x10, /* RWF_NOWAIT is not supported: remembered */
	DFTIO_FD_SOLE = 0x20,      /* opened by this process, and no other can have the description since */
	DFTIO_FD_COLD = 0x40,      /* the last attempt found it outside the page cache */
};

extern DFTIO_PRIVATE_API _Atomic uint8_t dftio__fd_hints[DFTIO_FD_MAX];

static inline uint8_t dftio__fd_hint(int fd)
{
	return (unsigned)fd < DFTIO_FD_MAX ? load_relaxed(&dftio__fd_hints[fd]) : (uint8_t)DFTIO_FD_OTHER;
}

static inline enum dftio_fd_kind dftio__fd_kind(uint8_t hint)
{
	return (enum dftio_fd_kind)(hint & DFTIO_FD_KIND_MASK);
}

/* Safe anywhere, a vfork child and a signal handler included. */
static inline void dftio__fd_forget(int fd)
{
	if ((unsigned)fd < DFTIO_FD_MAX && load_relaxed(&dftio__fd_hints[fd]) != DFTIO_FD_UNKNOWN)
		store_relaxed(&dftio__fd_hints[fd], DFTIO_FD_UNKNOWN);
}

DFTIO_PRIVATE_API void dftio__fd_forget_range(unsigned first, unsigned last);

/*
 * The descriptions may be shared with another process from now on: fork, exec, a descriptor sent. Only ever clears.
 * `dftio__fd_soles` is 0 when there is nothing to clear.
 */
DFTIO_PRIVATE_API void dftio__fd_forget_sole(void);
extern DFTIO_PRIVATE_API _Atomic uint32_t dftio__fd_soles;

/* A descriptor this process has just opened, in a single-threaded moment. The caller has checked who it is. */
DFTIO_PRIVATE_API void dftio__fd_mark_sole(int fd);

struct stat;

/*
 * Looks at the descriptor itself: two system calls at most, nothing remembered. `filter`: apply DFTIO_FILES too.
 * `*st`, when `st` is not NULL, is what fstat said.
 */
DFTIO_PRIVATE_API enum dftio_fd_kind dftio__fd_classify(int fd, bool filter, struct stat *st);

/* Classifies and remembers, unless this is a vfork child. Returns the hint. */
DFTIO_PRIVATE_API uint8_t dftio__fd_learn(int fd);

/* Learnt by an attempt: sets and clears bits of a hint that is there. Not in a vfork child. */
DFTIO_PRIVATE_API void dftio__fd_set_bits(int fd, uint8_t set, uint8_t clear);

/* Names for people. */
DFTIO_PRIVATE_API const char *dftio__fd_kind_name(enum dftio_fd_kind kind);

struct statfs;
/* The same decision from what stat and statfs said; `fs_name` may be NULL. */
enum dftio_fd_kind dftio__fs_kind(const struct stat *st, const struct statfs *fs, const char **fs_name);
