/* SPDX-License-Identifier: MIT */
/*
 * Finds libraries as ld.so(8) does: RPATH, LD_LIBRARY_PATH, RUNPATH, ld.so.cache, the default directories.
 * Left out: the subdirectories for processor levels (glibc-hwcaps) outside of the cache, and DF_1_NODEFLIB.
 *
 * Owns: the contents of ld.so.cache, read once. Threads and locks: none. Must never: trust that file's offsets.
 */
#include "examine.h"

#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_FILE "/etc/ld.so.cache"
#define CACHE_MAX  ((off_t)64 << 20)

/* ld.so.cache as every glibc since 2.2 reads it, and since 2.32 writes it: header, entries, strings. */
struct cache_header {
	char magic[20]; /* "glibc-ld.so.cache1.1" */
	uint32_t entries, string_bytes;
	uint8_t flags, padding[3];
	uint32_t extension, unused[3];
};

struct cache_entry {
	int32_t flags;
	uint32_t name, path; /* offsets into the file */
	uint32_t os_version;
	uint64_t hardware;
};

static char *cache;
static size_t cache_size;

static void read_cache(void)
{
	static bool tried;
	struct stat st;
	ssize_t n;
	int fd;

	if (tried)
		return;
	tried = true;
	fd = open(CACHE_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < CACHE_MAX) {
		cache = xrealloc(NULL, (size_t)st.st_size + 1);
		n = read(fd, cache, (size_t)st.st_size);
		cache_size = n > 0 ? (size_t)n : 0;
		cache[cache_size] = '\0';
	}
	close(fd);
}

static bool fits(const struct elf *program, const char *path)
{
	struct elf library;
	bool ok = elf_open(&library, path) == ELF_OK && library.wide == program->wide &&
		  library.big_endian == program->big_endian && library.machine == program->machine;

	elf_close(&library);
	return ok;
}

static char *find_in_cache(const struct elf *program, const char *name)
{
	struct cache_header header;
	struct cache_entry entry;

	read_cache();
	if (cache_size < sizeof(header))
		return NULL;
	memcpy(&header, cache, sizeof(header));
	if (memcmp(header.magic, "glibc-ld.so.cache1.1", sizeof(header.magic)) != 0)
		return NULL;
	for (size_t i = 0; i < header.entries; i++) {
		size_t at = sizeof(header) + i * sizeof(entry);

		if (at + sizeof(entry) > cache_size)
			return NULL;
		memcpy(&entry, cache + at, sizeof(entry));
		if (entry.name < cache_size && entry.path < cache_size && strcmp(cache + entry.name, name) == 0 &&
			fits(program, cache + entry.path))
			return xstrdup(cache + entry.path);
	}
	return NULL;
}

static int note_libc(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *slash = strrchr(info->dlpi_name, '/');

	(void)size;
	if (!slash || strncmp(slash, "/libc.so", 8) != 0)
		return 0;
	*(char **)arg = xprintf("%.*s", (int)(slash - info->dlpi_name), info->dlpi_name);
	return 1;
}

/* "/lib/x86_64-linux-gnu": the directory of the libc that this command itself runs with. */
static const char *libc_directory(void)
{
	static char *directory;

	if (!directory)
		dl_iterate_phdr(note_libc, &directory);
	if (!directory)
		directory = xstrdup("/lib");
	return directory;
}

/* What ld.so puts in the place of $ORIGIN, $LIB and $PLATFORM. */
static const char *token_value(const char *name, size_t length, const char *origin)
{
	const char *platform = (const char *)getauxval(AT_PLATFORM), *lib = libc_directory();

	if (length == 6 && strncmp(name, "ORIGIN", 6) == 0)
		return origin;
	if (length == 3 && strncmp(name, "LIB", 3) == 0)
		return lib + (strncmp(lib, "/usr/", 5) == 0 ? 5 : 1);
	if (length == 8 && strncmp(name, "PLATFORM", 8) == 0)
		return platform ? platform : "";
	return NULL;
}

static char *expand(const char *directory, size_t length, const char *origin)
{
	char *text = xstrdup("");

	for (const char *p = directory, *end = directory + length; p < end;) {
		const char *name = p + 1, *value = NULL;
		size_t size = 0, skip = 1;
		char *longer;

		if (*p == '$' && p + 1 < end && p[1] == '{') {
			name = p + 2;
			size = strcspn(name, "}:");
			skip = size + 3;
		} else if (*p == '$') {
			size = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
			skip = size + 1;
		}
		if (size > 0 && p + skip <= end)
			value = token_value(name, size, origin);
		longer = value ? xprintf("%s%s", text, value) : xprintf("%s%c", text, *p);
		free(text);
		text = longer;
		p += value ? skip : 1;
	}
	return text;
}

/* `list` is separated by ':'; an empty directory is the current one. */
static char *find_in_list(const struct elf *program, const char *list, const char *object, const char *name)
{
	const char *slash = object ? strrchr(object, '/') : NULL;
	char *origin = slash ? xprintf("%.*s", (int)(slash - object), object) : xstrdup(".");
	char *found = NULL;

	while (list && !found) {
		size_t length = strcspn(list, ":");
		char *directory = expand(list, length, origin);
		char *path = xprintf("%s%s%s", directory, length > 0 ? "/" : "./", name);

		if (fits(program, path))
			found = xstrdup(path);
		free(path);
		free(directory);
		list = list[length] ? list + length + 1 : NULL;
	}
	free(origin);
	return found;
}

/* DT_RPATH counts only where there is no DT_RUNPATH, and then those of all who led here count. */
static char *find_in_rpaths(const struct examination *x, const struct elf *program, size_t loader, const char *name)
{
	char *found = NULL;

	if (x->objects[loader].runpath)
		return NULL;
	for (size_t i = loader;; i = x->objects[i].loader) {
		const struct object *o = &x->objects[i];

		if (!o->runpath && o->rpath)
			found = find_in_list(program, o->rpath, o->path, name);
		if (found || i == 0)
			return found;
	}
}

char *library_find(const struct examination *x, const struct elf *program, size_t loader, const char *name)
{
	static const char *const usual[] = {"/lib64", "/usr/lib64", "/lib", "/usr/lib", NULL};
	const char *environment = getenv("LD_LIBRARY_PATH");
	const struct object *o = &x->objects[loader];
	char *found;

	if (strchr(name, '/'))
		return fits(program, name) ? xstrdup(name) : NULL;
	found = find_in_rpaths(x, program, loader, name);
	if (!found && environment && *environment)
		found = find_in_list(program, environment, o->path, name);
	if (!found && o->runpath)
		found = find_in_list(program, o->runpath, o->path, name);
	if (!found)
		found = find_in_cache(program, name);
	if (!found)
		found = find_in_list(program, libc_directory(), o->path, name);
	for (size_t i = 0; usual[i] && !found; i++)
		found = find_in_list(program, usual[i], o->path, name);
	return found;
}
