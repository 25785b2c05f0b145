/* SPDX-License-Identifier: MIT */
/* The few macros every file of the core may use. Depends on nothing of ours. */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdatomic.h>
#include <sys/types.h>

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Exported from the core for the preload only: version node DFTIO_PRIVATE, no promise of stability. */
#define DFTIO_PRIVATE_API __attribute__((visibility("default")))

/*
 * Thread-local data of ours is always initial-exec: a first touch must not call __tls_get_addr, which may call the
 * application's malloc, which may call us.
 */
#define DFTIO_TLS __thread __attribute__((tls_model("initial-exec")))

/* What the kernel clamps one transfer to (MAX_RW_COUNT with 4 KiB pages); larger pages clamp lower by themselves. */
#define DFTIO_MAX_RW ((size_t)0x7ffff000)

#define load_relaxed(p)     atomic_load_explicit((p), memory_order_relaxed)
#define load_acquire(p)     atomic_load_explicit((p), memory_order_acquire)
#define store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
