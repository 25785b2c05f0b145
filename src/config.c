/* SPDX-License-Identifier: MIT */
/*
 * The DFTIO_* variables.
 *
 * Owns:    dftio__config.
 * Threads: filled by the constructor before anything else runs, read-only afterwards; no locks.
 * Never:   keeps a pointer into the environment (the program may change it), calls an allocator, fails the host.
 */
#include "config.h"
#include "log.h"

#include <ctype.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/auxv.h>

struct dftio_config dftio__config = {
	.backend = "auto",
	.pool_max = 0,
	.queue_depth = 64,
	.log_level = DFTIO_LOG_WARN,
};

static bool quiet;

/* The same environment is read twice in a process that is preloaded: only one of them speaks. */
#define complain(...)                                                                                                  \
	do {                                                                                                           \
		if (!quiet)                                                                                            \
			dftio__log(DFTIO_LOG_WARN, __VA_ARGS__);                                                       \
	} while (0)

static const struct {
	const char *name, *shortname;
} backend_names[] = {
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

const char *dftio__config_backend_name(const char *name)
{
	char norm[32];
	size_t i;

	for (i = 0; name[i] && i < sizeof(norm) - 1; i++)
		norm[i] = name[i] == '-' ? '_' : (char)tolower((unsigned char)name[i]);
	norm[i] = '\0';
	if (name[i])
		return NULL;
	for (i = 0; i < ARRAY_SIZE(backend_names); i++)
		if (strcmp(norm, backend_names[i].name) == 0)
			return backend_names[i].shortname;
	return NULL;
}

static void parse_backend(const char *name, const char *value)
{
	const char *b = dftio__config_backend_name(value);

	if (!b) {
		complain("%s=%.200s: no such backend (auto, io_uring, epoll, kqueue, threadpool, sync); using auto",
			name, value);
		return;
	}
	strcpy(dftio__config.backend, b);
	dftio__config.backend_forced = strcmp(b, "auto") != 0;
}

static void parse_route(const char *name, const char *value)
{
	static const char *const routes[] = {"auto", "backend", "direct"};

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (strcasecmp(value, routes[i]) == 0) {
			dftio__config.route = (enum dftio_route)i;
			return;
		}
	}
	complain("%s=%.200s: no such route (auto, backend, direct); using the default", name, value);
}

static unsigned parse_number(const char *name, const char *value, unsigned min, unsigned max, unsigned dflt)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (!isdigit((unsigned char)value[0]) || *end || errno || n < min || n > max) {
		complain("%s=%.200s: must be a number from %u to %u; using %u", name, value, min, max, dflt);
		return dflt;
	}
	return (unsigned)n;
}

static void parse_pool_max(const char *name, const char *value)
{
	dftio__config.pool_max = parse_number(name, value, 2, 1024, dftio__config.pool_max);
}

static void parse_queue_depth(const char *name, const char *value)
{
	dftio__config.queue_depth = parse_number(name, value, 1, 4096, dftio__config.queue_depth);
}

static void copy_path(const char *name, const char *value, char *dst, const char *instead)
{
	if (strlen(value) >= PATH_MAX)
		complain("%s: longer than %d bytes; %s", name, PATH_MAX - 1, instead);
	else
		strcpy(dst, value);
}

static void parse_stats(const char *name, const char *value)
{
	if (strcmp(value, "0") == 0)
		return;
	dftio__config.stats = true;
	if (strcmp(value, "1") != 0)
		copy_path(name, value, dftio__config.stats_file, "writing to stderr");
}

static void parse_log(const char *name, const char *value)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (strcasecmp(value, levels[i]) == 0) {
			dftio__config.log_level = (enum dftio_log_level)i;
			return;
		}
	}
	complain("%s=%.200s: no such level (error, warn, info, debug); using warn", name, value);
}

static void parse_log_file(const char *name, const char *value)
{
	copy_path(name, value, dftio__config.log_file, "logging to stderr");
}

static void parse_disable(const char *name, const char *value)
{
	if (strcmp(value, "1") == 0)
		dftio__config.disabled = true;
	else if (strcmp(value, "0") != 0)
		complain("%s=%.200s: neither 0 nor 1; using 0", name, value);
}

static void parse_files(const char *name, const char *value)
{
	copy_path(name, value, dftio__config.files, "routing every file");
}

/* In the order they are parsed: the log's own come first, so that what follows is said in the right place. */
static const struct {
	const char *name;
	void (*parse)(const char *name, const char *value);
} variables[] = {
	{"DFTIO_LOG_FILE", parse_log_file},
	{"DFTIO_LOG", parse_log},
	{"DFTIO_DISABLE", parse_disable},
	{"DFTIO_BACKEND", parse_backend},
	{"DFTIO_ROUTE", parse_route},
	{"DFTIO_POOL_MAX", parse_pool_max},
	{"DFTIO_QUEUE_DEPTH", parse_queue_depth},
	{"DFTIO_STATS", parse_stats},
	{"DFTIO_FILES", parse_files},
};

static void warn_unknown(const char *entry)
{
	const char *eq = strchr(entry, '=');
	size_t len = eq ? (size_t)(eq - entry) : strlen(entry);

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		if (strlen(variables[i].name) == len && strncmp(entry, variables[i].name, len) == 0)
			return;
	complain("%.200s: no such variable; ignored (see 'man dftio' for those there are)", entry);
}

/* Not sysconf, which opens and reads files. */
static unsigned count_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

void dftio__config_init(bool say)
{
	unsigned cpus = count_cpus();
	const char *value;

	quiet = !say;
	dftio__config.pool_max = cpus > 16 ? 64 : cpus > 1 ? 4 * cpus : 4;
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		value = secure_getenv(variables[i].name);
		if (value && *value)
			variables[i].parse(variables[i].name, value);
	}
	/* A named backend is asked for so that the comparison compares it: every operation goes there. */
	value = secure_getenv("DFTIO_ROUTE");
	if (dftio__config.backend_forced && !(value && *value))
		dftio__config.route = DFTIO_ROUTE_BACKEND;
	if (getauxval(AT_SECURE))
		return;
	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, "DFTIO_", 6) == 0)
			warn_unknown(*e);
}
