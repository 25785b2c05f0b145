/* SPDX-License-Identifier: MIT */
/*
 * Promise: whatever io_uring_enter says at whichever call, every operation is answered rightly, and carried out once.
 *
 * What is carried out twice shows: a read at the file position moves it twice, a byte written to a pipe comes twice.
 *
 * Owns:    one scenario, played with the fault at every call in turn.
 * Threads: the test's own and the pool's.
 * Never:   counts on how many calls the scenario takes: that the fault was met is asserted.
 */
#include "unit.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if DFTIO_HAVE_URING
#include "uring_faults.h"

#define CALLS 20
#define BATCH 8

static void batch_of_preads(int fd)
{
	struct dftio_op ops[BATCH];
	struct dftio_waiter waiters[BATCH];
	unsigned char bufs[BATCH][64];
	struct dftio_sigs s;

	memset(bufs, 0, sizeof(bufs));
	dftio__sigs_block(&s);
	for (unsigned i = 0; i < BATCH; i++) {
		dftio__op_init_rw(&ops[i], DFTIO_OP_PREAD, fd, bufs[i], 64, (int64_t)i * 100);
		dftio__waiter_init_futex(&waiters[i]);
		ops[i].waiter = &waiters[i];
		dftio__engine_submit(&ops[i]);
	}
	for (unsigned i = BATCH; i-- > 0;)
		dftio__engine_wait(&ops[i], &s);
	dftio__sigs_restore(&s);
	for (unsigned i = 0; i < BATCH; i++) {
		cr_assert_eq(ops[i].res, 64);
		cr_assert(is_pattern(bufs[i], 64, (size_t)i * 100));
	}
}

static void reads_at_the_position(int fd)
{
	unsigned char buf[100] = {0};
	struct dftio_op op;

	for (unsigned i = 0; i < BATCH; i++) {
		dftio__op_init_rw(&op, DFTIO_OP_READ, fd, buf, sizeof(buf), 0);
		op.flags = DFTIO_OPF_FILE | DFTIO_OPF_SOLE;
		cr_assert_eq(dftio__engine_run(&op), (int64_t)sizeof(buf));
		cr_assert(is_pattern(buf, sizeof(buf), i * sizeof(buf)));
	}
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), (off_t)(BATCH * sizeof(buf)), "a read was carried out twice");
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
}

static struct {
	_Atomic uint32_t turn; /* reads that are about to be made */
	int in;
} feed;

/* A byte for each read, when it may be waiting already. */
static void *feeder(void *arg)
{
	for (unsigned char i = 0; i < BATCH; i++) {
		await_at_least(&feed.turn, i + 1U);
		if (write(feed.in, &i, 1) != 1)
			return arg;
	}
	return NULL;
}

static void reads_that_wait(void)
{
	struct dftio_op op;
	pthread_t t;
	void *failed;
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	feed.in = fds[1];
	store_relaxed(&feed.turn, 0);
	cr_assert_eq(pthread_create(&t, NULL, feeder, &feed), 0);
	for (unsigned char i = 0; i < BATCH; i++) {
		unsigned char c = 0xff;

		announce(&feed.turn);
		dftio__op_init_rw(&op, DFTIO_OP_READ, fds[0], &c, 1, 0);
		cr_assert_eq(dftio__engine_run(&op), 1);
		cr_assert_eq(c, i, "a byte was lost, or read twice");
	}
	cr_assert_eq(pthread_join(t, &failed), 0);
	cr_assert_null(failed);
	close(fds[0]);
	close(fds[1]);
}

static void writes_to_a_pipe(void)
{
	unsigned char out[BATCH], in[2 * BATCH] = {0};
	struct dftio_op op;
	int fds[2];

	fill_pattern(out, BATCH, 0);
	cr_assert_eq(pipe(fds), 0);
	for (unsigned i = 0; i < BATCH; i++) {
		dftio__op_init_rw(&op, DFTIO_OP_WRITE, fds[1], out + i, 1, 0);
		cr_assert_eq(dftio__engine_run(&op), 1);
	}
	cr_assert_eq(read(fds[0], in, sizeof(in)), BATCH, "a byte was lost, or came twice");
	cr_assert(is_pattern(in, BATCH, 0));
	close(fds[0]);
	close(fds[1]);
}

static void attempts(int fd)
{
	unsigned char buf[64];
	struct dftio_op op;

	for (unsigned i = 0; i < 4; i++) {
		int64_t r;

		memset(buf, 0, sizeof(buf));
		dftio__op_init_rw(&op, DFTIO_OP_PREAD, fd, buf, sizeof(buf), 10 * i);
		r = dftio__engine_attempt(&op, __builtin_frame_address(0));
		cr_assert(r < 0 || (r == 64 && is_pattern(buf, 64, (size_t)10 * i)), "%lld", (long long)r);
	}
}

static void play(int fd)
{
	attempts(fd);
	batch_of_preads(fd);
	reads_at_the_position(fd);
	reads_that_wait();
	writes_to_a_pipe();
	attempts(fd);
}

static void survives_at_every_call(int error, unsigned old)
{
	int fd = patterned_file(4096);

	refuse_flags(old);
	for (unsigned k = 1; k <= CALLS; k++) {
		use_backend("io_uring");
		fail_enter_once(error, k);
		play(fd);
		cr_assert_eq(uring_faults.enter_failed, 1U, "call %u never came", k);
	}
}

/* A read that waits in the ring keeps valgrind from running the thread that would end the wait, until a time-out. */
static void need_threads_at_once(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (preload && strstr(preload, "vgpreload"))
		cr_skip_test("valgrind runs one thread at a time");
	need_uring();
}

/* A kernel whose rings have descriptors, and where completions come by themselves. */
#define OLD_KERNEL (1U << 16 | 1U << 14 | 1U << 15 | 1U << 12 | 1U << 13)

TestSuite(busy, .timeout = 120, .init = need_threads_at_once);

Test(busy, eagain_at_any_call_loses_and_repeats_nothing)
{
	survives_at_every_call(EAGAIN, 0);
}

Test(busy, ebusy_at_any_call_loses_and_repeats_nothing)
{
	survives_at_every_call(EBUSY, 0);
}

Test(busy, eintr_at_any_call_loses_and_repeats_nothing)
{
	survives_at_every_call(EINTR, 0);
}

Test(busy, enomem_at_any_call_loses_and_repeats_nothing)
{
	survives_at_every_call(ENOMEM, 0);
}

Test(busy, eagain_on_an_old_kernel_loses_and_repeats_nothing)
{
	survives_at_every_call(EAGAIN, OLD_KERNEL);
}

Test(busy, ebusy_on_an_old_kernel_loses_and_repeats_nothing)
{
	survives_at_every_call(EBUSY, OLD_KERNEL);
}

Test(busy, eintr_on_an_old_kernel_loses_and_repeats_nothing)
{
	survives_at_every_call(EINTR, OLD_KERNEL);
}

Test(busy, kernel_that_takes_nothing_more_is_done_without)
{
	int fd = patterned_file(4096);

	use_backend("io_uring");
	refuse_enter(EBUSY);
	batch_of_preads(fd);
	reads_at_the_position(fd);
	attempts(fd);
	cr_assert_geq(uring_faults.enter_failed, 2U * BATCH);
}
#endif
