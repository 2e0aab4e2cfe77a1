/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The v2 cgroup of each context: what gives it its number, what it is frozen by, and where later programs attach.
 */
#include "kernel/internal.h"

#include <dirent.h>
#include <sys/file.h>
#include <time.h>

#define FIRST_DYNAMIC 49152u /* as the 2001 kernel: numbers below are given by hand */
#define LAST_DYNAMIC 57343u  /* those above are chcontext's (number.c), whose contexts have no caller that waits */

/* The directory where the host has its v2 hierarchy, from mountinfo; -ENOENT when it has none. */
static int unified_mount(char **ret_path)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		char *type = strstr(line, " - "), path[4096];

		if (type && strncmp(type, " - cgroup2 ", 11) == 0 &&
		    sscanf(line, "%*s %*s %*s %*s %4095s", path) == 1) {
			*ret_path = xstrdup(path);
			return 0;
		}
	}
	return -ENOENT;
}

/* With make false, a missing /vserver is -ENODEV: nothing runs, nothing needs it. */
static int open_home(bool make, struct err *e)
{
	_cleanup_free_ char *mount = NULL;
	_cleanup_close_ int top = -1;
	int fd;

	if (unified_mount(&mount) < 0)
		return err_set(e, -ENOENT,
			       "this host has no v2 cgroup hierarchy mounted; do: mkdir -p /sys/fs/cgroup/unified && "
			       "mount -t cgroup2 none /sys/fs/cgroup/unified");
	top = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_sys(e, "%s", mount);
	if (make && mkdirat(top, "vserver", 0755) < 0 && errno != EEXIST)
		return err_sys(e, "cgroup %s/vserver", mount);
	fd = openat(top, "vserver", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, -ENODEV, "cgroup %s/vserver is not there", mount);
	return fd < 0 ? err_sys(e, "cgroup %s/vserver", mount) : fd;
}

int cgroup_home(struct err *e)
{
	return open_home(true, e);
}

int cgroup_home_if_any(struct err *e)
{
	return open_home(false, e);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Removes the cgroups that dead callers left. A living caller holds a lock on its cgroup's directory from before the
 * first process is in it; rmdir refuses while one is. */
static void sweep(int home)
{
	int copy = openat(home, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *de;
	uint64_t number;

	if (!d) {
		close_fd(copy);
		return;
	}
	while ((de = readdir(d))) {
		_cleanup_close_ int fd = -1;

		if (text_uint(de->d_name, FIRST_DYNAMIC, LAST_DYNAMIC, &number) < 0)
			continue;
		fd = openat(home, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(home, de->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

static bool is_populated(int dir)
{
	_cleanup_close_ int fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char text[256];
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, 0) : -1;

	text[n > 0 ? n : 0] = 0;
	return strstr(text, "populated 1");
}

/* Kills what is in the cgroup, if its caller is dead, and waits for its end. */
static int end_orphan(int home, const char *name, int64_t end, struct err *e)
{
	_cleanup_close_ int dir = openat(home, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), kill_fd = -1;

	if (dir < 0 || flock(dir, LOCK_EX | LOCK_NB) < 0)
		return 0;
	/* Linux 5.14; before that the signal that each ordered for its caller's death is all, and enough. */
	kill_fd = openat(dir, "cgroup.kill", O_WRONLY | O_CLOEXEC);
	while (is_populated(dir)) {
		if (kill_fd >= 0 && write(kill_fd, "1", 1) < 0)
			kill_fd = close_fd(kill_fd);
		if (now_ms() >= end)
			return err_set(e, -ETIMEDOUT,
				       "cgroup /vserver/%s: its killed processes do not end; look for one in state D",
				       name);
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	}
	unlinkat(home, name, AT_REMOVEDIR);
	return 0;
}

int ctx_end_orphans(unsigned seconds, struct err *e)
{
	_cleanup_close_ int home = open_home(false, NULL);
	int64_t end = now_ms() + 1000 * (int64_t)seconds;
	DIR *d = home >= 0 ? fdopendir(openat(home, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) : NULL;
	struct dirent *de;
	uint64_t number;
	int r = 0;

	if (!d)
		return 0; /* nobody has a context */
	while (r == 0 && (de = readdir(d)))
		if (text_uint(de->d_name, FIRST_DYNAMIC, LAST_DYNAMIC, &number) == 0)
			r = end_orphan(home, de->d_name, end, e);
	closedir(d);
	return r;
}

/* Makes /vserver/NUMBER and locks it. -EEXIST: taken, try the next; -ENOENT: swept away under us. */
static int make(int home, uint32_t number, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct stat ours, there;
	char name[16];

	snprintf(name, sizeof(name), "%u", number);
	if (mkdirat(home, name, 0755) < 0)
		return err_sys(e, "cgroup /vserver/%s", name);
	fd = openat(home, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_SH) < 0 || fstat(fd, &ours) < 0 || fstatat(home, name, &there, 0) < 0)
		return err_sys(e, "cgroup /vserver/%s", name);
	/* Swept between mkdir and lock, and made again by somebody else: that one is theirs. */
	return ours.st_ino == there.st_ino ? TAKE_FD(fd) : err_set(e, -EEXIST, "cgroup /vserver/%s: taken", name);
}

int cgroup_new(uint32_t *ret_number, struct err *e)
{
	/* The home may vanish between two steps when the last context of another caller goes: then once more. */
	for (int tries = 0; tries < 100; tries++) {
		_cleanup_close_ int home = cgroup_home(e);

		if (home < 0)
			return home;
		sweep(home);
		for (uint32_t n = FIRST_DYNAMIC; n <= LAST_DYNAMIC; n++) {
			_cleanup_err_ struct err why = {0};
			int fd = make(home, n, &why);

			if (fd >= 0) {
				*ret_number = n;
				return fd;
			}
			if (fd == -ENOENT || fd == -ENODEV)
				break;
			if (fd != -EEXIST)
				return err_set(e, fd, "%s", why.msg);
		}
	}
	return err_set(e, -EAGAIN, "no free context number between %u and %u", FIRST_DYNAMIC, LAST_DYNAMIC);
}

void cgroup_drop(uint32_t number)
{
	_cleanup_close_ int home = open_home(false, NULL);
	char name[16];

	if (home < 0)
		return;
	snprintf(name, sizeof(name), "%u", number);
	/* A process that was just reaped may be counted for a moment longer. */
	for (int i = 0; i < 200 && unlinkat(home, name, AT_REMOVEDIR) < 0 && errno == EBUSY; i++)
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	sweep(home);
	unlinkat(home, "../vserver", AT_REMOVEDIR);
}
