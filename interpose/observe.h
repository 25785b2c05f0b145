/* SPDX-License-Identifier: MIT */
/*
 * What is watched as it passes: operations on the descriptor table, made by the calling thread, and the ways out of
 * the process. Each takes the next function first.
 */
#pragma once

#include "thread.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

/* A call that made descriptor r, or failed: what was known of the number is forgotten. Returns r. */
int dftio__opened(enum dftio_op_code code, int r);

int dftio__close(int (*next)(int), int fd);
int dftio__close_range(int (*next)(unsigned, unsigned, int), unsigned first, unsigned last, int flags);
void dftio__closefrom(void (*next)(int), int lowfd);
int dftio__dup(int (*next)(int), int fd);
int dftio__dup2(int (*next)(int, int), int fd, int newfd);
int dftio__dup3(int (*next)(int, int, int), int fd, int newfd, int flags);
int dftio__fcntl(int (*next)(int, int, ...), int fd, int cmd, void *arg);
off64_t dftio__lseek(off64_t (*next)(int, off64_t, int), int fd, off64_t offset, int whence);
ssize_t dftio__sendmsg(ssize_t (*next)(int, const struct msghdr *, int), int fd, const struct msghdr *msg, int flags);
int dftio__sendmmsg(
	int (*next)(int, struct mmsghdr *, unsigned, int), int fd, struct mmsghdr *msgs, unsigned n, int flags);
int dftio__unshare(int (*next)(int), int flags);
int dftio__setns(int (*next)(int, int), int fd, int nstype);
int dftio__prctl(int (*next)(int, ...), int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);

int dftio__setfs(int (*next)(unsigned), unsigned id);
int dftio__capset(int (*next)(void *, const void *), void *header, const void *data);
void dftio__apart(void);

/* A system call by number that matters, before it is made; syscall.S asks by the bits below. */
__attribute__((visibility("hidden"))) void dftio__by_number(long number, long a, long b, long c);
void dftio__by_number_start(void);

/* Descriptors go to another process: no file position is ours alone any more. */
__attribute__((visibility("hidden"))) void dftio__share(void);

/* A message that came may carry descriptors that another process has too. */
ssize_t dftio__recvmsg(ssize_t (*next)(int, struct msghdr *, int), int fd, struct msghdr *msg, int flags);
int dftio__recvmmsg(int (*next)(int, struct mmsghdr *, unsigned, int, struct timespec *), int fd, struct mmsghdr *msgs,
	unsigned n, int flags, struct timespec *timeout);

void dftio__exits(void (*next)(int) __attribute__((noreturn)), int status) __attribute__((noreturn));
int dftio__clone(int (*next)(int (*)(void *), void *, int, void *, ...), int (*fn)(void *), void *stack, int flags,
	void *arg, void *parent_tid, void *tls, void *child_tid);
int dftio__daemon(int (*next)(int, int), int nochdir, int noclose);
int dftio__execl(const char *path, const char *arg0, va_list *ap);
int dftio__execlp(const char *file, const char *arg0, va_list *ap);
int dftio__execle(const char *path, const char *arg0, va_list *ap);
