/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Recording a tree, and the file that the record is kept in.
 */
#include "vpkg/manifest.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define MAGIC "vpkg manifest 1\n"
#define MANIFEST_MAX (1u << 30)
/* Of what packages do not replace and nobody shares, this much a file is copied: caches that scripts rewrite in place.
 */
#define COPY_MAX (1u << 20)

void manifest_free(struct manifest *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i].path);
		free(m->v[i].target);
	}
	free(m->v);
	*m = (struct manifest){0};
}

static struct entry *add(struct manifest *m, const char *path)
{
	if ((m->n & (m->n - 1)) == 0)
		m->v = xrealloc(m->v, (m->n ? 2 * m->n : 1) * sizeof(*m->v));
	m->v[m->n] = (struct entry){.path = xstrdup(path)};
	return &m->v[m->n++];
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

struct entry *manifest_find(const struct manifest *m, const char *path)
{
	struct entry key = {.path = (char *)path};

	return m->n ? bsearch(&key, m->v, m->n, sizeof(*m->v), by_path) : NULL;
}

struct recording {
	struct manifest m;
	struct strv touched; /* resolved, sorted */
};

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_touched(const struct recording *r, const char *path)
{
	return r->touched.n && bsearch(&path, r->touched.v, r->touched.n, sizeof(char *), by_bytes);
}

/* rpm and dpkg change suid, sgid and capability files on the inode before they unlink it. */
static bool has_capability(int dir, const char *name, const struct statx *stx)
{
	_cleanup_close_ int fd = -1;

	if (!(stx->stx_mode & 0111))
		return false;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

static enum keep choose_keep(const struct recording *r, int dir, const char *name, const char *path,
			     const struct statx *stx)
{
	if (!S_ISREG(stx->stx_mode))
		return KEEP_NONE;
	if (seal_is(stx))
		return is_touched(r, path) ? KEEP_SEAL : KEEP_NONE;
	if (stx->stx_size <= COPY_MAX && !is_touched(r, path))
		return KEEP_COPY;
	if (strncmp(path, "etc/", 4) == 0 || strncmp(path, "var/", 4) == 0 || stx->stx_mode & 06000 ||
	    has_capability(dir, name, stx))
		return KEEP_COPY;
	return KEEP_LINK;
}

static int fill(struct entry *en, const struct recording *r, int dir, const char *name, const struct statx *stx,
		struct err *e)
{
	en->mode = stx->stx_mode;
	en->uid = stx->stx_uid;
	en->gid = stx->stx_gid;
	en->rdev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor);
	en->size = stx->stx_size;
	en->ino = stx->stx_ino;
	en->mtime = stx->stx_mtime.tv_sec;
	en->mtime_ns = stx->stx_mtime.tv_nsec;
	en->ctime = stx->stx_ctime.tv_sec;
	en->ctime_ns = stx->stx_ctime.tv_nsec;
	en->keep = choose_keep(r, dir, name, en->path, stx);
	if (S_ISLNK(stx->stx_mode)) {
		char target[4097];
		ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

		if (n < 0) {
			/* A guest that runs took it away, or put something else there: the path is as if it came later.
			 */
			if (errno != ENOENT && errno != EINVAL)
				return err_sys(e, "%s", en->path);
			en->mode = 0;
			return 0;
		}
		en->target = xstrndup(target, (size_t)n);
	}
	return 0;
}

void entry_set(struct entry *en, const struct stat *st)
{
	en->mode = st->st_mode;
	en->uid = st->st_uid;
	en->gid = st->st_gid;
	en->size = (uint64_t)st->st_size;
	en->ino = st->st_ino;
	en->mtime = st->st_mtim.tv_sec;
	en->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
	en->ctime = st->st_ctim.tv_sec;
	en->ctime_ns = (uint32_t)st->st_ctim.tv_nsec;
}

static int record(const struct walk_entry *we, void *arg, struct err *e)
{
	struct recording *r = arg;
	struct statx stx = *we->stx;
	int status;

	if (!scope_has(we->path))
		return WALK_SKIP;
	/* Its seal may be lifted for a moment, for another vserver's sake. */
	if (S_ISREG(stx.stx_mode) && !seal_is(&stx) && stx.stx_nlink > 1) {
		status = seal_stat(we->dir, we->name, &stx);
		if (status == -ENOENT)
			return WALK_GO;
		if (status < 0)
			return err_set(e, status, "%s: %s", we->path, strerror(-status));
	}
	status = fill(add(&r->m, we->path), r, we->dir, we->name, &stx, e);
	return status < 0 ? status : WALK_GO;
}

/* A path that the packages list and that the walk has not met: outside the scope, or not there yet. */
static int record_one(struct recording *r, int tree, const char *path, struct err *e)
{
	const char *name;
	_cleanup_close_ int dir = path_parent(tree, path, &name);
	struct entry *en = add(&r->m, path);
	struct statx stx;
	int status = dir < 0 ? dir : seal_stat(dir, name, &stx);

	/* "Was not there" lets an undo remove it: only what is sure may say so. */
	if (status == -ENOENT || status == -ENOTDIR || status == -EINVAL)
		return 0;
	return status < 0 ? err_set(e, status, "%s: %s", path, strerror(-status)) : fill(en, r, dir, name, &stx, e);
}

/* The root directory itself, which a walk does not visit, is the entry with the empty path. */
static int record_root(struct recording *r, int tree, struct err *e)
{
	struct statx stx;

	if (statx(tree, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) < 0)
		return err_sys(e, "the tree's root");
	return fill(add(&r->m, ""), r, tree, "", &stx, e);
}

static void sort(struct manifest *m)
{
	if (m->n)
		qsort(m->v, m->n, sizeof(*m->v), by_path);
}

int manifest_take(int tree, const struct strv *touched, struct manifest *ret, struct err *e)
{
	struct recording r = {0};
	size_t walked;
	int status;

	status = record_root(&r, tree, e);
	for (size_t i = 0; i < touched->n; i++) {
		char *path = scope_resolve(tree, touched->v[i]);

		if (path)
			strv_take(&r.touched, path);
	}
	strv_sort(&r.touched);
	if (status == 0)
		status = tree_walk(tree, record, &r, e);
	sort(&r.m);
	walked = r.m.n;
	for (size_t i = 0; status == 0 && i < r.touched.n; i++) {
		const struct manifest so_far = {r.m.v, walked};

		if (i && strcmp(r.touched.v[i], r.touched.v[i - 1]) == 0)
			continue;
		if (!manifest_find(&so_far, r.touched.v[i]))
			status = record_one(&r, tree, r.touched.v[i], e);
	}
	strv_free(&r.touched);
	if (status < 0) {
		manifest_free(&r.m);
		return status;
	}
	sort(&r.m);
	*ret = r.m;
	return 0;
}

/* The file: MAGIC, then each entry as its struct followed by its path and target with their NULs, then the count, then
 * a SHA-256 over all of that. It never leaves the host that wrote it. */
int manifest_save(int dir, const struct manifest *m, struct err *e)
{
	_cleanup_buf_ struct buf b = {0};
	uint8_t sum[DIGEST_LEN];
	uint64_t n = m->n;
	struct digest *d;

	buf_adds(&b, MAGIC);
	for (size_t i = 0; i < m->n; i++) {
		const struct entry *en = &m->v[i];

		buf_add(&b, en, sizeof(*en));
		buf_add(&b, en->path, strlen(en->path) + 1);
		buf_add(&b, en->target ? en->target : "", en->target ? strlen(en->target) + 1 : 1);
	}
	buf_add(&b, &n, sizeof(n));
	d = digest_new();
	digest_update(d, b.p, b.len);
	digest_final(d, sum);
	buf_add(&b, sum, sizeof(sum));
	return path_write(dir, "manifest", b.p, b.len, 0600, e);
}

static int damaged(struct err *e)
{
	return err_set(e, -EBADMSG, "the journal's manifest is damaged; what it kept is in .undo beside the vservers");
}

static bool take_string(const char **p, const char *end, char **ret)
{
	const char *nul = memchr(*p, 0, (size_t)(end - *p));

	if (!nul)
		return false;
	*ret = xstrdup(*p);
	*p = nul + 1;
	return true;
}

static int parse(const char *p, const char *end, struct manifest *m, struct err *e)
{
	while (end - p > (ptrdiff_t)sizeof(uint64_t)) {
		struct entry en;

		if (end - p < (ptrdiff_t)sizeof(en))
			return damaged(e);
		memcpy(&en, p, sizeof(en));
		p += sizeof(en);
		en.path = en.target = NULL;
		if ((m->n & (m->n - 1)) == 0)
			m->v = xrealloc(m->v, (m->n ? 2 * m->n : 1) * sizeof(*m->v));
		m->v[m->n++] = en;
		if (!take_string(&p, end, &m->v[m->n - 1].path) || !take_string(&p, end, &m->v[m->n - 1].target))
			return damaged(e);
	}
	return 0;
}

int manifest_load(int dir, struct manifest *ret, struct err *e)
{
	_cleanup_(manifest_free) struct manifest m = {0};
	_cleanup_buf_ struct buf b = {0};
	uint8_t sum[DIGEST_LEN];
	struct digest *d;
	uint64_t n;
	int r = path_read(dir, "manifest", MANIFEST_MAX, &b, e);

	if (r < 0)
		return r;
	if (b.len < strlen(MAGIC) + sizeof(n) + sizeof(sum) || memcmp(b.p, MAGIC, strlen(MAGIC)) != 0)
		return damaged(e);
	d = digest_new();
	digest_update(d, b.p, b.len - sizeof(sum));
	digest_final(d, sum);
	if (memcmp(sum, b.p + b.len - sizeof(sum), sizeof(sum)) != 0)
		return damaged(e);
	memcpy(&n, b.p + b.len - sizeof(sum) - sizeof(n), sizeof(n));
	r = parse(b.p + strlen(MAGIC), b.p + b.len - sizeof(sum), &m, e);
	if (r < 0)
		return r;
	if (m.n != n)
		return damaged(e);
	*ret = m;
	m = (struct manifest){0};
	return 0;
}
