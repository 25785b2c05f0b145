/* SPDX-License-Identifier: MIT */
/*
 * sendfile and copy_file_range: two descriptors, two offsets.
 *
 * Owns:    nothing.
 * Threads: a test's first; a drain.
 * Never:   lets a copy grow past a few MiB.
 */
#include "promise.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define AT_POSITION INT64_MIN /* no offset is given */

static int64_t both_copy(enum dftio_op_code code, struct pair in, struct pair out, int64_t in_off, int64_t out_off,
	size_t len, unsigned flags)
{
	int64_t r[SIDES], ends[SIDES][2];

	for (int side = 0; side < SIDES; side++) {
		struct dftio_op op;

		ends[side][0] = in_off;
		ends[side][1] = out_off;
		dftio__op_init(&op, code, out.fd[side]);
		op.arg.copy.in = in.fd[side];
		op.arg.copy.in_off = in_off == AT_POSITION ? NULL : &ends[side][0];
		op.arg.copy.out_off = out_off == AT_POSITION ? NULL : &ends[side][1];
		op.arg.copy.len = len;
		op.arg.copy.flags = flags;
		r[side] = call_side((enum side)side, &op);
	}
	cr_assert_eq(r[ENGINE], r[KERNEL], "the kernel says %lld, the engine %lld", (long long)r[KERNEL],
		(long long)r[ENGINE]);
	cr_assert_eq(ends[ENGINE][0], ends[KERNEL][0], "another offset in");
	cr_assert_eq(ends[ENGINE][1], ends[KERNEL][1], "another offset out");
	return r[KERNEL];
}

static int64_t send_some(struct pair in, struct pair out, int64_t off, size_t len)
{
	return both_copy(DFTIO_OP_SENDFILE, in, out, off, AT_POSITION, len, 0);
}

PROMISE(sendfile, copies_from_file_to_file)
{
	struct pair in = file_pair(10000, O_RDONLY), out = file_pair(100, O_RDWR);

	cr_assert_eq(send_some(in, out, AT_POSITION, 6000), 6000);
	same_position(in);
	cr_assert_eq(send_some(in, out, AT_POSITION, 6000), 4000);
	cr_assert_eq(send_some(in, out, AT_POSITION, 6000), 0);
	cr_assert_eq(send_some(in, out, 500, 1000), 1000);
	cr_assert_eq(send_some(in, out, 20000, 1000), 0);
	cr_assert_eq(send_some(in, out, AT_POSITION, 0), 0);
	same_position(in);
	same_file(out);
}

PROMISE(sendfile, of_more_than_2_gib_is_no_end_of_file)
{
	struct pair in = file_pair(10000, O_RDONLY), out = file_pair(0, O_RDWR);

	cr_assert_eq(send_some(in, out, 0, VAST), 10000);
	cr_assert_eq(send_some(in, out, 0, (size_t)1 << 32), 10000);
	send_some(in, out, 0, SIZE_MAX);
	same_file(out);
}

PROMISE(sendfile, says_what_is_wrong)
{
	struct pair in = file_pair(10000, O_RDONLY), w = file_pair(10, O_WRONLY), append = file_pair(10,
		O_RDWR | O_APPEND), out = file_pair(10, O_RDWR);
	struct pipe_pair p = make_pipes(O_NONBLOCK);
	struct dftio_op op;

	cr_assert_eq(send_some(w, out, AT_POSITION, 10), -EBADF);
	cr_assert_eq(send_some(in, in, AT_POSITION, 10), -EBADF);
	cr_assert_eq(send_some(same_fd(-1), out, AT_POSITION, 10), -EBADF);
	cr_assert_eq(send_some(in, same_fd(-1), AT_POSITION, 10), -EBADF);
	cr_assert_eq(send_some(in, append, AT_POSITION, 10), -EINVAL);
	cr_assert_eq(send_some(in, out, -1, 10), -EINVAL);
	cr_assert_eq(send_some(p.in, out, 0, 10), -ESPIPE);
	send_some(p.in, out, AT_POSITION, 10);
	send_some(path_pair(".", O_RDONLY), out, AT_POSITION, 10);
	same_file(out);
	not_under_valgrind();
	dftio__op_init(&op, DFTIO_OP_SENDFILE, out.fd[KERNEL]);
	op.arg.copy.in = in.fd[KERNEL];
	op.arg.copy.in_off = (int64_t *)(void *)edge_of_memory();
	op.arg.copy.len = 10;
	cr_assert_eq(both(out, &op), -EFAULT);
}

PROMISE(sendfile, to_a_stream_that_does_not_wait)
{
	struct pipe_pair p = make_pipes(O_NONBLOCK), s = make_sockets(SOCK_STREAM | SOCK_NONBLOCK);
	struct pair in = file_pair(3 * KIB * KIB, O_RDONLY);

	cr_assert_gt(send_some(in, p.out, 0, 3 * KIB * KIB), 0);
	cr_assert_eq(send_some(in, p.out, 0, 10), -EAGAIN);
	cr_assert_gt(send_some(in, s.out, 0, 3 * KIB * KIB), 0);
	cr_assert_gt(both_read(DFTIO_OP_READ, p.in, BUFFER_SIZE, 0), 0);
}

PROMISE(sendfile, to_a_slow_reader_goes_to_the_end)
{
	struct pair in = file_pair(2 * KIB * KIB, O_RDONLY);
	struct pipe_pair p = make_tcp(0);
	struct flight f = { .has_thread = false };
	struct drain d;

	dftio__op_init(&f.op, DFTIO_OP_SENDFILE, p.out.fd[ENGINE]);
	f.op.arg.copy.in = in.fd[ENGINE];
	f.op.arg.copy.in_off = NULL;
	f.op.arg.copy.len = 2 * KIB * KIB;
	take_off(&f);
	drain_start(&d, p.in.fd[ENGINE], 2 * KIB * KIB);
	cr_assert_eq(land(&f), 2 * KIB * KIB);
	drain_join(&d);
}

static int64_t copy_some(struct pair in, struct pair out, int64_t in_off, int64_t out_off, size_t len, unsigned flags)
{
	return both_copy(DFTIO_OP_COPY_FILE_RANGE, in, out, in_off, out_off, len, flags);
}

PROMISE(copy_file_range, copies_at_both_offsets)
{
	struct pair in = file_pair(10000, O_RDONLY), out = file_pair(100, O_RDWR);

	if (copy_some(in, out, 100, 5000, 3000, 0) == -ENOSYS)
		cr_skip_test("no copy_file_range on this kernel");
	cr_assert_eq(copy_some(in, out, AT_POSITION, AT_POSITION, 3000, 0), 3000);
	cr_assert_eq(copy_some(in, out, 9000, AT_POSITION, 3000, 0), 1000);
	cr_assert_eq(copy_some(in, out, 20000, AT_POSITION, 3000, 0), 0);
	cr_assert_eq(copy_some(in, out, AT_POSITION, 100000, 0, 0), 0);
	copy_some(in, out, 0, 0, VAST, 0);
	same_position(in);
	same_file(out);
}

PROMISE(copy_file_range, says_what_is_wrong)
{
	struct pair in = file_pair(10000, O_RDONLY), w = file_pair(10, O_WRONLY), rw = file_pair(10000, O_RDWR),
		append = file_pair(10, O_RDWR | O_APPEND), out = file_pair(10, O_RDWR);

	cr_assert_eq(copy_some(w, out, 0, 0, 10, 0), -EBADF);
	cr_assert_eq(copy_some(in, in, 0, 5000, 10, 0), -EBADF);
	cr_assert_eq(copy_some(in, append, 0, 0, 10, 0), -EBADF);
	cr_assert_eq(copy_some(in, out, 0, 0, 10, 1), -EINVAL);
	cr_assert_eq(copy_some(rw, rw, 0, 50, 100, 0), -EINVAL, "they overlap");
	cr_assert_eq(copy_some(rw, rw, 0, 5000, 100, 0), 100);
	cr_assert_lt(copy_some(in, out, -1, 0, 10, 0), 0);
	cr_assert_lt(copy_some(in, out, 0, -1, 10, 0), 0);
	cr_assert_eq(copy_some(in, make_pipes(0).out, AT_POSITION, AT_POSITION, 10, 0), -EINVAL);
	cr_assert_eq(copy_some(path_pair(".", O_RDONLY), out, 0, 0, 10, 0), -EISDIR);
	cr_assert_eq(copy_some(same_fd(-1), out, 0, 0, 10, 0), -EBADF);
	cr_assert_eq(copy_some(in, same_fd(-1), 0, 0, 10, 0), -EBADF);
	same_file(rw);
	same_file(out);
}
