/* SPDX-License-Identifier: MIT */
/* The next definition of every intercepted name: what the program would have called without us. */
#pragma once

#include "base.h"

#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "next_table.h"

extern struct dftio_next dftio__next;

/* Looks all of them up. Until then, and for a name that libc does not have, raw system calls stand in. */
void dftio__next_resolve(void);
