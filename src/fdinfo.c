/* SPDX-License-Identifier: MIT */
/*
 * Hints about descriptors, and the decision which files are worth routing.
 *
 * Owns:    the table of hints.
 * Threads: any; relaxed bytes, no locks. The sole-owner bit is only set while the process has one thread.
 * Never:   trusts a hint where a wrong one would change a result; learns in a vfork child.
 */
#include "fdinfo.h"
#include "config.h"
#include "life.h"
#include "sys.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>

_Atomic uint8_t dftio__fd_hints[DFTIO_FD_MAX];
_Atomic uint32_t dftio__fd_soles;
static _Atomic int highest; /* that was ever remembered: what is swept */

/*
 * File systems without a block device of their own (st_dev major 0) that hold files all the same. What is not here is
 * taken for a window into the kernel (/proc, /sys, cgroups, tracing ...) and left alone: such a file may wait for
 * ever, and may ask which thread it is that reads.
 */
static const struct {
	uint32_t magic;
	bool memory;
	const char *name;
} file_systems[] = {
	{0x01021994, true, "tmpfs"},
	{0x858458f6, true, "ramfs"},
	{0x958458f6, true, "hugetlbfs"},
	{0x9123683e, false, "btrfs"},
	{0x794c7630, false, "overlayfs"},
	{0x6969, false, "nfs"},
	{0xff534d42, false, "cifs"},
	{0xfe534d42, false, "smb2"},
	{0x517b, false, "smb"},
	{0x65735546, false, "fuse"},
	{0x0bd00bd0, false, "lustre"},
	{0x47504653, false, "gpfs"},
	{0x19830326, false, "beegfs"},
	{0x00c36400, false, "ceph"},
	{0x01021997, false, "9p"},
	{0x2fc12fc1, false, "zfs"},
	{0xca451a4e, false, "bcachefs"},
	{0x5346414f, false, "afs"},
	{0x20030528, false, "orangefs"},
	{0x786f4256, false, "vboxsf"},
	{0xe0f5e1e2, false, "erofs"},
	{0xf15f, false, "ecryptfs"},
	{0x24051905, false, "ubifs"},
	/* With a device of their own; here for the name. */
	{0xef53, false, "ext4"},
	{0x58465342, false, "xfs"},
	{0xf2f52010, false, "f2fs"},
	{0x4d44, false, "vfat"},
	{0x2011bab0, false, "exfat"},
	{0x5346544e, false, "ntfs"},
	{0x73717368, false, "squashfs"},
	{0x9660, false, "iso9660"},
	/* Windows into the kernel; here for the name. */
	{0x9fa0, false, "proc"},
	{0x62656572, false, "sysfs"},
};

#define FIRST_PSEUDO (ARRAY_SIZE(file_systems) - 2)

static void remember(int fd, uint8_t hint)
{
	store_relaxed(&dftio__fd_hints[fd], hint);
	if (fd > load_relaxed(&highest))
		store_relaxed(&highest, fd);
}

enum dftio_fd_kind dftio__fs_kind(const struct stat *st, const struct statfs *fs, const char **fs_name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(file_systems); i++)
		if (fs && (uint32_t)fs->f_type == file_systems[i].magic)
			break;
	if (fs_name)
		*fs_name = i < ARRAY_SIZE(file_systems) ? file_systems[i].name : "unknown";
	if (S_ISFIFO(st->st_mode))
		return DFTIO_FD_PIPE;
	if (S_ISSOCK(st->st_mode))
		return DFTIO_FD_SOCKET;
	if (S_ISCHR(st->st_mode))
		return DFTIO_FD_CHAR;
	if (S_ISDIR(st->st_mode))
		return DFTIO_FD_DIR;
	if (S_ISBLK(st->st_mode) || (S_ISREG(st->st_mode) && major(st->st_dev) != 0))
		return DFTIO_FD_DISK;
	if (!S_ISREG(st->st_mode))
		return DFTIO_FD_OTHER;
	if (i >= FIRST_PSEUDO)
		return DFTIO_FD_PSEUDO;
	return file_systems[i].memory ? DFTIO_FD_MEM : DFTIO_FD_DISK;
}

/*
 * DFTIO_FILES: patterns separated by ':', the last that matches decides; a leading '!' leaves alone. Where only '!'
 * patterns stand, all else is routed; otherwise what nothing matches is left alone.
 */
static bool path_is_wanted(const char *path)
{
	char pattern[PATH_MAX];
	bool wanted = true;
	const char *p;
	size_t len;

	for (p = dftio__config.files; *p; p += strspn(p, ":")) {
		len = strcspn(p, ":");
		if (*p != '!')
			wanted = false;
		p += len;
	}
	for (p = dftio__config.files; *p; p += strspn(p, ":")) {
		bool not = *p == '!';

		len = strcspn(p, ":");
		memcpy(pattern, p + not, len - not );
		pattern[len - not ] = '\0';
		if (fnmatch(pattern, path, 0) == 0)
			wanted = !not ;
		p += len;
	}
	return wanted;
}

static bool fd_is_wanted(int fd)
{
	char link[32], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = dftio__sys.readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return path_is_wanted(path);
}

enum dftio_fd_kind dftio__fd_classify(int fd, bool filter, struct stat *out)
{
	enum dftio_fd_kind kind;
	struct statfs fs;
	struct stat st;
	int saved = errno;

	if (dftio__sys.fstat(fd, &st) < 0) {
		errno = saved;
		return DFTIO_FD_BAD;
	}
	/* Only what has no device of its own needs the second call. */
	if (S_ISREG(st.st_mode) && major(st.st_dev) == 0 && dftio__sys.fstatfs(fd, &fs) == 0)
		kind = dftio__fs_kind(&st, &fs, NULL);
	else
		kind = dftio__fs_kind(&st, NULL, NULL);
	if (filter && kind < DFTIO_FD_PASS && dftio__config.files[0] && !fd_is_wanted(fd))
		kind = DFTIO_FD_EXCLUDED;
	if (out)
		*out = st;
	errno = saved;
	return kind;
}

uint8_t dftio__fd_learn(int fd)
{
	uint8_t sole, hint;

	if ((unsigned)fd >= DFTIO_FD_MAX)
		return DFTIO_FD_OTHER;
	sole = load_relaxed(&dftio__fd_hints[fd]) & DFTIO_FD_SOLE;
	hint = (uint8_t)dftio__fd_classify(fd, true, NULL);
	if (hint == DFTIO_FD_BAD)
		return hint;
	hint |= sole;
	if (dftio__life_is_owner())
		remember(fd, hint);
	return hint;
}

void dftio__fd_set_bits(int fd, uint8_t set, uint8_t clear)
{
	uint8_t h = load_relaxed(&dftio__fd_hints[fd]);

	/* A concurrent forget may be overwritten: what is written is a hint on a number still, and is checked. */
	if (h != DFTIO_FD_UNKNOWN && dftio__life_is_owner())
		store_relaxed(&dftio__fd_hints[fd], (uint8_t)((h | set) & ~clear));
}

void dftio__fd_forget_range(unsigned first, unsigned last)
{
	unsigned top = (unsigned)load_relaxed(&highest);

	for (unsigned fd = first; fd <= last && fd <= top; fd++)
		dftio__fd_forget((int)fd);
}

void dftio__fd_mark_sole(int fd)
{
	if ((unsigned)fd >= DFTIO_FD_MAX)
		return;
	remember(fd, DFTIO_FD_SOLE);
	store_relaxed(&dftio__fd_soles, 1);
}

void dftio__fd_forget_sole(void)
{
	int top = load_relaxed(&highest);

	if (!load_relaxed(&dftio__fd_soles))
		return;
	for (int fd = 0; fd <= top; fd++) {
		uint8_t h = load_relaxed(&dftio__fd_hints[fd]);

		if (h & DFTIO_FD_SOLE)
			store_relaxed(&dftio__fd_hints[fd], (uint8_t)(h & ~DFTIO_FD_SOLE));
	}
	store_relaxed(&dftio__fd_soles, 0);
}

const char *dftio__fd_kind_name(enum dftio_fd_kind kind)
{
	static const char *const names[DFTIO_FD_KIND_MAX_] = {
		[DFTIO_FD_UNKNOWN] = "unknown",
		[DFTIO_FD_DISK] = "regular file or block device",
		[DFTIO_FD_MEM] = "file in memory",
		[DFTIO_FD_PIPE] = "pipe",
		[DFTIO_FD_SOCKET] = "socket",
		[DFTIO_FD_CHAR] = "character device",
		[DFTIO_FD_DIR] = "directory",
		[DFTIO_FD_PSEUDO] = "window into the kernel",
		[DFTIO_FD_EXCLUDED] = "left alone by DFTIO_FILES",
		[DFTIO_FD_OTHER] = "other kind of descriptor",
		[DFTIO_FD_BAD] = "not open",
	};

	return names[kind];
}
