/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The window in which a seal is lifted, in a process of its own: kill -9 or Ctrl-C of the caller must leave neither a
 * file unsealed nor the vservers frozen. The helper is forked by the first call, in a session of its own, with no
 * descriptor but its socket; it executes one request at a time and, when the caller is gone, finishes the one under
 * way, thaws and ends.
 */
#include "kernel/window_wire.h"

#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The helper of this process. A child that was forked has the parent's copy: the pid tells. */
static struct {
	pid_t owner;
	int sock;
} helper = {.sock = -1};

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

/* What of an operation is sent. */
static const struct {
	bool file, second_dir;
	int names;
} parts[] = {
	[SEAL_LINK] = {true, false, 1}, [SEAL_UNLINK] = {false, false, 1}, [SEAL_RENAME] = {false, true, 2},
	[SEAL_SWAP] = {true, true, 2},  [WINDOW_ACT] = {true, true, 0},    [WINDOW_REPLACE] = {true, true, 1},
};

static int pack(struct request *q, const struct seal_op *ops, size_t n, int *fds, size_t *n_fds)
{
	q->n = (uint32_t)n;
	for (size_t i = 0; i < n; i++) {
		struct wire_op *w = &q->ops[i];
		typeof(parts[0]) *p = &parts[ops[i].what];

		w->what = ops[i].what;
		w->flags = ops[i].flags;
		w->fd[0] = add_fd(fds, n_fds, p->file ? ops[i].file : -1);
		w->fd[1] = add_fd(fds, n_fds, ops[i].dir[0]);
		w->fd[2] = add_fd(fds, n_fds, p->second_dir ? ops[i].dir[1] : -1);
		w->name[0][0] = w->name[1][0] = '\0';
		for (int k = 0; k < p->names; k++) {
			if (strlen(ops[i].name[k]) > NAME_MAX)
				return -ENAMETOOLONG;
			memcpy(w->name[k], ops[i].name[k], strlen(ops[i].name[k]) + 1);
		}
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
			window_helper(theirs, caller);
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

static int ask(struct request *q, struct seal_op *ops, size_t n, struct window_park *park, struct err *e)
{
	struct reply a;
	int fds[MAX_FDS], r;
	size_t n_fds = 0;

	r = pack(q, ops, n, fds, &n_fds);
	if (r < 0)
		return err_set(e, r, "seal: a name is longer than %d bytes", NAME_MAX);
	q->park[0] = add_fd(fds, &n_fds, park ? park->cgroup : -1);
	q->park[1] = add_fd(fds, &n_fds, park ? park->listener : -1);
	q->n_parks = park ? park->n : 0;
	if (park)
		memcpy(q->parks, park->id, park->n * sizeof(park->id[0]));
	if (helper.sock < 0 || helper.owner != getpid()) {
		r = start_helper(e);
		if (r < 0)
			return r;
	}
	r = ask_once(q, fds, n_fds, &a);
	if (r == -EPIPE) {
		/* Somebody killed the helper, perhaps while contexts were frozen: freezing once without keeping it
		 * thaws. */
		*q = (struct request){.mode = WINDOW_ONCE, .park = {NO_FD, NO_FD}};
		if (start_helper(e) == 0)
			ask_once(q, NULL, 0, &a);
		return err_set(e, -EPIPE, "seal: the helper process was killed while it worked; try again");
	}
	if (r < 0)
		return err_set(e, r, "seal: cannot ask the helper process: %s", strerror(-r));
	if (park)
		park->frozen_us = a.frozen_us;
	if (a.frozen < 0)
		return err_set(e, a.frozen, "%s", a.msg);
	for (size_t i = 0; i < n; i++) {
		ops[i].status = a.status[i];
		if (a.status[i] < 0 && e && e->status == 0)
			err_set(e, a.status[i], "%s", a.msg);
	}
	return 0;
}

int window_ask(enum window_freeze mode, struct seal_op *ops, size_t n, struct err *e)
{
	_cleanup_free_ struct request *q = xmalloc(sizeof(*q));

	q->mode = mode;
	return ask(q, ops, n, NULL, e);
}

int window_act(struct window_park *park, struct seal_op *op, struct err *e)
{
	static struct request q;

	q.mode = WINDOW_ONCE;
	return ask(&q, op, op ? 1 : 0, park, e);
}

void window_restart(int listener, const uint64_t *id, uint32_t n)
{
	enum { RESTART_NO_INTR = 513 }; /* the kernel's own, of no header for programs */

	for (uint32_t i = 0; i < n; i++)
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND,
		      &(struct seccomp_notif_resp){.id = id[i], .error = -RESTART_NO_INTR});
}

/* Thawing does not take back that a thread has something pending: it repeats its call. */
void window_undo(const struct window_park *park)
{
	freeze_switch(park->cgroup, true);
	window_restart(park->listener, park->id, park->n);
	freeze_switch(park->cgroup, false);
}

void window_forget(void)
{
	helper.sock = -1;
	helper.owner = 0;
}
