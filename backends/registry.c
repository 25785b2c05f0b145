/* SPDX-License-Identifier: MIT */
/*
 * The backends there are, best first.
 *
 * Owns:    the order, nothing else.
 * Threads: none: constants.
 * Never:   knows what a backend does.
 */
#include "backends.h"

const struct dftio_backend_ops *const dftio__backends[] = {
#if DFTIO_HAVE_URING
	&dftio__backend_uring,
#endif
#if defined(__linux__)
	&dftio__backend_epoll,
#endif
	&dftio__backend_threadpool,
	&dftio__backend_sync,
	NULL,
};
