/* SPDX-License-Identifier: MIT */
/*
 * The names that move bytes between a descriptor and memory, under one signature, so that a victim can put the
 * same question to each of them.
 */
#ifndef TRANSFER_H
#define TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct transfer {
	const char *name;
	ssize_t (*call)(int fd, void *buf, size_t len, off64_t offset);
	bool writes;
	bool positional; /* takes the offset; the others ignore it */
	bool vectored;   /* hands the buffer over in up to two pieces */
};

/* Ends with an entry without a name. */
extern const struct transfer transfers[];

/* The entry of that name; the process gives up when there is none. */
const struct transfer *transfer_named(const char *name);

#endif
