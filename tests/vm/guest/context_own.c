/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a process asks the kernel about its own context and its children's. One try a call: exit status 0 when it was
 * done, 1 with the error on standard output when it was refused, 2 when the try itself went wrong. For tests of
 * security contexts, natively (where all is refused) and in the VM.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/context.h"

static int done(int failed)
{
	if (!failed)
		return 0;
	printf("%s\n", strerror(errno));
	return 1;
}

static int ask(int op, const char *number)
{
	prctl(CONTEXT_PRCTL, op, (unsigned long)(unsigned)atoi(number), 0UL, 0);
	if (errno >= CONTEXT_DONE && errno < CONTEXT_DONE + 256)
		return errno - CONTEXT_DONE;
	return -1;
}

static int print_self(char **unused)
{
	int low = ask(CONTEXT_LOW, "0"), high = ask(CONTEXT_HIGH, "0");

	(void)unused;
	if (low < 0 || high < 0)
		return done(1);
	printf("%d\n", high << 8 | low);
	return 0;
}

static int try_enter(char **argv)
{
	return done(ask(CONTEXT_ENTER, argv[0]) < 0);
}

static void *idle(void *unused)
{
	pause();
	return unused;
}

static int try_enter_threaded(char **argv)
{
	pthread_t t;

	return pthread_create(&t, NULL, idle, NULL) ? 2 : try_enter(argv);
}

static char **to_execute;

static void *execute(void *unused)
{
	execvp(to_execute[0], to_execute);
	return unused;
}

/* A thread that is not the first becomes the command, and by that the first. */
static int exec_thread(char **argv)
{
	pthread_t t;

	to_execute = argv;
	if (pthread_create(&t, NULL, execute, NULL) == 0)
		pthread_join(t, NULL);
	return 2;
}

/* serve NUMBER COMMAND…: becomes the command, as one that serves that context. */
static int try_serve(char **argv)
{
	if (ask(CONTEXT_SERVE, argv[0]) < 0)
		return done(1);
	execvp(argv[1], argv + 1);
	return 2;
}

/* A child in another context asks this process to trace it. */
static int try_traceme(char **argv)
{
	int status;
	pid_t pid;

	if (ask(CONTEXT_CHILD, argv[0]) < 0)
		return 2;
	pid = fork();
	if (pid == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, 0, 0) < 0 ? errno : 0);
	waitpid(pid, &status, 0);
	errno = WEXITSTATUS(status);
	return done(status != 0);
}

static int can_open(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return open(path, O_RDONLY) >= 0;
}

/* A child that is born in another context can be signalled, looked at and waited for, and dies when it is told to; the
 * next one is born as usual. */
static int try_child(char **argv)
{
	int status, p[2];
	char self[16] = "", own[16] = "";
	pid_t pid;

	if (pipe(p) < 0 || ask(CONTEXT_CHILD, argv[0]) < 0)
		return done(1);
	for (int i = 0; i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			dup2(p[1], 1);
			print_self(NULL);
			fflush(stdout);
			pause();
		}
		if (pid < 0 || read(p[0], i ? own : self, sizeof(self) - 1) <= 0)
			return 2;
		if (!can_open(pid, "status") || !can_open(pid, "ns/uts") || kill(pid, SIGTERM) < 0 ||
		    waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
			return done(1);
	}
	return atoi(self) == atoi(argv[0]) && atoi(own) == 0 ? 0 : 2;
}

/* The kernel's own signal: when this process ends, its child in another context gets the signal that it ordered. */
static int try_pdeath(char **argv)
{
	int p[2], q[2];
	char c;
	pid_t pid;

	if (pipe(p) < 0 || pipe(q) < 0)
		return 2;
	pid = fork();
	if (pid == 0) {
		if (ask(CONTEXT_CHILD, argv[0]) < 0)
			_exit(1);
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(p[0]);
			(void)!write(q[1], "x", 1);
			for (;;)
				pause(); /* p[1] closes with it */
		}
		_exit(read(q[0], &c, 1) == 1 ? 0 : 1);
	}
	close(p[1]);
	alarm(10);
	return read(p[0], &c, 1) == 0 ? 0 : 2;
}

/* Starts up to so many processes, prints how many there came to be, and ends them. */
static int forks(char **argv)
{
	int n = 0;

	setsid();
	while (n < atoi(argv[0])) {
		pid_t pid = fork();

		if (pid == 0) {
			pause();
			_exit(0);
		}
		if (pid < 0)
			break;
		n++;
	}
	printf("%d\n", n);
	fflush(stdout);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	return 0;
}

static const struct {
	const char *name;
	int (*try)(char **argv);
	int args;
} tries[] = {
	{"self", print_self, 0},         {"enter", try_enter, 1},   {"enter-threaded", try_enter_threaded, 1},
	{"exec-thread", exec_thread, 1}, {"serve", try_serve, 2},   {"traceme", try_traceme, 1},
	{"child", try_child, 1},         {"pdeath", try_pdeath, 1}, {"forks", forks, 1},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(tries) / sizeof(*tries); i++)
		if (strcmp(tries[i].name, argv[1]) == 0 && argc >= 2 + tries[i].args)
			return tries[i].try(argv + 2);
	fprintf(stderr, "unknown try: %s\n", argc > 1 ? argv[1] : "");
	return 2;
}
