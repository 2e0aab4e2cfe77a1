/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The window in which a seal is lifted, in a process of its own: kill -9 or Ctrl-C of the caller must leave neither a
 * file unsealed nor the vservers frozen. The helper is forked by the first call, in a session of its own, with no
 * descriptor but its socket; it executes one request at a time and, when the caller is gone, finishes the one under
 * way, thaws and ends.
 */
#include "kernel/window.h"

#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct request {
	enum window_op op;
	unsigned flags;
	char name[2][NAME_MAX + 1];
};
struct reply {
	int status;
	char msg[512];
};

/* The helper of this process. A child that was forked has the parent's copy: the pid tells. */
static struct {
	pid_t owner;
	int sock;
} helper = {.sock = -1};

union fd_control {
	char buf[CMSG_SPACE(sizeof(int) * 3)];
	struct cmsghdr align;
};

static int send_request(int sock, const struct window_call *c)
{
	struct request q = {.op = c->op, .flags = c->flags};
	struct iovec iov = {&q, sizeof(q)};
	union fd_control control = {0};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	for (int i = 0; i < 2 && c->name[i]; i++) {
		if (strlen(c->name[i]) > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(q.name[i], c->name[i], strlen(c->name[i]) + 1);
	}
	if (c->n_fds > 0) {
		struct cmsghdr *h;

		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * c->n_fds);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * c->n_fds);
		memcpy(CMSG_DATA(h), c->fds, sizeof(int) * c->n_fds);
	}
	while (sendmsg(sock, &m, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

/* Receives a request; c->name points into *q. 0, or -EPIPE at the caller's end. */
static int receive_request(int sock, struct request *q, struct window_call *c)
{
	struct iovec iov = {q, sizeof(*q)};
	union fd_control control;
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)};

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(*q))
		return -EPIPE;
	*c = (struct window_call){.op = q->op, .flags = q->flags, .name = {q->name[0], q->name[1]}};
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		c->n_fds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(c->fds, CMSG_DATA(h), c->n_fds * sizeof(int));
	}
	return 0;
}

/* Serves until the caller is gone. A freeze that the caller asked for and then forgot (it was stopped) ends after a
 * second: each operation freezes by itself when it must. */
static void serve(int sock, int caller)
{
	struct freeze held = {.dir = -1};
	bool frozen = false, used = false;

	for (;;) {
		struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = caller, .events = POLLIN}};
		struct reply a = {0};
		struct err e = {0};
		struct window_call c;
		struct request q;
		int n = poll(p, 2, frozen ? 1000 : -1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0) {
			freeze_end(&held);
			frozen = false;
			continue;
		}
		if (n < 0 || p[1].revents || receive_request(sock, &q, &c) < 0)
			break;
		if (c.op != WINDOW_THAW && !frozen) {
			a.status = freeze_begin(&held, &e);
			frozen = a.status == 0;
			used = true;
		}
		if (a.status == 0 && c.op != WINDOW_FREEZE && c.op != WINDOW_THAW)
			a.status = window_serve(&c, &e);
		if (frozen && !(c.flags & WINDOW_KEEP)) {
			freeze_end(&held);
			frozen = false;
		}
		for (size_t i = 0; i < c.n_fds; i++)
			close(c.fds[i]);
		if (e.msg)
			snprintf(a.msg, sizeof(a.msg), "%s", e.msg);
		err_clear(&e);
		if (send(sock, &a, sizeof(a), MSG_NOSIGNAL) < 0)
			break;
	}
	if (frozen)
		freeze_end(&held);
	if (used)
		freeze_tidy();
}

/* Becomes the helper: no descriptor, terminal, signal or memory shortage of the caller's may reach it. */
static _Noreturn void become_helper(int sock, int caller)
{
	sigset_t all;
	int null, oom;

	setsid();
	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "vpkg-seal");
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

/* Forked twice, so that no wait() of the caller meets it. */
static int start_helper(struct err *e)
{
	_cleanup_close_ int ours = -1, theirs = -1, caller = -1;
	int sv[2];
	pid_t pid;

	helper.sock = close_fd(helper.sock);
	caller = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (caller < 0)
		return err_sys(e, "seal: pidfd_open (Linux 5.3 or newer is needed)");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(e, "seal: socketpair");
	ours = sv[0];
	theirs = sv[1];
	pid = fork();
	if (pid < 0)
		return err_sys(e, "seal: cannot start the helper process");
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			become_helper(theirs, caller);
		_exit(pid < 0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	helper.owner = getpid();
	helper.sock = TAKE_FD(ours);
	return 0;
}

static int ask_once(const struct window_call *c, struct reply *a)
{
	int r = send_request(helper.sock, c);
	ssize_t n;

	if (r < 0)
		return r;
	do
		n = recv(helper.sock, a, sizeof(*a), 0);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*a) ? 0 : -EPIPE;
}

int window_ask(const struct window_call *c, struct err *e)
{
	struct reply a;
	int r;

	if (helper.sock < 0 || helper.owner != getpid()) {
		r = start_helper(e);
		if (r < 0)
			return r;
	}
	r = ask_once(c, &a);
	if (r == -EPIPE) {
		const struct window_call freeze = {.op = WINDOW_FREEZE};

		/* Somebody killed the helper, perhaps while contexts were frozen: freezing once without keeping thaws.
		 */
		r = start_helper(e);
		if (r == 0)
			ask_once(&freeze, &a);
		return err_set(e, -EPIPE, "seal: the helper process was killed while it worked; try again");
	}
	if (r < 0)
		return err_set(e, r, "seal: cannot ask the helper process: %s", strerror(-r));
	if (a.status < 0)
		return err_set(e, a.status, "%s", a.msg);
	return 0;
}
