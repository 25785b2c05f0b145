/* SPDX-License-Identifier: MIT */
/*
 * The frame of a preload victim: main, the printing of observations, and helpers to look at files and at the
 * process itself.
 *
 * Owns:    nothing but the descriptor that observations go to.
 * Threads: say() and the helpers may be called from any thread and in signal handlers; one line is one write.
 * Never:   calls an interposed name, or stdio. What it prints must not depend on what is being tested.
 */
#include "victim.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

int say_on = 1;

static void put(const char *line, size_t len)
{
	while (len > 0) {
		ssize_t n = raw_write(say_on, line, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		line += n;
		len -= (size_t)n;
	}
}

static void say_with_ending(const char *format, va_list list, const char *end)
{
	int err = errno;
	char line[1024];
	int len = vsnprintf(line, sizeof(line) - 64, format, list);

	if (len < 0)
		len = 0;
	if ((size_t)len > sizeof(line) - 65)
		len = (int)sizeof(line) - 65;
	len += snprintf(line + len, 64, "%s\n", end);
	put(line, (size_t)len);
	errno = err;
}

void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say_with_ending(format, list, "");
	va_end(list);
}

void verdict(bool held, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say_with_ending(format, list, held ? ": held" : ": BROKEN");
	va_end(list);
}

void saw(long long ret, int err, const char *format, ...)
{
	char end[64];
	va_list list;

	snprintf(end, sizeof(end), ": %lld %s", ret, errno_name(err));
	va_start(list, format);
	say_with_ending(format, list, end);
	va_end(list);
}

_Noreturn void skip(const char *why)
{
	say("SKIP %s", why);
	_exit(77);
}

_Noreturn void give_up(const char *what)
{
	int err = errno;

	say("set-up failed: %s (%s): BROKEN", what, errno_name(err));
	_exit(3);
}

const char *errno_name(int err)
{
	static _Thread_local char number[16];

	if (err == ERRNO_BEFORE)
		return "kept";
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 32)
	if (strerrorname_np(err) != NULL)
		return strerrorname_np(err);
#endif
	snprintf(number, sizeof(number), "errno%d", err);
	return number;
}

const char *ending(pid_t child)
{
	static _Thread_local char words[32];
	int status = 0;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return "cannot be waited for";
	}
	if (WIFSIGNALED(status))
		snprintf(words, sizeof(words), "signal %d", WTERMSIG(status));
	else
		snprintf(words, sizeof(words), "exit %d", WEXITSTATUS(status));
	return words;
}

unsigned char pattern(uint64_t offset)
{
	return (unsigned char)(((offset + 1) * 0x9e3779b97f4a7c15ULL) >> 53);
}

void fill_pattern(void *buf, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		((unsigned char *)buf)[i] = pattern(offset + i);
}

bool is_pattern(const void *buf, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++) {
		if (((const unsigned char *)buf)[i] != pattern(offset + i))
			return false;
	}
	return true;
}

uint32_t checksum(const void *buf, size_t len)
{
	uint32_t sum = 2166136261U;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ ((const unsigned char *)buf)[i]) * 16777619U;
	return sum;
}

static void write_pattern(int fd, size_t len)
{
	unsigned char part[65536];

	for (size_t done = 0; done < len; done += sizeof(part)) {
		size_t n = len - done < sizeof(part) ? len - done : sizeof(part);

		fill_pattern(part, n, done);
		NEED(raw_pwrite(fd, part, n, (off64_t)done) == (ssize_t)n);
	}
}

void make_file(const char *path, size_t len)
{
	int fd = raw_open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	NEED(fd >= 0);
	write_pattern(fd, len);
	raw_close(fd);
}

int make_unnamed(const char *directory, size_t len)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/unnamed", directory);
	fd = raw_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	NEED(fd >= 0);
	NEED(RAW(SYS_unlinkat, AT_FDCWD, path, 0) == 0);
	write_pattern(fd, len);
	return fd;
}

const char *on_tmpfs(void)
{
	return getenv("TEST_TMPFS");
}

/* Calls `each` for every number in /proc/self/<directory>, without the descriptor used to look. */
static void for_numbers(const char *directory, void (*each)(int number, void *to), void *to)
{
	char path[64];
	char buf[4096];
	long n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/%s", directory);
	fd = raw_open(path, O_RDONLY | O_DIRECTORY, 0);
	NEED(fd >= 0);
	while ((n = RAW(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			unsigned short length;
			const char *name = buf + at + 19;

			memcpy(&length, buf + at + 16, sizeof(length));
			if (name[0] != '.' && !(strcmp(directory, "fd") == 0 && atoi(name) == fd))
				each(atoi(name), to);
			at += length;
		}
	}
	raw_close(fd);
}

static void count_one(int number, void *to)
{
	(void)number;
	++*(int *)to;
}

int count_entries(const char *directory)
{
	int count = 0;

	for_numbers(directory, count_one, &count);
	return count;
}

static void append_one(int number, void *to)
{
	char *list = to;
	size_t len = strlen(list);

	snprintf(list + len, 900 - len, " %d", number);
}

void say_descriptors(const char *label)
{
	char list[900] = "";

	for_numbers("fd", append_one, list);
	say("%s:%s", label, list);
}

int count_mappings(const char *word)
{
	enum { BIGGEST = 4 << 20, USE = PROT_READ | PROT_WRITE, KIND = MAP_PRIVATE | MAP_ANONYMOUS };
	size_t len = 0;
	ssize_t n;
	int count = 0;
	int fd = raw_open("/proc/self/maps", O_RDONLY, 0);
	char *all = (char *)RAW(SYS_mmap, NULL, BIGGEST, USE, KIND, -1, 0);

	NEED(fd >= 0 && all != MAP_FAILED);
	while (len < BIGGEST - 1 && (n = raw_read(fd, all + len, BIGGEST - 1 - len)) > 0)
		len += (size_t)n;
	all[len] = '\0';
	raw_close(fd);
	for (char *at = all; (at = strstr(at, word)) != NULL; at += strlen(word))
		count++;
	RAW(SYS_munmap, all, BIGGEST);
	return count;
}

static void do_nothing(int number)
{
	(void)number;
}

void on_signal(int number, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler != NULL ? handler : do_nothing, .sa_flags = flags};

	NEED(sigaction(number, &action, NULL) == 0);
}

void alarm_every(long microseconds)
{
	struct timeval interval = {microseconds / 1000000, microseconds % 1000000};
	struct itimerval timer = {interval, interval};

	NEED(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* `victim --list` prints the promises; `victim NAME [...]` keeps one. */
int main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "--list") != 0) {
		for (const struct promise *p = promises; p->name != NULL; p++) {
			if (strcmp(p->name, argv[1]) == 0) {
				p->check();
				return 0;
			}
		}
		give_up("a promise of that name");
	}
	for (const struct promise *p = promises; p->name != NULL; p++) {
		if (!p->hidden)
			say("%s%s", p->name, p->may_warn ? " may_warn" : "");
	}
	return 0;
}
