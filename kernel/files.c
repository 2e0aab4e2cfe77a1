/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files named on a command line, and what is below them. tree_walk goes no further than one mount: what is mounted
 * below is a walk of its own.
 */
#include "kernel/files.h"

struct visit {
	const struct files *f;
	const char *prefix; /* the path of the walk's root, without slash at its end */
	uint64_t mount;     /* its mount */
};

static void walk(int dir, const char *path, const struct files *f);

static int fail(const struct files *f, const char *path, int error)
{
	_cleanup_free_ char *shown = text_escape(path, strlen(path));
	_cleanup_free_ char *message = xasprintf("%s: %s", shown, strerror(error));

	f->failed(message, f->arg);
	return WALK_SKIP;
}

/* Whether tree_walk shall enter the directory. It would end at one that cannot be listed: those are told here. */
static int enter(const struct visit *v, const struct walk_entry *entry, const char *path)
{
	_cleanup_close_ int fd = openat(entry->dir, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? WALK_SKIP : fail(v->f, path, errno);
	if (entry->stx->stx_mnt_id == v->mount)
		return WALK_GO;
	if (!v->f->one_fs)
		walk(fd, path, v->f);
	return WALK_SKIP;
}

static int visit(const struct walk_entry *entry, void *arg, struct err *e)
{
	const struct visit *v = arg;
	_cleanup_free_ char *path = NULL, *shown = NULL;
	_cleanup_close_ int handle = -1;

	if (entry->name[0] == '.' && !v->f->hidden)
		return WALK_SKIP;
	path = xasprintf("%s/%s", v->prefix, entry->path);
	handle = openat(entry->dir, entry->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (handle < 0)
		return errno == ENOENT ? WALK_SKIP : fail(v->f, path, errno);
	shown = text_escape(path, strlen(path));
	v->f->each(handle, shown, false, v->f->arg);
	return S_ISDIR(entry->stx->stx_mode) && v->f->recurse ? enter(v, entry, path) : WALK_SKIP;
}

static void walk(int dir, const char *path, const struct files *f)
{
	_cleanup_free_ char *prefix = xstrdup(path);
	_cleanup_err_ struct err e = {0};
	struct visit v = {.f = f, .prefix = prefix};
	struct statx stx;

	for (size_t n = strlen(prefix); n && prefix[n - 1] == '/'; n--)
		prefix[n - 1] = 0;
	if (statx(dir, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0) {
		fail(f, path, errno);
		return;
	}
	v.mount = stx.stx_mnt_id;
	if (tree_walk(dir, visit, &v, &e) < 0) {
		_cleanup_free_ char *shown = text_escape(path, strlen(path));
		_cleanup_free_ char *why = text_escape(e.msg, strlen(e.msg));
		_cleanup_free_ char *message = xasprintf("%s: %s", shown, why);

		f->failed(message, f->arg);
	}
}

void files_visit(const char *path, const struct files *f)
{
	_cleanup_close_ int handle = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), dir = -1;
	_cleanup_free_ char *shown = NULL;
	struct stat st;

	if (handle < 0 || fstat(handle, &st) < 0) {
		fail(f, path, errno);
		return;
	}
	shown = text_escape(path, strlen(path));
	f->each(handle, shown, true, f->arg);
	if (!S_ISDIR(st.st_mode) || f->itself)
		return;
	dir = openat(handle, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		fail(f, path, errno);
	else
		walk(dir, path, f);
}
