/* SPDX-License-Identifier: MIT */
/*
 * Where the preload is, and what LD_PRELOAD becomes with it.
 */
#ifndef DFTIO_TOOLS_SHIM_H
#define DFTIO_TOOLS_SHIM_H

#include <stdbool.h>

/*
 * The absolute path of libdftio.so, to be freed: `asked` (of --shim) when not NULL, else beside this executable's
 * build tree, else where it is installed. NULL when there is none; then `*ret_problem`, to be freed, says why.
 */
char *shim_find(const char *asked, char **ret_problem);

/*
 * The value of LD_PRELOAD that puts `shim` before what is there already, to be freed. A sanitizer's runtime that
 * comes first stays first: it refuses to start anywhere else.
 */
char *shim_preload(const char *shim, const char *existing);

/* Whether a library of this name is a sanitizer's runtime: "libasan.so.8", "/usr/lib/libclang_rt.tsan-x86_64.so". */
bool shim_is_sanitizer(const char *library);

#endif
