/* SPDX-License-Identifier: MIT */
/*
 * The open family: descriptors, modes, flags and errors are the kernel's, and the umask and the identity are the
 * caller's.
 *
 * Owns:    files of the current directory.
 * Threads: one, and a second where it opens a FIFO's other end or has an identity of its own.
 * Never:   leaves the umask of the process changed between two lines.
 */
#include "victim.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* What fortified programs call instead when the mode is missing. Not declared unless fortified. */
extern int __open_2(const char *path, int flags);
extern int __open64_2(const char *path, int flags);
extern int __openat_2(int directory, const char *path, int flags);
extern int __openat64_2(int directory, const char *path, int flags);

static int by_open(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

static int by_open64(const char *path, int flags, mode_t mode)
{
	return open64(path, flags, mode);
}

static int by_openat(const char *path, int flags, mode_t mode)
{
	return openat(AT_FDCWD, path, flags, mode);
}

static int by_openat64(const char *path, int flags, mode_t mode)
{
	return openat64(AT_FDCWD, path, flags, mode);
}

static int by_open_2(const char *path, int flags, mode_t mode)
{
	(void)mode;
	return __open_2(path, flags);
}

static int by_open64_2(const char *path, int flags, mode_t mode)
{
	(void)mode;
	return __open64_2(path, flags);
}

static int by_openat_2(const char *path, int flags, mode_t mode)
{
	(void)mode;
	return __openat_2(AT_FDCWD, path, flags);
}

static int by_openat64_2(const char *path, int flags, mode_t mode)
{
	(void)mode;
	return __openat64_2(AT_FDCWD, path, flags);
}

struct opener {
	const char *name;
	int (*call)(const char *path, int flags, mode_t mode);
	bool takes_mode;
};

static const struct opener openers[] = {
	{"open", by_open, true},
	{"open64", by_open64, true},
	{"openat", by_openat, true},
	{"openat64", by_openat64, true},
	{"__open_2", by_open_2, false},
	{"__open64_2", by_open64_2, false},
	{"__openat_2", by_openat_2, false},
	{"__openat64_2", by_openat64_2, false},
	{NULL, NULL, false},
};

/* Prints the call's result, and of a new descriptor what fcntl and fstat tell, then closes it. */
static void look(int fd, const char *what)
{
	struct stat st;

	saw(fd, errno, "%s", what);
	if (fd < 0)
		return;
	NEED(fstat(fd, &st) == 0);
	say("  mode=%o size=%lld flags=%#x descriptor=%d pos=%lld", st.st_mode, (long long)st.st_size,
		(unsigned)raw_fcntl(fd, F_GETFL, 0), raw_fcntl(fd, F_GETFD, 0), (long long)raw_seek(fd, 0, SEEK_CUR));
	raw_close(fd);
}

static void prepare(void)
{
	RAW(SYS_unlinkat, AT_FDCWD, "new", 0);
	make_file("old", 500);
}

struct trial {
	const char *path;
	int flags;
};

static void ask(const struct opener *o, const struct trial *t, mode_t mode)
{
	char what[160];
	int fd;

	prepare();
	snprintf(what, sizeof(what), "%s(\"%.20s\", %#x, %o)", o->name, t->path, (unsigned)t->flags, mode);
	errno = ERRNO_BEFORE;
	fd = o->call(t->path, t->flags, mode);
	look(fd, what);
}

static void every_flag(void)
{
	static char long_name[5000];
	const struct trial trials[] = {{"old", O_RDONLY}, {"old", O_WRONLY}, {"old", O_RDWR}, {"old", O_ACCMODE},
		{"old", O_RDWR | O_APPEND | O_CLOEXEC}, {"old", O_RDWR | O_TRUNC}, {"old", O_WRONLY | O_NONBLOCK},
		{"old", O_RDWR | O_DIRECT}, {"old", O_RDONLY | O_NOATIME}, {"old", O_RDWR | O_SYNC},
		{"old", O_RDWR | O_DSYNC}, {"old", O_PATH}, {"old", O_PATH | O_CLOEXEC | O_RDWR},
		{"old", O_RDONLY | O_DIRECTORY}, {"old", O_RDONLY | O_LARGEFILE}, {"old", 1 << 30}, {"old", -1},
		{"new", O_RDONLY}, {".", O_RDONLY}, {".", O_RDONLY | O_DIRECTORY}, {".", O_RDWR}, {"link", O_RDONLY},
		{"link", O_RDONLY | O_NOFOLLOW}, {"link", O_PATH | O_NOFOLLOW}, {"loop", O_RDONLY}, {"", O_RDONLY},
		{"old/below", O_RDONLY}, {"nowhere/below", O_RDONLY}, {long_name, O_RDONLY}, {"/dev/null", O_RDWR},
		{"/dev/tty", O_RDWR}, {"fifo", O_WRONLY | O_NONBLOCK}, {"fifo", O_RDONLY | O_NONBLOCK},
		{"/proc/version", O_RDWR}, {"/proc/self/mem", O_RDONLY}};

	memset(long_name, 'n', sizeof(long_name) - 1);
	NEED(symlink("old", "link") == 0 && symlink("loop", "loop") == 0 && mkfifo("fifo", 0600) == 0);
	for (const struct opener *o = openers; o->name != NULL; o++) {
		for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
			if (o->takes_mode || (trials[i].flags & O_CREAT) == 0)
				ask(o, &trials[i], 0);
		}
	}
}

static void modes_of_new_files_obey_the_umask(void)
{
	static const mode_t modes[] = {0, 0640, 0666, 04755, 01777, 0177777};
	static const mode_t masks[] = {0, 027};
	static const struct trial trials[] = {{"new", O_RDWR | O_CREAT}, {"new", O_RDWR | O_CREAT | O_EXCL},
		{"old", O_RDWR | O_CREAT}, {"old", O_RDWR | O_CREAT | O_EXCL}, {".", O_RDWR | O_TMPFILE},
		{".", O_WRONLY | O_TMPFILE | O_EXCL}, {".", O_RDONLY | O_TMPFILE}, {"new", O_RDWR | O_TMPFILE},
		{".", O_RDWR | O_CREAT}};

	for (size_t k = 0; k < sizeof(masks) / sizeof(masks[0]); k++) {
		say("umask %o", masks[k]);
		for (const struct opener *o = openers; o->name != NULL && o->takes_mode; o++) {
			for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
				for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
					umask(022);
					prepare();
					umask(masks[k]);
					ask(o, &trials[i], modes[m]);
				}
			}
		}
		for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
			char what[64];

			prepare();
			snprintf(what, sizeof(what), "creat %o", modes[m]);
			errno = ERRNO_BEFORE;
			look(creat("new", modes[m]), what);
			prepare();
			errno = ERRNO_BEFORE;
			look(creat64("new", modes[m]), what);
			errno = ERRNO_BEFORE;
			look(creat64("old", modes[m]), "creat64 of an old file");
		}
	}
	umask(022);
}

/* A file without a name can be given one, and keeps the mode it was made with. */
static void unnamed_files_keep_their_mode(void)
{
	struct stat st;
	char path[64];
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);

	SEE(fd, "O_TMPFILE");
	if (fd < 0)
		skip("no O_TMPFILE on this file system");
	SEE(write(fd, "text", 4), "write");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	SEE(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), "linkat");
	NEED(stat("named", &st) == 0);
	say("mode=%o size=%lld", st.st_mode, (long long)st.st_size);
}

static void relative_to_a_directory(void)
{
	int sub;
	int file;

	NEED(mkdir("sub", 0755) == 0);
	make_file("sub/inner", 100);
	make_file("old", 100);
	sub = raw_open("sub", O_RDONLY | O_DIRECTORY, 0);
	file = raw_open("old", O_RDONLY, 0);
	errno = ERRNO_BEFORE;
	look(openat(sub, "inner", O_RDONLY), "inner");
	errno = ERRNO_BEFORE;
	look(openat64(sub, "inner", O_RDWR | O_APPEND), "inner by openat64");
	errno = ERRNO_BEFORE;
	look(openat(sub, "fresh", O_RDWR | O_CREAT, 0604), "fresh");
	errno = ERRNO_BEFORE;
	look(__openat_2(sub, "inner", O_WRONLY), "inner by __openat_2");
	SEE(openat(sub, "old", O_RDONLY), "in the other directory");
	SEE(openat(file, "inner", O_RDONLY), "relative to a file");
	SEE(openat(77, "inner", O_RDONLY), "relative to a closed number");
	SEE(openat(-1, "inner", O_RDONLY), "relative to -1");
	SEE(openat(77, "/dev/null", O_PATH), "absolute, closed number");
}

static void a_missing_mode_is_refused_when_fortified(void)
{
	for (int i = 0; i < 4; i++) {
		pid_t child = fork();

		if (child == 0) {
			int quiet = raw_open("/dev/null", O_WRONLY, 0);

			RAW(SYS_dup3, quiet, 2, 0);
			if (i == 0)
				__open_2("new", O_RDWR | O_CREAT);
			else if (i == 1)
				__open64_2("new", O_RDWR | O_CREAT);
			else if (i == 2)
				__openat_2(AT_FDCWD, "new", O_RDWR | O_CREAT);
			else
				__openat64_2(AT_FDCWD, ".", O_RDWR | O_TMPFILE);
			_exit(0);
		}
		say("variant %d: %s", i, ending(child));
	}
	SEE(access("new", F_OK), "access");
}

/* open of a FIFO waits for the other side, and a signal ends the wait. */
static void *open_writer(void *unused)
{
	(void)unused;
	verdict(open("fifo", O_WRONLY) >= 0, "the writer opened");
	return NULL;
}

static void opening_a_fifo_waits_for_its_partner(void)
{
	pthread_t thread;
	sigset_t set;
	char byte;
	int fd;

	NEED(mkfifo("fifo", 0600) == 0);
	on_signal(SIGALRM, NULL, 0);
	alarm_every(3000);
	SEE(open("fifo", O_RDONLY), "interrupted");
	alarm_every(0);
	sigfillset(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	NEED(pthread_create(&thread, NULL, open_writer, NULL) == 0);
	fd = open("fifo", O_RDONLY);
	pthread_join(thread, NULL);
	verdict(fd == 3 || fd == 4, "the reader opened");
	SEE(write(fd, "x", 1), "into the reader's end");
	SEE(write(fd == 3 ? 4 : 3, "x", 1), "into the writer's end");
	SEE(read(fd, &byte, 1), "out of it");
}

/* Credentials belong to a thread as far as the kernel is concerned: the open must be made with the caller's. */
static void *open_as_nobody(void *unused)
{
	(void)unused;
	NEED(syscall(SYS_setresuid, -1, 65534, -1) == 0);
	SEE(open("secret", O_RDONLY), "secret as nobody");
	SEE(open("sub/fresh", O_RDWR | O_CREAT, 0600), "creation as nobody");
	NEED(syscall(SYS_setresuid, -1, 0, -1) == 0);
	return NULL;
}

static void the_callers_credentials_decide(void)
{
	pthread_t thread;
	struct stat st;

	if (geteuid() != 0)
		skip("not root");
	make_file("secret", 100);
	NEED(chmod("secret", 0600) == 0 && mkdir("sub", 0700) == 0 && chmod("sub", 0777) == 0);
	NEED(pthread_create(&thread, NULL, open_as_nobody, NULL) == 0);
	pthread_join(thread, NULL);
	NEED(stat("sub/fresh", &st) == 0);
	say("owner %u", st.st_uid);
	SEE(open("secret", O_RDONLY), "secret as root");
}

const struct promise promises[] = {
	{PROMISE(every_flag)},
	{PROMISE(modes_of_new_files_obey_the_umask)},
	{PROMISE(unnamed_files_keep_their_mode)},
	{PROMISE(relative_to_a_directory)},
	{PROMISE(a_missing_mode_is_refused_when_fortified)},
	{PROMISE(opening_a_fifo_waits_for_its_partner)},
	{PROMISE(the_callers_credentials_decide)},
	{.name = NULL},
};
