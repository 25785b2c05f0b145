/* SPDX-License-Identifier: MIT */
/*
 * Promises of what is remembered of descriptors: the right kind, for that number only, until it is forgotten; and a
 * vfork child, whose descriptors are others, teaches us nothing.
 *
 * Owns:    nothing.
 * Threads: none but the test's.
 * Never:   takes for granted that the build directory is on a disk: its file system is asked.
 */
#include "unit.h"
#include "config.h"
#include "fdinfo.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/magic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static enum dftio_fd_kind kind_of_build_directory(int fd)
{
	struct statfs fs;

	cr_assert_eq(fstatfs(fd, &fs), 0);
	return fs.f_type == TMPFS_MAGIC ? DFTIO_FD_MEM : DFTIO_FD_DISK;
}

static void is_kind(int fd, enum dftio_fd_kind kind)
{
	struct stat st = {0}, now;

	errno = ANY_ERRNO;
	cr_assert_geq(fd, 0);
	cr_assert_eq(dftio__fd_classify(fd, false, &st), kind, "taken for %s",
		dftio__fd_kind_name(dftio__fd_classify(fd, false, NULL)));
	cr_assert_eq(errno, ANY_ERRNO);
	cr_assert_eq(fstat(fd, &now), 0);
	cr_assert_eq(st.st_ino, now.st_ino);
	cr_assert_eq(dftio__fd_kind(dftio__fd_hint(fd)), DFTIO_FD_UNKNOWN, "looking is not learning");
	cr_assert_eq(dftio__fd_kind(dftio__fd_learn(fd)), kind);
	cr_assert_eq(dftio__fd_kind(dftio__fd_hint(fd)), kind);
	close(fd);
	dftio__fd_forget(fd);
}

TestSuite(fdinfo, .timeout = 60);

Test(fdinfo, regular_file_is_told_from_one_in_memory)
{
	int fd = patterned_file(10);

	is_kind(fd, kind_of_build_directory(fd));
	is_kind(memfd_create("in-memory", MFD_CLOEXEC), DFTIO_FD_MEM);
}

Test(fdinfo, whatever_can_wait_for_ever_is_passed_on)
{
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	is_kind(fds[0], DFTIO_FD_PIPE);
	is_kind(fds[1], DFTIO_FD_PIPE);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	is_kind(fds[0], DFTIO_FD_SOCKET);
	is_kind(posix_openpt(O_RDWR | O_NOCTTY), DFTIO_FD_CHAR);
	is_kind(open("/dev/null", O_RDWR), DFTIO_FD_CHAR);
	is_kind(eventfd(0, 0), DFTIO_FD_OTHER);
	is_kind(epoll_create1(0), DFTIO_FD_OTHER);
}

Test(fdinfo, directory_and_window_into_the_kernel_are_no_files)
{
	is_kind(open("/", O_RDONLY | O_DIRECTORY), DFTIO_FD_DIR);
	is_kind(open("/proc", O_RDONLY | O_DIRECTORY), DFTIO_FD_DIR);
	is_kind(open("/proc/self/status", O_RDONLY), DFTIO_FD_PSEUDO);
	is_kind(open("/proc/self/mem", O_RDONLY), DFTIO_FD_PSEUDO);
}

Test(fdinfo, files_of_sysfs_are_no_files)
{
	int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY);

	if (fd < 0)
		cr_skip_test("no sysfs here");
	is_kind(fd, DFTIO_FD_PSEUDO);
}

Test(fdinfo, what_is_not_open_is_said_and_not_remembered)
{
	int fd = dup(0);

	cr_assert_eq(close(fd), 0);
	errno = ANY_ERRNO;
	cr_assert_eq(dftio__fd_classify(fd, true, NULL), DFTIO_FD_BAD);
	cr_assert_eq(dftio__fd_learn(fd), DFTIO_FD_BAD);
	cr_assert_eq(dftio__fd_classify(-1, true, NULL), DFTIO_FD_BAD);
	cr_assert_eq(errno, ANY_ERRNO);
	cr_assert_eq(dftio__fd_hint(fd), DFTIO_FD_UNKNOWN);
}

Test(fdinfo, numbers_beyond_the_table_are_never_routed)
{
	static const int numbers[] = {-1, INT_MIN, DFTIO_FD_MAX, INT_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		cr_assert_eq(dftio__fd_hint(numbers[i]), DFTIO_FD_OTHER);
		cr_assert_eq(dftio__fd_learn(numbers[i]), DFTIO_FD_OTHER);
		dftio__fd_forget(numbers[i]);
		dftio__fd_mark_sole(numbers[i]);
		cr_assert_eq(dftio__fd_hint(numbers[i]), DFTIO_FD_OTHER);
	}
}

static enum dftio_fd_kind kind_on(mode_t type, unsigned device, long magic)
{
	struct stat st = {.st_mode = type | 0600, .st_dev = makedev(device, 1)};
	struct statfs fs = {.f_type = magic};

	return dftio__fs_kind(&st, &fs, NULL);
}

Test(fdinfo, file_systems_without_a_device_hold_files_or_are_windows_into_the_kernel)
{
	static const struct {
		long magic;
		enum dftio_fd_kind kind;
	} rows[] = {
		{0x01021994, DFTIO_FD_MEM}, {0x858458f6, DFTIO_FD_MEM},       /* tmpfs, ramfs */
		{0x6969, DFTIO_FD_DISK}, {0x0bd00bd0, DFTIO_FD_DISK},         /* nfs, Lustre */
		{0x65735546, DFTIO_FD_DISK}, {0x9123683e, DFTIO_FD_DISK},     /* fuse, btrfs */
		{0x794c7630, DFTIO_FD_DISK}, {0x47504653, DFTIO_FD_DISK},     /* overlayfs, GPFS */
		{0x9fa0, DFTIO_FD_PSEUDO}, {0x62656572, DFTIO_FD_PSEUDO},     /* proc, sysfs */
		{0x63677270, DFTIO_FD_PSEUDO}, {0x64626720, DFTIO_FD_PSEUDO}, /* cgroup2, debugfs */
		{0x74726163, DFTIO_FD_PSEUDO}, {0x12345678, DFTIO_FD_PSEUDO}, /* tracefs, one nobody knows */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cr_assert_eq(kind_on(S_IFREG, 0, rows[i].magic), rows[i].kind, "0x%lx", (unsigned long)rows[i].magic);
		cr_assert_eq(kind_on(S_IFDIR, 0, rows[i].magic), DFTIO_FD_DIR);
		cr_assert_eq(kind_on(S_IFIFO, 0, rows[i].magic), DFTIO_FD_PIPE);
	}
	cr_assert_eq(kind_on(S_IFREG, 8, 0x12345678), DFTIO_FD_DISK, "with a device it is on a disk");
	cr_assert_eq(kind_on(S_IFBLK, 0, 0x01021994), DFTIO_FD_DISK);
}

Test(fdinfo, forgetting_one_leaves_the_others)
{
	int a = patterned_file(1), b = patterned_file(1);

	dftio__fd_learn(a);
	dftio__fd_learn(b);
	dftio__fd_forget(a);
	cr_assert_eq(dftio__fd_hint(a), DFTIO_FD_UNKNOWN);
	cr_assert_neq(dftio__fd_hint(b), DFTIO_FD_UNKNOWN);
}

Test(fdinfo, forgetting_a_range_takes_its_ends_and_nothing_beyond)
{
	int fd = patterned_file(1);

	for (int i = 100; i <= 110; i++) {
		cr_assert_eq(dup2(fd, i), i);
		dftio__fd_learn(i);
	}
	dftio__fd_forget_range(103, 106);
	for (int i = 100; i <= 110; i++)
		cr_assert_eq(dftio__fd_hint(i) == DFTIO_FD_UNKNOWN, i >= 103 && i <= 106, "%d", i);
	dftio__fd_forget_range(109, ~0U);
	cr_assert_neq(dftio__fd_hint(108), DFTIO_FD_UNKNOWN);
	cr_assert_eq(dftio__fd_hint(109), DFTIO_FD_UNKNOWN);
	cr_assert_eq(dftio__fd_hint(110), DFTIO_FD_UNKNOWN);
	dftio__fd_forget_range(0, ~0U);
	cr_assert_eq(dftio__fd_hint(100), DFTIO_FD_UNKNOWN);
	dftio__fd_forget_range(5, 4);
}

Test(fdinfo, sole_owner_outlives_learning_and_ends_with_sharing)
{
	int mine = patterned_file(1), other = patterned_file(1);
	uint8_t kind = dftio__fd_learn(other);

	cr_assert_eq(dftio__fd_soles, 0U);
	dftio__fd_mark_sole(mine);
	cr_assert_eq(dftio__fd_soles, 1U);
	cr_assert_eq(dftio__fd_learn(mine), kind | DFTIO_FD_SOLE);
	cr_assert_eq(dftio__fd_hint(mine), kind | DFTIO_FD_SOLE);
	dftio__fd_forget_sole();
	cr_assert_eq(dftio__fd_hint(mine), kind, "its kind is known still");
	cr_assert_eq(dftio__fd_hint(other), kind);
	cr_assert_eq(dftio__fd_soles, 0U);
	cr_assert_eq(dftio__fd_learn(mine), kind);
}

Test(fdinfo, fork_ends_sole_ownership_on_both_sides)
{
	int fd = patterned_file(1), status;
	pid_t pid;

	dftio__fd_mark_sole(fd);
	dftio__fd_learn(fd);
	pid = fork();
	if (pid == 0)
		_exit(dftio__fd_hint(fd) & DFTIO_FD_SOLE);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_not(dftio__fd_hint(fd) & DFTIO_FD_SOLE);
}

Test(fdinfo, new_descriptor_of_a_number_has_nothing_of_the_old_ones_hint)
{
	int fd = patterned_file(1);

	dftio__fd_learn(fd);
	dftio__fd_set_bits(fd, DFTIO_FD_NO_NOWAIT | DFTIO_FD_COLD, 0);
	dftio__fd_mark_sole(fd);
	cr_assert_eq(dftio__fd_hint(fd), DFTIO_FD_SOLE);
}

Test(fdinfo, bits_are_added_to_what_is_known_and_never_to_what_is_not)
{
	int fd = patterned_file(1);
	uint8_t kind;

	dftio__fd_set_bits(fd, DFTIO_FD_NO_NOWAIT, 0);
	cr_assert_eq(dftio__fd_hint(fd), DFTIO_FD_UNKNOWN);
	kind = dftio__fd_learn(fd);
	dftio__fd_set_bits(fd, DFTIO_FD_NO_NOWAIT | DFTIO_FD_COLD, 0);
	cr_assert_eq(dftio__fd_hint(fd), kind | DFTIO_FD_NO_NOWAIT | DFTIO_FD_COLD);
	dftio__fd_set_bits(fd, 0, DFTIO_FD_COLD);
	cr_assert_eq(dftio__fd_hint(fd), kind | DFTIO_FD_NO_NOWAIT);
}

/* What a program's wrappers do in a vfork child, on descriptors that it has closed or opened there. */
static void act_as_child(const int *fds, int forgotten)
{
	close(fds[0]); /* in the child's table only */
	dftio__fd_learn(fds[0]);
	close(fds[1]);
	dup2(0, fds[1]);
	dftio__fd_learn(fds[1]);
	dftio__fd_learn(fds[2]);
	dftio__fd_set_bits(fds[3], DFTIO_FD_NO_NOWAIT | DFTIO_FD_SOLE, DFTIO_FD_COLD);
	dftio__fd_forget(forgotten);
}

/* Set by the child: whether it shares our memory, which it does not under tools that make fork of vfork. */
static volatile bool child_was_here;

static __attribute__((noinline)) pid_t visit_by_vfork(const int *fds, int forgotten)
{
	pid_t pid = vfork();

	if (pid == 0) {
		act_as_child(fds, forgotten);
		child_was_here = true;
		_exit(0);
	}
	return pid;
}

Test(fdinfo, vfork_child_leaves_its_parents_hints_as_they_were_or_forgotten)
{
	static uint8_t before[DFTIO_FD_MAX];
	int fds[4], forgotten = patterned_file(1), status, soles;

	for (int i = 0; i < 4; i++) {
		fds[i] = patterned_file(1);
		if (i != 2)
			dftio__fd_learn(fds[i]); /* the third is unknown, and the child learns it */
	}
	dftio__fd_learn(forgotten);
	for (int fd = 0; fd < DFTIO_FD_MAX; fd++)
		before[fd] = dftio__fd_hint(fd);
	soles = (int)dftio__fd_soles;
	cr_assert_gt(waitpid(visit_by_vfork(fds, forgotten), &status, 0), 0);
	cr_assert_eq(status, 0);
	if (!child_was_here)
		cr_skip_test("a vfork child has memory of its own here");
	for (int fd = 0; fd < DFTIO_FD_MAX; fd++) {
		uint8_t now = dftio__fd_hint(fd);

		if (now != before[fd])
			cr_assert_eq(fd, forgotten, "%d was 0x%x and is 0x%x", fd, before[fd], now);
	}
	cr_assert_eq(dftio__fd_hint(forgotten), DFTIO_FD_UNKNOWN);
	cr_assert_eq((int)dftio__fd_soles, soles);
}

/* The patterns of DFTIO_FILES against the path of one file. */
static bool is_wanted(int fd, const char *patterns)
{
	snprintf(dftio__config.files, sizeof(dftio__config.files), "%s", patterns);
	return dftio__fd_classify(fd, true, NULL) != DFTIO_FD_EXCLUDED;
}

Test(fdinfo, patterns_choose_the_files_and_the_last_that_matches_decides)
{
	int fd = memfd_create("data.bin", 0); /* /memfd:data.bin (deleted) */

	cr_assert(is_wanted(fd, ""));
	cr_assert(is_wanted(fd, "*data.bin*"));
	cr_assert(is_wanted(fd, "/nowhere/*:*data.bin*"));
	cr_assert_not(is_wanted(fd, "/nowhere/*"));
	cr_assert_not(is_wanted(fd, "!*data.bin*"));
	cr_assert(is_wanted(fd, "!/nowhere/*"));
	cr_assert_not(is_wanted(fd, "*data*:!*.bin*"));
	cr_assert(is_wanted(fd, "!*.bin*:*data*"));
	cr_assert(is_wanted(fd, "!*.bin*::*data*:"));
	cr_assert_not(is_wanted(fd, "data.bin"));
	cr_assert_eq(dftio__fd_classify(fd, false, NULL), DFTIO_FD_MEM);
	cr_assert_not(is_wanted(fd, "/nowhere/*"));
	cr_assert_eq(dftio__fd_kind(dftio__fd_learn(fd)), DFTIO_FD_EXCLUDED);
}

Test(fdinfo, every_kind_has_a_name)
{
	for (int kind = 0; kind < DFTIO_FD_KIND_MAX_; kind++)
		cr_assert_not_null(dftio__fd_kind_name((enum dftio_fd_kind)kind), "kind %d", kind);
}
