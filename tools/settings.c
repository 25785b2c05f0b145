/* SPDX-License-Identifier: MIT */
/*
 * The tool's own knowledge of the DFTIO_* variables, so that a wrong value is refused before the command is started
 * and not by a warning in the middle of its output. The tests hold it against what the library itself accepts.
 *
 * Owns: nothing. Threads and locks: none. Must never: be stricter than the library.
 */
#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name, *short_name;
} backends[] = {
	{"auto", "auto"},
	{"io_uring", "io_uring"},
	{"uring", "io_uring"},
	{"epoll", "epoll"},
	{"epoll_threadpool", "epoll"},
	{"kqueue", "kqueue"},
	{"kqueue_threadpool", "kqueue"},
	{"threadpool", "threadpool"},
	{"sync", "sync"},
};

const char *setting_backend(const char *name)
{
	char plain[32];
	size_t length = strlen(name);

	if (length >= sizeof(plain))
		return NULL;
	for (size_t i = 0; i <= length; i++) {
		plain[i] = (char)tolower((unsigned char)name[i]);
		if (plain[i] == '-')
			plain[i] = '_';
	}
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (strcmp(plain, backends[i].name) == 0)
			return backends[i].short_name;
	return NULL;
}

static bool is_backend(const char *value)
{
	return setting_backend(value) != NULL;
}

static bool is_one_of(const char *value, const char *const *words)
{
	for (; *words; words++)
		if (strcasecmp(value, *words) == 0)
			return true;
	return false;
}

static bool is_route(const char *value)
{
	return is_one_of(value, (const char *const[]){"auto", "backend", "direct", NULL});
}

static bool is_level(const char *value)
{
	return is_one_of(value, (const char *const[]){"error", "warn", "info", "debug", NULL});
}

static bool is_switch(const char *value)
{
	return strcmp(value, "0") == 0 || strcmp(value, "1") == 0;
}

static bool is_number(const char *value, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	return isdigit((unsigned char)value[0]) && !*end && !errno && n >= least && n <= most;
}

static bool is_pool_max(const char *value)
{
	return is_number(value, 2, 1024);
}

static bool is_queue_depth(const char *value)
{
	return is_number(value, 1, 4096);
}

static bool is_short_enough(const char *value)
{
	return strlen(value) < PATH_MAX;
}

static const struct {
	const char *name;
	bool (*accepts)(const char *value);
	const char *values;
} settings[] = {
	{"DFTIO_BACKEND", is_backend, "auto, io_uring, epoll, kqueue, threadpool, sync"},
	{"DFTIO_ROUTE", is_route, "auto, backend, direct"},
	{"DFTIO_FILES", is_short_enough, "globs separated by ':', less than 4096 bytes"},
	{"DFTIO_STATS", is_short_enough, "1, or a file of less than 4096 bytes"},
	{"DFTIO_LOG", is_level, "error, warn, info, debug"},
	{"DFTIO_LOG_FILE", is_short_enough, "a file of less than 4096 bytes"},
	{"DFTIO_POOL_MAX", is_pool_max, "2 to 1024"},
	{"DFTIO_QUEUE_DEPTH", is_queue_depth, "1 to 4096"},
	{"DFTIO_DISABLE", is_switch, "0, 1"},
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

const char *setting_name(size_t index)
{
	return index < SETTINGS ? settings[index].name : NULL;
}

bool setting_known(const char *name)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (strcmp(name, settings[i].name) == 0)
			return true;
	return false;
}

const char *setting_refuses(const char *name, const char *value)
{
	/* An empty variable counts as none. */
	if (!*value)
		return NULL;
	for (size_t i = 0; i < SETTINGS; i++)
		if (strcmp(name, settings[i].name) == 0)
			return settings[i].accepts(value) ? NULL : settings[i].values;
	return NULL;
}
