/* SPDX-License-Identifier: MIT */
/*
 * A small program with threads, a child and much memory, that says what it read and wrote. It is run with other
 * allocators, and built with sanitizers.
 *
 * Owns:    two files in its working directory.
 * Threads: four, joined. No locks.
 * Never:   says anything that differs between two runs.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

enum { THREADS = 4, BLOCKS = 64, BLOCK = 4096 };

static int file;

static unsigned sum(const unsigned char *p, size_t n)
{
	unsigned s = 17;

	while (n--)
		s = s * 31 + *p++;
	return s;
}

/* Each block is written, read back and summed, in memory that is fresh each time. */
static void *work(void *arg)
{
	unsigned *total = arg;

	for (int i = 0; i < BLOCKS; i++) {
		off_t offset = ((off_t)*total % THREADS * BLOCKS + i) * BLOCK;
		unsigned char *out = malloc(BLOCK), *in = calloc(1, BLOCK);

		memset(out, i + 1, BLOCK);
		if (pwrite(file, out, BLOCK, offset) != BLOCK || pread(file, in, BLOCK, offset) != BLOCK)
			abort();
		*total += 4 * (sum(in, BLOCK) & 0xffff);
		free(out);
		free(in);
	}
	return NULL;
}

static void in_threads(unsigned totals[THREADS])
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++) {
		totals[i] = (unsigned)i;
		if (pthread_create(&t[i], NULL, work, &totals[i]))
			abort();
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

int main(void)
{
	unsigned totals[THREADS];
	char line[64];
	int status = 0;
	pid_t child;

	file = open("compat.data", O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (file < 0)
		return 1;
	in_threads(totals);
	for (int i = 0; i < THREADS; i++)
		printf("thread %d: %u\n", i, totals[i]);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		in_threads(totals);
		_exit(read(file, line, sizeof(line)) == (ssize_t)sizeof(line) ? 7 : 8);
	}
	waitpid(child, &status, 0);
	printf("child: %d, position %ld\n", WEXITSTATUS(status), (long)lseek(file, 0, SEEK_CUR));
	return fsync(file) || close(file);
}
