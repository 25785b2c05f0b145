/* SPDX-License-Identifier: MIT */
/*
 * Promises of a ring: it works with whatever the kernel has of io_uring, and says why where it has not enough.
 *
 * The kernel is made older, poorer or stricter by faults in the table of real calls.
 *
 * Owns:    the faults, set by a test before it starts what meets them.
 * Threads: those that open a lane and end; they hand their findings to the test, which alone asserts.
 * Never:   concludes anything about a machine that has no io_uring: there the cases are skipped.
 */
#include "unit.h"
#include "config.h"
#include "fdown.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#if DFTIO_HAVE_URING
#include "uring_faults.h"
#include "../../backends/uring_ring.h"

#include <liburing.h>
#include <sys/syscall.h>

#define NO_SQARRAY    (1U << 16)
#define NO_DESCRIPTOR (1U << 14 | 1U << 15)
#define OWN_TASKS     (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
#define EVERY_FLAG    (NO_SQARRAY | NO_DESCRIPTOR | OWN_TASKS | IORING_SETUP_COOP_TASKRUN)
/* No rungs of their own: how completions are told, and what the queue's length may be. */
#define ANY_SETUP         (IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CLAMP)
#define REGISTER_RING_FDS 20

struct visit {
	int fd;
	unsigned descriptors; /* open while the lane was */
	unsigned ours;
	bool right, by_ring;
	int64_t attempt, native; /* of a read that never waits: by the engine, by the kernel's own call */
	bool attempt_right;
};

/* A thread's life: it opens a lane by using it, and ends. */
static void *visit(void *arg)
{
	struct visit *v = arg;
	unsigned char buf[512] = {0}, native[512];
	struct iovec iov = {native, sizeof(native)};
	struct dftio_op op;

	v->right = pread_is_right(&op, v->fd, 4096, 100);
	v->by_ring = op.carrier == DFTIO_BY_BACKEND;
	v->descriptors = open_descriptors();
	v->ours = load_relaxed(&dftio__fdown_count);
	dftio__op_init_rw(&op, DFTIO_OP_PREAD, v->fd, buf, sizeof(buf), 100);
	v->attempt = dftio__engine_attempt(&op, __builtin_frame_address(0));
	v->native = preadv2(v->fd, &iov, 1, 100, RWF_NOWAIT);
	if (v->native < 0)
		v->native = -errno;
	v->attempt_right = v->attempt != sizeof(buf) || is_pattern(buf, sizeof(buf), 100);
	return NULL;
}

/* Asked of the kernel itself. Where a ring would need memory of ours, EFAULT says that the flags are known. */
static void need_setup_flags(unsigned flags)
{
	struct io_uring_params p = {.flags = flags};
	int fd = (int)syscall(__NR_io_uring_setup, 2, &p);

	if (fd < 0 && !((flags & NO_DESCRIPTOR) && errno == EFAULT))
		cr_skip_test("the machine's kernel has no rings with flags 0x%x: %s", flags, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/*
 * Each thread gets a ring with these flags, and none that were refused; `kept` descriptors go with it. Where rings have
 * a descriptor there are no attempts: a child forked by a handler could not be kept out of it.
 */
static void works_with(unsigned flags, unsigned kept)
{
	struct visit v = {.fd = patterned_file(8192)};
	unsigned before, ours;

	need_setup_flags(flags);
	use_backend("io_uring");
	before = open_descriptors();
	ours = load_relaxed(&dftio__fdown_count);
	for (int i = 0; i < 3; i++) {
		uring_faults.last_flags = ~0U;
		on_a_thread(visit, &v);
		cr_assert_eq(
			uring_faults.last_flags & ~ANY_SETUP, flags, "a ring with flags 0x%x", uring_faults.last_flags);
		cr_assert(v.right, "the bytes are other ones");
		cr_assert(v.by_ring, "carried out elsewhere");
		cr_assert_eq(v.descriptors, before + kept);
		cr_assert_eq(v.ours, ours + kept);
		cr_assert(v.attempt_right, "an attempt brought other bytes");
		cr_assert_eq(v.attempt, flags & NO_DESCRIPTOR ? v.native : -EAGAIN);
		cr_assert_eq(open_descriptors(), before, "a thread that ended left a descriptor");
		cr_assert_eq(load_relaxed(&dftio__fdown_count), ours);
	}
}

TestSuite(ring, .timeout = 60, .init = need_uring);

Test(ring, of_a_kernel_that_has_it_all_leaves_no_descriptor)
{
	refuse_flags(0);
	works_with(IORING_SETUP_SINGLE_ISSUER | NO_DESCRIPTOR | NO_SQARRAY, 0);
}

Test(ring, works_without_no_sqarray)
{
	refuse_flags(NO_SQARRAY);
	works_with(IORING_SETUP_SINGLE_ISSUER | NO_DESCRIPTOR, 0);
}

Test(ring, works_where_rings_have_a_descriptor_and_loses_it_once_registered)
{
	refuse_flags(NO_SQARRAY | NO_DESCRIPTOR);
	works_with(IORING_SETUP_SINGLE_ISSUER, 0);
}

Test(ring, works_without_single_issuer)
{
	refuse_flags(NO_SQARRAY | NO_DESCRIPTOR | OWN_TASKS);
	works_with(0, 0);
}

Test(ring, works_without_any_setup_flag)
{
	refuse_flags(EVERY_FLAG);
	works_with(0, 0);
}

Test(ring, keeps_one_descriptor_of_its_own_where_rings_cannot_be_registered)
{
	refuse_flags(NO_SQARRAY | NO_DESCRIPTOR);
	refuse_register(REGISTER_RING_FDS, EINVAL);
	works_with(IORING_SETUP_SINGLE_ISSUER, 1);
}

Test(ring, keeps_one_descriptor_of_its_own_on_the_oldest_kernel_that_will_do)
{
	refuse_flags(EVERY_FLAG);
	refuse_register(REGISTER_RING_FDS, EINVAL);
	works_with(0, 1);
}

/* A task registers sixteen rings at most: one that is not given back is missed at the seventeenth. */
static void opens_and_closes_often(unsigned refused)
{
	int fd = patterned_file(8192);
	struct dftio_op op;
	unsigned before;

	refuse_flags(refused);
	use_backend("io_uring");
	before = open_descriptors();
	for (int i = 0; i < 40; i++) {
		use_backend("io_uring");
		cr_assert(pread_is_right(&op, fd, 4096, 0));
		cr_assert_eq(op.carrier, DFTIO_BY_BACKEND, "round %d had no ring", i);
	}
	dftio__engine_reset();
	cr_assert_eq(open_descriptors(), before);
}

Test(ring, one_thread_can_open_and_close_any_number_of_rings)
{
	opens_and_closes_often(0);
}

Test(ring, one_thread_can_open_and_close_any_number_of_rings_that_have_a_descriptor)
{
	opens_and_closes_often(NO_SQARRAY | NO_DESCRIPTOR);
}

/* More operations than the ring has entries, all in flight at once as far as there is room. */
static void carries_out_many(int fd, unsigned n)
{
	static struct dftio_op ops[256];
	static struct dftio_waiter waiters[256];
	static unsigned char bufs[256][64];
	struct dftio_sigs s;

	dftio__sigs_block(&s);
	for (unsigned i = 0; i < n; i++) {
		dftio__op_init_rw(&ops[i], DFTIO_OP_PREAD, fd, bufs[i], 64, (int64_t)i * 16);
		dftio__waiter_init_futex(&waiters[i]);
		ops[i].waiter = &waiters[i];
		dftio__engine_submit(&ops[i]);
	}
	for (unsigned i = 0; i < n; i++)
		dftio__engine_wait(&ops[i], &s);
	dftio__sigs_restore(&s);
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(ops[i].res, 64);
		cr_assert_eq(ops[i].carrier, DFTIO_BY_BACKEND);
		cr_assert(is_pattern(bufs[i], 64, (size_t)i * 16));
	}
}

Test(ring, takes_half_the_queue_again_and_again_when_there_is_no_memory_for_it)
{
	int fd = patterned_file(8192);

	refuse_entries(16, ENOMEM);
	dftio__config.queue_depth = 256;
	use_backend("io_uring");
	carries_out_many(fd, 200);
	cr_assert_eq(uring_faults.most_entries, 256U);
	cr_assert_eq(uring_faults.last_entries, 16U);
}

Test(ring, thread_without_memory_for_even_the_smallest_queue_does_without)
{
	struct visit v = {.fd = patterned_file(8192)};
	unsigned before;

	use_backend("io_uring");
	before = open_descriptors();
	refuse_entries(0, ENOMEM);
	on_a_thread(visit, &v);
	cr_assert(v.right);
	cr_assert_not(v.by_ring);
	cr_assert_eq(open_descriptors(), before);
}

/* io_uring is refused: its probe says so, auto takes the next, and nothing is left behind. */
static void is_refused(int error, const char *said)
{
	int fd = patterned_file(8192);
	unsigned before = open_descriptors();
	struct dftio_probe p = {0};
	struct dftio_op op;

	cr_assert_str_eq(dftio__backends[0]->name, "io_uring");
	errno = ANY_ERRNO;
	cr_assert_not(dftio__backends[0]->probe(&p));
	cr_assert_eq(errno, ANY_ERRNO);
	cr_assert_eq(p.error, error);
	cr_assert_not_null(strstr(p.reason, said), "the reason: %s", p.reason);
	cr_assert_str_eq(use_auto(), "epoll");
	cr_assert_not_null(strstr(dftio__engine_why(), p.reason), "why: %s", dftio__engine_why());
	cr_assert(pread_is_right(&op, fd, 4096, 0));
	dftio__engine_reset();
	cr_assert_eq(open_descriptors(), before);
}

Test(ring, setup_refused_with_eperm_is_said_and_auto_takes_the_next)
{
	refuse_setup(EPERM);
	is_refused(EPERM, "EPERM");
}

Test(ring, setup_refused_with_enosys_is_said_and_auto_takes_the_next)
{
	refuse_setup(ENOSYS);
	is_refused(ENOSYS, "ENOSYS");
}

Test(ring, no_memory_for_any_ring_is_said_with_the_limit_to_raise)
{
	refuse_setup(ENOMEM);
	is_refused(ENOMEM, "RLIMIT_MEMLOCK");
}

Test(ring, sandbox_that_refuses_only_enter_is_found_out_by_the_probe)
{
	refuse_enter(EPERM);
	is_refused(EPERM, "EPERM");
}

Test(ring, sandbox_that_refuses_only_enter_is_found_out_where_rings_have_a_descriptor)
{
	refuse_flags(NO_SQARRAY | NO_DESCRIPTOR);
	refuse_enter(EPERM);
	is_refused(EPERM, "EPERM");
}

Test(ring, named_backend_that_is_refused_says_why_and_the_real_calls_are_made)
{
	int fd = patterned_file(8192);
	struct dftio_op op;

	refuse_setup(EPERM);
	dftio__config.log_level = DFTIO_LOG_ERROR;
	dftio__engine_reset();
	strcpy(dftio__config.backend, "io_uring");
	dftio__config.backend_forced = true;
	cr_assert_str_eq(dftio__engine_backend()->name, "sync");
	cr_assert_not_null(strstr(dftio__engine_why(), "DFTIO_BACKEND=io_uring cannot start"));
	cr_assert_not_null(strstr(dftio__engine_why(), "EPERM"));
	cr_assert(pread_is_right(&op, fd, 4096, 0));
}

/* A program may lock itself in after its first operations. */
Test(ring, that_is_refused_later_on_loses_no_operation)
{
	int fd = patterned_file(8192);
	struct dftio_op op;

	use_backend("io_uring");
	cr_assert(pread_is_right(&op, fd, 4096, 0));
	cr_assert_eq(op.carrier, DFTIO_BY_BACKEND);
	refuse_enter(EPERM);
	for (int i = 0; i < 100; i++) {
		cr_assert(pread_is_right(&op, fd, 4096, (size_t)i));
		cr_assert_neq(op.carrier, DFTIO_BY_BACKEND);
	}
}

#endif
