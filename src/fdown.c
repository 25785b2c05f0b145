/* SPDX-License-Identifier: MIT */
/*
 * Our few descriptors.
 *
 * Owns:    the register of numbers. A slot holds the number and where its owner keeps it.
 * Threads: any; slots are claimed by compare-and-swap, numbers are relaxed atomics. No locks.
 * Never:   closes a number it does not hold; changes anything in a vfork child (its caller asks who it is).
 */
#include "fdown.h"
#include "sys.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

_Atomic unsigned dftio__fdown_count;

/* A slot is its owner's while `where` is set; `fd` is 0 until it is there, and again when it goes. */
static struct {
	_Atomic(_Atomic int *) where;
	_Atomic int fd;
} ours[DFTIO_FDOWN_MAX];

/* The highest number it can be moved to, by halves; the same number when there is none. */
static int move_high(int fd)
{
	struct rlimit lim;
	int high;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur > 65536)
		lim.rlim_cur = 65536;
	for (int from = (int)lim.rlim_cur - 64; from > fd; from /= 2) {
		high = dftio__sys.fcntl(fd, F_DUPFD_CLOEXEC, from);
		if (high >= 0) {
			dftio__sys.close(fd);
			return high;
		}
	}
	return fd;
}

int dftio__fdown_adopt(int fd, _Atomic int *where)
{
	fd = move_high(fd);
	store_relaxed(where, fd);
	for (size_t i = 0; i < DFTIO_FDOWN_MAX; i++) {
		_Atomic int *free = NULL;

		if (atomic_compare_exchange_strong(&ours[i].where, &free, where)) {
			store_relaxed(&ours[i].fd, fd);
			atomic_fetch_add(&dftio__fdown_count, 1);
			return fd;
		}
	}
	dftio__sys.close(fd);
	store_relaxed(where, -1);
	return -EMFILE;
}

static void release(size_t i)
{
	store_relaxed(&ours[i].fd, 0);
	atomic_fetch_sub(&dftio__fdown_count, 1);
	store_release(&ours[i].where, NULL);
}

/* Found by where it is kept, not by its number: in a forked child what was kept there may be wiped. */
void dftio__fdown_close(_Atomic int *where)
{
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	for (size_t i = 0; i < DFTIO_FDOWN_MAX; i++) {
		int fd = load_relaxed(&ours[i].fd);

		if (fd == 0 || load_acquire(&ours[i].where) != where)
			continue;
		release(i);
		store_relaxed(where, -1);
		dftio__sys.close(fd);
		break;
	}
	pthread_setcancelstate(cancel, NULL);
}

bool dftio__fdown_is_ours_slow(int fd)
{
	return fd > 0 && dftio__fdown_next((unsigned)fd, (unsigned)fd) == fd;
}

int dftio__fdown_next(unsigned first, unsigned last)
{
	int lowest = -1;

	for (size_t i = 0; i < DFTIO_FDOWN_MAX; i++) {
		int fd = load_relaxed(&ours[i].fd);

		if (fd > 0 && (unsigned)fd >= first && (unsigned)fd <= last && (lowest < 0 || fd < lowest))
			lowest = fd;
	}
	return lowest;
}

void dftio__fdown_yield(int fd)
{
	int cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	for (size_t i = 0; i < DFTIO_FDOWN_MAX; i++) {
		int moved;

		if (load_relaxed(&ours[i].fd) != fd)
			continue;
		moved = dftio__sys.fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
		if (moved < 0)
			moved = dftio__sys.fcntl(fd, F_DUPFD_CLOEXEC, 3);
		store_relaxed(load_acquire(&ours[i].where), moved);
		if (moved < 0)
			release(i);
		else
			store_relaxed(&ours[i].fd, moved);
		dftio__sys.close(fd);
	}
	pthread_setcancelstate(cancel, NULL);
}
