/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A context's first process: it waits for its id maps, makes the tree its root, drops what a vserver has no business
 * with, starts the command and reaps. When it ends, the kernel ends everything in the context.
 */
#include "kernel/inside.h"
#include "kernel/supervise.h"

#include <grp.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Everything that administering one's own files and users needs, nothing that reaches the machine. */
static const cap_value_t allowed[] = {
	CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,           CAP_FSETID,     CAP_KILL,    CAP_SETGID,
	CAP_SETUID, CAP_SETPCAP,      CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT, CAP_SETFCAP, CAP_AUDIT_WRITE,
};

/* Says what failed and ends; the caller's ctx_run makes an error of it. */
static _Noreturn void give_up(const struct inside *in, const char *what)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "%d %s", errno, what);

	(void)!write(in->report, text, (size_t)n);
	_exit(125);
}

/* A directory right below the tree's root, never through a symlink that a guest put there; made when missing. */
static int mount_point(const struct inside *in, int dir, const char *name)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int fd;

	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		give_up(in, name);
	fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
	if (fd < 0)
		give_up(in, name);
	return fd;
}

static void attach(const struct inside *in, int mount, int dir, const char *name)
{
	_cleanup_close_ int at = mount_point(in, dir, name);

	if (move_mount(mount, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		give_up(in, name);
}

static int new_mount(const struct inside *in, const char *type, const char *const (*options)[2], unsigned attrs)
{
	_cleanup_close_ int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	for (; fs >= 0 && options && (*options)[0]; options++)
		if (fsconfig(fs, (*options)[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, (*options)[0], (*options)[1],
			     0) < 0)
			give_up(in, type);
	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		give_up(in, type);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, attrs);
	if (fd < 0)
		give_up(in, type);
	return fd;
}

/* Makes the tree the root of this mount namespace and lets go of the host's. */
static void enter_tree(const struct inside *in)
{
	static const char *const pts_options[][2] = {
		{"newinstance", NULL}, {"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}, {NULL, NULL}};
	int proc, pts, dev;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		give_up(in, "making mounts private");
	proc = new_mount(in, "proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	pts = new_mount(in, "devpts", pts_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (move_mount(in->tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		give_up(in, "attaching the tree");
	if (fchdir(in->tree) < 0)
		give_up(in, "entering the tree");
	attach(in, proc, in->tree, "proc");
	attach(in, in->dev, in->tree, "dev");
	/* Below the mounted /dev: in->dev is its root now. */
	dev = in->dev;
	attach(in, pts, dev, "pts");
	if (in->packages >= 0) {
		_cleanup_close_ int vpkg = mount_point(in, dev, "vpkg");

		attach(in, in->packages, vpkg, "pkg");
	}
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		give_up(in, "pivot_root");
}

static void become_root(const struct inside *in)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		give_up(in, "becoming root of the context");
	/* After the change of ids, which would clear it. The caller holds the other end of sync all the time: if it is
	 * closed, the caller died before the signal was ordered. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		give_up(in, "PR_SET_PDEATHSIG");
	if (poll(&(struct pollfd){.fd = in->sync}, 1, 0) != 0)
		_exit(125);
	/* A guest's root must not trace this image of a host program. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		give_up(in, "PR_SET_DUMPABLE");
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		give_up(in, "leaving the host's keyring");
}

static void loopback_up(const struct inside *in)
{
	_cleanup_close_ int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};

	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &ifr) < 0)
		give_up(in, "loopback");
}

static void drop_capabilities(const struct inside *in)
{
	cap_t caps = cap_init();
	int r;

	for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++) {
		bool keep = false;

		for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
			keep |= allowed[i] == c;
		if (!keep && cap_drop_bound(c) < 0)
			give_up(in, "capabilities");
	}
	r = cap_set_flag(caps, CAP_PERMITTED, ARRAY_LEN(allowed), allowed, CAP_SET);
	if (r == 0)
		r = cap_set_flag(caps, CAP_EFFECTIVE, ARRAY_LEN(allowed), allowed, CAP_SET);
	if (r == 0)
		r = cap_set_proc(caps);
	cap_free(caps);
	if (r < 0)
		give_up(in, "capabilities");
}

/* This image's command line is the caller's, and /proc/1/cmdline is readable for everybody in the context: names of
 * other vservers, a URL with a password. The strings stay, since fn and argv may point into them; only the kernel's
 * idea of where they are becomes empty. A kernel without checkpoint/restore cannot; Debian's have it. */
static void forget_command_line(const struct inside *in)
{
	_cleanup_close_ int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	struct prctl_mm_map map = {.exe_fd = (uint32_t)-1, .brk = (uint64_t)(uintptr_t)sbrk(0)};
	unsigned long long f[52] = {0};
	char text[2048], *p;
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	text[n > 0 ? n : 0] = 0;
	p = strrchr(text, ')');
	if (!p || strlen(p) < 4)
		give_up(in, "/proc/self/stat");
	p += 3; /* field 3 is a letter */
	for (size_t i = 4; i < ARRAY_LEN(f); i++)
		f[i] = strtoull(p, &p, 10);
	map.start_code = f[26];
	map.end_code = f[27];
	map.start_stack = f[28];
	map.start_data = f[45];
	map.end_data = f[46];
	map.start_brk = f[47];
	map.arg_start = map.arg_end = f[48];
	map.env_start = map.env_end = f[50];
	if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0 && errno != EINVAL)
		give_up(in, "PR_SET_MM_MAP");
}

static void command_io(const struct inside *in)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[3] = {in->in, in->out, in->err};

	if (null < 0)
		give_up(in, "/dev/null");
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i] >= 0 ? fds[i] : null, i) < 0)
			give_up(in, "standard streams");
}

static _Noreturn void run_program(const struct inside *in)
{
	static const char plain[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static const char stubbed[] =
		"PATH=" CTX_DIR "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static const char *const stub_env[] = {"SYSTEMD_OFFLINE=1", "DEBIAN_FRONTEND=noninteractive",
					       "DEBCONF_NONINTERACTIVE_SEEN=true", "RUNLEVEL=1"};
	bool stubs = in->spec->flags & CTX_STUBS;
	const char *path = stubs ? stubbed : plain;
	struct strv env = {0};
	int missing;

	strv_add(&env, path);
	strv_add(&env, "HOME=/root");
	strv_add(&env, "TERM=dumb");
	strv_add(&env, "LANG=C.UTF-8");
	for (size_t i = 0; stubs && i < ARRAY_LEN(stub_env); i++)
		strv_add(&env, stub_env[i]);
	for (const char *const *v = in->env; v && *v; v++)
		strv_add(&env, *v);
	/* execvpe looks in our own PATH, so that one has to be the context's. */
	setenv("PATH", path + 5, 1);
	execvpe(in->argv[0], (char *const *)in->argv, env.v);
	missing = errno == ENOENT || errno == ENOTDIR;
	dprintf(STDERR_FILENO, "%s: %s\n", in->argv[0], missing ? "command not found" : strerror(errno));
	_exit(missing ? 127 : 126);
}

static _Noreturn void command(const struct inside *in)
{
	setsid();
	command_io(in);
	close_all_but(in->keep, in->n_keep);
	if (in->fn)
		_exit(in->fn(in->arg));
	run_program(in);
}

static void on_child(int sig) {}

/* Reaps whatever ends here, until the command does; its status becomes the context's. Ends when the supervisor has
 * ended: without it, calls that it would be asked about fail in a way that no program expects. */
static _Noreturn void reap(pid_t main_pid, int supervisor)
{
	struct pollfd p = {.fd = supervisor, .events = POLLIN};
	sigset_t child, none;

	/* A child's end interrupts ppoll, and nothing else: none gets lost before it. */
	sigemptyset(&none);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signal(SIGCHLD, on_child);
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid == main_pid)
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		if (pid < 0 && errno != EINTR)
			_exit(125);
		if (pid == 0 && ppoll(&p, 1, NULL, &none) > 0)
			_exit(125);
	}
}

_Noreturn void inside_main(const struct inside *in)
{
	sigset_t none;
	char byte;
	pid_t pid;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (read(in->sync, &byte, 1) != 1)
		_exit(125);
	become_root(in);
	umask(022);
	if (unshare(CLONE_NEWCGROUP) < 0)
		give_up(in, "cgroup namespace");
	if (sethostname(in->spec->hostname ? in->spec->hostname : "vserver",
			strlen(in->spec->hostname ? in->spec->hostname : "vserver")) < 0)
		give_up(in, "host name");
	if (in->spec->flags & CTX_NO_NET)
		loopback_up(in);
	enter_tree(in);
	errno = -filter_load(in->spec->flags & CTX_NO_FLUSH);
	if (errno)
		give_up(in, "system call filter");
	if (in->supervisor >= 0) {
		errno = -supervise_submit(in->supervisor, in->spec->flags & CTX_COW);
		if (errno)
			give_up(in, "the supervisor's filter (needs Linux 5.5 or newer)");
	}
	drop_capabilities(in);
	forget_command_line(in);
	pid = fork();
	if (pid < 0)
		give_up(in, "fork");
	if (pid == 0)
		command(in);
	if (in->supervisor > 0)
		dup2(in->supervisor, 0);
	close_range(in->supervisor >= 0, ~0u, 0);
	reap(pid, in->supervisor >= 0 ? 0 : -1);
}
