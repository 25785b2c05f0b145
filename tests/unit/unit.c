/* SPDX-License-Identifier: MIT */
/*
 * What unit tests share.
 *
 * Owns:    nothing that outlives a test's process.
 * Threads: none.
 * Never:   uses the engine but in run_rw.
 */
#include "unit.h"

#include <dirent.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void kill_when_stuck(void)
{
	struct sigevent how = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	struct itimerspec when = { .it_value = { PATIENCE, 0 } };
	timer_t timer;

	cr_assert_eq(timer_create(CLOCK_MONOTONIC, &how, &timer), 0);
	cr_assert_eq(timer_settime(timer, 0, &when, NULL), 0);
}

#if DFTIO_HAVE_URING
/* 0; an errno; or 255, too old. */
static int try_ring(void)
{
	struct io_uring_params p = { 0 };
	unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS | IORING_FEAT_EXT_ARG;

	if (syscall(__NR_io_uring_setup, 2, &p) < 0)
		return errno;
	return (p.features & needed) == needed ? 0 : 255;
}
#endif

/* Found out by a child: closing a ring interrupts the thread that had it. */
const char *no_uring_here(void)
{
#if DFTIO_HAVE_URING
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(try_ring());
	waitpid(child, &status, 0);
	if (WEXITSTATUS(status) == 255)
		return "the kernel is older than 5.11";
	return WEXITSTATUS(status) ? strerror(WEXITSTATUS(status)) : NULL;
#else
	return "built without it";
#endif
}

void use_backend(const char *name)
{
	const char *none = strcmp(name, "io_uring") == 0 ? no_uring_here() : NULL;

	if (none)
		cr_skip_test("no io_uring on this machine: %s", none);
	snprintf(dftio__config.backend, sizeof(dftio__config.backend), "%s", name);
	dftio__config.backend_forced = true;
}

static unsigned count_entries(const char *directory, bool (*counts)(const char *name, const void *arg), const void *arg)
{
	DIR *d = opendir(directory);
	unsigned n = 0;

	cr_assert_not_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.' && (!counts || counts(e->d_name, arg));
	closedir(d);
	return n;
}

unsigned count_descriptors(void)
{
	return count_entries("/proc/self/fd", NULL, NULL) - 1; /* the one that looks */
}

static bool begins_so(const char *tid, const void *arg)
{
	char path[300], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	fclose(f);
	return strncmp(name, arg, strlen(arg)) == 0;
}

unsigned count_threads(const char *name)
{
	return count_entries("/proc/self/task", begins_so, name);
}

int make_file(size_t size)
{
	char name[4200], *bytes = malloc(size + 1);
	const char *where = getenv("TEST_DIR");
	int fd;

	snprintf(name, sizeof(name), "%s/unit-XXXXXX", where ? where : ".");
	fd = mkstemp(name);
	cr_assert_geq(fd, 0);
	unlink(name);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)('a' + i % 26);
	cr_assert_eq(pwrite(fd, bytes, size, 0), (ssize_t)size);
	free(bytes);
	return fd;
}

bool is_file_content(const char *buf, size_t len, size_t from)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != (char)('a' + (from + i) % 26))
			return false;
	return true;
}

int64_t run_rw(enum dftio_op_code code, int fd, void *buf, size_t len, int64_t offset)
{
	struct dftio_op op;

	dftio__op_init_rw(&op, code, fd, buf, len, offset);
	return dftio__engine_run(&op);
}
