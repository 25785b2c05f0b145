/* SPDX-License-Identifier: MIT */
/*
 * libdftio: asynchronous I/O for programs that never asked for it, and for those that do.
 *
 * This header is what the library knows about itself and the machine: its backends, what the kernel offers them,
 * and what becomes of a file's calls. C99 and C++ clean.
 *
 * Conventions, for every function here:
 *   - A negative int is -errno. errno itself is never set.
 *   - Strings that come back as `const char *` are static: never freed, valid for the life of the process.
 *   - Structs that are filled have their `size` set by the caller to sizeof of its own declaration, so that a
 *     later library never writes past what an older program knows.
 *   - Thread-safe. Not async-signal-safe, unless it says so.
 */
#ifndef DFTIO_DFTIO_H
#define DFTIO_DFTIO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DFTIO_API __attribute__((visibility("default")))
#else
#define DFTIO_API
#endif

#define DFTIO_VERSION_MAJOR 0
#define DFTIO_VERSION_MINOR 1
#define DFTIO_VERSION_PATCH 0

/*
 * The version of the library that is loaded, as "MAJOR.MINOR.PATCH".
 * Async-signal-safe. Since 0.1.
 */
DFTIO_API const char *dftio_version(void);

/* What one backend is, and whether it can start in this process, now. Since 0.1. */
struct dftio_backend_info {
	size_t size;           /* in: sizeof(struct dftio_backend_info) */
	const char *name;      /* the short name, as DFTIO_BACKEND takes it: "io_uring" */
	const char *long_name; /* the name the field knows: "IO_URING" */
	int available;         /* 1: a real probe succeeded */
	int error;             /* why not, as an errno value; 0 when available */
	char reason[160];      /* the same for people: what is missing and what would help; "" when available */
	char detail[160];      /* when available: what was found, e.g. features in use; may be "" */
};

/*
 * Fills `info` for the backend at `index`, best first, counting from 0. Probes for real: for io_uring a ring is
 * made and dropped again (about 50 microseconds).
 * Returns 0; -ENOENT past the last backend; -EINVAL when `info` is NULL or its size is not one this library knows.
 * Since 0.1.
 */
DFTIO_API int dftio_backend_info(unsigned index, struct dftio_backend_info *info);

/*
 * The backend that routed operations of this process use, and why that one. Makes the choice if nothing has been
 * routed yet, from DFTIO_BACKEND or by probing.
 * Returns the short name; "sync" when the real calls are made. `*why`, when `why` is not NULL, is a static text.
 * Since 0.1.
 */
DFTIO_API const char *dftio_backend(const char **why);

/* One thing the kernel offers or refuses. Since 0.1. */
struct dftio_feature_info {
	size_t size;       /* in: sizeof(struct dftio_feature_info) */
	const char *name;  /* "io_uring: DEFER_TASKRUN" */
	const char *since; /* the first kernel that has it, "6.1" */
	int present;
	const char *use; /* what libdftio does with it, or without */
};

/*
 * Fills `info` for the kernel feature at `index`, counting from 0, by asking the running kernel.
 * Returns 0; -ENOENT past the last; -EINVAL as dftio_backend_info. Since 0.1.
 */
DFTIO_API int dftio_feature_info(unsigned index, struct dftio_feature_info *info);

/* What happens to an ordinary thread's calls on one file. Since 0.1. */
struct dftio_path_info {
	size_t size;             /* in: sizeof(struct dftio_path_info) */
	const char *kind;        /* "regular file", "pipe", "socket", "directory", ... */
	const char *file_system; /* "ext4", "tmpfs", ...; "unknown" */
	int routed;              /* 1: data operations go through the engine; 0: the real call, always */
	const char *why;         /* the reason for `routed`, one clause */
	uint32_t block_size;     /* preferred I/O size in bytes (st_blksize) */
};

/*
 * Fills `info` for `path`, following symbolic links, without opening the file.
 * Returns 0; -errno of stat(2) when the path cannot be looked at; -EINVAL as dftio_backend_info. Since 0.1.
 */
DFTIO_API int dftio_path_info(const char *path, struct dftio_path_info *info);

#ifdef __cplusplus
}
#endif
#endif
