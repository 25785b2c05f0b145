/* SPDX-License-Identifier: MIT */
/*
 * What the real call says reaches the owner, exactly once: each fault at the k-th call, for every k.
 *
 * Owns:    hooks in the table of real calls.
 * Threads: a test's first, the pool's.
 * Never:   hides a fault by asking again.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CALLS 5
#define LEN   1000

static const char *const backends[] = { "sync", "threadpool", "epoll", "io_uring" };

static _Atomic unsigned calls, fault_at;
static int fault; /* an errno value, or SHORT */
#define SHORT 10000

static bool is_faulty(void)
{
	return atomic_fetch_add(&calls, 1) + 1 == fault_at;
}

static size_t cut(size_t len, bool faulty)
{
	return faulty && fault == SHORT ? len / 3 : len;
}

static bool refused(bool faulty)
{
	if (!faulty || fault == SHORT)
		return false;
	errno = fault;
	return true;
}

static ssize_t faulty_read(int fd, void *buf, size_t len)
{
	bool f = is_faulty();

	return refused(f) ? -1 : read(fd, buf, cut(len, f));
}

static ssize_t faulty_write(int fd, const void *buf, size_t len)
{
	bool f = is_faulty();

	return refused(f) ? -1 : write(fd, buf, cut(len, f));
}

static ssize_t faulty_pread(int fd, void *buf, size_t len, int64_t offset)
{
	bool f = is_faulty();

	return refused(f) ? -1 : pread(fd, buf, cut(len, f), offset);
}

static ssize_t faulty_pwrite(int fd, const void *buf, size_t len, int64_t offset)
{
	bool f = is_faulty();

	return refused(f) ? -1 : pwrite(fd, buf, cut(len, f), offset);
}

static int faulty_fsync(int fd)
{
	return refused(is_faulty()) ? -1 : fsync(fd);
}

static int64_t faulty_lseek(int fd, int64_t offset, int whence)
{
	return refused(is_faulty()) ? -1 : lseek(fd, offset, whence);
}

static void install_faults(void)
{
	dftio__sys.read = faulty_read;
	dftio__sys.write = faulty_write;
	dftio__sys.pread = faulty_pread;
	dftio__sys.pwrite = faulty_pwrite;
	dftio__sys.fsync = faulty_fsync;
	dftio__sys.lseek = faulty_lseek;
}

TestSuite(faults, .init = kill_when_stuck);

/* Whether the backend makes this call through the table: a ring does it by itself. */
static bool makes_the_call(enum dftio_op_code code)
{
	return strcmp(dftio__engine_backend()->name, "io_uring") != 0 || code == DFTIO_OP_LSEEK ||
		code == DFTIO_OP_READ || code == DFTIO_OP_WRITE;
}

static int64_t expected(bool faulty, bool moves)
{
	if (!faulty)
		return moves ? LEN : 0;
	return fault == SHORT ? (moves ? LEN / 3 : 0) : -fault;
}

static void one_sequence(enum dftio_op_code code, int fd, unsigned k)
{
	bool moves = dftio__op_descs[code].traits & (DFTIO_T_IN | DFTIO_T_OUT);
	struct dftio_op op[CALLS];
	char buf[LEN];

	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	calls = 0;
	fault_at = k;
	for (unsigned i = 0; i < CALLS; i++) {
		memset(buf, 'x', sizeof(buf));
		dftio__op_init_rw(&op[i], code, fd, buf, LEN, 0);
		if (code == DFTIO_OP_LSEEK)
			op[i].arg.seek.whence = SEEK_SET;
		cr_assert_eq(dftio__engine_run(&op[i]), expected(i + 1 == k, moves), "%s %u of %u: %lld",
			dftio__op_descs[code].name, i + 1, k, (long long)op[i].res);
	}
	cr_assert_eq(calls, CALLS, "%s was called %u times", dftio__op_descs[code].name, calls);
}

static void each_reaches_its_owner(enum dftio_op_code code, int error)
{
	for (size_t b = 0; b < ARRAY_SIZE(backends); b++) {
		int fd = make_file(LEN * 10);

		if (strcmp(backends[b], "io_uring") == 0 && no_uring_here())
			continue; /* the suite that is run for each backend says so */
		use_backend(backends[b]);
		dftio__engine_reset();
		fault = error;
		if (makes_the_call(code))
			for (unsigned k = 1; k <= CALLS; k++)
				one_sequence(code, fd, k);
		close(fd);
	}
}

static void all_faults(enum dftio_op_code code)
{
	static const int errors[] = { EINTR, EAGAIN, EIO, ENOSPC, EDQUOT, ENOMEM, EINVAL, EBADF, SHORT };

	install_faults();
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		each_reaches_its_owner(code, errors[i]);
}

Test(faults, of_read_reach_the_owner_once)
{
	all_faults(DFTIO_OP_READ);
}

Test(faults, of_write_reach_the_owner_once)
{
	all_faults(DFTIO_OP_WRITE);
}

Test(faults, of_pread_reach_the_owner_once)
{
	all_faults(DFTIO_OP_PREAD);
}

Test(faults, of_pwrite_reach_the_owner_once)
{
	all_faults(DFTIO_OP_PWRITE);
}

Test(faults, of_fsync_reach_the_owner_once)
{
	all_faults(DFTIO_OP_FSYNC);
}

Test(faults, of_lseek_reach_the_owner_once)
{
	all_faults(DFTIO_OP_LSEEK);
}

static int failing_epoll_wait(int epfd, struct epoll_event *ev, int max, int timeout_ms)
{
	static unsigned n;

	if (n++ % 3 == 0) {
		errno = EINTR;
		return -1;
	}
	return epoll_wait(epfd, ev, max, timeout_ms);
}

Test(faults, of_the_poller_are_not_the_operations)
{
	struct dftio_waiter w;
	struct dftio_op op;
	int p[2];
	char c;

	use_backend("epoll");
	dftio__sys.epoll_wait = failing_epoll_wait;
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(pipe(p), 0);
		dftio__op_init_rw(&op, DFTIO_OP_READ, p[0], &c, 1, 0);
		dftio__waiter_init_futex(&w);
		op.waiter = &w;
		dftio__engine_submit(&op);
		cr_assert_eq(write(p[1], "x", 1), 1);
		cr_assert_eq(dftio__engine_wait(&op, NULL), 1);
		close(p[0]);
		close(p[1]);
	}
}

static unsigned arms_refused;

static int refusing_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	if (arms_refused) {
		arms_refused--;
		errno = ENOSPC; /* max_user_watches */
		return -1;
	}
	return epoll_ctl(epfd, op, fd, ev);
}

/* What cannot be armed is waited for by a thread. */
Test(faults, of_arming_send_the_operation_to_the_pool)
{
	struct dftio_waiter w[3];
	struct dftio_op op[3];
	char c[3] = "";
	int p[2];

	use_backend("epoll");
	dftio__sys.epoll_ctl = refusing_epoll_ctl;
	for (unsigned refused_arms = 1; refused_arms <= 6; refused_arms++) {
		cr_assert_eq(pipe(p), 0);
		arms_refused = refused_arms;
		for (int i = 0; i < 3; i++) {
			dftio__op_init_rw(&op[i], DFTIO_OP_READ, p[0], &c[i], 1, 0);
			dftio__waiter_init_futex(&w[i]);
			op[i].waiter = &w[i];
			dftio__engine_submit(&op[i]);
		}
		for (int i = 0; i < 3; i++)
			cr_assert_eq(write(p[1], &"xyz"[i], 1), 1);
		for (int i = 0; i < 3; i++)
			cr_assert_eq(dftio__engine_wait(&op[i], NULL), 1);
		cr_assert_eq(c[0] + c[1] + c[2], 'x' + 'y' + 'z', "each byte came once");
		close(p[0]);
		close(p[1]);
	}
}

static int no_poller(int flags)
{
	(void)flags;
	errno = EMFILE;
	return -1;
}

Test(faults, of_making_a_poller_leave_the_operation_to_the_pool)
{
	struct dftio_op op;
	int p[2];
	char c;

	use_backend("epoll");
	cr_assert_str_eq(dftio__engine_backend()->name, "epoll");
	dftio__sys.epoll_create1 = no_poller;
	cr_assert_eq(pipe(p), 0);
	cr_assert_eq(write(p[1], "x", 1), 1);
	dftio__op_init_rw(&op, DFTIO_OP_READ, p[0], &c, 1, 0);
	cr_assert_eq(dftio__engine_run(&op), 1);
	cr_assert_neq(op.carrier, DFTIO_BY_BACKEND);
}
