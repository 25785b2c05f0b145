/* SPDX-License-Identifier: MIT */
/*
 * The ways out: exit without destructors, and exec by a list of arguments.
 *
 * Owns:    nothing.
 * Threads: whoever leaves; no locks.
 * Never:   keeps a process from leaving; runs anything but the report on the way.
 */
#include "observe.h"
#include "life.h"
#include "next.h"
#include "stats.h"

#include <stdlib.h>

void dftio__exits(void (*next)(int) __attribute__((noreturn)), int status)
{
	dftio__stats_report();
	next(status);
}

/* libc replaces the standard descriptors by calls of its own: whoever reads our stderr must not wait for a daemon. */
int dftio__daemon(int (*next)(int, int), int nochdir, int noclose)
{
	dftio__share();
	if (!noclose && dftio__life_is_owner())
		dftio__stats_drop_stderr();
	return next(nochdir, noclose);
}

/* Its child starts on a stack of its own, so this frame is nobody's but the parent's. */
int dftio__clone(int (*next)(int (*)(void *), void *, int, void *, ...), int (*fn)(void *), void *stack, int flags,
	void *arg, void *parent_tid, void *tls, void *child_tid)
{
	dftio__share();
	/* A process in our memory, beside us and with our thread-local data: then nothing of ours is anybody's own. */
	if ((flags & CLONE_VM) && !(flags & (CLONE_VFORK | CLONE_THREAD)))
		dftio__apart();
	return next(fn, stack, flags, arg, parent_tid, tls, child_tid);
}

/* The arguments of an exec by list, from arg0 to NULL; the list is left after it, where execle's environment is. */
static size_t count_args(const char *arg0, va_list *ap)
{
	size_t n = 0;

	for (const char *arg = arg0; arg; arg = va_arg(*ap, const char *))
		n++;
	return n;
}

/* The array lives in its caller's frame: an exec may be called where nothing can be allocated. */
static void collect_args(char **argv, size_t n, const char *arg0, va_list *ap)
{
	argv[0] = (char *)(uintptr_t)arg0;
	for (size_t i = 1; i < n; i++)
		argv[i] = va_arg(*ap, char *);
	argv[n] = NULL;
	if (n)
		(void)va_arg(*ap, char *);
}

#define COLLECT(argv, arg0, ap)                                                                                        \
	va_list again;                                                                                                 \
	size_t n;                                                                                                      \
	char **argv;                                                                                                   \
                                                                                                                       \
	va_copy(again, *(ap));                                                                                         \
	n = count_args(arg0, &again);                                                                                  \
	va_end(again);                                                                                                 \
	argv = __builtin_alloca((n + 1) * sizeof(*argv));                                                              \
	collect_args(argv, n, arg0, ap)

int dftio__execl(const char *path, const char *arg0, va_list *ap)
{
	COLLECT(argv, arg0, ap);

	dftio__share();
	return dftio__next.execv(path, argv);
}

int dftio__execlp(const char *file, const char *arg0, va_list *ap)
{
	COLLECT(argv, arg0, ap);

	dftio__share();
	return dftio__next.execvp(file, argv);
}

int dftio__execle(const char *path, const char *arg0, va_list *ap)
{
	COLLECT(argv, arg0, ap);

	dftio__share();
	return dftio__next.execve(path, argv, va_arg(*ap, char **));
}

__attribute__((destructor)) static void at_exit(void)
{
	dftio__stats_report();
}
