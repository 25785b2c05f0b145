/* SPDX-License-Identifier: MIT */
/*
 * Every operation of src/op_list.h has a case.
 *
 * Owns:    nothing; the table is made by the PROMISE macro, the list by the core.
 * Threads: a test's first.
 * Never:   looks at what a case does.
 */
#include "promise.h"

extern const struct promise *const __start_promises[], *const __stop_promises[];

static bool has_a_case(unsigned code)
{
	for (const struct promise *const *p = __start_promises; p < __stop_promises; p++)
		if ((*p)->code == code)
			return true;
	return false;
}

PROMISE_OF_ALL(coverage, every_operation_of_the_list_has_a_case)
{
	for (unsigned code = 1; code < DFTIO_OP_MAX_; code++)
		cr_expect(has_a_case(code), "%s has none", dftio__op_descs[code].name);
}

PROMISE_OF_ALL(coverage, zeroed_memory_is_no_operation)
{
	cr_assert_null(dftio__op_descs[DFTIO_OP_INVALID].perform);
	for (unsigned code = 1; code < DFTIO_OP_MAX_; code++) {
		cr_assert_not_null(dftio__op_descs[code].perform);
		cr_assert_not_null(dftio__op_descs[code].name);
	}
}
