/* SPDX-License-Identifier: MIT */
/*
 * PROMISE(verb, name) { ... }: one case of the contract, for one operation of src/op_list.h.
 *
 * It is a Criterion test `verb::name`, run in a process of its own with the backend of TEST_BACKEND chosen, and an
 * entry in the table of what is covered: coverage.c fails where an operation has none.
 */
#pragma once

#include "support.h"

#include <criterion/criterion.h>

struct promise {
	enum dftio_op_code code;
	const char *name;
};

enum {
#define DFTIO_OP(code, verb, traits) promise_code_##verb = DFTIO_OP_##code,
#include "op_list.h"
#undef DFTIO_OP
};

#define PROMISE(verb, what)                                                                               \
	static const struct promise promise_of_##verb##_##what = { (enum dftio_op_code)promise_code_##verb,       \
		#verb " " #what };                                                                               \
	static const struct promise *const promise_entry_##verb##_##what                                  \
		__attribute__((used, section("promises"))) = &promise_of_##verb##_##what;                  \
	Test(verb, what, .init = contract_start)

/* What holds for all operations together. */
#define PROMISE_OF_ALL(suite, what) Test(suite, what, .init = contract_start)

/* One body for each operation of a family: static void what(enum dftio_op_code code). */
#define PROMISE_BY(verb, what)              \
	PROMISE(verb, what)                 \
	{                                   \
		what((enum dftio_op_code)promise_code_##verb);  \
	}
#define EACH_READER(what)        \
	PROMISE_BY(read, what)   \
	PROMISE_BY(pread, what)  \
	PROMISE_BY(readv, what)  \
	PROMISE_BY(preadv, what)
#define EACH_WRITER(what)         \
	PROMISE_BY(write, what)   \
	PROMISE_BY(pwrite, what)  \
	PROMISE_BY(writev, what)  \
	PROMISE_BY(pwritev, what)
