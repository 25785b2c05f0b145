/* SPDX-License-Identifier: MIT */
/*
 * Setting up and driving one ring, by raw system calls.
 *
 * Where the kernel can (6.5), a ring has no descriptor at all: it is registered with its thread and lives in memory
 * of ours that a forked child finds wiped, that is, empty. Before that its descriptor is moved high, and closed once
 * the ring is registered (5.18). So there is nothing for the program to close, to list or to inherit.
 *
 * Setup climbs down a ladder, a flag at a time, when the kernel says EINVAL, and halves the queue when it says
 * ENOMEM; the rung that held is remembered.
 *
 * Owns:    the rung and the opcodes, found by the first thread and the same for all; each ring its memory.
 * Threads: a ring's own thread; the rung and the bitmap are relaxed atomics. No locks.
 * Never:   waits with a lock held; loses an entry (a partial submission stays queued).
 */
#include "uring_ring.h"
#include "config.h"
#include "fdown.h"
#include "life.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <liburing.h>
#include <sys/mman.h>

/* Newer than Debian 12's header. */
#define SETUP_NO_MMAP            (1U << 14) /* 6.5 */
#define SETUP_REGISTERED_FD_ONLY (1U << 15) /* 6.5 */
#define SETUP_NO_SQARRAY         (1U << 16) /* 6.6 */
#define REGISTER_USE_REGISTERED  (1U << 31) /* 6.3 */
#define ENTER_REGISTERED_RING    (1U << 4)  /* 5.18 */
#define REGISTER_RING_FDS        20
#define UNREGISTER_RING_FDS      21

#define WANTED_FEATURES (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS | IORING_FEAT_EXT_ARG)
#define OWN_TASKS       (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN)
#define NO_FD           (SETUP_NO_MMAP | SETUP_REGISTERED_FD_ONLY)
#define PAGE            ((size_t)4096)

struct uring {
	_Atomic unsigned *sq_head, *sq_tail, *cq_head, *cq_tail;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned sq_mask, cq_mask, sq_entries;
	unsigned in_flight; /* operations; attempts are not counted */
	unsigned enter_flags;
	uint64_t seq;                     /* names attempts */
	bool attempting;                  /* an attempt is on its way, or was left by a jump */
	_Atomic int fd;                   /* a descriptor, or an index when ENTER_REGISTERED_RING is in enter_flags */
	unsigned entries;                 /* asked for */
	size_t region;                    /* bytes of all this */
	void *kernel_rings, *kernel_sqes; /* mapped from the ring, before 6.5 */
	size_t kernel_rings_size, kernel_sqes_size;
};

/*
 * COOP_TASKRUN rather than DEFER_TASKRUN: with the latter the kernel lets go of a file that a worker has written only
 * when the thread next enters its ring, and after close() the program finds it still open (ETXTBSY, a refused lock).
 */
static const struct rung {
	unsigned flags;
	const char *name;
} ladder[] = {
	{OWN_TASKS | NO_FD | SETUP_NO_SQARRAY, "no descriptor, SINGLE_ISSUER, COOP_TASKRUN, NO_SQARRAY"},
	{OWN_TASKS | NO_FD, "no descriptor, SINGLE_ISSUER, COOP_TASKRUN"},
	{OWN_TASKS | IORING_SETUP_CLAMP, "SINGLE_ISSUER, COOP_TASKRUN"},
	{IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CLAMP, "COOP_TASKRUN"},
	{IORING_SETUP_CLAMP, "no setup flags"},
};

static _Atomic unsigned first_rung;
static _Atomic uint64_t opcodes;

static size_t ring_bytes(unsigned entries)
{
	/* Heads, tails, flags; two completions an entry; the index array. Rounded up, with a page to spare. */
	return ((size_t)entries * (2 * sizeof(struct io_uring_cqe) + sizeof(unsigned)) + 512 + PAGE - 1) & ~(PAGE - 1);
}

static size_t sqe_bytes(unsigned entries)
{
	return (entries * sizeof(struct io_uring_sqe) + PAGE - 1) & ~(PAGE - 1);
}

static unsigned wanted_entries(void)
{
	unsigned n = 8;

	while (n < dftio__config.queue_depth)
		n *= 2;
	return n;
}

/*
 * A ring's own memory: a page for its struct, and where it has no descriptor the rings and entries too. The same for
 * all rings, smaller ones too.
 */
static size_t region_bytes(void)
{
	unsigned entries = wanted_entries();

	return PAGE + ring_bytes(entries) + sqe_bytes(entries);
}

/* What a child finds wiped: an empty ring, that nothing can be pushed to. */
static void *shared_part(struct uring *r)
{
	return (char *)r + PAGE;
}

static int sys_register(const struct uring *r, unsigned op, const void *arg, unsigned n)
{
	if (r->enter_flags & ENTER_REGISTERED_RING)
		op |= REGISTER_USE_REGISTERED;
	return (int)dftio__result(dftio__sys.io_uring_register(r->fd, op, arg, n));
}

static void set_pointers(struct uring *r, const struct io_uring_params *p, char *rings, void *sqes)
{
	r->sq_head = (void *)(rings + p->sq_off.head);
	r->sq_tail = (void *)(rings + p->sq_off.tail);
	r->cq_head = (void *)(rings + p->cq_off.head);
	r->cq_tail = (void *)(rings + p->cq_off.tail);
	r->cqes = (void *)(rings + p->cq_off.cqes);
	r->sqes = sqes;
	r->sq_entries = p->sq_entries;
	r->sq_mask = p->sq_entries - 1;
	r->cq_mask = p->cq_entries - 1;
	if (!(p->flags & SETUP_NO_SQARRAY)) {
		unsigned *array = (void *)(rings + p->sq_off.array);

		for (unsigned i = 0; i < p->sq_entries; i++)
			array[i] = i;
	}
}

static int map_kernel_rings(struct uring *r, const struct io_uring_params *p)
{
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;

	r->kernel_rings_size = sq > cq ? sq : cq;
	r->kernel_sqes_size = p->sq_entries * sizeof(struct io_uring_sqe);
	r->kernel_rings = mmap(NULL, r->kernel_rings_size, prot, flags, r->fd, IORING_OFF_SQ_RING);
	if (r->kernel_rings == MAP_FAILED)
		return -ENOMEM;
	r->kernel_sqes = mmap(NULL, r->kernel_sqes_size, prot, flags, r->fd, IORING_OFF_SQES);
	if (r->kernel_sqes == MAP_FAILED) {
		munmap(r->kernel_rings, r->kernel_rings_size);
		return -ENOMEM;
	}
	/* A child's entries would arrive in the parent's queue: it must not have them. */
	madvise(r->kernel_rings, r->kernel_rings_size, MADV_DONTFORK);
	madvise(r->kernel_sqes, r->kernel_sqes_size, MADV_DONTFORK);
	set_pointers(r, p, r->kernel_rings, r->kernel_sqes);
	return 0;
}

/* Registers the ring with this thread, so that its descriptor can go. Where that cannot be, the descriptor stays. */
static void lose_descriptor(struct uring *r)
{
	struct io_uring_rsrc_update up = {.offset = -1U, .data = (uint64_t)r->fd};

	if (sys_register(r, REGISTER_RING_FDS, &up, 1) != 1)
		return;
	dftio__fdown_close(&r->fd);
	r->fd = (int)up.offset;
	r->enter_flags |= ENTER_REGISTERED_RING;
}

static int setup_with_descriptor(struct uring *r, struct io_uring_params *p)
{
	int fd = (int)dftio__result(dftio__sys.io_uring_setup(r->entries, p)), e;

	if (fd < 0)
		return fd;
	e = dftio__fdown_adopt(fd, &r->fd);
	if (e < 0)
		return e;
	e = map_kernel_rings(r, p);
	if (e < 0) {
		dftio__fdown_close(&r->fd);
		return e;
	}
	lose_descriptor(r);
	return 0;
}

static int setup_without_descriptor(struct uring *r, struct io_uring_params *p)
{
	char *rings = shared_part(r), *sqes = rings + ring_bytes(r->entries);
	int fd;

	/* The header's last words of both offset structs have a name since 6.5: user_addr. */
	p->cq_off.resv2 = (uintptr_t)rings;
	p->sq_off.resv2 = (uintptr_t)sqes;
	fd = (int)dftio__result(dftio__sys.io_uring_setup(r->entries, p));
	if (fd < 0)
		return fd;
	r->fd = fd;
	r->enter_flags = ENTER_REGISTERED_RING;
	set_pointers(r, p, rings, sqes);
	return 0;
}

static void tear_down(struct uring *r)
{
	if (r->enter_flags & ENTER_REGISTERED_RING) {
		struct io_uring_rsrc_update up = {.offset = (unsigned)r->fd};

		sys_register(r, UNREGISTER_RING_FDS, &up, 1);
	} else {
		dftio__fdown_close(&r->fd);
	}
	if (r->kernel_rings) {
		munmap(r->kernel_rings, r->kernel_rings_size);
		munmap(r->kernel_sqes, r->kernel_sqes_size);
	}
}

static int try_rung(struct uring *r, const struct rung *rung, unsigned entries, unsigned *features)
{
	struct io_uring_params p = {.flags = rung->flags};
	int e;

	memset(r, 0, sizeof(*r));
	r->entries = entries;
	r->region = region_bytes();
	e = rung->flags & SETUP_NO_MMAP ? setup_without_descriptor(r, &p) : setup_with_descriptor(r, &p);
	*features = p.features;
	return e;
}

static int climb(struct uring *r, unsigned entries, unsigned *features)
{
	unsigned i = load_relaxed(&first_rung);
	int e = -EINVAL;

	for (; i < ARRAY_SIZE(ladder); i++) {
		e = try_rung(r, &ladder[i], entries, features);
		if (e != -EINVAL)
			break;
	}
	if (e == 0)
		store_relaxed(&first_rung, i);
	return e;
}

static int open_with(struct uring **out, unsigned entries, unsigned *features)
{
	size_t size = region_bytes();
	struct uring *r = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int e;

	if (r == MAP_FAILED)
		return -ENOMEM;
	madvise(shared_part(r), size - PAGE, MADV_WIPEONFORK);
	e = climb(r, entries, features);
	if (e < 0)
		munmap(r, size);
	else
		*out = r;
	return e;
}

static int learn_opcodes(const struct uring *r)
{
	_Alignas(struct io_uring_probe) char
		space[sizeof(struct io_uring_probe) + 64 * sizeof(struct io_uring_probe_op)] = {0};
	const struct io_uring_probe *p = (void *)space;
	uint64_t found = 0;
	int e;

	e = sys_register(r, IORING_REGISTER_PROBE, space, 64);
	if (e < 0)
		return e == -EINVAL ? -EOPNOTSUPP : e; /* before 5.6 */
	for (unsigned i = 0; i < 64 && i <= p->last_op; i++)
		if (p->ops[i].flags & IO_URING_OP_SUPPORTED)
			found |= UINT64_C(1) << i;
	store_relaxed(&opcodes, found);
	return 0;
}

/*
 * A ring is not closed in a thread that lives on: the kernel then interrupts that thread's calls from its exit work,
 * and some of them end with EINTR although no signal came. So the ring of a probe is kept for the thread's lane.
 */
static DFTIO_TLS struct uring *spare;
static DFTIO_TLS pid_t spare_pid;

static struct uring *take_spare(void)
{
	struct uring *r = spare_pid == dftio__life->pid ? spare : NULL;

	spare = NULL;
	return r;
}

static int open_new(struct uring **out, unsigned *features)
{
	unsigned entries = wanted_entries();
	int e;

	while ((e = open_with(out, entries, features)) == -ENOMEM && entries > 8)
		entries /= 2;
	return e;
}

int uring_open(struct uring **out)
{
	unsigned features;
	int e;

	*out = take_spare();
	if (*out)
		return 0;
	e = open_new(out, &features);
	if (e == 0 && !load_relaxed(&opcodes))
		(void)learn_opcodes(*out);
	return e;
}

void uring_close(struct uring *r)
{
	tear_down(r);
	munmap(r, r->region);
}

void uring_drop(struct uring *r)
{
	/* What the kernel had mapped is not here. A descriptor, where there was one, is. */
	dftio__fdown_close(&r->fd);
	munmap(r, r->region);
}

bool uring_has_opcode(uint8_t opcode)
{
	return opcode < 64 && (load_relaxed(&opcodes) >> opcode & 1);
}

struct io_uring_sqe *uring_next_sqe(struct uring *r)
{
	unsigned tail = load_relaxed(r->sq_tail);
	struct io_uring_sqe *sqe = &r->sqes[tail & r->sq_mask];

	if (unlikely(tail - load_acquire(r->sq_head) >= r->sq_entries))
		return NULL;
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

/* Entries that the kernel has not taken: it takes them in its own time only when asked to, so nothing moves meanwhile.
 */
static unsigned queued(const struct uring *r)
{
	return load_relaxed(r->sq_tail) - load_acquire(r->sq_head);
}

static int enter(struct uring *r, unsigned min, unsigned flags, const void *arg, size_t size)
{
	int n = dftio__sys.io_uring_enter(r->fd, queued(r), min, flags | r->enter_flags, arg, size);

	return n < 0 ? -errno : n;
}

int uring_push(struct uring *r)
{
	unsigned tail = load_relaxed(r->sq_tail);
	int n;

	store_release(r->sq_tail, tail + 1);
	do
		n = enter(r, 0, 0, NULL, 0);
	while (n == -EINTR);
	if (n > 0)
		return 0;
	/* Not one was taken: the entry is ours again, unless another attempt of this thread has been at it since. */
	if (queued(r) > 0 && load_relaxed(r->sq_tail) == tail + 1)
		store_release(r->sq_tail, tail);
	return n == 0 || n == -EAGAIN ? -EBUSY : n;
}

uint64_t uring_begin_attempt(struct uring *r)
{
	/* The one before was left by a jump: what it had queued is forgotten, what it had submitted is discarded. */
	if (unlikely(r->attempting))
		store_release(r->sq_tail, load_acquire(r->sq_head));
	r->attempting = true;
	r->seq += 2;
	return r->seq | 1;
}

void uring_end_attempt(struct uring *r)
{
	r->attempting = false;
}

void uring_count(struct uring *r, int by)
{
	r->in_flight += (unsigned)by;
}

int uring_wait(struct uring *r, int timeout_ms)
{
	struct __kernel_timespec ts = {timeout_ms / 1000, (long long)(timeout_ms % 1000) * 1000000};
	struct io_uring_getevents_arg arg = {.ts = timeout_ms > 0 ? (uintptr_t)&ts : 0};

	int n;

	n = enter(r, timeout_ms != 0, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
	return n >= 0 || n == -ETIME || n == -EINTR || n == -EAGAIN || n == -EBUSY ? 0 : n;
}

bool uring_pop(struct uring *r, struct io_uring_cqe *out)
{
	unsigned head = load_relaxed(r->cq_head);
	unsigned there = load_acquire(r->cq_tail) - head;
	const struct io_uring_cqe *cqe = &r->cqes[head & r->cq_mask];

	/* More than there can be: a child that was forked between the two loads, and the second found it wiped. */
	if (there == 0 || there > r->cq_mask + 1)
		return false;
	/* The result first: in a child that is forked in between, the name under it is wiped then. */
	out->res = cqe->res;
	atomic_signal_fence(memory_order_seq_cst);
	out->user_data = *(volatile const __u64 *)&cqe->user_data;
	store_release(r->cq_head, head + 1);
	return true;
}

bool uring_is_idle(const struct uring *r)
{
	return r->in_flight == 0;
}

bool uring_survives_fork(const struct uring *r)
{
	return !r->kernel_rings;
}

const char *uring_describe(void)
{
	return ladder[load_relaxed(&first_rung)].name;
}

/* What the sysctl says: 0, 1, 2; -1 where the kernel has none (before 6.6) or hides it. */
static int sysctl_disabled(void)
{
	char c = 0;
	int fd = dftio__sys.openat(AT_FDCWD, "/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC, 0);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = dftio__sys.read(fd, &c, 1);
	dftio__sys.close(fd);
	return n == 1 && c >= '0' && c <= '2' ? c - '0' : -1;
}

static bool refuse(struct dftio_probe *p, int error)
{
	int sysctl = error == EPERM ? sysctl_disabled() : -1;

	p->error = error;
	if (sysctl > 0)
		snprintf(p->reason, sizeof(p->reason),
			"refused (EPERM) by kernel.io_uring_disabled=%d; an administrator can set it to 0", sysctl);
	else if (error == EPERM)
		snprintf(p->reason, sizeof(p->reason),
			"refused (EPERM), as by a container's seccomp profile; allow io_uring_setup, _enter, "
			"_register");
	else if (error == ENOSYS)
		snprintf(p->reason, sizeof(p->reason),
			"no such system call (ENOSYS): the kernel is older than 5.1, or a sandbox hides it");
	else if (error == ENOMEM)
		snprintf(p->reason, sizeof(p->reason), "no memory for a ring (ENOMEM); raise RLIMIT_MEMLOCK");
	else if (error == EOPNOTSUPP)
		snprintf(p->reason, sizeof(p->reason), "the kernel is too old: EXT_ARG and RW_CUR_POS came with 5.11");
	else
		snprintf(p->reason, sizeof(p->reason), "a ring cannot be set up: %s", strerror(error));
	return false;
}

/* One no-op there and back: a sandbox may allow the setup and refuse the rest. */
static int round_trip(struct uring *r)
{
	struct io_uring_sqe *sqe = uring_next_sqe(r);
	struct io_uring_cqe cqe;
	int e;

	sqe->opcode = IORING_OP_NOP;
	e = uring_push(r);
	if (e < 0)
		return e;
	if (!uring_pop(r, &cqe))
		uring_wait(r, 1000);
	else
		return 0;
	return uring_pop(r, &cqe) ? 0 : -EIO;
}

/* Whether this ring does all that is needed: 0, or -errno. */
static int examine(struct uring *r, unsigned features)
{
	int e;

	if ((features & WANTED_FEATURES) != WANTED_FEATURES)
		return -EOPNOTSUPP;
	e = round_trip(r);
	if (e < 0)
		return e;
	return learn_opcodes(r);
}

bool uring_probe(struct dftio_probe *p)
{
	unsigned features = WANTED_FEATURES;
	struct uring *r = take_spare();
	int e = 0, saved = errno;

	if (!r)
		e = open_new(&r, &features);
	if (e == 0)
		e = examine(r, features);
	if (e == 0) {
		spare = r;
		spare_pid = dftio__life->pid;
	} else if (r) {
		uring_close(r);
	}
	errno = saved;
	if (e < 0)
		return refuse(p, -e);
	snprintf(p->detail, sizeof(p->detail), "%s", uring_describe());
	return true;
}
