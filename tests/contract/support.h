/* SPDX-License-Identifier: MIT */
/*
 * Two sides of every operation: the kernel's own call, and the engine's; on twin descriptors.
 *
 * Whatever happens on one side must happen on the other: result, errno, position, bytes.
 */
#pragma once

#include "backend.h"
#include "engine.h"

#include <pthread.h>
#include <sys/types.h>

enum side { KERNEL, ENGINE, SIDES };

/* The same thing twice: a descriptor for each side. */
struct pair {
	int fd[SIDES];
};

/* Seconds after which a case has failed, and is killed: every wait of the contract ends long before. */
#define PATIENCE 60

/* Chooses the backend named by TEST_BACKEND; the case is skipped where this machine refuses it. */
void contract_start(void);

/* For a forked child, which its parent's end shall not leave behind. */
void die_with_parent(void);

/* Whether that backend carries everything out in the calling thread, so that nothing of it is ever in flight. */
bool backend_is_in_place(void);

/* The libc call that an operation stands for, made here: bytes, descriptor ... or -errno. */
int64_t call_kernel(const struct dftio_op *op);

/* The same through the engine; errno must be what it was. */
int64_t call_engine(struct dftio_op *op);

int64_t call_side(enum side side, struct dftio_op *op);

/* The operation on both descriptors, which must agree on the result, which is returned. */
int64_t both(struct pair fd, const struct dftio_op *op);

/*
 * A transfer of any of the data operations: a vector's of one element. Reads go to a buffer for each side, compared
 * afterwards, with what lies around them; len may be anything up to BUFFER_SIZE.
 */
#define BUFFER_SIZE ((size_t)4 << 20)
int64_t both_read(enum dftio_op_code code, struct pair fd, size_t len, int64_t offset);
int64_t both_write(enum dftio_op_code code, struct pair fd, size_t len, int64_t offset);
/* ... to or from this memory, which both sides use and nobody looks at: bad addresses, vast lengths. */
int64_t both_at(enum dftio_op_code code, struct pair fd, const void *buf, size_t len, int64_t offset);
/* ... of RECV and SEND. */
int64_t both_recv(struct pair fd, size_t len, int flags);
int64_t both_send(struct pair fd, size_t len, int flags);

/* Makes `op` the transfer; `iov` is used where the operation is a vector's. */
void make_transfer(struct dftio_op *op, enum dftio_op_code code, int fd, const void *buf, size_t len, int64_t offset,
	struct iovec *iov);

/* Bytes that differ from place to place, the same in every run. */
void fill_pattern(void *buf, size_t len, size_t from);

/* Twin regular files of `size` patterned bytes, on the disk, opened with `flags`; gone with their descriptors. */
struct pair file_pair(size_t size, int flags);
/* The same in memory. */
struct pair memory_pair(size_t size);
struct pair path_pair(const char *path, int flags);
struct pair same_fd(int fd);
void close_pair(struct pair p);

/* A new directory of this test's own on the disk; removed with what is in it when the test ends. */
const char *own_directory(void);

struct pipe_pair {
	struct pair in, out; /* read end, write end */
};

struct pipe_pair make_pipes(int flags);
struct pipe_pair make_sockets(int type); /* connected UNIX sockets */
struct pipe_pair make_tcp(int type);     /* connected TCP sockets, over the loopback interface */
void set_nonblocking(struct pair p);

/* Memory: half of it readable and writable, what follows not mapped. Returns where the second half begins. */
char *edge_of_memory(void);
/* 3 GiB of address space that reads as zeros. */
char *vast_memory(void);
#define VAST ((size_t)3 << 30)

/* Both files have the same size, the same bytes, and their descriptors the same position. */
void same_file(struct pair p);
void same_position(struct pair p);
void seek_both(struct pair p, int64_t offset);

/*
 * An operation of the engine's that is in flight while the test goes on. Where the backend carries out in place it
 * gets a thread of its own, so that one test does for all.
 */
struct flight {
	struct dftio_op op;
	struct dftio_waiter waiter;
	pthread_t thread;
	bool has_thread;
};

void take_off(struct flight *f);
int64_t land(struct flight *f);
/* Whether it certainly has not been completed: of one that has a thread of its own nothing certain can be said. */
bool is_in_flight(const struct flight *f);

/* The bytes of one descriptor are read by a thread, a few at a time, until `len` have come or the end. */
struct drain {
	pthread_t thread;
	int fd;
	size_t len, got;
	bool same; /* as fill_pattern makes them */
};

void drain_start(struct drain *d, int fd, size_t len);
void drain_join(struct drain *d);

/* The signal is ignored, for this process. */
void ignore(int signal);

/* The case cannot be had under valgrind, which would report what the kernel is asked to refuse. */
void not_under_valgrind(void);
bool under_valgrind(void);

#define KIB ((size_t)1024)
