/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Trying out whether a process can be asked about another one's system calls, and answer with a value and a descriptor,
 * as the supervisor of contexts does.
 */
#include "kernel/probe.h"

#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ANSWER 4242
#define PATIENCE_MS 5000

/* The child: asks for its parent's number, and is lied to. The listener is in the table of descriptors that it shares
 * with the parent; its number goes through the pipe. */
static _Noreturn void ask(int pipe_w)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {ARRAY_LEN(code), code};
	int listener;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(1);
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (listener < 0)
		listener = -errno;
	if (write(pipe_w, &listener, sizeof(listener)) != sizeof(listener) || listener < 0)
		_exit(1);
	_exit(syscall(SYS_getppid) == ANSWER ? 0 : 2);
}

static int answer(int listener, int fd, struct err *e)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};
	struct seccomp_notif q = {0};
	struct seccomp_notif_resp a = {.val = ANSWER};
	struct seccomp_notif_addfd add = {.srcfd = (uint32_t)fd, .newfd_flags = O_CLOEXEC};

	if (poll(&p, 1, PATIENCE_MS) != 1)
		return err_set(e, -ETIMEDOUT, "the kernel does not tell of the system call");
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &q) < 0)
		return err_sys(e, "hearing of a system call");
	add.id = a.id = q.id;
	/* It shares our table, so the copy is ours to close. */
	fd = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	if (fd < 0)
		return err_sys(e, "answering a system call with a descriptor (Linux 5.9)");
	close(fd);
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &a) < 0 ? err_sys(e, "answering a system call") : 0;
}

static int serve(int pipe_r, struct err *e)
{
	int listener, r;

	if (read(pipe_r, &listener, sizeof(listener)) != sizeof(listener))
		return err_set(e, -EIO, "the process that asks ended");
	if (listener < 0)
		return err_set(e, listener, "a filter that notifies: %s", strerror(-listener));
	r = answer(listener, pipe_r, e);
	close(listener);
	return r;
}

int probe_notify(struct err *e)
{
	struct clone_args args = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
	int p[2], r, status = 0;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		ask(p[1]);
	r = pid < 0 ? err_sys(e, "a process to try it with") : serve(p[0], e);
	if (pid > 0 && r < 0)
		kill(pid, SIGKILL);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	close(p[0]);
	close(p[1]);
	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		r = err_set(e, -EOPNOTSUPP, "the kernel did not use the answer to a system call");
	return r;
}
