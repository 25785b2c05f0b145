/* SPDX-License-Identifier: MIT */
/*
 * The report at the end of a process.
 *
 * Owns:    a duplicate of the stderr the process started with, where the report goes there: programs close theirs
 *          (coreutils do, before exit) and it would be lost.
 * Threads: whoever ends the process; the first one writes. Counters of running threads are read as they are.
 * Never:   writes to stdout, follows a symbolic link, overwrites a file, calls an allocator, reports for a vfork
 *          child (the counters are its parent's).
 */
#include "stats.h"
#include "config.h"
#include "engine.h"
#include "fdown.h"
#include "fdinfo.h"
#include "futex.h"
#include "life.h"
#include "log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int stderr_copy = -1;
static _Atomic pid_t reported;   /* by this process */
static _Atomic pid_t reporter;   /* the thread that writes */
static _Atomic uint32_t written; /* 1 when its report is there: a futex */

struct sums {
	struct dftio_counters ops[DFTIO_OP_MAX_];
	uint64_t why[DFTIO_WHY_MAX_];
};

/*
 * The text, whole before its file is created: a process that is killed meanwhile leaves no empty one. Bounded by the
 * rows there are.
 */
struct out {
	size_t len;
	char buf[16384];
};

static const char *const why_names[DFTIO_WHY_MAX_] = {
	[DFTIO_WHY_KIND] = "pollable or no file",
	[DFTIO_WHY_PSEUDO] = "window into the kernel",
	[DFTIO_WHY_EXCLUDED] = "left alone by DFTIO_FILES",
	[DFTIO_WHY_DIRECT] = "route direct",
	[DFTIO_WHY_NESTED] = "nested in libdftio",
	[DFTIO_WHY_NO_TABLE] = "descriptor beyond the table",
	[DFTIO_WHY_BAD_FD] = "not open",
	[DFTIO_WHY_PRIVATE] = "threads with descriptors or credentials of their own",
	[DFTIO_WHY_NO_THREAD] = "no means to route",
	[DFTIO_WHY_TABLE] = "names, tables and sockets",
};

__attribute__((format(printf, 2, 3))) static void put(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->len, sizeof(o->buf) - o->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->len += (size_t)n < sizeof(o->buf) - o->len ? (size_t)n : sizeof(o->buf) - o->len - 1;
}

/* A JSON string: what must be escaped is, what is no ASCII passes as it is. */
static void put_json_string(struct out *o, const char *s)
{
	put(o, "\"");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			put(o, "\\%c", c);
		else if (c < 0x20)
			put(o, "\\u%04x", c);
		else
			put(o, "%c", c);
	}
	put(o, "\"");
}

static void sum_up(struct sums *s)
{
	memset(s, 0, sizeof(*s));
	for (const struct dftio_thread *t = dftio__thread_all(); t; t = t->next_all) {
		for (int i = 0; i < DFTIO_OP_MAX_; i++) {
			s->ops[i].calls += t->ops[i].calls;
			s->ops[i].bytes += t->ops[i].bytes;
			s->ops[i].errors += t->ops[i].errors;
			for (int c = 0; c < DFTIO_BY_MAX_; c++)
				s->ops[i].carried[c] += t->ops[i].carried[c];
		}
		for (int w = 0; w < DFTIO_WHY_MAX_; w++)
			s->why[w] += t->why[w];
	}
}

static uint64_t passed(const struct dftio_counters *c)
{
	return c->calls - c->carried[DFTIO_BY_INLINE] - c->carried[DFTIO_BY_BACKEND] - c->carried[DFTIO_BY_POOL];
}

static void report_text(struct out *o, const struct sums *s)
{
	static const char *const routes[] = {"auto", "backend", "direct"};

	put(o, "dftio: %s[%d]: backend %s (%s), route %s\n", program_invocation_short_name, (int)getpid(),
		dftio__engine_backend_now(), dftio__engine_why(), routes[dftio__config.route]);
	put(o, "  %-16s %10s %14s %8s %10s %10s %10s %10s\n", "operation", "calls", "bytes", "errors", "inline",
		"backend", "pool", "passed");
	for (int i = 1; i < DFTIO_OP_MAX_; i++) {
		const struct dftio_counters *c = &s->ops[i];

		if (!c->calls)
			continue;
		put(o, "  %-16s %10llu %14llu %8llu %10llu %10llu %10llu %10llu\n", dftio__op_descs[i].name,
			(unsigned long long)c->calls, (unsigned long long)c->bytes, (unsigned long long)c->errors,
			(unsigned long long)c->carried[DFTIO_BY_INLINE],
			(unsigned long long)c->carried[DFTIO_BY_BACKEND], (unsigned long long)c->carried[DFTIO_BY_POOL],
			(unsigned long long)passed(c));
	}
	for (int w = 0; w < DFTIO_WHY_MAX_; w++)
		if (s->why[w])
			put(o, "  passed on, %s: %llu\n", why_names[w], (unsigned long long)s->why[w]);
}

static void report_json(struct out *o, const struct sums *s)
{
	static const char *const routes[] = {"auto", "backend", "direct"};
	bool first = true;

	put(o, "{\"dftio_stats\":1,\"pid\":%d,\"program\":", (int)getpid());
	put_json_string(o, program_invocation_short_name);
	put(o, ",\"backend\":\"%s\",\"why\":", dftio__engine_backend_now());
	put_json_string(o, dftio__engine_why());
	put(o, ",\"route\":\"%s\",\"operations\":{", routes[dftio__config.route]);
	for (int i = 1; i < DFTIO_OP_MAX_; i++) {
		const struct dftio_counters *c = &s->ops[i];

		if (!c->calls)
			continue;
		put(o,
			"%s\"%s\":{\"calls\":%llu,\"bytes\":%llu,\"errors\":%llu,\"inline\":%llu,\"backend\":%llu,"
			"\"pool\":%llu,\"passed\":%llu}",
			first ? "" : ",", dftio__op_descs[i].name, (unsigned long long)c->calls,
			(unsigned long long)c->bytes, (unsigned long long)c->errors,
			(unsigned long long)c->carried[DFTIO_BY_INLINE],
			(unsigned long long)c->carried[DFTIO_BY_BACKEND], (unsigned long long)c->carried[DFTIO_BY_POOL],
			(unsigned long long)passed(c));
		first = false;
	}
	put(o, "},\"passed_why\":{");
	first = true;
	for (int w = 0; w < DFTIO_WHY_MAX_; w++) {
		if (!s->why[w])
			continue;
		put(o, "%s\"%s\":%llu", first ? "" : ",", why_names[w], (unsigned long long)s->why[w]);
		first = false;
	}
	put(o, "}}\n");
}

void dftio__stats_init(void)
{
	int fd;

	if (!dftio__config.stats || dftio__config.stats_file[0])
		return;
	fd = dftio__sys.fcntl(2, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0)
		dftio__fdown_adopt(fd, &stderr_copy);
}

void dftio__stats_stop(void)
{
	dftio__config.stats = false;
}

void dftio__stats_drop_stderr(void)
{
	dftio__fdown_close(&stderr_copy);
}

static int create(const char *path)
{
	return dftio__sys.openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
}

/* FILE, or where another process of the same job was first, FILE with the pid before its extension, or a number more.
 */
static int open_file(void)
{
	char path[sizeof(dftio__config.stats_file) + 32], again[16] = "";
	const char *file = dftio__config.stats_file, *slash = strrchr(file, '/'), *dot = strrchr(file, '.');
	int fd = create(file);

	if (!dot || (slash && dot < slash))
		dot = file + strlen(file);
	/* Numbers of processes come again. */
	for (int i = 1; fd < 0 && errno == EEXIST && i < 1000; i++) {
		if (i > 1)
			snprintf(again, sizeof(again), "-%d", i);
		snprintf(path, sizeof(path), "%.*s.%d%s%s", (int)(dot - file), file, (int)getpid(), again, dot);
		fd = create(path);
	}
	return fd;
}

static bool is_json(void)
{
	size_t n = strlen(dftio__config.stats_file);

	return n > 5 && strcmp(dftio__config.stats_file + n - 5, ".json") == 0;
}

static int open_report(void)
{
	int fd = load_relaxed(&stderr_copy);

	if (dftio__config.stats_file[0]) {
		fd = open_file();
		if (fd < 0)
			dftio__log(DFTIO_LOG_WARN, "DFTIO_STATS=%s: cannot be created: %s; no statistics",
				dftio__config.stats_file, strerror(errno));
		return fd;
	}
	if (fd >= 0)
		return fd;
	return dftio__log_stderr_is_ours() ? 2 : -1;
}

void dftio__stats_report(void)
{
	static struct sums sums;
	static struct out out;
	pid_t me = getpid(), before;
	int saved = errno, cancel, fd;

	/* In a forked child too, which has a process number of its own; a vfork child is not the owner. */
	if (!dftio__config.stats || !dftio__life_is_owner())
		return;
	before = atomic_exchange(&reported, me);
	if (before == me) {
		/* Another thread leaves too: it must not end the process in the middle of the report. */
		if (!load_acquire(&written) && gettid() != load_relaxed(&reporter))
			dftio__futex_wait(&written, 0, 1000);
		return;
	}
	store_relaxed(&reporter, gettid());
	store_relaxed(&written, 0);
	/* _exit is no cancellation point: a pending request must not act in here and keep the process. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	out.len = 0;
	sum_up(&sums);
	if (dftio__config.stats_file[0] && is_json())
		report_json(&out, &sums);
	else
		report_text(&out, &sums);
	fd = open_report();
	if (fd >= 0)
		dftio__write_all(fd, out.buf, out.len);
	if (fd >= 0 && dftio__config.stats_file[0])
		dftio__sys.close(fd);
	store_release(&written, 1);
	dftio__futex_wake(&written, INT_MAX);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
}
