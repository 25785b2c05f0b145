/* SPDX-License-Identifier: MIT */
/* What libdftio has to say: one line at a time, to stderr or DFTIO_LOG_FILE, never to the host's stdout. */
#pragma once

#include "config.h"

/* Remembers what stderr is, so that a line never lands in a file that took its number. Constructor only. */
void dftio__log_init(void);

/* printf-like; one line, the newline is added. Keeps errno. No allocator, no stdio stream. */
DFTIO_PRIVATE_API void dftio__log(enum dftio_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether descriptor 2 still is what it was at start. */
bool dftio__log_stderr_is_ours(void);

/* Writes all of it to fd, through short writes and EINTR. */
void dftio__write_all(int fd, const char *buf, size_t len);
