/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The supervisor's process, on the host's side, one for each context that has CTX_SUPERVISE or CTX_COW. The kernel
 * stops a thread of the context at each call of call.c's and asks here what shall become of it.
 *
 * Nearly always: go on. That is said after one look at what the path leads to. The kernel then reads the path again,
 * and if a guest changed it meanwhile, it still refuses to touch a sealed file.
 *
 * A call that the seal alone stands against is executed by the actor in a window (turn.c): seals lifted, all contexts
 * frozen.
 *
 * Killed with -9 in the middle: the window's helper finishes the one operation under way, seals and thaws; the first
 * process of the context sees that nobody supervises any more, and ends, and everything in the context with it.
 */
#include "kernel/supervise.h"

#include <linux/securebits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* Linux 6.6; the values for older headers. */
#define NOTIF_SET_FLAGS _IOW('!', 4, uint64_t)
#define NOTIF_SYNC_WAKE_UP 1UL

static struct supervision me;

/* ---- one question ------------------------------------------------------------------------------------------------ */

/* With CTX_COW: the change goes to a private copy, if the caller may make it. */
static void copy_first(const struct question *t, int victim)
{
	struct cow cow = {.dir = -1, .old = -1, .twin = -1};
	int status = 0, r = question_sealed(&me, victim, false) ? caller_enter(question_tid(t)) : -ENOENT;

	if (r == 0)
		r = cow_begin(victim, me.s.uid_base, &cow);
	caller_leave();
	if (r == 0 && actor_may(&me.actor, cow.twin, &status) < 0) {
		actor_end(&me.actor);
		r = -EIO;
	}
	if (r == -ENOENT)
		question_continue(&me, t); /* its name is gone, or out of the caller's reach */
	else if (r < 0 || status < 0)
		question_answer(&me, t, r < 0 ? r : status);
	else
		turn_copy(&me, t, &cow);
	cow_close(&cow);
}

/* The caller's root and where its paths start; an absolute one starts nowhere, so the root stands for that. */
static int open_places(const struct question *t, int *root, int dir[2])
{
	*root = caller_root(question_tid(t));
	if (*root < 0)
		return *root;
	for (unsigned i = 0; i < t->call.n; i++) {
		dir[i] = t->call.path[i][0] == '/' ? fcntl(*root, F_DUPFD_CLOEXEC, 0)
						   : caller_dir(question_tid(t), t->call.dir[i]);
		if (dir[i] < 0)
			return -EBADF;
	}
	return 0;
}

/* As the caller: everything that is told about it holds only if it was still waiting after we had looked. */
static int prepare(struct question *t, struct actor_answer *ret)
{
	static struct identity who;
	_cleanup_close_ int root = -1;
	int dir[2] = {-1, -1}, r;

	if (me.actor.pid == 0 && actor_start(&me.actor, me.init) < 0)
		return -EAGAIN;
	r = open_places(t, &root, dir);
	root = root < 0 ? -1 : root;
	if (r == 0)
		r = caller_identity(question_tid(t), me.s.uid_base, &who);
	t->birth = caller_birth(question_tid(t));
	/* Of another namespace, its capabilities would not mean what the actor's do. None can be made in a context. */
	if (r == 0 && caller_userns(question_tid(t)) != me.userns)
		r = -EPERM;
	if (r == 0 && !question_valid(&me, t))
		r = -ESRCH;
	if (r == 0) {
		r = actor_prepare(&me.actor, &t->call, &who, root, dir, ret);
		if (r < 0)
			actor_end(&me.actor);
	}
	close_fd(dir[0]);
	close_fd(dir[1]);
	return r;
}

static void take_care(struct question *t)
{
	struct actor_answer got = {.victim = {-1, -1}};

	caller_leave();
	if (prepare(t, &got) < 0 || got.verdict == ACTOR_PASS)
		question_continue(&me, t);
	else if (got.verdict == ACTOR_DONE)
		question_answer(&me, t, got.status);
	else if (t->call.kind >= CALL_OPEN)
		copy_first(t, got.victim[0]);
	else
		turn_act(&me, t, &got);
	close_fd(got.victim[0]);
	close_fd(got.victim[1]);
}

/* ---- the process ------------------------------------------------------------------------------------------------- */

/* Until nothing of the context is left. */
static void serve(void)
{
	static struct question t;

	while (question_read(&me, -1)) {
		if (me.questions.n > 0 && !question_at_once(&me, &t, question_take(&me)))
			take_care(&t);
	}
}

/* The mount that the context's root is, and its user namespace. */
static int learn_tree(void)
{
	struct statx stx;
	int root = caller_root(me.s.init), r;

	if (root < 0)
		return root;
	r = statx(root, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0 ? -errno : 0;
	me.tree_mount = stx.stx_mnt_id;
	me.userns = caller_userns(me.s.init);
	close(root);
	return r;
}

static void stand_alone(pid_t parent)
{
	sigset_t all;
	int null;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "vpkg-supervisor");
	/* Orders a signal for the parent's death; it may have died before. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || chdir("/") < 0)
		_exit(1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null, fd) < 0)
			_exit(1);
}

static _Noreturn void supervise_main(const struct supervise *s, int init, pid_t parent)
{
	int fds[PASS_FDS];
	char byte;

	window_forget();
	me.s = *s;
	me.init = init;
	close_all_but((int[]){s->sock, s->cgroup, me.init}, 3);
	stand_alone(parent);
	/* The capabilities stay when the file system ids change for a moment. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0 || caller_setup() < 0)
		_exit(1);
	/* Nothing comes when the first process ended before: then it has said why. */
	if (pass_receive(s->sock, &byte, 1, fds) != 1 || fds[0] < 0 || learn_tree() < 0)
		_exit(0);
	me.listener = fds[0];
	/* The caller and we take turns: waking it on our processor saves most of the time. */
	ioctl(me.listener, NOTIF_SET_FLAGS, NOTIF_SYNC_WAKE_UP);
	me.credit = TURN_CREDIT_US;
	me.credited = turn_clock();
	serve();
	actor_end(&me.actor);
	_exit(0);
}

pid_t supervise_start(const struct supervise *s, struct err *e)
{
	/* Here, since by the time that the supervisor comes to run, the command may have ended and be reaped. */
	_cleanup_close_ int init = (int)syscall(SYS_pidfd_open, s->init, 0);
	pid_t parent = getpid(), pid = init < 0 ? -1 : fork();

	if (pid == 0)
		supervise_main(s, init, parent);
	return pid < 0 ? err_sys(e, "context: cannot start its supervisor") : pid;
}

int supervise_submit(int sock, bool cow)
{
	int listener = call_filter(cow), r;

	if (listener < 0)
		return listener;
	r = pass_send(sock, "", 1, &listener, 1);
	close(listener);
	/* From here on only its closing by the other end is of interest. */
	return r < 0 ? r : shutdown(sock, SHUT_WR) < 0 ? -errno : 0;
}
