/* SPDX-License-Identifier: MIT */
/* The single policy: what becomes of a data operation. */
#pragma once

#include "fdinfo.h"
#include "thread.h"

#include <sys/types.h>
#include <sys/uio.h>

struct dftio_route_state {
	bool live;     /* there is something to do at all: started, not disabled, not direct without statistics */
	bool every;    /* every data operation is looked at: policy backend, or statistics; else only pread is */
	bool counting; /* statistics are on: what is passed on is looked at too */
	bool soles;    /* a ring may carry reads at the file position: who shares it matters */
};

extern __attribute__((visibility("hidden"))) struct dftio_route_state dftio__route;

/* Policy auto makes the real call for everything but a pread: then one byte decides. */
static inline bool dftio__route_passes(int fd)
{
	return !dftio__route.every || (dftio__fd_kind(dftio__fd_hint(fd)) >= DFTIO_FD_PASS && !dftio__route.counting);
}

/* For a pread: what is known to be none of ours, and nobody counts. */
static inline bool dftio__route_pread_passes(int fd)
{
	return (dftio__fd_kind(dftio__fd_hint(fd)) >= DFTIO_FD_PASS && !dftio__route.counting) || !dftio__route.live;
}

void dftio__route_start(void);

/*
 * The process locks itself in (seccomp): from now on nothing but the calls it makes itself. No report either, which
 * would open a file.
 */
__attribute__((visibility("hidden"))) void dftio__route_stop(void);

/* Counts a call that was passed on and is never routed. */
void dftio__route_count(enum dftio_op_code code, int64_t r);

/*
 * One for each routed call: `next` is what the program called, made in place where that is the right thing. They
 * return what it would have returned, errno included.
 */
ssize_t dftio__route_read(ssize_t (*next)(int, void *, size_t), int fd, void *buf, size_t len);
ssize_t dftio__route_write(ssize_t (*next)(int, const void *, size_t), int fd, const void *buf, size_t len);
ssize_t dftio__route_pread(
	ssize_t (*next)(int, void *, size_t, off64_t), int fd, void *buf, size_t len, off64_t offset);
ssize_t dftio__route_pwrite(
	ssize_t (*next)(int, const void *, size_t, off64_t), int fd, const void *buf, size_t len, off64_t offset);
ssize_t dftio__route_readv(
	ssize_t (*next)(int, const struct iovec *, int), int fd, const struct iovec *iov, int iovcnt);
ssize_t dftio__route_writev(
	ssize_t (*next)(int, const struct iovec *, int), int fd, const struct iovec *iov, int iovcnt);
ssize_t dftio__route_preadv(ssize_t (*next)(int, const struct iovec *, int, off64_t), int fd, const struct iovec *iov,
	int iovcnt, off64_t offset);
ssize_t dftio__route_pwritev(ssize_t (*next)(int, const struct iovec *, int, off64_t), int fd, const struct iovec *iov,
	int iovcnt, off64_t offset);
ssize_t dftio__route_preadv2(ssize_t (*next)(int, const struct iovec *, int, off64_t, int), int fd,
	const struct iovec *iov, int iovcnt, off64_t offset, int flags);
ssize_t dftio__route_pwritev2(ssize_t (*next)(int, const struct iovec *, int, off64_t, int), int fd,
	const struct iovec *iov, int iovcnt, off64_t offset, int flags);
ssize_t dftio__route_sendfile(
	ssize_t (*next)(int, int, off64_t *, size_t), int out_fd, int in_fd, off64_t *offset, size_t len);
ssize_t dftio__route_copy_file_range(ssize_t (*next)(int, off64_t *, int, off64_t *, size_t, unsigned), int in_fd,
	off64_t *in_offset, int out_fd, off64_t *out_offset, size_t len, unsigned flags);
int dftio__route_fsync(int (*next)(int), int fd);
int dftio__route_fdatasync(int (*next)(int), int fd);
int dftio__route_ftruncate(int (*next)(int, off64_t), int fd, off64_t length);
int dftio__route_sync_file_range(
	int (*next)(int, off64_t, off64_t, unsigned), int fd, off64_t offset, off64_t len, unsigned flags);
