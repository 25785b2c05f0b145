/* SPDX-License-Identifier: MIT */
/* One io_uring: set up, pushed to, popped from, torn down. Single owner; knows nothing of operations. */
#pragma once

#include "backend.h"

struct uring;
struct io_uring_sqe;
struct io_uring_cqe;

/* The ring of a probe is kept for the calling thread's lane. */
bool uring_probe(struct dftio_probe *p);

/* Opens a ring for the calling thread, with DFTIO_QUEUE_DEPTH entries or as many as memory allows. 0 or -errno. */
int uring_open(struct uring **out);
void uring_close(struct uring *r);

/* In a forked child: gives back the memory of a ring that is the parent's. */
void uring_drop(struct uring *r);

/* Whether the kernel has this opcode. Valid once a ring was opened. */
bool uring_has_opcode(uint8_t opcode);

/* The next free entry, zeroed; NULL when the queue is full. Not queued until uring_push. */
struct io_uring_sqe *uring_next_sqe(struct uring *r);

/*
 * Queues that entry and enters the kernel with it: 0. Or -errno when the kernel did not take it, -EBUSY when it is
 * short of something: then it is queued no longer.
 */
int uring_push(struct uring *r);

/*
 * Enters the kernel for completions: at most timeout_ms for the first (0: does not wait, negative: no limit).
 * Returns 0, also when the time ran out or a handler ran: the caller looks at what came, and at its own clock.
 * -errno when the ring does not answer any more.
 */
int uring_wait(struct uring *r, int timeout_ms);

/* Takes one completion. */
bool uring_pop(struct uring *r, struct io_uring_cqe *out);

/* Operations that were pushed and not yet popped, as the caller counts them. */
void uring_count(struct uring *r, int by);

/* None of them. */
bool uring_is_idle(const struct uring *r);

/*
 * An attempt: one entry pushed and popped with signals open. Begun, it has a name, odd and its own, for its completion
 * to be told from those of attempts that were left by a jump.
 */
uint64_t uring_begin_attempt(struct uring *r);
void uring_end_attempt(struct uring *r);

/* Whether a forked child may go on touching it: memory of ours it has, wiped; what the kernel mapped it has not. */
bool uring_survives_fork(const struct uring *r);

/* For `dftio info`: the names of what this kernel's rings have, from the ladder that setup climbs down. */
const char *uring_describe(void);
