/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of ours in the program's table.
 *
 * Owns:    what it adopts.
 * Threads: a test's first, and a few that adopt at once.
 * Never:   more than the register holds.
 */
#include "unit.h"
#include "fdown.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

TestSuite(fdown, .init = kill_when_stuck);

static int any_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	return fd;
}

Test(fdown, what_is_adopted_moves_out_of_the_way)
{
	_Atomic int where = -1;
	int low = any_descriptor(), high = dftio__fdown_adopt(low, &where);

	cr_assert_gt(high, low);
	cr_assert_eq(where, high);
	cr_assert(fcntl(low, F_GETFD) < 0 && errno == EBADF, "the low number is free again");
	cr_assert(fcntl(high, F_GETFD) & FD_CLOEXEC);
	cr_assert(dftio__fdown_is_ours(high));
	cr_assert(!dftio__fdown_is_ours(low));
	dftio__fdown_close(&where);
	cr_assert_eq(where, -1);
	cr_assert(fcntl(high, F_GETFD) < 0 && errno == EBADF);
	cr_assert(!dftio__fdown_is_ours(high));
	cr_assert_eq(dftio__fdown_count, 0);
}

Test(fdown, closing_what_is_not_there_does_nothing)
{
	_Atomic int where = 0;

	dftio__fdown_close(&where);
	cr_assert_eq(where, 0);
	cr_assert_geq(fcntl(0, F_GETFD), 0);
}

Test(fdown, the_program_gets_the_number_it_wants)
{
	_Atomic int where = -1;
	int before = dftio__fdown_adopt(any_descriptor(), &where), after;

	dftio__fdown_yield(before);
	after = where;
	cr_assert_neq(after, before);
	cr_assert_geq(fcntl(after, F_GETFD), 0);
	cr_assert(fcntl(after, F_GETFD) & FD_CLOEXEC);
	cr_assert(fcntl(before, F_GETFD) < 0 && errno == EBADF);
	cr_assert(dftio__fdown_is_ours(after) && !dftio__fdown_is_ours(before));
	dftio__fdown_yield(before);
	cr_assert_eq(where, after, "it is not ours any more: nothing happens");
	dftio__fdown_close(&where);
	cr_assert(fcntl(after, F_GETFD) < 0);
}

Test(fdown, what_cannot_be_moved_is_given_up)
{
	_Atomic int where = -1;
	int fd = dftio__fdown_adopt(any_descriptor(), &where);
	struct rlimit l;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
	l.rlim_cur = 3;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
	dftio__fdown_yield(fd);
	cr_assert_eq(where, -1);
	cr_assert(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
	cr_assert_eq(dftio__fdown_count, 0);
}

Test(fdown, the_next_of_ours_in_a_range)
{
	_Atomic int where[3] = { -1, -1, -1 };
	int fd[3], lowest, highest;

	cr_assert_eq(dftio__fdown_next(0, UINT_MAX), -1);
	for (int i = 0; i < 3; i++)
		fd[i] = dftio__fdown_adopt(any_descriptor(), &where[i]);
	lowest = highest = fd[0];
	for (int i = 1; i < 3; i++) {
		lowest = fd[i] < lowest ? fd[i] : lowest;
		highest = fd[i] > highest ? fd[i] : highest;
	}
	cr_assert_eq(dftio__fdown_next(0, UINT_MAX), lowest);
	cr_assert_gt(dftio__fdown_next((unsigned)lowest + 1, UINT_MAX), lowest);
	cr_assert_eq(dftio__fdown_next((unsigned)highest + 1, UINT_MAX), -1);
	cr_assert_eq(dftio__fdown_next(0, (unsigned)lowest - 1), -1);
	cr_assert_eq(dftio__fdown_next((unsigned)highest, (unsigned)highest), highest);
}

Test(fdown, more_than_the_register_holds_are_refused_and_closed)
{
	static _Atomic int where[DFTIO_FDOWN_MAX + 1];
	unsigned before;

	for (int i = 0; i < DFTIO_FDOWN_MAX; i++)
		cr_assert_gt(dftio__fdown_adopt(any_descriptor(), &where[i]), 0);
	before = count_descriptors();
	cr_assert_eq(dftio__fdown_adopt(any_descriptor(), &where[DFTIO_FDOWN_MAX]), -EMFILE);
	cr_assert_eq(where[DFTIO_FDOWN_MAX], -1);
	cr_assert_eq(count_descriptors(), before);
	for (int i = 0; i < DFTIO_FDOWN_MAX; i++)
		dftio__fdown_close(&where[i]);
	cr_assert_eq(dftio__fdown_count, 0);
	cr_assert_eq(count_descriptors(), before - DFTIO_FDOWN_MAX);
}

Test(fdown, a_small_limit_is_kept_to)
{
	_Atomic int where = -1;
	struct rlimit l;
	int fd;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
	l.rlim_cur = 64;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
	fd = dftio__fdown_adopt(any_descriptor(), &where);
	cr_assert(fd > 0 && fd < 64);
	dftio__fdown_close(&where);
}

static void *adopt_and_close(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		_Atomic int where = -1;
		int fd = dftio__fdown_adopt(dup(0), &where);

		if (fd < 0 || !dftio__fdown_is_ours(fd))
			return NULL;
		if (i % 3 == 0)
			dftio__fdown_yield(where);
		dftio__fdown_close(&where);
	}
	return arg;
}

Test(fdown, threads_that_come_and_go_together_leave_nothing)
{
	unsigned before = count_descriptors();
	pthread_t t[4];
	void *ok;

	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, adopt_and_close, &before), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &ok);
		cr_assert_not_null(ok);
	}
	cr_assert_eq(count_descriptors(), before);
	cr_assert_eq(dftio__fdown_count, 0);
}
