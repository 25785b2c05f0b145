/* SPDX-License-Identifier: MIT */
/*
 * What a preload adds to the start of a program.
 *
 *	spawn ROUNDS PROGRAM [-- [NAME=VALUE...]]...	times: one line a round, WALL/CPU in us for each variant
 *	spawn count PROGRAM [NAME=VALUE...]		counts: system calls, rings and threads made, by ptrace
 *
 * The first variant is always the program with an environment free of LD_PRELOAD and DFTIO_ variables; each `--` begins
 * one more, with what follows it added. Variants take turns within a round, and every second round runs backwards. One
 * thread; owns its children and waits for each. It must never time a program that did not exit with 0.
 */
#include "measure.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

enum { VARIANTS_MAX = 8 };

extern char **environ;

static void die(const char *what)
{
	fprintf(stderr, "spawn: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The environment without the shim's names, and with `n` more. */
static char **make_env(char **more, int n)
{
	char **env;
	size_t have = 0, to = 0;

	while (environ[have])
		have++;
	env = calloc(have + (size_t)n + 1, sizeof(*env));
	if (!env)
		die("memory");
	for (size_t i = 0; i < have; i++)
		if (strncmp(environ[i], "LD_PRELOAD=", 11) && strncmp(environ[i], "DFTIO_", 6))
			env[to++] = environ[i];
	for (int i = 0; i < n; i++)
		env[to++] = more[i];
	return env;
}

static void once(char *program, char **env, double *wall, double *cpu)
{
	char *argv[] = {program, NULL};
	struct rusage ru;
	int status;
	pid_t pid;

	*wall = measure_clock(CLOCK_MONOTONIC);
	errno = posix_spawn(&pid, program, NULL, NULL, argv, env);
	if (errno)
		die(program);
	if (wait4(pid, &status, 0, &ru) != pid)
		die("wait");
	*wall = (measure_clock(CLOCK_MONOTONIC) - *wall) / 1e3;
	*cpu = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 +
	       (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
	if (status) {
		fprintf(stderr, "spawn: %s ended with wait status 0x%x\n", program, (unsigned)status);
		exit(1);
	}
}

static int time_it(char *program, long rounds, char **rest, int n)
{
	char **envs[VARIANTS_MAX] = {make_env(NULL, 0)};
	double wall[VARIANTS_MAX], cpu[VARIANTS_MAX];
	int variants = 1;

	for (int i = 0; i < n; i++) {
		int from = i + 1, to = from;

		while (to < n && strcmp(rest[to], "--"))
			to++;
		if (variants == VARIANTS_MAX || strcmp(rest[i], "--")) {
			errno = EINVAL;
			die("variants");
		}
		envs[variants++] = make_env(rest + from, to - from);
		i = to - 1;
	}
	for (long r = -2; r < rounds; r++) { /* two rounds to warm up */
		for (int i = 0; i < variants; i++) {
			int v = r % 2 ? variants - 1 - i : i;

			once(program, envs[v], &wall[v], &cpu[v]);
		}
		for (int v = 0; r >= 0 && v < variants; v++)
			printf("%s%.1f/%.1f", v ? " " : "", wall[v], cpu[v]);
		if (r >= 0)
			printf("\n");
	}
	return 0;
}

static int count_it(char *program, char **more, int n)
{
	char *argv[] = {program, NULL};
	char **env = make_env(more, n);
	long calls = 0, rings = 0, clones = 0;
	struct __ptrace_syscall_info info;
	int status, sig = 0;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			die("ptrace");
		raise(SIGSTOP);
		execve(program, argv, env);
		die(program);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return 1;
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)))
		die("ptrace");
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)sig) || waitpid(pid, &status, 0) != pid)
			die("ptrace");
		if (!WIFSTOPPED(status))
			break;
		sig = 0;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			sig = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status); /* SIGTRAP: the exec itself */
			continue;
		}
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) <= 0)
			die("ptrace");
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		calls++;
		rings += info.entry.nr == SYS_io_uring_setup;
		clones += info.entry.nr == SYS_clone || info.entry.nr == SYS_clone3;
	}
	printf("calls=%ld rings=%ld clones=%ld status=%d\n", calls, rings, clones, status);
	return status != 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "count"))
		return count_it(argv[2], argv + 3, argc - 3);
	if (argc > 2 && atol(argv[1]) > 0)
		return time_it(argv[2], atol(argv[1]), argv + 3, argc - 3);
	fprintf(stderr, "usage: spawn ROUNDS PROGRAM [-- [NAME=VALUE...]]...\n"
			"       spawn count PROGRAM [NAME=VALUE...]\n");
	return 2;
}
