/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From the paths that a package database lists to the candidates for sharing: resolved through the tree's directory
 * symlinks (a merged /usr has /bin/sh at usr/bin/sh), each name once, without what is never shared.
 */
#include "unify/internal.h"

#include <limits.h>
#include <sys/sysmacros.h>

#define MIN_SIZE 65 /* smaller files cost an inode anyway, and are too often edited */

struct listed {
	char *path;      /* as it is listed */
	size_t dir_len;  /* of path's directory */
	const char *dir; /* resolved, or NULL: not there, or excluded */
	bool conf;
};

bool scan_excluded(const char *dir)
{
	static const char *const never[] = {"dev", "etc", "home", "proc", "root", "run", "srv", "sys", "tmp", "var"};
	size_t n = strcspn(dir, "/");

	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		if (strlen(never[i]) == n && memcmp(never[i], dir, n) == 0)
			return true;
	return false;
}

/* What /proc says the descriptor's path is; NULL when it has none. */
static char *path_of(int fd)
{
	char self[64], path[PATH_MAX];
	ssize_t n;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, path, sizeof(path));
	return n <= 0 || n == (ssize_t)sizeof(path) ? NULL : xstrndup(path, (size_t)n);
}

static int compare_dirs(const struct listed *a, const struct listed *b)
{
	size_t n = a->dir_len < b->dir_len ? a->dir_len : b->dir_len;
	int r = memcmp(a->path, b->path, n);

	return r ? r : (a->dir_len > b->dir_len) - (a->dir_len < b->dir_len);
}

static int by_listed(const void *pa, const void *pb)
{
	return compare_dirs(pa, pb);
}

static const char *name_of(const struct listed *l)
{
	return l->path + l->dir_len + 1;
}

/* By resolved directory, then name, configuration files first. */
static int by_resolved(const void *pa, const void *pb)
{
	const struct listed *a = pa, *b = pb;
	int r = strcmp(a->dir, b->dir);

	r = r ? r : strcmp(name_of(a), name_of(b));
	return r ? r : (int)b->conf - (int)a->conf;
}

static void add_listed(struct listed *l, size_t *n, const struct strv *paths, bool conf)
{
	for (size_t i = 0; i < paths->n; i++) {
		char *p = paths->v[i], *slash = strrchr(p, '/');

		if (!slash || !slash[1] || strcmp(slash, "/.") == 0 || strcmp(slash, "/..") == 0)
			continue;
		l[(*n)++] = (struct listed){.path = p, .dir_len = (size_t)(slash - p), .conf = conf};
	}
}

/* Sets each one's resolved directory. They are sorted by directory, so that each is resolved once. */
static void resolve_dirs(struct scan *s, const struct vserver *v, struct listed *l, size_t n)
{
	_cleanup_free_ char *top = path_of(v->tree);
	size_t top_len = top ? strlen(top) : 0;

	for (size_t i = 0; top && i < n; i++) {
		_cleanup_close_ int fd = -1;
		_cleanup_free_ char *dir = NULL, *real = NULL;
		const char *rel;

		if (i > 0 && compare_dirs(&l[i - 1], &l[i]) == 0) {
			l[i].dir = l[i - 1].dir;
			continue;
		}
		dir = xstrndup(l[i].path, l[i].dir_len);
		fd = path_open(v->tree, dir[0] ? dir : "/", O_PATH | O_DIRECTORY, 0);
		real = fd < 0 ? NULL : path_of(fd);
		fd = fd < 0 ? -1 : fd;
		if (!real || strncmp(real, top, top_len) != 0 || (real[top_len] && real[top_len] != '/'))
			continue;
		rel = real[top_len] ? real + top_len + 1 : "";
		if (scan_excluded(rel))
			continue;
		strv_add(&s->strings, rel);
		l[i].dir = s->strings.v[s->strings.n - 1];
	}
}

static bool eligible(const struct statx *stx, const struct store *store, uint64_t mnt_id)
{
	const uint64_t never = STATX_ATTR_APPEND | STATX_ATTR_ENCRYPTED | STATX_ATTR_VERITY;

	return S_ISREG(stx->stx_mode) && stx->stx_size >= MIN_SIZE && !(stx->stx_mode & (S_ISUID | S_ISGID)) &&
	       makedev(stx->stx_dev_major, stx->stx_dev_minor) == store->dev && stx->stx_mnt_id == mnt_id &&
	       !(stx->stx_attributes & never) &&
	       (!seal_is(stx) ||
		/* Else somebody's own chattr +i. A mark that is not in the store, which this statx does not tell, is
		 * no seal of ours: such a file is like others. */
		inode_map_get(&store->inos, stx->stx_ino) != MAP_NONE);
}

static size_t add_rec(struct scan *s, const struct store *store, uint32_t vs, const struct statx *stx)
{
	size_t at = inode_map_get(&s->inos, stx->stx_ino);

	if (at == MAP_NONE) {
		if ((s->n_rec & (s->n_rec - 1)) == 0)
			s->rec = xrealloc(s->rec, (s->n_rec ? 2 * s->n_rec : 1) * sizeof(*s->rec));
		at = s->n_rec++;
		s->rec[at] = (struct rec){.ino = stx->stx_ino,
					  .blocks = stx->stx_blocks,
					  .nlink = stx->stx_nlink,
					  .stx = *stx,
					  .meta = meta_of(stx),
					  .first = s->n_cand,
					  .goal = MAP_NONE};
		/* Not the seal decides: another process may have lifted it just now. */
		if (inode_map_get(&store->inos, stx->stx_ino) != MAP_NONE)
			s->rec[at].state = REC_SHARED;
		inode_map_put(&s->inos, stx->stx_ino, at);
	}
	s->rec[at].names++;
	if (s->rec[at].first < s->n_cand && s->cand[s->rec[at].first].vs != vs)
		s->rec[at].many = true;
	return at;
}

static void add_cand(struct scan *s, const struct store *store, uint32_t vs, const struct listed *l,
		     const struct statx *stx)
{
	size_t rec = add_rec(s, store, vs, stx);

	if ((s->n_cand & (s->n_cand - 1)) == 0)
		s->cand = xrealloc(s->cand, (s->n_cand ? 2 * s->n_cand : 1) * sizeof(*s->cand));
	strv_add(&s->strings, name_of(l));
	s->cand[s->n_cand++] =
		(struct cand){.vs = vs, .dir = l->dir, .name = s->strings.v[s->strings.n - 1], .rec = rec};
}

/* Keeps the first of equal ones; one that is a configuration file under any of its names is none. */
static void stat_all(struct scan *s, const struct store *store, const struct vserver *v, uint32_t vs,
		     const struct listed *l, size_t n)
{
	_cleanup_close_ int dir = -1;
	const char *at = NULL;

	for (size_t i = 0; i < n; i++) {
		struct statx stx;

		if (i > 0 && strcmp(l[i].dir, l[i - 1].dir) == 0 && strcmp(name_of(&l[i]), name_of(&l[i - 1])) == 0)
			continue;
		if (l[i].conf)
			continue;
		if (!at || strcmp(at, l[i].dir) != 0) {
			int fd = path_open(v->tree, l[i].dir[0] ? l[i].dir : "/", O_PATH | O_DIRECTORY, 0);

			close_fd(dir);
			dir = fd < 0 ? -1 : fd;
			at = l[i].dir;
		}
		if (dir < 0 || statx(dir, name_of(&l[i]), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
				     STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0)
			continue;
		if (eligible(&stx, store, store->mnt_id))
			add_cand(s, store, vs, &l[i], &stx);
	}
}

int scan_add(struct scan *s, const struct store *store, struct vserver *v, uint32_t vs, struct err *e)
{
	_cleanup_strv_ struct strv files = {0}, conf = {0};
	_cleanup_free_ struct listed *l = NULL;
	struct statx stx;
	size_t n = 0, kept = 0;
	int r;

	if (statx(v->tree, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0)
		return err_sys(e, "its tree");
	if (makedev(stx.stx_dev_major, stx.stx_dev_minor) != store->dev || stx.stx_mnt_id != store->mnt_id)
		return err_set(e, -EXDEV, "its tree is on another file system or mount than the store .unify");
	r = list_packaged(v, &files, &conf, e);
	if (r < 0)
		return r;
	l = xcalloc(files.n + conf.n + 1, sizeof(*l));
	add_listed(l, &n, &files, false);
	add_listed(l, &n, &conf, true);
	if (n > 1)
		qsort(l, n, sizeof(*l), by_listed);
	resolve_dirs(s, v, l, n);
	for (size_t i = 0; i < n; i++)
		if (l[i].dir)
			l[kept++] = l[i];
	if (kept > 1)
		qsort(l, kept, sizeof(*l), by_resolved);
	stat_all(s, store, v, vs, l, kept);
	return 0;
}

int scan_dir(const struct vserver *v, const struct cand *c)
{
	return path_open(v->tree, c->dir[0] ? c->dir : "/", O_PATH | O_DIRECTORY, 0);
}

void scan_free(struct scan *s)
{
	free(s->cand);
	free(s->rec);
	inode_map_free(&s->inos);
	strv_free(&s->strings);
	*s = (struct scan){0};
}
