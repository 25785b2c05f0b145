/* SPDX-License-Identifier: MIT */
/* Descriptors of all kinds, twice, that a sequence of random operations works on. */
#pragma once

#include "support.h"

#define SLOTS 40

enum kind {
	FILE_BOTH,
	FILE_READ,
	FILE_WRITE,
	FILE_APPEND,
	FILE_MEMORY,
	FILE_DIRECT,
	PIPE_END,
	SOCKET_END,
	DATAGRAM_END,
	EVENT,
	DEVICE,
	DIRECTORY,
	PATH_ONLY,
	LISTENER,
	UNCONNECTED,
	NOT_OPEN,
	KINDS
};

struct slot {
	enum kind kind;
	bool waits; /* a blocking descriptor: used only where the operation would not wait */
	struct pair fd;
};

extern struct slot slots[SLOTS];
extern struct pair directory_pair;

/* A number below n; the whole sequence follows from the seed. */
unsigned draw(unsigned n);
void draw_from(unsigned seed);

void make_world(void);
/* Closes what is there and puts something else into it. */
void renew_slot(struct slot *s);
void put_into_slot(struct slot *s, enum kind kind, struct pair fd);
const char *kind_name(enum kind kind);
bool is_file(const struct slot *s);

/* Whether it can be read from or written to, a little, without a wait. */
bool is_ready_for(const struct slot *s, short events);

/* Every file has the same size, bytes and position on both sides. */
void same_world(void);
