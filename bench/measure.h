/* SPDX-License-Identifier: MIT */
/*
 * What every victim here measures with, so that two of them can be compared: the CPU time of the whole process (pool
 * threads and the kernel's io_uring workers included), the wall time, the context switches, and the line they print.
 * Linux names (/proc/self) are looked at only after the clock has been stopped.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct measure {
	double cpu;
	double wall;
	long switches;
};

static inline double measure_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static inline void measure_start(struct measure *m)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	m->switches = ru.ru_nvcsw;
	m->wall = measure_clock(CLOCK_MONOTONIC);
	m->cpu = measure_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* Turns the readings taken at the start into what was used since. */
static inline void measure_stop(struct measure *m)
{
	struct rusage ru;

	m->cpu = measure_clock(CLOCK_PROCESS_CPUTIME_ID) - m->cpu;
	m->wall = measure_clock(CLOCK_MONOTONIC) - m->wall;
	getrusage(RUSAGE_SELF, &ru);
	m->switches = ru.ru_nvcsw - m->switches;
}

/* The next block of a file of `blocks` blocks, at random; xorshift and a multiplication, so that it costs 2 ns. */
static inline uint64_t measure_block(uint32_t *state, uint64_t blocks)
{
	uint32_t x = *state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	*state = x;
	return ((uint64_t)x * blocks) >> 32;
}

/* How many entries of a directory of /proc there are, and in how many of them `what` says yes. */
static inline int measure_entries(const char *dir, int (*what)(const char *path), int *yes)
{
	char path[512];
	struct dirent *entry;
	int n = 0;
	DIR *d = opendir(dir);

	*yes = 0;
	if (!d)
		return -1;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		*yes += what(path);
	}
	closedir(d);
	return n;
}

static inline int measure_is_worker(const char *task)
{
	char path[600], comm[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/comm", task);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = 0;
	fclose(f);
	return !strncmp(comm, "iou-wrk", 7);
}

static inline int measure_is_ring(const char *path)
{
	char target[64] = "";

	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "io_uring");
}

/* One line, NAME=VALUE: what run.py reads. */
static inline void measure_print(const struct measure *m, double calls)
{
	int workers, rings;
	int threads = measure_entries("/proc/self/task", measure_is_worker, &workers);
	int fds = measure_entries("/proc/self/fd", measure_is_ring, &rings) - 1; /* less the directory itself */

	printf("cpu_ns=%.2f wall_ns=%.2f switches=%.4f threads=%d iou_wrk=%d fds=%d rings=%d\n", m->cpu / calls,
		m->wall / calls, (double)m->switches / calls, threads, workers, fds, rings);
}

#endif
