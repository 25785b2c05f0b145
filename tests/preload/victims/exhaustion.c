/* SPDX-License-Identifier: MIT */
/*
 * A process that has used up what a backend would need: descriptors, threads, address space, locked memory. Its
 * own I/O needs none of them, and works.
 *
 * Owns:    the resource limits of the process.
 * Threads: one, and readers that exist before the limit does.
 * Never:   raises a limit.
 */
#include "transfer.h"
#include "victim.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>

enum { LENGTH = 100000 };

static int file = -1;

static void prepare(void)
{
	make_file("file", LENGTH);
	file = raw_open("file", O_RDWR, 0);
	NEED(file >= 0);
}

static void do_io(const char *when)
{
	static unsigned char buf[2000];

	raw_seek(file, 0, SEEK_SET);
	for (const struct transfer *t = transfers; t->name != NULL; t++) {
		fill_pattern(buf, sizeof(buf), 0);
		raw_seek(file, 0, SEEK_SET);
		SEE(t->call(file, buf, sizeof(buf), 0), "%s: %s", when, t->name);
		verdict(is_pattern(buf, sizeof(buf), 0), "its bytes");
	}
	SEE(fdatasync(file), "%s: fdatasync", when);
	SEE(lseek(file, 0, SEEK_CUR), "%s: lseek", when);
}

static void *do_io_in_thread(void *when)
{
	do_io(when);
	return NULL;
}

static void limit(int resource, rlim_t value)
{
	struct rlimit r = {value, value};

	NEED(setrlimit((__rlimit_resource_t)resource, &r) == 0);
}

static void no_descriptor_left(void)
{
	pthread_t thread;
	int last;

	prepare();
	limit(RLIMIT_NOFILE, 64);
	while ((last = raw_fcntl(file, F_DUPFD, 0)) >= 0)
		;
	SEE(dup(file), "dup");
	do_io("all in use");
	NEED(pthread_create(&thread, NULL, do_io_in_thread, (void *)(uintptr_t) "in a thread") == 0);
	pthread_join(thread, NULL);
	SEE(dup(file), "dup");
	SEE(close(63), "close");
	SEE(dup(file), "dup");
	SEE(dup(file), "dup");
	do_io("after");
}

/* The limit lies below the numbers that are in use; nothing can be opened. */
static void descriptor_limit_of_zero(void)
{
	prepare();
	limit(RLIMIT_NOFILE, 0);
	SEE(dup(file), "dup");
	do_io("limit 0");
	SEE(open("file", O_RDONLY), "open");
}

/* Used up after the first I/O: what was there stays usable. */
static void no_descriptor_left_later(void)
{
	pthread_t thread;

	prepare();
	do_io("before");
	limit(RLIMIT_NOFILE, 64);
	while (raw_fcntl(file, F_DUPFD, 0) >= 0)
		;
	do_io("all in use");
	NEED(pthread_create(&thread, NULL, do_io_in_thread, (void *)(uintptr_t) "in a new thread") == 0);
	pthread_join(thread, NULL);
}

static void *nothing(void *unused)
{
	return unused;
}

static void become_nobody(void)
{
	if (geteuid() == 0) {
		NEED(fchown(file, 65534, 65534) == 0);
		NEED(setgid(65534) == 0);
		if (setuid(65534) != 0)
			skip("cannot become another user");
	}
}

/* RLIMIT_NPROC counts threads of the user, and does not hold for root. */
static void no_thread_may_be_made(void)
{
	pthread_t thread;

	prepare();
	become_nobody();
	limit(RLIMIT_NPROC, 0);
	SEE(pthread_create(&thread, NULL, nothing, NULL) == EAGAIN, "pthread_create is refused");
	do_io("no thread");
}

static void no_address_space_left(void)
{
	char line[64] = "";
	long pages = 0;
	int fd = raw_open("/proc/self/statm", O_RDONLY, 0);

	prepare();
	NEED(raw_read(fd, line, sizeof(line) - 1) > 0);
	pages = atol(line);
	raw_close(fd);
	limit(RLIMIT_AS, (rlim_t)(pages + 4) * 4096);
	verdict(mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED, "no megabyte left");
	do_io("no memory");
}

static void no_locked_memory(void)
{
	prepare();
	become_nobody();
	limit(RLIMIT_MEMLOCK, 0);
	do_io("nothing can be locked");
}

static void no_stack_to_speak_of(void)
{
	prepare();
	limit(RLIMIT_STACK, 65536);
	do_io("a small stack");
}

/* From now on io_uring_setup fails with `err`, as in containers: a filter that is inherited and never lifted. */
static void refuse_rings(int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 425, 0, 1), /* io_uring_setup, on every architecture */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		skip("no seccomp filters");
}

static void rings_refused_by_a_sandbox(void)
{
	prepare();
	refuse_rings(EPERM);
	do_io("EPERM");
}

static void rings_unknown_to_a_sandbox(void)
{
	prepare();
	refuse_rings(ENOSYS);
	do_io("ENOSYS");
}

/* Refused when some exist already, for the next thread. */
static void rings_refused_later(void)
{
	pthread_t thread;

	prepare();
	do_io("before");
	refuse_rings(EPERM);
	do_io("after");
	NEED(pthread_create(&thread, NULL, do_io_in_thread, (void *)(uintptr_t) "in a new thread") == 0);
	pthread_join(thread, NULL);
}

const struct promise promises[] = {
	{PROMISE(no_descriptor_left), .may_warn = true},
	{PROMISE(descriptor_limit_of_zero), .may_warn = true},
	{PROMISE(no_descriptor_left_later)},
	{PROMISE(no_thread_may_be_made), .may_warn = true},
	{PROMISE(no_address_space_left), .may_warn = true},
	{PROMISE(no_locked_memory), .may_warn = true},
	{PROMISE(no_stack_to_speak_of)},
	{PROMISE(rings_refused_by_a_sandbox), .may_warn = true},
	{PROMISE(rings_unknown_to_a_sandbox), .may_warn = true},
	{PROMISE(rings_refused_later), .may_warn = true},
	{.name = NULL},
};
