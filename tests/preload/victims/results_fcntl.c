/* SPDX-License-Identifier: MIT */
/*
 * fcntl and fcntl64: every command, also those that nobody knows, gets its argument and gives the kernel's answer.
 *
 * Owns:    descriptors of one kind each.
 * Threads: one, and processes that hold locks.
 * Never:   prints a process id.
 */
#include "victim.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define DO(fd, command, argument)                                                                                      \
	do {                                                                                                           \
		SEE(fcntl(fd, command, argument), "fcntl %s", #command);                                               \
		SEE(fcntl64(fd, command, argument), "fcntl64 %s", #command);                                           \
	} while (0)

/* What the answer is does not depend on the machine; commands whose answer is a process are left out here. */
static void ask_simple(const char *kind, int fd)
{
	say("--- %s", kind);
	DO(fd, F_GETFD, 0);
	DO(fd, F_SETFD, FD_CLOEXEC);
	DO(fd, F_GETFD, 0);
	DO(fd, F_SETFD, 0);
	DO(fd, F_GETFL, 0);
	DO(fd, F_SETFL, O_NONBLOCK | O_APPEND);
	DO(fd, F_GETFL, 0);
	DO(fd, F_SETFL, O_DIRECT);
	DO(fd, F_GETFL, 0);
	DO(fd, F_SETFL, O_ASYNC);
	DO(fd, F_GETFL, 0);
	DO(fd, F_SETFL, 0);
	DO(fd, F_GETFL, 0);
	DO(fd, F_GETOWN, 0);
	DO(fd, F_GETSIG, 0);
	DO(fd, F_SETSIG, SIGUSR1);
	DO(fd, F_GETSIG, 0);
	DO(fd, F_SETSIG, 9999);
	DO(fd, F_SETSIG, 0);
	DO(fd, F_GETLEASE, 0);
	DO(fd, F_NOTIFY, 0);
	DO(fd, F_GETPIPE_SZ, 0);
	DO(fd, F_SETPIPE_SZ, 8192);
	DO(fd, F_GETPIPE_SZ, 0);
	DO(fd, F_SETPIPE_SZ, INT_MAX);
	DO(fd, F_GET_SEALS, 0);
	DO(fd, F_ADD_SEALS, F_SEAL_GROW);
	DO(fd, F_GET_SEALS, 0);
	DO(fd, 1027 /* F_DUPFD_QUERY */, fd);
	DO(fd, 1028 /* F_CREATED_QUERY */, 0);
	DO(fd, 9999, 0);
	DO(fd, 9999, -1L);
	DO(fd, -1, 0);
	DO(fd, INT_MAX, 0);
	DO(fd, INT_MIN, 0);
}

static void ask_duplicates(int fd)
{
	static const int commands[] = {F_DUPFD, F_DUPFD_CLOEXEC};
	static const int lowest[] = {0, 10, 500, -1, INT_MAX, INT_MIN, 1 << 20};

	for (size_t c = 0; c < 2; c++) {
		for (size_t i = 0; i < sizeof(lowest) / sizeof(lowest[0]); i++) {
			int got;

			SEE(got = fcntl(fd, commands[c], lowest[i]), "duplicate %d at %d", commands[c], lowest[i]);
			if (got < 0)
				continue;
			say("  descriptor flags %d", raw_fcntl(got, F_GETFD, 0));
			SEE(fcntl64(fd, commands[c], lowest[i]), "again by fcntl64");
			raw_close(got);
			raw_close(got + 1);
		}
	}
}

static void ask_owner(int fd)
{
	struct f_owner_ex owner = {F_OWNER_TID, raw_gettid()};

	SEE(fcntl(fd, F_SETOWN, getpid()), "F_SETOWN");
	verdict(fcntl(fd, F_GETOWN) == getpid() || fcntl(fd, F_GETOWN) == -1, "F_GETOWN tells it");
	SEE(fcntl(fd, F_SETOWN_EX, &owner), "F_SETOWN_EX");
	memset(&owner, 0, sizeof(owner));
	SEE(fcntl(fd, F_GETOWN_EX, &owner), "F_GETOWN_EX");
	say("type %d", owner.type);
	SEE(fcntl(fd, F_SETOWN, 0), "F_SETOWN none");
}

static void ask_hints(int fd)
{
	uint64_t hint = 3;

	SEE(fcntl(fd, 1036 /* F_SET_RW_HINT */, &hint), "F_SET_RW_HINT");
	hint = 99;
	SEE(fcntl(fd, 1035 /* F_GET_RW_HINT */, &hint), "F_GET_RW_HINT");
	say("hint %llu", (unsigned long long)hint);
	SEE(fcntl(fd, 1037 /* F_GET_FILE_RW_HINT */, &hint), "F_GET_FILE_RW_HINT");
}

static void ask_locks(int fd)
{
	static const int commands[] = {F_GETLK, F_SETLK, F_GETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW};
	static const short types[] = {F_RDLCK, F_WRLCK, F_UNLCK, 77};

	for (size_t c = 0; c < sizeof(commands) / sizeof(commands[0]); c++) {
		for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
			struct flock lock = {.l_type = types[t], .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};

			SEE(fcntl(fd, commands[c], &lock), "lock command %d type %d", commands[c], types[t]);
			say("  type=%d whence=%d start=%lld length=%lld", lock.l_type, lock.l_whence,
				(long long)lock.l_start, (long long)lock.l_len);
			lock.l_type = F_UNLCK;
			lock.l_pid = 0;
			RAW(SYS_fcntl, fd, F_OFD_SETLK, &lock);
		}
	}
}

static void ask_all(const char *kind, int fd)
{
	ask_simple(kind, fd);
	ask_duplicates(fd);
	ask_owner(fd);
	ask_hints(fd);
	ask_locks(fd);
}

static void every_command_on_a_file(void)
{
	make_file("file", 100);
	ask_all("file", raw_open("file", O_RDWR, 0));
	ask_all("read-only file", raw_open("file", O_RDONLY, 0));
	ask_all("O_PATH", raw_open("file", O_PATH, 0));
	ask_all("directory", raw_open(".", O_RDONLY, 0));
}

static void every_command_on_a_pipe(void)
{
	int ends[2];

	NEED(raw_pipe(ends, 0) == 0);
	ask_all("reader", ends[0]);
	ask_all("writer", ends[1]);
}

static void every_command_on_a_socket(void)
{
	int pair[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	ask_all("socket", pair[0]);
}

static void every_command_on_a_sealable_file(void)
{
	int fd = (int)RAW(SYS_memfd_create, "victim", 2U /* MFD_ALLOW_SEALING */);

	NEED(fd >= 0);
	ask_all("memory file", fd);
	SEE(write(fd, "x", 1), "write after the seal");
}

static void every_command_on_no_descriptor(void)
{
	ask_all("closed", 77);
	ask_all("-1", -1);
	ask_all("INT_MAX", INT_MAX);
}

/* Commands without a third argument are called without one. */
static void commands_without_an_argument(void)
{
	make_file("file", 100);
	int fd = raw_open("file", O_RDWR, 0);

	SEE(fcntl(fd, F_GETFD), "F_GETFD");
	SEE(fcntl(fd, F_GETFL), "F_GETFL");
	SEE(fcntl(fd, F_GETSIG), "F_GETSIG");
	SEE(fcntl(fd, F_GETLEASE), "F_GETLEASE");
	SEE(fcntl(fd, F_GETPIPE_SZ), "F_GETPIPE_SZ");
	SEE(fcntl64(fd, F_GETFL), "F_GETFL by fcntl64");
	SEE(fcntl(99, F_GETFD), "F_GETFD of a closed number");
}

/* Locks belong to the process that calls; closing any descriptor of the file drops them. */
static void locks_belong_to_the_calling_process(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd;
	int other;

	make_file("file", 100);
	fd = open("file", O_RDWR);
	SEE(fcntl(fd, F_SETLK, &lock), "lock");
	for (int round = 0; round < 2; round++) {
		pid_t child = fork();

		if (child == 0) {
			struct flock probe = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

			SEE(fcntl(fd, F_SETLK, &probe), "lock in another process");
			probe.l_type = F_WRLCK;
			SEE(fcntl(fd, F_GETLK, &probe), "who holds it");
			verdict(probe.l_type == F_UNLCK || probe.l_pid == getppid(), "it is the parent");
			_exit(0);
		}
		say("%s", ending(child));
		other = open("file", O_RDONLY);
		SEE(close(other), "close of another descriptor");
	}
}

static void waiting_for_a_lock_is_interrupted(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int ends[2];
	pid_t holder;
	char byte;
	int fd;

	make_file("file", 100);
	fd = open("file", O_RDWR);
	NEED(raw_pipe(ends, 0) == 0);
	holder = fork();
	if (holder == 0) {
		RAW(SYS_fcntl, fd, F_SETLK, &lock);
		raw_write(ends[1], "x", 1);
		for (;;)
			pause();
	}
	NEED(raw_read(ends[0], &byte, 1) == 1);
	on_signal(SIGALRM, NULL, 0);
	alarm_every(3000);
	SEE(fcntl(fd, F_SETLKW, &lock), "F_SETLKW");
	SEE(fcntl64(fd, F_SETLKW, &lock), "F_SETLKW by fcntl64");
	SEE(fcntl(fd, F_OFD_SETLKW, &(struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET}), "F_OFD_SETLKW");
	alarm_every(0);
	kill(holder, SIGKILL);
	say("%s", ending(holder));
	SEE(fcntl(fd, F_SETLKW, &lock), "F_SETLKW of a free lock");
}

const struct promise promises[] = {
	{PROMISE(every_command_on_a_file)},
	{PROMISE(every_command_on_a_pipe)},
	{PROMISE(every_command_on_a_socket)},
	{PROMISE(every_command_on_a_sealable_file)},
	{PROMISE(every_command_on_no_descriptor)},
	{PROMISE(commands_without_an_argument)},
	{PROMISE(locks_belong_to_the_calling_process)},
	{PROMISE(waiting_for_a_lock_is_interrupted)},
	{.name = NULL},
};
