/* SPDX-License-Identifier: MIT */
/*
 * dftio doctor without a program: is the preload there, does it load, what does this environment make of it.
 *
 * Owns: the list of checks, and the child processes that it starts. Threads and locks: none.
 * Must never: wait for a child without a limit, or leave a file behind.
 */
#include "commands.h"
#include "json.h"
#include "settings.h"
#include "shim.h"
#include "text.h"

#include <dftio/dftio.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VICTIM         "/bin/true"
#define VICTIM_SECONDS 5

enum state { STATE_OK, STATE_REMARK, STATE_BAD };

static const char *const states[] = {"ok", "remark", "bad"};

struct check {
	const char *name;
	enum state state;
	char *text;
};

struct report {
	char *shim;
	struct check *checks;
	size_t count;
};

extern char **environ;

static void add(struct report *report, const char *name, enum state state, char *text)
{
	report->checks = xrealloc(report->checks, (report->count + 1) * sizeof(*report->checks));
	report->checks[report->count++] = (struct check){name, state, text};
}

/* The child's side: VICTIM with the preload, everything it and ld.so say going to `out`. */
static void become_victim(const char *shim, bool trace, int out)
{
	char *preload = shim_preload(shim, getenv("LD_PRELOAD"));

	/* No report of the library may appear because we tried it. */
	unsetenv("DFTIO_STATS");
	if (setenv("LD_PRELOAD", preload, 1) || (trace && setenv("LD_TRACE_LOADED_OBJECTS", "1", 1)) ||
		dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		_exit(126);
	execl(VICTIM, VICTIM, (char *)NULL);
	_exit(127);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Everything that can be read from `fd` until its end; false when that does not come in time. */
static bool collect_output(int fd, char **ret_output)
{
	int64_t deadline = now_ms() + (int64_t)VICTIM_SECONDS * 1000;
	size_t length = 0;

	*ret_output = xstrdup("");
	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - now_ms();
		char buffer[4096];
		ssize_t n;

		if (left <= 0 || length > ((size_t)1 << 20))
			return false;
		if (poll(&ready, 1, (int)left) <= 0)
			continue;
		n = read(fd, buffer, sizeof(buffer));
		if (n == 0)
			return true;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		*ret_output = xrealloc(*ret_output, length + (size_t)n + 1);
		memcpy(*ret_output + length, buffer, (size_t)n);
		length += (size_t)n;
		(*ret_output)[length] = '\0';
	}
}

/* The wait status of VICTIM run with the preload; -1 with what went wrong in the output, which is to be freed. */
static int run_victim(const char *shim, bool trace, char **ret_output)
{
	int ends[2], status = -1;
	pid_t child;

	*ret_output = NULL;
	if (pipe2(ends, O_CLOEXEC)) {
		*ret_output = xstrdup(strerror(errno));
		return -1;
	}
	fflush(stdout);
	child = fork();
	if (child == 0)
		become_victim(shim, trace, ends[1]);
	close(ends[1]);
	if (child < 0) {
		*ret_output = xstrdup(strerror(errno));
	} else {
		bool ended = collect_output(ends[0], ret_output);

		if (!ended)
			kill(child, SIGKILL);
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
		if (!ended) {
			free(*ret_output);
			*ret_output = xprintf("no end within %d seconds", VICTIM_SECONDS);
			status = -1;
		}
	}
	close(ends[0]);
	return status;
}

/* The first line of `output` that has `word`, to be freed; NULL when there is none. */
static char *line_with(const char *output, const char *word)
{
	while (*output) {
		size_t length = strcspn(output, "\n");
		char *line = xprintf("%.*s", (int)length, output + strspn(output, "\t "));

		if (strstr(line, word)) {
			line[strcspn(line, "\n")] = '\0';
			return line;
		}
		free(line);
		output += length + (output[length] == '\n');
	}
	return NULL;
}

/* As ldd(1) does it: ld.so lists what it would load, and runs nothing of it. */
static bool check_loads(struct report *report)
{
	char *output, *line = NULL;
	int status = run_victim(report->shim, true, &output);
	bool ok = false;

	if (status != 0)
		add(report, "loads", STATE_BAD, xprintf("ld.so could not list what " VICTIM " loads: %s", output));
	else if ((line = line_with(output, "ERROR: ld.so")) || (line = line_with(output, "not found")))
		add(report, "loads", STATE_BAD, xprintf("the preload does not load: %s", line));
	else if (!strstr(output, report->shim))
		add(report, "loads", STATE_BAD,
			xstrdup("ld.so does not load the preload into " VICTIM ", nor does it say why"));
	else
		ok = true;
	free(line);
	free(output);
	return ok;
}

static void check_shim(struct report *report, const char *asked)
{
	char *problem, *output, *line;
	int status;

	report->shim = shim_find(asked, &problem);
	if (!report->shim) {
		add(report, "preload", STATE_BAD, xprintf("%s; name it with --shim=PATH", problem));
		free(problem);
		return;
	}
	add(report, "preload", STATE_OK, xstrdup(report->shim));
	if (!check_loads(report))
		return;
	status = run_victim(report->shim, false, &output);
	line = line_with(output, "ERROR: ld.so");
	if (line)
		add(report, "loads", STATE_BAD, xprintf("the preload does not load: %s", line));
	else if (status == -1)
		add(report, "loads", STATE_BAD, xprintf(VICTIM " with the preload: %s", output));
	else if (WIFSIGNALED(status))
		add(report, "loads", STATE_BAD, xprintf(VICTIM " with the preload: %s", strsignal(WTERMSIG(status))));
	else if (WEXITSTATUS(status) != 0)
		add(report, "loads", STATE_BAD,
			xprintf(VICTIM " with the preload: exit status %d", WEXITSTATUS(status)));
	else
		add(report, "loads", STATE_OK, xstrdup("into " VICTIM ", which runs as without it"));
	free(line);
	free(output);
}

static void check_preload_entry(struct report *report, const char *entry)
{
	const char *slash = strrchr(entry, '/');
	char *real = slash ? realpath(entry, NULL) : NULL;

	if (slash && !real)
		add(report, "LD_PRELOAD", STATE_BAD,
			xprintf("has '%s', which cannot be loaded: %s", entry, strerror(errno)));
	else if (real && report->shim && strcmp(real, report->shim) == 0)
		add(report, "LD_PRELOAD", STATE_REMARK, xprintf("has this preload already: this command runs with it"));
	else if (strcmp(slash ? slash + 1 : entry, "libdftio.so") == 0)
		add(report, "LD_PRELOAD", STATE_BAD, xprintf("has another libdftio.so: '%s'", entry));
	else if (slash && entry[0] != '/')
		add(report, "LD_PRELOAD", STATE_REMARK,
			xprintf("has '%s', which is lost as soon as a program changes its directory", entry));
	else
		add(report, "LD_PRELOAD", STATE_REMARK,
			xprintf("has '%s': dftio run keeps it, %s libdftio", entry,
				shim_is_sanitizer(entry) ? "before" : "behind"));
	free(real);
}

static void check_preloads(struct report *report)
{
	const char *list = getenv("LD_PRELOAD");

	while (list && *list) {
		size_t length = strcspn(list, ": ");
		char *entry = xprintf("%.*s", (int)length, list);

		if (*entry)
			check_preload_entry(report, entry);
		free(entry);
		list += length + (list[length] != '\0');
	}
}

static void check_backends(struct report *report)
{
	struct dftio_backend_info info = {.size = sizeof(info)};
	const char *why = NULL, *name, *asked = getenv("DFTIO_BACKEND");
	bool other;

	for (unsigned i = 0; dftio_backend_info(i, &info) == 0; i++) {
		if (strcmp(info.name, "io_uring") != 0)
			continue;
		if (info.available)
			add(report, "io_uring", STATE_OK,
				xprintf("available%s%s", *info.detail ? ": " : "", info.detail));
		else
			add(report, "io_uring", STATE_REMARK, xprintf("not available: %s", info.reason));
	}
	name = dftio_backend(&why);
	asked = asked ? setting_backend(asked) : NULL;
	other = asked && strcmp(asked, "auto") != 0 && strcmp(asked, name) != 0;
	add(report, "backend", other ? STATE_BAD : STATE_OK,
		xprintf("%s%s%s", name, why && *why ? ": " : "", why ? why : ""));
}

static void check_variable(struct report *report, const char *entry)
{
	size_t length = strcspn(entry, "=");
	char *name = xprintf("%.*s", (int)length, entry);
	const char *value = entry[length] ? entry + length + 1 : "", *valid = setting_refuses(name, value);

	if (!setting_known(name))
		add(report, "settings", STATE_BAD, xprintf("%s: no such variable, it is ignored", name));
	else if (valid)
		add(report, "settings", STATE_BAD, xprintf("%s=%s: ignored; valid are %s", name, value, valid));
	else if (strcmp(entry, "DFTIO_DISABLE=1") == 0)
		add(report, "settings", STATE_BAD, xprintf("%s: libdftio is switched off", entry));
	else
		add(report, "settings", STATE_OK, xstrdup(entry));
	free(name);
}

static void check_settings(struct report *report)
{
	size_t before = report->count;

	for (char **entry = environ; *entry; entry++)
		if (strncmp(*entry, "DFTIO_", 6) == 0)
			check_variable(report, *entry);
	if (report->count == before)
		add(report, "settings", STATE_OK, xstrdup("no DFTIO_* variable is set: the defaults"));
}

static const char *verdict(const struct report *report, enum state worst)
{
	if (worst == STATE_OK)
		return "libdftio works here";
	if (worst == STATE_REMARK)
		return "libdftio works here, with the remarks above";
	return report->shim ? "libdftio will not do all that is asked of it here" : "libdftio is not installed well";
}

static void print_text(const struct report *report, enum state worst)
{
	static const enum colour colours[] = {COLOUR_GOOD, COLOUR_WARN, COLOUR_BAD};
	int width = 0;

	for (size_t i = 0; i < report->count; i++)
		width = text_width(report->checks[i].name) > width ? text_width(report->checks[i].name) : width;
	for (size_t i = 0; i < report->count; i++) {
		const struct check *c = &report->checks[i];

		put_padded(stdout, c->name, width + 2);
		put_coloured(colours[c->state], states[c->state]);
		printf("%*s", 8 - text_width(states[c->state]), "");
		put_wrapped(width + 10, c->text);
	}
	putchar('\n');
	put_coloured(colours[worst], verdict(report, worst));
	putchar('\n');
}

static void print_json(const struct report *report, enum state worst)
{
	struct json json = {.out = stdout};

	json_object(&json, NULL);
	json_number(&json, "dftio_doctor", 1);
	json_string(&json, "preload", report->shim);
	json_array(&json, "checks");
	for (size_t i = 0; i < report->count; i++) {
		json_object(&json, NULL);
		json_string(&json, "check", report->checks[i].name);
		json_string(&json, "state", states[report->checks[i].state]);
		json_string(&json, "text", report->checks[i].text);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_string(&json, "state", states[worst]);
	json_string(&json, "verdict", verdict(report, worst));
	json_end_object(&json);
}

int doctor_installation(const char *asked_shim, int as_json)
{
	struct report report = {0};
	enum state worst = STATE_OK;

	check_shim(&report, asked_shim);
	check_preloads(&report);
	check_backends(&report);
	check_settings(&report);
	for (size_t i = 0; i < report.count; i++)
		worst = report.checks[i].state > worst ? report.checks[i].state : worst;
	(as_json ? print_json : print_text)(&report, worst);
	for (size_t i = 0; i < report.count; i++)
		free(report.checks[i].text);
	free(report.checks);
	free(report.shim);
	return worst == STATE_BAD ? 1 : 0;
}
