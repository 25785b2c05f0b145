/* SPDX-License-Identifier: MIT */
/*
 * What each thread has of ours: a few initial-exec bytes, and a record that is mapped when first needed.
 */
#pragma once

#include "op.h"

/* Why an operation was not routed. */
enum dftio_why {
	DFTIO_WHY_KIND,      /* a descriptor that can wait for ever or is none of ours: pipe, socket, terminal ... */
	DFTIO_WHY_PSEUDO,    /* a window into the kernel */
	DFTIO_WHY_EXCLUDED,  /* DFTIO_FILES */
	DFTIO_WHY_DIRECT,    /* DFTIO_ROUTE=direct */
	DFTIO_WHY_NESTED,    /* a signal handler that interrupted libdftio */
	DFTIO_WHY_NO_TABLE,  /* descriptor number beyond the table */
	DFTIO_WHY_BAD_FD,    /* not open */
	DFTIO_WHY_PRIVATE,   /* threads with descriptors or credentials of their own */
	DFTIO_WHY_NO_THREAD, /* no memory or thread for the backend */
	DFTIO_WHY_TABLE,     /* an operation on the table, a name or a socket: the calling thread's own business */
	DFTIO_WHY_MAX_
};

struct dftio_counters {
	uint64_t calls, bytes, errors;
	uint64_t carried[DFTIO_BY_MAX_];
};

/* A thread's own way into a backend: its ring or reactor. Nobody else touches it. */
struct dftio_lane {
	void *impl;     /* the backend's; NULL = not open */
	uint8_t failed; /* could not be opened: this thread uses the pool or the real calls */
};

struct dftio_thread {
	struct dftio_thread *next_all;
	_Atomic uint32_t in_use;
	struct dftio_lane lane;
	struct dftio_counters ops[DFTIO_OP_MAX_];
	uint64_t why[DFTIO_WHY_MAX_];
};

struct dftio_tls {
	struct dftio_thread *self;
	uint8_t busy;      /* this thread is inside the engine: what it does now is nested */
	uint16_t sample;   /* counts calls between attempts with RWF_NOWAIT */
	const void *frame; /* of the attempt that made it busy */
	uint64_t blocked;  /* the signals that were blocked when it entered the engine */
};

extern DFTIO_PRIVATE_API DFTIO_TLS struct dftio_tls dftio__tls;

/*
 * Not all threads have the same descriptors or credentials any more: no thread may act for another. For good, and for
 * all: a thread hands its own on to those it makes.
 */
extern DFTIO_PRIVATE_API _Atomic bool dftio__threads_differ;

void dftio__thread_init(void);
void dftio__thread_reborn(void);

/* The calling thread's record, made on first use; NULL without memory. Keeps errno. */
DFTIO_PRIVATE_API struct dftio_thread *dftio__thread_slow(void);

static inline struct dftio_thread *dftio__thread(void)
{
	struct dftio_thread *t = dftio__tls.self;

	return likely(t) ? t : dftio__thread_slow();
}

/* All records ever made; they are reused, never freed. For sums. */
struct dftio_thread *dftio__thread_all(void);

/*
 * Adds in one instruction, so that a signal handler that counts too loses nothing; no lock prefix, because no other
 * thread writes.
 */
static inline void dftio__add(uint64_t *counter, uint64_t n)
{
#if defined(__x86_64__)
	__asm__("addq %1, %0" : "+m"(*counter) : "er"(n) : "cc");
#else
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
#endif
}

/* Counts one call: what it returned (-errno convention), and who carried it out. */
DFTIO_PRIVATE_API void dftio__count(enum dftio_op_code code, int64_t res, enum dftio_op_carrier carrier);
DFTIO_PRIVATE_API void dftio__count_passed(enum dftio_op_code code, int64_t res, enum dftio_why why);
