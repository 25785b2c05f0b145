/* SPDX-License-Identifier: MIT */
/*
 * A preload that lies, to see that the victims notice: pread of a descriptor that is not open says EINVAL.
 *
 * Owns:    nothing.
 * Threads: any.
 * Never:   used but by the test of the tests.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
	ssize_t n = syscall(SYS_pread64, fd, buf, len, offset);

	if (n < 0 && errno == EBADF)
		errno = EINVAL;
	return n;
}
