/* SPDX-License-Identifier: MIT */
/*
 * The DFTIO_* variables: what each means, and one line for each that means nothing.
 *
 * Owns:    the environment and the log file of the test's own process.
 * Threads: a test's first.
 * Never:   starts a backend.
 */
#include "unit.h"
#include "log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct dftio_config blank;
static char log_name[] = "./config-log-XXXXXX";

static void begin(void)
{
	int fd;

	kill_when_stuck();
	clearenv();
	memset(&blank, 0, sizeof(blank));
	strcpy(blank.backend, "auto");
	blank.queue_depth = 64;
	blank.log_level = DFTIO_LOG_WARN;
	fd = mkstemp(log_name);
	cr_assert_geq(fd, 0);
	close(fd);
}

static void end(void)
{
	unlink(log_name);
}

static int count_lines(void)
{
	FILE *f = fopen(log_name, "r");
	int c, n = 0;

	cr_assert_not_null(f);
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

/* The environment is these variables, and where the log goes; the lines that were written. */
static int parse(const char *name, const char *value)
{
	cr_assert_eq(truncate(log_name, 0), 0);
	memcpy(&dftio__config, &blank, sizeof(blank));
	clearenv();
	setenv("DFTIO_LOG_FILE", log_name, 1);
	if (name)
		setenv(name, value, 1);
	dftio__config_init(true);
	return count_lines();
}

TestSuite(config, .init = begin, .fini = end);

Test(config, without_variables_is_the_default)
{
	cr_assert_eq(parse(NULL, NULL), 0);
	cr_assert_str_eq(dftio__config.backend, "auto");
	cr_assert(!dftio__config.backend_forced && !dftio__config.disabled && !dftio__config.stats);
	cr_assert_eq(dftio__config.route, DFTIO_ROUTE_AUTO);
	cr_assert_eq(dftio__config.queue_depth, 64);
	cr_assert(dftio__config.pool_max >= 4 && dftio__config.pool_max <= 64);
	cr_assert_eq(dftio__config.log_level, DFTIO_LOG_WARN);
}

Test(config, backends_have_long_names_and_short_ones_in_any_case)
{
	static const char *const names[][2] = { { "io_uring", "io_uring" }, { "IO_URING", "io_uring" },
		{ "io-uring", "io_uring" }, { "Io-Uring", "io_uring" }, { "uring", "io_uring" }, { "epoll", "epoll" },
		{ "EPOLL_THREADPOOL", "epoll" }, { "epoll-threadpool", "epoll" }, { "kqueue", "kqueue" },
		{ "KQUEUE_THREADPOOL", "kqueue" }, { "threadpool", "threadpool" }, { "THREADPOOL", "threadpool" },
		{ "sync", "sync" }, { "SYNC", "sync" } };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cr_assert_eq(parse("DFTIO_BACKEND", names[i][0]), 0, "%s", names[i][0]);
		cr_assert_str_eq(dftio__config.backend, names[i][1]);
		cr_assert(dftio__config.backend_forced);
		cr_assert_eq(dftio__config.route, DFTIO_ROUTE_BACKEND, "a named backend carries everything");
		cr_assert_str_eq(dftio__config_backend_name(names[i][0]), names[i][1]);
	}
	cr_assert_eq(parse("DFTIO_BACKEND", "AUTO"), 0);
	cr_assert_str_eq(dftio__config.backend, "auto");
	cr_assert(!dftio__config.backend_forced);
	cr_assert_eq(dftio__config.route, DFTIO_ROUTE_AUTO);
}

Test(config, a_route_that_is_named_holds_for_a_named_backend_too)
{
	setenv("DFTIO_LOG_FILE", log_name, 1);
	setenv("DFTIO_BACKEND", "epoll", 1);
	setenv("DFTIO_ROUTE", "auto", 1);
	dftio__config_init(true);
	cr_assert_eq(dftio__config.route, DFTIO_ROUTE_AUTO);
	cr_assert_eq(parse("DFTIO_ROUTE", "backend"), 0);
	cr_assert_eq(dftio__config.route, DFTIO_ROUTE_BACKEND);
	cr_assert_eq(parse("DFTIO_ROUTE", "Direct"), 0);
	cr_assert_eq(dftio__config.route, DFTIO_ROUTE_DIRECT);
}

Test(config, numbers_are_taken_within_their_bounds)
{
	static const unsigned pool[] = { 2, 3, 64, 1024 }, depth[] = { 1, 8, 63, 4096 };
	char text[20];

	for (size_t i = 0; i < ARRAY_SIZE(pool); i++) {
		snprintf(text, sizeof(text), "%u", pool[i]);
		cr_assert_eq(parse("DFTIO_POOL_MAX", text), 0);
		cr_assert_eq(dftio__config.pool_max, pool[i]);
		snprintf(text, sizeof(text), "%u", depth[i]);
		cr_assert_eq(parse("DFTIO_QUEUE_DEPTH", text), 0);
		cr_assert_eq(dftio__config.queue_depth, depth[i]);
	}
}

Test(config, what_is_no_number_within_bounds_is_said_once_and_the_default_is_used)
{
	static const char *const bad[] = { "0", "-1", "+5", " 5", "5 ", "8x", "0x10", "1e3", "many", "5000",
		"4294967298", "99999999999999999999999", "18446744073709551618" };
	unsigned pool_max;

	parse(NULL, NULL);
	pool_max = dftio__config.pool_max;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cr_assert_eq(parse("DFTIO_POOL_MAX", bad[i]), 1, "%s", bad[i]);
		cr_assert_eq(dftio__config.pool_max, pool_max);
		cr_assert_eq(parse("DFTIO_QUEUE_DEPTH", bad[i]), 1, "%s", bad[i]);
		cr_assert_eq(dftio__config.queue_depth, 64);
	}
	cr_assert_eq(parse("DFTIO_POOL_MAX", "1"), 1, "one thread could be taken by what waits");
	cr_assert_eq(dftio__config.pool_max, pool_max);
}

Test(config, statistics_go_to_stderr_or_a_file)
{
	cr_assert_eq(parse("DFTIO_STATS", "1"), 0);
	cr_assert(dftio__config.stats && dftio__config.stats_file[0] == '\0');
	cr_assert_eq(parse("DFTIO_STATS", "0"), 0);
	cr_assert(!dftio__config.stats);
	cr_assert_eq(parse("DFTIO_STATS", "some/file.json"), 0);
	cr_assert(dftio__config.stats);
	cr_assert_str_eq(dftio__config.stats_file, "some/file.json");
}

Test(config, levels_of_the_log)
{
	static const char *const levels[] = { "error", "WARN", "Info", "debug" };

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		cr_assert_eq(parse("DFTIO_LOG", levels[i]), 0);
		cr_assert_eq(dftio__config.log_level, (enum dftio_log_level)i);
	}
}

Test(config, disabling_is_yes_or_no)
{
	cr_assert_eq(parse("DFTIO_DISABLE", "1"), 0);
	cr_assert(dftio__config.disabled);
	cr_assert_eq(parse("DFTIO_DISABLE", "0"), 0);
	cr_assert(!dftio__config.disabled);
}

Test(config, patterns_are_kept_as_they_are)
{
	cr_assert_eq(parse("DFTIO_FILES", "/data/*:!/data/tmp/*"), 0);
	cr_assert_str_eq(dftio__config.files, "/data/*:!/data/tmp/*");
}

Test(config, empty_is_unset)
{
	static const char *const names[] = { "DFTIO_BACKEND", "DFTIO_ROUTE", "DFTIO_POOL_MAX", "DFTIO_QUEUE_DEPTH",
		"DFTIO_STATS", "DFTIO_LOG", "DFTIO_DISABLE", "DFTIO_FILES" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		cr_assert_eq(parse(names[i], ""), 0, "%s", names[i]);
	cr_assert(!dftio__config.stats && !dftio__config.disabled && !dftio__config.backend_forced);
}

Test(config, what_cannot_be_understood_is_said_in_exactly_one_line)
{
	static const char *const bad[][2] = { { "DFTIO_BACKEND", "uring2" }, { "DFTIO_BACKEND", "io uring" },
		{ "DFTIO_BACKEND", "a name much longer than any backend's could ever be" }, { "DFTIO_ROUTE", "fast" },
		{ "DFTIO_LOG", "loud" }, { "DFTIO_DISABLE", "yes" }, { "DFTIO_DISABLE", "2" },
		{ "DFTIO_BACKENDS", "epoll" }, { "DFTIO_", "" }, { "DFTIO_STAT", "1" }, { "DFTIO_BACKEND", "a\nb" },
		{ "DFTIO_X\nY", "1" } };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cr_expect_eq(parse(bad[i][0], bad[i][1]), 1, "%s=%s", bad[i][0], bad[i][1]);
		cr_expect_str_eq(dftio__config.backend, "auto");
		cr_expect_eq(dftio__config.route, DFTIO_ROUTE_AUTO);
		cr_expect(!dftio__config.disabled);
	}
}

Test(config, what_is_too_long_is_said_in_exactly_one_line)
{
	char value[PATH_MAX + 10];

	memset(value, 'x', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	cr_assert_eq(parse("DFTIO_STATS", value), 1);
	cr_assert(dftio__config.stats && dftio__config.stats_file[0] == '\0', "then to stderr");
	cr_assert_eq(parse("DFTIO_FILES", value), 1);
	cr_assert_str_eq(dftio__config.files, "");
	cr_assert_eq(parse("DFTIO_ROUTE", value), 1);
	cr_assert_eq(parse("DFTIO_BACKEND", value), 1);
	value[PATH_MAX - 1] = '\0';
	cr_assert_eq(parse("DFTIO_FILES", value), 0);
	cr_assert_str_eq(dftio__config.files, value);
}

Test(config, other_programs_variables_are_theirs)
{
	cr_assert_eq(parse("DFTIOX", "1"), 0);
	cr_assert_eq(parse("MY_DFTIO_BACKEND", "x"), 0);
	cr_assert_eq(parse("dftio_backend", "x"), 0);
}

Test(config, every_bad_variable_is_said)
{
	setenv("DFTIO_LOG_FILE", log_name, 1);
	setenv("DFTIO_BACKEND", "x", 1);
	setenv("DFTIO_ROUTE", "x", 1);
	setenv("DFTIO_POOL_MAX", "x", 1);
	setenv("DFTIO_QUEUE_DEPTH", "x", 1);
	setenv("DFTIO_LOG", "x", 1);
	setenv("DFTIO_DISABLE", "x", 1);
	setenv("DFTIO_UNKNOWN", "x", 1);
	dftio__config_init(true);
	cr_assert_eq(count_lines(), 7);
}

Test(config, an_error_level_keeps_warnings_back)
{
	setenv("DFTIO_LOG_FILE", log_name, 1);
	setenv("DFTIO_LOG", "error", 1);
	setenv("DFTIO_BACKEND", "x", 1);
	dftio__config_init(true);
	cr_assert_eq(count_lines(), 0);
}

Test(config, the_log_is_the_owners_alone)
{
	char path[] = "./config-new-log";
	struct stat st;

	setenv("DFTIO_LOG_FILE", path, 1);
	setenv("DFTIO_BACKEND", "x", 1);
	dftio__config_init(true);
	cr_assert_eq(stat(path, &st), 0);
	unlink(path);
	cr_assert_eq(st.st_mode & 0777, 0600);
}
