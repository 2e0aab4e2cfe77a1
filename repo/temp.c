/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Temporary directories below the cache. Each is locked by whoever made it, so that what a killed run left is known and
 * goes at the next occasion.
 */
#include "repo/repo.h"

#include <dirent.h>
#include <sys/file.h>

static int temp_home(struct err *e)
{
	return place_dir("/var/cache/vpkg/tmp", 0755, e);
}

static void sweep(int home)
{
	int copy = openat(home, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *de;

	if (!d) {
		close_fd(copy);
		return;
	}
	while ((de = readdir(d))) {
		_cleanup_close_ int fd = -1;

		if (de->d_name[0] == '.')
			continue;
		fd = openat(home, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			tree_remove(home, de->d_name, NULL, NULL);
	}
	closedir(d);
}

void repo_cache_temp_sweep(void)
{
	_cleanup_close_ int home = temp_home(NULL);

	if (home >= 0)
		sweep(home);
}

int repo_cache_temp(const char *prefix, char **ret_name, struct err *e)
{
	_cleanup_close_ int home = temp_home(e);

	if (home < 0)
		return home;
	sweep(home);
	for (int tries = 0; tries < 100; tries++) {
		_cleanup_free_ char *name = NULL;
		_cleanup_close_ int dir = path_mkdtemp(home, prefix, &name, e);
		struct stat st;

		if (dir < 0)
			return dir;
		/* Between mkdir and lock somebody's sweep may have taken it. */
		if (flock(dir, LOCK_SH) < 0 || fstatat(home, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (fchmod(dir, 0755) < 0)
			return err_sys(e, "%s", name);
		*ret_name = TAKE_PTR(name);
		return TAKE_FD(dir);
	}
	return err_set(e, -EAGAIN, "%s/var/cache/vpkg/tmp: directories vanish while they are made", place_sysroot());
}

void repo_cache_temp_drop(const char *name)
{
	_cleanup_close_ int home = name ? temp_home(NULL) : -1;

	if (home >= 0)
		tree_remove(home, name, NULL, NULL);
}
