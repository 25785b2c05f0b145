/* SPDX-License-Identifier: MIT */
/* The readiness backend that epoll and kqueue share, and what a poller must give it. */
#pragma once

#include "backend.h"

#define REACTOR_IN  1u
#define REACTOR_OUT 2u

struct reactor_event {
	int fd;
	unsigned ready; /* REACTOR_IN | REACTOR_OUT; an error or a hang-up is both */
};

/* A thin skin over one kernel interface. Descriptors are -errno on failure; every call keeps to that. */
struct poller_ops {
	/* Makes a poller: its descriptor, CLOEXEC. */
	int (*create)(void);
	/* Asks, once, for `events` on fd; `known`: it was asked for before. -EPERM: this kind cannot be polled. */
	int (*arm)(int poller, int fd, unsigned events, bool known);
	/* Waits; fills at most max events; timeout_ms as for poll(2). The number, or -errno. */
	int (*wait)(int poller, struct reactor_event *ev, int max, int timeout_ms);
};

bool reactor_needs_lane(const struct dftio_op *op);
int reactor_open(struct dftio_lane *lane, const struct poller_ops *poller);
void reactor_close(struct dftio_lane *lane);
void reactor_drop(struct dftio_lane *lane);
int reactor_submit(struct dftio_lane *lane, struct dftio_op *op);
int reactor_reap(struct dftio_lane *lane, int timeout_ms);
