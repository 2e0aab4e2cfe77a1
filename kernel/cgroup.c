/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The v2 cgroup of each context: what gives it its number, what it is frozen by, and where later programs attach.
 */
#include "kernel/internal.h"

#include <dirent.h>
#include <time.h>

#define FIRST_DYNAMIC 49152u /* as the 2001 kernel: numbers below are given by hand */
#define LAST_DYNAMIC 65535u

/* The directory where the host has its v2 hierarchy, from mountinfo; -ENOENT when it has none. */
static int unified_mount(char **ret_path)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		char *type = strstr(line, " - "), path[4096];

		if (type && strncmp(type, " - cgroup2 ", 11) == 0 && sscanf(line, "%*s %*s %*s %*s %4095s", path) == 1) {
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

/* rmdir succeeds on empty cgroups only, so this touches nobody's living context. */
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
	while ((de = readdir(d)))
		if (text_uint(de->d_name, FIRST_DYNAMIC, LAST_DYNAMIC, &number) == 0)
			unlinkat(home, de->d_name, AT_REMOVEDIR);
	closedir(d);
}

int cgroup_new(uint32_t *ret_number, struct err *e)
{
	/* The home may vanish between two steps when the last context of another caller goes: then once more. */
	for (int tries = 0; tries < 100; tries++) {
		_cleanup_close_ int home = cgroup_home(e);
		char name[16];

		if (home < 0)
			return home;
		for (uint32_t n = FIRST_DYNAMIC; n <= LAST_DYNAMIC; n++) {
			int fd;

			snprintf(name, sizeof(name), "%u", n);
			if (mkdirat(home, name, 0755) < 0) {
				if (errno == EEXIST)
					continue;
				if (errno == ENOENT || errno == ENODEV)
					break;
				return err_sys(e, "cgroup /vserver/%s", name);
			}
			fd = openat(home, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (fd >= 0) {
				*ret_number = n;
				return fd;
			}
		}
		sweep(home);
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
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	unlinkat(home, "../vserver", AT_REMOVEDIR);
}
