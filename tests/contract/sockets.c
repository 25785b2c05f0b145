/* SPDX-License-Identifier: MIT */
/*
 * recv and send: flags, halves, resets, limits of time; on UNIX and TCP sockets.
 *
 * Owns:    nothing.
 * Threads: a test's first; drains and operations in flight.
 * Never:   goes beyond the loopback interface.
 */
#include "promise.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE (KIB * KIB)

static void make_flight(struct flight *f, enum dftio_op_code code, int fd, void *buf, size_t len, int flags)
{
	dftio__op_init_rw(&f->op, code, fd, buf, len, 0);
	f->op.arg.rw.flags = flags;
}

PROMISE(recv, takes_what_there_is)
{
	struct pipe_pair all[] = { make_sockets(SOCK_STREAM), make_tcp(0) };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		cr_assert_eq(both_send(all[i].out, 100, 0), 100);
		cr_assert_eq(both_recv(all[i].in, 60, MSG_PEEK), 60);
		cr_assert_eq(both_recv(all[i].in, 60, 0), 60);
		cr_assert_eq(both_recv(all[i].in, 0, 0), 0);
		cr_assert_eq(both_recv(all[i].in, 60, MSG_DONTWAIT), 40);
		cr_assert_eq(both_recv(all[i].in, 60, MSG_DONTWAIT), -EAGAIN);
		set_nonblocking(all[i].in);
		cr_assert_eq(both_recv(all[i].in, 60, 0), -EAGAIN);
		cr_assert_eq(both_recv(all[i].in, 60, MSG_WAITALL), -EAGAIN);
	}
}

PROMISE(recv, of_a_datagram_can_tell_its_length)
{
	struct pipe_pair d = make_sockets(SOCK_DGRAM);

	cr_assert_eq(both_send(d.out, 100, 0), 100);
	cr_assert_eq(both_send(d.out, 100, 0), 100);
	cr_assert_eq(both_recv(d.in, 10, MSG_PEEK | MSG_TRUNC), 100);
	cr_assert_eq(both_recv(d.in, 10, MSG_TRUNC), 100);
	cr_assert_eq(both_recv(d.in, 10, 0), 10);
	cr_assert_eq(both_recv(d.in, 10, MSG_DONTWAIT), -EAGAIN, "the rest is gone");
}

PROMISE(recv, waits_until_there_is_something)
{
	struct pipe_pair all[] = { make_sockets(SOCK_STREAM), make_sockets(SOCK_DGRAM), make_tcp(0) };
	static const int flags[] = { 0, MSG_PEEK, MSG_TRUNC };
	char buf[100];

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(flags); k++) {
			struct flight f;

			if (flags[k] == MSG_TRUNC && i == 2)
				continue; /* TCP throws away what it counts */
			make_flight(&f, DFTIO_OP_RECV, all[i].in.fd[ENGINE], buf, 7, flags[k]);
			take_off(&f);
			cr_assert(backend_is_in_place() || is_in_flight(&f), "it waits");
			cr_assert_eq(send(all[i].out.fd[ENGINE], "brought", 7, 0), 7);
			cr_assert_eq(land(&f), 7);
			cr_assert_eq(memcmp(buf, "brought", 7), 0);
			if (flags[k] == MSG_PEEK)
				cr_assert_eq(recv(all[i].in.fd[ENGINE], buf, 7, 0), 7);
		}
	}
}

/* In pieces, each of which a plain recv would have been content with. */
PROMISE(recv, of_all_waits_for_all)
{
	struct pipe_pair all[] = { make_sockets(SOCK_STREAM), make_tcp(0) };
	char buf[100];

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct flight f;

		cr_assert_eq(send(all[i].out.fd[ENGINE], "ab", 2, 0), 2);
		make_flight(&f, DFTIO_OP_RECV, all[i].in.fd[ENGINE], buf, 6, MSG_WAITALL);
		take_off(&f);
		cr_assert_eq(send(all[i].out.fd[ENGINE], "cd", 2, 0), 2);
		cr_assert_eq(send(all[i].out.fd[ENGINE], "ef", 2, 0), 2);
		cr_assert_eq(land(&f), 6);
		cr_assert_eq(memcmp(buf, "abcdef", 6), 0);
		make_flight(&f, DFTIO_OP_RECV, all[i].in.fd[ENGINE], buf, 6, MSG_WAITALL);
		take_off(&f);
		cr_assert_eq(send(all[i].out.fd[ENGINE], "gh", 2, 0), 2);
		close(all[i].out.fd[ENGINE]);
		cr_assert_eq(land(&f), 2, "no more will come");
	}
}

PROMISE(recv, of_a_half_closed_connection_is_0)
{
	struct pipe_pair all[] = { make_sockets(SOCK_STREAM), make_tcp(0), make_sockets(SOCK_SEQPACKET) };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		for (int side = 0; side < SIDES; side++)
			cr_assert_eq(shutdown(all[i].out.fd[side], SHUT_WR), 0);
		cr_assert_eq(both_recv(all[i].in, 60, 0), 0);
		cr_assert_eq(both_recv(all[i].in, 60, MSG_WAITALL), 0);
		cr_assert_eq(both_send(all[i].in, 60, 0), 60, "the other half is open");
		cr_assert_eq(both_recv(all[i].out, 60, 0), 60);
	}
}

static void reset(struct pair p)
{
	struct linger none = { .l_onoff = 1, .l_linger = 0 };

	for (int side = 0; side < SIDES; side++)
		cr_assert_eq(setsockopt(p.fd[side], SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
	close_pair(p);
}

/* The error is told once. */
PROMISE(recv, of_a_reset_connection_is_econnreset)
{
	struct pipe_pair p = make_tcp(0);

	ignore(SIGPIPE);
	reset(p.out);
	cr_assert_eq(both_recv(p.in, 60, 0), -ECONNRESET);
	cr_assert_eq(both_recv(p.in, 60, 0), 0);
	cr_assert_eq(both_send(p.in, 60, 0), -EPIPE);
}

PROMISE(recv, that_waits_is_told_of_a_reset)
{
	struct pipe_pair p = make_tcp(0);
	struct flight f;
	char buf[100];

	make_flight(&f, DFTIO_OP_RECV, p.in.fd[ENGINE], buf, sizeof(buf), 0);
	take_off(&f);
	reset(p.out);
	cr_assert_eq(land(&f), -ECONNRESET);
}

PROMISE(recv, says_what_is_wrong)
{
	struct pair stranger = { { socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_STREAM, 0) } };
	struct pair closed = make_sockets(SOCK_STREAM).in;

	close_pair(closed);
	cr_assert_eq(both_recv(closed, 10, 0), -EBADF);
	cr_assert_eq(both_recv(same_fd(-1), 10, 0), -EBADF);
	cr_assert_eq(both_recv(stranger, 10, 0), -ENOTCONN);
	cr_assert_eq(both_recv(make_pipes(0).in, 10, 0), -ENOTSOCK);
	cr_assert_eq(both_recv(file_pair(10, O_RDONLY), 10, 0), -ENOTSOCK);
	cr_assert_eq(both_recv(make_tcp(0).in, 10, MSG_OOB), -EINVAL);
	cr_assert_lt(both_recv(make_sockets(SOCK_STREAM).in, 10, MSG_OOB), 0);
}

/* The queue of errors is never waited for. */
PROMISE(recv, of_the_errors_does_not_wait)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct pair u;

	for (int side = 0; side < SIDES; side++) {
		u.fd[side] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		cr_assert_eq(bind(u.fd[side], (struct sockaddr *)&a, sizeof(a)), 0);
	}
	cr_assert_eq(both_recv(u, 10, MSG_ERRQUEUE), -EAGAIN);
}

PROMISE(recv, into_a_bad_address_takes_what_the_kernel_takes)
{
	struct pipe_pair all[] = { make_sockets(SOCK_STREAM), make_sockets(SOCK_DGRAM), make_tcp(0) };
	char *edge = edge_of_memory();

	not_under_valgrind();
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		cr_assert_eq(both_send(all[i].out, 10, 0), 10);
		cr_assert_eq(both_send(all[i].out, 20, 0), 20);
		cr_assert_eq(both_at(DFTIO_OP_RECV, all[i].in, edge, 60, 0), -EFAULT);
		cr_assert_gt(both_recv(all[i].in, 60, 0), 0);
	}
}

static void limit_time(struct pair p, int option)
{
	struct timeval tv = { .tv_usec = 20000 };

	for (int side = 0; side < SIDES; side++)
		cr_assert_eq(setsockopt(p.fd[side], SOL_SOCKET, option, &tv, sizeof(tv)), 0);
}

PROMISE(recv, keeps_the_sockets_own_limit)
{
	struct pipe_pair all[] = { make_sockets(SOCK_STREAM), make_tcp(0) };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		limit_time(all[i].in, SO_RCVTIMEO);
		cr_assert_eq(both_recv(all[i].in, 60, 0), -EAGAIN);
		cr_assert_eq(both_read(DFTIO_OP_READ, all[i].in, 60, 0), -EAGAIN);
		cr_assert_eq(both_read(DFTIO_OP_READV, all[i].in, 60, 0), -EAGAIN);
		cr_assert_eq(both_send(all[i].out, 10, 0), 10);
		cr_assert_eq(both_recv(all[i].in, 60, MSG_WAITALL), 10);
	}
}

PROMISE(send, keeps_the_sockets_own_limit)
{
	struct pipe_pair u = make_sockets(SOCK_STREAM);

	limit_time(u.out, SO_SNDTIMEO);
	cr_assert_gt(both_send(u.out, BUFFER_SIZE, 0), 0);
	cr_assert_eq(both_send(u.out, 1000, 0), -EAGAIN);
	cr_assert_eq(both_write(DFTIO_OP_WRITE, u.out, 1000, 0), -EAGAIN);
}

PROMISE(send, puts_bytes)
{
	struct pipe_pair all[] = { make_sockets(SOCK_STREAM), make_tcp(0), make_sockets(SOCK_DGRAM) };
	static const int flags[] = { 0, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE, MSG_DONTROUTE, MSG_EOR };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		for (size_t k = 0; k < ARRAY_SIZE(flags); k++)
			both_send(all[i].out, 100, flags[k]);
	for (size_t i = 0; i < 2; i++)
		cr_assert_gt(both_recv(all[i].in, 5 * 100, MSG_WAITALL), 0);
}

PROMISE(send, to_a_full_socket_that_does_not_wait_is_eagain)
{
	struct pipe_pair u = make_sockets(SOCK_STREAM), d = make_sockets(SOCK_DGRAM);

	cr_assert_gt(both_send(u.out, BUFFER_SIZE, MSG_DONTWAIT), 0);
	cr_assert_eq(both_send(u.out, BUFFER_SIZE, MSG_DONTWAIT), -EAGAIN);
	set_nonblocking(d.out);
	for (int i = 0; i < 300; i++)
		both_send(d.out, 100, 0);
	cr_assert_eq(both_send(d.out, 100, 0), -EAGAIN);
}

PROMISE(send, of_much_to_a_slow_reader_goes_to_the_end)
{
	static const int flags[] = { 0, MSG_NOSIGNAL, MSG_WAITALL, MSG_MORE };
	unsigned char *bytes = malloc(LARGE);

	fill_pattern(bytes, LARGE, 0);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(flags); i++) {
		struct pipe_pair p = i % 2 ? make_tcp(0) : make_sockets(SOCK_STREAM);
		struct flight f;
		struct drain d;

		make_flight(&f, DFTIO_OP_SEND, p.out.fd[ENGINE], bytes, LARGE, flags[i / 2]);
		take_off(&f);
		drain_start(&d, p.in.fd[ENGINE], LARGE);
		cr_assert_eq(land(&f), LARGE);
		if (flags[i / 2] & MSG_MORE)
			shutdown(p.out.fd[ENGINE], SHUT_WR);
		drain_join(&d);
	}
	free(bytes);
}

/* A queue of datagrams is full: the next waits, and is not cut. */
PROMISE(send, of_a_datagram_waits_for_room)
{
	struct pipe_pair p = make_sockets(SOCK_DGRAM);
	char buf[1000] = "";
	int sent = 0;
	struct flight f;

	while (send(p.out.fd[ENGINE], buf, sizeof(buf), MSG_DONTWAIT) > 0)
		sent++;
	cr_assert_gt(sent, 0);
	make_flight(&f, DFTIO_OP_SEND, p.out.fd[ENGINE], buf, 999, 0);
	take_off(&f);
	for (int i = 0; i < sent; i++)
		cr_assert_eq(recv(p.in.fd[ENGINE], buf, sizeof(buf), 0), 1000);
	cr_assert_eq(land(&f), 999);
	cr_assert_eq(recv(p.in.fd[ENGINE], buf, sizeof(buf), 0), 999);
}

PROMISE(send, to_nobody_is_epipe)
{
	struct pipe_pair u = make_sockets(SOCK_STREAM), own = make_tcp(0);

	close_pair(u.in);
	cr_assert_eq(both_send(u.out, 60, MSG_NOSIGNAL), -EPIPE);
	for (int side = 0; side < SIDES; side++)
		cr_assert_eq(shutdown(own.out.fd[side], SHUT_WR), 0);
	cr_assert_eq(both_send(own.out, 60, MSG_NOSIGNAL), -EPIPE);
	ignore(SIGPIPE);
	cr_assert_eq(both_send(own.out, 60, 0), -EPIPE);
	cr_assert_eq(both_send(own.out, 60, MSG_DONTWAIT), -EPIPE);
}

PROMISE(send, says_what_is_wrong)
{
	struct pair tcp = { { socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_STREAM, 0) } };
	struct pair udp = { { socket(AF_INET, SOCK_DGRAM, 0), socket(AF_INET, SOCK_DGRAM, 0) } };
	char *edge = edge_of_memory();

	ignore(SIGPIPE);
	cr_assert_eq(both_send(tcp, 10, 0), -EPIPE);
	cr_assert_eq(both_send(udp, 10, 0), -EDESTADDRREQ);
	cr_assert_eq(both_send(make_sockets(SOCK_DGRAM).out, BUFFER_SIZE, 0), -EMSGSIZE);
	cr_assert_eq(both_send(make_pipes(0).out, 10, 0), -ENOTSOCK);
	cr_assert_eq(both_send(file_pair(10, O_RDWR), 10, 0), -ENOTSOCK);
	cr_assert_eq(both_send(make_sockets(SOCK_STREAM).out, 10, MSG_OOB), 10);
	cr_assert_eq(both_send(same_fd(-1), 10, 0), -EBADF);
	not_under_valgrind();
	cr_assert_eq(both_at(DFTIO_OP_SEND, make_tcp(0).out, edge, 60, 0), -EFAULT);
	cr_assert_eq(both_at(DFTIO_OP_SEND, make_sockets(SOCK_STREAM).out, edge, 60, 0), -EFAULT);
}
