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

/* One message: the operations, with descriptors as indices into the ones that come along. */
#define MAX_FDS (3 * WINDOW_OPS)
struct wire_op {
	enum seal_what what;
	unsigned flags;
	uint8_t fd[3]; /* file, dir[0], dir[1]; NO_FD where there is none */
	char name[2][NAME_MAX + 1];
};
#define NO_FD 255
struct request {
	enum window_freeze mode;
	uint32_t n;
	struct wire_op ops[WINDOW_OPS];
};
struct reply {
	int frozen; /* 0, or the -errno of the freezing: then nothing was tried */
	int status[WINDOW_OPS];
	char msg[512]; /* of the first failure */
};

/* The helper of this process. A child that was forked has the parent's copy: the pid tells. */
static struct {
	pid_t owner;
	int sock;
} helper = {.sock = -1};

union fd_control {
	char buf[CMSG_SPACE(sizeof(int) * MAX_FDS)];
	struct cmsghdr align;
};

/* The index of fd among those to send, each once: a batch shares its directories. */
static uint8_t add_fd(int *fds, size_t *n, int fd)
{
	if (fd < 0)
		return NO_FD;
	for (size_t i = *n; i-- > 0;)
		if (fds[i] == fd)
			return (uint8_t)i;
	fds[*n] = fd;
	return (uint8_t)(*n)++;
}

static int pack(struct request *q, const struct seal_op *ops, size_t n, int *fds, size_t *n_fds)
{
	q->n = (uint32_t)n;
	for (size_t i = 0; i < n; i++) {
		struct wire_op *w = &q->ops[i];
		bool two = ops[i].what == SEAL_RENAME || ops[i].what == SEAL_SWAP;
		bool file = ops[i].what == SEAL_LINK || ops[i].what == SEAL_SWAP;

		w->what = ops[i].what;
		w->flags = ops[i].flags;
		w->fd[0] = add_fd(fds, n_fds, file ? ops[i].file : -1);
		w->fd[1] = add_fd(fds, n_fds, ops[i].dir[0]);
		w->fd[2] = add_fd(fds, n_fds, two ? ops[i].dir[1] : -1);
		for (int k = 0; k < 1 + two; k++) {
			if (strlen(ops[i].name[k]) > NAME_MAX)
				return -ENAMETOOLONG;
			memcpy(w->name[k], ops[i].name[k], strlen(ops[i].name[k]) + 1);
		}
		if (!two)
			w->name[1][0] = '\0';
	}
	return 0;
}

static int send_request(int sock, struct request *q, const int *fds, size_t n_fds)
{
	struct iovec iov = {q, offsetof(struct request, ops) + q->n * sizeof(q->ops[0])};
	union fd_control control;
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > 0) {
		struct cmsghdr *h;

		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(h), fds, sizeof(int) * n_fds);
	}
	while (sendmsg(sock, &m, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

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
	if (len < (ssize_t)offsetof(struct request, ops) || q->n > WINDOW_OPS || (m.msg_flags & MSG_CTRUNC) ||
	    (size_t)len != offsetof(struct request, ops) + q->n * sizeof(q->ops[0]))
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

#define IDLE_MS 1000

/* Serves until the caller is gone. A freeze that the caller asked for and then forgot (it was stopped) ends after a
 * second: each request freezes by itself when it must. */
static void serve(int sock, int caller)
{
	struct freeze held = {.dir = -1};
	bool frozen = false, used = false;

	for (;;) {
		struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = caller, .events = POLLIN}};
		static struct request q;
		struct reply a = {0};
		struct err e = {0};
		int fds[MAX_FDS], n_fds, n = poll(p, 2, frozen ? IDLE_MS : -1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0) {
			freeze_end(&held);
			frozen = false;
			continue;
		}
		if (n < 0 || p[1].revents || (n_fds = receive_request(sock, &q, fds)) < 0)
			break;
		if (q.mode != WINDOW_THAW && !frozen) {
			a.frozen = freeze_begin(&held, &e);
			frozen = a.frozen == 0;
			used = true;
		}
		if (a.frozen == 0)
			serve_ops(&q, fds, n_fds, &a, &e);
		if (frozen && q.mode != WINDOW_KEEP) {
			freeze_end(&held);
			frozen = false;
		}
		while (n_fds > 0)
			close(fds[--n_fds]);
		snprintf(a.msg, sizeof(a.msg), "%s", e.msg ? e.msg : "");
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

static int ask_once(struct request *q, const int *fds, size_t n_fds, struct reply *a)
{
	int r = send_request(helper.sock, q, fds, n_fds);
	ssize_t n;

	if (r < 0)
		return r;
	do
		n = recv(helper.sock, a, sizeof(*a), 0);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*a) ? 0 : -EPIPE;
}

int window_ask(enum window_freeze mode, struct seal_op *ops, size_t n, struct err *e)
{
	_cleanup_free_ struct request *q = xmalloc(sizeof(*q));
	struct reply a;
	int fds[MAX_FDS], r;
	size_t n_fds = 0;

	q->mode = mode;
	r = pack(q, ops, n, fds, &n_fds);
	if (r < 0)
		return err_set(e, r, "seal: a name is longer than %d bytes", NAME_MAX);
	if (helper.sock < 0 || helper.owner != getpid()) {
		r = start_helper(e);
		if (r < 0)
			return r;
	}
	r = ask_once(q, fds, n_fds, &a);
	if (r == -EPIPE) {
		/* Somebody killed the helper, perhaps while contexts were frozen: freezing once without keeping it
		 * thaws. */
		q->mode = WINDOW_ONCE;
		q->n = 0;
		if (start_helper(e) == 0)
			ask_once(q, NULL, 0, &a);
		return err_set(e, -EPIPE, "seal: the helper process was killed while it worked; try again");
	}
	if (r < 0)
		return err_set(e, r, "seal: cannot ask the helper process: %s", strerror(-r));
	if (a.frozen < 0)
		return err_set(e, a.frozen, "%s", a.msg);
	for (size_t i = 0; i < n; i++) {
		ops[i].status = a.status[i];
		if (a.status[i] < 0 && e && e->status == 0)
			err_set(e, a.status[i], "%s", a.msg);
	}
	return 0;
}
