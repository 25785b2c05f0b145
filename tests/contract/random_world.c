/* SPDX-License-Identifier: MIT */
/*
 * The world of the random sequences: what there is in it, and whether both sides of it are still the same.
 *
 * Owns:    the slots; the generator.
 * Threads: a test's first.
 * Never:   uses the engine.
 */
#include "random_world.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

struct slot slots[SLOTS];
struct pair directory_pair;

static uint64_t state;

void draw_from(unsigned seed)
{
	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

unsigned draw(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 33) % n);
}

const char *kind_name(enum kind kind)
{
	static const char *const names[KINDS] = { "a file", "a file to read", "a file to write", "a file to append to",
		"a file in memory", "a file around the cache", "an end of a pipe", "a socket", "a datagram socket",
		"an event", "a device", "a directory", "a path", "a listener", "an unconnected socket", "nothing" };

	return names[kind];
}

bool is_file(const struct slot *s)
{
	return s->kind <= FILE_DIRECT;
}

static struct pair sockets_of(int domain, int type, bool listens)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct pair p;

	for (int side = 0; side < SIDES; side++) {
		p.fd[side] = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		cr_assert_geq(p.fd[side], 0);
		if (!listens)
			continue;
		cr_assert_eq(bind(p.fd[side], (struct sockaddr *)&a, sizeof(a)), 0);
		cr_assert_eq(listen(p.fd[side], 1), 0);
	}
	return p;
}

static struct pair one_end(struct pipe_pair p, struct slot *s)
{
	struct slot *other = &slots[draw(SLOTS)];

	s->waits = draw(3) == 0;
	if (!s->waits) {
		set_nonblocking(p.in);
		set_nonblocking(p.out);
	}
	/* The other end takes another slot's place, so that bytes come through; or is gone. */
	if (other == s || draw(6) == 0) {
		close_pair(p.out);
		return p.in;
	}
	put_into_slot(other, s->kind, p.out);
	other->waits = s->waits;
	return p.in;
}

static struct pair direct_files(void)
{
	struct pair p = file_pair(8192, O_RDWR);

	/* Where there is no such thing it is a file like the others. */
	for (int side = 0; side < SIDES; side++)
		(void)fcntl(p.fd[side], F_SETFL, O_DIRECT);
	return p;
}

static struct pair fill(struct slot *s)
{
	static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/full" };
	struct pair p;

	switch (s->kind) {
	case FILE_BOTH:
		return file_pair(draw(30000), O_RDWR);
	case FILE_READ:
		return file_pair(draw(30000), O_RDONLY);
	case FILE_WRITE:
		return file_pair(draw(30000), O_WRONLY);
	case FILE_APPEND:
		return file_pair(draw(30000), O_RDWR | O_APPEND);
	case FILE_MEMORY:
		return memory_pair(draw(30000));
	case FILE_DIRECT:
		return direct_files();
	case PIPE_END:
		return one_end(make_pipes(0), s);
	case SOCKET_END:
		return one_end(make_sockets(SOCK_STREAM), s);
	case DATAGRAM_END:
		return one_end(make_sockets(SOCK_DGRAM), s);
	case EVENT:
		return (struct pair){ { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) } };
	case DEVICE:
		return path_pair(devices[draw(3)], O_RDWR);
	case DIRECTORY:
		return path_pair(".", O_RDONLY | O_DIRECTORY);
	case PATH_ONLY:
		return path_pair(".", O_PATH);
	case LISTENER:
		return sockets_of(AF_INET, SOCK_STREAM, true);
	case UNCONNECTED:
		return sockets_of(draw(2) ? AF_INET : AF_UNIX, draw(2) ? SOCK_STREAM : SOCK_DGRAM, false);
	default:
		p = same_fd(draw(3) ? -1 : 1000000);
		return p;
	}
}

void put_into_slot(struct slot *s, enum kind kind, struct pair fd)
{
	if (s->kind != NOT_OPEN)
		close_pair(s->fd);
	s->kind = kind;
	s->fd = fd;
	s->waits = false;
}

void renew_slot(struct slot *s)
{
	put_into_slot(s, NOT_OPEN, same_fd(-1));
	s->kind = (enum kind)draw(draw(4) ? EVENT : KINDS);
	s->fd = fill(s);
}

void make_world(void)
{
	char path[4200];

	for (int side = 0; side < SIDES; side++) {
		snprintf(path, sizeof(path), "%s/side%d", own_directory(), side);
		cr_assert_eq(mkdir(path, 0700), 0);
		directory_pair.fd[side] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		cr_assert_geq(directory_pair.fd[side], 0);
	}
	for (int i = 0; i < SLOTS; i++)
		put_into_slot(&slots[i], NOT_OPEN, same_fd(-1));
	for (int i = 0; i < SLOTS; i++)
		renew_slot(&slots[i]);
}

bool is_ready_for(const struct slot *s, short events)
{
	struct pollfd p = { .fd = s->fd.fd[KERNEL], .events = events };

	/* A datagram socket can be hung up and yet be waited on. */
	return !s->waits || (poll(&p, 1, 0) > 0 && (p.revents & events));
}

void same_world(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (is_file(&slots[i]))
			same_file(slots[i].fd);
}
