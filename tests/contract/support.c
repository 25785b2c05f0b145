/* SPDX-License-Identifier: MIT */
/*
 * Both sides of an operation: the libc call, the engine's, and the comparison of the two.
 *
 * Owns:    the buffers that transfers use.
 * Threads: a test's first; an operation in flight may have one of its own.
 * Never:   goes through the core's table of real calls for the kernel's side.
 */
#include "support.h"
#include "config.h"
#include "direct.h"

#include <criterion/criterion.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define AROUND    64
#define UNTOUCHED 0x5a
#define ANY_ERRNO 4711

static unsigned char sides_buffer[SIDES][BUFFER_SIZE + AROUND];

#if DFTIO_HAVE_URING
/* 0; an errno; or 255, too old. */
static int try_ring(void)
{
	struct io_uring_params p = { 0 };
	unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS | IORING_FEAT_EXT_ARG;

	if (syscall(__NR_io_uring_setup, 2, &p) < 0)
		return errno;
	return (p.features & needed) == needed ? 0 : 255;
}
#endif

/*
 * Why this machine, and not the library, has no io_uring for us; NULL when it has. Found out by a child: closing a ring
 * interrupts the thread that had it, and this one shall see what the library does to it.
 */
static const char *machine_refuses_uring(void)
{
#if DFTIO_HAVE_URING
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(try_ring());
	waitpid(child, &status, 0);
	if (WEXITSTATUS(status) == 255)
		return "the kernel is older than 5.11";
	return WEXITSTATUS(status) ? strerror(WEXITSTATUS(status)) : NULL;
#else
	return "built without it";
#endif
}

/*
 * Criterion's own limit of time does not reach a process that blocks its signals, as every wait of ours does.
 * (Children have no timers of their parent's: see die_with_parent.)
 */
static void kill_after(int seconds)
{
	struct sigevent how = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	struct itimerspec when = { .it_value = { seconds, 0 } };
	timer_t timer;

	cr_assert_eq(timer_create(CLOCK_MONOTONIC, &how, &timer), 0);
	cr_assert_eq(timer_settime(timer, 0, &when, NULL), 0);
}

void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void contract_start(void)
{
	const char *wanted = getenv("TEST_BACKEND"), *refused;

	kill_after(PATIENCE);
	cr_assert_not_null(wanted, "TEST_BACKEND names the backend: sync, threadpool, epoll, io_uring");
	snprintf(dftio__config.backend, sizeof(dftio__config.backend), "%s", wanted);
	dftio__config.backend_forced = true;
	if (strcmp(wanted, "io_uring") == 0 && (refused = machine_refuses_uring()))
		cr_skip_test("no io_uring on this machine: %s", refused);
	cr_assert_str_eq(dftio__engine_backend()->name, wanted, "%s", dftio__engine_why());
}

bool backend_is_in_place(void)
{
	return dftio__engine_backend()->in_place;
}

int64_t call_kernel(const struct dftio_op *op)
{
	return direct_call(op);
}

/* With TEST_SOLE every file is treated as the preload treats those that nobody else can have. */
static void mark_sole(struct dftio_op *op)
{
	struct stat st;

	if (getenv("TEST_SOLE") && (dftio__op_desc(op)->traits & DFTIO_T_FD) && fstat(op->fd, &st) == 0 &&
		S_ISREG(st.st_mode))
		op->flags |= DFTIO_OPF_FILE | DFTIO_OPF_SOLE;
}

int64_t call_engine(struct dftio_op *op)
{
	int64_t r;

	mark_sole(op);
	errno = ANY_ERRNO;
	r = dftio__engine_run(op);
	cr_assert_eq(errno, ANY_ERRNO, "%s changed errno to %d", dftio__op_desc(op)->name, errno);
	cr_assert_eq(r, op->res);
	cr_assert_eq(dftio__op_state(op), DFTIO_OPS_DONE);
	return r;
}

int64_t call_side(enum side side, struct dftio_op *op)
{
	return side == KERNEL ? call_kernel(op) : call_engine(op);
}

static int64_t agree(const struct dftio_op *op, const int64_t r[SIDES])
{
	cr_assert_eq(r[ENGINE], r[KERNEL], "%s: the kernel says %lld, the engine %lld", dftio__op_desc(op)->name,
		(long long)r[KERNEL], (long long)r[ENGINE]);
	return r[KERNEL];
}

int64_t both(struct pair fd, const struct dftio_op *op)
{
	int64_t r[SIDES];

	for (int side = 0; side < SIDES; side++) {
		struct dftio_op mine;

		memcpy(&mine, op, sizeof(mine));
		mine.fd = fd.fd[side];
		r[side] = call_side((enum side)side, &mine);
	}
	return agree(op, r);
}

void make_transfer(struct dftio_op *op, enum dftio_op_code code, int fd, const void *buf, size_t len, int64_t offset,
	struct iovec *iov)
{
	if (dftio__op_descs[code].traits & DFTIO_T_VECTOR) {
		iov->iov_base = (void *)(uintptr_t)buf;
		iov->iov_len = len;
		dftio__op_init_v(op, code, fd, iov, 1, offset, 0);
	} else {
		dftio__op_init_rw(op, code, fd, buf, len, offset);
	}
}

int64_t both_at(enum dftio_op_code code, struct pair fd, const void *buf, size_t len, int64_t offset)
{
	struct dftio_op op;
	struct iovec iov;

	make_transfer(&op, code, -1, buf, len, offset, &iov);
	return both(fd, &op);
}

static int64_t transfer(enum dftio_op_code code, struct pair fd, size_t len, int64_t offset, int flags)
{
	bool reads = dftio__op_descs[code].traits & DFTIO_T_IN;
	struct dftio_op op;
	struct iovec iov;
	int64_t r[SIDES];

	cr_assert_leq(len, BUFFER_SIZE);
	for (int side = 0; side < SIDES; side++) {
		if (reads)
			memset(sides_buffer[side], UNTOUCHED, len + AROUND);
		else
			fill_pattern(sides_buffer[side], len, 0);
		make_transfer(&op, code, fd.fd[side], sides_buffer[side], len, offset, &iov);
		if (flags)
			op.arg.rw.flags = flags;
		r[side] = call_side((enum side)side, &op);
	}
	if (reads)
		cr_assert_eq(memcmp(sides_buffer[KERNEL], sides_buffer[ENGINE], len + AROUND), 0,
			"%s brought other bytes", dftio__op_descs[code].name);
	return agree(&op, r);
}

int64_t both_read(enum dftio_op_code code, struct pair fd, size_t len, int64_t offset)
{
	return transfer(code, fd, len, offset, 0);
}

int64_t both_write(enum dftio_op_code code, struct pair fd, size_t len, int64_t offset)
{
	return transfer(code, fd, len, offset, 0);
}

int64_t both_recv(struct pair fd, size_t len, int flags)
{
	return transfer(DFTIO_OP_RECV, fd, len, 0, flags);
}

int64_t both_send(struct pair fd, size_t len, int flags)
{
	return transfer(DFTIO_OP_SEND, fd, len, 0, flags);
}

static void *fly(void *arg)
{
	struct flight *f = arg;

	f->op.waiter = NULL;
	dftio__engine_run(&f->op);
	return NULL;
}

void take_off(struct flight *f)
{
	f->has_thread = backend_is_in_place();
	if (f->has_thread) {
		cr_assert_eq(pthread_create(&f->thread, NULL, fly, f), 0);
		return;
	}
	dftio__waiter_init_futex(&f->waiter);
	f->op.waiter = &f->waiter;
	dftio__engine_submit(&f->op);
}

int64_t land(struct flight *f)
{
	if (f->has_thread)
		pthread_join(f->thread, NULL);
	else
		dftio__engine_wait(&f->op, NULL);
	return f->op.res;
}

bool is_in_flight(const struct flight *f)
{
	return !f->has_thread && !dftio__waiter_done(&f->waiter);
}
