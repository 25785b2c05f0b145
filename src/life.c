/* SPDX-License-Identifier: MIT */
/*
 * Birth of the process, and of each forked child.
 *
 * Owns:    the wiped page; the order in which the parts of a child are reset.
 * Threads: the constructor's; in a child the one that forked, which is alone. No locks.
 * Never:   touches what belongs to the parent: its rings and threads are only forgotten.
 */
#include "life.h"
#include "config.h"
#include "fdinfo.h"
#include "log.h"
#include "pool.h"
#include "sys.h"
#include "thread.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static struct dftio_life static_life;
struct dftio_life *dftio__life = &static_life;

/*
 * The child may share every open file description with its parent from here on, so no position is ours alone.
 * Runs in the parent too: before the fork, where the child inherits the result.
 */
static void atfork_prepare(void)
{
	dftio__fd_forget_sole();
}

static void atfork_child(void)
{
	/* Where the page could not be had the static one says nothing by itself. */
	store_relaxed(&dftio__life->alive, 0);
	dftio__life_check();
}

void dftio__life_init(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page != MAP_FAILED) {
		if (madvise(page, 4096, MADV_WIPEONFORK) == 0)
			dftio__life = page;
		else
			munmap(page, 4096);
	}
	dftio__life->pid = getpid();
	dftio__sys.syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &dftio__life->blocked, sizeof(uint64_t));
	store_relaxed(&dftio__life->alive, 1);
	pthread_atfork(atfork_prepare, NULL, atfork_child);
}

void dftio__life_reborn(void)
{
	int saved = errno;

	dftio__life->pid = getpid();
	dftio__sys.syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &dftio__life->blocked, sizeof(uint64_t));
	dftio__fd_forget_sole();
	dftio__pool_reborn();
	dftio__thread_reborn();
	store_relaxed(&dftio__life->alive, 1);
	errno = saved;
}

bool dftio__life_is_owner(void)
{
	dftio__life_check();
	return getpid() == dftio__life->pid;
}

/* Before any other constructor of ours could need it; no thread, no allocator, no ring. */
__attribute__((constructor(101))) static void core_start(void)
{
	int saved = errno;

	dftio__log_init();
	dftio__config_init(false);
	dftio__life_init();
	dftio__thread_init();
	errno = saved;
}
