/* SPDX-License-Identifier: MIT */
/*
 * Finding the preload, and composing LD_PRELOAD.
 *
 * Owns: nothing. Threads and locks: none. Must never: drop an entry of the user's LD_PRELOAD, or put a relative
 * path there (the command may change its directory before it starts another).
 */
#include "shim.h"
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHIM_NAME "libdftio.so"

/* Where the build tree has it, then where the installation has it, both seen from the executable's directory. */
static const char *const beside[] = {
	"../interpose/" SHIM_NAME,
	DFTIO_LIBDIR_FROM_BINDIR "/" SHIM_NAME,
};

/* NULL when ld.so can be given this path. */
static const char *unusable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (access(path, R_OK))
		return strerror(errno);
	if (strpbrk(path, ": \t\n$"))
		return "LD_PRELOAD cannot carry a path with a blank, a ':' or a '$'";
	return NULL;
}

static char *executable_directory(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length <= 0)
		return NULL;
	path[length] = '\0';
	*strrchr(path, '/') = '\0';
	return xstrdup(path);
}

char *shim_find(const char *asked, char **ret_problem)
{
	const char *why;
	char *directory, *path, *found = NULL;

	*ret_problem = NULL;
	if (asked) {
		path = realpath(asked, NULL);
		why = path ? unusable(path) : strerror(errno);
		if (!why)
			return path;
		*ret_problem = xprintf("'%s': %s", asked, why);
		free(path);
		return NULL;
	}
	directory = executable_directory();
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]) && directory && !found; i++) {
		/* An absolute libdir stands outside the prefix and moves with nothing. */
		path = beside[i][0] == '/' ? xstrdup(beside[i]) : xprintf("%s/%s", directory, beside[i]);
		found = realpath(path, NULL);
		free(path);
	}
	free(directory);
	if (!found)
		found = realpath(DFTIO_LIBDIR "/" SHIM_NAME, NULL);
	why = found ? unusable(found) : NULL;
	if (found && !why)
		return found;
	*ret_problem = found ? xprintf("'%s': %s", found, why)
			     : xprintf("no " SHIM_NAME " beside this command nor in " DFTIO_LIBDIR);
	free(found);
	return NULL;
}

bool shim_is_sanitizer(const char *library)
{
	static const char *const names[] = {"libasan.", "libtsan.", "liblsan.", "libhwasan.", "libclang_rt."};
	const char *slash = strrchr(library, '/'), *name = slash ? slash + 1 : library;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

char *shim_preload(const char *shim, const char *existing)
{
	size_t length = existing ? strcspn(existing, ": ") : 0;
	char *first, *value;

	if (!existing || !*existing)
		return xstrdup(shim);
	first = xprintf("%.*s", (int)length, existing);
	if (strcmp(first, shim) == 0)
		value = xstrdup(existing);
	else if (shim_is_sanitizer(first))
		value = xprintf("%s:%s%s%s", first, shim, existing[length] ? ":" : "",
			existing[length] ? existing + length + 1 : "");
	else
		value = xprintf("%s:%s", shim, existing);
	free(first);
	return value;
}
