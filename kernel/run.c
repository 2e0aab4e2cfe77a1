/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Starting a context from the host's side: its cgroup, its namespaces, its idmapped clone of the tree, its life until
 * the command ends.
 */
#include "kernel/inside.h"
#include "kernel/supervise.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC)

static int write_proc(pid_t pid, const char *name, const char *text, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/%s", (int)pid, name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_sys(e, "context: %s", path);
	return 0;
}

/* Maps the ids and idmaps the tree's clone with the context's own user namespace. */
static int map_ids(pid_t pid, int tree, uint32_t base, struct err *e)
{
	_cleanup_free_ char *map = xasprintf("0 %u %u\n", base, CTX_IDS),
			    *path = xasprintf("/proc/%d/ns/user", (int)pid);
	_cleanup_close_ int userns = -1;
	/* suid programs are for the vserver's users: only its own clone has them. Device nodes are in its /dev alone.
	 * Private, because pivot_root refuses a shared mount, which all are where systemd is the host's init. */
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NODEV,
		.attr_clr = MOUNT_ATTR_NOSUID,
		.propagation = MS_PRIVATE,
	};
	int r;

	r = write_proc(pid, "uid_map", map, e);
	if (r == 0)
		r = write_proc(pid, "gid_map", map, e);
	if (r < 0)
		return r;
	userns = open(path, O_RDONLY | O_CLOEXEC);
	if (userns < 0)
		return err_sys(e, "context: %s", path);
	attr.userns_fd = (uint64_t)userns;
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
		struct utsname u;

		uname(&u);
		return err_sys(
			e,
			"idmapped mount of the tree (needs Linux 5.12 for ext4 and xfs, 5.15 for btrfs, 6.3 for tmpfs; "
			"this is %s)",
			u.release);
	}
	return 0;
}

static int clone_tree(int root, struct err *e)
{
	int fd = open_tree(root, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return fd < 0 ? err_sys(e, "a mount of the tree (root is needed)") : fd;
}

static int clone_packages(int dir, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	};
	int fd = open_tree(dir, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "a mount of the packages");
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
		err_sys(e, "a read-only mount of the packages");
		close_fd(fd);
		return -EINVAL;
	}
	return fd;
}

enum { IN, OUT, ERR, SYNC, REPORT, PIPES };

static void close_pipes(int p[PIPES][2])
{
	for (int i = 0; i < PIPES; i++)
		for (int k = 0; k < 2; k++)
			p[i][k] = close_fd(p[i][k]);
}

static int open_pipes(int p[PIPES][2], struct err *e)
{
	for (int i = 0; i < PIPES; i++)
		p[i][0] = p[i][1] = -1;
	for (int i = 0; i < PIPES; i++)
		if (pipe2(p[i], O_CLOEXEC) < 0) {
			err_sys(e, "pipe");
			close_pipes(p);
			return -EMFILE;
		}
	return 0;
}

/* ---- the supervisor ---------------------------------------------------------------------------------------------- */

struct supervisor {
	int sock[2]; /* the supervisor's end, the first process's end; -1: nobody supervises */
	pid_t pid;
};

static int supervisor_prepare(const struct ctx_spec *spec, struct supervisor *ret, struct err *e)
{
	*ret = (struct supervisor){.sock = {-1, -1}};
	/* A mark stands against no name's change. */
	if (!(spec->flags & (CTX_SUPERVISE | CTX_COW)) || (!(spec->flags & CTX_COW) && seal_marks()))
		return 0;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret->sock) < 0 ? err_sys(e, "socketpair") : 0;
}

static void supervisor_close(struct supervisor *s)
{
	s->sock[0] = close_fd(s->sock[0]);
	s->sock[1] = close_fd(s->sock[1]);
}

static int supervisor_start(struct supervisor *s, const struct ctx_spec *spec, pid_t init, int cgroup, struct err *e)
{
	if (s->sock[0] < 0)
		return 0;
	s->pid = supervise_start(
		&(struct supervise){.sock = s->sock[0], .init = init, .cgroup = cgroup, .uid_base = spec->uid_base}, e);
	/* The first process sees the supervisor's end of it close when that ends: no other copy may be left. */
	supervisor_close(s);
	return s->pid < 0 ? (int)s->pid : 0;
}

/* It ends by itself when the context does. */
static int supervisor_wait(const struct supervisor *s, struct err *e)
{
	int status = 0;

	if (s->pid <= 0)
		return 0;
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(e, -EPIPE, "context: its supervisor was killed, so everything in it was ended");
}

/* ---- the first process ------------------------------------------------------------------------------------------- */

static pid_t start(const struct inside *in, uint32_t number, int cgroup, int p[PIPES][2], const struct supervisor *s,
		   struct err *e)
{
	struct clone_args args = {
		.flags = NAMESPACES | CLONE_INTO_CGROUP | (in->spec->flags & CTX_NO_NET ? CLONE_NEWNET : 0),
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)cgroup,
	};
	struct inside child = *in;
	bool live = ctx_live();
	pid_t pid;

	child.in = p[IN][0];
	child.out = p[OUT][1];
	child.err = p[ERR][1];
	child.sync = p[SYNC][0];
	child.report = p[REPORT][1];
	child.supervisor = s->sock[1];
	/* Where the kernel decides, it is in its context from its first instruction, and nothing in there leaves it. */
	if (live && ctx_next_child(number, CTX_LOCK, e) < 0)
		return -EPERM;
	fflush(NULL);
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		close(p[SYNC][1]);
		close_fd(s->sock[0]);
		inside_main(&child);
	}
	if (pid < 0) {
		int r = err_sys(e,
				"a context's namespaces (user namespaces must be on: sysctl user.max_user_namespaces, "
				"kernel.unprivileged_userns_clone; cgroup v2 writable)");
		if (live)
			ctx_next_child(0, 0, NULL); /* else this process's next child would be born there */
		return r;
	}
	return pid;
}

/* What the first process said before the command began, or nothing. */
static int read_report(int fd, struct err *e)
{
	char text[256], *what;
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = 0;
	errno = (int)strtol(text, &what, 10);
	return err_sys(e, "context: %s", *what ? what + 1 : "setup");
}

static int attend(const struct inside *in, uint32_t number, int cgroup, const struct proc_io *io, struct err *e)
{
	int p[PIPES][2], r = open_pipes(p, e), status;
	_cleanup_err_ struct err inner = {0};
	struct supervisor s;
	pid_t pid;

	if (r < 0)
		return r;
	r = supervisor_prepare(in->spec, &s, e);
	pid = r < 0 ? r : start(in, number, cgroup, p, &s, e);
	if (pid < 0) {
		supervisor_close(&s);
		close_pipes(p);
		return pid;
	}
	p[IN][0] = close_fd(p[IN][0]);
	p[OUT][1] = close_fd(p[OUT][1]);
	p[ERR][1] = close_fd(p[ERR][1]);
	p[SYNC][0] = close_fd(p[SYNC][0]);
	p[REPORT][1] = close_fd(p[REPORT][1]);
	r = supervisor_start(&s, in->spec, pid, cgroup, e);
	if (r == 0)
		r = seal_guard(e);
	if (r == 0)
		r = map_ids(pid, in->tree, in->spec->uid_base, e);
	if (r == 0 && write(p[SYNC][1], "", 1) != 1)
		r = err_sys(e, "context");
	if (r < 0)
		p[SYNC][1] = close_fd(p[SYNC][1]); /* without the byte, the first process ends */
	status = proc_attend(pid, TAKE_FD(p[IN][1]), TAKE_FD(p[OUT][0]), TAKE_FD(p[ERR][0]), io,
			     in->argv ? in->argv[0] : "context", &inner);
	if (r == 0)
		r = read_report(p[REPORT][0], e);
	close_pipes(p);
	if (r == 0)
		r = supervisor_wait(&s, e);
	else
		supervisor_wait(&s, NULL);
	if (r < 0)
		return r;
	return status < 0 ? err_set(e, status, "%s", inner.msg) : status;
}

static int run(struct inside *in, const struct proc_io *io, struct err *e)
{
	_cleanup_close_ int tree = -1, dev = -1, packages = -1, cgroup = -1;
	uint32_t number;
	bool live;
	int r;

	tree = clone_tree(in->spec->root, e);
	if (tree < 0)
		return tree;
	dev = device_mount(in->spec->uid_base, in->spec->flags & CTX_STUBS, e);
	if (dev < 0)
		return dev;
	if (in->spec->packages >= 0) {
		packages = clone_packages(in->spec->packages, e);
		if (packages < 0)
			return packages;
	}
	cgroup = cgroup_new(&number, e);
	if (cgroup < 0)
		return cgroup;
	in->tree = tree;
	in->dev = dev;
	in->packages = packages;
	live = ctx_live();
	/* For the supervisor, which reads the guests' memory; they do not reach it. */
	r = live ? ctx_serve(number, e) : 0;
	if (r == 0)
		r = attend(in, number, cgroup, io, e);
	if (live)
		ctx_serve(0, NULL);
	cgroup_drop(number);
	return r;
}

int ctx_run(const struct ctx_spec *spec, const char *const *argv, const char *const *env, const struct proc_io *io,
	    struct err *e)
{
	return run(&(struct inside){.spec = spec, .argv = argv, .env = env}, io, e);
}

int ctx_call(const struct ctx_spec *spec, int (*fn)(void *), void *arg, const int *keep, size_t n_keep,
	     const struct proc_io *io, struct err *e)
{
	return run(&(struct inside){.spec = spec, .fn = fn, .arg = arg, .keep = keep, .n_keep = n_keep}, io, e);
}

int ctx_probe(struct err *e)
{
	uint32_t number;
	_cleanup_close_ int cgroup = -1;

	if (geteuid() != 0)
		return err_set(e, -EPERM, "only root may enter and change vservers; run this as root");
	cgroup = cgroup_new(&number, e);
	if (cgroup < 0)
		return cgroup;
	cgroup_drop(number);
	return 0;
}
