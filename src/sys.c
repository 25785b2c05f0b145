/* SPDX-License-Identifier: MIT */
/*
 * The table of real calls, filled with libc's functions.
 *
 * Owns:    dftio__sys. Written before the first routed call (by the preload's constructor) and by tests; read by all.
 * Threads: none, no locks.
 * Never:   anything but calling on; whoever needs a decision takes it above.
 */
#include "sys.h"

#include <fcntl.h>
#include <unistd.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

static int real_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return openat(dirfd, path, flags, mode);
}

static int real_fcntl(int fd, int cmd, long arg)
{
	return fcntl(fd, cmd, arg);
}

static int real_io_uring_setup(unsigned entries, struct io_uring_params *p)
{
	return (int)dftio__sys.syscall(__NR_io_uring_setup, entries, p);
}

static int real_io_uring_enter(int fd, unsigned n, unsigned min, unsigned flags, const void *arg, size_t size)
{
	return (int)dftio__sys.syscall(__NR_io_uring_enter, fd, n, min, flags, arg, size);
}

static int real_io_uring_register(int fd, unsigned op, const void *arg, unsigned n)
{
	return (int)dftio__sys.syscall(__NR_io_uring_register, fd, op, arg, n);
}

struct dftio_sys dftio__sys = {
	.read = read,
	.write = write,
	.pread = pread,
	.pwrite = pwrite,
	.readv = readv,
	.writev = writev,
	.preadv = preadv,
	.pwritev = pwritev,
	.preadv2 = preadv2,
	.pwritev2 = pwritev2,
	.openat = real_openat,
	.close = close,
	.fsync = fsync,
	.fdatasync = fdatasync,
	.ftruncate = ftruncate,
	.fstat = fstat,
	.lseek = lseek,
	.sendfile = sendfile,
	.copy_file_range = copy_file_range,
	.sync_file_range = sync_file_range,
	.accept4 = accept4,
	.recv = recv,
	.send = send,
	.connect = connect,
	.poll = poll,
	.nanosleep = nanosleep,
	.fcntl = real_fcntl,
	.fstatfs = fstatfs,
	.readlink = readlink,
	.epoll_create1 = epoll_create1,
	.epoll_ctl = epoll_ctl,
	.epoll_wait = epoll_wait,
	.io_uring_setup = real_io_uring_setup,
	.io_uring_enter = real_io_uring_enter,
	.io_uring_register = real_io_uring_register,
	.thread_create = pthread_create,
	.syscall = syscall,
};
