/* SPDX-License-Identifier: MIT */
/*
 * accept and connect: over TCP and UNIX addresses, that wait and that do not.
 *
 * Owns:    listeners, an address for each side.
 * Threads: a test's first; operations in flight.
 * Never:   goes beyond the loopback interface.
 */
#include "promise.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_un un;
	} a;
	socklen_t len;
};

struct listeners {
	struct pair fd;
	struct address at[SIDES];
};

static const int families[] = { AF_INET, AF_UNIX };

static struct listeners make_listeners(int family, int type, int backlog)
{
	static int count;
	struct listeners l;

	memset(&l, 0, sizeof(l));
	for (int side = 0; side < SIDES; side++) {
		struct address *at = &l.at[side];

		at->a.any.sa_family = (sa_family_t)family;
		if (family == AF_INET) {
			at->a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
			at->len = sizeof(at->a.in);
		} else {
			/* Abstract: no length of path to care for. */
			snprintf(at->a.un.sun_path + 1, 60, "contract-%d-%d", (int)getpid(), count++);
			at->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				strlen(at->a.un.sun_path + 1));
		}
		l.fd.fd[side] = socket(family, SOCK_STREAM | SOCK_CLOEXEC | type, 0);
		cr_assert_eq(bind(l.fd.fd[side], &at->a.any, at->len), 0);
		cr_assert_eq(listen(l.fd.fd[side], backlog), 0);
		cr_assert_eq(getsockname(l.fd.fd[side], &at->a.any, &at->len), 0);
	}
	return l;
}

static int stranger(int family, int type)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | type, 0);

	cr_assert_geq(fd, 0);
	return fd;
}

static struct pair strangers(int family, int type)
{
	return (struct pair){ { stranger(family, type), stranger(family, type) } };
}

/* Somebody connects to each listener; the kernel's own calls. */
static struct pair arrive(const struct listeners *l)
{
	struct pair p = strangers(l->at[KERNEL].a.any.sa_family, 0);

	for (int side = 0; side < SIDES; side++)
		cr_assert_eq(connect(p.fd[side], &l->at[side].a.any, l->at[side].len), 0);
	return p;
}

static struct dftio_op accept_op(int fd, struct address *from, int flags)
{
	struct dftio_op op;

	dftio__op_init(&op, DFTIO_OP_ACCEPT, fd);
	op.arg.sock.addr = from ? &from->a.any : NULL;
	op.arg.sock.addrlen = from ? &from->len : NULL;
	op.arg.sock.flags = flags;
	return op;
}

/* -errno or 0; the descriptors to `out`, who they are to `from`. */
static int64_t both_accept(struct pair fd, int flags, struct pair *out, struct address *from)
{
	int64_t r[SIDES];

	for (int side = 0; side < SIDES; side++) {
		struct dftio_op op;

		if (from)
			from[side].len = sizeof(from[side].a);
		op = accept_op(fd.fd[side], from ? &from[side] : NULL, flags);
		r[side] = call_side((enum side)side, &op);
		out->fd[side] = (int)r[side];
	}
	cr_assert_eq(r[ENGINE] < 0 ? r[ENGINE] : 0, r[KERNEL] < 0 ? r[KERNEL] : 0, "the kernel says %lld, not %lld",
		(long long)r[KERNEL], (long long)r[ENGINE]);
	return r[KERNEL] < 0 ? r[KERNEL] : 0;
}

PROMISE(accept, says_who_it_is)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct listeners l = make_listeners(families[i], 0, 5);
		struct address from[SIDES], own;
		struct pair c = arrive(&l), a;

		memset(from, 0, sizeof(from));
		cr_assert_eq(both_accept(l.fd, 0, &a, from), 0);
		for (int side = 0; side < SIDES; side++) {
			own.len = sizeof(own.a);
			cr_assert_eq(getsockname(c.fd[side], &own.a.any, &own.len), 0);
			cr_assert_eq(from[side].len, own.len);
			cr_assert_eq(memcmp(&from[side].a, &own.a, own.len), 0);
		}
		cr_assert_eq(both_send(c, 100, 0), 100);
		cr_assert_eq(both_recv(a, 100, MSG_WAITALL), 100);
		arrive(&l);
		cr_assert_eq(both_accept(l.fd, 0, &a, NULL), 0);
	}
}

PROMISE(accept, sets_the_flags_it_was_given)
{
	static const int flags[] = { 0, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_CLOEXEC | SOCK_NONBLOCK };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct listeners l = make_listeners(AF_INET, 0, 5);
		struct pair a;

		arrive(&l);
		cr_assert_eq(both_accept(l.fd, flags[i], &a, NULL), 0);
		cr_assert_eq(fcntl(a.fd[ENGINE], F_GETFD), fcntl(a.fd[KERNEL], F_GETFD));
		cr_assert_eq(fcntl(a.fd[ENGINE], F_GETFL), fcntl(a.fd[KERNEL], F_GETFL));
	}
}

PROMISE(accept, that_does_not_wait_is_eagain)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct listeners l = make_listeners(families[i], SOCK_NONBLOCK, 5);
		struct pair a;

		cr_assert_eq(both_accept(l.fd, 0, &a, NULL), -EAGAIN);
		arrive(&l);
		cr_assert_eq(both_accept(l.fd, 0, &a, NULL), 0);
		cr_assert_eq(both_accept(l.fd, 0, &a, NULL), -EAGAIN);
	}
}

PROMISE(accept, waits_until_somebody_comes)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct listeners l = make_listeners(families[i], 0, 5);
		struct flight f;

		f.op = accept_op(l.fd.fd[ENGINE], NULL, SOCK_CLOEXEC);
		take_off(&f);
		cr_assert(backend_is_in_place() || is_in_flight(&f), "it waits");
		arrive(&l);
		cr_assert_geq(land(&f), 0);
	}
}

/* The one who came is turned away, once; the next is still there. */
PROMISE(accept, into_a_bad_address_takes_one)
{
	struct listeners l = make_listeners(AF_INET, 0, 5);
	char *edge = edge_of_memory();
	struct pair a;

	not_under_valgrind();
	arrive(&l);
	arrive(&l);
	for (int side = 0; side < SIDES; side++) {
		struct dftio_op op = accept_op(l.fd.fd[side], NULL, 0);
		socklen_t len = sizeof(struct sockaddr_in);

		op.arg.sock.addr = (struct sockaddr *)(void *)edge;
		op.arg.sock.addrlen = &len;
		cr_assert_eq(call_side((enum side)side, &op), -EFAULT);
	}
	set_nonblocking(l.fd);
	cr_assert_eq(both_accept(l.fd, 0, &a, NULL), 0);
	cr_assert_eq(both_accept(l.fd, 0, &a, NULL), -EAGAIN);
}

PROMISE(accept, says_what_is_wrong)
{
	struct listeners l = make_listeners(AF_INET, 0, 5);
	struct pair a, closed = strangers(AF_INET, 0);

	close_pair(closed);
	cr_assert_eq(both_accept(closed, 0, &a, NULL), -EBADF);
	cr_assert_eq(both_accept(same_fd(-1), 0, &a, NULL), -EBADF);
	cr_assert_eq(both_accept(strangers(AF_INET, 0), 0, &a, NULL), -EINVAL);
	cr_assert_eq(both_accept(make_pipes(0).in, 0, &a, NULL), -ENOTSOCK);
	cr_assert_eq(both_accept(file_pair(10, O_RDONLY), 0, &a, NULL), -ENOTSOCK);
	cr_assert_eq(both_accept(make_sockets(SOCK_DGRAM).in, 0, &a, NULL), -EOPNOTSUPP);
	cr_assert_eq(both_accept(l.fd, 1, &a, NULL), -EINVAL);
}

static int64_t both_connect(struct pair fd, const struct address *to, socklen_t len)
{
	int64_t r[SIDES];

	for (int side = 0; side < SIDES; side++) {
		struct dftio_op op;

		dftio__op_init(&op, DFTIO_OP_CONNECT, fd.fd[side]);
		op.arg.sock.addr = (struct sockaddr *)(uintptr_t)&to[side].a.any;
		op.arg.sock.addrlen = NULL;
		op.arg.sock.len = len ? len : to[side].len;
		op.arg.sock.flags = 0;
		r[side] = call_side((enum side)side, &op);
	}
	cr_assert_eq(r[ENGINE], r[KERNEL], "the kernel says %lld, the engine %lld", (long long)r[KERNEL],
		(long long)r[ENGINE]);
	return r[KERNEL];
}

PROMISE(connect, makes_a_connection)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct listeners l = make_listeners(families[i], 0, 5);
		struct pair c = strangers(families[i], 0), a;

		cr_assert_eq(both_connect(c, l.at, 0), 0);
		cr_assert_eq(both_accept(l.fd, 0, &a, NULL), 0);
		cr_assert_eq(both_send(c, 100, 0), 100);
		cr_assert_eq(both_recv(a, 100, MSG_WAITALL), 100);
		cr_assert_eq(both_connect(c, l.at, 0), -EISCONN);
	}
}

PROMISE(connect, that_does_not_wait_is_einprogress)
{
	struct listeners l = make_listeners(AF_INET, 0, 5);
	struct pair c = strangers(AF_INET, SOCK_NONBLOCK);
	int error;
	socklen_t len = sizeof(error);

	cr_assert_eq(both_connect(c, l.at, 0), -EINPROGRESS);
	for (int side = 0; side < SIDES; side++) {
		struct pollfd p = { .fd = c.fd[side], .events = POLLOUT };

		cr_assert_eq(poll(&p, 1, -1), 1);
		cr_assert_eq(getsockopt(c.fd[side], SOL_SOCKET, SO_ERROR, &error, &len), 0);
		cr_assert_eq(error, 0);
	}
	cr_assert_eq(both_connect(c, l.at, 0), 0);
	cr_assert_eq(both_connect(c, l.at, 0), -EISCONN);
}

PROMISE(connect, to_nobody_is_econnrefused)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct listeners l = make_listeners(families[i], 0, 5);
		struct pair c = strangers(families[i], 0);

		close_pair(l.fd);
		cr_assert_eq(both_connect(c, l.at, 0), -ECONNREFUSED);
		cr_assert_eq(both_connect(c, l.at, 0), -ECONNREFUSED);
	}
}

PROMISE(connect, says_what_is_wrong)
{
	struct listeners in = make_listeners(AF_INET, 0, 5), un = make_listeners(AF_UNIX, 0, 5);
	struct address nowhere[SIDES];
	struct dftio_op op;

	memset(nowhere, 0, sizeof(nowhere));
	for (int side = 0; side < SIDES; side++) {
		nowhere[side].a.un.sun_family = AF_UNIX;
		strcpy(nowhere[side].a.un.sun_path, "no/such/socket");
		nowhere[side].len = sizeof(nowhere[side].a.un);
	}
	cr_assert_eq(both_connect(strangers(AF_UNIX, 0), nowhere, 0), -ENOENT);
	cr_assert_eq(both_connect(strangers(AF_INET, 0), un.at, 0), -EAFNOSUPPORT);
	cr_assert_eq(both_connect(strangers(AF_UNIX, 0), in.at, 0), -EINVAL);
	cr_assert_eq(both_connect(strangers(AF_INET, 0), in.at, 3), -EINVAL);
	cr_assert_eq(both_connect(strangers(AF_INET, 0), in.at, 5000), -EINVAL);
	cr_assert_eq(both_connect(make_pipes(0).in, in.at, 0), -ENOTSOCK);
	cr_assert_eq(both_connect(same_fd(-1), in.at, 0), -EBADF);
	not_under_valgrind();
	dftio__op_init(&op, DFTIO_OP_CONNECT, -1);
	op.arg.sock.addr = (struct sockaddr *)(void *)edge_of_memory();
	op.arg.sock.len = sizeof(struct sockaddr_in);
	cr_assert_eq(both(strangers(AF_INET, 0), &op), -EFAULT);
}

/* A UNIX listener whose queue is full is waited for. */
PROMISE(connect, waits_for_a_place_in_the_queue)
{
	struct listeners l = make_listeners(AF_UNIX, 0, 0);
	int fd, flags, queued = 0;
	struct flight f;

	for (;; queued++) {
		fd = stranger(AF_UNIX, SOCK_NONBLOCK);
		if (connect(fd, &l.at[ENGINE].a.any, l.at[ENGINE].len) < 0)
			break;
	}
	cr_assert_eq(errno, EAGAIN);
	flags = fcntl(fd, F_GETFL);
	cr_assert_eq(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK), 0);
	dftio__op_init(&f.op, DFTIO_OP_CONNECT, fd);
	f.op.arg.sock.addr = &l.at[ENGINE].a.any;
	f.op.arg.sock.len = l.at[ENGINE].len;
	take_off(&f);
	for (int i = 0; i < queued; i++)
		cr_assert_geq(accept(l.fd.fd[ENGINE], NULL, NULL), 0);
	cr_assert_eq(land(&f), 0);
}
