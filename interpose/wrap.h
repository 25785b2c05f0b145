/* SPDX-License-Identifier: MIT */
/* What the generated wrappers need. */
#pragma once

#include "next.h"
#include "route.h"
#include "observe.h"

#include <stdarg.h>

#define EXPORT __attribute__((visibility("default")))

/* The third argument is there only then; the kernel's own test (O_TMPFILE needs a mode too). */
static inline bool dftio__open_has_mode(int flags)
{
	return (flags & O_CREAT) || (flags & __O_TMPFILE) == __O_TMPFILE;
}
