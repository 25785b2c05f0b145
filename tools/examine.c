/* SPDX-License-Identifier: MIT */
/*
 * The examination of one program, from its name to the verdict.
 *
 * Owns: struct examination. Threads and locks: none. Must never: run the program, nor what it names.
 */
#include "examine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel follows so many interpreters, then gives up with ELOOP. */
#define SCRIPTS_MAX 5

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {
		[VERDICT_INVALID] = "not examined",
		[VERDICT_SEEN] = "seen",
		[VERDICT_PARTLY] = "partly seen",
		[VERDICT_NOT] = "not seen",
	};

	return names[verdict];
}

void examine_add(struct examination *x, const char *code, enum verdict verdict, char *text, const char *remedy)
{
	struct finding *f;

	x->findings = xrealloc(x->findings, (x->finding_count + 1) * sizeof(*x->findings));
	f = &x->findings[x->finding_count++];
	f->code = code;
	f->verdict = verdict;
	f->text = text;
	f->remedy = remedy ? xstrdup(remedy) : NULL;
}

static bool is_executable_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *examine_find_program(const char *program)
{
	const char *list = getenv("PATH");
	int error = ENOENT;

	if (strchr(program, '/'))
		return access(program, F_OK) == 0 ? xstrdup(program) : NULL;
	if (!list)
		list = "/bin:/usr/bin";
	while (list && *program) {
		size_t length = strcspn(list, ":");
		char *path = length > 0 ? xprintf("%.*s/%s", (int)length, list, program) : xprintf("./%s", program);

		if (is_executable_file(path))
			return path;
		if (access(path, F_OK) == 0)
			error = EACCES;
		free(path);
		list = list[length] ? list + length + 1 : NULL;
	}
	errno = error;
	return NULL;
}

/* Replaces x->path by the interpreter of the script it is. False when that is the end of the way. */
static bool follow_script(struct examination *x, const struct elf *file)
{
	char *interpreter = NULL, *wanted = NULL, *program = NULL;

	if (access(x->path, X_OK)) {
		x->problem = xstrdup("no program: neither ELF nor executable");
		return false;
	}
	if (!script_interpreter(file, &interpreter, &wanted)) {
		x->problem = xstrdup(file->head_size > 0 ? "no program: neither ELF nor a script" : "an empty file");
		return false;
	}
	if (x->scripts.count == SCRIPTS_MAX) {
		x->problem = xstrdup("a script that is run by scripts without end");
	} else {
		program = examine_find_program(wanted ? wanted : interpreter);
		if (!program && wanted)
			x->problem = xprintf("a script for '%s', which is not in PATH", wanted);
		else if (!program)
			x->problem = xprintf("a script for '%s': %s", interpreter, strerror(errno));
	}
	if (program) {
		examine_add(x, "script", VERDICT_SEEN,
			xprintf("a script: '%s' runs it, and that is what was examined; the commands it starts are not",
				program),
			NULL);
		strings_add(&x->scripts, x->path);
		free(x->path);
		x->path = program;
	}
	free(interpreter);
	free(wanted);
	return program != NULL;
}

static void examine_elf(struct examination *x, struct elf *elf, bool quick)
{
	reach_examine(x, elf, x->path);
	if (x->problem)
		return;
	if (x->reached && !quick)
		imports_examine(x, elf);
	else if (elf->go)
		examine_add(x, "go", VERDICT_NOT,
			xstrdup("a Go program: its runtime makes raw system calls, dynamically linked or not"),
			"none for a preload; see what it does with strace(1)");
}

static void judge(struct examination *x)
{
	x->verdict = VERDICT_SEEN;
	x->why = "its reads and writes go through the preload";
	for (size_t i = 0; i < x->finding_count; i++) {
		if (x->findings[i].verdict <= x->verdict)
			continue;
		x->verdict = x->findings[i].verdict;
		x->why = x->findings[i].text;
	}
}

void examine(struct examination *x, const char *program, bool quick)
{
	enum elf_status status = ELF_INVALID;
	struct elf elf;

	memset(x, 0, sizeof(*x));
	x->asked = program;
	x->path = examine_find_program(program);
	if (!x->path) {
		x->problem = xstrdup(errno == ENOENT ? "not found" : strerror(errno));
		return;
	}
	for (;;) {
		status = elf_open(&elf, x->path);
		if (status != ELF_NOT_ELF || !follow_script(x, &elf))
			break;
		elf_close(&elf);
	}
	if (status == ELF_OK)
		examine_elf(x, &elf, quick);
	else if (!x->problem)
		x->problem = xstrdup(elf.problem);
	elf_close(&elf);
	if (!x->problem)
		judge(x);
}

void examine_free(struct examination *x)
{
	for (size_t i = 0; i < x->finding_count; i++) {
		free(x->findings[i].text);
		free(x->findings[i].remedy);
	}
	for (size_t i = 0; i < x->object_count; i++) {
		struct object *o = &x->objects[i];

		free(o->name);
		free(o->path);
		free(o->rpath);
		free(o->runpath);
		strings_free(&o->needed);
		strings_free(&o->routed);
		strings_free(&o->passed);
		strings_free(&o->stdio);
		strings_free(&o->own);
		strings_free(&o->other);
	}
	free(x->findings);
	free(x->objects);
	free(x->path);
	free(x->problem);
	strings_free(&x->scripts);
	memset(x, 0, sizeof(*x));
}
