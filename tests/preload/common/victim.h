/* SPDX-License-Identifier: MIT */
/*
 * What every preload victim is made of: a table of promises, lines of observation, and a second way into the
 * kernel that no preload sees.
 *
 * A victim is a plain program. `victim NAME` runs the one promise of that name in a process of its own and prints
 * what it saw; run.py compares the lines of a native run with those of a preloaded one. A line must therefore say
 * the same in every native run: no addresses, times, process ids, inode numbers.
 *
 * The calls under test are made by their libc names. Everything around them, the set-up, the looking and the
 * printing, goes through the raw_ functions, so that a fault of the preload can neither hide nor spread there.
 */
#ifndef VICTIM_H
#define VICTIM_H

#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

struct promise {
	const char *name;
	void (*check)(void);
	bool may_warn; /* it starves or misleads the preload, which may say so on stderr when a backend is forced */
	bool hidden;   /* a part of another promise, never run by itself */
};

/* Each victim defines it, as {PROMISE(function)}, and ends it with an entry that has no name. */
extern const struct promise promises[];
#define PROMISE(function) .name = #function, .check = (function)

/* One line of observation. Survives close(1) when `say_on` was moved first. */
extern int say_on;
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An observation that must be true natively too: "format: held", or "format: BROKEN". */
void verdict(bool held, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* This machine cannot show the promise: ends the process, and the case counts as skipped. */
_Noreturn void skip(const char *why);

/* The set-up failed: ends the process as a failure, also natively. */
_Noreturn void give_up(const char *what);
#define NEED(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			give_up(#condition);                                                                           \
	} while (0)

/* Makes a call with errno set to a value that no call returns, and prints: label: ret errno. */
#define ERRNO_BEFORE 4242
#define SEE(call, ...)                                                                                                 \
	do {                                                                                                           \
		errno = ERRNO_BEFORE;                                                                                  \
		long long saw_ret_ = (long long)(call);                                                                \
		saw(saw_ret_, errno, __VA_ARGS__);                                                                     \
	} while (0)
void saw(long long ret, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* "EBADF"; "kept" for ERRNO_BEFORE; for others a number. Static or thread-local storage. */
const char *errno_name(int err);

/* The wait status of `child` in words: "exit 3", "signal 9". Waits for it. */
const char *ending(pid_t child);

/* The byte that belongs at `offset` of a file made by make_file. */
unsigned char pattern(uint64_t offset);
void fill_pattern(void *buf, size_t len, uint64_t offset);
bool is_pattern(const void *buf, size_t len, uint64_t offset);
uint32_t checksum(const void *buf, size_t len);

/* Creates or replaces `path` with `len` bytes of pattern. */
void make_file(const char *path, size_t len);

/* Opens a file of `len` bytes of pattern that has no name, read and write, position 0. */
int make_unnamed(const char *directory, size_t len);

/* A directory on tmpfs that is this run's own, or NULL. The current directory is its own one on a disk. */
const char *on_tmpfs(void);

/* The number of entries of a directory in /proc/self: "fd", "task". The look itself is not counted. */
int count_entries(const char *directory);

/* Prints the open descriptors as numbers, without the one used to look. */
void say_descriptors(const char *label);

/* Lines of /proc/self/maps in which `word` occurs. */
int count_mappings(const char *word);

/* Installs a handler. `flags` as in sigaction; a handler of NULL does nothing but be there. */
void on_signal(int number, void (*handler)(int), int flags);

/* SIGALRM again and again, every so many microseconds; 0 ends it. */
void alarm_every(long microseconds);

/* Seconds of a clock that only goes forward. */
double now(void);

#endif
