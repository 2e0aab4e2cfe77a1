/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Freezing every context at once, through the v2 cgroup /vserver of which each context is a child. A frozen process is
 * outside of system calls, so once all are frozen no guest's operation is under way anywhere.
 *
 * The lock among several freezers is an flock on the cgroup's own directory, so that it exists exactly once for what it
 * protects. While frozen, a child cgroup "hold" keeps the directory from being removed and made anew, unfrozen, beside
 * us.
 */
#include "kernel/internal.h"
#include "kernel/window.h"

#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/time.h>
#include <time.h>

#define HOLD "hold"
#define LOCK_SECONDS 20

static void on_alarm(int sig) {}

/* flock with a limit: an interval timer interrupts it, again and again, lest the first signal came before the wait. */
static int lock_dir(int fd, struct err *e)
{
	const struct itimerval limit = {.it_value.tv_sec = LOCK_SECONDS, .it_interval.tv_usec = 100000}, none = {0};
	struct sigaction sa = {.sa_handler = on_alarm}, old;
	int r;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	sigaction(SIGALRM, &sa, &old);
	setitimer(ITIMER_REAL, &limit, NULL);
	r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
	setitimer(ITIMER_REAL, &none, NULL);
	sigaction(SIGALRM, &old, NULL);
	if (r == -EINTR)
		return err_set(e, -EBUSY,
			       "cgroup /vserver: another process has kept the vservers frozen for %d s; "
			       "look for a stopped vpkg or vunify",
			       LOCK_SECONDS);
	if (r < 0)
		return err_set(e, r, "cgroup /vserver: cannot lock: %s", strerror(-r));
	return 0;
}

int freeze_switch(int cgroup, bool on)
{
	_cleanup_close_ int fd = openat(cgroup, "cgroup.freeze", O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, on ? "1" : "0", 1) != 1 ? -errno : 0;
}

bool freeze_is_on(int cgroup)
{
	_cleanup_close_ int fd = openat(cgroup, "cgroup.freeze", O_RDONLY | O_CLOEXEC);
	char c = '0';

	return fd >= 0 && read(fd, &c, 1) == 1 && c == '1';
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits for "frozen 1" in cgroup.events. The kernel tells of a change there at most every 10 ms, while freezing takes
 * less than one: so it is looked at again and again, less often the longer it lasts. */
int freeze_wait(int cgroup, unsigned ms)
{
	_cleanup_close_ int fd = openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);
	int64_t end = now_ms() + ms;

	if (fd < 0)
		return -errno;
	for (long pause = 10000;; pause = pause < 1000000 ? 2 * pause : pause) {
		struct pollfd p = {.fd = fd, .events = POLLPRI};
		char text[256];
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

		if (n < 0)
			return -errno;
		text[n] = '\0';
		if (strstr(text, "frozen 1"))
			return 0;
		if (now_ms() >= end)
			return -ETIMEDOUT;
		if (ppoll(&p, 1, &(struct timespec){.tv_nsec = pause}, NULL) < 0 && errno != EINTR)
			return -errno;
	}
}

/* Opens and locks /vserver and makes the child that keeps it alive. A directory that was removed between any two steps
 * (-ENOENT) is made and opened anew; only where it never can be is -ENOENT the answer. */
static int hold_dir(struct err *e)
{
	for (int tries = 0; tries < 50; tries++) {
		_cleanup_err_ struct err why = {0};
		_cleanup_close_ int dir = cgroup_home(&why);
		int r;

		if (dir == -ENOENT)
			continue;
		if (dir < 0)
			return err_set(e, dir, "%s", why.msg);
		r = lock_dir(dir, e);
		if (r < 0)
			return r;
		if (mkdirat(dir, HOLD, 0755) == 0 || errno == EEXIST)
			return TAKE_FD(dir);
		if (errno != ENOENT && errno != ENODEV)
			return err_sys(e, "cgroup /vserver: cannot make " HOLD);
	}
	return -ENOENT;
}

int freeze_begin(struct freeze *ret, unsigned ms, struct err *e)
{
	int dir = hold_dir(e), r;

	clock_gettime(CLOCK_MONOTONIC, &ret->since);
	if (dir == -ENOENT) {
		ret->dir = -1; /* without a v2 hierarchy no context can be made */
		return 0;
	}
	if (dir < 0)
		return dir;
	r = freeze_switch(dir, true);
	if (r == 0)
		r = freeze_wait(dir, ms);
	if (r < 0) {
		struct freeze f = {.dir = dir};

		freeze_end(&f);
		return err_set(e, r,
			       "cgroup /vserver: the vservers' processes cannot be frozen (%s); look for one in state "
			       "D and try again",
			       strerror(-r));
	}
	ret->dir = dir;
	return 0;
}

void freeze_end(struct freeze *f)
{
	if (f->dir < 0)
		return;
	freeze_switch(f->dir, false);
	unlinkat(f->dir, HOLD, AT_REMOVEDIR);
	f->dir = close_fd(f->dir);
}

void freeze_tidy(void)
{
	_cleanup_close_ int dir = -1, up = -1;
	struct err e = {0};

	dir = cgroup_home(&e);
	err_clear(&e);
	if (dir < 0)
		return;
	up = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (up >= 0)
		unlinkat(up, "vserver", AT_REMOVEDIR); /* EBUSY while there is a context */
}
