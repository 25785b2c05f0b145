/* SPDX-License-Identifier: MIT */
/*
 * Whether the preload gets into a program at all: the dynamic loader must run, be glibc's of our class and machine,
 * and must not be in secure-execution mode.
 *
 * Owns: what it knows of this command's own file, which was built like the preload. Threads and locks: none.
 * Must never: run the program.
 */
#include "examine.h"
#include "shim.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef DF_1_PIE
#define DF_1_PIE 0x08000000
#endif

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The preload is built with this command: its class, machine and C library are this command's. */
static bool same_build(struct examination *x, const struct elf *elf)
{
	struct elf self;
	bool same = true;

	if (elf_open(&self, "/proc/self/exe") != ELF_OK) {
		elf_close(&self);
		return true;
	}
	if (elf->wide != self.wide || elf->machine != self.machine || elf->big_endian != self.big_endian) {
		/* Two calls, two statements: the name may lie in a static buffer. */
		char *theirs = xprintf("%s-bit %s%s", elf->wide ? "64" : "32", elf_machine_name(elf->machine),
			elf->big_endian ? " (big-endian)" : "");

		examine_add(x, elf->wide != self.wide ? "class" : "machine", VERDICT_NOT,
			xprintf("a %s program: ld.so drops this build's preload, which is %s-bit %s", theirs,
				self.wide ? "64" : "32", elf_machine_name(self.machine)),
			"use a build of libdftio for that machine");
		free(theirs);
		same = false;
	} else if (elf->interpreter && self.interpreter &&
		   strcmp(base_name(elf->interpreter), base_name(self.interpreter)) != 0) {
		bool musl = strncmp(base_name(elf->interpreter), "ld-musl", 7) == 0;

		examine_add(x, "libc", VERDICT_NOT,
			xprintf("uses another C library%s: its loader is '%s', the preload's is '%s'",
				musl ? " (musl)" : "", elf->interpreter, self.interpreter),
			"use a build of libdftio for that C library");
		same = false;
	}
	elf_close(&self);
	return same;
}

static bool is_library(const struct elf *elf)
{
	uint64_t flags = 0;

	elf_dynamic(elf, DT_FLAGS_1, &flags);
	return elf->type == ET_DYN && !elf->interpreter && elf->has_dynamic && !(flags & DF_1_PIE);
}

static bool examine_kind(struct examination *x, const struct elf *elf)
{
	const char *remedy = elf->go ? NULL : "link it dynamically, or use a build that is";

	if (elf->type != ET_EXEC && elf->type != ET_DYN) {
		x->problem = xstrdup(elf->type == ET_REL    ? "an object file, no program"
				     : elf->type == ET_CORE ? "a core dump, no program"
							    : "an ELF file of an unknown type");
		return false;
	}
	if (is_library(elf)) {
		examine_add(x, "library", VERDICT_SEEN,
			xstrdup("a shared library: what follows holds inside a program that is reached"), NULL);
		return true;
	}
	if (elf->interpreter)
		return true;
	if (elf->type == ET_DYN && elf->has_dynamic)
		examine_add(x, "static-pie", VERDICT_NOT,
			xstrdup("a static PIE: it relocates itself, no dynamic loader runs that could preload"),
			remedy);
	else
		examine_add(x, "static", VERDICT_NOT,
			xstrdup("statically linked: no dynamic loader runs that could preload"), remedy);
	return false;
}

/* Whether the kernel honours set-user-ID and file capabilities here, for this process. */
static bool privileges_count(const char *path)
{
	struct statvfs fs;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false;
	return statvfs(path, &fs) || !(fs.f_flag & ST_NOSUID);
}

static bool examine_privileges(struct examination *x, const char *path)
{
	static const char remedy[] = "run a copy without the privileges (cp drops them), if it can do without";
	bool counts = privileges_count(path), drops = false;
	struct stat st;

	if (stat(path, &st))
		return true;
	if (st.st_mode & S_ISUID) {
		drops = counts && st.st_uid != getuid();
		examine_add(x, "setuid", drops ? VERDICT_NOT : VERDICT_SEEN,
			xprintf("set-user-ID (owner %u): ld.so drops LD_PRELOAD%s", (unsigned)st.st_uid,
				drops    ? ""
				: counts ? " for every user but its owner, who you are"
					 : ", but here the bit has no effect"),
			drops ? remedy : NULL);
	}
	/* Without group execution the bit does not mean set-group-ID. */
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP)) {
		bool drop = counts && st.st_gid != getgid();

		drops |= drop;
		examine_add(x, "setgid", drop ? VERDICT_NOT : VERDICT_SEEN,
			xprintf("set-group-ID (group %u): ld.so drops LD_PRELOAD%s", (unsigned)st.st_gid,
				drop     ? ""
				: counts ? " for everyone outside that group, which is yours"
					 : ", but here the bit has no effect"),
			drop ? remedy : NULL);
	}
	if (getxattr(path, "security.capability", NULL, 0) > 0) {
		/* Root has the capabilities anyway; for root they are no reason for secure execution. */
		bool drop = counts && getuid() != 0;

		drops |= drop;
		examine_add(x, "capabilities", drop ? VERDICT_NOT : VERDICT_SEEN,
			xprintf("has file capabilities: ld.so drops LD_PRELOAD%s",
				drop     ? ""
				: counts ? " for every user but root, who you are"
					 : ", but here they have no effect"),
			drop ? remedy : NULL);
	}
	return !drops;
}

/* Whether this environment has one of the remedies already. */
static bool sanitizer_is_content(const char *runtime)
{
	const char *preload = getenv("LD_PRELOAD"), *value = NULL, *next = getenv("ASAN_OPTIONS");
	static const char option[] = "verify_asan_link_order=";
	bool first = false;

	if (preload) {
		char *entry = xprintf("%.*s", (int)strcspn(preload, ": "), preload);

		first = strcmp(base_name(entry), base_name(runtime)) == 0;
		free(entry);
	}
	/* The last one counts. */
	while (next && (next = strstr(next, option))) {
		next += strlen(option);
		value = next;
	}
	return first || (value && *value && strchr("0fn", *value));
}

static void examine_sanitizer(struct examination *x, const struct elf *elf)
{
	static const char remedy[] = "put that library first (LD_PRELOAD=$(cc -print-file-name=libasan.so) dftio run "
				     "...), or set ASAN_OPTIONS=verify_asan_link_order=0";

	for (size_t i = 0; i < elf->dynamic_count; i++) {
		const char *name = elf->dynamic[i].tag == DT_NEEDED ? elf_string(elf, elf->dynamic[i].value) : NULL;

		if (!name || !shim_is_sanitizer(name))
			continue;
		if (strstr(name, "asan") && !sanitizer_is_content(name))
			examine_add(x, "sanitizer", VERDICT_NOT,
				xprintf("built with AddressSanitizer (%s), which ends the program because its runtime "
					"does not come first",
					name),
				remedy);
		else
			examine_add(x, "sanitizer", VERDICT_SEEN,
				xprintf("built with a sanitizer (%s): the preload runs between it and libc", name),
				NULL);
		return;
	}
}

void reach_examine(struct examination *x, struct elf *elf, const char *path)
{
	bool reached = examine_kind(x, elf);

	if (x->problem)
		return;
	reached &= examine_privileges(x, path);
	reached &= same_build(x, elf);
	examine_sanitizer(x, elf);
	x->reached = reached;
}
