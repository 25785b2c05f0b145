/* SPDX-License-Identifier: MIT */
/*
 * Libraries loaded at run time, in every way there is, do I/O when they come, when they are called, and when they
 * go.
 *
 * Owns:    nothing but handles of dso/plugin.c.
 * Threads: the first, and one that loads.
 * Never:   loads by a name that the search path decides.
 */
#include "victim.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The plug-in lies beside the victim, in the directory where the build put it. */
static const char *plugin_path(void)
{
	static char path[700];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 100);

	NEED(n > 0);
	path[n] = '\0';
	NEED(strrchr(path, '/') != NULL);
	strcpy(strrchr(path, '/'), "/../dso/libvictim-plugin.so");
	return path;
}

static void call(void *library, const char *when)
{
	int (*plugin_io)(const char *);
	void *address = dlsym(library, "plugin_io");

	NEED(address != NULL);
	memcpy(&plugin_io, &address, sizeof(address));
	say("number %d", plugin_io(when));
}

static void own_io(void)
{
	char buf[100];
	int fd;

	make_file("file", 1000);
	SEE(fd = open("file", O_RDONLY), "open");
	SEE(pread(fd, buf, 100, 300), "pread");
	verdict(is_pattern(buf, 100, 300), "its bytes");
	SEE(close(fd), "close");
}

static void load(int flags, bool own_first)
{
	if (own_first)
		own_io();
	for (int round = 0; round < 3; round++) {
		void *library = dlopen(plugin_path(), flags);

		NEED(library != NULL);
		call(library, "called");
		own_io();
		SEE(dlclose(library), "dlclose");
	}
	say_descriptors("open");
}

static void loaded_lazily(void)
{
	load(RTLD_LAZY, false);
}

static void loaded_at_once_after_io(void)
{
	load(RTLD_NOW | RTLD_GLOBAL, true);
}

static void bound_to_its_own_dependencies_first(void)
{
#ifdef RTLD_DEEPBIND
	load(RTLD_NOW | RTLD_DEEPBIND, true);
#else
	skip("no RTLD_DEEPBIND");
#endif
}

/* A second C library in the same process: its calls are not seen, and its numbers are the same numbers. */
static void in_a_name_space_of_its_own(void)
{
#ifdef LM_ID_NEWLM
	char buf[100];
	void *library;
	int fd;

	own_io();
	library = dlmopen(LM_ID_NEWLM, plugin_path(), RTLD_NOW);
	if (library == NULL)
		skip("dlmopen is refused");
	call(library, "called");
	fd = open("plugin", O_RDWR);
	SEE(pread(fd, buf, 4, 0), "pread");
	call(library, "called again");
	SEE(read(fd, buf, 4), "read");
	own_io();
	SEE(dlclose(library), "dlclose");
	own_io();
	say_descriptors("open");
#else
	skip("no dlmopen");
#endif
}

static void *load_in_thread(void *unused)
{
	(void)unused;
	load(RTLD_NOW, true);
	return NULL;
}

static void loaded_by_a_thread(void)
{
	pthread_t thread;

	NEED(pthread_create(&thread, NULL, load_in_thread, NULL) == 0);
	pthread_join(thread, NULL);
	own_io();
}

/* Never unloaded: its destructor runs when the process ends. */
static void still_loaded_at_the_end(void)
{
	void *library = dlopen(plugin_path(), RTLD_NOW);

	NEED(library != NULL);
	own_io();
}

/* A name asked for in libc itself, past the preload: mixes with the others. */
static void asked_of_libc_itself(void)
{
	ssize_t (*pread_it)(int, void *, size_t, off_t);
	int (*close_it)(int);
	int (*open_it)(const char *, int, ...);
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
	void *address;
	char buf[100];
	int fd;

	if (libc == NULL)
		skip("this libc has another name");
	address = dlsym(libc, "pread");
	memcpy(&pread_it, &address, sizeof(address));
	address = dlsym(libc, "close");
	memcpy(&close_it, &address, sizeof(address));
	address = dlsym(libc, "open");
	memcpy(&open_it, &address, sizeof(address));
	make_file("file", 1000);
	for (int i = 0; i < 3; i++) {
		SEE(fd = open("file", O_RDONLY), "open");
		SEE(pread(fd, buf, 100, 100), "pread");
		SEE(pread_it(fd, buf, 100, 200), "libc's pread");
		verdict(is_pattern(buf, 100, 200), "its bytes");
		SEE(close_it(fd), "libc's close");
		SEE(pread(fd, buf, 100, 0), "pread of the closed");
		SEE(fd = open_it("file", O_WRONLY), "libc's open");
		SEE(pread(fd, buf, 100, 0), "pread of the write-only");
		SEE(close(fd), "close");
	}
}

const struct promise promises[] = {
	{PROMISE(loaded_lazily)},
	{PROMISE(loaded_at_once_after_io)},
	{PROMISE(bound_to_its_own_dependencies_first)},
	{PROMISE(in_a_name_space_of_its_own)},
	{PROMISE(loaded_by_a_thread)},
	{PROMISE(still_loaded_at_the_end)},
	{PROMISE(asked_of_libc_itself)},
	{.name = NULL},
};
