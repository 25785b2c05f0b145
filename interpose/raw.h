/* SPDX-License-Identifier: MIT */
/*
 * Raw system calls, one per row of the manifest: what a wrapper does before the real functions are resolved, when
 * other libraries' constructors run, or an allocator starts up. No lookup, no lock, no allocation.
 *
 * Included by next.c alone. 64-bit Linux: an offset fits one register.
 */
#pragma once

#include "next.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>

__attribute__((visibility("hidden"))) long dftio__raw_syscall(long number, ...);

#if __SIZEOF_LONG__ != 8
#error "the preload is written for 64-bit Linux"
#endif

static ssize_t raw_read(int fd, void *buf, size_t len)
{
	return dftio__raw_syscall(SYS_read, fd, buf, len);
}

static ssize_t raw_pread64(int fd, void *buf, size_t len, off64_t offset)
{
	return dftio__raw_syscall(SYS_pread64, fd, buf, len, offset);
}

static ssize_t raw_readv(int fd, const struct iovec *iov, int iovcnt)
{
	return dftio__raw_syscall(SYS_readv, fd, iov, iovcnt);
}

static ssize_t raw_preadv64(int fd, const struct iovec *iov, int iovcnt, off64_t offset)
{
	return dftio__raw_syscall(SYS_preadv, fd, iov, iovcnt, offset, 0);
}

static ssize_t raw_preadv64v2(int fd, const struct iovec *iov, int iovcnt, off64_t offset, int flags)
{
	return dftio__raw_syscall(SYS_preadv2, fd, iov, iovcnt, offset, 0, flags);
}

static ssize_t raw_write(int fd, const void *buf, size_t len)
{
	return dftio__raw_syscall(SYS_write, fd, buf, len);
}

static ssize_t raw_pwrite64(int fd, const void *buf, size_t len, off64_t offset)
{
	return dftio__raw_syscall(SYS_pwrite64, fd, buf, len, offset);
}

static ssize_t raw_writev(int fd, const struct iovec *iov, int iovcnt)
{
	return dftio__raw_syscall(SYS_writev, fd, iov, iovcnt);
}

static ssize_t raw_pwritev64(int fd, const struct iovec *iov, int iovcnt, off64_t offset)
{
	return dftio__raw_syscall(SYS_pwritev, fd, iov, iovcnt, offset, 0);
}

static ssize_t raw_pwritev64v2(int fd, const struct iovec *iov, int iovcnt, off64_t offset, int flags)
{
	return dftio__raw_syscall(SYS_pwritev2, fd, iov, iovcnt, offset, 0, flags);
}

static ssize_t raw___read_chk(int fd, void *buf, size_t len, size_t buflen)
{
	if (len > buflen)
		__builtin_trap(); /* as libc would: the program has a buffer overflow */
	return raw_read(fd, buf, len);
}

static ssize_t raw___pread64_chk(int fd, void *buf, size_t len, off64_t offset, size_t buflen)
{
	if (len > buflen)
		__builtin_trap();
	return raw_pread64(fd, buf, len, offset);
}

static ssize_t raw_sendfile64(int out_fd, int in_fd, off64_t *offset, size_t len)
{
	return dftio__raw_syscall(SYS_sendfile, out_fd, in_fd, offset, len);
}

static ssize_t raw_copy_file_range(
	int in_fd, off64_t *in_offset, int out_fd, off64_t *out_offset, size_t len, unsigned flags)
{
	return dftio__raw_syscall(SYS_copy_file_range, in_fd, in_offset, out_fd, out_offset, len, flags);
}

static int raw_fsync(int fd)
{
	return (int)dftio__raw_syscall(SYS_fsync, fd);
}

static int raw_fdatasync(int fd)
{
	return (int)dftio__raw_syscall(SYS_fdatasync, fd);
}

static int raw_ftruncate64(int fd, off64_t length)
{
	return (int)dftio__raw_syscall(SYS_ftruncate, fd, length);
}

static int raw_sync_file_range(int fd, off64_t offset, off64_t len, unsigned flags)
{
	return (int)dftio__raw_syscall(SYS_sync_file_range, fd, offset, len, flags);
}

/* The mode may not be there: an unread argument costs nothing, and the kernel looks at it only when it creates. */
static int raw_open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return (int)dftio__raw_syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#define raw_open64 raw_open

static int raw_openat(int dirfd, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return (int)dftio__raw_syscall(SYS_openat, dirfd, path, flags, mode);
}

static int raw_creat(const char *path, mode_t mode)
{
	return (int)dftio__raw_syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

static int raw___open_2(const char *path, int flags)
{
	return (int)dftio__raw_syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

static int raw___openat_2(int dirfd, const char *path, int flags)
{
	return (int)dftio__raw_syscall(SYS_openat, dirfd, path, flags, 0);
}

static int raw_close(int fd)
{
	return (int)dftio__raw_syscall(SYS_close, fd);
}

static int raw_close_range(unsigned first, unsigned last, int flags)
{
	return (int)dftio__raw_syscall(SYS_close_range, first, last, flags);
}

static void raw_closefrom(int lowfd)
{
	dftio__raw_syscall(SYS_close_range, lowfd < 0 ? 0 : lowfd, ~0U, 0);
}

static int raw_dup(int fd)
{
	return (int)dftio__raw_syscall(SYS_dup, fd);
}

static int raw_dup3(int fd, int newfd, int flags)
{
	return (int)dftio__raw_syscall(SYS_dup3, fd, newfd, flags);
}

/* Not every architecture has dup2: dup3 differs where both numbers are the same. */
static int raw_dup2(int fd, int newfd)
{
	if (fd == newfd)
		return dftio__raw_syscall(SYS_fcntl, fd, F_GETFD) < 0 ? -1 : fd;
	return raw_dup3(fd, newfd, 0);
}

static int raw_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	return (int)dftio__raw_syscall(SYS_fcntl, fd, cmd, arg);
}

static off64_t raw_lseek64(int fd, off64_t offset, int whence)
{
	return dftio__raw_syscall(SYS_lseek, fd, offset, whence);
}

static ssize_t raw_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr, socklen_t *addrlen)
{
	return dftio__raw_syscall(SYS_recvfrom, fd, buf, len, flags, addr, addrlen);
}

static ssize_t raw_recv(int fd, void *buf, size_t len, int flags)
{
	return raw_recvfrom(fd, buf, len, flags, NULL, NULL);
}

static ssize_t raw_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return dftio__raw_syscall(SYS_recvmsg, fd, msg, flags);
}

static ssize_t raw___recv_chk(int fd, void *buf, size_t len, size_t buflen, int flags)
{
	if (len > buflen)
		__builtin_trap();
	return raw_recv(fd, buf, len, flags);
}

static ssize_t raw___recvfrom_chk(
	int fd, void *buf, size_t len, size_t buflen, int flags, struct sockaddr *addr, socklen_t *addrlen)
{
	if (len > buflen)
		__builtin_trap();
	return raw_recvfrom(fd, buf, len, flags, addr, addrlen);
}

static ssize_t raw_sendto(
	int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr, socklen_t addrlen)
{
	return dftio__raw_syscall(SYS_sendto, fd, buf, len, flags, addr, addrlen);
}

static ssize_t raw_send(int fd, const void *buf, size_t len, int flags)
{
	return raw_sendto(fd, buf, len, flags, NULL, 0);
}

static ssize_t raw_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return dftio__raw_syscall(SYS_sendmsg, fd, msg, flags);
}

static int raw_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
	return (int)dftio__raw_syscall(SYS_sendmmsg, fd, msgs, n, flags);
}

static int raw_accept4(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags)
{
	return (int)dftio__raw_syscall(SYS_accept4, fd, addr, addrlen, flags);
}

static int raw_accept(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	return raw_accept4(fd, addr, addrlen, 0);
}

static int raw_connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	return (int)dftio__raw_syscall(SYS_connect, fd, addr, addrlen);
}

__attribute__((noreturn)) static void raw__exit(int status)
{
	for (;;)
		dftio__raw_syscall(SYS_exit_group, status);
}

#define raw_quick_exit raw__exit

static int raw_unshare(int flags)
{
	return (int)dftio__raw_syscall(SYS_unshare, flags);
}

static int raw_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags, struct timespec *timeout)
{
	return (int)dftio__raw_syscall(SYS_recvmmsg, fd, msgs, n, flags, timeout);
}

static int raw_setns(int fd, int nstype)
{
	return (int)dftio__raw_syscall(SYS_setns, fd, nstype);
}

static int raw_setfsuid(unsigned id)
{
	return (int)dftio__raw_syscall(SYS_setfsuid, id);
}

static int raw_capset(void *header, const void *data)
{
	return (int)dftio__raw_syscall(SYS_capset, header, data);
}

static int raw_prctl(int option, ...)
{
	unsigned long a[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	return (int)dftio__raw_syscall(SYS_prctl, option, a[0], a[1], a[2], a[3]);
}

static int raw_execve(const char *path, char *const argv[], char *const envp[])
{
	return (int)dftio__raw_syscall(SYS_execve, path, argv, envp);
}

static int raw_execv(const char *path, char *const argv[])
{
	return raw_execve(path, argv, environ);
}

static int raw_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	return (int)dftio__raw_syscall(SYS_execveat, dirfd, path, argv, envp, flags);
}

static int raw_fexecve(int fd, char *const argv[], char *const envp[])
{
	return raw_execveat(fd, "", argv, envp, AT_EMPTY_PATH);
}

/*
 * These are no system calls but libc's work: looked up when they are called that early. Where libc has none of them
 * nobody can call it either.
 */
static void *late(const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);

	if (!fn)
		errno = ENOSYS;
	return fn;
}

#define LATE(ret, name, failed, params, args)                 \
	static ret raw_##name params                          \
	{                                                     \
		ret(*fn) params;                              \
                                                              \
		*(void **)&fn = late(#name);                  \
		return fn ? fn args : failed;                 \
	}

static int raw_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	int (*next)(int (*)(void *), void *, int, void *, ...);
	void *a[3];
	va_list ap;

	va_start(ap, arg);
	for (int i = 0; i < 3; i++)
		a[i] = va_arg(ap, void *);
	va_end(ap);
	*(void **)&next = late("clone");
	return next ? next(fn, stack, flags, arg, a[0], a[1], a[2]) : -1;
}

LATE(pid_t, _Fork, -1, (void), ())
LATE(int, daemon, -1, (int nochdir, int noclose), (nochdir, noclose))
LATE(int, system, -1, (const char *command), (command))
LATE(FILE *, popen, NULL, (const char *command, const char *type), (command, type))
LATE(int, execvp, -1, (const char *file, char *const argv[]), (file, argv))
LATE(int, execvpe, -1, (const char *file, char *const argv[], char *const envp[]), (file, argv, envp))
LATE(int, posix_spawn, ENOSYS,
	(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
		char *const argv[], char *const envp[]),
	(pid, path, actions, attr, argv, envp))
LATE(int, posix_spawnp, ENOSYS,
	(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
		char *const argv[], char *const envp[]),
	(pid, path, actions, attr, argv, envp))

#define raw_syscall dftio__raw_syscall

/* Never called: the wrappers of these collect their arguments and call the forms that take an array. */
#define raw_execl  NULL
#define raw_execlp NULL
#define raw_execle NULL
