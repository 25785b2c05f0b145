/* SPDX-License-Identifier: MIT */
/*
 * System calls without libc: a way into the kernel that no preload can stand in. Set errno like libc's functions.
 *
 * Machines without a few lines of their own here go through syscall(2), which a preload may see. Where a call has an
 * offset it is one argument: 64-bit machines only.
 */
#ifndef RAW_H
#define RAW_H

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static inline long raw_call(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	register long ret __asm__("x0") = a;

	__asm__ volatile("svc 0" : "+r"(ret) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
#else
	return syscall(number, a, b, c, d, e, f);
#endif
	if (ret < 0 && ret > -4096) {
		errno = (int)-ret;
		return -1;
	}
	return ret;
}

/* RAW(SYS_close, fd): the arguments that are missing are 0. */
#define RAW(...) RAW_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define RAW_(number, a, b, c, d, e, f, ...)                                                                            \
	raw_call((number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline ssize_t raw_read(int fd, void *buf, size_t len)
{
	return RAW(SYS_read, fd, buf, len);
}

static inline ssize_t raw_write(int fd, const void *buf, size_t len)
{
	return RAW(SYS_write, fd, buf, len);
}

static inline ssize_t raw_pread(int fd, void *buf, size_t len, off64_t offset)
{
	return RAW(SYS_pread64, fd, buf, len, offset);
}

static inline ssize_t raw_pwrite(int fd, const void *buf, size_t len, off64_t offset)
{
	return RAW(SYS_pwrite64, fd, buf, len, offset);
}

static inline int raw_open(const char *path, int flags, mode_t mode)
{
	return (int)RAW(SYS_openat, AT_FDCWD, path, flags, mode);
}

static inline int raw_close(int fd)
{
	return (int)RAW(SYS_close, fd);
}

static inline off64_t raw_seek(int fd, off64_t offset, int whence)
{
	return RAW(SYS_lseek, fd, offset, whence);
}

static inline int raw_fcntl(int fd, int command, long argument)
{
	return (int)RAW(SYS_fcntl, fd, command, argument);
}

static inline int raw_truncate(int fd, off64_t length)
{
	return (int)RAW(SYS_ftruncate, fd, length);
}

static inline int raw_pipe(int ends[2], int flags)
{
	return (int)RAW(SYS_pipe2, ends, flags);
}

static inline int raw_gettid(void)
{
	return (int)RAW(SYS_gettid);
}

#endif
