/* SPDX-License-Identifier: MIT */
/*
 * The peer of the io_uring backend: the shortest loop that does the same reads, or writes, through a ring of its own,
 * one at a time.
 *
 *	rawring FILE BYTES COUNT [direct|write]
 *
 * One thread, one ring, no lock. The flags are the best this kernel takes; it says which on stderr only when it had to
 * give one up. It must never do less than a correct caller would: every result is checked.
 */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER 0
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN 0
#endif

enum { DEPTH = 8, ALIGNMENT = 4096 };

struct file {
	int fd;
	size_t bytes;
	uint64_t blocks;
	uint32_t random;
	char *buf;
	int writes;
};

static void die(const char *what, int err)
{
	fprintf(stderr, "rawring: %s: %s\n", what, strerror(err));
	exit(1);
}

static void make_ring(struct io_uring *ring)
{
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SINGLE_ISSUER, 0};
	int err = -EINVAL;

	for (size_t i = 0; err == -EINVAL && i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (i)
			fprintf(stderr, "rawring: this kernel refuses flags 0x%x\n", flags[i - 1]);
		err = io_uring_queue_init(DEPTH, ring, flags[i]);
	}
	if (err)
		die("io_uring", -err);
	(void)io_uring_register_ring_fd(ring); /* a gain where it works (5.18), no loss where not */
}

static void loop(struct io_uring *ring, struct file *f, long n)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	uint64_t at;
	int err;

	while (n-- > 0) {
		sqe = io_uring_get_sqe(ring);
		at = measure_block(&f->random, f->blocks) * f->bytes;
		if (f->writes)
			io_uring_prep_write(sqe, f->fd, f->buf, (unsigned)f->bytes, at);
		else
			io_uring_prep_read(sqe, f->fd, f->buf, (unsigned)f->bytes, at);
		err = io_uring_submit_and_wait(ring, 1);
		if (err < 0)
			die("submit", -err);
		err = io_uring_wait_cqe(ring, &cqe);
		if (err)
			die("wait", -err);
		if (cqe->res != (int)f->bytes)
			die("transfer", cqe->res < 0 ? -cqe->res : ENODATA);
		io_uring_cqe_seen(ring, cqe);
	}
}

int main(int argc, char **argv)
{
	struct io_uring ring;
	struct measure m;
	struct stat st;
	struct file f = {.random = 2463534242u};
	long count = argc > 3 ? atol(argv[3]) : 0;
	const char *mode = argc > 4 ? argv[4] : "";

	if (count < 1 || atol(argv[2]) < 1) {
		fprintf(stderr, "usage: rawring FILE BYTES COUNT [direct|write]\n");
		return 2;
	}
	f.bytes = (size_t)atol(argv[2]);
	f.writes = !strcmp(mode, "write");
	f.fd = open(argv[1], (f.writes ? O_RDWR : O_RDONLY) | (!strcmp(mode, "direct") ? O_DIRECT : 0));
	if (f.fd < 0 || fstat(f.fd, &st))
		die(argv[1], errno);
	f.blocks = (uint64_t)st.st_size / f.bytes;
	if (!f.blocks)
		die(argv[1], ENODATA);
	if (posix_memalign((void **)&f.buf, ALIGNMENT, f.bytes))
		die("memory", ENOMEM);
	memset(f.buf, 'x', f.bytes);
	make_ring(&ring);
	loop(&ring, &f, count / 10 + 1000);
	measure_start(&m);
	loop(&ring, &f, count);
	measure_stop(&m);
	measure_print(&m, (double)count);
	io_uring_queue_exit(&ring);
	return 0;
}
