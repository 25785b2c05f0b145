/* SPDX-License-Identifier: MIT */
/*
 * What is promised of every read of a file: read, pread, readv, preadv.
 *
 * Owns:    nothing; files are each case's own.
 * Threads: a test's first.
 * Never:   reads more than a few MiB.
 */
#include "promise.h"
#include "fdinfo.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

static bool is_positional(enum dftio_op_code code)
{
	return !(dftio__op_descs[code].traits & DFTIO_T_MOVES_POS);
}

static void stops_at_the_end_of_the_file(enum dftio_op_code code)
{
	struct pair f = file_pair(100, O_RDONLY);

	cr_assert_eq(both_read(code, f, 64, 0), 64);
	cr_assert_eq(both_read(code, f, 64, 64), 36);
	cr_assert_eq(both_read(code, f, 64, 100), 0);
	same_file(f);
}
EACH_READER(stops_at_the_end_of_the_file)

static void past_the_end_is_0(enum dftio_op_code code)
{
	struct pair f = file_pair(100, O_RDONLY);

	seek_both(f, 5000);
	cr_assert_eq(both_read(code, f, 64, 5000), 0);
	same_position(f);
}
EACH_READER(past_the_end_is_0)

static void of_a_large_file_comes_whole(enum dftio_op_code code)
{
	struct pair f = file_pair(3 * KIB * KIB + 17, O_RDONLY);

	cr_assert_eq(both_read(code, f, BUFFER_SIZE, 0), 3 * KIB * KIB + 17);
	same_file(f);
}
EACH_READER(of_a_large_file_comes_whole)

/* An SQE's 32-bit length would wrap to a false end of file at 4 GiB. */
static void of_more_than_2_gib_is_no_end_of_file(enum dftio_op_code code)
{
	static const size_t lengths[] = { INT_MAX, (size_t)INT_MAX + 1, 0x7ffff000, 0x7ffff001, UINT32_MAX,
		(size_t)1 << 32, ((size_t)1 << 32) + 10 };
	struct pair f = file_pair(100, O_RDONLY);
	char *vast = vast_memory();

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		seek_both(f, 0);
		cr_assert_eq(both_at(code, f, vast, lengths[i], 0), 100, "%zu bytes asked for", lengths[i]);
		same_position(f);
	}
}
EACH_READER(of_more_than_2_gib_is_no_end_of_file)

static void of_more_than_there_can_be_is_refused(enum dftio_op_code code)
{
	static const size_t lengths[] = { SSIZE_MAX, (size_t)SSIZE_MAX + 1, SIZE_MAX - 4096, SIZE_MAX };
	struct pair f = file_pair(100, O_RDONLY);
	char buf[100];

	not_under_valgrind();
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		both_at(code, f, buf, lengths[i], 0);
		same_position(f);
	}
	cr_assert_eq(both_at(code, f, buf, SIZE_MAX, 0), code == DFTIO_OP_READV || code == DFTIO_OP_PREADV ?
		-EINVAL : -EFAULT);
}
EACH_READER(of_more_than_there_can_be_is_refused)

static void of_no_bytes_is_0(enum dftio_op_code code)
{
	struct pair f = file_pair(100, O_RDONLY), w = file_pair(100, O_WRONLY);

	cr_assert_eq(both_read(code, f, 0, 0), 0);
	cr_assert_eq(both_at(code, f, NULL, 0, 0), 0);
	cr_assert_eq(both_read(code, w, 0, 0), -EBADF);
	cr_assert_eq(both_read(code, same_fd(-1), 0, 0), -EBADF);
	same_position(f);
}
EACH_READER(of_no_bytes_is_0)

static void without_read_access_is_ebadf(enum dftio_op_code code)
{
	struct pair f = file_pair(100, O_WRONLY), p = path_pair(".", O_PATH);

	cr_assert_eq(both_read(code, f, 10, 0), -EBADF);
	cr_assert_eq(both_read(code, p, 10, 0), -EBADF);
	same_position(f);
}
EACH_READER(without_read_access_is_ebadf)

static void of_what_is_not_open_is_ebadf(enum dftio_op_code code)
{
	static const int numbers[] = { -1, -100, INT_MIN, INT_MAX, DFTIO_FD_MAX - 1, DFTIO_FD_MAX, DFTIO_FD_MAX + 1 };
	struct pair closed = file_pair(100, O_RDONLY);

	close_pair(closed);
	cr_assert_eq(both_read(code, closed, 10, 0), -EBADF);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		cr_assert_eq(both_read(code, same_fd(numbers[i]), 10, 0), -EBADF);
}
EACH_READER(of_what_is_not_open_is_ebadf)

static void of_a_directory_is_eisdir(enum dftio_op_code code)
{
	struct pair d = path_pair(own_directory(), O_RDONLY | O_DIRECTORY);

	cr_assert_eq(both_read(code, d, 10, 0), -EISDIR);
}
EACH_READER(of_a_directory_is_eisdir)

static void into_a_bad_address_is_efault(enum dftio_op_code code)
{
	struct pair f = file_pair(100, O_RDONLY), m = memory_pair(100);
	char *edge = edge_of_memory();

	not_under_valgrind();
	cr_assert_eq(both_at(code, f, edge, 10, 0), -EFAULT);
	cr_assert_eq(both_at(code, f, NULL, 10, 0), -EFAULT);
	cr_assert_eq(both_at(code, f, (void *)8, 10, 0), -EFAULT);
	cr_assert_eq(both_at(code, f, (void *)(UINTPTR_MAX - 4095), 10, 0), -EFAULT);
	same_file(f);
	seek_both(f, 100);
	cr_assert_eq(both_at(code, f, edge, 10, 100), 0, "at the end nothing is touched");
	seek_both(m, 0);
	cr_assert_eq(both_at(code, m, edge, 10, 0), -EFAULT);
}
EACH_READER(into_a_bad_address_is_efault)

/* What fits comes, and the position moves by as much. */
static void into_half_mapped_memory_is_short(enum dftio_op_code code)
{
	struct pair f = file_pair(64 * KIB, O_RDONLY), m = memory_pair(64 * KIB);
	char *edge = edge_of_memory();

	not_under_valgrind();
	cr_assert_gt(both_at(code, f, edge - 5000, 10000, 0), 0);
	same_position(f);
	seek_both(m, 0);
	cr_assert_gt(both_at(code, m, edge - 5000, 10000, 0), 0);
	same_position(m);
	both_at(code, f, edge - 10, 10000, 0);
	same_position(f);
}
EACH_READER(into_half_mapped_memory_is_short)

static void of_devices_is_what_they_give(enum dftio_op_code code)
{
	struct pair null = path_pair("/dev/null", O_RDONLY), zero = path_pair("/dev/zero", O_RDONLY);
	char *vast = vast_memory();

	cr_assert_eq(both_read(code, null, 100, 0), 0);
	cr_assert_eq(both_read(code, zero, 100 * KIB, 7), 100 * KIB);
	cr_assert_eq(both_at(code, null, vast, VAST, 0), 0);
}
EACH_READER(of_devices_is_what_they_give)

static void of_memory_is_as_of_a_disk(enum dftio_op_code code)
{
	struct pair m = memory_pair(10000);

	seek_both(m, 0);
	cr_assert_eq(both_read(code, m, 6000, 0), 6000);
	cr_assert_eq(both_read(code, m, 6000, 6000), 4000);
	cr_assert_eq(both_read(code, m, 6000, 10000), 0);
	same_file(m);
}
EACH_READER(of_memory_is_as_of_a_disk)

static void of_windows_into_the_kernel(enum dftio_op_code code)
{
	struct pair v = path_pair("/proc/version", O_RDONLY);
	struct pair c = path_pair("/sys/kernel/mm/transparent_hugepage/enabled",
		O_RDONLY);

	cr_assert_eq(both_read(code, v, 5, 0), 5);
	cr_assert_gt(both_read(code, v, 4096, 5), 0);
	cr_assert_gt(both_read(code, c, 4096, 0), 0);
	same_position(v);
}
EACH_READER(of_windows_into_the_kernel)

static void around_the_page_cache(enum dftio_op_code code)
{
	struct pair f = file_pair(64 * KIB + 100, O_RDONLY | O_DIRECT);
	char *aligned = mmap(NULL, 128 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int64_t n;

	n = both_at(code, f, aligned, 32 * KIB, 0);
	cr_assert_eq(n, 32 * KIB);
	same_position(f);
	n = both_at(code, f, aligned, 128 * KIB, 32 * KIB);
	cr_assert_eq(n, 32 * KIB + 100, "short at the end, though the length was aligned");
	same_position(f);
	seek_both(f, 0);
	both_at(code, f, aligned + 1, 4096, 0);
	both_at(code, f, aligned, 100, 0);
	seek_both(f, 7);
	both_at(code, f, aligned, 4096, 7);
	same_position(f);
}
EACH_READER(around_the_page_cache)

static void of_a_nonblocking_file_is_as_ever(enum dftio_op_code code)
{
	struct pair f = file_pair(3 * KIB * KIB, O_RDONLY | O_NONBLOCK);

	for (int side = 0; side < SIDES; side++)
		posix_fadvise(f.fd[side], 0, 0, POSIX_FADV_DONTNEED);
	cr_assert_eq(both_read(code, f, BUFFER_SIZE, 0), 3 * KIB * KIB);
	same_file(f);
}
EACH_READER(of_a_nonblocking_file_is_as_ever)

/* Positional reads leave the position alone; the others start from it and move it, shared with a duplicate. */
static void keeps_to_the_position(enum dftio_op_code code)
{
	struct pair f = file_pair(1000, O_RDONLY), d = { { dup(f.fd[KERNEL]), dup(f.fd[ENGINE]) } };

	seek_both(f, 300);
	cr_assert_eq(both_read(code, f, 100, 50), 100);
	same_position(d);
	cr_assert_eq(both_read(code, d, 100, 50), 100);
	same_position(f);
	cr_assert_eq(lseek(f.fd[ENGINE], 0, SEEK_CUR), is_positional(code) ? 300 : 500);
}
EACH_READER(keeps_to_the_position)

static void at_odd_offsets(enum dftio_op_code code)
{
	static const int64_t offsets[] = { -1, -2, INT64_MIN, INT64_MAX, INT64_MAX - 9, INT64_MAX - 10,
		INT64_C(1) << 32, INT64_C(1) << 43, INT64_C(1) << 44, INT64_C(1) << 62 };
	struct pair f = file_pair(100, O_RDONLY), m = memory_pair(100);

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		both_read(code, f, 10, offsets[i]);
		both_read(code, m, 10, offsets[i]);
		both_read(code, f, 0, offsets[i]);
	}
	cr_assert_eq(both_read(code, f, 10, -1), -EINVAL);
	same_position(f);
}
PROMISE_BY(pread, at_odd_offsets)
PROMISE_BY(preadv, at_odd_offsets)

/* A stream has no offset: a ring would take the bytes and ignore it. */
static void of_a_stream_is_espipe(enum dftio_op_code code)
{
	struct pipe_pair p = make_pipes(0), s = make_sockets(SOCK_STREAM);

	cr_assert_eq(both_write(DFTIO_OP_WRITE, p.out, 10, 0), 10);
	cr_assert_eq(both_write(DFTIO_OP_WRITE, s.out, 10, 0), 10);
	cr_assert_eq(both_read(code, p.in, 10, 0), -ESPIPE);
	cr_assert_eq(both_read(code, s.in, 10, 0), -ESPIPE);
	cr_assert_eq(both_read(code, p.in, 10, 5), -ESPIPE);
	cr_assert_eq(both_read(DFTIO_OP_READ, p.in, 100, 0), 10, "nothing was taken");
	cr_assert_eq(both_read(DFTIO_OP_READ, s.in, 100, 0), 10, "nothing was taken");
}
PROMISE_BY(pread, of_a_stream_is_espipe)
PROMISE_BY(preadv, of_a_stream_is_espipe)
