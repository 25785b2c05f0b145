/* SPDX-License-Identifier: MIT */
/*
 * dftio info: what the library says about itself and this machine.
 *
 * Owns: nothing. Threads and locks: none. Must never: claim what the library did not say; it only adds the limits.
 */
#include "commands.h"
#include "json.h"
#include "text.h"

#include <dftio/dftio.h>

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#define NAME "dftio info"

enum { OPT_JSON = 256 };

struct limit {
	const char *name;  /* in the JSON document */
	const char *label; /* for people */
	const char *what;
	int64_t value; /* -1: unlimited; -2: this kernel does not have it */
};

#define LIMITS 5

static int print_help(void)
{
	fputs("Usage: dftio info [OPTION]... [PATH]...\n\n"
	      "Shows the backends and why one is not available, which of them 'auto' chooses, the kernel's\n"
	      "features, the limits that matter; and for each PATH, what becomes of a program's calls on it.\n\n"
	      "Options:\n"
	      "  --json         print a JSON document\n"
	      "  -h, --help     print this and exit\n"
	      "  -V, --version  print the version and exit\n\n"
	      "Exit status: 0; 1: a PATH cannot be looked at; 2: wrong usage.\n",
		stdout);
	return finish_output(NAME, 0);
}

static int64_t resource_limit(int resource)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit))
		return -2;
	return limit.rlim_cur == RLIM_INFINITY ? -1 : (int64_t)limit.rlim_cur;
}

static int64_t usable_cpus(void)
{
	cpu_set_t set;

	/* The set is too small for a machine of more than 1024. */
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
}

static int64_t io_uring_disabled(void)
{
	FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	char line[16];
	int64_t value = -2;

	if (!file)
		return -2;
	if (fgets(line, sizeof(line), file))
		value = strtol(line, NULL, 10);
	fclose(file);
	return value;
}

static void read_limits(struct limit limits[LIMITS])
{
	limits[0] = (struct limit){"cpus", "CPUs", "this process may run on", usable_cpus()};
	limits[1] = (struct limit){
		"rlimit_nofile", "RLIMIT_NOFILE", "descriptors; a ring takes one", resource_limit(RLIMIT_NOFILE)};
	limits[2] = (struct limit){"rlimit_memlock", "RLIMIT_MEMLOCK",
		"bytes of locked memory; rings count against it before Linux 5.12", resource_limit(RLIMIT_MEMLOCK)};
	limits[3] = (struct limit){
		"rlimit_nproc", "RLIMIT_NPROC", "threads and processes of this user", resource_limit(RLIMIT_NPROC)};
	limits[4] = (struct limit){"io_uring_disabled", "kernel.io_uring_disabled",
		"0: io_uring for all; 1: for the privileged; 2: for nobody", io_uring_disabled()};
}

/* The first backend that starts: that is what `auto` takes. */
static bool automatic_backend(struct dftio_backend_info *ret_info)
{
	for (unsigned i = 0;; i++) {
		memset(ret_info, 0, sizeof(*ret_info));
		ret_info->size = sizeof(*ret_info);
		if (dftio_backend_info(i, ret_info) < 0)
			return false;
		if (ret_info->available)
			return true;
	}
}

static void text_backends(void)
{
	struct dftio_backend_info info = {.size = sizeof(info)};
	const char *why = NULL, *current = dftio_backend(&why), *asked = getenv("DFTIO_BACKEND");
	bool forced = asked && *asked;
	char *line;

	put_coloured(COLOUR_HEAD, "Backends, best first");
	putchar('\n');
	for (unsigned i = 0; dftio_backend_info(i, &info) == 0; i++) {
		printf("  ");
		put_padded(stdout, info.name, 12);
		put_padded(stdout, info.long_name, 19);
		put_coloured(info.available ? COLOUR_GOOD : COLOUR_WARN, info.available ? "available" : "unavailable");
		printf("%s  ", info.available ? "  " : "");
		put_wrapped(46, info.available ? info.detail : info.reason);
	}
	if (!automatic_backend(&info))
		info.name = "sync";
	/* The library explains the choice that it made; where it was told what to take, that is another one. */
	forced = forced || strcmp(info.name, current) != 0;
	line = xprintf("%s: %s", info.name, forced || !why ? "the first of these that starts" : why);
	put_paragraph(2, 12, COLOUR_HEAD, "auto takes", line);
	free(line);
	if (forced) {
		line = xprintf("%s: %s", current, why ? why : "");
		put_paragraph(2, 12, COLOUR_HEAD, "in use", line);
		free(line);
	}
}

static void text_features(void)
{
	struct dftio_feature_info info = {.size = sizeof(info)};
	int width = 0;

	for (unsigned i = 0; dftio_feature_info(i, &info) == 0; i++)
		width = text_width(info.name) > width ? text_width(info.name) : width;
	putchar('\n');
	put_coloured(COLOUR_HEAD, "Kernel features");
	putchar('\n');
	for (unsigned i = 0; dftio_feature_info(i, &info) == 0; i++) {
		printf("  ");
		put_padded(stdout, info.name, width + 2);
		put_coloured(info.present ? COLOUR_GOOD : COLOUR_WARN, info.present ? "yes" : "no ");
		printf("  Linux %-6s", info.since);
		put_wrapped(width + 21, info.use ? info.use : "");
	}
}

static void text_limits(void)
{
	struct limit limits[LIMITS];

	read_limits(limits);
	putchar('\n');
	put_coloured(COLOUR_HEAD, "Limits");
	putchar('\n');
	for (size_t i = 0; i < LIMITS; i++) {
		const struct limit *l = &limits[i];

		printf("  %-26s", l->label);
		if (l->value >= 0)
			printf("%-12lld", (long long)l->value);
		else
			printf("%-12s", l->value == -1 ? "unlimited" : "unknown");
		puts(l->what);
	}
}

static int text_paths(int count, char **paths)
{
	struct dftio_path_info info;
	int status = 0, error;

	if (count > 0) {
		putchar('\n');
		put_coloured(COLOUR_HEAD, "Files");
		putchar('\n');
	}
	for (int i = 0; i < count; i++) {
		char *line;

		memset(&info, 0, sizeof(info));
		info.size = sizeof(info);
		error = dftio_path_info(paths[i], &info);
		if (error < 0) {
			complain(NAME, "'%s': %s", paths[i], strerror(-error));
			status = 1;
			continue;
		}
		printf("  ");
		put(stdout, paths[i]);
		line = xprintf(": %s on %s, preferred I/O size %u bytes", info.kind, info.file_system, info.block_size);
		put(stdout, line);
		free(line);
		putchar('\n');
		put_paragraph(
			4, 12, info.routed ? COLOUR_GOOD : COLOUR_WARN, info.routed ? "routed" : "passed on", info.why);
	}
	return status;
}

static int text(int count, char **paths)
{
	struct utsname kernel;

	uname(&kernel);
	printf("dftio %s on ", dftio_version());
	put(stdout, kernel.sysname);
	putchar(' ');
	put(stdout, kernel.release);
	putchar(' ');
	put(stdout, kernel.machine);
	printf("\n\n");
	text_backends();
	text_features();
	text_limits();
	return text_paths(count, paths);
}

static void json_backends(struct json *json)
{
	struct dftio_backend_info info = {.size = sizeof(info)};
	const char *why = NULL, *current;
	bool some;

	json_array(json, "backends");
	for (unsigned i = 0; dftio_backend_info(i, &info) == 0; i++) {
		json_object(json, NULL);
		json_string(json, "name", info.name);
		json_string(json, "long_name", info.long_name);
		json_bool(json, "available", info.available);
		json_number(json, "error", info.error);
		json_string(json, "reason", info.reason);
		json_string(json, "detail", info.detail);
		json_end_object(json);
	}
	json_end_array(json);
	some = automatic_backend(&info);
	json_string(json, "auto", some ? info.name : "sync");
	current = dftio_backend(&why);
	json_object(json, "in_use");
	json_string(json, "backend", current);
	json_string(json, "why", why);
	json_end_object(json);
}

static void json_features_and_limits(struct json *json)
{
	struct dftio_feature_info info = {.size = sizeof(info)};
	struct limit limits[LIMITS];

	json_array(json, "features");
	for (unsigned i = 0; dftio_feature_info(i, &info) == 0; i++) {
		json_object(json, NULL);
		json_string(json, "name", info.name);
		json_string(json, "since", info.since);
		json_bool(json, "present", info.present);
		json_string(json, "use", info.use);
		json_end_object(json);
	}
	json_end_array(json);
	read_limits(limits);
	json_object(json, "limits");
	for (size_t i = 0; i < LIMITS; i++) {
		if (limits[i].value >= 0)
			json_number(json, limits[i].name, limits[i].value);
		else if (limits[i].value == -1)
			json_string(json, limits[i].name, "unlimited");
		else
			json_null(json, limits[i].name);
	}
	json_end_object(json);
}

static int json_paths(struct json *json, int count, char **paths)
{
	struct dftio_path_info info;
	int status = 0;

	json_array(json, "paths");
	for (int i = 0; i < count; i++) {
		int error;

		memset(&info, 0, sizeof(info));
		info.size = sizeof(info);
		error = dftio_path_info(paths[i], &info);
		json_object(json, NULL);
		json_string(json, "path", paths[i]);
		if (error < 0) {
			json_string(json, "error", strerror(-error));
			status = 1;
		} else {
			json_string(json, "kind", info.kind);
			json_string(json, "file_system", info.file_system);
			json_bool(json, "routed", info.routed);
			json_string(json, "why", info.why);
			json_number(json, "block_size", info.block_size);
		}
		json_end_object(json);
	}
	json_end_array(json);
	return status;
}

static int document(int count, char **paths)
{
	struct json json = {.out = stdout};
	struct utsname kernel;
	int status;

	uname(&kernel);
	json_object(&json, NULL);
	json_number(&json, "dftio_info", 1);
	json_string(&json, "version", dftio_version());
	json_string(&json, "system", kernel.sysname);
	json_string(&json, "kernel", kernel.release);
	json_string(&json, "machine", kernel.machine);
	json_backends(&json);
	json_features_and_limits(&json);
	status = json_paths(&json, count, paths);
	json_end_object(&json);
	return status;
}

int cmd_info(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"json", no_argument, NULL, OPT_JSON},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	bool as_json = false;
	int option;

	while ((option = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
		switch (option) {
		case OPT_JSON:
			as_json = true;
			break;
		case 'h':
			return print_help();
		case 'V':
			return print_version();
		default:
			return usage_hint(NAME);
		}
	}
	argc -= optind;
	argv += optind;
	return finish_output(NAME, as_json ? document(argc, argv) : text(argc, argv));
}
