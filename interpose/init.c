/* SPDX-License-Identifier: MIT */
/*
 * Start of the preload.
 *
 * The core's constructor has run before (it is our dependency): the environment is parsed. Here the next functions
 * are looked up and installed into the core, and the wrappers go live. No I/O, no thread, no ring: those come with the
 * first routed call.
 *
 * Owns:    nothing.
 * Threads: the loader's; no locks.
 * Never:   fails: where a name is missing a raw system call stands in.
 */
#include "config.h"
#include "next.h"
#include "observe.h"
#include "route.h"
#include "stats.h"
#include "sys.h"

static int next_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return dftio__next.openat(dirfd, path, flags, mode);
}

static int next_fcntl(int fd, int cmd, long arg)
{
	return dftio__next.fcntl(fd, cmd, arg);
}

static void install(void)
{
	dftio__sys.read = dftio__next.read;
	dftio__sys.write = dftio__next.write;
	dftio__sys.pread = dftio__next.pread64;
	dftio__sys.pwrite = dftio__next.pwrite64;
	dftio__sys.readv = dftio__next.readv;
	dftio__sys.writev = dftio__next.writev;
	dftio__sys.preadv = dftio__next.preadv64;
	dftio__sys.pwritev = dftio__next.pwritev64;
	dftio__sys.preadv2 = dftio__next.preadv64v2;
	dftio__sys.pwritev2 = dftio__next.pwritev64v2;
	dftio__sys.openat = next_openat;
	dftio__sys.close = dftio__next.close;
	dftio__sys.fsync = dftio__next.fsync;
	dftio__sys.fdatasync = dftio__next.fdatasync;
	dftio__sys.ftruncate = dftio__next.ftruncate64;
	dftio__sys.lseek = dftio__next.lseek64;
	dftio__sys.sendfile = dftio__next.sendfile64;
	dftio__sys.copy_file_range = dftio__next.copy_file_range;
	dftio__sys.sync_file_range = dftio__next.sync_file_range;
	dftio__sys.accept4 = dftio__next.accept4;
	dftio__sys.recv = dftio__next.recv;
	dftio__sys.send = dftio__next.send;
	dftio__sys.connect = dftio__next.connect;
	dftio__sys.fcntl = next_fcntl;
	dftio__sys.syscall = dftio__next.syscall;
}

__attribute__((constructor(101))) static void preload_start(void)
{
	int saved = errno;

	dftio__next_resolve();
	install();
	dftio__config_init(true);
	dftio__stats_init();
	dftio__by_number_start();
	dftio__route_start();
	errno = saved;
}
