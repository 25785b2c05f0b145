/* SPDX-License-Identifier: MIT */
/*
 * What is promised of vectors: readv, writev, preadv, pwritev; and of the flags of their second versions.
 *
 * Owns:    the vectors of both sides.
 * Threads: a test's first.
 * Never:   more than 1025 elements.
 */
#include "promise.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define MOST  1024
#define BYTES (64 * KIB)

static unsigned char bytes[SIDES][BYTES];
static struct iovec vector[SIDES][MOST + 1];

static int64_t both_vector(enum dftio_op_code code, struct pair fd, int count, int64_t offset, int flags)
{
	int64_t r[SIDES];

	for (int side = 0; side < SIDES; side++) {
		struct dftio_op op;

		dftio__op_init_v(&op, code, fd.fd[side], vector[side], count, offset, flags);
		r[side] = call_side((enum side)side, &op);
	}
	cr_assert_eq(r[ENGINE], r[KERNEL], "%d elements, flags %#x: the kernel says %lld, the engine %lld", count,
		(unsigned)flags, (long long)r[KERNEL], (long long)r[ENGINE]);
	cr_assert_eq(memcmp(bytes[KERNEL], bytes[ENGINE], BYTES), 0, "other bytes");
	return r[KERNEL];
}

/* Elements of `each` bytes, one after the other with a gap of one byte between them. */
static void lay_out(enum dftio_op_code code, size_t each)
{
	for (int side = 0; side < SIDES; side++) {
		memset(bytes[side], 0x77, BYTES);
		if (!(dftio__op_descs[code].traits & DFTIO_T_IN))
			fill_pattern(bytes[side], BYTES, 0);
		for (size_t i = 0; i <= MOST; i++) {
			vector[side][i].iov_base = bytes[side] + (i * (each + 1)) % (BYTES - each - 1);
			vector[side][i].iov_len = each;
		}
	}
}

static void of_as_many_as_there_may_be(enum dftio_op_code code)
{
	struct pair f = file_pair(100 * KIB, O_RDWR);

	lay_out(code, 30);
	cr_assert_eq(both_vector(code, f, MOST, 0, 0), 30 * MOST);
	cr_assert_eq(both_vector(code, f, MOST + 1, 0, 0), -EINVAL);
	same_file(f);
}

static void of_none_is_0(enum dftio_op_code code)
{
	struct pair f = file_pair(100, O_RDWR);
	struct dftio_op op;

	lay_out(code, 30);
	cr_assert_eq(both_vector(code, f, 0, 0, 0), 0);
	dftio__op_init_v(&op, code, -1, NULL, 0, 0, 0);
	cr_assert_eq(both(f, &op), 0);
	cr_assert_eq(both(same_fd(-1), &op), -EBADF);
	same_file(f);
}

static void of_fewer_than_none_is_einval(enum dftio_op_code code)
{
	struct pair f = file_pair(100, O_RDWR);

	lay_out(code, 30);
	cr_assert_eq(both_vector(code, f, -1, 0, 0), -EINVAL);
	cr_assert_eq(both_vector(code, f, INT_MIN, 0, 0), -EINVAL);
	cr_assert_eq(both_vector(code, f, INT_MAX, 0, 0), -EINVAL);
	same_file(f);
}

static void scattered_elements_are_filled_in_order(enum dftio_op_code code)
{
	static const size_t each[] = { 1, 7, 100, 4096 };

	for (size_t i = 0; i < ARRAY_SIZE(each); i++) {
		struct pair f = file_pair(each[i] * 10 + 3, O_RDWR);

		lay_out(code, each[i]);
		both_vector(code, f, 12, 0, 0);
		both_vector(code, f, 3, (int64_t)each[i] * 10, 0);
		same_file(f);
		close_pair(f);
	}
}

static void empty_elements_are_passed_over(enum dftio_op_code code)
{
	struct pair f = file_pair(1000, O_RDWR);

	lay_out(code, 30);
	for (int side = 0; side < SIDES; side++) {
		vector[side][0] = (struct iovec){ NULL, 0 };
		vector[side][2] = (struct iovec){ (void *)8, 0 };
		vector[side][5].iov_len = 0;
	}
	cr_assert_eq(both_vector(code, f, 6, 0, 0), 90);
	same_file(f);
}

static void longer_than_can_be_told_is_einval(enum dftio_op_code code)
{
	struct pair f = file_pair(1000, O_RDWR);

	lay_out(code, 30);
	for (int side = 0; side < SIDES; side++)
		vector[side][3].iov_len = SIZE_MAX;
	cr_assert_eq(both_vector(code, f, 6, 0, 0), -EINVAL);
	same_file(f);
}

static void of_bad_addresses_stops_where_they_begin(enum dftio_op_code code)
{
	struct pair f = file_pair(1000, O_RDWR);
	char *edge = edge_of_memory();
	struct dftio_op op;

	not_under_valgrind();
	dftio__op_init_v(&op, code, -1, (void *)edge, 3, 0, 0);
	cr_assert_eq(both(f, &op), -EFAULT);
	dftio__op_init_v(&op, code, -1, (void *)(edge - sizeof(struct iovec)), 3, 0, 0);
	cr_assert_eq(both(f, &op), -EFAULT);
	lay_out(code, 30);
	for (int side = 0; side < SIDES; side++)
		vector[side][2].iov_base = edge;
	both_vector(code, f, 6, 0, 0);
	same_file(f);
}

static void of_more_than_2_gib_in_all_is_clamped(enum dftio_op_code code)
{
	struct pair f = file_pair(100, O_RDWR), null = path_pair("/dev/null", O_RDWR);
	bool reads = dftio__op_descs[code].traits & DFTIO_T_IN;
	char *vast = vast_memory();

	lay_out(code, 30);
	for (int side = 0; side < SIDES; side++)
		for (int i = 0; i < 3; i++)
			vector[side][i] = (struct iovec){ vast, (size_t)1 << 30 };
	cr_assert_eq(both_vector(code, null, 3, 0, 0), reads ? 0 : 0x7ffff000);
	if (reads)
		cr_assert_eq(both_vector(code, f, 3, 0, 0), 100);
	same_position(f);
}

static void flags_mean_what_they_mean_to_the_kernel(enum dftio_op_code code)
{
	static const int flags[] = { RWF_HIPRI, RWF_DSYNC, RWF_SYNC, RWF_NOWAIT, RWF_APPEND, RWF_APPEND | RWF_DSYNC,
		1 << 20, INT_MIN };
	struct pair f = file_pair(1000, O_RDWR);

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		lay_out(code, 30);
		seek_both(f, 100);
		both_vector(code, f, 4, 200, flags[i]);
		same_file(f);
	}
	lay_out(code, 30);
	cr_assert_eq(both_vector(code, f, 4, 200, 1 << 20), -EOPNOTSUPP);
}

static void of_a_file_without_the_access_is_ebadf(enum dftio_op_code code)
{
	struct pair r = file_pair(1000, O_RDONLY), w = file_pair(1000, O_WRONLY);
	bool reads = dftio__op_descs[code].traits & DFTIO_T_IN;

	lay_out(code, 30);
	cr_assert_eq(both_vector(code, reads ? w : r, 4, 0, 0), -EBADF);
	cr_assert_eq(both_vector(code, reads ? r : w, 4, 0, 0), 120);
	same_position(r);
	same_position(w);
}

#define EACH_VECTOR(what)         \
	PROMISE_BY(readv, what)   \
	PROMISE_BY(writev, what)  \
	PROMISE_BY(preadv, what)  \
	PROMISE_BY(pwritev, what)

EACH_VECTOR(of_as_many_as_there_may_be)
EACH_VECTOR(of_none_is_0)
EACH_VECTOR(of_fewer_than_none_is_einval)
EACH_VECTOR(scattered_elements_are_filled_in_order)
EACH_VECTOR(empty_elements_are_passed_over)
EACH_VECTOR(longer_than_can_be_told_is_einval)
EACH_VECTOR(of_bad_addresses_stops_where_they_begin)
EACH_VECTOR(of_more_than_2_gib_in_all_is_clamped)
EACH_VECTOR(flags_mean_what_they_mean_to_the_kernel)
EACH_VECTOR(of_a_file_without_the_access_is_ebadf)

/* With flags, offset -1 is the position of the file; without, no offset at all. */
PROMISE(preadv, with_flags_at_minus_1_reads_at_the_position)
{
	struct pair f = file_pair(1000, O_RDWR);

	lay_out(DFTIO_OP_PREADV, 30);
	seek_both(f, 100);
	cr_assert_eq(both_vector(DFTIO_OP_PREADV, f, 2, -1, RWF_HIPRI), 60);
	same_file(f);
	cr_assert_eq(both_vector(DFTIO_OP_PREADV, f, 2, -1, 0), -EINVAL);
	cr_assert_eq(both_vector(DFTIO_OP_PREADV, f, 2, -2, RWF_HIPRI), -EINVAL);
}

PROMISE(pwritev, with_flags_at_minus_1_writes_at_the_position)
{
	struct pair f = file_pair(1000, O_RDWR);

	lay_out(DFTIO_OP_PWRITEV, 30);
	seek_both(f, 100);
	cr_assert_eq(both_vector(DFTIO_OP_PWRITEV, f, 2, -1, RWF_DSYNC), 60);
	same_file(f);
	cr_assert_eq(both_vector(DFTIO_OP_PWRITEV, f, 2, -1, 0), -EINVAL);
}

/* A flag is answered at once, also where there is nothing to read. */
PROMISE(readv, flags_on_an_empty_pipe_are_answered_at_once)
{
	struct pipe_pair p = make_pipes(0);

	lay_out(DFTIO_OP_READV, 30);
	cr_assert_eq(both_vector(DFTIO_OP_READV, p.in, 2, 0, RWF_NOWAIT), -EAGAIN);
	cr_assert_eq(both_vector(DFTIO_OP_READV, p.in, 2, 0, 1 << 20), -EOPNOTSUPP);
	cr_assert_eq(both_write(DFTIO_OP_WRITE, p.out, 50, 0), 50);
	cr_assert_eq(both_vector(DFTIO_OP_READV, p.in, 2, 0, RWF_NOWAIT), 50);
}

PROMISE(writev, flags_on_a_full_pipe_are_answered_at_once)
{
	struct pipe_pair p = make_pipes(0);

	lay_out(DFTIO_OP_WRITEV, 30);
	for (int side = 0; side < SIDES; side++)
		fcntl(p.out.fd[side], F_SETPIPE_SZ, 4096);
	cr_assert_eq(both_write(DFTIO_OP_WRITE, p.out, 4096, 0), 4096);
	cr_assert_eq(both_vector(DFTIO_OP_WRITEV, p.out, 2, 0, RWF_NOWAIT), -EAGAIN);
	cr_assert_eq(both_vector(DFTIO_OP_WRITEV, p.out, 2, 0, 1 << 20), -EOPNOTSUPP);
}
