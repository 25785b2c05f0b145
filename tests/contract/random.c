/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of operations, on both sides: every result, errno, offset and byte must be the same.
 *
 * TEST_SEED sets the seed, which a failure tells; TEST_ROUNDS the number of operations.
 *
 * Owns:    the arguments of both sides.
 * Threads: a test's first.
 * Never:   makes an operation that would wait: what blocks is used where it is ready only.
 */
#include "promise.h"
#include "random_world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sys/ioctl.h>

#define LONGEST  ((size_t)100 * 1024)
#define ELEMENTS 12

/* Everything an operation points to, for each side. */
static struct arguments {
	_Alignas(4096) unsigned char bytes[LONGEST];
	struct iovec iov[ELEMENTS];
	int64_t in_off, out_off;
	struct stat st;
	struct sockaddr_storage addr;
	socklen_t addrlen;
} args[SIDES];

static char what[300];

static size_t draw_length(bool little)
{
	static const size_t lengths[] = { 0, 1, 7, 100, 511, 512, 4095, 4096, 4097, 8192, 10000, 65536, LONGEST };

	return little ? draw(900) : draw(2) ? lengths[draw(ARRAY_SIZE(lengths))] : draw(6000);
}

static int64_t draw_offset(void)
{
	static const int64_t odd[] = { -1, -2, INT64_MIN, INT64_MAX, 0, 512, 4096, 30000 };

	return draw(8) ? (int64_t)draw(40000) : odd[draw(ARRAY_SIZE(odd))];
}

/* An operation of this code; pointers are set for each side by aim(). */
struct wish {
	struct dftio_op op;
	struct slot *slot, *from;
	size_t element[ELEMENTS];
	size_t shift; /* of the buffer, for operations around the cache */
	bool bad_address, in_off, out_off;
};

static bool suits(unsigned traits, enum dftio_op_code code, const struct slot *s)
{
	bool message = code == DFTIO_OP_RECV || code == DFTIO_OP_SEND;

	if (message)
		return s->kind == SOCKET_END || s->kind == DATAGRAM_END;
	if (code == DFTIO_OP_ACCEPT)
		return s->kind == LISTENER;
	if (code == DFTIO_OP_CONNECT)
		return s->kind == UNCONNECTED;
	if ((traits & (DFTIO_T_IN | DFTIO_T_OUT)) && (traits & DFTIO_T_MOVES_POS))
		return s->kind < EVENT;
	return is_file(s);
}

/* Mostly one that can do it; the others say why not. */
static struct slot *draw_slot(enum dftio_op_code code)
{
	struct slot *s = &slots[draw(SLOTS)];

	for (int i = 0; i < 8 && draw(12) && !suits(dftio__op_descs[code].traits, code, s); i++)
		s = &slots[draw(SLOTS)];
	return s;
}

static void wish_transfer(struct wish *w, bool little)
{
	static const int flags[] = { MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_OOB, MSG_NOSIGNAL, MSG_ERRQUEUE };
	bool message = w->op.code == DFTIO_OP_RECV || w->op.code == DFTIO_OP_SEND;

	w->op.arg.rw.len = draw_length(little);
	w->op.arg.rw.flags = message && draw(3) == 0 ? flags[draw(ARRAY_SIZE(flags))] : 0;
	w->shift = draw(3) ? 0 : draw(600);
	if (w->op.arg.rw.len + w->shift > LONGEST)
		w->shift = 0;
}

static void wish_vector(struct wish *w, bool little)
{
	static const int flags[] = { RWF_DSYNC, RWF_APPEND, RWF_HIPRI, 1 << 20 };
	size_t left = little ? 900 : LONGEST;

	w->op.arg.v.iovcnt = (int)draw(ELEMENTS + 1);
	for (int i = 0; i < ELEMENTS; i++) {
		w->element[i] = draw_length(little) % (left / ELEMENTS + 1);
		left -= i < w->op.arg.v.iovcnt ? w->element[i] : 0;
	}
	if (draw(20) == 0)
		w->op.arg.v.iovcnt = draw(2) ? -1 : 1025;
	w->op.arg.v.flags = draw(8) ? 0 : flags[draw(ARRAY_SIZE(flags))];
}

static void wish_open(struct wish *w)
{
	static const char *const names[] = { "a", "b", "c", "d/e", ".", "none/x", "" };
	static const int flags[] = { O_RDONLY, O_RDWR, O_WRONLY, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL,
		O_RDWR | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_APPEND, O_RDONLY | O_DIRECTORY, O_PATH,
		O_RDWR | O_CREAT | O_NONBLOCK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC };

	w->op.arg.open.path = names[draw(ARRAY_SIZE(names))];
	w->op.arg.open.flags = flags[draw(ARRAY_SIZE(flags))];
	w->op.arg.open.mode = draw(01000) | 0600;
}

static void wish_copy(struct wish *w, bool little)
{
	w->from = draw_slot(DFTIO_OP_PREAD);
	w->op.arg.copy.len = draw_length(little);
	w->op.arg.copy.flags = w->op.code == DFTIO_OP_COPY_FILE_RANGE && draw(10) == 0;
	w->in_off = draw(2);
	w->out_off = draw(2);
}

static void wish_rest(struct wish *w)
{
	static const short events[] = { POLLIN, POLLOUT, POLLIN | POLLOUT, POLLPRI, POLLRDHUP, 0 };

	switch ((enum dftio_op_code)w->op.code) {
	case DFTIO_OP_LSEEK:
		w->op.offset = draw(3) ? (int64_t)draw(40000) : (int64_t)draw(100) - 50;
		w->op.arg.seek.whence = (int)draw(7) - 1; /* not all of them are one */
		break;
	case DFTIO_OP_SYNC_FILE_RANGE:
		w->op.arg.range.len = draw_offset();
		w->op.arg.range.flags = draw(10);
		break;
	case DFTIO_OP_FTRUNCATE:
		w->op.offset = draw(10) ? (int64_t)draw(40000) : -5;
		break;
	case DFTIO_OP_ACCEPT:
		w->op.arg.sock.flags = (int)(draw(4) ? SOCK_CLOEXEC : draw(3));
		break;
	case DFTIO_OP_CONNECT:
		w->op.arg.sock.len = draw(40);
		break;
	case DFTIO_OP_POLL:
		w->op.arg.poll.events = events[draw(ARRAY_SIZE(events))];
		w->op.arg.poll.timeout_ms = (int)draw(2);
		break;
	case DFTIO_OP_SLEEP:
		w->op.arg.sleep.sec = 0;
		w->op.arg.sleep.nsec = (int64_t)draw(2000) - 500;
		break;
	default:
		break;
	}
}

static struct wish make_wish(void)
{
	struct wish w;
	bool little;
	unsigned traits;

	memset((void *)&w, 0, sizeof(w));
	dftio__op_init(&w.op, (enum dftio_op_code)(1 + draw(DFTIO_OP_MAX_ - 1)), -1);
	traits = dftio__op_desc(&w.op)->traits;
	/* A disk's flush takes as long as a hundred others. */
	if ((traits & DFTIO_T_ONCE) && draw(10))
		dftio__op_init(&w.op, draw(2) ? DFTIO_OP_OPEN : DFTIO_OP_READ, -1);
	traits = dftio__op_desc(&w.op)->traits;
	w.slot = w.from = draw_slot((enum dftio_op_code)w.op.code);
	little = w.slot->waits;
	w.op.offset = draw_offset();
	if (traits & DFTIO_T_VECTOR)
		wish_vector(&w, little);
	else if (traits & (DFTIO_T_IN | DFTIO_T_OUT))
		wish_transfer(&w, little);
	if (w.op.code == DFTIO_OP_OPEN)
		wish_open(&w);
	if (w.op.code == DFTIO_OP_SENDFILE || w.op.code == DFTIO_OP_COPY_FILE_RANGE)
		wish_copy(&w, little);
	wish_rest(&w);
	w.bad_address = draw(25) == 0;
	return w;
}

/* A write of a bad address leaves an empty buffer in a pipe: readable, says poll(2), and read(2) waits. */
static bool is_hollow(const struct slot *slot)
{
	int bytes = 1;
	char c;

	if (slot->waits && recv(slot->fd.fd[KERNEL], &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN)
		return true;
	return slot->waits && ioctl(slot->fd.fd[KERNEL], FIONREAD, &bytes) == 0 && bytes == 0;
}

static bool would_wait(const struct wish *w)
{
	unsigned traits = dftio__op_desc(&w->op)->traits;

	/* One that fails half way leaves sockets in states of which poll(2) tells nothing. */
	if (w->bad_address && w->slot->waits)
		return true;
	if (w->op.code == DFTIO_OP_SENDFILE || w->op.code == DFTIO_OP_COPY_FILE_RANGE)
		return !is_ready_for(w->slot, POLLOUT) || !is_ready_for(w->from, POLLIN);
	if (w->op.code == DFTIO_OP_CONNECT || w->op.code == DFTIO_OP_ACCEPT)
		return w->slot->waits;
	/* A poll says that it is readable, whatever the flags ask for. */
	if (w->op.code == DFTIO_OP_RECV && w->slot->waits && w->op.arg.rw.flags)
		return true;
	if (traits & DFTIO_T_IN)
		return !is_ready_for(w->slot, POLLIN) || is_hollow(w->slot);
	return (traits & DFTIO_T_OUT) && !is_ready_for(w->slot, POLLOUT);
}

/* Points the operation to one side's arguments, as they were on the other. */
static struct dftio_op aim(const struct wish *w, enum side side)
{
	struct arguments *a = &args[side];
	unsigned traits = dftio__op_desc(&w->op)->traits;
	unsigned char *at = w->bad_address ? (unsigned char *)8 : a->bytes + w->shift;
	struct dftio_op op;

	memcpy((void *)&op, (const void *)&w->op, sizeof(op));
	op.fd = w->slot->fd.fd[side];
	if (traits & DFTIO_T_VECTOR) {
		op.arg.v.iov = w->bad_address ? (const struct iovec *)8 : a->iov;
		for (int i = 0; i < ELEMENTS; i++) {
			a->iov[i] = (struct iovec){ at, w->element[i] };
			at += w->element[i];
		}
		return op;
	}
	switch ((enum dftio_op_code)op.code) {
	case DFTIO_OP_OPEN:
		op.fd = directory_pair.fd[side];
		break;
	case DFTIO_OP_FSTAT:
		op.arg.stat.st = w->bad_address ? (struct stat *)8 : &a->st;
		break;
	case DFTIO_OP_SENDFILE:
	case DFTIO_OP_COPY_FILE_RANGE:
		op.arg.copy.in = w->from->fd.fd[side];
		a->in_off = a->out_off = w->op.offset;
		op.arg.copy.in_off = w->in_off ? &a->in_off : NULL;
		op.arg.copy.out_off = w->out_off ? &a->out_off : NULL;
		break;
	case DFTIO_OP_ACCEPT:
	case DFTIO_OP_CONNECT:
		memset(&a->addr, 0, sizeof(a->addr));
		op.arg.sock.addr = (struct sockaddr *)&a->addr;
		op.arg.sock.addrlen = op.code == DFTIO_OP_ACCEPT ? &a->addrlen : NULL;
		a->addrlen = sizeof(a->addr);
		break;
	default:
		if (traits & (DFTIO_T_IN | DFTIO_T_OUT))
			op.arg.rw.buf = at;
	}
	return op;
}

static void describe(const struct wish *w, unsigned seed, int round)
{
	snprintf(what, sizeof(what), "TEST_SEED=%u operation %d: %s on %s%s, len %zu offset %lld flags %#x%s", seed,
		round, dftio__op_desc(&w->op)->name, kind_name(w->slot->kind), w->slot->waits ? " that waits" : "",
		w->op.arg.rw.len, (long long)w->op.offset, (unsigned)w->op.arg.rw.flags,
		w->bad_address ? ", bad address" : "");
}

/* Numbers of descriptors differ; that there is one does not. */
static int64_t comparable(const struct wish *w, int64_t r)
{
	bool opens = w->op.code == DFTIO_OP_OPEN || w->op.code == DFTIO_OP_ACCEPT;

	/* An error of the connection arrives in its own time, on one side before the other. */
	if (w->op.code == DFTIO_OP_POLL && r > 0)
		return r & w->op.arg.poll.events;
	return opens && r > 0 ? 0 : r;
}

static void compare(const struct wish *w, const int64_t r[SIDES])
{
	const struct stat *k = &args[KERNEL].st, *e = &args[ENGINE].st;

	cr_assert_eq(comparable(w, r[ENGINE]), comparable(w, r[KERNEL]), "%s: the kernel says %lld, the engine %lld",
		what, (long long)r[KERNEL], (long long)r[ENGINE]);
	cr_assert_eq(memcmp(args[KERNEL].bytes, args[ENGINE].bytes, LONGEST), 0, "%s: other bytes", what);
	cr_assert_eq(args[KERNEL].in_off, args[ENGINE].in_off, "%s: another offset in", what);
	cr_assert_eq(args[KERNEL].out_off, args[ENGINE].out_off, "%s: another offset out", what);
	if (w->op.code == DFTIO_OP_FSTAT && r[KERNEL] == 0)
		cr_assert(k->st_mode == e->st_mode && k->st_size == e->st_size, "%s: another status", what);
	if (is_file(w->slot) && w->op.code != DFTIO_OP_CLOSE)
		cr_assert_eq(lseek(w->slot->fd.fd[KERNEL], 0, SEEK_CUR), lseek(w->slot->fd.fd[ENGINE], 0, SEEK_CUR),
			"%s: another position", what);
}

static enum kind kind_of_opened(const struct wish *w)
{
	if (w->op.arg.open.flags == O_PATH)
		return PATH_ONLY;
	return strcmp(w->op.arg.open.path, ".") == 0 ? DIRECTORY : FILE_BOTH;
}

static void after(const struct wish *w, const int64_t r[SIDES])
{
	struct pair made = { { (int)r[KERNEL], (int)r[ENGINE] } };

	if (w->op.code == DFTIO_OP_CLOSE) {
		if (r[KERNEL] == 0)
			w->slot->kind = NOT_OPEN;
		renew_slot(w->slot);
	} else if (w->op.code == DFTIO_OP_OPEN && r[KERNEL] >= 0) {
		/* Two slots may hold the same file then: as two descriptions of it. */
		put_into_slot(&slots[draw(SLOTS)], kind_of_opened(w), made);
	} else if (w->op.code == DFTIO_OP_ACCEPT && r[KERNEL] >= 0) {
		close_pair(made);
	}
}

static void one_round(unsigned seed, int round, bool bad_addresses)
{
	struct wish w = make_wish();
	int64_t r[SIDES];

	w.bad_address = w.bad_address && bad_addresses;
	if (draw(30) == 0)
		renew_slot(&slots[draw(SLOTS)]);
	if (would_wait(&w))
		return;
	describe(&w, seed, round);
	for (int side = 0; side < SIDES; side++) {
		struct dftio_op op;

		fill_pattern(args[side].bytes, LONGEST, (size_t)round);
		op = aim(&w, (enum side)side);
		r[side] = call_side((enum side)side, &op);
	}
	compare(&w, r);
	after(&w, r);
}

static unsigned setting(const char *name, unsigned otherwise)
{
	const char *value = getenv(name);

	return value ? (unsigned)strtoul(value, NULL, 10) : otherwise;
}

PROMISE_OF_ALL(random, sequences_end_as_the_kernels_own)
{
	unsigned seed = setting("TEST_SEED", (unsigned)getpid()), rounds = setting("TEST_ROUNDS", 5000);

	cr_assert_eq(chdir(own_directory()), 0);
	ignore(SIGPIPE);
	draw_from(seed);
	make_world();
	for (unsigned i = 0; i < rounds; i++) {
		one_round(seed, (int)i, !under_valgrind());
		if (i % 100 == 99)
			same_world();
	}
	same_world();
}
