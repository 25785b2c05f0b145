/* SPDX-License-Identifier: MIT */
/* The DFTIO_* variables: parsed once, immutable afterwards (but that statistics may be given up). */
#pragma once

#include "base.h"

#include <limits.h>

enum dftio_route { DFTIO_ROUTE_AUTO, DFTIO_ROUTE_BACKEND, DFTIO_ROUTE_DIRECT };
enum dftio_log_level { DFTIO_LOG_ERROR, DFTIO_LOG_WARN, DFTIO_LOG_INFO, DFTIO_LOG_DEBUG };

struct dftio_config {
	char backend[16]; /* normalised short name; "auto" */
	enum dftio_route route;
	unsigned pool_max;    /* threads, both classes together */
	unsigned queue_depth; /* entries of a ring */
	bool disabled;
	bool stats;
	enum dftio_log_level log_level;
	char stats_file[PATH_MAX]; /* "" = stderr */
	char log_file[PATH_MAX];   /* "" = stderr */
	char files[PATH_MAX];      /* glob patterns separated by ':'; "" = every file */
	bool backend_forced;       /* DFTIO_BACKEND named one */
};

extern DFTIO_PRIVATE_API struct dftio_config dftio__config;

/*
 * Reads the environment (nothing of it in secure-execution mode). By the core's constructor, which says nothing, so
 * that a program which only links the library is not spoken to; and by the preload's, which says in one line each what
 * cannot be understood, and what is used instead.
 */
DFTIO_PRIVATE_API void dftio__config_init(bool say);

/* "IO_URING", "epoll-threadpool", ... -> the short name, or NULL. */
const char *dftio__config_backend_name(const char *name);
