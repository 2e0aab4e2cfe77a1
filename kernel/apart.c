/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Namespaces for a security context: in place of the kernel's programs, where those are not loaded, and for a process
 * number 1 of its own (CTX_FAKEINIT). The tree and the network stay the host's; processes, IPC and /proc are the
 * context's. An ordinary user gets them in a user namespace in which only their own ids exist.
 *
 * In between stands a reaper, number 1 of the new context, that stays as long as any process does: daemons outlive the
 * command that started them. The caller outside waits for the command alone, hands signals on, and takes the command
 * with it when it is killed.
 */
#include "kernel/number.h"

#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- inside ------------------------------------------------------------------------------------------------------ */

static int write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* Of the user namespace that this process is the first in: the caller's ids, and no other. */
static int map_own_ids(uid_t uid, gid_t gid, struct err *e)
{
	_cleanup_free_ char *uids = xasprintf("%u %u 1\n", uid, uid), *gids = xasprintf("%u %u 1\n", gid, gid);
	int r = write_file("/proc/self/setgroups", "deny");

	if (r == 0)
		r = write_file("/proc/self/uid_map", uids);
	if (r == 0)
		r = write_file("/proc/self/gid_map", gids);
	return r < 0 ? err_set(e, r, "a user namespace: its ids: %s", strerror(-r)) : 0;
}

/* Mounts of the host go on to arrive here, but not the other way. */
static int own_proc(struct err *e)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(e, "a mount namespace");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_sys(e, "a /proc of the context's own%s",
			       errno == EPERM ? " (something is mounted over parts of this one)" : "");
	return 0;
}

int apart_names(const struct ctx_wish *w, struct err *e)
{
	if (w->hostname && sethostname(w->hostname, strlen(w->hostname)) < 0)
		return err_sys(e, "host name %s", w->hostname);
	if (w->domainname && setdomainname(w->domainname, strlen(w->domainname)) < 0)
		return err_sys(e, "domain name %s", w->domainname);
	return 0;
}

/* ---- the reaper -------------------------------------------------------------------------------------------------- */

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int block_signals(sigset_t *old)
{
	static const int some[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(some); i++)
		sigaddset(&set, some[i]);
	sigprocmask(SIG_BLOCK, &set, old);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Hands on what somebody sent; what a terminal's keys do reaches the command by itself. */
static void pass_signals(int fd, pid_t to)
{
	struct signalfd_siginfo s;

	while (read(fd, &s, sizeof(s)) == sizeof(s))
		if (s.ssi_signo != SIGCHLD && s.ssi_code <= 0 && to > 0)
			kill(to, (int)s.ssi_signo);
}

/* Reaps until nobody is left. The command's status goes to the caller; if that dies before, so does the command. */
static _Noreturn void reap(pid_t command, int report, int signals)
{
	bool orphaned = false, told = false;
	int last = 0;

	for (;;) {
		struct pollfd p[2] = {{.fd = signals, .events = POLLIN}, {.fd = orphaned ? -1 : report}};
		int status;
		pid_t pid;

		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid != command)
				continue;
			command = -1;
			last = status;
		}
		/* The last one ends with the command's status, so that the caller sees the context's end. */
		if (pid < 0 && errno == ECHILD)
			_exit(exit_status(last));
		if (command < 0 && !told) {
			told = true;
			orphaned |= write(report, &last, sizeof(last)) < 0;
		}
		poll(p, 2, -1);
		if (p[1].revents & (POLLERR | POLLHUP)) {
			orphaned = true;
			if (command > 0)
				kill(command, SIGKILL);
		}
		pass_signals(signals, command);
	}
}

/* Returns in the command; its parent, number 1, never does. */
static int fork_command(int report, int held, struct err *e)
{
	sigset_t old;
	int signals = block_signals(&old), null;
	pid_t pid = signals < 0 ? -1 : fork();

	if (pid < 0)
		return err_sys(e, "the context's first process");
	if (pid == 0) {
		close(signals);
		close(report);
		sigprocmask(SIG_SETMASK, &old, NULL);
		return 0;
	}
	/* Nobody in the context may trace it or hold on to what it holds. */
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NAME, "context");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	signals = fcntl(signals, F_DUPFD_CLOEXEC, 3);
	close_all_but((int[]){report, held, signals}, 3);
	if (chdir("/") < 0)
		_exit(125);
	reap(pid, report, signals);
}

/* ---- a new context
 * --------------------------------------------------------------------------------------------------- */

static int first_process(const struct apart *a, const struct ctx_made *made, uid_t uid, gid_t gid, int report,
			 struct err *e)
{
	bool init = a->wish->flags & CTX_FAKEINIT;
	int r = a->user ? map_own_ids(uid, gid, e) : 0;

	if (r == 0 && a->limits)
		r = controller_limits(a->wish->flags | (a->wish->flags & CTX_ULIMIT ? CTX_NPROC : 0), made->number,
				      init ? 0 : 1, e);
	if (r == 0)
		r = own_proc(e);
	if (r == 0)
		r = apart_names(a->wish, e);
	if (r == 0 && !a->plain && !a->user && a->wish->flags & CTX_HIDEINFO && unshare(CLONE_NEWCGROUP) < 0)
		r = err_sys(e, "a cgroup namespace");
	if (r < 0 || !init)
		return r < 0 ? r : fork_command(report, a->held, e);
	/* The command itself is number 1: with it all ends, and it with the caller, which may be dead already. */
	r = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? err_sys(e, "PR_SET_PDEATHSIG") : 0;
	if (r == 0 && poll(&(struct pollfd){.fd = report}, 1, 0) > 0)
		_exit(125);
	close(report);
	return r;
}

/* Being born in a cgroup takes microseconds, moving there tens of milliseconds. But clone3 is refused below a
 * capability ceiling, whatever it is for. */
static pid_t clone_into(unsigned long flags, int cgroup)
{
	struct clone_args args = {
		.flags = flags | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static int start(const struct apart *a, struct ctx_made *ret, struct err *e)
{
	unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | (a->plain ? 0 : CLONE_NEWIPC) |
			      (a->user ? CLONE_NEWUSER : 0) |
			      (a->wish->hostname || a->wish->domainname ? CLONE_NEWUTS : 0);
	bool born_there = a->cgroup >= 0;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int p[2];
	pid_t pid;

	if (born_there && addr_inherit(a->cgroup, e) < 0)
		return -EIO;
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	fflush(NULL);
	pid = born_there ? clone_into(flags, a->cgroup) : -1;
	if (pid < 0 && (!born_there || errno == ENOSYS)) {
		born_there = false;
		pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
	}
	if (pid == 0) {
		close(p[0]);
		if (a->cgroup >= 0 && !born_there && number_move(a->cgroup, e) < 0)
			return -EIO;
		return first_process(a, ret, uid, gid, p[1], e);
	}
	close(p[1]);
	if (pid < 0) {
		err_sys(e, "the context's namespaces%s",
			a->user ? " (ordinary users need user namespaces, which flag lock, a capability ceiling, or "
				  "sysctl "
				  "user.max_user_namespaces and kernel.unprivileged_userns_clone may forbid)"
				: "");
		close(p[0]);
		return -EPERM;
	}
	ret->child = pid;
	ret->report = p[0];
	return 0;
}

/* ---- an existing one
 * ------------------------------------------------------------------------------------------------- */

/* Whether the process is number 1 in a process namespace right below ours. */
static bool is_first(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/status", (int)pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int outer, inner, more;

	while (f && getline(&line, &size, f) > 0)
		if (strncmp(line, "NSpid:", 6) == 0)
			return sscanf(line + 6, "%d %d %d", &outer, &inner, &more) == 2 && inner == 1;
	return false;
}

static pid_t find_first(int cgroup)
{
	int fd = openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	_cleanup_fclose_ FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1)
		if (pid > 0 && is_first(pid))
			return pid;
	return -1;
}

static bool same_namespace(pid_t pid, const char *name)
{
	_cleanup_free_ char *theirs = xasprintf("/proc/%d/ns/%s", (int)pid, name),
			    *ours = xasprintf("/proc/self/ns/%s", name);
	struct stat a, b;

	return stat(theirs, &a) == 0 && stat(ours, &b) == 0 && a.st_ino == b.st_ino;
}

/* The calling process, a child of the one that set its process namespace, goes on as a member. */
static int become_member(const struct apart *a, int first, bool own_names, struct err *e)
{
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	int r = number_move(a->cgroup, e);

	if (r < 0)
		return r;
	if (setns(first, CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) < 0)
		return err_sys(e, "entering the context's namespaces");
	if ((a->wish->hostname || a->wish->domainname) && !own_names && unshare(CLONE_NEWUTS) < 0)
		return err_sys(e, "a host name namespace");
	if ((!cwd || chdir(cwd) < 0) && chdir("/") < 0)
		return err_sys(e, "working directory");
	r = apart_names(a->wish, e);
	return r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? err_sys(e, "PR_SET_PDEATHSIG") : r;
}

static int no_first(const struct ctx_made *made, struct err *e)
{
	return err_set(e, -ESRCH, "context %u has no process 1 whose namespaces could be entered", made->number);
}

static int join(const struct apart *a, struct ctx_made *ret, struct err *e)
{
	pid_t first = find_first(a->cgroup), pid;
	_cleanup_close_ int fd = first < 0 ? -1 : (int)syscall(SYS_pidfd_open, first, 0);
	bool own_names;

	if (fd < 0 || !is_first(first))
		return no_first(ret, e);
	if (!same_namespace(first, "user"))
		return err_set(e, -EPERM,
			       "context %u is a vserver's, and only its programs in the kernel would make a process a "
			       "member of it; use: vserver NAME exec",
			       ret->number);
	own_names = !same_namespace(first, "uts");
	if (setns(fd, CLONE_NEWPID) < 0)
		return errno == ESRCH ? no_first(ret, e) : err_sys(e, "entering the context's process namespace");
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return err_sys(e, "a process in context %u", ret->number);
	if (pid == 0) {
		int r = become_member(a, fd, own_names, e);

		return r == -ESRCH ? -EAGAIN : r; /* that word is the caller's, to try again */
	}
	ret->child = pid;
	return 0;
}

int apart_make(const struct apart *a, struct ctx_made *ret, struct err *e)
{
	return a->join ? join(a, ret, e) : start(a, ret, e);
}

/* ---- outside
 * --------------------------------------------------------------------------------------------------------- */

int ctx_wait(const struct ctx_made *made, struct err *e)
{
	_cleanup_close_ int report = made->report;
	_cleanup_close_ int signals = block_signals(NULL);

	if (signals < 0)
		return err_sys(e, "signals");
	for (;;) {
		struct pollfd p[2] = {{.fd = signals, .events = POLLIN}, {.fd = report, .events = POLLIN}};
		int status;

		if (report >= 0 && poll(p, 2, 0) > 0 && p[1].revents &&
		    read(report, &status, sizeof(status)) == sizeof(status))
			return exit_status(status);
		if (waitpid(made->child, &status, WNOHANG) == made->child) {
			number_sweep();
			return exit_status(status);
		}
		poll(p, report >= 0 && !(p[1].revents & POLLHUP) ? 2 : 1, -1);
		pass_signals(signals, made->child);
	}
}
