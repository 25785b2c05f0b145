/* SPDX-License-Identifier: MIT */
/*
 * What a program and its libraries ask of libc: the intercepted names, those that are passed on, and what never
 * passes through a name that a preload could take: stdio's internals, raw system calls, Go, own definitions.
 *
 * Owns: the order in which the manifest's names are searched. Threads and locks: none.
 * Must never: follow more libraries than LIBRARIES_MAX, or one twice (hostile files may need each other).
 */
#include "examine.h"
#include "interposed_names.h"
#include "shim.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARIES_MAX 512

static int compare_rows(const void *a, const void *b)
{
	return strcmp(interposed_names[*(const size_t *)a].name, interposed_names[*(const size_t *)b].name);
}

static int compare_name(const void *key, const void *row)
{
	return strcmp(key, interposed_names[*(const size_t *)row].name);
}

/* The manifest's row for `name`; -1 when it has none. */
static int manifest_row(const char *name)
{
	static size_t order[INTERPOSED_NAMES_COUNT];
	static bool sorted;
	const size_t *found;

	if (!sorted) {
		for (size_t i = 0; i < INTERPOSED_NAMES_COUNT; i++)
			order[i] = i;
		qsort(order, INTERPOSED_NAMES_COUNT, sizeof(order[0]), compare_rows);
		sorted = true;
	}
	found = bsearch(name, order, INTERPOSED_NAMES_COUNT, sizeof(order[0]), compare_name);
	return found ? (int)*found : -1;
}

const char *imports_reason(const char *name)
{
	int row = manifest_row(name);

	return row >= 0 && !interposed_names[row].wrapped ? interposed_names[row].reason : NULL;
}

/* Whether `name` is one of `stems`, give or take the decoration of libc's aliases: __ before, 64, v2, _chk behind. */
static bool has_stem(const char *name, const char *const *stems)
{
	name += strspn(name, "_");
	for (; *stems; stems++) {
		size_t length = strlen(*stems);
		const char *rest = name + length;

		if (strncmp(name, *stems, length) != 0)
			continue;
		rest += strncmp(rest, "64", 2) == 0 ? 2 : 0;
		rest += strncmp(rest, "v2", 2) == 0 ? 2 : 0;
		rest += strncmp(rest, "_unlocked", 9) == 0 ? 9 : 0;
		rest += strncmp(rest, "_chk", 4) == 0 ? 4 : 0;
		if (!*rest)
			return true;
	}
	return false;
}

/* Calls that move a file's data. */
static bool moves_data(const char *name)
{
	static const char *const stems[] = {"read", "write", "pread", "pwrite", "readv", "writev", "preadv", "pwritev",
		"preadv2", "pwritev2", "sendfile", "copy_file_range", "splice", "tee", "vmsplice", "recv", "recvfrom",
		"recvmsg", "recvmmsg", "send", "sendto", "sendmsg", "sendmmsg", "aio_read", "aio_write", "lio_listio",
		NULL};

	return has_stem(name, stems);
}

bool imports_concern_data(const char *name)
{
	static const char *const others[] = {"mmap", "remap_file_pages", NULL};

	return moves_data(name) || has_stem(name, others);
}

/* Streams of a program's own, as opposed to the three that everyone has. */
static bool opens_stream(const char *name)
{
	static const char *const stems[] = {"fopen", "fdopen", "freopen", "tmpfile", "popen", NULL};

	return has_stem(name, stems);
}

static bool is_stdio(const char *name)
{
	static const char *const stems[] = {"fread", "fgets", "getc", "fgetc", "getchar", "gets", "uflow", "getline",
		"getdelim", "getw", "fgetwc", "getwc", "fgetws", "fscanf", "scanf", "vfscanf", "isoc99_fscanf",
		"isoc99_scanf", "isoc23_fscanf", "isoc23_scanf", "IO_getc", "fwrite", "fputs", "puts", "putc", "fputc",
		"putchar", "putw", "fputwc", "fputws", "printf", "fprintf", "vprintf", "vfprintf", "dprintf",
		"vdprintf", "overflow", "perror", "IO_putc", NULL};

	return opens_stream(name) || has_stem(name, stems);
}

struct collection {
	struct object *object;
	bool sanitizer;
};

static void collect(const struct elf_symbol *symbol, void *arg)
{
	static const char *const remarkable[] = {"dlopen", "dlmopen", "syscall", NULL};
	struct collection *collection = arg;
	struct object *o = collection->object;
	int row = manifest_row(symbol->name);

	if (symbol->defined) {
		if (row >= 0 && interposed_names[row].wrapped)
			strings_add_once(&o->own, symbol->name);
		collection->sanitizer |=
			strcmp(symbol->name, "__asan_init") == 0 || strcmp(symbol->name, "__tsan_init") == 0;
	} else if (row >= 0) {
		strings_add_once(interposed_names[row].wrapped ? &o->routed : &o->passed, symbol->name);
	}
	/* Some are in the manifest as well: fdopen() takes a descriptor, popen() makes a process. */
	if (!symbol->defined && is_stdio(symbol->name))
		strings_add_once(&o->stdio, symbol->name);
	for (size_t i = 0; remarkable[i] && !symbol->defined; i++)
		if (strcmp(symbol->name, remarkable[i]) == 0)
			strings_add_once(&o->other, symbol->name);
}

static void remember_needs(struct object *o, const struct elf *elf)
{
	const char *rpath = elf_dynamic_string(elf, DT_RPATH), *runpath = elf_dynamic_string(elf, DT_RUNPATH);

	o->rpath = rpath ? xstrdup(rpath) : NULL;
	o->runpath = runpath ? xstrdup(runpath) : NULL;
	for (size_t i = 0; i < elf->dynamic_count; i++) {
		const char *name = elf->dynamic[i].tag == DT_NEEDED ? elf_string(elf, elf->dynamic[i].value) : NULL;

		if (name && *name)
			strings_add_once(&o->needed, name);
	}
}

/* glibc's own parts, whose internal calls no preload sees; runtimes of sanitizers; and this library. */
static bool is_left_out(const char *name)
{
	static const char *const families[] = {"libc.so.", "ld-linux", "ld64.so.", "libm.so.", "libmvec.so.",
		"libpthread.so.", "libdl.so.", "librt.so.", "libresolv.so.", "libutil.so.", "libanl.so.",
		"libdftio-core.so", "libdftio.so", NULL};
	const char *slash = strrchr(name, '/');

	name = slash ? slash + 1 : name;
	for (size_t i = 0; families[i]; i++)
		if (strncmp(name, families[i], strlen(families[i])) == 0)
			return true;
	return shim_is_sanitizer(name);
}

static struct object *add_object(struct examination *x, const char *name, char *path, size_t loader)
{
	struct object *o;

	x->objects = xrealloc(x->objects, (x->object_count + 1) * sizeof(*x->objects));
	o = &x->objects[x->object_count++];
	memset(o, 0, sizeof(*o));
	o->name = xstrdup(name);
	o->path = path;
	o->loader = loader;
	return o;
}

static bool is_known(const struct examination *x, const char *name)
{
	for (size_t i = 0; i < x->object_count; i++)
		if (strcmp(x->objects[i].name, name) == 0)
			return true;
	return false;
}

static void read_library(struct examination *x, const struct elf *program, size_t loader, const char *name)
{
	char *path = library_find(x, program, loader, name);
	struct object *o = add_object(x, name, path, loader);
	struct collection collection = {.object = o};
	struct elf elf;

	if (!path) {
		examine_add(x, "missing-library", VERDICT_SEEN,
			xprintf("%s was not found, so it was not examined", name), NULL);
		return;
	}
	if (elf_open(&elf, path) == ELF_OK && elf_each_symbol(&elf, collect, &collection))
		remember_needs(o, &elf);
	else
		examine_add(x, "unreadable-library", VERDICT_SEEN,
			xprintf("%s was not examined: %s", path, elf.problem), NULL);
	elf_close(&elf);
}

/* Breadth first, as ld.so loads them. */
static void read_libraries(struct examination *x, const struct elf *program)
{
	for (size_t i = 0; i < x->object_count; i++) {
		/* By index: the array moves while it grows. */
		for (size_t n = 0; n < x->objects[i].needed.count; n++) {
			const char *name = x->objects[i].needed.items[n];

			if (!is_left_out(name) && !is_known(x, name) && x->object_count < LIBRARIES_MAX)
				read_library(x, program, i, name);
		}
	}
}

static size_t count_data(const struct strings *names)
{
	size_t count = 0;

	for (size_t i = 0; i < names->count; i++)
		count += moves_data(names->items[i]);
	return count;
}

/* "a, b, c and 4 more" of those names that `keep` keeps; NULL keeps all. To be freed. */
static char *some_names(const struct strings *names, bool (*keep)(const char *name))
{
	char *text = xstrdup("");
	size_t shown = 0, more = 0;

	for (size_t i = 0; i < names->count; i++) {
		char *longer;

		if (keep && !keep(names->items[i]))
			continue;
		if (shown == 4) {
			more++;
			continue;
		}
		longer = xprintf("%s%s%s", text, shown++ > 0 ? ", " : "", names->items[i]);
		free(text);
		text = longer;
	}
	if (more > 0) {
		char *longer = xprintf("%s and %zu more", text, more);

		free(text);
		text = longer;
	}
	return text;
}

static void judge_stdio(struct examination *x, bool routes, bool libraries_route)
{
	const struct object *program = &x->objects[0];
	struct strings streams = {0};

	if (program->stdio.count == 0)
		return;
	for (size_t i = 0; i < program->stdio.count; i++)
		if (opens_stream(program->stdio.items[i]))
			strings_add(&streams, program->stdio.items[i]);
	if (!routes) {
		char *names = some_names(&program->stdio, NULL);

		examine_add(x, "stdio-only", libraries_route ? VERDICT_PARTLY : VERDICT_NOT,
			xprintf("its own I/O goes through stdio only (%s), whose reads and writes are libc's own",
				names),
			"none for a preload; see what it does with strace(1)");
		free(names);
	} else if (streams.count > 0) {
		char *names = some_names(&streams, NULL);

		examine_add(x, "stdio", VERDICT_PARTLY,
			xprintf("what it reads and writes through streams (%s) is libc's own and not seen", names),
			NULL);
		free(names);
	} else {
		char *names = some_names(&program->stdio, NULL);

		examine_add(x, "stdio-messages", VERDICT_SEEN,
			xprintf("what goes through stdin, stdout and stderr as streams (%s) is not seen", names), NULL);
		free(names);
	}
	strings_free(&streams);
}

/* Its own engines for asynchronous I/O, which enter the kernel by themselves. */
static void judge_engines(struct examination *x)
{
	static const char *const engines[] = {"liburing.so.", "liburing-ffi.so.", "libaio.so.", NULL};

	for (size_t i = 1; i < x->object_count; i++)
		for (size_t n = 0; engines[n]; n++)
			if (strncmp(x->objects[i].name, engines[n], strlen(engines[n])) == 0)
				examine_add(x, "own-engine", VERDICT_PARTLY,
					xprintf("what it submits through %s goes to the kernel directly",
						x->objects[i].name),
					NULL);
}

static void judge_own_definitions(struct examination *x, bool sanitizer)
{
	for (size_t i = 0; i < x->object_count; i++) {
		const struct object *o = &x->objects[i];
		char *names = some_names(&o->own, moves_data);

		if (!*names) {
			free(names);
			continue;
		}
		if (i == 0 && sanitizer)
			examine_add(x, "sanitizer", VERDICT_SEEN,
				xprintf("carries a sanitizer's runtime with its own %s, which call the preload's",
					names),
				NULL);
		else if (i == 0)
			examine_add(x, "own-definition", VERDICT_PARTLY,
				xprintf("defines %s itself: calls of those names go there, not to the preload", names),
				NULL);
		else
			examine_add(x, "own-definition", VERDICT_SEEN,
				xprintf("%s defines %s too: the preload comes first, and calls them in libc's place",
					o->name, names),
				NULL);
		free(names);
	}
}

static void judge_program(struct examination *x, bool sanitizer, size_t data)
{
	const struct object *program = &x->objects[0];
	char *names = some_names(&program->passed, moves_data);

	if (*names)
		examine_add(x, "passed-on", VERDICT_PARTLY,
			xprintf("what it moves with %s is passed on to libc, not routed", names), NULL);
	free(names);
	judge_own_definitions(x, sanitizer);
	judge_engines(x);
	if (strings_have(&program->other, "dlopen") || strings_have(&program->other, "dlmopen"))
		examine_add(x, "dlopen", VERDICT_SEEN,
			xstrdup("opens libraries while it runs, which were not examined: they are seen unless opened "
				"with RTLD_DEEPBIND or dlmopen"),
			NULL);
	if (strings_have(&program->other, "syscall"))
		examine_add(x, "syscall", VERDICT_SEEN,
			xstrdup("makes system calls of its own through syscall(2), which are not seen"), NULL);
	if (data == 0 && program->stdio.count == 0)
		examine_add(x, "no-imports", VERDICT_NOT,
			xstrdup("neither it nor its libraries import a call that moves data"), NULL);
}

void imports_examine(struct examination *x, struct elf *elf)
{
	struct object *program = add_object(x, x->asked, xstrdup(x->path), 0);
	struct collection collection = {.object = program};
	size_t data, libraries_data = 0;

	if (!elf_each_symbol(elf, collect, &collection)) {
		x->problem = xstrdup(elf->problem);
		return;
	}
	remember_needs(program, elf);
	data = count_data(&program->routed);
	/* A sanitizer's runtime inside the program takes the calls first, and makes them itself. */
	if (collection.sanitizer)
		data += count_data(&program->own);
	read_libraries(x, elf);
	for (size_t i = 1; i < x->object_count; i++)
		libraries_data += count_data(&x->objects[i].routed);
	if (elf->go) {
		examine_add(x, "go", data > 0 ? VERDICT_PARTLY : VERDICT_NOT,
			xprintf("a Go program: its runtime makes raw system calls%s",
				data > 0 ? "; only what its C code calls is seen" : ", dynamically linked or not"),
			"none for a preload; see what it does with strace(1)");
		return;
	}
	judge_stdio(x, data > 0, libraries_data > 0);
	judge_program(x, collection.sanitizer, data + libraries_data);
}
