/* SPDX-License-Identifier: MIT */
/*
 * Threads of every kind do I/O: short-lived, detached, with the smallest stack, ending in the middle, outliving the
 * first one.
 *
 * Owns:    a file that all read and a part of a second file that each writes.
 * Threads: many; each checks its own results and counts what is wrong.
 * Never:   leaves a thread behind, except where a promise is about that.
 */
#include "victim.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { LENGTH = 1 << 20 };

static int file = -1;
static int output = -1;
static atomic_int wrong;
static atomic_int done;

static void prepare(void)
{
	make_file("file", LENGTH);
	make_file("output", LENGTH);
	file = open("file", O_RDONLY);
	output = open("output", O_RDWR);
	NEED(file >= 0 && output >= 0);
}

static void one_pread(int seed)
{
	char buf[256];
	off64_t at = (off64_t)seed * 997 % (LENGTH - 256);

	if (pread(file, buf, 256, at) != 256 || !is_pattern(buf, 256, (uint64_t)at))
		wrong++;
}

static void everything(int seed)
{
	char buf[256];
	struct iovec halves[2] = {{buf, 100}, {buf + 100, 156}};
	off64_t at = (off64_t)(seed % 1000) * 256;

	one_pread(seed);
	fill_pattern(buf, 256, (uint64_t)at);
	if (pwrite(output, buf, 256, at) != 256 || pwritev(output, halves, 2, at) != 256)
		wrong++;
	memset(buf, 0, sizeof(buf));
	if (preadv(output, halves, 2, at) != 256 || !is_pattern(buf, 256, (uint64_t)at))
		wrong++;
}

static void *pread_and_return(void *argument)
{
	one_pread((int)(intptr_t)argument);
	return NULL;
}

static void *everything_and_return(void *argument)
{
	everything((int)(intptr_t)argument);
	done++;
	return NULL;
}

/* Of what a thread has, nothing stays: neither descriptors nor rings nor threads of somebody else's. */
static void tell_what_stays(void)
{
	verdict(wrong == 0, "%d wrong", wrong);
	verdict(count_mappings("io_uring") <= 16, "%s", "rings do not pile up");
	say_descriptors("open");
}

static void a_thousand_short_lived_threads(void)
{
	int before;

	prepare();
	everything(1);
	before = count_mappings("\n");
	for (int i = 0; i < 1000; i += 4) {
		pthread_t threads[4];

		for (int k = 0; k < 4; k++)
			NEED(pthread_create(&threads[k], NULL, pread_and_return, (void *)(intptr_t)(i + k)) == 0);
		for (int k = 0; k < 4; k++)
			pthread_join(threads[k], NULL);
	}
	verdict(count_mappings("\n") < before + 150, "mappings do not pile up");
	tell_what_stays();
}

static void many_threads_at_once(void)
{
	pthread_t threads[100];

	prepare();
	for (int i = 0; i < 100; i++)
		NEED(pthread_create(&threads[i], NULL, everything_and_return, (void *)(intptr_t)i) == 0);
	for (int i = 0; i < 100; i++)
		pthread_join(threads[i], NULL);
	tell_what_stays();
}

static void detached_threads(void)
{
	prepare();
	for (int i = 0; i < 100; i++) {
		pthread_t thread;

		NEED(pthread_create(&thread, NULL, everything_and_return, (void *)(intptr_t)i) == 0);
		pthread_detach(thread);
	}
	while (done < 100)
		sched_yield();
	verdict(wrong == 0, "%d wrong", wrong);
}

static void *exit_at_once(void *argument)
{
	everything((int)(intptr_t)argument);
	pthread_exit(argument);
}

static void threads_that_exit_at_once(void)
{
	prepare();
	for (int i = 0; i < 200; i++) {
		pthread_t thread;
		void *result;

		NEED(pthread_create(&thread, NULL, exit_at_once, (void *)(intptr_t)i) == 0);
		NEED(pthread_join(thread, &result) == 0 && result == (void *)(intptr_t)i);
	}
	tell_what_stays();
}

static void the_smallest_stack(void)
{
	pthread_attr_t attributes;

	prepare();
	NEED(pthread_attr_init(&attributes) == 0);
	NEED(pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN) == 0);
	for (int i = 0; i < 50; i++) {
		pthread_t thread;

		NEED(pthread_create(&thread, &attributes, everything_and_return, (void *)(intptr_t)i) == 0);
		pthread_join(thread, NULL);
	}
	tell_what_stays();
}

/* On a stack of its own, as coroutine libraries have them, a page large above what the thread itself needs. */
static void a_stack_of_the_programs_own(void)
{
	pthread_attr_t attributes;
	size_t size = (size_t)PTHREAD_STACK_MIN + 8192;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	prepare();
	NEED(stack != MAP_FAILED && pthread_attr_init(&attributes) == 0);
	NEED(pthread_attr_setstack(&attributes, stack, size) == 0);
	for (int i = 0; i < 20; i++) {
		pthread_t thread;

		NEED(pthread_create(&thread, &attributes, everything_and_return, (void *)(intptr_t)i) == 0);
		pthread_join(thread, NULL);
		/* Nothing of the thread that is gone writes here any more. */
		memset(stack, 0x55, size);
		one_pread(i);
		for (size_t at = 0; at < size; at++)
			wrong += stack[at] != 0x55;
	}
	tell_what_stays();
}

static pthread_key_t key;

static void io_at_the_end(void *argument)
{
	everything((int)(intptr_t)argument);
	done++;
	/* Once more in the next round of destructors, after everybody else's. */
	if ((intptr_t)argument < 3)
		pthread_setspecific(key, (void *)((intptr_t)argument + 1));
}

static void *leave_io_to_the_end(void *argument)
{
	everything((int)(intptr_t)argument);
	pthread_setspecific(key, (void *)(intptr_t)1);
	return NULL;
}

static void io_in_the_destructors_of_a_thread(void)
{
	prepare();
	NEED(pthread_key_create(&key, io_at_the_end) == 0);
	for (int i = 0; i < 50; i++) {
		pthread_t thread;

		NEED(pthread_create(&thread, NULL, leave_io_to_the_end, (void *)(intptr_t)i) == 0);
		pthread_join(thread, NULL);
	}
	say("destructors: %d", done);
	tell_what_stays();
}

static pthread_t first;

static void *outlive(void *unused)
{
	(void)unused;
	pthread_join(first, NULL);
	for (int i = 0; i < 100; i++)
		everything(i);
	verdict(wrong == 0, "the last thread, %d wrong", wrong);
	return NULL;
}

/* The first thread ends; the process goes on, and ends with the last. */
static void threads_outlive_the_first(void)
{
	double began;
	pid_t child;

	prepare();
	began = now();
	child = fork();
	if (child == 0) {
		pthread_t thread;

		first = pthread_self();
		everything(1);
		NEED(pthread_create(&thread, NULL, outlive, NULL) == 0);
		pthread_exit(NULL);
	}
	say("%s", ending(child));
	verdict(now() - began < 3, "nobody else's threads keep it alive");
}

/* errno is the thread's own: failures here do not show there. */
static void *fail_again_and_again(void *argument)
{
	int expected = *(int *)argument;
	void *nowhere = (void *)(uintptr_t)expected; /* in the first page, where nothing is */

	for (int i = 0; i < 2000; i++) {
		errno = ERRNO_BEFORE;
		if (pread(expected == EBADF ? 900 : file, nowhere, 10, 0) != -1 || errno != expected)
			wrong++;
		if (i % 100 == 0)
			one_pread(i);
	}
	return NULL;
}

static void errno_is_the_threads_own(void)
{
	static int expected[4] = {EBADF, EFAULT, EBADF, EFAULT};
	pthread_t threads[4];

	prepare();
	for (int i = 0; i < 4; i++)
		NEED(pthread_create(&threads[i], NULL, fail_again_and_again, &expected[i]) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	verdict(wrong == 0, "%d wrong", wrong);
}

/* One opens and closes, others use what they find: EBADF or the right bytes, nothing else, and no hang. */
static atomic_int shared_number;
static atomic_bool stop;

static void *use_what_is_there(void *unused)
{
	char buf[128];

	(void)unused;
	while (!stop) {
		ssize_t n = pread(shared_number, buf, 128, 640);

		if (n == 128 ? !is_pattern(buf, 128, 640) : !(n == -1 && errno == EBADF))
			wrong++;
	}
	return NULL;
}

static void closing_under_a_reader(void)
{
	pthread_t threads[3];

	prepare();
	shared_number = open("file", O_RDONLY);
	for (int i = 0; i < 3; i++)
		NEED(pthread_create(&threads[i], NULL, use_what_is_there, NULL) == 0);
	for (int i = 0; i < 1000; i++) {
		close(shared_number);
		NEED(open("file", O_RDONLY) == shared_number);
	}
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	verdict(wrong == 0, "%d wrong", wrong);
}

static atomic_int ready;

static void *work_until_told(void *unused)
{
	(void)unused;
	everything(1);
	ready++;
	while (!stop)
		everything(2);
	everything(3);
	return NULL;
}

/* setuid changes every thread of the process, and must reach them all; open files stay open. */
static void changing_the_user_in_the_middle_of_io(void)
{
	pthread_t threads[3];

	if (geteuid() != 0)
		skip("not root");
	prepare();
	make_file("secret", 100);
	NEED(chmod("secret", 0600) == 0);
	for (int i = 0; i < 3; i++)
		NEED(pthread_create(&threads[i], NULL, work_until_told, NULL) == 0);
	while (ready < 3)
		sched_yield();
	SEE(setgid(65534), "setgid");
	SEE(setuid(65534), "setuid");
	SEE(open("secret", O_RDONLY), "open of a secret");
	everything(5);
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	verdict(wrong == 0, "%d wrong", wrong);
}

const struct promise promises[] = {
	{PROMISE(a_thousand_short_lived_threads)},
	{PROMISE(many_threads_at_once)},
	{PROMISE(detached_threads)},
	{PROMISE(threads_that_exit_at_once)},
	{PROMISE(the_smallest_stack)},
	{PROMISE(a_stack_of_the_programs_own)},
	{PROMISE(io_in_the_destructors_of_a_thread)},
	{PROMISE(threads_outlive_the_first)},
	{PROMISE(errno_is_the_threads_own)},
	{PROMISE(closing_under_a_reader)},
	{PROMISE(changing_the_user_in_the_middle_of_io)},
	{.name = NULL},
};
