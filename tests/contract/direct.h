/* SPDX-License-Identifier: MIT */
/* The kernel's side: each operation by libc's own function. */
#pragma once

#include "op.h"

/* Makes the call that `op` describes; what it returned, or -errno. errno is kept. */
int64_t direct_call(const struct dftio_op *op);
