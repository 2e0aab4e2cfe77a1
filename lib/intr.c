/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Interrupts as a request, not an event: a signal sets a flag and makes a descriptor readable, and the work ends itself
 * at the next place where it can be ended or undone. A forked child starts with a flag and a descriptor of its own, so
 * that what is sent to one of several workers does not look to the others as if it had been sent to them.
 */
#include "lib/lib.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

static volatile sig_atomic_t pending;
static volatile sig_atomic_t wake = -1;

static void on_signal(int sig)
{
	int saved = errno, fd = wake;
	uint64_t one = 1;

	pending = 1;
	if (fd >= 0) {
		ssize_t n = write(fd, &one, sizeof(one));

		(void)n;
	}
	errno = saved;
}

/* The parent's counter is shared after a fork: replaced under the same number, which callers may hold. */
static void in_child(void)
{
	int own;

	if (wake < 0)
		return;
	own = eventfd(pending ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (own < 0 || dup3(own, wake, O_CLOEXEC) < 0)
		abort();
	close(own);
}

void intr_setup(void)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;

	if (wake >= 0)
		return;
	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake < 0 || pthread_atfork(NULL, NULL, in_child) != 0)
		abort();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < ARRAY_LEN(caught); i++) {
		/* nohup's choice stands. */
		if (caught[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		sigaction(caught[i], &act, NULL);
	}
}

bool intr_pending(void)
{
	return pending != 0;
}

int intr_fd(void)
{
	return wake;
}

int intr_check(struct err *e)
{
	return pending ? err_set(e, -EINTR, "interrupted") : 0;
}
