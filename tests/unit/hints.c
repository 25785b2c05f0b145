/* SPDX-License-Identifier: MIT */
/*
 * Hints about descriptors: learnt by looking, forgotten on any doubt.
 *
 * Owns:    nothing.
 * Threads: a test's first.
 * Never:   starts a backend.
 */
#include "unit.h"
#include "fdinfo.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(hints, .init = kill_when_stuck);

static enum dftio_fd_kind learnt(int fd)
{
	return dftio__fd_kind(dftio__fd_learn(fd));
}

Test(hints, nothing_is_known_before_it_is_looked_at)
{
	int fd = make_file(10);

	cr_assert_eq(dftio__fd_hint(fd), DFTIO_FD_UNKNOWN);
	dftio__fd_learn(fd);
	cr_assert_neq(dftio__fd_hint(fd), DFTIO_FD_UNKNOWN);
	dftio__fd_forget(fd);
	cr_assert_eq(dftio__fd_hint(fd), DFTIO_FD_UNKNOWN);
}

Test(hints, each_kind_is_told_from_the_others)
{
	int p[2], s[2];

	cr_assert(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	cr_assert_lt(learnt(make_file(10)), DFTIO_FD_PASS);
	cr_assert_eq(learnt(memfd_create("hints", 0)), DFTIO_FD_MEM);
	cr_assert_eq(learnt(p[0]), DFTIO_FD_PIPE);
	cr_assert_eq(learnt(p[1]), DFTIO_FD_PIPE);
	cr_assert_eq(learnt(s[0]), DFTIO_FD_SOCKET);
	cr_assert_eq(learnt(open("/dev/null", O_RDWR)), DFTIO_FD_CHAR);
	cr_assert_eq(learnt(open(".", O_RDONLY)), DFTIO_FD_DIR);
	cr_assert_eq(learnt(open("/proc/self/status", O_RDONLY)), DFTIO_FD_PSEUDO);
	cr_assert_geq(learnt(eventfd(0, 0)), DFTIO_FD_PASS);
}

Test(hints, what_is_not_open_is_not_remembered)
{
	int fd = dup(0);

	close(fd);
	cr_assert_eq(learnt(fd), DFTIO_FD_BAD);
	cr_assert_eq(dftio__fd_hint(fd), DFTIO_FD_UNKNOWN);
	cr_assert_eq(learnt(-1), DFTIO_FD_OTHER);
}

Test(hints, there_are_none_beyond_the_table)
{
	static const int numbers[] = { DFTIO_FD_MAX, DFTIO_FD_MAX + 1, INT_MAX, -1, INT_MIN };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		cr_assert_eq(dftio__fd_hint(numbers[i]), DFTIO_FD_OTHER);
		cr_assert_eq(dftio__fd_learn(numbers[i]), DFTIO_FD_OTHER);
		dftio__fd_forget(numbers[i]);
		dftio__fd_mark_sole(numbers[i]);
	}
	dftio__fd_forget_range(DFTIO_FD_MAX - 1, UINT_MAX);
	dftio__fd_forget_range(10, 5);
}

Test(hints, a_range_is_forgotten_and_what_is_beside_it_is_not)
{
	for (int fd = 100; fd < 104; fd++) {
		cr_assert_eq(dup2(make_file(10), fd), fd);
		dftio__fd_learn(fd);
	}
	dftio__fd_forget_range(101, 102);
	cr_assert_neq(dftio__fd_hint(100), DFTIO_FD_UNKNOWN);
	cr_assert_eq(dftio__fd_hint(101), DFTIO_FD_UNKNOWN);
	cr_assert_eq(dftio__fd_hint(102), DFTIO_FD_UNKNOWN);
	cr_assert_neq(dftio__fd_hint(103), DFTIO_FD_UNKNOWN);
}

Test(hints, bits_are_set_on_what_is_known_only)
{
	int fd = make_file(10);

	dftio__fd_set_bits(fd, DFTIO_FD_COLD, 0);
	cr_assert_eq(dftio__fd_hint(fd), DFTIO_FD_UNKNOWN);
	dftio__fd_learn(fd);
	dftio__fd_set_bits(fd, DFTIO_FD_COLD | DFTIO_FD_NO_NOWAIT, 0);
	cr_assert(dftio__fd_hint(fd) & DFTIO_FD_COLD);
	dftio__fd_set_bits(fd, 0, DFTIO_FD_COLD);
	cr_assert(!(dftio__fd_hint(fd) & DFTIO_FD_COLD));
	cr_assert(dftio__fd_hint(fd) & DFTIO_FD_NO_NOWAIT);
	cr_assert_lt(dftio__fd_kind(dftio__fd_hint(fd)), DFTIO_FD_PASS, "and the kind stays");
}

Test(hints, a_sole_owner_stays_one_when_its_kind_is_learnt)
{
	int fd = make_file(10);

	dftio__fd_mark_sole(fd);
	cr_assert_eq(dftio__fd_kind(dftio__fd_hint(fd)), DFTIO_FD_UNKNOWN);
	cr_assert(dftio__fd_learn(fd) & DFTIO_FD_SOLE);
	cr_assert(dftio__fd_hint(fd) & DFTIO_FD_SOLE);
}

Test(hints, when_descriptions_may_be_shared_nobody_is_a_sole_owner_any_more)
{
	int fd[3];

	for (int i = 0; i < 3; i++) {
		fd[i] = make_file(10);
		dftio__fd_mark_sole(fd[i]);
	}
	dftio__fd_learn(fd[0]);
	dftio__fd_learn(fd[2]);
	cr_assert_neq(dftio__fd_soles, 0);
	dftio__fd_forget_sole();
	cr_assert_eq(dftio__fd_soles, 0);
	for (int i = 0; i < 3; i++)
		cr_assert(!(dftio__fd_hint(fd[i]) & DFTIO_FD_SOLE));
	cr_assert_lt(dftio__fd_kind(dftio__fd_hint(fd[0])), DFTIO_FD_PASS, "what else is known stays");
}

Test(hints, a_number_that_is_forgotten_has_no_sole_owner)
{
	int fd = make_file(10);

	dftio__fd_mark_sole(fd);
	dftio__fd_forget(fd);
	cr_assert(!(dftio__fd_learn(fd) & DFTIO_FD_SOLE));
}

Test(hints, after_a_fork_neither_side_is_a_sole_owner)
{
	int fd = make_file(10), status;
	pid_t child;

	dftio__fd_mark_sole(fd);
	dftio__fd_learn(fd);
	child = fork();
	if (child == 0)
		_exit(dftio__fd_hint(fd) & DFTIO_FD_SOLE ? 1 : 0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	cr_assert(!(dftio__fd_hint(fd) & DFTIO_FD_SOLE));
}

Test(hints, looking_changes_neither_errno_nor_the_table)
{
	int fd = make_file(10);

	errno = 4711;
	dftio__fd_classify(fd, true, NULL);
	dftio__fd_classify(-1, true, NULL);
	cr_assert_eq(errno, 4711);
	cr_assert_eq(dftio__fd_hint(fd), DFTIO_FD_UNKNOWN);
}

static bool is_wanted(const char *patterns, int fd)
{
	strcpy(dftio__config.files, patterns);
	return dftio__fd_classify(fd, true, NULL) != DFTIO_FD_EXCLUDED;
}

Test(hints, patterns_choose_the_files)
{
	char name[] = "/var/tmp/hints-XXXXXX", own[100];
	int fd = mkstemp(name);

	cr_assert_geq(fd, 0);
	cr_expect(is_wanted("", fd));
	cr_expect(is_wanted(name, fd));
	cr_expect(is_wanted("/var/tmp/hints-*", fd));
	cr_expect(is_wanted("/other/*:/var/tmp/*", fd));
	cr_expect(!is_wanted("/other/*", fd), "what no pattern names is left alone");
	cr_expect(is_wanted("!/other/*", fd), "only exceptions: all else is routed");
	cr_expect(!is_wanted("!/var/tmp/*", fd));
	cr_expect(!is_wanted("/var/*:!/var/tmp/*", fd), "the last that matches decides");
	snprintf(own, sizeof(own), "!/var/tmp/*:%s", name);
	cr_expect(is_wanted(own, fd));
	cr_expect(is_wanted("::/var/tmp/*::", fd), "empty ones are none");
	strcpy(dftio__config.files, "!*");
	cr_expect_neq(dftio__fd_classify(fd, false, NULL), DFTIO_FD_EXCLUDED, "only where they are asked for");
	unlink(name);
}

Test(hints, file_systems_without_a_device_are_known_by_name)
{
	static const struct {
		uint32_t magic;
		enum dftio_fd_kind kind;
		const char *name;
	} known[] = { { 0x01021994, DFTIO_FD_MEM, "tmpfs" }, { 0x858458f6, DFTIO_FD_MEM, "ramfs" },
		{ 0x6969, DFTIO_FD_DISK, "nfs" }, { 0x0bd00bd0, DFTIO_FD_DISK, "lustre" },
		{ 0x9123683e, DFTIO_FD_DISK, "btrfs" }, { 0x794c7630, DFTIO_FD_DISK, "overlayfs" },
		{ 0x65735546, DFTIO_FD_DISK, "fuse" }, { 0x9fa0, DFTIO_FD_PSEUDO, "proc" },
		{ 0x62656572, DFTIO_FD_PSEUDO, "sysfs" }, { 0x12345678, DFTIO_FD_PSEUDO, "unknown" } };
	struct stat st = { .st_mode = S_IFREG, .st_dev = makedev(0, 40) };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		struct statfs fs = { .f_type = known[i].magic };
		const char *name;

		cr_expect_eq(dftio__fs_kind(&st, &fs, &name), known[i].kind, "%s", known[i].name);
		cr_expect_str_eq(name, known[i].name);
	}
	st.st_dev = makedev(8, 1);
	cr_assert_eq(dftio__fs_kind(&st, NULL, NULL), DFTIO_FD_DISK, "what has a device is a disk's");
	st.st_mode = S_IFBLK;
	cr_assert_eq(dftio__fs_kind(&st, NULL, NULL), DFTIO_FD_DISK);
}

Test(hints, every_kind_has_a_name)
{
	for (int k = 0; k < DFTIO_FD_KIND_MAX_; k++)
		cr_expect(dftio__fd_kind_name((enum dftio_fd_kind)k));
}
