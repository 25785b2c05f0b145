/* SPDX-License-Identifier: MIT */
/*
 * dftio doctor: shows what examine() found of each program. Without one, it is doctor_install.c's.
 *
 * Owns: nothing. Threads and locks: none. Must never: run a program that it is asked about.
 */
#include "commands.h"
#include "examine.h"
#include "json.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define NAME "dftio doctor"

enum { OPT_JSON = 256, OPT_SHIM };

static int print_help(void)
{
	fputs("Usage: dftio doctor [OPTION]... [PROGRAM]...\n\n"
	      "Tells, without running it, what libdftio will see of each PROGRAM and what not, and why.\n"
	      "Without PROGRAM: whether libdftio is installed well and works here.\n\n"
	      "Options:\n"
	      "  --json         print a JSON document\n"
	      "  --shim=PATH    without PROGRAM: the libdftio.so to examine, instead of the installed one\n"
	      "  -h, --help     print this and exit\n"
	      "  -V, --version  print the version and exit\n\n"
	      "Exit status: 0: all will be seen, all is well; 1: something will not be seen, or is not\n"
	      "well; 2: wrong usage, or a PROGRAM cannot be examined.\n",
		stdout);
	return finish_output(NAME, 0);
}

static enum colour verdict_colour(enum verdict verdict)
{
	return verdict == VERDICT_SEEN ? COLOUR_GOOD : verdict == VERDICT_PARTLY ? COLOUR_WARN : COLOUR_BAD;
}

static char *join(const struct strings *names)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < names->count; i++) {
		char *longer = xprintf("%s%s%s", text, i > 0 ? ", " : "", names->items[i]);

		free(text);
		text = longer;
	}
	return text;
}

/* The names that are passed on: what concerns data with the reason, the rest in one line. */
static void text_passed(const struct strings *passed)
{
	struct strings others = {0};
	char *line, *names;

	for (size_t i = 0; i < passed->count; i++) {
		const char *name = passed->items[i];

		if (!imports_concern_data(name)) {
			strings_add(&others, name);
			continue;
		}
		line = xprintf("%s: %s", name, imports_reason(name));
		put_paragraph(2, 13, COLOUR_NONE, "passed on", line);
		free(line);
	}
	names = join(&others);
	line = xprintf("%s (no data; --json has the reasons)", names);
	if (*names)
		put_paragraph(2, 13, COLOUR_NONE, "passed on", line);
	free(line);
	free(names);
	strings_free(&others);
}

static void text_objects(const struct examination *x)
{
	for (size_t i = 0; i < x->object_count; i++) {
		const struct object *o = &x->objects[i];
		char *names = join(&o->routed), *line;

		if (i == 0) {
			if (*names)
				put_paragraph(2, 13, COLOUR_NONE, "intercepted", names);
			text_passed(&o->passed);
		} else if (*names) {
			line = xprintf("%s: %s", o->name, names);
			put_paragraph(2, 13, COLOUR_NONE, "library", line);
			free(line);
		}
		free(names);
	}
}

static void text_program(const struct examination *x)
{
	char *name = xprintf("%s: ", x->asked);

	put_coloured(COLOUR_HEAD, name);
	put_coloured(verdict_colour(x->verdict), verdict_name(x->verdict));
	putchar('\n');
	free(name);
	put_paragraph(2, 13, COLOUR_NONE, "file", x->path);
	text_objects(x);
	for (size_t i = 0; i < x->finding_count; i++) {
		const struct finding *f = &x->findings[i];

		put_paragraph(2, 13, verdict_colour(f->verdict),
			f->verdict == VERDICT_SEEN ? "remark" : verdict_name(f->verdict), f->text);
		if (f->remedy)
			put_paragraph(2, 13, COLOUR_NONE, "remedy", f->remedy);
	}
}

static void json_names(struct json *json, const char *key, const struct strings *names)
{
	json_array(json, key);
	for (size_t i = 0; i < names->count; i++)
		json_string(json, NULL, names->items[i]);
	json_end_array(json);
}

static void json_objects(struct json *json, const struct examination *x)
{
	json_array(json, "objects");
	for (size_t i = 0; i < x->object_count; i++) {
		const struct object *o = &x->objects[i];

		json_object(json, NULL);
		json_string(json, "name", o->name);
		json_string(json, "path", o->path);
		json_names(json, "intercepted", &o->routed);
		json_array(json, "passed_on");
		for (size_t n = 0; n < o->passed.count; n++) {
			json_object(json, NULL);
			json_string(json, "name", o->passed.items[n]);
			json_string(json, "why", imports_reason(o->passed.items[n]));
			json_end_object(json);
		}
		json_end_array(json);
		json_names(json, "stdio", &o->stdio);
		json_names(json, "own_definitions", &o->own);
		json_end_object(json);
	}
	json_end_array(json);
}

static void json_program(struct json *json, const struct examination *x)
{
	json_object(json, NULL);
	json_string(json, "program", x->asked);
	json_string(json, "file", x->path);
	json_names(json, "scripts", &x->scripts);
	json_string(json, "verdict", x->problem ? verdict_name(VERDICT_INVALID) : verdict_name(x->verdict));
	json_string(json, "why", x->problem ? x->problem : x->why);
	json_array(json, "findings");
	for (size_t i = 0; i < x->finding_count; i++) {
		const struct finding *f = &x->findings[i];

		json_object(json, NULL);
		json_string(json, "code", f->code);
		json_string(json, "verdict", verdict_name(f->verdict));
		json_string(json, "text", f->text);
		json_string(json, "remedy", f->remedy);
		json_end_object(json);
	}
	json_end_array(json);
	json_objects(json, x);
	json_end_object(json);
}

static int doctor_programs(int count, char **programs, bool as_json)
{
	struct json json = {.out = stdout};
	struct examination x;
	int worst = 0;

	if (as_json) {
		json_object(&json, NULL);
		json_number(&json, "dftio_doctor", 1);
		json_array(&json, "programs");
	}
	for (int i = 0; i < count; i++) {
		int status;

		examine(&x, programs[i], false);
		status = x.problem ? 2 : x.verdict == VERDICT_SEEN ? 0 : 1;
		worst = status > worst ? status : worst;
		if (as_json) {
			json_program(&json, &x);
		} else if (x.problem) {
			complain(NAME, "'%s': %s", programs[i], x.problem);
		} else {
			if (i > 0)
				putchar('\n');
			text_program(&x);
		}
		examine_free(&x);
	}
	if (as_json) {
		json_end_array(&json);
		json_end_object(&json);
	}
	return finish_output(NAME, worst);
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"json", no_argument, NULL, OPT_JSON},
		{"shim", required_argument, NULL, OPT_SHIM},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	const char *shim = NULL;
	bool as_json = false;
	int option;

	while ((option = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
		switch (option) {
		case OPT_JSON:
			as_json = true;
			break;
		case OPT_SHIM:
			shim = optarg;
			break;
		case 'h':
			return print_help();
		case 'V':
			return print_version();
		default:
			return usage_hint(NAME);
		}
	}
	if (optind < argc)
		return doctor_programs(argc - optind, argv + optind, as_json);
	return finish_output(NAME, doctor_installation(shim, as_json));
}
