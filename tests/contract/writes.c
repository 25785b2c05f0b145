/* SPDX-License-Identifier: MIT */
/*
 * What is promised of every write of a file: write, pwrite, writev, pwritev.
 *
 * Owns:    nothing; files are each case's own.
 * Threads: a test's first.
 * Never:   fills a disk: vast lengths are cut by a limit.
 */
#include "promise.h"
#include "fdinfo.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void puts_bytes_where_they_belong(enum dftio_op_code code)
{
	struct pair f = file_pair(1000, O_RDWR), m = memory_pair(1000);

	seek_both(f, 300);
	cr_assert_eq(both_write(code, f, 200, 900), 200);
	same_file(f);
	cr_assert_eq(both_write(code, f, 0, 10), 0);
	same_file(f);
	seek_both(m, 300);
	cr_assert_eq(both_write(code, m, 200, 900), 200);
	same_file(m);
}
EACH_WRITER(puts_bytes_where_they_belong)

static void of_much_is_written_whole(enum dftio_op_code code)
{
	struct pair f = file_pair(0, O_RDWR), m = memory_pair(0);

	cr_assert_eq(both_write(code, f, 3 * KIB * KIB + 17, 5), 3 * KIB * KIB + 17);
	cr_assert_eq(both_write(code, m, 3 * KIB * KIB + 17, 5), 3 * KIB * KIB + 17);
	same_file(f);
	same_file(m);
}
EACH_WRITER(of_much_is_written_whole)

static void past_the_end_leaves_a_hole(enum dftio_op_code code)
{
	struct pair f = file_pair(10, O_RDWR);

	seek_both(f, 100000);
	cr_assert_eq(both_write(code, f, 10, 100000), 10);
	same_file(f);
}
EACH_WRITER(past_the_end_leaves_a_hole)

/* Positional ones too, on this kernel. */
static void with_o_append_goes_to_the_end(enum dftio_op_code code)
{
	struct pair f = file_pair(1000, O_RDWR | O_APPEND);

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(both_write(code, f, 100, 0), 100);
		same_position(f);
	}
	same_file(f);
	cr_assert_eq(both_read(DFTIO_OP_PREAD, f, 5000, 0), 1300);
}
EACH_WRITER(with_o_append_goes_to_the_end)

static void without_write_access_is_ebadf(enum dftio_op_code code)
{
	struct pair f = file_pair(100, O_RDONLY), d = path_pair(own_directory(), O_RDONLY), p = path_pair(".", O_PATH);

	cr_assert_eq(both_write(code, f, 10, 0), -EBADF);
	cr_assert_eq(both_write(code, d, 10, 0), -EBADF);
	cr_assert_eq(both_write(code, p, 10, 0), -EBADF);
	cr_assert_eq(both_write(code, f, 0, 0), -EBADF);
	same_file(f);
}
EACH_WRITER(without_write_access_is_ebadf)

static void to_what_is_not_open_is_ebadf(enum dftio_op_code code)
{
	static const int numbers[] = { -1, -100, INT_MIN, INT_MAX, DFTIO_FD_MAX - 1, DFTIO_FD_MAX, DFTIO_FD_MAX + 1 };
	struct pair closed = file_pair(100, O_WRONLY);

	close_pair(closed);
	cr_assert_eq(both_write(code, closed, 10, 0), -EBADF);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		cr_assert_eq(both_write(code, same_fd(numbers[i]), 10, 0), -EBADF);
}
EACH_WRITER(to_what_is_not_open_is_ebadf)

static void from_a_bad_address_is_efault(enum dftio_op_code code)
{
	struct pair f = file_pair(100, O_RDWR), m = memory_pair(100);
	char *edge = edge_of_memory();

	not_under_valgrind();
	cr_assert_eq(both_at(code, f, edge, 10, 0), -EFAULT);
	cr_assert_eq(both_at(code, f, NULL, 10, 0), -EFAULT);
	cr_assert_eq(both_at(code, f, (void *)(UINTPTR_MAX - 4095), 10, 0), -EFAULT);
	cr_assert_eq(both_at(code, m, edge, 10, 0), -EFAULT);
	same_file(f);
	same_file(m);
}
EACH_WRITER(from_a_bad_address_is_efault)

static void from_half_mapped_memory_is_short(enum dftio_op_code code)
{
	struct pair f = file_pair(100, O_RDWR), m = memory_pair(100);
	char *edge = edge_of_memory();

	not_under_valgrind();
	both_at(code, f, edge - 5000, 10000, 0);
	same_file(f);
	both_at(code, m, edge - 5000, 10000, 0);
	same_file(m);
}
EACH_WRITER(from_half_mapped_memory_is_short)

static void limit_files(rlim_t size)
{
	struct rlimit l;

	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = size;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* The limit cuts what would be 2 GiB; what matters is what the length becomes on its way. */
static void of_more_than_2_gib_is_clamped(enum dftio_op_code code)
{
	static const size_t lengths[] = { 0x7ffff001, VAST - 1, VAST };
	struct pair f = file_pair(0, O_RDWR), null = path_pair("/dev/null", O_WRONLY);
	char *vast = vast_memory();

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		cr_assert_eq(both_at(code, null, vast, lengths[i], 0), 0x7ffff000, "%zu", lengths[i]);
	ignore(SIGXFSZ);
	limit_files(256 * KIB);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		seek_both(f, 0);
		cr_assert_eq(both_at(code, f, vast, lengths[i], 0), 256 * KIB);
		same_position(f);
	}
	limit_files(RLIM_INFINITY);
	same_file(f);
}
EACH_WRITER(of_more_than_2_gib_is_clamped)

static void of_more_than_there_can_be_is_refused(enum dftio_op_code code)
{
	static const size_t lengths[] = { SSIZE_MAX, (size_t)SSIZE_MAX + 1, SIZE_MAX - 4096, SIZE_MAX };
	struct pair f = file_pair(100, O_RDWR);
	char *edge = edge_of_memory();

	not_under_valgrind();
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		both_at(code, f, edge - 100, lengths[i], 0);
	cr_assert_eq(both_at(code, f, edge - 100, SIZE_MAX, 0),
		code == DFTIO_OP_WRITEV || code == DFTIO_OP_PWRITEV ? -EINVAL : -EFAULT);
	same_file(f);
}
EACH_WRITER(of_more_than_there_can_be_is_refused)

static _Atomic int xfsz_count;
static pthread_t xfsz_thread;

static void on_xfsz(int sig)
{
	(void)sig;
	xfsz_thread = pthread_self();
	atomic_fetch_add(&xfsz_count, 1);
}

static void past_the_limit_is_efbig_and_a_signal_of_ours(enum dftio_op_code code)
{
	struct sigaction act = { .sa_handler = on_xfsz };
	struct pair f = file_pair(0, O_RDWR);

	sigaction(SIGXFSZ, &act, NULL);
	limit_files(8 * KIB);
	cr_assert_eq(both_write(code, f, 9 * KIB, 0), 8 * KIB, "up to the limit");
	cr_assert_eq(xfsz_count, 0);
	cr_assert_eq(both_write(code, f, 10, 8 * KIB), -EFBIG);
	cr_assert_eq(xfsz_count, SIDES, "one for each side");
	cr_assert(pthread_equal(xfsz_thread, pthread_self()));
	limit_files(RLIM_INFINITY);
	same_file(f);
}
EACH_WRITER(past_the_limit_is_efbig_and_a_signal_of_ours)

static void to_a_full_device_is_enospc(enum dftio_op_code code)
{
	struct pair full = path_pair("/dev/full", O_WRONLY);

	cr_assert_eq(both_write(code, full, 100, 0), -ENOSPC);
	both_write(code, full, 0, 0);
}
EACH_WRITER(to_a_full_device_is_enospc)

static void to_a_sealed_file_is_eperm(enum dftio_op_code code)
{
	struct pair m = memory_pair(100);

	for (int side = 0; side < SIDES; side++)
		cr_assert_eq(fcntl(m.fd[side], F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW), 0);
	cr_assert_eq(both_write(code, m, 10, 0), -EPERM);
	same_file(m);
}
EACH_WRITER(to_a_sealed_file_is_eperm)

static void around_the_page_cache(enum dftio_op_code code)
{
	struct pair f = file_pair(0, O_RDWR | O_DIRECT);
	char *aligned = mmap(NULL, 128 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	fill_pattern(aligned, 128 * KIB, 3);
	cr_assert_eq(both_at(code, f, aligned, 64 * KIB, 0), 64 * KIB);
	same_position(f);
	both_at(code, f, aligned + 1, 4096, 0);
	both_at(code, f, aligned, 100, 0);
	seek_both(f, 7);
	both_at(code, f, aligned, 4096, 7);
	same_file(f);
}
EACH_WRITER(around_the_page_cache)

static void keeps_to_the_position(enum dftio_op_code code)
{
	struct pair f = file_pair(1000, O_RDWR), d = { { dup(f.fd[KERNEL]), dup(f.fd[ENGINE]) } };

	seek_both(f, 300);
	cr_assert_eq(both_write(code, f, 100, 50), 100);
	same_position(d);
	cr_assert_eq(both_write(code, d, 100, 500), 100);
	same_file(f);
}
EACH_WRITER(keeps_to_the_position)

static void with_o_dsync_is_as_ever(enum dftio_op_code code)
{
	struct pair f = file_pair(1000, O_RDWR | O_DSYNC);

	cr_assert_eq(both_write(code, f, 5000, 500), 5000);
	same_file(f);
}
EACH_WRITER(with_o_dsync_is_as_ever)

static void at_odd_offsets(enum dftio_op_code code)
{
	static const int64_t offsets[] = { -1, -2, INT64_MIN, INT64_MAX, INT64_MAX - 9, INT64_MAX - 10,
		INT64_C(1) << 44, INT64_C(1) << 62 };
	struct pair f = file_pair(100, O_RDWR), m = memory_pair(100);

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		both_write(code, f, 10, offsets[i]);
		both_write(code, f, 0, offsets[i]);
		if (offsets[i] < 0)
			both_write(code, m, 10, offsets[i]);
	}
	cr_assert_eq(both_write(code, f, 10, -1), -EINVAL);
	same_position(f);
}
PROMISE_BY(pwrite, at_odd_offsets)
PROMISE_BY(pwritev, at_odd_offsets)

static void to_a_stream_is_espipe(enum dftio_op_code code)
{
	struct pipe_pair p = make_pipes(O_NONBLOCK), s = make_sockets(SOCK_STREAM | SOCK_NONBLOCK);

	cr_assert_eq(both_write(code, p.out, 10, 0), -ESPIPE);
	cr_assert_eq(both_write(code, s.out, 10, 0), -ESPIPE);
	cr_assert_eq(both_read(DFTIO_OP_READ, p.in, 100, 0), -EAGAIN, "nothing was written");
	cr_assert_eq(both_read(DFTIO_OP_READ, s.in, 100, 0), -EAGAIN, "nothing was written");
}
PROMISE_BY(pwrite, to_a_stream_is_espipe)
PROMISE_BY(pwritev, to_a_stream_is_espipe)
