/* SPDX-License-Identifier: MIT */
/*
 * Blocking signals around an operation in flight.
 *
 * Raw system calls, because libc's functions leave out the two signals it uses itself, and one of those is the one
 * that unwinds a thread with asynchronous cancellation.
 *
 * Owns:    nothing.
 * Threads: each for itself; no locks.
 * Never:   used by our own pool threads, which must answer libc's set*id broadcast; runs a handler.
 */
#include "sigs.h"
#include "sys.h"

#include <signal.h>
#include <unistd.h>
#include <sys/syscall.h>

#define BIT(sig) (UINT64_C(1) << ((sig)-1))
#define FAULTS   (BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS))

/* The kernel's own sigaction, of which only the handler is looked at: it comes first on every architecture we know. */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long rest[8];
};

static void set_mask(uint64_t mask, uint64_t *old)
{
	int saved = errno;

	dftio__sys.syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, old, sizeof(mask));
	errno = saved;
}

void dftio__sigs_block(struct dftio_sigs *s)
{
	set_mask(~FAULTS, &s->old);
}

void dftio__sigs_restore(const struct dftio_sigs *s)
{
	set_mask(s->old, NULL);
}

static uint64_t pending_signals(void)
{
	uint64_t pending = 0;
	int saved = errno;

	dftio__sys.syscall(SYS_rt_sigpending, &pending, sizeof(pending));
	errno = saved;
	return pending;
}

static void (*disposition(int sig))(int)
{
	struct kernel_sigaction act;
	int saved = errno;
	long r = dftio__sys.syscall(SYS_rt_sigaction, sig, NULL, &act, sizeof(uint64_t));

	errno = saved;
	return r == 0 ? act.handler : SIG_IGN;
}

/* Blocked, a signal that is ignored waits too; not blocked it would never have been there. */
bool dftio__sigs_pending(const struct dftio_sigs *s)
{
	const uint64_t ignored_by_default = BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT);
	uint64_t pending = pending_signals() & ~s->old & ~FAULTS;

	for (int sig = 1; pending && sig <= 64; sig++) {
		void (*handler)(int);

		if (!(pending & BIT(sig)))
			continue;
		handler = disposition(sig);
		if (handler != SIG_IGN && !(handler == SIG_DFL && (ignored_by_default & BIT(sig))))
			return true;
	}
	return false;
}

void dftio__sigs_let_fatal(const struct dftio_sigs *s)
{
	static const int sigs[] = {
		SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGALRM, SIGUSR1, SIGUSR2, SIGPIPE, SIGXCPU, SIGABRT, SIGTSTP};
	uint64_t pending = pending_signals() & ~s->old, let = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++)
		if ((pending & BIT(sigs[i])) && disposition(sigs[i]) == SIG_DFL)
			let |= BIT(sigs[i]);
	if (let) {
		set_mask(~FAULTS & ~let, NULL);
		set_mask(~FAULTS, NULL);
	}
}
