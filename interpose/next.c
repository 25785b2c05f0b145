/* SPDX-License-Identifier: MIT */
/*
 * The table of next functions.
 *
 * Owns:    dftio__next. Its first contents are raw system calls, so that no wrapper ever jumps through NULL.
 * Threads: filled by the constructor; single words, so a call meanwhile finds either. No locks.
 * Never:   looks a name up in a wrapper: a lookup may allocate, and an allocator may be calling.
 */
#include "next.h"

#include <dlfcn.h>
#include <stdarg.h>

#include "raw.h"

#define DFTIO_NEXT_TABLE
#include "next_table.h"

/* For syscall.S. */
__attribute__((visibility("hidden"))) long (*dftio__next_syscall)(long number, ...) = dftio__raw_syscall;
__attribute__((visibility("hidden"))) long dftio__raw_failed(long r);

long dftio__raw_failed(long r)
{
	errno = (int)-r;
	return -1;
}

void dftio__next_resolve(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(next_names); i++) {
		void *fn = dlsym(RTLD_NEXT, next_names[i].name);

		if (fn)
			*(void **)((char *)&dftio__next + next_names[i].offset) = fn;
	}
	dftio__next_syscall = dftio__next.syscall;
}
