/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What works here: each feature of the kernel that vservers rest on is tried out, by doing what they do with it and
 * looking whether the kernel did as it should. No version number decides anything; facts stand beside the verdict.
 */
#include "kernel/load.h"
#include "kernel/probe.h"
#include "kernel/window.h"

#include <linux/fs.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

/* The host's id that a mapped root has while things are tried. Nothing of it gets to any disk. */
#define TRY_UID 1879048192u

/* ---- cgroups ----------------------------------------------------------------------------------------------------- */

static int try_cgroup(int dir, struct err *e)
{
	uint32_t number;
	_cleanup_close_ int fd = cgroup_new(&number, e);

	if (fd < 0)
		return fd;
	cgroup_drop(number);
	return 0;
}

/* A process in a new cgroup, which waits to be ended. */
struct guinea {
	uint32_t number;
	int cgroup;
	pid_t pid;
};

static int guinea_start(struct guinea *g, struct err *e)
{
	struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD};

	g->cgroup = cgroup_new(&g->number, e);
	if (g->cgroup < 0)
		return g->cgroup;
	args.cgroup = (uint64_t)g->cgroup;
	g->pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (g->pid == 0)
		for (;;)
			pause();
	if (g->pid > 0)
		return 0;
	err_sys(e, "a process in a cgroup from its birth (clone3, Linux 5.7)");
	g->cgroup = close_fd(g->cgroup);
	cgroup_drop(g->number);
	return e ? e->status : -ENOSYS;
}

static void guinea_end(struct guinea *g)
{
	kill(g->pid, SIGKILL);
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
	g->cgroup = close_fd(g->cgroup);
	cgroup_drop(g->number);
}

static int try_freeze(int dir, struct err *e)
{
	struct guinea g;
	int r = guinea_start(&g, e);

	if (r < 0)
		return r;
	r = freeze_switch(g.cgroup, true);
	if (r == 0)
		r = freeze_wait(g.cgroup, 5000);
	freeze_switch(g.cgroup, false);
	guinea_end(&g);
	return r < 0 ? err_set(e, r, "cgroup.freeze: %s", strerror(-r)) : 0;
}

static bool ended(pid_t pid)
{
	siginfo_t info = {0};

	for (int i = 0; i < 1000; i++) {
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid)
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	}
	return false;
}

static int try_kill(int dir, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct guinea g;
	int r = guinea_start(&g, e);

	if (r < 0)
		return r;
	fd = openat(g.cgroup, "cgroup.kill", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		r = err_sys(e, "cgroup.kill");
	else if (!ended(g.pid))
		r = err_set(e, -EIO, "cgroup.kill: the process did not end");
	guinea_end(&g);
	return r;
}

/* ---- namespaces and mounts --------------------------------------------------------------------------------------- */

/* A child in a user namespace of its own with ids mapped to TRY_UID, ended by guinea_end. Returns the namespace. */
static int mapped_namespace(struct err *e)
{
	struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	int fd = -1, r = 0;

	if (pid == 0)
		for (;;)
			pause();
	if (pid < 0)
		return err_sys(e,
			       "a user namespace (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone)");
	for (int i = 0; r == 0 && i < 2; i++) {
		_cleanup_free_ char *path = xasprintf("/proc/%d/%s", (int)pid, i ? "gid_map" : "uid_map");
		_cleanup_close_ int map = open(path, O_WRONLY | O_CLOEXEC);

		if (map < 0 || dprintf(map, "0 %u %u\n", TRY_UID, CTX_IDS) < 0)
			r = err_sys(e, "%s", path);
	}
	if (r == 0) {
		_cleanup_free_ char *path = xasprintf("/proc/%d/ns/user", (int)pid);

		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			r = err_sys(e, "%s", path);
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? r : fd;
}

static int try_userns(int dir, struct err *e)
{
	_cleanup_close_ int fd = mapped_namespace(e);

	return fd < 0 ? fd : 0;
}

static int try_idmap(int dir, struct err *e)
{
	_cleanup_close_ int ns = mapped_namespace(e), mount = -1;
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};
	struct statx plain, mapped;

	if (ns < 0)
		return ns;
	attr.userns_fd = (uint64_t)ns;
	mount = open_tree(dir, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (mount < 0 || mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(e, "an idmapped mount of this file system");
	if (statx(dir, "", AT_EMPTY_PATH, STATX_UID, &plain) < 0 ||
	    statx(mount, "", AT_EMPTY_PATH, STATX_UID, &mapped) < 0)
		return err_sys(e, "an idmapped mount");
	if (plain.stx_uid >= CTX_IDS || mapped.stx_uid != TRY_UID + plain.stx_uid)
		return err_set(e, -EOPNOTSUPP, "an idmapped mount shows owner %u as %u, not as %u", plain.stx_uid,
			       mapped.stx_uid, TRY_UID + plain.stx_uid);
	return 0;
}

/* ---- the two seals ----------------------------------------------------------------------------------------------- */

static int try_immutable(int dir, struct err *e)
{
	_cleanup_close_ int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int again, r;

	if (fd < 0)
		return err_sys(e, "a temporary file to try it on");
	r = seal_set_firm(fd, e);
	if (r < 0)
		return r;
	again = path_reopen(fd, O_WRONLY);
	if (again >= 0) {
		close(again);
		r = err_set(e, -EOPNOTSUPP, "a file with the attribute can be opened for writing");
	} else if (fchmod(fd, 0644) == 0) {
		r = err_set(e, -EOPNOTSUPP, "the mode of a file with the attribute can be changed");
	}
	seal_clear(fd, NULL);
	return r;
}

static int try_lsm(int dir, struct err *e)
{
	return probe_lsm(e);
}

static int try_cgroup_programs(int dir, struct err *e)
{
	return probe_cgroup(e);
}

static int try_sk_lookup(int dir, struct err *e)
{
	return probe_sk_lookup(e);
}

static int try_btf(int dir, struct err *e)
{
	int r = kernel_types();

	kernel_forget_types();
	return r < 0 ? err_set(e, r, "the kernel's own types, /sys/kernel/btf/vmlinux: %s", strerror(-r)) : 0;
}

static int try_notify(int dir, struct err *e)
{
	return probe_notify(e);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	bool necessary, on_disk; /* on_disk: it is the file system of the vservers that is asked */
	int (*try)(int dir, struct err *e);
	const char *without, *remedy;
} features[] = {
	{"cgroup v2 /vserver", true, false, try_cgroup, "no vserver can run",
	 "mount the v2 hierarchy writable: mount -t cgroup2 none /sys/fs/cgroup/unified (or boot with systemd's "
	 "default)"},
	{"cgroup.freeze", true, false, try_freeze,
	 "shared files cannot be replaced while vservers run, as none could be kept from reaching them meanwhile",
	 "Linux 5.2 or newer"},
	{"cgroup.kill", false, false, try_kill, "what a killed vpkg leaves is ended by signals, process after process",
	 "Linux 5.14 or newer"},
	{"user namespaces", true, false, try_userns, "no vserver can run",
	 "sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1"},
	{"idmapped mounts", true, true, try_idmap, "no vserver can run",
	 "put /vservers on ext4 or xfs (Linux 5.12) or btrfs (5.15)"},
	{"seccomp notification", false, false, try_notify,
	 "where the immutable attribute seals shared files, a vserver's own apt or rpm cannot replace them; vpkg can",
	 "Linux 5.9 or newer with CONFIG_SECCOMP_FILTER"},
	{"immutable attribute", true, true, try_immutable, "no files are shared",
	 "put /vservers on ext4, xfs or btrfs; run as root with CAP_LINUX_IMMUTABLE"},
	{"BTF", false, false, try_btf, "no BPF program of vpkg can be loaded",
	 "a kernel with CONFIG_DEBUG_INFO_BTF, as Debian's"},
	{"BPF cgroup programs", false, false, try_cgroup_programs,
	 "addresses are not locked: a vserver reaches all of the host's; NETNS=yes gives it a network of its own",
	 "a kernel with CONFIG_CGROUP_BPF; run as root of the host, not in a container"},
	{"BPF sk_lookup", false, false, try_sk_lookup,
	 "vservers with several addresses cannot all listen on 0.0.0.0 and one port", "Linux 5.9 or newer"},
	{"BPF LSM", false, false, try_lsm,
	 "the seal is the immutable attribute with a supervisor, and contexts rest on namespaces alone (chcontext(8))",
	 "a kernel with CONFIG_BPF_LSM, and bpf in its list of security modules (boot with lsm=…,bpf)"},
};

int feature_list(int vservers, struct feature **ret, size_t *ret_n, struct err *e)
{
	struct feature *list = xcalloc(ARRAY_LEN(features), sizeof(*list));

	for (size_t i = 0; i < ARRAY_LEN(features); i++) {
		_cleanup_err_ struct err why = {0};
		int r = intr_check(e);

		if (r == 0 && features[i].on_disk && vservers < 0)
			r = err_set(&why, -ENOENT, "there is no directory to try it in");
		else if (r == 0)
			r = features[i].try(vservers, &why);
		if (r == -EINTR) {
			feature_free(list, i);
			return intr_check(e);
		}
		list[i] = (struct feature){
			.name = features[i].name,
			.necessary = features[i].necessary,
			.works = r == 0,
			.why = xstrdup(why.msg ? why.msg : ""),
			.without = features[i].without,
			.remedy = features[i].remedy,
		};
	}
	*ret = list;
	*ret_n = ARRAY_LEN(features);
	return 0;
}

void feature_free(struct feature *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		free(list[i].why);
	free(list);
}
