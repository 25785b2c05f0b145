/* SPDX-License-Identifier: MIT */
/* The backends, by name: one file each. */
#pragma once

#include "backend.h"

extern const struct dftio_backend_ops dftio__backend_uring;
extern const struct dftio_backend_ops dftio__backend_epoll;
extern const struct dftio_backend_ops dftio__backend_threadpool;
extern const struct dftio_backend_ops dftio__backend_sync;
