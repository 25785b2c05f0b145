/* SPDX-License-Identifier: MIT */
/*
 * recv, send, accept, connect and their relatives, on UNIX and TCP loopback sockets and on what is no socket.
 *
 * Owns:    sockets of this process only; the TCP port is the kernel's choice and never printed.
 * Threads: one.
 * Never:   waits without a time-out or a signal.
 */
#include "victim.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

/* recv-like answers depend on what has arrived; on loopback it has when poll says so. */
static void until_readable(int fd)
{
	struct pollfd ready = {fd, POLLIN, 0};

	NEED(poll(&ready, 1, 10000) == 1);
}

static void see_receive(int fd, size_t len, int flags, const char *kind)
{
	char buf[8192];
	ssize_t n;

	memset(buf, 0x77, sizeof(buf));
	SEE(n = recv(fd, buf, len, flags), "recv %s len=%zu flags=%#x", kind, len, (unsigned)flags);
	say("  bytes %08x", checksum(buf, sizeof(buf)));
	memset(buf, 0x77, sizeof(buf));
	SEE(n = recvfrom(fd, buf, len, flags | MSG_DONTWAIT, NULL, NULL), "recvfrom %s", kind);
	say("  bytes %08x", checksum(buf, sizeof(buf)));
	(void)n;
}

static void ask_receive(int fd, int peer, const char *kind)
{
	static const int flags[] = {0, MSG_PEEK, MSG_DONTWAIT, MSG_TRUNC, MSG_PEEK | MSG_TRUNC,
		MSG_WAITALL | MSG_DONTWAIT, MSG_OOB, MSG_ERRQUEUE, MSG_NOSIGNAL, MSG_CMSG_CLOEXEC, 1 << 30};
	static const size_t lengths[] = {0, 10, 4000};
	char text[100];
	char sink[256];

	fill_pattern(text, sizeof(text), 0);
	for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++) {
		for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
			while (RAW(SYS_recvfrom, fd, sink, sizeof(sink), MSG_DONTWAIT, NULL, NULL) > 0)
				;
			if (raw_write(peer, text, sizeof(text)) == (ssize_t)sizeof(text))
				until_readable(fd);
			see_receive(fd, lengths[l], flags[f], kind);
		}
	}
}

static void ask_send(int fd, int peer, const char *kind)
{
	static const int flags[] = {0, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE, MSG_EOR, MSG_OOB, MSG_DONTROUTE,
		MSG_CONFIRM, MSG_PEEK, 1 << 30};
	static const size_t lengths[] = {0, 10, 4000};
	char text[4000];

	fill_pattern(text, sizeof(text), 0);
	for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++) {
		for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
			char sink[8192];

			SEE(send(fd, text, lengths[l], flags[f]), "send %s len=%zu flags=%#x", kind, lengths[l],
				(unsigned)flags[f]);
			SEE(sendto(fd, text, lengths[l], flags[f] | MSG_DONTWAIT, NULL, 0), "sendto %s", kind);
			while (RAW(SYS_recvfrom, peer, sink, sizeof(sink), MSG_DONTWAIT, NULL, NULL) > 0)
				;
		}
	}
}

static int tcp_listener(struct sockaddr_in *address, int flags)
{
	socklen_t len = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)address, len) != 0 || listen(fd, 8) != 0)
		skip("no TCP on the loopback interface");
	NEED(getsockname(fd, (struct sockaddr *)address, &len) == 0);
	return fd;
}

static void tcp_pair(int pair[2])
{
	struct sockaddr_in address;
	int listener = tcp_listener(&address, 0);

	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	NEED(RAW(SYS_connect, pair[0], &address, sizeof(address)) == 0);
	pair[1] = (int)RAW(SYS_accept4, listener, NULL, NULL, 0);
	NEED(pair[1] >= 0);
	raw_close(listener);
}

static void receiving(void)
{
	int pair[2];

	signal(SIGPIPE, SIG_IGN);
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	ask_receive(pair[0], pair[1], "stream");
	NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	ask_receive(pair[0], pair[1], "datagram");
	NEED(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	ask_receive(pair[0], pair[1], "packet");
	make_file("file", 100);
	ask_receive(raw_open("file", O_RDWR, 0), -1, "file");
	ask_receive(77, -1, "closed");
	ask_receive(-1, -1, "-1");
	tcp_pair(pair);
	ask_receive(pair[0], pair[1], "tcp");
}

static void sending(void)
{
	int pair[2];

	signal(SIGPIPE, SIG_IGN);
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	ask_send(pair[0], pair[1], "stream");
	raw_close(pair[1]);
	ask_send(pair[0], -1, "stream, closed by the peer");
	NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	ask_send(pair[0], pair[1], "datagram");
	NEED(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	ask_send(pair[0], pair[1], "packet");
	ask_send(socket(AF_UNIX, SOCK_STREAM, 0), -1, "not connected");
	make_file("file", 100);
	ask_send(raw_open("file", O_RDWR, 0), -1, "file");
	ask_send(77, -1, "closed");
	tcp_pair(pair);
	ask_send(pair[0], pair[1], "tcp");
}

/* read and write on a connection: the end, the half-closed, the reset one. */
static void the_end_of_a_connection(void)
{
	int pair[2];
	char buf[16];

	signal(SIGPIPE, SIG_IGN);
	for (int kind = 0; kind < 2; kind++) {
		if (kind == 0)
			NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
		else
			tcp_pair(pair);
		SEE(write(pair[1], "last words", 10), "write");
		SEE(shutdown(pair[1], SHUT_WR), "shutdown");
		SEE(recv(pair[0], buf, sizeof(buf), MSG_WAITALL), "recv all");
		SEE(recv(pair[0], buf, sizeof(buf), 0), "recv at the end");
		SEE(read(pair[0], buf, sizeof(buf)), "read at the end");
		SEE(write(pair[1], "x", 1), "write after shutdown");
		SEE(send(pair[1], "x", 1, 0), "send after shutdown");
		SEE(write(pair[0], "answer", 6), "the other way");
		SEE(read(pair[1], buf, 6), "read");
		SEE(close(pair[1]), "close");
		if (kind == 0)
			SEE(write(pair[0], "x", 1), "write to nobody");
	}
}

static void *no_address(struct sockaddr_storage *address, socklen_t *len)
{
	memset(address, 0, sizeof(*address));
	*len = sizeof(*address);
	return address;
}

static void ask_accept(int listener, const void *address, socklen_t address_len, int family, const char *kind)
{
	static const int flags[] = {0, SOCK_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK | SOCK_CLOEXEC, 1, -1};
	struct sockaddr_storage peer;
	socklen_t len;
	int fd;

	SEE(accept(listener, NULL, NULL), "accept %s, nobody there", kind);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		int client = socket(family, SOCK_STREAM, 0);

		SEE(connect(client, address, address_len), "connect %s", kind);
		SEE(connect(client, address, address_len), "connect %s again", kind);
		until_readable(listener);
		SEE(fd = accept4(listener, no_address(&peer, &len), &len, flags[i]), "accept4 %s flags=%#x", kind,
			(unsigned)flags[i]);
		say("  family=%d length=%u status=%#x descriptor=%d", peer.ss_family, len,
			fd < 0 ? 0 : (unsigned)raw_fcntl(fd, F_GETFL, 0), fd < 0 ? 0 : raw_fcntl(fd, F_GETFD, 0));
		if (fd < 0) {
			SEE(fd = accept(listener, no_address(&peer, &len), &len), "accept %s", kind);
			say("  family=%d length=%u", peer.ss_family, len);
		}
		raw_close(fd);
		raw_close(client);
	}
	len = 3;
	SEE(accept(listener, (struct sockaddr *)&peer, &len), "accept %s, short address", kind);
}

static void accepting(void)
{
	struct sockaddr_un name = {AF_UNIX, "socket"};
	struct sockaddr_in address;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	NEED(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0);
	SEE(accept(listener, NULL, NULL), "accept before listen");
	NEED(listen(listener, 8) == 0);
	ask_accept(listener, &name, sizeof(name), AF_UNIX, "unix");
	SEE(accept(77, NULL, NULL), "accept on a closed number");
	SEE(accept(raw_open(".", O_RDONLY, 0), NULL, NULL), "accept on a directory");
	SEE(accept(socket(AF_UNIX, SOCK_DGRAM, 0), NULL, NULL), "accept on a datagram socket");
	listener = tcp_listener(&address, SOCK_NONBLOCK);
	ask_accept(listener, &address, sizeof(address), AF_INET, "tcp");
}

static void connecting(void)
{
	struct sockaddr_un nobody = {AF_UNIX, "nobody"};
	struct sockaddr_un file = {AF_UNIX, "file"};
	struct sockaddr_in refused;
	struct sockaddr_in address;
	int listener = tcp_listener(&refused, 0);
	int fd;

	raw_close(listener);
	make_file("file", 10);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	SEE(connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)), "to a missing name");
	SEE(connect(fd, (struct sockaddr *)&file, sizeof(file)), "to a file");
	SEE(connect(fd, (struct sockaddr *)&refused, sizeof(refused)), "to another family");
	SEE(connect(fd, (struct sockaddr *)&nobody, 0), "length 0");
	SEE(connect(fd, (struct sockaddr *)&nobody, 100000), "length 100000");
	SEE(connect(fd, NULL, 16), "null");
	SEE(connect(77, (struct sockaddr *)&nobody, sizeof(nobody)), "closed number");
	SEE(connect(0, (struct sockaddr *)&nobody, sizeof(nobody)), "no socket");
	fd = socket(AF_INET, SOCK_STREAM, 0);
	SEE(connect(fd, (struct sockaddr *)&refused, sizeof(refused)), "refused");
	listener = tcp_listener(&address, 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	SEE(connect(fd, (struct sockaddr *)&address, sizeof(address)), "tcp");
	SEE(connect(fd, (struct sockaddr *)&address, sizeof(address)), "tcp again");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	SEE(connect(fd, (struct sockaddr *)&address, sizeof(address)), "tcp, non-blocking");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	SEE(connect(fd, (struct sockaddr *)&refused, sizeof(refused)), "udp");
	SEE(send(fd, "x", 1, 0), "send to nobody");
	SEE(recv(fd, &(char){0}, 1, 0), "the refusal");
}

static void a_full_backlog(void)
{
	struct sockaddr_un name = {AF_UNIX, "socket"};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	NEED(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(listener, 1) == 0);
	for (int i = 0; i < 4; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

		SEE(connect(fd, (struct sockaddr *)&name, sizeof(name)), "connect %d", i);
	}
	on_signal(SIGALRM, NULL, 0);
	alarm_every(3000);
	SEE(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&name, sizeof(name)), "interrupted");
}

/* SO_RCVTIMEO and SO_SNDTIMEO end the wait, and not before. */
static void time_outs_of_sockets(void)
{
	struct timeval limit = {0, 30000};
	struct sockaddr_un name = {AF_UNIX, "socket"};
	static char many[4 << 20];
	struct {
		const char *name;
		double began;
	} t;
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	int pair[2];

	NEED(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(listener, 1) == 0);
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	NEED(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
	NEED(setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0);
	NEED(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
#define TIMED(label, call)                                                                                             \
	do {                                                                                                           \
		t.began = now();                                                                                       \
		SEE(call, label);                                                                                      \
		verdict(now() - t.began >= 0.029, "it waited");                                                        \
	} while (0)
	TIMED("read", read(pair[0], many, 10));
	TIMED("readv", readv(pair[0], &(struct iovec){many, 10}, 1));
	TIMED("recv", recv(pair[0], many, 10, 0));
	TIMED("recv all", (raw_write(pair[1], "abc", 3), recv(pair[0], many, 10, MSG_WAITALL)));
	TIMED("accept", accept(listener, NULL, NULL));
	TIMED("write", write(pair[0], many, sizeof(many)) > 4096);
	TIMED("write when full", write(pair[0], many, sizeof(many)));
	TIMED("send when full", send(pair[0], many, sizeof(many), 0));
#undef TIMED
}

/* Whole messages: with addresses, several at a time, cut, and with nothing in them. */
static void messages(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_storage from;
	socklen_t len = sizeof(address);
	char text[] = "a message";
	char buf[64] = "";
	struct iovec vectors[2] = {{text, 3}, {text + 3, 6}};
	struct iovec short_vector = {buf, 4};
	struct msghdr out = {.msg_iov = vectors, .msg_iovlen = 2};
	struct msghdr in = {.msg_iov = &short_vector, .msg_iovlen = 1};
	struct mmsghdr several[3] = {{.msg_hdr = out}, {.msg_hdr = out}, {.msg_hdr = out}};
	int receiver = socket(AF_INET, SOCK_DGRAM, 0);
	int sender = socket(AF_INET, SOCK_DGRAM, 0);
	int pair[2];

	if (bind(receiver, (struct sockaddr *)&address, sizeof(address)) != 0)
		skip("no UDP on the loopback interface");
	NEED(getsockname(receiver, (struct sockaddr *)&address, &len) == 0);
	SEE(sendto(sender, text, 9, 0, (struct sockaddr *)&address, len), "sendto");
	len = sizeof(from);
	SEE(recvfrom(receiver, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len), "recvfrom");
	say("%s from family %d, length %u", buf, from.ss_family, len);
	SEE(sendto(sender, text, 9, 0, NULL, 0), "sendto nobody");
	SEE(sendto(sender, text, 9, 0, (struct sockaddr *)&address, 3), "sendto a short address");
	SEE(recvfrom(receiver, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL), "recvfrom nobody");
	NEED(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	SEE(sendmsg(pair[0], &out, 0), "sendmsg");
	SEE(recvmsg(pair[1], &in, 0), "recvmsg");
	say("%.4s flags %#x", buf, (unsigned)in.msg_flags);
	SEE(recvmsg(pair[1], &in, MSG_DONTWAIT), "recvmsg of nothing");
	SEE(sendmmsg(pair[0], several, 3, 0), "sendmmsg");
	SEE(recvmmsg(pair[1], several, 3, MSG_DONTWAIT, NULL), "recvmmsg");
	say("lengths %u %u %u", several[0].msg_len, several[1].msg_len, several[2].msg_len);
	SEE(sendmsg(pair[0], NULL, 0), "sendmsg null");
	SEE(recvmsg(pair[1], (struct msghdr *)(uintptr_t)8, MSG_DONTWAIT), "recvmsg missing");
	SEE(sendmsg(0, &out, 0), "sendmsg on no socket");
	out.msg_iovlen = 2000;
	SEE(sendmsg(pair[0], &out, 0), "sendmsg of too many pieces");
}

/* Descriptors that arrive in a message may have numbers that were something else. */
static void received_descriptors(void)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte = 'x';
	char buf[100];
	struct iovec vector = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int pair[2];
	int got;
	int fd;

	make_file("file", 1000);
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	fd = open("file", O_RDONLY);
	SEE(read(fd, buf, 100), "read");
	control.header =
		(struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	SEE(sendmsg(pair[0], &message, 0), "sendmsg");
	SEE(close(fd), "close");
	SEE(recvmsg(pair[1], &message, 0), "recvmsg");
	memcpy(&got, CMSG_DATA(&control.header), sizeof(got));
	say("number %d", got);
	SEE(read(got, buf, 100), "read goes on");
	verdict(is_pattern(buf, 100, 100), "where it was");
}

const struct promise promises[] = {
	{PROMISE(receiving)},
	{PROMISE(sending)},
	{PROMISE(the_end_of_a_connection)},
	{PROMISE(accepting)},
	{PROMISE(connecting)},
	{PROMISE(a_full_backlog)},
	{PROMISE(time_outs_of_sockets)},
	{PROMISE(messages)},
	{PROMISE(received_descriptors)},
	{.name = NULL},
};
