/* SPDX-License-Identifier: MIT */
/*
 * A ring whose kernel is busy, interrupted or lacks an opcode: nothing is lost, nothing is done twice.
 *
 * Owns:    hooks in the table of real calls.
 * Threads: a test's first, the pool's.
 * Never:   lets a fault last: what is refused once is taken the next time.
 */
#include "unit.h"

#if DFTIO_HAVE_URING
#include <fcntl.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE 100000
#define OPS  24

static struct dftio_sys real;
static unsigned enters, fault_at, fault_length;
static int fault;      /* an errno value; 0: nothing is taken, and that is no error */
static int masked = -1; /* an opcode the kernel does not have */

static int enter_with_fault(int fd, unsigned n, unsigned min, unsigned flags, const void *arg, size_t size)
{
	enters++;
	if (fault_at && enters >= fault_at && enters < fault_at + fault_length) {
		errno = fault;
		return fault ? -1 : 0;
	}
	return real.io_uring_enter(fd, n, min, flags, arg, size);
}

static int register_with_mask(int fd, unsigned op, const void *arg, unsigned n)
{
	int r = real.io_uring_register(fd, op, arg, n);

	if (masked >= 0 && (op & ~(1U << 31)) == IORING_REGISTER_PROBE && r == 0) {
		struct io_uring_probe *p = (struct io_uring_probe *)(uintptr_t)arg;

		p->ops[masked].flags = 0;
	}
	return r;
}

static void begin(void)
{
	kill_when_stuck();
	use_backend("io_uring");
	memcpy(&real, &dftio__sys, sizeof(real));
	dftio__sys.io_uring_enter = enter_with_fault;
	dftio__sys.io_uring_register = register_with_mask;
	cr_assert_str_eq(dftio__engine_backend()->name, "io_uring", "%s", dftio__engine_why());
}

TestSuite(ring_faults, .init = begin);

static struct dftio_op ops[OPS];
static struct dftio_waiter waiters[OPS];
static char bufs[OPS][300];

static void submit(int i, enum dftio_op_code code, int fd, size_t len, int64_t offset)
{
	memset(bufs[i], 0, sizeof(bufs[i]));
	dftio__op_init_rw(&ops[i], code, fd, bufs[i], len, offset);
	dftio__waiter_init_futex(&waiters[i]);
	ops[i].waiter = &waiters[i];
	dftio__engine_submit(&ops[i]);
}

/* Reads of a file and, among them, of pipes that are filled when all are off. */
static void everything_arrives(int file)
{
	int p[OPS / 4][2];

	for (int i = 0; i < OPS; i++) {
		if (i % 4 == 3) {
			cr_assert_eq(pipe(p[i / 4]), 0);
			submit(i, DFTIO_OP_READ, p[i / 4][0], 1, 0);
		} else {
			submit(i, DFTIO_OP_PREAD, file, sizeof(bufs[i]), i * 1000);
		}
	}
	for (int i = 3; i < OPS; i += 4)
		cr_assert_eq(write(p[i / 4][1], &"0123456789"[i / 4], 1), 1);
	for (int i = OPS - 1; i >= 0; i--) {
		int64_t r = dftio__engine_wait(&ops[i], NULL);

		if (i % 4 == 3) {
			cr_assert_eq(r, 1, "number %d: %lld", i, (long long)r);
			cr_assert_eq(bufs[i][0], "0123456789"[i / 4]);
			cr_assert_eq(read(p[i / 4][0], bufs[i], 0), 0);
			close(p[i / 4][0]);
			close(p[i / 4][1]);
		} else {
			cr_assert_eq(r, sizeof(bufs[i]), "number %d: %lld", i, (long long)r);
			cr_assert(is_file_content(bufs[i], sizeof(bufs[i]), (size_t)i * 1000));
		}
		memset((void *)&ops[i], 0xee, sizeof(ops[i]));
	}
	for (size_t i = 0; i < sizeof(ops); i++)
		cr_assert_eq(((unsigned char *)ops)[i], 0xee, "one was touched after it was done");
}

static void survives(int error, unsigned length)
{
	int file = make_file(SIZE);

	fault = error;
	fault_length = length;
	for (unsigned k = 1; k <= 20; k++) {
		enters = 0;
		fault_at = k;
		everything_arrives(file);
	}
	fault_at = 0;
	everything_arrives(file);
	close(file);
}

Test(ring_faults, nothing_is_lost_when_the_kernel_is_interrupted)
{
	survives(EINTR, 1);
	survives(EINTR, 5);
}

Test(ring_faults, nothing_is_lost_when_the_kernel_is_out_of_memory)
{
	survives(EAGAIN, 1);
	survives(EAGAIN, 5);
}

Test(ring_faults, nothing_is_lost_when_completions_are_in_the_way)
{
	survives(EBUSY, 1);
	survives(EBUSY, 5);
}

Test(ring_faults, nothing_is_lost_when_the_kernel_takes_none)
{
	survives(0, 1);
	survives(0, 5);
}

Test(ring_faults, nothing_is_lost_when_an_entry_is_refused)
{
	survives(EBADF, 1);
	survives(EINVAL, 1);
	survives(EPERM, 1);
}

Test(ring_faults, a_full_queue_is_no_obstacle)
{
	int file = make_file(SIZE);

	dftio__engine_reset();
	dftio__config.queue_depth = 1;
	/* Chosen before the faults begin: a ring that cannot be tried out is not chosen. */
	cr_assert_str_eq(dftio__engine_backend()->name, "io_uring");
	survives(EAGAIN, 3);
	survives(0, 3);
	close(file);
}

/* Each operation that the ring carries out, whose opcode this kernel might not have. */
static const struct {
	enum dftio_op_code code;
	int opcode;
} column[] = { { DFTIO_OP_READ, IORING_OP_READ }, { DFTIO_OP_PREAD, IORING_OP_READ },
	{ DFTIO_OP_WRITE, IORING_OP_WRITE }, { DFTIO_OP_PWRITE, IORING_OP_WRITE },
	{ DFTIO_OP_READV, IORING_OP_READV }, { DFTIO_OP_PREADV, IORING_OP_READV },
	{ DFTIO_OP_PWRITEV, IORING_OP_WRITEV }, { DFTIO_OP_OPEN, IORING_OP_OPENAT },
	{ DFTIO_OP_CLOSE, IORING_OP_CLOSE }, { DFTIO_OP_FSYNC, IORING_OP_FSYNC },
	{ DFTIO_OP_FDATASYNC, IORING_OP_FSYNC }, { DFTIO_OP_FTRUNCATE, 55 },
	{ DFTIO_OP_SYNC_FILE_RANGE, IORING_OP_SYNC_FILE_RANGE }, { DFTIO_OP_RECV, IORING_OP_RECV },
	{ DFTIO_OP_SEND, IORING_OP_SEND }, { DFTIO_OP_POLL, IORING_OP_POLL_ADD } };

/* On a file, or where it is a stream's operation on a pair of sockets that has something to read. */
static void make_op(struct dftio_op *op, enum dftio_op_code code, int file, const int s[2])
{
	static struct iovec iov = { bufs[0], 10 };
	bool stream = code == DFTIO_OP_READ || code == DFTIO_OP_WRITE || code == DFTIO_OP_READV ||
		code == DFTIO_OP_RECV || code == DFTIO_OP_SEND || code == DFTIO_OP_POLL;
	bool writes = dftio__op_descs[code].traits & DFTIO_T_OUT;
	int fd = stream ? s[writes] : code == DFTIO_OP_CLOSE ? dup(file) : file;

	memset((void *)op, 0, sizeof(*op));
	dftio__op_init(op, code, fd);
	if (dftio__op_descs[code].traits & DFTIO_T_VECTOR) {
		op->arg.v.iov = &iov;
		op->arg.v.iovcnt = 1;
	} else if (code == DFTIO_OP_POLL) {
		op->arg.poll.events = POLLIN;
		op->arg.poll.timeout_ms = -1;
	} else if (code == DFTIO_OP_OPEN) {
		op->arg.open.path = "/dev/null";
		op->arg.open.flags = O_RDONLY;
	} else if (dftio__op_descs[code].traits & (DFTIO_T_IN | DFTIO_T_OUT)) {
		op->arg.rw.buf = bufs[0];
		op->arg.rw.len = 10;
	}
	op->offset = code == DFTIO_OP_FTRUNCATE ? SIZE : 0;
}

/* Whether the result is that of a call that went well. */
static bool went_well(const struct dftio_op *op)
{
	unsigned traits = dftio__op_desc(op)->traits;

	if (op->code == DFTIO_OP_POLL)
		return op->res == POLLIN;
	if (op->code == DFTIO_OP_OPEN)
		return op->res >= 0;
	return op->res == (traits & (DFTIO_T_IN | DFTIO_T_OUT) ? 10 : 0);
}

Test(ring_faults, an_operation_without_its_opcode_goes_to_the_pool)
{
	int file = make_file(SIZE), s[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	for (size_t i = 0; i < ARRAY_SIZE(column); i++) {
		struct dftio_op op;

		cr_assert_eq(write(s[1], bufs[0], 100), 100);
		masked = -1;
		dftio__engine_reset();
		make_op(&op, column[i].code, file, s);
		dftio__engine_run(&op);
		cr_expect(went_well(&op), "%s: %lld", dftio__op_desc(&op)->name, (long long)op.res);
		/* An older kernel does not have it anyway; a result asked for again in place is nobody's. */
		if (op.carrier != DFTIO_BY_BACKEND)
			continue;
		masked = column[i].opcode;
		dftio__engine_reset();
		make_op(&op, column[i].code, file, s);
		dftio__engine_run(&op);
		cr_expect(went_well(&op), "%s: %lld", dftio__op_desc(&op)->name, (long long)op.res);
		cr_expect_eq(op.carrier, DFTIO_BY_POOL, "%s", dftio__op_desc(&op)->name);
	}
}

Test(ring_faults, with_its_opcodes_the_ring_carries_out)
{
	int file = make_file(SIZE);

	cr_assert_eq(run_rw(DFTIO_OP_PREAD, file, bufs[0], 10, 0), 10);
	submit(0, DFTIO_OP_PREAD, file, 10, 0);
	dftio__engine_wait(&ops[0], NULL);
	cr_assert_eq(ops[0].carrier, DFTIO_BY_BACKEND);
}
#else
Test(ring_faults, is_built)
{
	cr_skip_test("built without io_uring");
}
#endif
