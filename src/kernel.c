/* SPDX-License-Identifier: MIT */
/*
 * Kernel features, by asking.
 *
 * Owns:    the table. Nothing is kept between calls.
 * Threads: any; no locks.
 * Never:   leaves a descriptor, a ring or a mapping behind; concludes from a version number.
 */
#include "kernel.h"
#include "sys.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <linux/magic.h>
#include <sys/mman.h>

#if DFTIO_HAVE_URING
#include <liburing.h>

/* Newer than Debian 12's header. */
#define SETUP_NO_MMAP            (1U << 14)
#define SETUP_REGISTERED_FD_ONLY (1U << 15)
#define SETUP_NO_SQARRAY         (1U << 16)

/*
 * Whether a ring with these flags can be set up; `features` are what it then reports. Flags that leave no descriptor
 * are looked at without setting one up: a ring that is registered lives as long as its thread.
 */
static bool try_setup(unsigned flags, unsigned *features)
{
	struct io_uring_params p = {.flags = flags};
	int saved = errno, fd;

	fd = dftio__sys.io_uring_setup(2, &p);
	if (features)
		*features = p.features;
	if (fd >= 0)
		dftio__sys.close(fd);
	errno = saved;
	return fd >= 0;
}

static bool has_ring(void)
{
	return try_setup(0, NULL);
}

static bool has_feature(unsigned bit)
{
	unsigned features = 0;

	return try_setup(0, &features) && (features & bit);
}

static bool has_ext_arg(void)
{
	return has_feature(IORING_FEAT_EXT_ARG);
}

static bool has_cur_pos(void)
{
	return has_feature(IORING_FEAT_RW_CUR_POS);
}

static bool has_single(void)
{
	return try_setup(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN, NULL);
}

static bool has_no_sqarray(void)
{
	return try_setup(SETUP_NO_SQARRAY, NULL);
}

/* EFAULT for its missing memory means that the flag is known, EINVAL that it is not. */
static bool has_no_descriptor(void)
{
	struct io_uring_params p = {.flags = SETUP_NO_MMAP | SETUP_REGISTERED_FD_ONLY};
	int saved = errno, fd, e;

	fd = dftio__sys.io_uring_setup(2, &p);
	e = errno;
	errno = saved;
	return fd < 0 && e == EFAULT;
}
#else
static bool has_ring(void)
{
	return false;
}
#define has_ext_arg       has_ring
#define has_cur_pos       has_ring
#define has_single        has_ring
#define has_no_sqarray    has_ring
#define has_no_descriptor has_ring
#endif

static bool has_nowait(void)
{
	struct iovec iov = {NULL, 0};
	int saved = errno, fd = dftio__sys.openat(AT_FDCWD, "/", O_RDONLY | O_CLOEXEC | O_DIRECTORY, 0);
	int e = 0;

	if (fd < 0)
		return false;
	/* A directory refuses to be read, by EISDIR, after the flag was understood. */
	if (dftio__sys.preadv2(fd, &iov, 1, 0, RWF_NOWAIT) < 0)
		e = errno;
	dftio__sys.close(fd);
	errno = saved;
	return e != ENOSYS;
}

static bool has_wipe(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int saved = errno;
	bool ok;

	if (page == MAP_FAILED)
		return false;
	ok = madvise(page, 4096, MADV_WIPEONFORK) == 0;
	munmap(page, 4096);
	errno = saved;
	return ok;
}

const struct dftio_feature dftio__features[] = {
	{"io_uring", "5.1", "the io_uring backend; without it auto takes the next", has_ring},
	{"io_uring EXT_ARG", "5.11", "waits with a time limit; the backend needs it", has_ext_arg},
	{"io_uring RW_CUR_POS", "5.6", "reads at the file position; the backend needs it", has_cur_pos},
	{"io_uring SINGLE_ISSUER, COOP_TASKRUN", "6.0", "a ring per thread, reaped by its waiter; dropped without it",
		has_single},
	{"io_uring without a descriptor", "6.5", "nothing to close or inherit; else a high descriptor, closed on 5.18",
		has_no_descriptor},
	{"io_uring NO_SQARRAY", "6.6", "one indirection less; dropped without it", has_no_sqarray},
	{"preadv2 RWF_NOWAIT", "4.14", "tells cached data from cold without waiting", has_nowait},
	{"MADV_WIPEONFORK", "4.14", "a forked child is noticed however it was forked; else only fork(3)", has_wipe},
};

const unsigned dftio__feature_count = ARRAY_SIZE(dftio__features);
