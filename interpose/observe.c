/* SPDX-License-Identifier: MIT */
/*
 * Operations on the descriptor table, as they pass.
 *
 * All of this also runs in vfork children, where memory is the parent's and descriptors are not: so what happens to
 * our memory here is only ever forgetting. Where more is to be done (moving a descriptor of ours out of the way) the
 * process is asked who it is first.
 *
 * Owns:    nothing.
 * Threads: any; no locks.
 * Never:   lets a descriptor of ours be closed, replaced or copied by the program; for it they are not open.
 */
#include "observe.h"
#include "fdinfo.h"
#include "fdown.h"
#include "life.h"
#include "pool.h"
#include "route.h"
#include "stats.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/single_threaded.h>

static int no_such_fd(void)
{
	errno = EBADF;
	return -1;
}

static void count(enum dftio_op_code code, int64_t r)
{
	if (unlikely(dftio__route.counting))
		dftio__route_count(code, r);
}

int dftio__opened(enum dftio_op_code code, int r)
{
	int saved = errno;

	if (r >= 0) {
		dftio__fd_forget(r);
		/* Opened by the only thread there is, here: its position is ours alone until something could share it.
		 */
		if (code == DFTIO_OP_OPEN && dftio__route.soles && __libc_single_threaded && !dftio__tls.busy &&
			dftio__life_is_owner())
			dftio__fd_mark_sole(r);
	}
	count(code, r);
	errno = saved;
	return r;
}

/* The program lets its stderr go: a copy kept by us must not keep the other end waiting. */
static void stderr_goes(unsigned first, unsigned last)
{
	if (unlikely(dftio__route.counting) && first <= 2 && last >= 2 && dftio__life_is_owner())
		dftio__stats_drop_stderr();
}

int dftio__close(int (*next)(int), int fd)
{
	int r;

	if (dftio__fdown_is_ours(fd))
		return no_such_fd();
	stderr_goes((unsigned)fd, (unsigned)fd);
	/* Before, so that it is not taken for the next file of that number; after, because another thread may have
	 * asked. */
	dftio__fd_forget(fd);
	r = next(fd);
	if (unlikely(!__libc_single_threaded))
		dftio__fd_forget(fd);
	count(DFTIO_OP_CLOSE, r);
	return r;
}

/* In pieces around what is ours. The first piece that fails decides; the kernel's own answer, for its arguments. */
static int close_around(int (*next)(unsigned, unsigned, int), unsigned first, unsigned last, int flags)
{
	int ours;

	while ((ours = dftio__fdown_next(first, last)) >= 0) {
		if ((unsigned)ours > first && next(first, (unsigned)ours - 1, flags) < 0)
			return -1;
		if ((unsigned)ours == last)
			return 0;
		first = (unsigned)ours + 1;
	}
	return next(first, last, flags);
}

int dftio__close_range(int (*next)(unsigned, unsigned, int), unsigned first, unsigned last, int flags)
{
	int r;

	if (first <= last && !(flags & (int)CLOSE_RANGE_CLOEXEC)) {
		stderr_goes(first, last);
		dftio__fd_forget_range(first, last);
	}
	if (likely(!load_relaxed(&dftio__fdown_count)) || first > last || (flags & (int)CLOSE_RANGE_CLOEXEC))
		r = next(first, last, flags);
	else
		r = close_around(next, first, last, flags);
	if (r == 0 && (flags & (int)CLOSE_RANGE_UNSHARE))
		store_relaxed(&dftio__threads_differ, true);
	return r;
}

void dftio__closefrom(void (*next)(int), int lowfd)
{
	unsigned first = lowfd < 0 ? 0 : (unsigned)lowfd;
	int ours, saved = errno;

	stderr_goes(first, ~0U);
	dftio__fd_forget_range(first, ~0U);
	while ((ours = dftio__fdown_next(first, ~0U)) >= 0) {
		for (int fd = (int)first; fd < ours; fd++)
			dftio__sys.close(fd);
		first = (unsigned)ours + 1;
	}
	errno = saved;
	next((int)first);
}

int dftio__dup(int (*next)(int), int fd)
{
	int r;

	if (dftio__fdown_is_ours(fd))
		return no_such_fd();
	r = next(fd);
	dftio__fd_forget(r);
	return r;
}

/* The number the program wants is ours: ours moves. In a vfork child only its copy is replaced, and none of us cares.
 */
static void make_way(int newfd)
{
	if (dftio__fdown_is_ours(newfd) && dftio__life_is_owner())
		dftio__fdown_yield(newfd);
}

int dftio__dup2(int (*next)(int, int), int fd, int newfd)
{
	if (dftio__fdown_is_ours(fd))
		return no_such_fd();
	if (fd != newfd) {
		make_way(newfd);
		stderr_goes((unsigned)newfd, (unsigned)newfd);
		dftio__fd_forget(newfd);
	}
	return next(fd, newfd);
}

int dftio__dup3(int (*next)(int, int, int), int fd, int newfd, int flags)
{
	if (dftio__fdown_is_ours(fd))
		return no_such_fd();
	if (fd != newfd) {
		make_way(newfd);
		stderr_goes((unsigned)newfd, (unsigned)newfd);
		dftio__fd_forget(newfd);
	}
	return next(fd, newfd, flags);
}

/* Every command is libc's and the kernel's business, the unknown ones too; the argument goes on as it came. */
int dftio__fcntl(int (*next)(int, int, ...), int fd, int cmd, void *arg)
{
	int r;

	if (dftio__fdown_is_ours(fd))
		return no_such_fd();
	r = next(fd, cmd, arg);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		dftio__fd_forget(r);
	return r;
}

off64_t dftio__lseek(off64_t (*next)(int, off64_t, int), int fd, off64_t offset, int whence)
{
	off64_t r;

	if (dftio__fdown_is_ours(fd))
		return no_such_fd();
	r = next(fd, offset, whence);
	count(DFTIO_OP_LSEEK, r);
	return r;
}

/* A message may carry descriptors. Whether it does is not looked at: the pointer may be bad, and is the kernel's. */
ssize_t dftio__sendmsg(ssize_t (*next)(int, const struct msghdr *, int), int fd, const struct msghdr *msg, int flags)
{
	ssize_t r;

	dftio__share();
	r = next(fd, msg, flags);
	count(DFTIO_OP_SEND, r);
	return r;
}

int dftio__sendmmsg(
	int (*next)(int, struct mmsghdr *, unsigned, int), int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
	dftio__share();
	return next(fd, msgs, n, flags);
}

/* Looked at by what it can do, not by what it did: the pointers may be bad, and are the kernel's. */
ssize_t dftio__recvmsg(ssize_t (*next)(int, struct msghdr *, int), int fd, struct msghdr *msg, int flags)
{
	ssize_t r = next(fd, msg, flags);

	if (r >= 0)
		dftio__share();
	count(DFTIO_OP_RECV, r);
	return r;
}

int dftio__recvmmsg(int (*next)(int, struct mmsghdr *, unsigned, int, struct timespec *), int fd, struct mmsghdr *msgs,
	unsigned n, int flags, struct timespec *timeout)
{
	int r = next(fd, msgs, n, flags, timeout);

	if (r >= 0)
		dftio__share();
	return r;
}

/*
 * Some of this the kernel does only for a process of one thread, and ours would be in the way: they leave first. And
 * from here on this thread's numbers may be its own: what is remembered, and ours, are of the process's.
 */
int dftio__unshare(int (*next)(int), int flags)
{
	int r;

	if (flags & (CLONE_NEWUSER | CLONE_VM | CLONE_SIGHAND | CLONE_THREAD))
		dftio__pool_leave();
	r = next(flags);
	if (r == 0 && (flags & CLONE_FILES))
		store_relaxed(&dftio__threads_differ, true);
	return r;
}

int dftio__setns(int (*next)(int, int), int fd, int nstype)
{
	dftio__pool_leave();
	return next(fd, nstype);
}

/* This thread's credentials change, and no other's. */
void dftio__apart(void)
{
	store_relaxed(&dftio__threads_differ, true);
}

int dftio__setfs(int (*next)(unsigned), unsigned id)
{
	dftio__apart();
	return next(id);
}

int dftio__capset(int (*next)(void *, const void *), void *header, const void *data)
{
	dftio__apart();
	return next(header, data);
}

/* After a seccomp filter a call that the program did not make may be its death. */
int dftio__prctl(int (*next)(int, ...), int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	if (option == PR_SET_SECCOMP && (a == SECCOMP_MODE_STRICT || b))
		dftio__route_stop();
	if (option == PR_CAPBSET_DROP || option == PR_SET_SECUREBITS || option == PR_CAP_AMBIENT)
		dftio__apart();
	return next(option, a, b, c, d);
}

void dftio__share(void)
{
	if (unlikely(load_relaxed(&dftio__fd_soles)))
		dftio__fd_forget_sole();
}
