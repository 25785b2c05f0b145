/* SPDX-License-Identifier: MIT */
/* What unit tests share: choosing a backend, counting descriptors and threads, files, a limit of time. */
#pragma once

#include "config.h"
#include "engine.h"

#include <criterion/criterion.h>

/* A case that waits longer than this has failed, and is killed; also where signals are blocked. */
#define PATIENCE 30

void kill_when_stuck(void);

/* Forces the backend; the case is skipped where the machine has no io_uring. */
void use_backend(const char *name);

/* Why this machine, and not the library, has no io_uring for us; NULL when it has. */
const char *no_uring_here(void);

unsigned count_descriptors(void);
/* Threads of this process whose name begins so. */
unsigned count_threads(const char *name);

/* A file of that many bytes, each 'a' + its place % 26, open for reading and writing, without a name. */
int make_file(size_t size);
bool is_file_content(const char *buf, size_t len, size_t from);

/* Through the engine. */
int64_t run_rw(enum dftio_op_code code, int fd, void *buf, size_t len, int64_t offset);
