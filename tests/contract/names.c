/* SPDX-License-Identifier: MIT */
/*
 * open, close, lseek, fstat, ftruncate, fsync, fdatasync, sync_file_range.
 *
 * Owns:    a directory for each side.
 * Threads: a test's first; one child where a file system of its own is mounted.
 * Never:   compares descriptor numbers: both sides share one table.
 */
#include "promise.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct dftio_op open_op(const char *path, int flags, mode_t mode)
{
	struct dftio_op op;

	dftio__op_init(&op, DFTIO_OP_OPEN, AT_FDCWD);
	op.arg.open.path = path;
	op.arg.open.flags = flags;
	op.arg.open.mode = mode;
	return op;
}

/* A directory for each side, and both opened. */
static struct pair directories(void)
{
	char path[4200];
	struct pair p;

	for (int side = 0; side < SIDES; side++) {
		snprintf(path, sizeof(path), "%s/side%d", own_directory(), side);
		cr_assert_eq(mkdir(path, 0700), 0);
		p.fd[side] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		cr_assert_geq(p.fd[side], 0);
	}
	return p;
}

/* Opens the name in each side's directory. Returns -errno or 0; descriptors to `out`. */
static int64_t both_open(struct pair dir, const char *path, int flags, mode_t mode, struct pair *out)
{
	struct dftio_op op = open_op(path, flags, mode);
	int64_t r[SIDES];

	for (int side = 0; side < SIDES; side++) {
		op.fd = dir.fd[side];
		dftio__op_set_state(&op, DFTIO_OPS_READY);
		r[side] = call_side((enum side)side, &op);
		out->fd[side] = (int)r[side];
	}
	cr_assert_eq(r[ENGINE] < 0 ? r[ENGINE] : 0, r[KERNEL] < 0 ? r[KERNEL] : 0, "%s: the kernel says %lld, not %lld",
		path, (long long)r[KERNEL], (long long)r[ENGINE]);
	return r[KERNEL] < 0 ? r[KERNEL] : 0;
}

static void same_status(struct pair f)
{
	struct stat st[SIDES];

	for (int side = 0; side < SIDES; side++)
		cr_assert_eq(fstat(f.fd[side], &st[side]), 0);
	cr_assert_eq(st[ENGINE].st_mode, st[KERNEL].st_mode);
	cr_assert_eq(st[ENGINE].st_uid, st[KERNEL].st_uid);
	cr_assert_eq(st[ENGINE].st_size, st[KERNEL].st_size);
	cr_assert_eq(fcntl(f.fd[ENGINE], F_GETFL), fcntl(f.fd[KERNEL], F_GETFL));
	cr_assert_eq(fcntl(f.fd[ENGINE], F_GETFD), fcntl(f.fd[KERNEL], F_GETFD));
}

PROMISE(open, makes_a_file_with_the_mode_the_mask_leaves)
{
	static const mode_t modes[] = { 0644, 0600, 0777, 0, 07777 };
	struct pair dir = directories(), f;
	char name[16];

	umask(027);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		snprintf(name, sizeof(name), "f%zu", i);
		cr_assert_eq(both_open(dir, name, O_RDWR | O_CREAT, modes[i], &f), 0);
		same_status(f);
	}
	umask(022);
}

PROMISE(open, keeps_the_flags_it_was_given)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_APPEND, O_RDWR | O_CLOEXEC,
		O_RDWR | O_NONBLOCK, O_RDWR | O_DSYNC, O_RDONLY | O_NOATIME, O_PATH, O_RDONLY | O_NOCTTY,
		O_WRONLY | O_TRUNC };
	struct pair dir = directories(), f;

	cr_assert_eq(both_open(dir, "file", O_WRONLY | O_CREAT, 0600, &f), 0);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		cr_assert_eq(both_open(dir, "file", flags[i], 0, &f), 0);
		same_status(f);
	}
}

PROMISE(open, says_what_is_wrong)
{
	struct pair dir = directories(), f;
	char longest[PATH_MAX + 10];

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	cr_assert_eq(both_open(dir, "file", O_RDWR | O_CREAT, 0600, &f), 0);
	for (int side = 0; side < SIDES; side++)
		cr_assert_eq(symlinkat("link", dir.fd[side], "link"), 0);
	cr_assert_eq(both_open(dir, "none", O_RDONLY, 0, &f), -ENOENT);
	cr_assert_eq(both_open(dir, "", O_RDONLY, 0, &f), -ENOENT);
	cr_assert_eq(both_open(dir, "file", O_RDWR | O_CREAT | O_EXCL, 0600, &f), -EEXIST);
	cr_assert_eq(both_open(dir, "file", O_RDONLY | O_DIRECTORY, 0, &f), -ENOTDIR);
	cr_assert_eq(both_open(dir, "file/x", O_RDONLY, 0, &f), -ENOTDIR);
	cr_assert_eq(both_open(dir, ".", O_RDWR, 0, &f), -EISDIR);
	cr_assert_eq(both_open(dir, "link", O_RDONLY, 0, &f), -ELOOP);
	cr_assert_eq(both_open(dir, "link", O_RDONLY | O_NOFOLLOW, 0, &f), -ELOOP);
	cr_assert_eq(both_open(dir, longest, O_RDONLY, 0, &f), -ENAMETOOLONG);
	longest[300] = '\0';
	cr_assert_eq(both_open(dir, longest, O_RDONLY | O_CREAT, 0600, &f), -ENAMETOOLONG);
	cr_assert_eq(both_open(same_fd(-1), "file", O_RDONLY, 0, &f), -EBADF);
	both_open(dir, "new", O_RDONLY | O_CREAT | O_DIRECTORY, 0600, &f);
	both_open(dir, ".", O_TMPFILE | O_RDONLY, 0600, &f);
	both_open(dir, "file", -1, 0600, &f);
	both_open(dir, "file", 3, 0600, &f);
}

PROMISE(open, of_a_bad_address_is_efault)
{
	struct pair dir = directories(), f;
	char *edge = edge_of_memory();

	not_under_valgrind();
	cr_assert_eq(both_open(dir, edge, O_RDONLY, 0, &f), -EFAULT);
	cr_assert_eq(both_open(dir, (char *)8, O_RDONLY, 0, &f), -EFAULT);
	cr_assert_eq(both_open(dir, edge - 3, O_RDONLY | O_CREAT, 0600, &f), -EFAULT, "no end of the name");
}

PROMISE(open, without_a_free_descriptor_is_emfile)
{
	struct pair dir = directories(), f, closed;
	struct rlimit l;
	int highest;

	cr_assert_eq(both_open(dir, "file", O_RDWR | O_CREAT, 0600, &f), 0);
	highest = dup(0);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
	l.rlim_cur = (rlim_t)highest;
	close(highest);
	for (int fd = 0; fd < highest; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			dup2(0, fd);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
	cr_assert_eq(both_open(dir, "file", O_RDONLY, 0, &closed), -EMFILE);
	cr_assert_eq(both_read(DFTIO_OP_PREAD, f, 10, 0), 0);
}

PROMISE(open, of_a_nameless_file)
{
	struct pair dir = directories(), f;

	if (both_open(dir, ".", O_TMPFILE | O_RDWR, 0600, &f) < 0)
		cr_skip_test("no O_TMPFILE on this file system");
	same_status(f);
	cr_assert_eq(both_write(DFTIO_OP_WRITE, f, 100, 0), 100);
	same_file(f);
}

static bool is_somebody(uid_t uid)
{
	char line[32];
	int fd, n = snprintf(line, sizeof(line), "0 %u 1", (unsigned)uid);

	if (uid == 0)
		return true;
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, line, (size_t)n) == n && close(fd) == 0;
}

/* In a child, which says nothing but its status: 0, 1, or 77 where it may not mount. */
static int open_where_there_is_no_direct_io(const char *where)
{
	struct dftio_op op = open_op("kernel", O_RDWR | O_CREAT | O_EXCL | O_DIRECT, 0600);
	uid_t uid = geteuid();
	int64_t kernel;

	/* A user of no privilege has them in a name space of its own; to make files there it must be somebody. */
	if (unshare(uid ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) < 0 || !is_somebody(uid) ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", where, "ramfs", 0, NULL) < 0 || chdir(where) < 0)
		return 77;
	kernel = call_kernel(&op);
	op.arg.open.path = "engine";
	return kernel == -EINVAL && dftio__engine_run(&op) == kernel ? 0 : 1;
}

/* The file is there although the call failed: whoever asks again is told that it exists. */
PROMISE(open, that_fails_half_way_is_not_asked_for_again)
{
	const char *where = own_directory();
	pid_t child = fork();
	int status;

	if (child == 0) {
		die_with_parent();
		_exit(open_where_there_is_no_direct_io(where));
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		cr_skip_test("no file system without O_DIRECT may be mounted here");
	cr_assert_eq(status, 0);
}

PROMISE(open, of_a_fifo_waits_for_the_other_end)
{
	struct flight f = { .has_thread = false };
	char path[4200];
	int w;

	snprintf(path, sizeof(path), "%s/fifo", own_directory());
	cr_assert_eq(mkfifo(path, 0600), 0);
	f.op = open_op(path, O_RDONLY, 0);
	take_off(&f);
	w = open(path, O_WRONLY);
	cr_assert_geq(w, 0);
	cr_assert_geq(land(&f), 0);
	cr_assert_eq(write(w, "x", 1), 1);
}

PROMISE(close, gives_the_number_back)
{
	struct pair f = file_pair(100, O_RDONLY);
	struct dftio_op op;

	dftio__op_init(&op, DFTIO_OP_CLOSE, -1);
	cr_assert_eq(both(f, &op), 0);
	for (int side = 0; side < SIDES; side++)
		cr_assert(fcntl(f.fd[side], F_GETFD) < 0 && errno == EBADF);
	cr_assert_eq(both(f, &op), -EBADF);
}

PROMISE(close, of_what_is_not_open_is_ebadf)
{
	static const int numbers[] = { -1, -100, INT_MIN, INT_MAX, 1 << 20 };
	struct dftio_op op;

	dftio__op_init(&op, DFTIO_OP_CLOSE, -1);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		cr_assert_eq(both(same_fd(numbers[i]), &op), -EBADF);
}

PROMISE(close, lets_the_other_end_know)
{
	struct pipe_pair p = make_pipes(0), s = make_sockets(SOCK_STREAM);
	struct dftio_op op;

	dftio__op_init(&op, DFTIO_OP_CLOSE, -1);
	cr_assert_eq(both(p.out, &op), 0);
	cr_assert_eq(both(s.out, &op), 0);
	cr_assert_eq(both_read(DFTIO_OP_READ, p.in, 10, 0), 0);
	cr_assert_eq(both_read(DFTIO_OP_READ, s.in, 10, 0), 0);
}

static int64_t both_seek(struct pair f, int64_t offset, int whence)
{
	struct dftio_op op;

	dftio__op_init(&op, DFTIO_OP_LSEEK, -1);
	op.offset = offset;
	op.arg.seek.whence = whence;
	return both(f, &op);
}

PROMISE(lseek, moves_the_position)
{
	struct pair f = file_pair(1000, O_RDWR);

	cr_assert_eq(both_seek(f, 10, SEEK_SET), 10);
	cr_assert_eq(both_seek(f, 10, SEEK_CUR), 20);
	cr_assert_eq(both_seek(f, -10, SEEK_END), 990);
	cr_assert_eq(both_seek(f, INT64_C(1) << 40, SEEK_SET), INT64_C(1) << 40);
	cr_assert_eq(both_seek(f, 0, SEEK_DATA), 0);
	cr_assert_eq(both_seek(f, 0, SEEK_HOLE), 1000);
	cr_assert_eq(both_seek(f, 1000, SEEK_DATA), -ENXIO);
	same_file(f);
}

PROMISE(lseek, says_what_is_wrong)
{
	struct pair f = file_pair(1000, O_RDWR), closed = file_pair(0, O_RDWR);
	struct pipe_pair p = make_pipes(0);

	close_pair(closed);
	cr_assert_eq(both_seek(f, -1, SEEK_SET), -EINVAL);
	cr_assert_eq(both_seek(f, 0, 99), -EINVAL);
	cr_assert_eq(both_seek(f, INT64_MIN, SEEK_END), -EINVAL);
	cr_assert_eq(both_seek(p.in, 0, SEEK_SET), -ESPIPE);
	cr_assert_eq(both_seek(closed, 0, SEEK_SET), -EBADF);
	same_position(f);
}

PROMISE(fstat, tells_what_it_is)
{
	struct pair all[] = { file_pair(12345, O_RDONLY), memory_pair(10), path_pair("/dev/null", O_RDWR),
		path_pair(".", O_PATH), make_pipes(0).in, make_sockets(SOCK_STREAM).in };
	struct stat st[SIDES];
	struct dftio_op op;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (int side = 0; side < SIDES; side++) {
			dftio__op_init(&op, DFTIO_OP_FSTAT, all[i].fd[side]);
			op.arg.stat.st = &st[side];
			cr_assert_eq(call_side((enum side)side, &op), 0);
		}
		cr_assert_eq(st[KERNEL].st_mode, st[ENGINE].st_mode);
		cr_assert_eq(st[KERNEL].st_size, st[ENGINE].st_size);
		cr_assert_eq(st[KERNEL].st_dev, st[ENGINE].st_dev);
	}
}

PROMISE(fstat, says_what_is_wrong)
{
	struct pair f = file_pair(0, O_RDONLY);
	char *edge = edge_of_memory();
	struct dftio_op op;
	struct stat st;

	dftio__op_init(&op, DFTIO_OP_FSTAT, -1);
	op.arg.stat.st = &st;
	cr_assert_eq(both(same_fd(-1), &op), -EBADF);
	not_under_valgrind();
	op.arg.stat.st = (struct stat *)edge;
	cr_assert_eq(both(f, &op), -EFAULT);
}

static int64_t both_truncate(struct pair f, int64_t length)
{
	struct dftio_op op;

	dftio__op_init(&op, DFTIO_OP_FTRUNCATE, -1);
	op.offset = length;
	return both(f, &op);
}

PROMISE(ftruncate, makes_a_file_shorter_and_longer)
{
	static const int64_t lengths[] = { 500, 0, 100000, 99999, (INT64_C(1) << 32) + 5, 7 };
	struct pair f = file_pair(1000, O_RDWR);
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		cr_assert_eq(both_truncate(f, lengths[i]), 0);
		cr_assert_eq(fstat(f.fd[ENGINE], &st), 0);
		cr_assert_eq(st.st_size, lengths[i]);
	}
	same_file(f);
}

PROMISE(ftruncate, says_what_is_wrong)
{
	struct pair f = file_pair(1000, O_RDWR), r = file_pair(1000, O_RDONLY);
	struct rlimit l;

	cr_assert_eq(both_truncate(f, -1), -EINVAL);
	cr_assert_eq(both_truncate(f, INT64_MIN), -EINVAL);
	both_truncate(f, INT64_MAX);
	cr_assert_eq(both_truncate(r, 0), -EINVAL);
	cr_assert_eq(both_truncate(make_pipes(0).in, 0), -EINVAL);
	cr_assert_eq(both_truncate(path_pair(".", O_RDONLY), 0), -EINVAL);
	cr_assert_eq(both_truncate(same_fd(-1), 0), -EBADF);
	ignore(SIGXFSZ);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = 4096;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
	cr_assert_eq(both_truncate(f, 4097), -EFBIG);
	cr_assert_eq(both_truncate(f, 4096), 0);
	same_file(f);
}

static void flushes_files_and_nothing_else(enum dftio_op_code code)
{
	struct pair f = file_pair(1000, O_RDWR), closed = file_pair(0, O_RDWR);
	struct dftio_op op;

	close_pair(closed);
	dftio__op_init(&op, code, -1);
	cr_assert_eq(both(closed, &op), -EBADF);
	cr_assert_eq(both_write(DFTIO_OP_PWRITE, f, 5000, 0), 5000);
	cr_assert_eq(both(f, &op), 0);
	cr_assert_eq(both(file_pair(10, O_RDONLY), &op), 0);
	cr_assert_eq(both(memory_pair(10), &op), 0);
	cr_assert_eq(both(path_pair(own_directory(), O_RDONLY), &op), 0);
	cr_assert_eq(both(make_pipes(0).out, &op), -EINVAL);
	cr_assert_eq(both(make_sockets(SOCK_STREAM).out, &op), -EINVAL);
	cr_assert_eq(both(path_pair("/dev/null", O_RDWR), &op), -EINVAL);
	cr_assert_eq(both(path_pair(".", O_PATH), &op), -EBADF);
	cr_assert_eq(both(same_fd(-1), &op), -EBADF);
}
PROMISE_BY(fsync, flushes_files_and_nothing_else)
PROMISE_BY(fdatasync, flushes_files_and_nothing_else)

static int64_t both_sync_range(struct pair f, int64_t offset, int64_t len, unsigned flags)
{
	struct dftio_op op;

	dftio__op_init(&op, DFTIO_OP_SYNC_FILE_RANGE, -1);
	op.offset = offset;
	op.arg.range.len = len;
	op.arg.range.flags = flags;
	return both(f, &op);
}

PROMISE(sync_file_range, answers_as_the_kernel_does)
{
	struct pair f = file_pair(100 * KIB, O_RDWR);

	cr_assert_eq(both_sync_range(f, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
	cr_assert_eq(both_sync_range(f, 4096, 4096, 7), 0);
	cr_assert_eq(both_sync_range(f, 1, 3, 0), 0);
	cr_assert_eq(both_sync_range(f, 0, INT64_C(1) << 33, 7), 0);
	cr_assert_eq(both_sync_range(f, -1, 10, 7), -EINVAL);
	cr_assert_eq(both_sync_range(f, 0, -1, 7), -EINVAL);
	cr_assert_eq(both_sync_range(f, INT64_MAX, INT64_MAX, 7), -EINVAL);
	cr_assert_eq(both_sync_range(f, 0, 10, 8), -EINVAL);
	cr_assert_eq(both_sync_range(make_pipes(0).out, 0, 10, 7), -ESPIPE);
	both_sync_range(path_pair("/dev/null", O_RDWR), 0, 10, 7);
	cr_assert_eq(both_sync_range(same_fd(-1), 0, 10, 7), -EBADF);
}
