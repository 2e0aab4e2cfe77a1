/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Back to the pre-image: the difference between the tree as it is and as it was recorded is taken away, so it does not
 * matter what the package tool or a scriptlet did, nor where an earlier undo stopped.
 */
#include "vpkg/manifest.h"

struct undo {
	int tree, kept;
	const struct manifest *before;
	struct strv *lost;
};

static void lose(struct undo *u, const char *path, const char *why)
{
	strv_addf(u->lost, "%s: %s", path, why);
}

static bool same_file(const struct entry *a, const struct entry *b)
{
	if (a->size != b->size || a->mtime != b->mtime || a->mtime_ns != b->mtime_ns)
		return false;
	if (b->ino == a->ino)
		return a->keep != KEEP_COPY || (a->ctime == b->ctime && a->ctime_ns == b->ctime_ns);
	return a->keep == KEEP_COPY && b->ino == a->keep_ino;
}

/* Whether what is there now (b) is what was there before (a). */
static bool same(const struct entry *a, const struct entry *b)
{
	if (a->mode != b->mode || (a->mode && (a->uid != b->uid || a->gid != b->gid)))
		return false;
	if (S_ISREG(a->mode))
		return same_file(a, b);
	if (S_ISLNK(a->mode))
		return a->target && b->target && strcmp(a->target, b->target) == 0;
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		return a->rdev == b->rdev;
	return true;
}

/* Takes away what was not there before, and what is now of another type. */
static void remove_new(struct undo *u, const struct entry *now)
{
	_cleanup_err_ struct err e = { 0 };
	_cleanup_close_ int dir = -1;
	const char *name;
	int r;

	dir = path_parent(u->tree, now->path, &name);
	if (dir < 0)
		return;
	if (S_ISDIR(now->mode)) {
		/* Below a directory that the transaction made there may be data by now: only an empty one goes. */
		if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
			lose(u, now->path, strerror(errno));
		return;
	}
	r = seal_unlink(dir, name, &e);
	if (r < 0 && r != -ENOENT)
		lose(u, now->path, e.msg);
}

static void set_meta(struct undo *u, int dir, const char *name, const struct entry *was)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = was->mtime, .tv_nsec = was->mtime_ns } };

	if (fchownat(dir, name, was->uid, was->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(was->mode) && fchmodat(dir, name, was->mode & 07777, 0) < 0) ||
	    utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		lose(u, was->path, strerror(errno));
}

static void make_node(struct undo *u, int dir, const char *name, const struct entry *was)
{
	int r = 0;

	if (S_ISDIR(was->mode))
		r = mkdirat(dir, name, 0700);
	else if (S_ISLNK(was->mode))
		r = symlinkat(was->target, dir, name);
	else
		r = mknodat(dir, name, was->mode, was->rdev);
	if (r < 0 && errno != EEXIST) {
		lose(u, was->path, strerror(errno));
		return;
	}
	set_meta(u, dir, name, was);
}

static void bring_file(struct undo *u, int dir, const char *name, const struct entry *was, const struct entry *now)
{
	_cleanup_err_ struct err e = { 0 };
	struct stat st;
	char as[24];

	snprintf(as, sizeof(as), "%zu", (size_t)(was - u->before->v));
	if (was->keep != KEEP_NONE && fstatat(u->kept, as, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		/* The same inode with another size or time: it was edited in place, and our link shows the edit. */
		if (was->keep == KEEP_LINK && now && now->ino == was->ino &&
		    (now->size != was->size || now->mtime != was->mtime || now->mtime_ns != was->mtime_ns)) {
			lose(u, was->path, "was edited in place, and only a link of it had been kept");
			return;
		}
		if (unify_restore(u->tree, was->path, u->kept, as, &e) < 0) {
			lose(u, was->path, e.msg);
			return;
		}
	} else if (!now || now->ino != was->ino) {
		lose(u, was->path, "is gone, and nothing of it had been kept");
		return;
	}
	if (was->keep == KEEP_LINK)
		set_meta(u, dir, name, was);
}

static int open_dir(int tree, const char *path)
{
	return path_open(tree, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

static void bring_back(struct undo *u, const struct entry *was, const struct entry *now)
{
	_cleanup_close_ int dir = -1;
	const char *name;

	if (!*was->path) {
		dir = open_dir(u->tree, "");
		if (dir < 0 || fchown(dir, was->uid, was->gid) < 0 || fchmod(dir, was->mode & 07777) < 0)
			lose(u, "/", strerror(errno));
		return;
	}
	dir = path_parent(u->tree, was->path, &name);
	if (dir < 0) {
		lose(u, was->path, strerror(-dir));
		return;
	}
	if (S_ISREG(was->mode))
		bring_file(u, dir, name, was, now);
	else if (now && (now->mode & S_IFMT) == (was->mode & S_IFMT) && S_ISDIR(was->mode))
		set_meta(u, dir, name, was);
	else {
		if (now && now->mode)
			unlinkat(dir, name, 0);
		make_node(u, dir, name, was);
	}
}

/* Putting entries back changed the times of the directories that hold them. */
static void directory_times(struct undo *u)
{
	for (size_t i = 0; i < u->before->n; i++) {
		const struct entry *was = &u->before->v[i];
		_cleanup_close_ int fd = -1;

		if (!S_ISDIR(was->mode))
			continue;
		fd = open_dir(u->tree, was->path);
		if (fd >= 0)
			futimens(fd, (struct timespec[]){ { .tv_nsec = UTIME_OMIT },
							  { .tv_sec = was->mtime, .tv_nsec = was->mtime_ns } });
	}
}

int preimage_restore(int tree, const struct manifest *m, const struct strv *touched, int kept, struct strv *lost,
		     struct err *e)
{
	struct undo u = { .tree = tree, .kept = kept, .before = m, .lost = lost };
	_cleanup_(manifest_free) struct manifest after = { 0 };
	int r = manifest_take(tree, touched, &after, e);

	if (r < 0)
		return r;
	for (size_t i = after.n; i-- > 0;) {
		const struct entry *was = manifest_find(m, after.v[i].path);

		if (after.v[i].mode && (!was || !was->mode || (was->mode & S_IFMT) != (after.v[i].mode & S_IFMT)))
			remove_new(&u, &after.v[i]);
	}
	for (size_t i = 0; i < m->n; i++) {
		const struct entry *now = manifest_find(&after, m->v[i].path);

		if (m->v[i].mode && !(now && same(&m->v[i], now)))
			bring_back(&u, &m->v[i], now);
	}
	directory_times(&u);
	return 0;
}
