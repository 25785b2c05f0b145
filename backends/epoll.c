/* SPDX-License-Identifier: MIT */
/*
 * epoll under the reactor: one-shot registrations.
 *
 * Owns:    nothing; the descriptor is the reactor's.
 * Threads: the reactor's lane; no locks.
 * Never:   registers for more than was asked, or for longer.
 */
#include "backends.h"
#include "reactor.h"

static int poller_create(void)
{
	return (int)dftio__result(dftio__sys.epoll_create1(EPOLL_CLOEXEC));
}

static int poller_arm(int poller, int fd, unsigned events, bool known)
{
	struct epoll_event ev = {.events = EPOLLONESHOT, .data.fd = fd};

	if (events & REACTOR_IN)
		ev.events |= EPOLLIN | EPOLLRDHUP;
	if (events & REACTOR_OUT)
		ev.events |= EPOLLOUT;
	return (int)dftio__result(dftio__sys.epoll_ctl(poller, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev));
}

static int poller_wait(int poller, struct reactor_event *out, int max, int timeout_ms)
{
	struct epoll_event ev[64];
	int n;

	if (max > 64)
		max = 64;
	n = (int)dftio__result(dftio__sys.epoll_wait(poller, ev, max, timeout_ms));
	for (int i = 0; i < n; i++) {
		out[i].fd = ev[i].data.fd;
		out[i].ready = 0;
		if (ev[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
			out[i].ready |= REACTOR_IN;
		if (ev[i].events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
			out[i].ready |= REACTOR_OUT;
	}
	return n;
}

static const struct poller_ops poller = {
	.create = poller_create,
	.arm = poller_arm,
	.wait = poller_wait,
};

/*
 * Not by making a poller: its number, for a moment, would be one that another thread's open then skips. Files need
 * none; a thread that cannot have one for its streams uses the pool.
 */
static bool epoll_probe(struct dftio_probe *p)
{
	(void)p;
	return true;
}

static int epoll_open(struct dftio_lane *lane)
{
	return reactor_open(lane, &poller);
}

const struct dftio_backend_ops dftio__backend_epoll = {
	.name = "epoll",
	.long_name = "EPOLL_THREADPOOL",
	.probe = epoll_probe,
	.needs_lane = reactor_needs_lane,
	.open = epoll_open,
	.close = reactor_close,
	.drop = reactor_drop,
	.submit = reactor_submit,
	.reap = reactor_reap,
};
