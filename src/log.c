/* SPDX-License-Identifier: MIT */
/*
 * The log.
 *
 * Owns:    the identity of the stderr the process started with. No descriptor: a log file is opened for each line.
 * Threads: any; a line is one write, so lines do not mix. No locks.
 * Never:   calls an allocator; writes to a descriptor 2 that has become something else than the stderr we started
 *          with; changes errno.
 */
#include "log.h"
#include "sys.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static dev_t stderr_dev;
static ino_t stderr_ino;
static bool stderr_known;

void dftio__log_init(void)
{
	struct stat st;

	stderr_known = dftio__sys.fstat(2, &st) == 0;
	if (stderr_known) {
		stderr_dev = st.st_dev;
		stderr_ino = st.st_ino;
	}
}

bool dftio__log_stderr_is_ours(void)
{
	struct stat st;

	return stderr_known && dftio__sys.fstat(2, &st) == 0 && st.st_dev == stderr_dev && st.st_ino == stderr_ino;
}

void dftio__write_all(int fd, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = dftio__sys.write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		buf += n;
		len -= (size_t)n;
	}
}

static void write_line(const char *line, size_t len)
{
	int fd;

	if (!dftio__config.log_file[0]) {
		if (dftio__log_stderr_is_ours())
			dftio__write_all(2, line, len);
		return;
	}
	fd = dftio__sys.openat(AT_FDCWD, dftio__config.log_file,
		O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (fd < 0)
		return;
	dftio__write_all(fd, line, len);
	dftio__sys.close(fd);
}

void dftio__log(enum dftio_log_level level, const char *fmt, ...)
{
	char line[512];
	int saved = errno, head, n, cancel;
	size_t len;
	va_list ap;

	if (level > dftio__config.log_level)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	head = snprintf(line, sizeof(line), "dftio[%d]: ", (int)getpid());
	va_start(ap, fmt);
	n = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, ap);
	va_end(ap);
	if (n >= 0) {
		len = (size_t)head + (size_t)n;
		if (len > sizeof(line) - 2)
			len = sizeof(line) - 2;
		/* One line, whatever the environment holds. */
		for (size_t i = 0; i < len; i++)
			if ((unsigned char)line[i] < ' ')
				line[i] = '?';
		line[len++] = '\n';
		write_line(line, len);
	}
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
}
