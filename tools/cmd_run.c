/* SPDX-License-Identifier: MIT */
/*
 * dftio run: sets LD_PRELOAD and the DFTIO_* variables, then becomes the command.
 *
 * It execs in place, so that exit status, death by signal, job control, stdin and process ID are the command's own.
 *
 * Owns: this process's environment. Threads and locks: none. Must never: start the command with a wrong setting, or
 * stand between it and its caller.
 */
#include "commands.h"
#include "examine.h"
#include "settings.h"
#include "shim.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "dftio run"

/* As env(1), nohup(1) and the shells have them; 2 is what every command of dftio says to a wrong usage. */
#define EXIT_USAGE          2
#define EXIT_OWN_FAILURE    125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND      127

enum { OPT_BACKEND = 256, OPT_ROUTE, OPT_STATS, OPT_FILES, OPT_LOG, OPT_SHIM };

static const struct option long_options[] = {
	{"backend", required_argument, NULL, OPT_BACKEND},
	{"route", required_argument, NULL, OPT_ROUTE},
	{"stats", optional_argument, NULL, OPT_STATS},
	{"files", required_argument, NULL, OPT_FILES},
	{"log", required_argument, NULL, OPT_LOG},
	{"shim", required_argument, NULL, OPT_SHIM},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static int print_help(void)
{
	fputs("Usage: dftio run [OPTION]... [--] COMMAND [ARGUMENT]...\n\n"
	      "Runs COMMAND with libdftio preloaded, so that its reads and writes go through a backend.\n\n"
	      "Options:\n"
	      "  --backend=NAME  auto, io_uring, epoll, kqueue, threadpool or sync; also the long\n"
	      "                  names (EPOLL_THREADPOOL), in any case  [DFTIO_BACKEND]\n"
	      "  --route=POLICY  auto: the fastest way; backend: always the backend; direct: count\n"
	      "                  only  [DFTIO_ROUTE]\n"
	      "  --stats[=FILE]  report what happened, on stderr or to FILE (JSON for .json)  [DFTIO_STATS]\n"
	      "  --files=GLOBS   only the files that match one of the globs, separated by ':'; a\n"
	      "                  leading '!' leaves a file alone  [DFTIO_FILES]\n"
	      "  --log=LEVEL     error, warn, info or debug; error also silences the warnings of\n"
	      "                  this command  [DFTIO_LOG]\n"
	      "  --shim=PATH     the libdftio.so to preload, instead of the installed one\n"
	      "  -h, --help      print this and exit\n"
	      "  -V, --version   print the version and exit\n\n"
	      "An existing LD_PRELOAD is kept. The exit status is the command's; 2: wrong usage,\n"
	      "125: dftio itself failed, 126: COMMAND is not executable, 127: COMMAND was not found.\n",
		stdout);
	return finish_output(NAME, 0);
}

static bool set_variable(const char *name, const char *value)
{
	if (setenv(name, value, 1) == 0)
		return true;
	complain(NAME, "setting %s: %s", name, strerror(errno));
	return false;
}

/* 0, or the exit status. */
static int apply(const char *option, const char *variable, const char *value)
{
	const char *valid = setting_refuses(variable, value);

	if (!*value)
		return usage_error(NAME, "%s needs a value", option);
	if (valid)
		return usage_error(NAME, "%s '%s': unknown value; valid are %s", option, value, valid);
	return set_variable(variable, value) ? 0 : EXIT_OWN_FAILURE;
}

/*
 * The report is written at the end, from wherever the command is by then: so its path must be absolute, and a
 * directory that is missing is better said now than after an hour's run.
 */
static int apply_stats(const char *file)
{
	char *directory, *real, *path, *slash;
	int status;

	if (!file || strcmp(file, "1") == 0)
		return set_variable("DFTIO_STATS", "1") ? 0 : EXIT_OWN_FAILURE;
	if (!*file || file[strlen(file) - 1] == '/')
		return usage_error(NAME, "--stats '%s': not the name of a file", file);
	directory = xstrdup(file);
	slash = strrchr(directory, '/');
	if (slash)
		slash[slash == directory ? 1 : 0] = '\0';
	real = realpath(slash ? directory : ".", NULL);
	if (!real || access(real, W_OK | X_OK)) {
		status = usage_error(
			NAME, "--stats '%s': directory '%s': %s", file, slash ? directory : ".", strerror(errno));
	} else {
		slash = strrchr(file, '/');
		path = xprintf("%s/%s", strcmp(real, "/") == 0 ? "" : real, slash ? slash + 1 : file);
		status = apply("--stats", "DFTIO_STATS", path);
		free(path);
	}
	free(real);
	free(directory);
	return status;
}

static int apply_backend(const char *value)
{
	const char *name = setting_backend(value);

	return apply("--backend", "DFTIO_BACKEND", name ? name : value);
}

/* The warnings of what will not work, before it starts. They never keep it from starting. */
static void warn(const char *program)
{
	const char *level = getenv("DFTIO_LOG"), *disabled = getenv("DFTIO_DISABLE");
	struct examination x;

	if (level && strcasecmp(level, "error") == 0)
		return;
	if (disabled && strcmp(disabled, "1") == 0)
		complain(NAME, "warning: DFTIO_DISABLE=1 is set, nothing will be routed");
	examine(&x, program, true);
	for (size_t i = 0; i < x.finding_count && !x.problem; i++) {
		const struct finding *f = &x.findings[i];

		if (f->verdict != VERDICT_NOT)
			continue;
		complain(NAME, "warning: '%s' will not be seen: %s%s%s", program, f->text,
			f->remedy ? "; remedy: " : "", f->remedy ? f->remedy : "");
		break;
	}
	examine_free(&x);
}

static int preload(const char *asked)
{
	char *problem, *shim = shim_find(asked, &problem), *value;
	bool ok;

	if (!shim) {
		complain(NAME, "no preload: %s%s", problem, asked ? "" : "; name it with --shim=PATH");
		free(problem);
		return EXIT_OWN_FAILURE;
	}
	value = shim_preload(shim, getenv("LD_PRELOAD"));
	ok = set_variable("LD_PRELOAD", value);
	free(value);
	free(shim);
	return ok ? 0 : EXIT_OWN_FAILURE;
}

static int become(char **command)
{
	int error, status;
	char *path;

	execvp(command[0], command);
	error = errno;
	status = error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	/* ENOENT is also what the kernel says when a script's interpreter or the dynamic loader is missing. */
	path = error == ENOENT ? examine_find_program(command[0]) : NULL;
	if (path)
		complain(NAME, "'%s': the interpreter or loader that it asks for was not found", command[0]);
	else
		complain(NAME, "'%s': %s", command[0], strerror(error));
	free(path);
	return status;
}

int cmd_run(int argc, char **argv)
{
	const char *shim = NULL;
	int option, status = 0;

	/* '+': the first word that is no option is the command, and what follows is its own. */
	while (status == 0 && (option = getopt_long(argc, argv, "+hV", long_options, NULL)) != -1) {
		switch (option) {
		case OPT_BACKEND:
			status = apply_backend(optarg);
			break;
		case OPT_ROUTE:
			status = apply("--route", "DFTIO_ROUTE", optarg);
			break;
		case OPT_STATS:
			status = apply_stats(optarg);
			break;
		case OPT_FILES:
			status = apply("--files", "DFTIO_FILES", optarg);
			break;
		case OPT_LOG:
			status = apply("--log", "DFTIO_LOG", optarg);
			break;
		case OPT_SHIM:
			shim = optarg;
			break;
		case 'h':
			return print_help();
		case 'V':
			return print_version();
		default:
			return usage_hint(NAME);
		}
	}
	if (status == 0 && optind == argc)
		status = usage_error(NAME, "no command given");
	if (status == 0)
		status = preload(shim);
	if (status != 0)
		return status;
	warn(argv[optind]);
	return become(argv + optind);
}
