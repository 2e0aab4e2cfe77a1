/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The cache's tmp/: all that a run may leave when it is killed is below it, or a partial download. Each entry is locked
 * by whoever made it, so that what a dead one left is known, and goes at the next occasion.
 */
#include "repo/internal.h"

#include <dirent.h>
#include <sys/file.h>

static int temp_home(struct err *e)
{
	return cache_sub("tmp", e);
}

bool cache_lock(int dir, const char *name, int fd)
{
	struct stat mine, there;

	/* Before it was locked, its name may have gone: another's sweep, or the end of the work that it was for. */
	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 &&
	       fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && mine.st_ino == there.st_ino &&
	       mine.st_dev == there.st_dev;
}

void cache_sweep(int dir, bool (*keep)(const char *name))
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *de;

	if (!d) {
		close_fd(copy);
		return;
	}
	while ((de = readdir(d))) {
		_cleanup_close_ int fd = -1;

		if (de->d_name[0] == '.' || (keep && keep(de->d_name)))
			continue;
		fd = openat(dir, de->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && cache_lock(dir, de->d_name, fd))
			tree_remove(dir, de->d_name, NULL, NULL);
	}
	closedir(d);
}

void repo_cache_temp_sweep(void)
{
	_cleanup_close_ int home = temp_home(NULL);

	if (home >= 0)
		cache_sweep(home, NULL);
}

static int vanish(struct err *e)
{
	return err_set(e, -EAGAIN, "%s/var/cache/vpkg/tmp: what is made there vanishes, or cannot be locked",
		       place_sysroot());
}

int repo_cache_temp(const char *prefix, char **ret_name, struct err *e)
{
	_cleanup_close_ int home = temp_home(e);

	if (home < 0)
		return home;
	cache_sweep(home, NULL);
	for (int tries = 0; tries < 100; tries++) {
		_cleanup_free_ char *name = NULL;
		_cleanup_err_ struct err mine = {0};
		_cleanup_close_ int dir = path_mkdtemp(home, prefix, &name, &mine);

		if (dir < 0 && dir != -ENOENT)
			return err_set(e, dir, "%s", mine.msg);
		if (dir < 0 || !cache_lock(home, name, dir)) /* swept while it was made */
			continue;
		if (fchmod(dir, 0755) < 0)
			return err_sys(e, "%s", name);
		*ret_name = TAKE_PTR(name);
		return TAKE_FD(dir);
	}
	return vanish(e);
}

int cache_temp_file(const char *prefix, char **ret_name, struct err *e)
{
	_cleanup_close_ int home = temp_home(e);

	if (home < 0)
		return home;
	cache_sweep(home, NULL);
	for (unsigned i = 0; i < 10000; i++) {
		_cleanup_free_ char *name = xasprintf("%s.%d.%u", prefix, (int)getpid(), i);
		_cleanup_close_ int fd = openat(home, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

		if (fd < 0 && errno != EEXIST)
			return err_sys(e, "cannot write to %s/var/cache/vpkg/tmp", place_sysroot());
		if (fd < 0 || !cache_lock(home, name, fd))
			continue;
		*ret_name = TAKE_PTR(name);
		return TAKE_FD(fd);
	}
	return vanish(e);
}

void repo_cache_temp_drop(const char *name)
{
	_cleanup_close_ int home = name ? temp_home(NULL) : -1;

	if (home >= 0)
		tree_remove(home, name, NULL, NULL);
}
