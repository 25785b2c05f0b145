/* SPDX-License-Identifier: MIT */
/* The report at the end of a process: what was called, and who carried it out. DFTIO_STATS. */
#pragma once

#include "thread.h"

/*
 * Keeps a way to stderr for the end, which a program may close before we are called. Called once, early.
 * The descriptor is high, CLOEXEC, and hidden from the program (see fdown.h).
 */
DFTIO_PRIVATE_API void dftio__stats_init(void);

/* Writes the report, once per process; nothing in a vfork child. Safe in _exit: no allocator, no stdio stream. */
DFTIO_PRIVATE_API void dftio__stats_report(void);

/* The program lets its stderr go: ours is closed too, or whoever reads the other end would wait for us. */
DFTIO_PRIVATE_API void dftio__stats_drop_stderr(void);

/* No report after all: the process may not be able to make the calls. */
DFTIO_PRIVATE_API void dftio__stats_stop(void);
