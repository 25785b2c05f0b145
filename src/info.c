/* SPDX-License-Identifier: MIT */
/*
 * The public functions that tell what there is: dftio/dftio.h.
 *
 * Owns:    nothing.
 * Threads: any; no locks.
 * Never:   sets errno; writes past the size its caller gave.
 */
#include "dftio/dftio.h"
#include "config.h"
#include "engine.h"
#include "kernel.h"
#include "fdinfo.h"

#include <fcntl.h>
#include <string.h>

#define STRING(x) #x
#define EXPAND(x) STRING(x)

const char *dftio_version(void)
{
	return EXPAND(DFTIO_VERSION_MAJOR) "." EXPAND(DFTIO_VERSION_MINOR) "." EXPAND(DFTIO_VERSION_PATCH);
}

int dftio_backend_info(unsigned index, struct dftio_backend_info *info)
{
	const struct dftio_backend_ops *be;
	struct dftio_probe p = {0};
	int saved = errno;

	if (!info || info->size != sizeof(*info))
		return -EINVAL;
	for (unsigned i = 0; i <= index; i++)
		if (!dftio__backends[i])
			return -ENOENT;
	be = dftio__backends[index];
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->name = be->name;
	info->long_name = be->long_name;
	info->available = be->probe(&p);
	errno = saved;
	if (info->available) {
		memcpy(info->detail, p.detail, sizeof(info->detail));
	} else {
		info->error = p.error;
		memcpy(info->reason, p.reason, sizeof(info->reason));
	}
	return 0;
}

const char *dftio_backend(const char **why)
{
	const struct dftio_backend_ops *be = dftio__engine_backend();

	if (why)
		*why = dftio__engine_why();
	return be->name;
}

int dftio_feature_info(unsigned index, struct dftio_feature_info *info)
{
	const struct dftio_feature *f;
	int saved = errno;

	if (!info || info->size != sizeof(*info))
		return -EINVAL;
	if (index >= dftio__feature_count)
		return -ENOENT;
	f = &dftio__features[index];
	info->name = f->name;
	info->since = f->since;
	info->use = f->use;
	info->present = f->present();
	errno = saved;
	return 0;
}

static const char *why_routed(enum dftio_fd_kind kind)
{
	if (dftio__config.disabled)
		return "DFTIO_DISABLE=1";
	if (dftio__config.route == DFTIO_ROUTE_DIRECT)
		return "DFTIO_ROUTE=direct";
	switch (kind) {
	case DFTIO_FD_DISK:
		return "a file that may have to wait for its device";
	case DFTIO_FD_MEM:
		return dftio__config.route == DFTIO_ROUTE_BACKEND ? "every file, by DFTIO_ROUTE=backend"
								  : "in memory: nothing is faster than the real call";
	case DFTIO_FD_PSEUDO:
		return "a window into the kernel: it may wait for ever, or ask which thread reads";
	case DFTIO_FD_DIR:
		return "a directory has no data operations";
	default:
		return "it can wait for ever: the real call waits, and is interrupted, as the program expects";
	}
}

int dftio_path_info(const char *path, struct dftio_path_info *info)
{
	int saved = errno, fd, r = 0;
	enum dftio_fd_kind kind;
	struct statfs fs;
	struct stat st;

	if (!path || !info || info->size != sizeof(*info))
		return -EINVAL;
	/* O_PATH: looked at, not opened; a fifo does not wait, a device is not touched. */
	fd = (int)dftio__result(dftio__sys.openat(AT_FDCWD, path, O_PATH | O_CLOEXEC, 0));
	if (fd < 0 || dftio__sys.fstat(fd, &st) < 0 || dftio__sys.fstatfs(fd, &fs) < 0) {
		r = fd < 0 ? fd : -errno;
	} else {
		kind = dftio__fs_kind(&st, &fs, &info->file_system);
		info->kind = S_ISREG(st.st_mode)   ? "regular file"
			     : S_ISBLK(st.st_mode) ? "block device"
						   : dftio__fd_kind_name(kind);
		info->why = why_routed(kind);
		info->routed =
			!dftio__config.disabled && dftio__config.route != DFTIO_ROUTE_DIRECT &&
			(kind == DFTIO_FD_DISK || (kind == DFTIO_FD_MEM && dftio__config.route == DFTIO_ROUTE_BACKEND));
		info->block_size = (uint32_t)st.st_blksize;
	}
	if (fd >= 0)
		dftio__sys.close(fd);
	errno = saved;
	return r;
}
