/* SPDX-License-Identifier: MIT */
/*
 * Faults of io_uring's three system calls.
 *
 * Owns:    the faults, and three entries of the table of real calls.
 * Threads: any may meet a fault; they are set while nothing is in flight.
 * Never:   lets the kernel see a call that fails here: it has done nothing.
 */
#include "uring_faults.h"

#if DFTIO_HAVE_URING
#include <liburing.h>
#include <unistd.h>
#include <sys/syscall.h>

#define BY_INDEX (1U << 31)

struct uring_faults uring_faults = {.register_op = -1};

static int fails(int error)
{
	errno = error;
	return -1;
}

static int faulty_setup(unsigned entries, struct io_uring_params *p)
{
	struct uring_faults *f = &uring_faults;
	unsigned flags = p->flags;
	int r;

	if (p->flags & f->refused_flags)
		return fails(EINVAL);
	if (entries > f->most_entries)
		f->most_entries = entries;
	if (f->setup_error && entries > f->max_entries)
		return fails(f->setup_error);
	r = (int)syscall(__NR_io_uring_setup, entries, p);
	if (r >= 0) {
		f->last_entries = entries;
		f->last_flags = flags;
	}
	return r;
}

static int faulty_enter(int fd, unsigned n, unsigned min, unsigned flags, const void *arg, size_t size)
{
	struct uring_faults *f = &uring_faults;

	f->enters++;
	if (f->enter_error && (f->enter_at == 0 || f->enters == f->enter_at)) {
		f->enter_failed++;
		return fails(f->enter_error);
	}
	return (int)syscall(__NR_io_uring_enter, fd, n, min, flags, arg, size);
}

static int faulty_register(int fd, unsigned op, const void *arg, unsigned n)
{
	int kind = (int)(op & ~BY_INDEX), r;

	if (kind == uring_faults.register_op)
		return fails(uring_faults.register_error);
	r = (int)syscall(__NR_io_uring_register, fd, op, arg, n);
	if (r >= 0 && kind == IORING_REGISTER_PROBE) {
		struct io_uring_probe *p = (void *)(uintptr_t)arg;

		for (unsigned i = 0; i < 64 && i <= p->last_op; i++)
			if (uring_faults.masked >> i & 1)
				p->ops[i].flags &= (uint16_t)~IO_URING_OP_SUPPORTED;
	}
	return r;
}

static void install(void)
{
	dftio__sys.io_uring_setup = faulty_setup;
	dftio__sys.io_uring_enter = faulty_enter;
	dftio__sys.io_uring_register = faulty_register;
}

void refuse_flags(unsigned flags)
{
	uring_faults.refused_flags = flags;
	install();
}

void refuse_setup(int error)
{
	refuse_entries(0, error);
}

void refuse_entries(unsigned more_than, int error)
{
	uring_faults.max_entries = more_than;
	uring_faults.setup_error = error;
	install();
}

void refuse_register(int op, int error)
{
	uring_faults.register_op = op;
	uring_faults.register_error = error;
	install();
}

void refuse_enter(int error)
{
	fail_enter_once(error, 0);
}

void fail_enter_once(int error, unsigned k)
{
	uring_faults.enters = uring_faults.enter_failed = 0;
	uring_faults.enter_at = k;
	uring_faults.enter_error = error;
	install();
}

void mask_opcode(unsigned opcode)
{
	uring_faults.masked = opcode < 64 ? UINT64_C(1) << opcode : 0;
	install();
}
#else
struct uring_faults uring_faults;
#endif
