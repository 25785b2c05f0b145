/* SPDX-License-Identifier: MIT */
/*
 * The table of real calls.
 *
 * Defaults to libc's own functions. The preload installs its RTLD_NEXT pointers here, so that nothing inside ever
 * comes back through an intercepted name; tests install faults. Each entry keeps libc's convention: -1 and errno.
 * (thread_create keeps pthread_create's: an error number.)
 */
#pragma once

#include "base.h"

#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>

struct io_uring_params;

struct dftio_sys {
#define DFTIO_SYS(ret, name, params) ret(*name) params;
#include "sys_list.h"
#undef DFTIO_SYS
	long (*syscall)(long number, ...);
};

extern DFTIO_PRIVATE_API struct dftio_sys dftio__sys;

/* A call's result in the engine's convention: what it returned, or -errno. */
static inline int64_t dftio__result(int64_t r)
{
	return r < 0 ? -(int64_t)errno : r;
}
