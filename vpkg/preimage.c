/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keeping what a transaction may change: hard links to what will be replaced, copies of what may be edited in place,
 * and the sealed links of shared files, which leave the tree for the time that a private copy stands in for them.
 */
#include "vpkg/manifest.h"
#include "vpkg/slice.h"

#define UNNOTICED (1u << 20) /* bytes that are copied in a few milliseconds */

static int changed(const struct entry *en, struct err *e)
{
	return err_set(e, -EAGAIN, "%s: changed while it was being kept; run again", en->path);
}

static int try_copy(int from_dir, const char *name, int undo, const char *as, struct entry *en, struct stat *before,
		    struct stat *after)
{
	_cleanup_close_ int handle = openat(from_dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), from = -1, to = -1;
	struct stat st;
	int r;

	/* What was a file when it was recorded may be a fifo by now: only a file is opened. */
	if (handle < 0 || fstat(handle, before) < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	if (!S_ISREG(before->st_mode))
		return -EAGAIN;
	from = path_reopen(handle, O_RDONLY | O_NONBLOCK | O_NOATIME);
	if (from < 0)
		return from;
	to = openat(undo, as, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = copy_data(from, to);
	if (r == 0)
		r = copy_meta(from, to);
	if (r == 0 && (fstat(to, &st) < 0 || fstat(from, after) < 0))
		r = -errno;
	en->keep_ino = r < 0 ? 0 : st.st_ino;
	return r;
}

/* A copy of what the file is now; the record follows what a running guest did to it since. */
static int keep_copy(int from_dir, const char *name, int undo, const char *as, struct entry *en, struct err *e)
{
	struct stat before, after;

	for (int tries = 0; tries < 5; tries++) {
		int r = try_copy(from_dir, name, undo, as, en, &before, &after);

		if (r < 0 && r != -EAGAIN) {
			errno = -r;
			return err_sys(e, "%s: keeping a copy", en->path);
		}
		if (r == 0 && before.st_ctim.tv_sec == after.st_ctim.tv_sec &&
		    before.st_ctim.tv_nsec == after.st_ctim.tv_nsec && before.st_size == after.st_size) {
			entry_set(en, &after);
			return 0;
		}
		unlinkat(undo, as, 0);
	}
	return changed(en, e);
}

/* A hard link to exactly the inode that was recorded. */
static int keep_link(int from_dir, const char *name, int undo, const char *as, struct entry *en, struct err *e)
{
	struct stat st;

	if (linkat(from_dir, name, undo, as, 0) < 0)
		return err_sys(e, "%s: keeping a link", en->path);
	if (fstatat(undo, as, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "%s: keeping a link", en->path);
	if (st.st_ino != en->ino)
		return changed(en, e);
	en->keep_ino = st.st_ino;
	return 0;
}

int preimage_keep(int tree, struct manifest *m, int undo, struct err *e)
{
	_cleanup_close_ int dir = -1;
	size_t dir_len = 0;
	const char *of = NULL;

	for (size_t i = 0; i < m->n; i++) {
		struct entry *en = &m->v[i];
		const char *slash = strrchr(en->path, '/'), *name = slash ? slash + 1 : en->path;
		size_t len = (size_t)(name - en->path);
		char as[24];
		int r;

		if (en->keep != KEEP_LINK && en->keep != KEEP_COPY)
			continue;
		/* Entries of a directory mostly follow each other: its descriptor serves them all. */
		if (dir < 0 || len != dir_len || strncmp(of, en->path, len) != 0) {
			close_fd(dir);
			dir = path_parent(tree, en->path, &name);
			if (dir < 0) {
				errno = -dir;
				return err_sys(e, "%s: keeping it", en->path);
			}
			of = en->path;
			dir_len = len;
		}
		snprintf(as, sizeof(as), "%zu", i);
		r = (en->keep == KEEP_COPY ? keep_copy : keep_link)(dir, name, undo, as, en, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int preimage_unshare(int tree, const struct manifest *m, int undo, struct err *e)
{
	_cleanup_(slice_end) struct slice slice = {0};

	for (size_t i = 0; i < m->n; i++) {
		char as[24];
		int r;

		if (m->v[i].keep != KEEP_SEAL)
			continue;
		snprintf(as, sizeof(as), "%zu", i);
		/* Nobody stands still while much is copied. */
		if (m->v[i].size > UNNOTICED) {
			slice_end(&slice);
			r = 0;
		} else {
			r = slice_next(&slice, e);
		}
		if (r == 0)
			r = unify_unshare(tree, m->v[i].path, undo, as, e);
		if (r < 0)
			return err_wrap(e, "private copy of %s", m->v[i].path);
	}
	return 0;
}
