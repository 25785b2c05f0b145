/* SPDX-License-Identifier: MIT */
/*
 * The public functions that tell what there is.
 *
 * Owns:    nothing.
 * Threads: a test's first.
 * Never:   asserts what the machine has, only that what is said about it is whole.
 */
#include "unit.h"
#include "dftio/dftio.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(info, .init = kill_when_stuck);

Test(info, the_version_is_the_headers)
{
	char want[32];

	snprintf(want, sizeof(want), "%d.%d.%d", DFTIO_VERSION_MAJOR, DFTIO_VERSION_MINOR, DFTIO_VERSION_PATCH);
	cr_assert_str_eq(dftio_version(), want);
}

Test(info, every_backend_is_told_best_first_and_sync_is_the_last)
{
	struct dftio_backend_info b = { .size = sizeof(b) };
	unsigned n = 0;
	int r;

	for (; (r = dftio_backend_info(n, &b)) == 0; n++) {
		cr_assert(b.name && *b.name && b.long_name && *b.long_name);
		cr_assert_str_eq(b.name, dftio__backends[n]->name);
		cr_assert_eq(b.size, sizeof(b));
		if (b.available)
			cr_assert(b.error == 0 && b.reason[0] == '\0', "%s", b.name);
		else
			cr_assert(b.error > 0 && b.reason[0], "%s says why not", b.name);
	}
	cr_assert_eq(r, -ENOENT);
	cr_assert_geq(n, 3);
	cr_assert_eq(dftio_backend_info(n - 1, &b), 0);
	cr_assert_str_eq(b.name, "sync");
	cr_assert(b.available);
}

Test(info, past_the_end_is_enoent)
{
	struct dftio_backend_info b = { .size = sizeof(b) };
	struct dftio_feature_info f = { .size = sizeof(f) };

	cr_assert_eq(dftio_backend_info(1000, &b), -ENOENT);
	cr_assert_eq(dftio_backend_info(UINT_MAX, &b), -ENOENT);
	cr_assert_eq(dftio_feature_info(1000, &f), -ENOENT);
	cr_assert_eq(dftio_feature_info(UINT_MAX, &f), -ENOENT);
}

Test(info, a_size_that_is_not_known_is_einval_and_nothing_is_written)
{
	static const size_t wrong[] = { 0, 1, 8, 100000 };
	struct dftio_backend_info b;
	struct dftio_feature_info f;
	struct dftio_path_info p;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		memset(&b, 0x5a, sizeof(b));
		memset(&f, 0x5a, sizeof(f));
		memset(&p, 0x5a, sizeof(p));
		b.size = f.size = p.size = wrong[i];
		cr_assert_eq(dftio_backend_info(0, &b), -EINVAL);
		cr_assert_eq(dftio_feature_info(0, &f), -EINVAL);
		cr_assert_eq(dftio_path_info(".", &p), -EINVAL);
		cr_assert_eq(b.detail[0], 0x5a);
		cr_assert_eq(f.present, 0x5a5a5a5a);
		cr_assert_eq(p.block_size, 0x5a5a5a5a);
	}
	cr_assert_eq(dftio_backend_info(0, NULL), -EINVAL);
	cr_assert_eq(dftio_feature_info(0, NULL), -EINVAL);
	cr_assert_eq(dftio_path_info(".", NULL), -EINVAL);
	p.size = sizeof(p);
	cr_assert_eq(dftio_path_info(NULL, &p), -EINVAL);
}

Test(info, every_feature_has_a_name_a_kernel_and_a_use)
{
	struct dftio_feature_info f = { .size = sizeof(f) };
	unsigned n = 0;

	for (; dftio_feature_info(n, &f) == 0; n++) {
		cr_assert(f.name && *f.name && f.since && *f.since && f.use && *f.use);
		cr_assert(f.present == 0 || f.present == 1);
	}
	cr_assert_gt(n, 0);
}

static struct dftio_path_info of_path(const char *path)
{
	struct dftio_path_info p = { .size = sizeof(p) };

	cr_assert_eq(dftio_path_info(path, &p), 0, "%s", path);
	cr_assert(p.kind && *p.kind && p.why && *p.why && p.file_system && *p.file_system);
	return p;
}

Test(info, a_path_says_what_becomes_of_its_calls)
{
	char name[] = "./info-XXXXXX";
	struct dftio_path_info p;
	int fd = mkstemp(name);

	cr_assert_geq(fd, 0);
	p = of_path(name);
	unlink(name);
	cr_assert_str_eq(p.kind, "regular file");
	cr_assert_gt(p.block_size, 0);
	cr_assert_str_eq(of_path(".").kind, "directory");
	cr_assert(!of_path(".").routed);
	cr_assert_str_eq(of_path("/dev/null").kind, "character device");
	cr_assert(!of_path("/dev/null").routed);
	p = of_path("/proc/self/status");
	cr_assert(!p.routed);
	cr_assert_str_eq(p.file_system, "proc");
}

/* A fifo would wait for its other end. */
Test(info, a_path_is_looked_at_and_not_opened)
{
	char name[] = "./info-fifo";

	unlink(name);
	cr_assert_eq(mkfifo(name, 0600), 0);
	cr_assert_str_eq(of_path(name).kind, "pipe");
	unlink(name);
}

Test(info, a_path_that_is_not_there_is_enoent)
{
	struct dftio_path_info p = { .size = sizeof(p) };

	cr_assert_eq(dftio_path_info("no/such/file", &p), -ENOENT);
	cr_assert_eq(dftio_path_info("", &p), -ENOENT);
	cr_assert_eq(dftio_path_info("/dev/null/x", &p), -ENOTDIR);
}

Test(info, neither_errno_nor_a_descriptor_is_touched)
{
	struct dftio_backend_info b = { .size = sizeof(b) };
	struct dftio_feature_info f = { .size = sizeof(f) };
	struct dftio_path_info p = { .size = sizeof(p) };
	unsigned before = count_descriptors();

	errno = 4711;
	for (unsigned i = 0; dftio_backend_info(i, &b) == 0; i++)
		;
	for (unsigned i = 0; dftio_feature_info(i, &f) == 0; i++)
		;
	dftio_path_info("no/such/file", &p);
	dftio_path_info(".", &p);
	dftio_backend(NULL);
	cr_assert_eq(errno, 4711);
	cr_assert_eq(count_descriptors(), before);
}

Test(info, the_backend_in_use_says_why)
{
	const char *why = NULL;

	use_backend("threadpool");
	cr_assert_str_eq(dftio_backend(&why), "threadpool");
	cr_assert(why && *why);
}
