/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A vserver's package database, copied out of its tree: what reads it later takes paths and must not meet a hostile
 * one.
 */
#include "vpkg/tool.h"

static int copy_one(int tree, const char *path, int to_dir, const char *name, struct digest *d)
{
	_cleanup_close_ int from = path_open_file(tree, path, NULL), to = -1;
	uint8_t sum[DIGEST_LEN];
	int r;

	if (from < 0)
		return from;
	to = openat(to_dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (to < 0)
		return -errno;
	if (fchmod(to, 0644) < 0)
		return -errno;
	r = copy_data(from, to);
	if (r == 0)
		r = digest_fd(to, sum);
	if (r < 0)
		return r;
	digest_update(d, name, strlen(name) + 1);
	digest_update(d, sum, sizeof(sum));
	return 1;
}

static int copy_all(const struct vserver *v, const struct tool *t, int to, struct digest *d)
{
	for (const char *const *dir = t->database_dirs; *dir; dir++) {
		int found = 0;

		for (const char *const *file = t->database_files; *file; file++) {
			_cleanup_free_ char *path = xasprintf("%s/%s", *dir, *file);
			int r = copy_one(v->tree, path, to, *file, d);

			if (r < 0 && r != -ENOENT)
				return r;
			found += r > 0;
		}
		if (found)
			return 0;
	}
	return -ENOENT;
}

int database_copy(const struct vserver *v, const struct tool *t, char **ret_name, uint8_t ret_sum[DIGEST_LEN],
		  struct err *e)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int dir = repo_cache_temp("database", &name, e);
	struct digest *d;
	int r;

	if (dir < 0)
		return dir;
	d = digest_new();
	digest_update(d, v->arch ? v->arch : "", v->arch ? strlen(v->arch) : 0);
	r = copy_all(v, t, dir, d);
	digest_final(d, ret_sum);
	if (r < 0) {
		repo_cache_temp_drop(name);
		errno = -r;
		return err_sys(e, "%s: its package database", v->name);
	}
	*ret_name = TAKE_PTR(name);
	return TAKE_FD(dir);
}
