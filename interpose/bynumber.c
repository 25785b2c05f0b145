/* SPDX-License-Identifier: MIT */
/*
 * System calls by number that matter to us: syscall(2) is passed on by a jump (syscall.S), and comes here first for
 * those whose bit is set.
 *
 * Owns:    the bits; set by the constructor, none before.
 * Threads: any, and vfork children; no locks.
 * Never:   does more than its counterpart by name would: forgets, and marks.
 */
#include "observe.h"
#include "fdinfo.h"
#include "pool.h"
#include "route.h"

#include <sched.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446
#endif

__attribute__((visibility("hidden"))) uint64_t dftio__numbers[8];

static const short shares[] = {
#ifdef SYS_fork
	SYS_fork,
	SYS_vfork,
#endif
	SYS_clone,
	SYS_clone3,
	SYS_execve,
	SYS_execveat,
	SYS_sendmsg,
	SYS_sendmmsg,
	SYS_recvmsg,
	SYS_recvmmsg,
	SYS_pidfd_getfd,
};

static const short credentials[] = {
	SYS_setuid,
	SYS_setgid,
	SYS_setreuid,
	SYS_setregid,
	SYS_setresuid,
	SYS_setresgid,
	SYS_setfsuid,
	SYS_setfsgid,
	SYS_setgroups,
	SYS_capset,
	SYS_landlock_restrict_self,
};

static const short others[] = {
	SYS_close,
	SYS_close_range,
	SYS_dup3,
#ifdef SYS_dup2
	SYS_dup2,
#endif
	SYS_unshare,
	SYS_setns,
	SYS_prctl,
	SYS_seccomp,
};

static void set_bits(const short *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dftio__numbers[numbers[i] / 64] |= UINT64_C(1) << (numbers[i] % 64);
}

void dftio__by_number_start(void)
{
	set_bits(shares, ARRAY_SIZE(shares));
	set_bits(credentials, ARRAY_SIZE(credentials));
	set_bits(others, ARRAY_SIZE(others));
}

static bool is_in(long number, const short *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* 0: strict, 1: a filter; above are questions, and so is a filter that is not there. */
static bool locks_in(long number, long a, long b, long c)
{
	if (number == SYS_seccomp)
		return a == SECCOMP_SET_MODE_STRICT || (a == SECCOMP_SET_MODE_FILTER && c);
	return number == SYS_prctl && a == 22 /* PR_SET_SECCOMP */ && (b == SECCOMP_MODE_STRICT || c);
}

static bool parts_tables(long number, long a, long c)
{
	return (number == SYS_unshare && (a & CLONE_FILES)) || (number == SYS_close_range && (c & CLOSE_RANGE_UNSHARE));
}

void dftio__by_number(long number, long a, long b, long c)
{
	int saved = errno;

	if (is_in(number, shares, ARRAY_SIZE(shares)))
		dftio__share();
	else if (is_in(number, credentials, ARRAY_SIZE(credentials)))
		dftio__apart();
	else if (locks_in(number, a, b, c))
		dftio__route_stop();
	else if (number == SYS_close)
		dftio__fd_forget((int)a);
	else if (number == SYS_close_range)
		dftio__fd_forget_range((unsigned)a, (unsigned)b);
	else if (number != SYS_prctl && number != SYS_seccomp && number != SYS_unshare && number != SYS_setns)
		dftio__fd_forget((int)b); /* dup2, dup3 */
	else if (number == SYS_unshare || number == SYS_setns)
		dftio__pool_leave();
	/* Whether it will succeed is not known here: then the price is real calls. */
	if (parts_tables(number, a, c))
		store_relaxed(&dftio__threads_differ, true);
	errno = saved;
}
