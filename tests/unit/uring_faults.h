/* SPDX-License-Identifier: MIT */
/* Faults of io_uring's three system calls: a kernel that is older, poorer, stricter or busier than this one. */
#pragma once

#include "sys.h"

struct uring_faults {
	unsigned refused_flags; /* of setup, with EINVAL */
	int setup_error;
	unsigned max_entries; /* more are refused with setup_error */
	int register_op, register_error;
	uint64_t masked; /* opcodes that the kernel says it does not have */
	int enter_error;
	unsigned enter_at; /* the call that fails, counted from 1; 0: every one */
	/* What happened: */
	unsigned most_entries, last_entries, last_flags, enters, enter_failed;
};

extern struct uring_faults uring_faults;

void refuse_flags(unsigned flags);
void refuse_setup(int error);
void refuse_entries(unsigned more_than, int error);
void refuse_register(int op, int error);
void refuse_enter(int error);

/* The k-th call from now on fails, and does nothing; the others are the kernel's. */
void fail_enter_once(int error, unsigned k);

void mask_opcode(unsigned opcode);
