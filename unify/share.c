/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The way back, for one path that a package tool is about to replace: a private copy in its place, with the sealed link
 * kept beside as the pre-image; and the pre-image back in its place.
 */
#include "unify/internal.h"

#include <linux/fs.h>

/* Opens the sealed regular file that name is (O_RDONLY) into *ret_fd: 1, or 0 when it is none. */
static int open_sealed(int dir, const char *name, const char *path, int *ret_fd, struct statx *stx, struct err *e)
{
	_cleanup_close_ int handle = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int fd;

	if (handle < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", path);
	fd = seal_stat(handle, "", stx);
	if (fd < 0)
		return err_set(e, fd, "%s: %s", path, strerror(-fd));
	if (!S_ISREG(stx->stx_mode) || !seal_is(stx))
		return 0;
	fd = path_reopen(handle, O_RDONLY | O_NONBLOCK | O_NOATIME);
	if (fd < 0)
		return err_set(e, fd, "%s: cannot read: %s", path, strerror(-fd));
	*ret_fd = fd;
	return 1;
}

static int copy_to(int from, int dir, const char *name, struct err *e)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return err_sys(e, "pre-image %s", name);
	r = copy_data(from, fd);
	if (r == 0)
		r = copy_meta(from, fd);
	if (r == 0)
		return 0;
	unlinkat(dir, name, 0);
	return err_set(e, r, "pre-image %s: cannot copy: %s", name, strerror(-r));
}

static bool is_inode(int dir, const char *name, const struct statx *as)
{
	struct statx now;

	return statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_INO, &now) == 0 && now.stx_ino == as->stx_ino &&
	       now.stx_dev_major == as->stx_dev_major && now.stx_dev_minor == as->stx_dev_minor;
}

static int parent(int tree, const char *path, const char **ret_name, struct err *e)
{
	int dir = path_parent(tree, path, ret_name);

	return dir < 0 ? err_set(e, dir, "%s: cannot open its directory: %s", path, strerror(-dir)) : dir;
}

int unify_unshare(int tree, const char *path, int keep_dir, const char *keep_name, struct err *e)
{
	_cleanup_close_ int dir = -1;
	const char *name;
	int r;

	dir = path_parent(tree, path, &name);
	if (dir == -ENOENT || dir == -ENOTDIR) {
		dir = -1;
		return 0;
	}
	if (dir < 0)
		return parent(tree, path, &name, e);
	/* The guest may be running and replace the path at any moment: then what was kept is not what was copied. */
	for (int tries = 0; tries < 10; tries++) {
		_cleanup_close_ int fd = -1;
		struct statx stx;

		r = open_sealed(dir, name, path, &fd, &stx, e);
		if (r <= 0)
			return r;
		r = copy_to(fd, keep_dir, keep_name, e);
		if (r < 0)
			return r;
		r = seal_rename(keep_dir, keep_name, dir, name, RENAME_EXCHANGE, e);
		if (r == 0 && is_inode(keep_dir, keep_name, &stx))
			return 1;
		if (r == 0)
			r = seal_rename(keep_dir, keep_name, dir, name, RENAME_EXCHANGE, e);
		if (r < 0 && r != -ENOENT)
			err_wrap(e, "%s", path);
		seal_unlink(keep_dir, keep_name, NULL);
		if (r < 0 && r != -ENOENT)
			return r;
		err_clear(e);
	}
	return err_set(e, -EAGAIN, "%s: the vserver keeps replacing it; stop what does so and try again", path);
}

int unify_restore(int tree, const char *path, int keep_dir, const char *keep_name, struct err *e)
{
	const char *name;
	_cleanup_close_ int dir = parent(tree, path, &name, e);
	int r;

	if (dir < 0) {
		r = dir;
		dir = -1;
		return r;
	}
	r = seal_rename(keep_dir, keep_name, dir, name, 0, e);
	if (r < 0)
		return err_wrap(e, "%s: cannot bring back", path);
	/* rename() does nothing where both names are the same inode. */
	if (faccessat(keep_dir, keep_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return seal_unlink(keep_dir, keep_name, e);
	return 0;
}
