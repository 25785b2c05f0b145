/* SPDX-License-Identifier: MIT */
/*
 * dftio: the command. Finds the subcommand and hands over to cmd_*.c.
 *
 * Owns: the list of subcommands. Threads and locks: none. Must never: know more of a subcommand than its name.
 */
#include "commands.h"
#include "text.h"

#include <dftio/dftio.h>

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"run", cmd_run, "run a program with its I/O going through libdftio"},
	{"info", cmd_info, "what this machine offers: backends, kernel features, limits; what becomes of a file"},
	{"doctor", cmd_doctor, "what libdftio will see of a program and what not, and why; is it installed well"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

int print_version(void)
{
	printf("dftio %s\n", dftio_version());
	return finish_output("dftio", 0);
}

static int print_help(void)
{
	fputs("Usage: dftio COMMAND [OPTION]... [ARGUMENT]...\n\n"
	      "Runs programs with their file I/O going through io_uring, epoll or a thread pool, unchanged.\n\n"
	      "Commands:\n",
		stdout);
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("\nOptions:\n"
	      "  -h, --help     print this and exit\n"
	      "  -V, --version  print the version and exit\n\n"
	      "'dftio COMMAND --help' describes a command, 'man dftio' all of them.\n",
		stdout);
	return finish_output("dftio", 0);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name)
		return usage_error("dftio", "no command given");
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return print_help();
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		return print_version();
	for (size_t i = 0; i < COMMANDS; i++) {
		char *full_name;
		int status;

		if (strcmp(name, commands[i].name) != 0)
			continue;
		/* getopt_long() names it in its messages. */
		full_name = xprintf("dftio %s", name);
		argv[1] = full_name;
		status = commands[i].run(argc - 1, argv + 1);
		free(full_name);
		return status;
	}
	return usage_error("dftio", name[0] == '-' ? "unknown option '%s'" : "unknown command '%s'", name);
}
