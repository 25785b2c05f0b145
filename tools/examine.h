/* SPDX-License-Identifier: MIT */
/*
 * What the preload will see of a program, read from the program's file and its libraries' without running anything.
 */
#ifndef DFTIO_TOOLS_EXAMINE_H
#define DFTIO_TOOLS_EXAMINE_H

#include "elf_file.h"
#include "text.h"

enum verdict { VERDICT_INVALID = 0, VERDICT_SEEN, VERDICT_PARTLY, VERDICT_NOT };

/* One thing that was found, and how far it holds the verdict down: VERDICT_SEEN is a mere remark. */
struct finding {
	const char *code; /* for programs: "static", "go", ... */
	enum verdict verdict;
	char *text;
	char *remedy; /* NULL when there is none to name */
};

/* The program, or one of its libraries. */
struct object {
	char *name;    /* as it was asked for */
	char *path;    /* NULL when it was not found */
	size_t loader; /* the index of the object that needs it */
	char *rpath, *runpath;
	struct strings needed;
	struct strings routed; /* the intercepted names that it imports */
	struct strings passed; /* the names of the manifest that it imports and that are passed on */
	struct strings stdio;  /* the stdio functions that it imports */
	struct strings own;    /* the intercepted names that it defines itself */
	struct strings other;  /* imports that deserve a remark: dlopen, syscall, ... */
};

struct examination {
	const char *asked;
	char *path;             /* of the file that was examined: a script's interpreter where there is one */
	char *problem;          /* not NULL: it could not be examined, and why */
	struct strings scripts; /* the scripts on the way to `path` */
	struct finding *findings;
	size_t finding_count;
	struct object *objects; /* the program, then its libraries, in the order of the loader */
	size_t object_count;
	bool reached; /* the dynamic loader will bring the preload in, and it will be able to work */
	enum verdict verdict;
	const char *why; /* of the verdict, one clause: lies in a finding, or static */
};

/*
 * Fills `x` for `program`: a path, or a name that is looked for in PATH. With `quick`, only whether the preload
 * reaches it: no imports, no libraries. examine_free() is due whatever is found.
 */
void examine(struct examination *x, const char *program, bool quick);
void examine_free(struct examination *x);

/* The path of a program as execvp(3) finds it, to be freed; NULL with errno. */
char *examine_find_program(const char *program);

void examine_add(struct examination *x, const char *code, enum verdict verdict, char *text, const char *remedy);
const char *verdict_name(enum verdict verdict);

/* The parts of examine(). script.c: */
bool script_interpreter(const struct elf *file, char **ret_interpreter, char **ret_program);
/* reach.c: whether the preload gets in. */
void reach_examine(struct examination *x, struct elf *elf, const char *path);
/* imports.c: what it asks of libc, it and its libraries. */
void imports_examine(struct examination *x, struct elf *elf);
/* libraries.c: where ld.so finds `name` for objects[loader]; NULL when it does not. To be freed. */
char *library_find(const struct examination *x, const struct elf *program, size_t loader, const char *name);

/* Whether calls of this name move a file's data, or make it move. */
bool imports_concern_data(const char *name);

/* The reason why a name of the manifest is passed on; NULL for a name that is not. */
const char *imports_reason(const char *name);

#endif
