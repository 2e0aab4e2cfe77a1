/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The helper: the process in which a seal is lifted. It serves one request at a time and, when the caller is gone,
 * finishes the one under way, thaws and ends.
 */
#include "kernel/window_wire.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

/* Receives a request and its descriptors; their number, or -EPIPE at the caller's end. */
static int receive_request(int sock, struct request *q, int *fds)
{
	struct iovec iov = {q, sizeof(*q)};
	union fd_control control;
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)};
	ssize_t len = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = len > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	size_t n = 0;

	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
		n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(h), n * sizeof(int));
	}
	if (len < (ssize_t)offsetof(struct request, ops) || q->n > WINDOW_OPS || q->n_parks > WINDOW_PARKS ||
	    (m.msg_flags & MSG_CTRUNC) || (size_t)len != offsetof(struct request, ops) + q->n * sizeof(q->ops[0]))
		return -EPIPE;
	return (int)n;
}

static void serve_ops(const struct request *q, const int *fds, int n_fds, struct reply *a, struct err *e)
{
	for (size_t i = 0; i < q->n; i++) {
		const struct wire_op *w = &q->ops[i];
		_cleanup_err_ struct err why = {0};
		struct seal_op op = {.what = w->what, .flags = w->flags, .name = {w->name[0], w->name[1]}};

		op.file = w->fd[0] < n_fds ? fds[w->fd[0]] : -1;
		op.dir[0] = w->fd[1] < n_fds ? fds[w->fd[1]] : -1;
		op.dir[1] = w->fd[2] < n_fds ? fds[w->fd[2]] : -1;
		a->status[i] = window_serve(&op, &why);
		if (a->status[i] < 0 && !e->msg)
			err_set(e, a->status[i], "%s", why.msg);
	}
}

static uint32_t since_us(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)((now.tv_sec - then->tv_sec) * 1000000 + (now.tv_nsec - then->tv_nsec) / 1000);
}

/* How long to wait until all stand still, one being busy in the kernel. A supervisor's caller can ask again later. */
#define FREEZE_MS 5000
#define PARK_MS 500

/* Stops the threads' context, then has them repeat their calls. In this order the kernel repeats them under all
 * circumstances: with the freezing pending, a thread cannot return to its program first. If one does not wait any more,
 * something else has interrupted it, and it repeats as well. */
static int send_back(const struct request *q, int cgroup, int listener)
{
	int r = freeze_switch(cgroup, true);

	if (r < 0)
		return r;
	window_restart(listener, q->parks, q->n_parks);
	return q->n == 0 ? freeze_wait(cgroup, FREEZE_MS) : 0;
}

/* The freeze of all contexts: over several requests, if the caller wants it so. */
struct hold {
	struct freeze freeze;
	bool frozen, used;
};

static void thaw(struct hold *h)
{
	if (h->frozen)
		freeze_end(&h->freeze);
	h->frozen = false;
}

static void serve_request(const struct request *q, const int *fds, int n_fds, struct hold *h, struct reply *a,
			  struct err *e)
{
	int cgroup = q->park[0] < n_fds ? fds[q->park[0]] : -1, listener = q->park[1] < n_fds ? fds[q->park[1]] : -1;
	bool park = cgroup >= 0 && listener >= 0;
	/* An administrator may keep this context frozen: then it stays so. */
	bool thaws = park && !freeze_is_on(cgroup), froze = false;

	if (park)
		a->frozen = send_back(q, cgroup, listener);
	if (a->frozen == 0 && q->mode != WINDOW_THAW && !h->frozen && (!park || q->n > 0)) {
		a->frozen = freeze_begin(&h->freeze, park ? PARK_MS : FREEZE_MS, e);
		h->frozen = a->frozen == 0;
		h->used = froze = true;
	}
	if (a->frozen == 0)
		serve_ops(q, fds, n_fds, a, e);
	if (q->mode != WINDOW_KEEP)
		thaw(h);
	if (froze)
		a->frozen_us = since_us(&h->freeze.since);
	if (thaws)
		freeze_switch(cgroup, false);
}

#define IDLE_MS 1000

/* Serves until the caller is gone. A freeze that the caller asked for and then forgot (it was stopped) ends after a
 * second: each request freezes by itself when it must. */
static void serve(int sock, int caller)
{
	struct hold hold = {.freeze = {.dir = -1}};

	for (;;) {
		struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = caller, .events = POLLIN}};
		static struct request q;
		struct reply a = {0};
		struct err e = {0};
		int fds[MAX_FDS], n_fds, n = poll(p, 2, hold.frozen ? IDLE_MS : -1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0) {
			thaw(&hold);
			continue;
		}
		if (n < 0 || p[1].revents || (n_fds = receive_request(sock, &q, fds)) < 0)
			break;
		serve_request(&q, fds, n_fds, &hold, &a, &e);
		while (n_fds > 0)
			close(fds[--n_fds]);
		snprintf(a.msg, sizeof(a.msg), "%s", e.msg ? e.msg : "");
		err_clear(&e);
		if (send(sock, &a, sizeof(a), MSG_NOSIGNAL) < 0)
			break;
	}
	thaw(&hold);
	if (hold.used)
		freeze_tidy();
}

/* Becomes the helper: no descriptor, terminal, signal or memory shortage of the caller's may reach it. */
_Noreturn void window_helper(int sock, int caller)
{
	sigset_t all;
	int null, oom;

	setsid();
	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "vpkg-seal");
	/* All contexts wait for it. */
	setpriority(PRIO_PROCESS, 0, PRIO_MIN);
	prctl(PR_SET_TIMERSLACK, 1000);
	/* Out of the way of the low numbers first: the caller may have had those closed. */
	sock = fcntl(sock, F_DUPFD_CLOEXEC, 16);
	caller = fcntl(caller, F_DUPFD_CLOEXEC, 16);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (sock < 0 || caller < 0 || null < 0 || chdir("/") < 0)
		_exit(1);
	for (int fd = 0; fd < 3; fd++)
		if (null != fd)
			dup2(null, fd);
	dup2(sock, 3);
	dup2(caller, 4);
	syscall(SYS_close_range, 5u, ~0u, 0u);
	oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (oom >= 0) {
		if (write(oom, "-1000", 5) < 0)
			errno = 0; /* an unprotected helper still does its work */
		close(oom);
	}
	serve(3, 4);
	_exit(0);
}
