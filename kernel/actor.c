/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The process that does what a caller asked for, as the caller: in the context's user and mount namespaces, in the
 * caller's root and directories, with its file system ids, groups and effective capabilities. So each permission (of
 * directories, the sticky bit, read-only mounts, protected hard links) is the kernel's own check, and this can do
 * nothing that the caller could not do to a file without seal.
 *
 * It is not in the context's PID namespace, so that no guest can signal, trace or find it, and not in its cgroup, so
 * that it runs while the contexts stand still. One serves a supervisor for its whole life. It first tries the call as
 * it is: most of what would fail fails then, without a seal lifted. Only what the seal alone may have refused comes
 * back to be done again in a window.
 */
#include "kernel/actor.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <signal.h>

#define GO_MS 10000 /* that long may one operation on a directory take */

enum ask_what { ASK_PREPARE, ASK_MAY };
struct ask {
	enum ask_what what;
	struct call call;
	struct identity who;
};

/* ---- in the actor's process -------------------------------------------------------------------------------------- */

static struct deed deed = {.parent = {-1, -1}, .victim = {-1, -1}};
static uint64_t my_caps; /* that this process may take up */

static int set_caps(uint64_t effective)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {
		{.effective = (uint32_t)effective, .permitted = (uint32_t)my_caps},
		{.effective = (uint32_t)(effective >> 32), .permitted = (uint32_t)(my_caps >> 32)},
	};

	return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

static int all_caps(uint64_t *ret)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		return -errno;
	*ret = d[0].permitted | (uint64_t)d[1].permitted << 32;
	return 0;
}

/* glibc's setgroups, setfsuid and setfsgid concern the calling thread as well as can be: there is only this one. */
static int take_identity(const struct identity *who, uint64_t caps)
{
	if (set_caps(my_caps) < 0 || setgroups(who->n, who->group) < 0)
		return -errno;
	setfsgid(who->gid);
	setfsuid(who->uid);
	if ((gid_t)setfsgid((gid_t)-1) != who->gid || (uid_t)setfsuid((uid_t)-1) != who->uid)
		return -EPERM;
	return set_caps(caps & my_caps);
}

static const struct identity root_identity; /* of the context */

static void forget(void)
{
	for (int i = 0; i < 2; i++) {
		deed.parent[i] = close_fd(deed.parent[i]);
		deed.victim[i] = close_fd(deed.victim[i]);
	}
}

/* fds: the caller's root, then one directory for each path. */
static void prepare(const int fds[PASS_FDS], struct say *say)
{
	*say = (struct say){.verdict = ACTOR_PASS};
	if (take_identity(&root_identity, my_caps) < 0 || fchdir(fds[0]) < 0 || chroot(".") < 0 ||
	    take_identity(&deed.who, deed.who.caps) < 0)
		return;
	if (deed.call.kind >= CALL_OPEN)
		edit_prepare(&deed, fds[1], say);
	else
		names_prepare(&deed, fds + 1, say);
}

static void go(int sock)
{
	int status = names_operate(&deed);

	if (status == -EPERM && names_changed(&deed))
		status = WINDOW_CHANGED;
	if (pass_send(sock, &status, sizeof(status), NULL, 0) < 0)
		_exit(1);
}

static void answer(int sock, const struct say *say)
{
	int fds[2];
	size_t n = 0;

	for (int i = 0; i < 2; i++)
		if (say->has[i])
			fds[n++] = deed.victim[i];
	if (pass_send(sock, say, sizeof(*say), fds, n) < 0)
		_exit(1);
}

/* A question is as long as a struct ask; "go" is one byte. */
static _Noreturn void serve(int sock)
{
	static struct ask in;

	for (;;) {
		int fds[PASS_FDS];
		ssize_t n = pass_receive(sock, &in, sizeof(in), fds);
		struct say say = {0};

		if (n <= 0)
			_exit(0);
		if (n == 1) {
			go(sock);
			continue;
		}
		if (in.what == ASK_MAY) {
			say = (struct say){.verdict = ACTOR_DONE, .status = edit_try(&deed, fds[0])};
		} else {
			forget();
			deed.call = in.call;
			deed.who = in.who;
			prepare(fds, &say);
		}
		for (int i = 0; i < PASS_FDS; i++)
			close_fd(fds[i]);
		answer(sock, &say);
	}
}

static _Noreturn void actor_main(int sock, int init)
{
	close_all_but((int[]){sock, init}, 2);
	prctl(PR_SET_NAME, "vpkg-actor");
	/* Changing ids takes and gives no capabilities: they are set by hand. */
	if (own_setup() < 0 || setns(init, CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0 || setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
	    setresuid(0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 || all_caps(&my_caps) < 0)
		_exit(1);
	close(init);
	umask(0);
	serve(sock);
}

/* ---- in the supervisor ------------------------------------------------------------------------------------------- */

int actor_start(struct actor *a, int init_pidfd)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	a->pid = fork();
	if (a->pid == 0)
		actor_main(sv[1], init_pidfd);
	close(sv[1]);
	a->sock = sv[0];
	if (a->pid > 0)
		return 0;
	a->pid = 0;
	a->sock = close_fd(a->sock);
	return -EAGAIN;
}

void actor_end(struct actor *a)
{
	a->sock = close_fd(a->sock);
	if (a->pid <= 0)
		return;
	kill(a->pid, SIGKILL);
	while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
		;
	a->pid = 0;
}

static int ask(struct actor *a, const struct ask *q, const int *fds, size_t n, struct say *ret, int ret_fds[PASS_FDS])
{
	struct pollfd p = {.fd = a->sock, .events = POLLIN};
	int r = pass_send(a->sock, q, sizeof(*q), fds, n);

	if (r < 0)
		return r;
	if (poll(&p, 1, GO_MS) <= 0)
		return -ETIMEDOUT;
	return pass_receive(a->sock, ret, sizeof(*ret), ret_fds) == (ssize_t)sizeof(*ret) ? 0 : -EPIPE;
}

int actor_prepare(struct actor *a, const struct call *c, const struct identity *who, int root, const int dir[2],
		  struct actor_answer *ret)
{
	static struct ask q;
	struct say say;
	int fds[PASS_FDS] = {root, dir[0], dir[1]}, got[PASS_FDS], r;

	q.what = ASK_PREPARE;
	q.call = *c;
	q.who = *who;
	r = ask(a, &q, fds, 1 + c->n, &say, got);
	if (r < 0)
		return r;
	*ret = (struct actor_answer){.verdict = say.verdict, .status = say.status, .victim = {-1, -1}};
	for (int i = 0, n = 0; i < 2; i++)
		if (say.has[i])
			ret->victim[i] = got[n++];
	return 0;
}

int actor_may(struct actor *a, int twin, int *ret_status)
{
	static struct ask q = {.what = ASK_MAY};
	struct say say;
	int got[PASS_FDS], r = ask(a, &q, &twin, 1, &say, got);

	if (r == 0)
		*ret_status = say.status;
	return r;
}

int actor_go(int sock)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	int status, none[PASS_FDS], r = pass_send(sock, "", 1, NULL, 0);

	if (r < 0)
		return r;
	if (poll(&p, 1, GO_MS) <= 0)
		return -ETIMEDOUT;
	return pass_receive(sock, &status, sizeof(status), none) == (ssize_t)sizeof(status) ? status : -EPIPE;
}
