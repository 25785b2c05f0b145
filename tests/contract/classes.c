/* SPDX-License-Identifier: MIT */
/*
 * What may wait for ever does not keep file I/O from moving, however much of it there is.
 *
 * Owns:    the idle operations of each case.
 * Threads: a test's first; where the backend carries out in place, one for each idle operation.
 * Never:   leaves an operation in flight: each case ends what it began.
 */
#include "promise.h"
#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREADS 4
#define IDLE    (3 * THREADS)

static struct flight idle[IDLE];

static struct dftio_op plain_op(enum dftio_op_code code, int fd)
{
	struct dftio_op op;

	dftio__op_init(&op, code, fd);
	memset(&op.arg, 0, sizeof(op.arg));
	return op;
}

/* One of everything that is done to files, on both sides. */
static void files_still_move(void)
{
	struct pair f = file_pair(64 * KIB, O_RDWR), n = path_pair("/dev/null", O_RDWR);
	struct dftio_op op;
	struct stat st;

	for (int i = 0; i < 20; i++) {
		cr_assert_eq(both_read(DFTIO_OP_PREAD, f, 4096, i * 100), 4096);
		cr_assert_eq(both_read(DFTIO_OP_READ, f, 1000, 0), 1000);
		cr_assert_eq(both_write(DFTIO_OP_WRITEV, f, 1000, 0), 1000);
		cr_assert_eq(both_write(DFTIO_OP_PWRITE, f, 1000, i), 1000);
	}
	op = plain_op(DFTIO_OP_LSEEK, -1);
	cr_assert_eq(both(f, &op), 0);
	op = plain_op(DFTIO_OP_FSYNC, -1);
	cr_assert_eq(both(f, &op), 0);
	op = plain_op(DFTIO_OP_FDATASYNC, -1);
	cr_assert_eq(both(f, &op), 0);
	op = plain_op(DFTIO_OP_FSTAT, -1);
	op.arg.stat.st = &st;
	cr_assert_eq(both(f, &op), 0);
	op = plain_op(DFTIO_OP_FTRUNCATE, -1);
	cr_assert_eq(both(f, &op), 0);
	op = plain_op(DFTIO_OP_SYNC_FILE_RANGE, -1);
	cr_assert_eq(both(f, &op), 0);
	op = plain_op(DFTIO_OP_CLOSE, -1);
	cr_assert_eq(both(n, &op), 0);
}

static void begin(void)
{
	dftio__config.pool_max = THREADS;
	dftio__config.queue_depth = 8;
}

PROMISE_OF_ALL(idle, reads_of_pipes_do_not_starve_files)
{
	struct pipe_pair p = make_pipes(0);
	char byte[IDLE];

	begin();
	for (int i = 0; i < IDLE; i++) {
		dftio__op_init_rw(&idle[i].op, DFTIO_OP_READ, p.in.fd[ENGINE], &byte[i], 1, 0);
		take_off(&idle[i]);
	}
	files_still_move();
	close(p.out.fd[ENGINE]);
	for (int i = 0; i < IDLE; i++)
		cr_assert_eq(land(&idle[i]), 0);
}

static void full_pipes_do_not_starve_files(enum dftio_op_code code)
{
	static char fill[64 * 1024];
	struct pipe_pair p[IDLE];
	struct iovec iov[IDLE];

	begin();
	for (int i = 0; i < IDLE; i++) {
		p[i] = make_pipes(0);
		cr_assert_eq(write(p[i].out.fd[ENGINE], fill, sizeof(fill)), sizeof(fill));
		make_transfer(&idle[i].op, code, p[i].out.fd[ENGINE], fill, 100, 0, &iov[i]);
		take_off(&idle[i]);
	}
	files_still_move();
	for (int i = 0; i < IDLE; i++)
		cr_assert_eq(read(p[i].in.fd[ENGINE], fill, sizeof(fill)), sizeof(fill));
	for (int i = 0; i < IDLE; i++)
		cr_assert_eq(land(&idle[i]), 100);
}

PROMISE_OF_ALL(idle, writes_to_full_pipes_do_not_starve_files)
{
	full_pipes_do_not_starve_files(DFTIO_OP_WRITE);
}

PROMISE_OF_ALL(idle, vectors_to_full_pipes_do_not_starve_files)
{
	full_pipes_do_not_starve_files(DFTIO_OP_WRITEV);
}

PROMISE_OF_ALL(idle, receives_do_not_starve_files)
{
	static const int flags[] = { 0, MSG_WAITALL, MSG_PEEK };
	struct pipe_pair s[IDLE];
	char buf[IDLE][2];

	begin();
	for (int i = 0; i < IDLE; i++) {
		s[i] = make_sockets(SOCK_STREAM);
		dftio__op_init_rw(&idle[i].op, DFTIO_OP_RECV, s[i].in.fd[ENGINE], buf[i], 2, 0);
		idle[i].op.arg.rw.flags = flags[i % 3];
		take_off(&idle[i]);
	}
	files_still_move();
	for (int i = 0; i < IDLE; i++)
		close(s[i].out.fd[ENGINE]);
	for (int i = 0; i < IDLE; i++)
		cr_assert_eq(land(&idle[i]), 0);
}

PROMISE_OF_ALL(idle, accepts_do_not_starve_files)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(a);

	begin();
	cr_assert_eq(bind(listener, (struct sockaddr *)&a, len), 0);
	cr_assert_eq(listen(listener, IDLE), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	for (int i = 0; i < IDLE; i++) {
		idle[i].op = plain_op(DFTIO_OP_ACCEPT, listener);
		take_off(&idle[i]);
	}
	files_still_move();
	for (int i = 0; i < IDLE; i++)
		cr_assert_eq(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, len), 0);
	for (int i = 0; i < IDLE; i++)
		cr_assert_geq(land(&idle[i]), 0);
}

static void idle_polls(int timeout_ms, short events)
{
	struct pipe_pair p = make_pipes(0);

	begin();
	for (int i = 0; i < IDLE; i++) {
		idle[i].op = plain_op(DFTIO_OP_POLL, p.in.fd[ENGINE]);
		idle[i].op.arg.poll.events = events;
		idle[i].op.arg.poll.timeout_ms = timeout_ms;
		take_off(&idle[i]);
	}
	files_still_move();
	cr_assert_eq(write(p.out.fd[ENGINE], "x", 1), 1);
	for (int i = 0; i < IDLE; i++)
		cr_assert_eq(land(&idle[i]), POLLIN);
}

PROMISE_OF_ALL(idle, polls_do_not_starve_files)
{
	idle_polls(-1, POLLIN);
	idle_polls(-1, POLLIN | POLLOUT);
}

PROMISE_OF_ALL(idle, polls_with_a_limit_do_not_starve_files)
{
	idle_polls(PATIENCE * 1000, POLLIN);
}

PROMISE_OF_ALL(idle, opens_of_fifos_do_not_starve_files)
{
	char path[4200];
	int w;

	begin();
	snprintf(path, sizeof(path), "%s/idle-fifo", own_directory());
	cr_assert_eq(mkfifo(path, 0600), 0);
	for (int i = 0; i < IDLE; i++) {
		idle[i].op = plain_op(DFTIO_OP_OPEN, AT_FDCWD);
		idle[i].op.arg.open.path = path;
		idle[i].op.arg.open.flags = O_RDONLY | O_CLOEXEC;
		take_off(&idle[i]);
	}
	files_still_move();
	w = open(path, O_WRONLY | O_CLOEXEC);
	cr_assert_geq(w, 0);
	for (int i = 0; i < IDLE; i++)
		cr_assert_geq(land(&idle[i]), 0);
}

PROMISE_OF_ALL(idle, copies_to_full_sockets_do_not_starve_files)
{
	struct pair in = file_pair(1000, O_RDONLY);
	static char fill[64 * 1024];
	struct pipe_pair p[IDLE];
	int64_t offset[IDLE];

	begin();
	for (int i = 0; i < IDLE; i++) {
		p[i] = make_pipes(0);
		offset[i] = 0;
		cr_assert_eq(write(p[i].out.fd[ENGINE], fill, sizeof(fill)), sizeof(fill));
		idle[i].op = plain_op(DFTIO_OP_SENDFILE, p[i].out.fd[ENGINE]);
		idle[i].op.arg.copy.in = in.fd[ENGINE];
		idle[i].op.arg.copy.in_off = &offset[i];
		idle[i].op.arg.copy.len = 1000;
		take_off(&idle[i]);
	}
	files_still_move();
	for (int i = 0; i < IDLE; i++)
		cr_assert_eq(read(p[i].in.fd[ENGINE], fill, sizeof(fill)), sizeof(fill));
	for (int i = 0; i < IDLE; i++)
		cr_assert_eq(land(&idle[i]), 1000);
}

PROMISE_OF_ALL(idle, sleeps_do_not_starve_files)
{
	begin();
	for (int i = 0; i < IDLE; i++) {
		idle[i].op = plain_op(DFTIO_OP_SLEEP, -1);
		idle[i].op.arg.sleep.nsec = 200 * 1000000;
		take_off(&idle[i]);
	}
	files_still_move();
	for (int i = 0; i < IDLE; i++)
		cr_assert_eq(land(&idle[i]), 0);
}
