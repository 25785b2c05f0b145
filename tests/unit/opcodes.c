/* SPDX-License-Identifier: MIT */
/*
 * Promise: an operation whose opcode the kernel has not goes to the pool, with the same result.
 *
 * Every operation that the ring knows is played twice: with its opcode, and on a kernel that says it has none.
 *
 * Owns:    the table of operations and how each is played.
 * Threads: the test's own and the pool's.
 * Never:   leaves out an operation that the ring takes: the last case counts them.
 */
#include "unit.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#if DFTIO_HAVE_URING
#include "uring_faults.h"
#include "../../backends/uring_ring.h"

#include <liburing.h>
#include <sys/un.h>

#define SIZE 8192

/* What came of it: the result, and whether what it should have done has been done. */
struct played {
	struct dftio_op op;
	bool right;
};

static void play_read(struct played *p)
{
	int fd = patterned_file(SIZE);
	char buf[1000] = {0};

	dftio__op_init_rw(&p->op, DFTIO_OP_READ, fd, buf, sizeof(buf), 0);
	p->op.flags = DFTIO_OPF_FILE | DFTIO_OPF_SOLE;
	p->right = dftio__engine_run(&p->op) == sizeof(buf) && is_pattern(buf, sizeof(buf), 0) &&
		   lseek(fd, 0, SEEK_CUR) == sizeof(buf);
}

static void play_write(struct played *p)
{
	char out[1000], in[1001];
	int fds[2];

	fill_pattern(out, sizeof(out), 0);
	cr_assert_eq(pipe(fds), 0);
	dftio__op_init_rw(&p->op, DFTIO_OP_WRITE, fds[1], out, sizeof(out), 0);
	p->right = dftio__engine_run(&p->op) == sizeof(out) && read(fds[0], in, sizeof(in)) == sizeof(out) &&
		   is_pattern(in, sizeof(out), 0);
}

static void play_pread(struct played *p)
{
	p->right = pread_is_right(&p->op, patterned_file(SIZE), 1000, 33);
}

static void play_pwrite(struct played *p)
{
	int fd = patterned_file(0);
	char out[1000], in[2001];

	fill_pattern(out, sizeof(out), 1000);
	dftio__op_init_rw(&p->op, DFTIO_OP_PWRITE, fd, out, sizeof(out), 1000);
	p->right = dftio__engine_run(&p->op) == sizeof(out) && pread(fd, in, sizeof(in), 0) == 2000 &&
		   is_pattern(in + 1000, 1000, 1000) && lseek(fd, 0, SEEK_CUR) == 0;
}

static void play_vector_read(struct played *p, enum dftio_op_code code)
{
	int fd = patterned_file(SIZE);
	char a[100] = {0}, b[900] = {0};
	struct iovec iov[2] = {{a, sizeof(a)}, {b, sizeof(b)}};
	int64_t from = code == DFTIO_OP_PREADV ? 50 : 0;

	dftio__op_init_v(&p->op, code, fd, iov, 2, from, 0);
	p->op.flags = DFTIO_OPF_FILE | DFTIO_OPF_SOLE;
	p->right = dftio__engine_run(&p->op) == 1000 && is_pattern(a, 100, (size_t)from) &&
		   is_pattern(b, 900, (size_t)from + 100) && lseek(fd, 0, SEEK_CUR) == (from ? 0 : 1000);
}

static void play_readv(struct played *p)
{
	play_vector_read(p, DFTIO_OP_READV);
}

static void play_preadv(struct played *p)
{
	play_vector_read(p, DFTIO_OP_PREADV);
}

static void play_pwritev(struct played *p)
{
	int fd = patterned_file(0);
	char out[1000], in[1001];
	struct iovec iov[2] = {{out, 100}, {out + 100, 900}};

	fill_pattern(out, sizeof(out), 0);
	dftio__op_init_v(&p->op, DFTIO_OP_PWRITEV, fd, iov, 2, 0, 0);
	p->right = dftio__engine_run(&p->op) == 1000 && pread(fd, in, sizeof(in), 0) == 1000 && is_pattern(in, 1000, 0);
}

/* The lowest free number, as from openat(2): that is the result, and what is open there is what was named. */
static void play_open(struct played *p)
{
	int lowest = dup(0);
	struct stat there, asked;

	close(lowest);
	dftio__op_init(&p->op, DFTIO_OP_OPEN, AT_FDCWD);
	p->op.arg.open.path = "/";
	p->op.arg.open.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	p->op.arg.open.mode = 0;
	p->right = dftio__engine_run(&p->op) == lowest && fstat(lowest, &there) == 0 && stat("/", &asked) == 0 &&
		   there.st_ino == asked.st_ino;
	close(lowest);
	p->op.res = 0;
}

static void play_close(struct played *p)
{
	int fd = patterned_file(1);

	dftio__op_init(&p->op, DFTIO_OP_CLOSE, fd);
	p->right = dftio__engine_run(&p->op) == 0 && fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

static void play_sync(struct played *p, enum dftio_op_code code)
{
	dftio__op_init(&p->op, code, patterned_file(SIZE));
	p->right = dftio__engine_run(&p->op) == 0;
}

static void play_fsync(struct played *p)
{
	play_sync(p, DFTIO_OP_FSYNC);
}

static void play_fdatasync(struct played *p)
{
	play_sync(p, DFTIO_OP_FDATASYNC);
}

static void play_sync_file_range(struct played *p)
{
	dftio__op_init(&p->op, DFTIO_OP_SYNC_FILE_RANGE, patterned_file(SIZE));
	p->op.arg.range.len = 4096;
	p->op.arg.range.flags = SYNC_FILE_RANGE_WRITE;
	p->right = dftio__engine_run(&p->op) == 0;
}

static void play_ftruncate(struct played *p)
{
	int fd = patterned_file(SIZE);
	struct stat st;

	dftio__op_init(&p->op, DFTIO_OP_FTRUNCATE, fd);
	p->op.offset = 77;
	p->right = dftio__engine_run(&p->op) == 0 && fstat(fd, &st) == 0 && st.st_size == 77;
}

/* A UNIX socket that listens under a name that no file system has. */
static int listening(struct sockaddr_un *addr, socklen_t *len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	*len = sizeof(sa_family_t); /* the kernel finds one */
	cr_assert_eq(bind(fd, (struct sockaddr *)addr, *len), 0);
	*len = sizeof(*addr);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)addr, len), 0);
	cr_assert_eq(listen(fd, 1), 0);
	return fd;
}

static void play_accept(struct played *p)
{
	struct sockaddr_un addr;
	socklen_t len;
	int fd = listening(&addr, &len), peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char c = 0;

	cr_assert_eq(connect(peer, (struct sockaddr *)&addr, len), 0);
	dftio__op_init(&p->op, DFTIO_OP_ACCEPT, fd);
	p->op.arg.sock.addr = NULL;
	p->op.arg.sock.addrlen = NULL;
	p->op.arg.sock.flags = SOCK_CLOEXEC;
	p->right = dftio__engine_run(&p->op) >= 0 && write(peer, "x", 1) == 1 && read((int)p->op.res, &c, 1) == 1 &&
		   c == 'x';
	p->op.res = 0;
}

static void play_connect(struct played *p)
{
	struct sockaddr_un addr;
	socklen_t len;
	int fd = listening(&addr, &len);

	dftio__op_init(&p->op, DFTIO_OP_CONNECT, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	p->op.arg.sock.addr = (struct sockaddr *)&addr;
	p->op.arg.sock.len = len;
	p->right = dftio__engine_run(&p->op) == 0 && accept(fd, NULL, NULL) >= 0;
}

static void play_recv(struct played *p)
{
	char buf[8] = {0};
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	cr_assert_eq(write(fds[0], "abcd", 4), 4);
	dftio__op_init_rw(&p->op, DFTIO_OP_RECV, fds[1], buf, sizeof(buf), 0);
	p->right = dftio__engine_run(&p->op) == 4 && memcmp(buf, "abcd", 4) == 0;
}

static void play_send(struct played *p)
{
	char buf[8] = {0};
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	dftio__op_init_rw(&p->op, DFTIO_OP_SEND, fds[0], "abcd", 4, 0);
	p->right = dftio__engine_run(&p->op) == 4 && read(fds[1], buf, sizeof(buf)) == 4 && memcmp(buf, "abcd", 4) == 0;
}

static void play_poll(struct played *p)
{
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	dftio__op_init(&p->op, DFTIO_OP_POLL, fds[0]);
	p->op.arg.poll.events = POLLIN;
	p->op.arg.poll.timeout_ms = -1;
	p->right = dftio__engine_run(&p->op) == POLLIN;
}

static const struct row {
	enum dftio_op_code code;
	uint8_t opcode;
	void (*play)(struct played *p);
} rows[] = {
	{DFTIO_OP_READ, IORING_OP_READ, play_read},
	{DFTIO_OP_WRITE, IORING_OP_WRITE, play_write},
	{DFTIO_OP_PREAD, IORING_OP_READ, play_pread},
	{DFTIO_OP_PWRITE, IORING_OP_WRITE, play_pwrite},
	{DFTIO_OP_READV, IORING_OP_READV, play_readv},
	{DFTIO_OP_PREADV, IORING_OP_READV, play_preadv},
	{DFTIO_OP_PWRITEV, IORING_OP_WRITEV, play_pwritev},
	{DFTIO_OP_OPEN, IORING_OP_OPENAT, play_open},
	{DFTIO_OP_CLOSE, IORING_OP_CLOSE, play_close},
	{DFTIO_OP_FSYNC, IORING_OP_FSYNC, play_fsync},
	{DFTIO_OP_FDATASYNC, IORING_OP_FSYNC, play_fdatasync},
	{DFTIO_OP_SYNC_FILE_RANGE, IORING_OP_SYNC_FILE_RANGE, play_sync_file_range},
	{DFTIO_OP_FTRUNCATE, DFTIO_IORING_OP_FTRUNCATE, play_ftruncate},
	{DFTIO_OP_ACCEPT, IORING_OP_ACCEPT, play_accept},
	{DFTIO_OP_RECV, IORING_OP_RECV, play_recv},
	{DFTIO_OP_SEND, IORING_OP_SEND, play_send},
	{DFTIO_OP_CONNECT, IORING_OP_CONNECT, play_connect},
	{DFTIO_OP_POLL, IORING_OP_POLL_ADD, play_poll},
};

TestSuite(opcodes, .timeout = 60, .init = need_uring);

Test(opcodes, that_the_kernel_has_are_used)
{
	use_backend("io_uring");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *name = dftio__op_descs[rows[i].code].name;
		struct played p;

		if (!uring_has_opcode(rows[i].opcode))
			continue;
		rows[i].play(&p);
		cr_assert(p.right, "%s: %lld", name, (long long)p.op.res);
		cr_assert_eq(p.op.carrier, DFTIO_BY_BACKEND, "%s was not carried out by the ring", name);
	}
}

/* Where no thread comes in time the caller does it itself: an operation never goes where it cannot be done. */
Test(opcodes, that_the_kernel_has_not_go_to_the_pool_with_the_same_result)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *name = dftio__op_descs[rows[i].code].name;
		struct played with, without;

		mask_opcode(64);
		use_backend("io_uring");
		rows[i].play(&with);
		mask_opcode(rows[i].opcode);
		use_backend("io_uring");
		cr_assert_not(uring_has_opcode(rows[i].opcode));
		rows[i].play(&without);
		cr_assert(without.right, "%s: %lld", name, (long long)without.op.res);
		cr_assert_eq(without.op.res, with.op.res, "%s", name);
		cr_assert_neq(without.op.carrier, DFTIO_BY_BACKEND, "%s went to the ring", name);
	}
}

Test(opcodes, every_operation_that_the_ring_takes_is_in_this_table)
{
	use_backend("io_uring");
	for (unsigned code = 1; code < DFTIO_OP_MAX_; code++) {
		struct dftio_op op = {.code = (uint8_t)code};
		bool here = false;

		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			here |= (unsigned)rows[i].code == code;
		cr_assert_eq(here, dftio__engine_backend()->needs_lane(&op), "%s", dftio__op_descs[code].name);
	}
}
#endif
