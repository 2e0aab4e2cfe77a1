/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Back to the pre-image: the difference between the tree as it is and as it was recorded is taken away, so it does not
 * matter what the package tool or a scriptlet did, nor where an earlier undo stopped.
 */
#include "vpkg/manifest.h"
#include "vpkg/slice.h"

struct undo {
	int tree, kept;
	const struct manifest *before;
	struct strv *lost;
	struct slice slice;
};

static void lose(struct undo *u, const char *path, const char *why)
{
	_cleanup_free_ char *shown = text_escape(path, strlen(path));

	strv_addf(u->lost, "%s: %s", shown, why);
}

/* Of a kept link or the file itself only the times tell an edit in place; a copy stands for one whose ctime moved. */
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
		return a->mtime == b->mtime && a->mtime_ns == b->mtime_ns && strcmp(a->target, b->target) == 0;
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		return a->rdev == b->rdev;
	return true;
}

/* Takes away what was not there before, and what is now of another type. */
static void remove_new(struct undo *u, const struct entry *now)
{
	_cleanup_err_ struct err e = {0};
	_cleanup_close_ int dir = -1;
	const char *name;
	int r;

	dir = path_parent(u->tree, now->path, &name);
	if (dir < 0) {
		if (dir != -ENOENT && dir != -ENOTDIR)
			lose(u, now->path, strerror(-dir));
		return;
	}
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

/* Owner, mode and time of exactly this inode, which an O_PATH descriptor names: by a name, chmod would follow a symlink
 * that a guest put there meanwhile, out of the tree. */
static int set_meta(int fd, const struct entry *was)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = was->mtime, .tv_nsec = was->mtime_ns}};
	char self[48];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != (was->mode & S_IFMT))
		return -ESTALE;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fchownat(fd, "", was->uid, was->gid, AT_EMPTY_PATH) < 0 ||
	    (!S_ISLNK(was->mode) && chmod(self, was->mode & 07777) < 0) || utimensat(fd, "", times, AT_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static void set_meta_at(struct undo *u, int dir, const char *name, const struct entry *was)
{
	_cleanup_close_ int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : set_meta(fd, was);

	if (r < 0)
		lose(u, was->path, r == -ESTALE ? "something else is in its place" : strerror(-r));
}

static void make_node(struct undo *u, int dir, const char *name, const struct entry *was)
{
	int r = 0;

	if (S_ISDIR(was->mode))
		r = mkdirat(dir, name, 0700);
	else if (S_ISLNK(was->mode))
		r = symlinkat(was->target, dir, name);
	else
		r = mknodat(dir, name, was->mode & (S_IFMT | 0600), was->rdev);
	if (r < 0 && !(errno == EEXIST && S_ISDIR(was->mode)))
		lose(u, was->path, strerror(errno));
	else
		set_meta_at(u, dir, name, was);
}

/* What is kept of it, if that is what it should be: -1 otherwise. as receives its name. */
static int open_kept(const struct undo *u, const struct entry *was, char as[24], struct stat *st)
{
	_cleanup_close_ int fd = -1;

	snprintf(as, 24, "%zu", (size_t)(was - u->before->v));
	if (was->keep == KEEP_NONE)
		return -1;
	fd = openat(u->kept, as, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, st) < 0 || !S_ISREG(st->st_mode) ||
	    st->st_ino != (was->keep == KEEP_COPY ? was->keep_ino : was->ino))
		return -1;
	return TAKE_FD(fd);
}

static bool edited(const struct entry *was, const struct stat *st)
{
	return (uint64_t)st->st_size != was->size || st->st_mtim.tv_sec != was->mtime ||
	       (uint32_t)st->st_mtim.tv_nsec != was->mtime_ns;
}

/* now is NULL when there is no file at all. */
static void bring_file(struct undo *u, int dir, const char *name, const struct entry *was, const struct entry *now)
{
	uint64_t ino = was->keep == KEEP_COPY ? was->keep_ino : was->ino;
	bool there = now && now->ino == ino, kept;
	_cleanup_err_ struct err e = {0};
	_cleanup_close_ int fd = -1;
	struct stat st = {0};
	char as[24];
	int r = 0;

	fd = open_kept(u, was, as, &st);
	kept = fd >= 0;
	if (!kept && there) {
		/* An undo that died brought it back already, or only its owner or mode changed. */
		fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_ino != ino))
			fd = close_fd(fd);
	}
	if (fd < 0) {
		lose(u, was->path, "is gone, and nothing of it had been kept");
		return;
	}
	if (edited(was, &st))
		lose(u, was->path, "was edited in place, and only a link of it had been kept");
	else if (st.st_mode != was->mode || st.st_uid != was->uid || st.st_gid != was->gid)
		r = set_meta(fd, was);
	if (r < 0)
		lose(u, was->path, strerror(-r));
	if (was->keep == KEEP_SEAL)
		slice_next(&u->slice, NULL); /* failing, it freezes for each by itself */
	if (kept && !there && unify_restore(u->tree, was->path, u->kept, as, &e) < 0)
		lose(u, was->path, e.msg);
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
	else if (now && now->mode == was->mode && S_ISLNK(was->mode) && strcmp(now->target, was->target) == 0)
		set_meta_at(u, dir, name, was);
	else {
		/* Of the same type, or it would be gone by now; a directory stays. */
		if (now && !S_ISDIR(was->mode) && unlinkat(dir, name, 0) < 0 && errno != ENOENT)
			lose(u, was->path, strerror(errno));
		else
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
			futimens(fd, (struct timespec[]){{.tv_nsec = UTIME_OMIT},
							 {.tv_sec = was->mtime, .tv_nsec = was->mtime_ns}});
	}
}

/* Where to look: what the packages list, as it is found today, and all that was recorded outside of the scope. */
static int take_after(int tree, const struct manifest *before, const struct strv *touched, struct manifest *ret,
		      struct err *e)
{
	_cleanup_strv_ struct strv look = {0};

	for (size_t i = 0; i < touched->n; i++)
		strv_add(&look, touched->v[i]);
	for (size_t i = 0; i < before->n; i++)
		if (!scope_has(before->v[i].path))
			strv_add(&look, before->v[i].path);
	return manifest_take(tree, &look, ret, e);
}

static bool is_new(const struct entry *was, const struct entry *now)
{
	if (!now->mode)
		return false;
	/* Beyond the scope only what is known not to have been there: the rest is the vserver's data. */
	return was ? (was->mode & S_IFMT) != (now->mode & S_IFMT) : scope_has(now->path);
}

int preimage_restore(int tree, const struct manifest *m, const struct strv *touched, int kept, struct strv *lost,
		     struct err *e)
{
	struct undo u = {.tree = tree, .kept = kept, .before = m, .lost = lost};
	_cleanup_(manifest_free) struct manifest after = {0};
	int r = take_after(tree, m, touched, &after, e);

	if (r < 0)
		return r;
	for (size_t i = after.n; i-- > 0;)
		if (is_new(manifest_find(m, after.v[i].path), &after.v[i]))
			remove_new(&u, &after.v[i]);
	for (size_t i = 0; i < m->n; i++) {
		const struct entry *now = manifest_find(&after, m->v[i].path);

		if (now && is_new(&m->v[i], now))
			now = NULL; /* taken away just now */
		if (m->v[i].mode && !(now && same(&m->v[i], now)))
			bring_back(&u, &m->v[i], now && now->mode ? now : NULL);
	}
	slice_end(&u.slice);
	directory_times(&u);
	return 0;
}
