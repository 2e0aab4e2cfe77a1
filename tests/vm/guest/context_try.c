/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What one process may do to another, one try a call: exit status 0 when it was done, 1 with the error on standard
 * output when it was refused, 2 when the try itself went wrong. For tests of security contexts, natively and in the VM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int secret = 42; /* at the same address in every process of this static program */

static int done(int failed)
{
	if (!failed)
		return 0;
	printf("%s\n", strerror(errno));
	return 1;
}

/* ---- on a process
 * ---------------------------------------------------------------------------------------------------- */

static int try_kill(pid_t pid)
{
	return done(kill(pid, 0));
}
static int try_term(pid_t pid)
{
	return done(kill(pid, SIGTERM));
}
static int try_cont(pid_t pid)
{
	return done(kill(pid, SIGCONT));
}
static int try_tgkill(pid_t pid)
{
	return done((int)syscall(SYS_tgkill, pid, pid, 0));
}
static int try_queue(pid_t pid)
{
	return done(sigqueue(pid, 0, (union sigval){0}));
}

static int try_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return done(fd < 0 || syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) < 0);
}

static int try_getfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return done(fd < 0 || syscall(SYS_pidfd_getfd, fd, 1, 0) < 0);
}

static int try_setns(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return done(fd < 0 || setns(fd, CLONE_NEWUTS) < 0);
}

static int try_attach(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_ATTACH, pid, 0, 0) < 0)
		return done(1);
	waitpid(pid, &status, 0);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return 0;
}

static int try_seize(pid_t pid)
{
	return done(ptrace(PTRACE_SEIZE, pid, 0, 0) < 0);
}

static int try_vmread(pid_t pid)
{
	int got = 0;
	struct iovec to = {&got, sizeof(got)}, from = {(void *)&secret, sizeof(got)};

	return done(process_vm_readv(pid, &to, 1, &from, 1, 0) != sizeof(got) || got != 42);
}

static int try_kcmp(pid_t pid)
{
	return done(syscall(SYS_kcmp, getpid(), pid, KCMP_VM, 0, 0) < 0);
}

static int try_open(pid_t pid, const char *file, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d%s", (int)pid, file);
	return done(open(path, flags) < 0);
}

static int try_status(pid_t pid)
{
	return try_open(pid, "/status", O_RDONLY);
}
static int try_cmdline(pid_t pid)
{
	return try_open(pid, "/cmdline", O_RDONLY);
}
static int try_mem(pid_t pid)
{
	return try_open(pid, "/mem", O_RDONLY);
}
static int try_maps(pid_t pid)
{
	return try_open(pid, "/maps", O_RDONLY);
}
static int try_environ(pid_t pid)
{
	return try_open(pid, "/environ", O_RDONLY);
}
static int try_root(pid_t pid)
{
	return try_open(pid, "/root/", O_RDONLY | O_DIRECTORY);
}
static int try_dir(pid_t pid)
{
	return try_open(pid, "", O_RDONLY | O_DIRECTORY);
}
static int try_task(pid_t pid)
{
	return try_open(pid, "/task", O_RDONLY | O_DIRECTORY);
}
static int try_oom(pid_t pid)
{
	return try_open(pid, "/oom_score_adj", O_RDWR);
}
static int try_ns(pid_t pid)
{
	return try_open(pid, "/ns/uts", O_RDONLY);
}

static int try_stat(pid_t pid)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return done(stat(path, &st));
}

/* By a directory that was entered, which asks for no permission but the way's. */
static int try_chdir(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return done(chdir(path) < 0 || open("status", O_RDONLY) < 0);
}

static int try_nice(pid_t pid)
{
	return done(setpriority(PRIO_PROCESS, (id_t)pid, 5));
}
static int try_sched(pid_t pid)
{
	return done(sched_setscheduler(pid, SCHED_BATCH, &(struct sched_param){0}));
}
static int try_getsched(pid_t pid)
{
	return done(sched_getscheduler(pid) < 0);
}

static int try_affinity(pid_t pid)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return done(sched_setaffinity(pid, sizeof(set), &set));
}

static int try_ioprio(pid_t pid)
{
	return done((int)syscall(SYS_ioprio_set, 1, pid, 2 << 13 | 5));
}
static int try_getioprio(pid_t pid)
{
	return done(syscall(SYS_ioprio_get, 1, pid) < 0);
}

static int try_rlimit(pid_t pid)
{
	struct rlimit l = {100, 100};

	return done(prlimit(pid, RLIMIT_NOFILE, &l, NULL));
}

static int try_memory(pid_t pid)
{
	unsigned long from = 1, to = 1;

	return done(syscall(SYS_migrate_pages, pid, 2, &from, &to) < 0);
}

static int try_getpgid(pid_t pid)
{
	return done(getpgid(pid) < 0);
}
static int try_getsid(pid_t pid)
{
	return done(getsid(pid) < 0);
}

/* Whom a signal goes to that a descriptor sends. */
static int try_setown(pid_t pid)
{
	int p[2];

	return pipe(p) < 0 ? 2 : done(fcntl(p[0], F_SETOWN, pid) < 0);
}

static int try_setown_ioctl(pid_t pid)
{
	int s = socket(AF_UNIX, SOCK_STREAM, 0), who = pid;

	return s < 0 ? 2 : done(ioctl(s, 0x8901 /* FIOSETOWN */, &who) < 0);
}

static int try_setown_ex(pid_t pid)
{
	struct f_owner_ex ex = {.type = F_OWNER_PID, .pid = pid};
	int p[2];

	return pipe(p) < 0 ? 2 : done(fcntl(p[0], F_SETOWN_EX, &ex) < 0);
}

static const struct {
	const char *name;
	int (*try)(pid_t pid);
} on_process[] = {
	{"kill", try_kill},
	{"term", try_term},
	{"cont", try_cont},
	{"tgkill", try_tgkill},
	{"sigqueue", try_queue},
	{"pidfd", try_pidfd},
	{"getfd", try_getfd},
	{"setns", try_setns},
	{"attach", try_attach},
	{"seize", try_seize},
	{"vmread", try_vmread},
	{"kcmp", try_kcmp},
	{"status", try_status},
	{"cmdline", try_cmdline},
	{"mem", try_mem},
	{"maps", try_maps},
	{"environ", try_environ},
	{"root", try_root},
	{"dir", try_dir},
	{"task", try_task},
	{"oom", try_oom},
	{"ns", try_ns},
	{"stat", try_stat},
	{"chdir", try_chdir},
	{"nice", try_nice},
	{"sched", try_sched},
	{"getsched", try_getsched},
	{"affinity", try_affinity},
	{"ioprio", try_ioprio},
	{"getioprio", try_getioprio},
	{"rlimit", try_rlimit},
	{"memory", try_memory},
	{"getpgid", try_getpgid},
	{"getsid", try_getsid},
	{"setown", try_setown},
	{"setown-ioctl", try_setown_ioctl},
	{"setown-ex", try_setown_ex},
};

/* Something to be tried on. Prints its number. */
static int hold(void)
{
	printf("%d\n", (int)getpid());
	fflush(stdout);
	while (pause() <= 0)
		;
	return 2;
}

/* "self" is the process, "group" its group. */
static pid_t which(const char *word)
{
	if (strcmp(word, "self") == 0)
		return getpid();
	return strcmp(word, "group") == 0 ? -getpgrp() : atoi(word);
}

static int try_one(const char *what, const char *on)
{
	for (size_t i = 0; i < sizeof(on_process) / sizeof(*on_process); i++)
		if (strcmp(on_process[i].name, what) == 0)
			return on_process[i].try(which(on));
	fprintf(stderr, "unknown try: %s\n", what);
	return 2;
}

/* each PID TRY…: prints the names of those that were done, and of those that went wrong with a '?'. */
static int try_each(char **argv)
{
	const char *between = "";

	for (char **what = argv + 1; *what; what++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			if (!freopen("/dev/null", "w", stdout))
				_exit(2);
			_exit(try_one(*what, argv[0]));
		}
		waitpid(pid, &status, 0);
		if (status == 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 1) {
			printf("%s%s%s", between, *what, status ? "?" : "");
			between = " ";
		}
		fflush(stdout);
	}
	puts("");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 3 && strcmp(argv[1], "each") == 0)
		return try_each(argv + 2);
	if (argc == 2 && strcmp(argv[1], "hold") == 0)
		return hold();
	return try_one(argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "");
}
