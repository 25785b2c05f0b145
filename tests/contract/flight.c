/* SPDX-License-Identifier: MIT */
/*
 * Many operations in flight from one thread: each is done, once, whatever the order they are waited for in.
 *
 * Owns:    the operations and their buffers.
 * Threads: a test's first; drains.
 * Never:   waits for what nobody will bring about.
 */
#include "promise.h"
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY      1000
#define EACH      ((size_t)512)
#define FILE_SIZE (256 * KIB)

struct lot {
	struct dftio_op op[MANY];
	struct dftio_waiter waiter[MANY];
	unsigned char buf[MANY][EACH];
	int order[MANY];
};

static struct lot *new_lot(void)
{
	struct lot *l = calloc(1, sizeof(*l));

	cr_assert_not_null(l);
	for (int i = 0; i < MANY; i++)
		l->order[i] = i;
	return l;
}

static int64_t offset_of(int i)
{
	return (int64_t)(i * 7919) % (int64_t)(FILE_SIZE - EACH);
}

static void submit_reads(struct lot *l, int fd)
{
	for (int i = 0; i < MANY; i++) {
		dftio__op_init_rw(&l->op[i], DFTIO_OP_PREAD, fd, l->buf[i], EACH, offset_of(i));
		dftio__waiter_init_futex(&l->waiter[i]);
		l->op[i].waiter = &l->waiter[i];
		dftio__engine_submit(&l->op[i]);
	}
}

/* Waits for all; what is done is overwritten, and must stay as it was overwritten. */
static void wait_for_reads(struct lot *l)
{
	unsigned char want[EACH], poison[sizeof(struct dftio_op)];

	memset(poison, 0xee, sizeof(poison));
	for (int k = 0; k < MANY; k++) {
		int i = l->order[k];

		cr_assert_eq(dftio__engine_wait(&l->op[i], NULL), EACH, "number %d", i);
		fill_pattern(want, EACH, (size_t)offset_of(i));
		cr_assert_eq(memcmp(l->buf[i], want, EACH), 0, "number %d brought other bytes", i);
		memcpy((void *)&l->op[i], poison, sizeof(poison));
		memset(l->buf[i], 0xee, EACH);
	}
	for (int i = 0; i < MANY; i++) {
		cr_assert_eq(memcmp((void *)&l->op[i], poison, sizeof(poison)), 0, "number %d was touched again", i);
		cr_assert_eq(memcmp(l->buf[i], poison, sizeof(poison)), 0, "number %d was read again", i);
	}
}

static void read_much(void)
{
	struct lot *l = new_lot();
	struct pair f = file_pair(FILE_SIZE, O_RDONLY);

	submit_reads(l, f.fd[ENGINE]);
	wait_for_reads(l);
	for (int i = 0; i < MANY; i++)
		l->order[i] = MANY - 1 - i;
	submit_reads(l, f.fd[ENGINE]);
	wait_for_reads(l);
	srandom(1);
	for (int i = MANY - 1; i > 0; i--) {
		int j = (int)(random() % (i + 1)), t = l->order[i];

		l->order[i] = l->order[j];
		l->order[j] = t;
	}
	submit_reads(l, f.fd[ENGINE]);
	wait_for_reads(l);
	free(l);
}

PROMISE_OF_ALL(in_flight, more_than_the_queue_holds_are_each_done_once)
{
	dftio__config.queue_depth = 8;
	read_much();
}

PROMISE_OF_ALL(in_flight, as_many_as_the_default_queue_holds_several_times_over)
{
	read_much();
}

PROMISE_OF_ALL(in_flight, cold_reads_come_back_in_any_order)
{
	struct lot *l = new_lot();
	struct pair f = file_pair(FILE_SIZE, O_RDONLY);

	dftio__config.queue_depth = 8;
	fsync(f.fd[ENGINE]);
	posix_fadvise(f.fd[ENGINE], 0, 0, POSIX_FADV_DONTNEED);
	submit_reads(l, f.fd[ENGINE]);
	wait_for_reads(l);
	free(l);
}

/* More reads of empty pipes than there are threads, between reads of a file; the pipes are filled when all are off. */
PROMISE_OF_ALL(in_flight, waiting_ones_and_ready_ones_mix)
{
	enum { PIPES = 24 };
	struct lot *l = new_lot();
	struct pair f = file_pair(FILE_SIZE, O_RDONLY);
	struct flight waiting[PIPES];
	int ends[PIPES][2];
	char byte[PIPES];

	dftio__config.queue_depth = 8;
	dftio__config.pool_max = 4;
	for (int i = 0; i < PIPES; i++) {
		cr_assert_eq(pipe(ends[i]), 0);
		dftio__op_init_rw(&waiting[i].op, DFTIO_OP_READ, ends[i][0], &byte[i], 1, 0);
		take_off(&waiting[i]);
	}
	submit_reads(l, f.fd[ENGINE]);
	wait_for_reads(l);
	for (int i = PIPES - 1; i >= 0; i--)
		cr_assert_eq(write(ends[i][1], &"0123456789"[i % 10], 1), 1);
	for (int i = 0; i < PIPES; i++) {
		cr_assert_eq(land(&waiting[i]), 1);
		cr_assert_eq(byte[i], "0123456789"[i % 10]);
	}
	free(l);
}

PROMISE_OF_ALL(in_flight, several_reads_of_one_pipe_each_take_their_part)
{
	enum { READS = 20 };
	struct pipe_pair p = make_pipes(0);
	struct flight f[READS];
	char got[READS] = "";
	int seen = 0;

	for (int i = 0; i < READS; i++) {
		dftio__op_init_rw(&f[i].op, DFTIO_OP_READ, p.in.fd[ENGINE], &got[i], 1, 0);
		take_off(&f[i]);
	}
	for (int i = 0; i < READS; i++) {
		char c = (char)(i + 1);

		cr_assert_eq(write(p.out.fd[ENGINE], &c, 1), 1);
	}
	for (int i = READS - 1; i >= 0; i--)
		cr_assert_eq(land(&f[i]), 1);
	for (int i = 0; i < READS; i++)
		seen |= 1 << (got[i] - 1);
	cr_assert_eq(seen, (1 << READS) - 1, "each byte came once");
}

/* The write is longer than its pipe; nobody waits for it while what empties the pipe is waited for. */
PROMISE_OF_ALL(in_flight, a_long_write_goes_on_while_another_is_waited_for)
{
	enum { PARTS = 16 };
	static unsigned char out[PARTS * 64 * 1024], in[sizeof(out)];
	struct pipe_pair p = make_pipes(0);
	struct flight w, r[PARTS];
	size_t got = 0;

	fill_pattern(out, sizeof(out), 0);
	dftio__op_init_rw(&w.op, DFTIO_OP_WRITE, p.out.fd[ENGINE], out, sizeof(out), 0);
	take_off(&w);
	for (int i = 0; i < PARTS; i++) {
		dftio__op_init_rw(&r[i].op, DFTIO_OP_READ, p.in.fd[ENGINE], in + got, 1000, 0);
		take_off(&r[i]);
		cr_assert_eq(land(&r[i]), 1000);
		got += 1000;
	}
	while (got < sizeof(in)) {
		dftio__op_init_rw(&r[0].op, DFTIO_OP_READ, p.in.fd[ENGINE], in + got, sizeof(in) - got, 0);
		take_off(&r[0]);
		cr_assert_gt(land(&r[0]), 0);
		got += (size_t)r[0].op.res;
	}
	cr_assert_eq(memcmp(in, out, sizeof(in)), 0);
	cr_assert_eq(land(&w), sizeof(out));
}

struct relay {
	struct drain drain;
	int then;
	pthread_t thread;
};

static void *drain_then_tell(void *arg)
{
	struct relay *r = arg;

	pthread_join(r->drain.thread, NULL);
	cr_assert_eq(write(r->then, "x", 1), 1);
	return NULL;
}

/* What a pool thread carries out ends only when what the waiting thread's own lane carries has come to its end. */
PROMISE_OF_ALL(in_flight, a_long_send_goes_on_while_a_pool_thread_is_waited_for)
{
	static unsigned char out[1024 * 1024];
	struct pipe_pair s = make_sockets(SOCK_STREAM), told = make_pipes(0);
	struct flight send, wait;
	struct relay relay;

	fill_pattern(out, sizeof(out), 0);
	dftio__op_init_rw(&send.op, DFTIO_OP_SEND, s.out.fd[ENGINE], out, sizeof(out), 0);
	take_off(&send);
	dftio__op_init(&wait.op, DFTIO_OP_POLL, told.in.fd[ENGINE]);
	wait.op.arg.poll.events = POLLIN;
	wait.op.arg.poll.timeout_ms = PATIENCE * 1000; /* with a limit: a pool thread's, everywhere */
	take_off(&wait);
	drain_start(&relay.drain, s.in.fd[ENGINE], sizeof(out));
	relay.then = told.out.fd[ENGINE];
	cr_assert_eq(pthread_create(&relay.thread, NULL, drain_then_tell, &relay), 0);
	cr_assert_eq(land(&wait), POLLIN);
	cr_assert_eq(land(&send), sizeof(out));
	pthread_join(relay.thread, NULL);
	cr_assert(relay.drain.same && relay.drain.got == sizeof(out));
}

/* An operation that is submitted and never waited for keeps nobody from anything. */
PROMISE_OF_ALL(in_flight, an_idle_one_does_not_keep_others_waiting)
{
	struct pipe_pair p = make_pipes(0);
	struct pair f = file_pair(FILE_SIZE, O_RDWR);
	struct flight idle;
	char byte;

	dftio__op_init_rw(&idle.op, DFTIO_OP_READ, p.in.fd[ENGINE], &byte, 1, 0);
	take_off(&idle);
	for (int i = 0; i < 200; i++) {
		cr_assert_eq(both_read(DFTIO_OP_PREAD, f, EACH, offset_of(i)), EACH);
		cr_assert_eq(both_write(DFTIO_OP_WRITE, f, 100, 0), 100);
	}
	cr_assert_eq(write(p.out.fd[ENGINE], "x", 1), 1);
	cr_assert_eq(land(&idle), 1);
	same_file(f);
}
