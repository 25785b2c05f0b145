/* SPDX-License-Identifier: MIT */
/*
 * The library's DFTIO_* variables: which there are, and which values they take.
 */
#ifndef DFTIO_TOOLS_SETTINGS_H
#define DFTIO_TOOLS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

/* The variables by index, for listing; NULL past the last. */
const char *setting_name(size_t index);

/* Whether `name` is a variable that the library knows. */
bool setting_known(const char *name);

/* NULL when the library takes `value` for `name`; otherwise the values it takes, as text. */
const char *setting_refuses(const char *name, const char *value);

/* The short name of a backend, "epoll" for "EPOLL-THREADPOOL"; NULL when there is none of that name. */
const char *setting_backend(const char *name);

#endif
