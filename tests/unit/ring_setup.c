/* SPDX-License-Identifier: MIT */
/*
 * Setting up a ring on kernels that know less, and on machines that allow less: by faults in the table of real calls.
 *
 * Owns:    hooks in the table of real calls.
 * Threads: a test's first, and a few that end.
 * Never:   counts on one kernel: what the running one has is asked first.
 */
#include "unit.h"
#include "fdown.h"

#if DFTIO_HAVE_URING
#include "log.h"
#include "pool.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 100000

static struct dftio_sys real;
static unsigned refused_flags, refused_above, setups;
static int refused_with;
static bool registration_is_refused;

static int setup_that_refuses(unsigned entries, struct io_uring_params *p)
{
	setups++;
	if (refused_with || (p->flags & refused_flags) || (refused_above && entries > refused_above)) {
		errno = refused_with ? refused_with : p->flags & refused_flags ? EINVAL : ENOMEM;
		return -1;
	}
	return real.io_uring_setup(entries, p);
}

static int register_that_refuses(int fd, unsigned op, const void *arg, unsigned n)
{
	if (registration_is_refused && (op & ~(1U << 31)) == 20) {
		errno = EINVAL;
		return -1;
	}
	return real.io_uring_register(fd, op, arg, n);
}

static void begin(void)
{
	kill_when_stuck();
	use_backend("io_uring");
	memcpy(&real, &dftio__sys, sizeof(real));
	dftio__sys.io_uring_setup = setup_that_refuses;
	dftio__sys.io_uring_register = register_that_refuses;
}

TestSuite(ring_setup, .init = begin);

static const struct dftio_backend_ops *uring(void)
{
	return dftio__backends[0];
}

/* Nothing of it asserts: it runs in threads and children too. */
static bool reads_well(int fd)
{
	char buf[500];

	for (int i = 0; i < 50; i++)
		if (run_rw(DFTIO_OP_PREAD, fd, buf, sizeof(buf), i * 1000) != sizeof(buf) ||
			!is_file_content(buf, sizeof(buf), (size_t)i * 1000))
			return false;
	return true;
}

/* The rings of before 6.6, 6.5, 6.1, 5.19; each knows what those after it know. */
#define NO_SQARRAY    (1U << 16)
#define NO_DESCRIPTOR (NO_SQARRAY | 1U << 14 | 1U << 15)
#define OWN_TASKS     (NO_DESCRIPTOR | 1U << 12 | 1U << 13)
#define COOPERATION   (OWN_TASKS | 1U << 8 | 1U << 9)

static void works_without(unsigned flags, bool registration)
{
	int fd = make_file(SIZE);
	unsigned before = count_descriptors();

	refused_flags = flags;
	registration_is_refused = !registration;
	cr_assert_str_eq(dftio__engine_backend()->name, "io_uring", "%s", dftio__engine_why());
	cr_assert(reads_well(fd));
	cr_assert_eq(count_descriptors(), before + (registration ? 0 : 1));
	cr_assert_eq(dftio__fdown_count, registration ? 0 : 1);
	dftio__engine_reset();
	cr_assert_eq(count_descriptors(), before, "closing the ring left one");
	cr_assert_eq(dftio__fdown_count, 0);
	cr_assert(reads_well(fd), "and again");
	dftio__engine_reset();
	close(fd);
}

Test(ring_setup, as_this_kernel_has_it)
{
	works_without(0, true);
}

Test(ring_setup, without_no_sqarray)
{
	works_without(NO_SQARRAY, true);
}

Test(ring_setup, with_a_descriptor_that_is_registered)
{
	works_without(NO_DESCRIPTOR, true);
}

Test(ring_setup, with_a_descriptor_that_stays)
{
	works_without(NO_DESCRIPTOR, false);
}

Test(ring_setup, without_tasks_of_its_own)
{
	works_without(OWN_TASKS, true);
	works_without(OWN_TASKS, false);
}

Test(ring_setup, without_any_flag)
{
	works_without(COOPERATION, true);
	works_without(COOPERATION, false);
}

Test(ring_setup, a_descriptor_that_stays_is_high_and_hidden)
{
	int fd = make_file(SIZE), lowest = dup(0), ring;

	close(lowest);
	refused_flags = NO_DESCRIPTOR;
	registration_is_refused = true;
	cr_assert(reads_well(fd));
	ring = dftio__fdown_next(0, UINT_MAX);
	cr_assert_gt(ring, lowest);
	cr_assert(fcntl(ring, F_GETFD) & FD_CLOEXEC);
	cr_assert_eq(dup(0), lowest);
}

/* The program asks for the ring's number: it gets it, and the ring goes on. */
Test(ring_setup, a_descriptor_that_stays_moves_when_its_number_is_wanted)
{
	int fd = make_file(SIZE), ring;

	refused_flags = NO_DESCRIPTOR;
	registration_is_refused = true;
	cr_assert(reads_well(fd));
	ring = dftio__fdown_next(0, UINT_MAX);
	dftio__fdown_yield(ring);
	cr_assert_eq(dup2(0, ring), ring);
	cr_assert(reads_well(fd));
	cr_assert_neq(dftio__fdown_next(0, UINT_MAX), ring);
}

static void *read_in_thread(void *arg)
{
	return reads_well(*(int *)arg) ? arg : NULL;
}

static void thread_by_thread(unsigned flags, bool registration)
{
	int fd = make_file(SIZE);
	unsigned before;
	pthread_t t;
	void *ok;

	refused_flags = flags;
	registration_is_refused = !registration;
	cr_assert(reads_well(fd));
	before = count_descriptors();
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(pthread_create(&t, NULL, read_in_thread, &fd), 0);
		pthread_join(t, &ok);
		cr_assert_not_null(ok);
	}
	cr_assert_eq(count_descriptors(), before);
	dftio__engine_reset();
}

Test(ring_setup, a_threads_ring_goes_with_it_on_every_kernel)
{
	thread_by_thread(0, true);
	thread_by_thread(NO_DESCRIPTOR, true);
	thread_by_thread(NO_DESCRIPTOR, false);
	thread_by_thread(COOPERATION, false);
}

static void forked(unsigned flags, bool registration)
{
	int fd = make_file(SIZE), status;
	unsigned before;
	pid_t child;

	refused_flags = flags;
	registration_is_refused = !registration;
	before = count_descriptors();
	cr_assert(reads_well(fd));
	child = fork();
	if (child == 0) {
		if (!reads_well(fd))
			_exit(1);
		dftio__engine_reset();
		_exit(dftio__fdown_count ? 2 : 0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0, "the child ended with %#x", (unsigned)status);
	cr_assert(reads_well(fd));
	dftio__engine_reset();
	cr_assert_eq(count_descriptors(), before);
}

Test(ring_setup, a_child_has_a_ring_of_its_own_on_every_kernel)
{
	forked(0, true);
	forked(NO_DESCRIPTOR, true);
	forked(NO_DESCRIPTOR, false);
	forked(COOPERATION, false);
}

static void without_memory_for_more_than(unsigned entries, unsigned flags)
{
	int fd = make_file(SIZE);

	dftio__config.queue_depth = 1024;
	refused_flags = flags;
	refused_above = entries;
	cr_assert_str_eq(dftio__engine_backend()->name, "io_uring", "%s", dftio__engine_why());
	cr_assert(reads_well(fd));
	dftio__engine_reset();
}

Test(ring_setup, a_queue_that_memory_does_not_allow_is_halved)
{
	static const unsigned allowed[] = { 512, 64, 8 };

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		without_memory_for_more_than(allowed[i], 0);
		without_memory_for_more_than(allowed[i], NO_DESCRIPTOR);
		without_memory_for_more_than(allowed[i], COOPERATION);
	}
}

/* After the probe: this thread has none, and its operations are done all the same. */
Test(ring_setup, that_fails_in_a_thread_is_that_threads_loss_only)
{
	int fd = make_file(SIZE);

	cr_assert_str_eq(dftio__engine_backend()->name, "io_uring");
	dftio__engine_reset();
	cr_assert_str_eq(dftio__engine_backend()->name, "io_uring");
	refused_with = EMFILE;
	cr_assert(reads_well(fd));
	cr_assert_str_eq(dftio__engine_backend()->name, "io_uring");
}

static void is_refused_with(int error, const char *says)
{
	struct dftio_probe p = { 0 };

	refused_with = error;
	cr_assert(!uring()->probe(&p));
	cr_assert_eq(p.error, error);
	cr_assert(strstr(p.reason, says), "\"%s\" does not say %s", p.reason, says);
}

Test(ring_setup, that_is_refused_says_why)
{
	is_refused_with(EPERM, "EPERM");
	is_refused_with(ENOSYS, "ENOSYS");
	is_refused_with(ENOMEM, "MEMLOCK");
	is_refused_with(EMFILE, strerror(EMFILE));
	is_refused_with(EINVAL, strerror(EINVAL));
}

Test(ring_setup, that_is_refused_leaves_a_named_backend_to_the_real_calls)
{
	int fd = make_file(SIZE);

	refused_with = EPERM;
	cr_assert_str_eq(dftio__engine_backend()->name, "sync");
	cr_assert(strstr(dftio__engine_why(), "io_uring") && strstr(dftio__engine_why(), "EPERM"), "%s",
		dftio__engine_why());
	cr_assert(reads_well(fd));
}

Test(ring_setup, that_is_refused_makes_auto_take_the_next)
{
	refused_with = ENOSYS;
	dftio__config.backend_forced = false;
	strcpy(dftio__config.backend, "auto");
	cr_assert_str_eq(dftio__engine_backend()->name, dftio__backends[1]->name);
	cr_assert(strstr(dftio__engine_why(), "ENOSYS"), "%s", dftio__engine_why());
}

static int setup_of_an_old_kernel(unsigned entries, struct io_uring_params *p)
{
	int fd = setup_that_refuses(entries, p);

	p->features &= ~(unsigned)IORING_FEAT_EXT_ARG;
	return fd;
}

Test(ring_setup, on_too_old_a_kernel_says_so)
{
	struct dftio_probe p = { 0 };
	unsigned before = count_descriptors();

	dftio__sys.io_uring_setup = setup_of_an_old_kernel;
	cr_assert(!uring()->probe(&p));
	cr_assert(strstr(p.reason, "5.11"), "%s", p.reason);
	refused_flags = NO_DESCRIPTOR;
	cr_assert(!uring()->probe(&p));
	cr_assert_eq(count_descriptors(), before);
}

static int enter_that_is_forbidden(int fd, unsigned n, unsigned min, unsigned flags, const void *arg, size_t size)
{
	(void)fd;
	(void)n;
	(void)min;
	(void)flags;
	(void)arg;
	(void)size;
	errno = EPERM;
	return -1;
}

/* A sandbox that lets a ring be made and not be used. */
Test(ring_setup, that_is_allowed_where_its_use_is_not_is_refused)
{
	struct dftio_probe p = { 0 };
	unsigned before = count_descriptors();

	dftio__sys.io_uring_enter = enter_that_is_forbidden;
	cr_assert(!uring()->probe(&p));
	cr_assert_eq(p.error, EPERM);
	cr_assert_eq(count_descriptors(), before);
}

/* At most the one ring that the thread keeps for itself. */
Test(ring_setup, probing_again_and_again_leaves_one_ring_at_most)
{
	static const unsigned flags[] = { 0, NO_SQARRAY, NO_DESCRIPTOR, OWN_TASKS, COOPERATION };
	unsigned before = count_descriptors();
	struct dftio_probe p = { 0 };

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
			refused_flags = flags[i];
			registration_is_refused = round % 2;
			cr_assert(uring()->probe(&p), "%s", p.reason);
			cr_assert_eq(count_descriptors(), before + dftio__fdown_count);
			cr_assert_leq(dftio__fdown_count, 1);
		}
	}
}
#else
Test(ring_setup, is_built)
{
	cr_skip_test("built without io_uring");
}
#endif
