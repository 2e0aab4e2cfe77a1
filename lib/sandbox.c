/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where parsers of outside data run: a process that can read the files it is given and compute, and nothing else.
 */
#include "lib/lib.h"

#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ASan reserves terabytes of addresses, which a limit on them would forbid. */
#if defined(__has_feature)
#define ADDRESS_SANITIZER __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#else
#define ADDRESS_SANITIZER 0
#endif

#define NOBODY 65534
#define MEMORY_LIMIT (4ull << 30)

/* What a parser has no business with. A deny-list on top of: no capability, no file but the copies, no network. */
static const char *const denied[] = {
	"socket",
	"socketpair",
	"connect",
	"bind",
	"listen",
	"accept",
	"accept4",
	"sendto",
	"sendmsg",
	"execve",
	"execveat",
	"fork",
	"vfork",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"kill",
	"tkill",
	"mount",
	"umount2",
	"pivot_root",
	"unshare",
	"setns",
	"bpf",
	"io_uring_setup",
	"userfaultfd",
	"perf_event_open",
	"keyctl",
	"add_key",
	"request_key",
	"open_by_handle_at",
	"name_to_handle_at",
	"init_module",
	"finit_module",
	"kexec_load",
	"chroot",
	"pidfd_open",
	"pidfd_getfd",
	"memfd_create",
};

static int lock_down_syscalls(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = f ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(denied); i++) {
		int nr = seccomp_syscall_resolve_name(denied[i]);

		if (nr != __NR_SCMP_ERROR)
			r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), nr, 0);
	}
	if (r == 0)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return r;
}

static void limit(int what, rlim_t value)
{
	setrlimit(what, &(struct rlimit){value, value});
}

static int lock_down(int rootfd, unsigned timeout)
{
	bool root = geteuid() == 0;

	if (root && unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) < 0)
		return -errno;
	/* Without root (tests, -n as a user) there is no chroot; the system call filter below still holds. */
	if (root) {
		if (rootfd >= 0 && fchdir(rootfd) < 0)
			return -errno;
		if (rootfd < 0 && chdir("/proc/self/fdinfo") < 0)
			return -errno;
		if (chroot(".") < 0)
			return -errno;
		if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		    setresuid(NOBODY, NOBODY, NOBODY) < 0)
			return -errno;
	} else if (rootfd >= 0 && fchdir(rootfd) < 0) {
		return -errno;
	}
	if (!ADDRESS_SANITIZER)
		limit(RLIMIT_AS, MEMORY_LIMIT);
	limit(RLIMIT_CPU, timeout ? timeout : 300);
	limit(RLIMIT_CORE, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return lock_down_syscalls();
}

static void shut_others(int out, int err, const int *keep, size_t n_keep)
{
	_cleanup_free_ int *all = xcalloc(n_keep + 2, sizeof(int));

	if (n_keep)
		memcpy(all, keep, n_keep * sizeof(int));
	all[n_keep] = out;
	all[n_keep + 1] = err;
	close_all_but(all, n_keep + 2);
}

static void child(int (*fn)(int, void *, struct err *), void *arg, int rootfd, const int *keep, size_t n_keep,
		  unsigned timeout, int out, int err)
{
	struct err e = {0};
	int r, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	r = lock_down(rootfd, timeout);
	if (r < 0) {
		errno = -r;
		r = err_sys(&e, "sandbox for reading outside data");
	} else {
		shut_others(out, err, keep, n_keep);
		r = fn(out, arg, &e);
	}
	if (write(err, &r, sizeof(r)) == (ssize_t)sizeof(r) && e.msg)
		(void)!write(err, e.msg, strnlen(e.msg, 8192));
	_exit(0);
}

int sandbox_call(int (*fn)(int out_fd, void *arg, struct err *e), void *arg, int rootfd, const int *keep, size_t n_keep,
		 unsigned timeout, struct buf *ret_out, struct err *e)
{
	int out[2], err[2], status, value;
	_cleanup_buf_ struct buf result = {0}, message = {0};
	char text[8192 + sizeof(int)];
	ssize_t n;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	if (pipe2(err, O_CLOEXEC) < 0) {
		close_fd(out[0]);
		close_fd(out[1]);
		return err_sys(e, "pipe");
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child(fn, arg, rootfd, keep, n_keep, timeout, out[1], err[1]);
	close_fd(out[1]);
	close_fd(err[1]);
	if (pid < 0) {
		close_fd(out[0]);
		close_fd(err[0]);
		return err_sys(e, "fork");
	}
	status = proc_attend(pid, -1, out[0], -1,
			     &(struct proc_io){.out = &result, .out_max = 1u << 30, .timeout = timeout}, "reading", e);
	while ((n = read(err[0], text, sizeof(text))) > 0)
		buf_add(&message, text, (size_t)n);
	close_fd(err[0]);
	if (status < 0)
		return status;
	if (status != 0 || message.len < sizeof(value))
		return err_set(e, -EBADMSG, "reading outside data ended by %s %d in its sandbox",
			       status > 128 ? "signal" : "status", status > 128 ? status - 128 : status);
	memcpy(&value, message.p, sizeof(value));
	if (value < 0)
		return err_set(e, value, "%.*s", (int)(message.len - sizeof(value)), message.p + sizeof(value));
	if (ret_out) {
		buf_add(&result, "", 0);
		*ret_out = result;
		result = (struct buf){0};
	}
	return value;
}
