/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Finds the equal ones among the candidates and the store, reading as little as possible: a file whose size, mode,
 * owner and mtime no other inode and no store object has is never opened.
 */
#include "unify/internal.h"

static int by_meta(const void *a, const void *b, void *arg)
{
	const struct rec *rec = arg;

	return meta_cmp(&rec[*(const size_t *)a].meta, &rec[*(const size_t *)b].meta);
}

static int by_key(const void *a, const void *b, void *arg)
{
	const struct rec *ra = (const struct rec *)arg + *(const size_t *)a,
			 *rb = (const struct rec *)arg + *(const size_t *)b;
	int r = memcmp(ra->key, rb->key, DIGEST_LEN);

	return r ? r : (ra->first > rb->first) - (ra->first < rb->first);
}

static int object_by_meta(const void *a, const void *b)
{
	return meta_cmp(&((const struct object *)a)->meta, &((const struct object *)b)->meta);
}

/* Indices of the inodes in the given state, sorted. */
static size_t *sorted(const struct scan *s, enum rec_state state, int (*cmp)(const void *, const void *, void *),
		      size_t *ret_n)
{
	size_t *idx = xcalloc(s->n_rec + 1, sizeof(*idx)), n = 0;

	for (size_t i = 0; i < s->n_rec; i++)
		if (s->rec[i].state == state)
			idx[n++] = i;
	qsort_r(idx, n, sizeof(*idx), cmp, s->rec);
	*ret_n = n;
	return idx;
}

/* Marks the inodes that may have a partner. */
static void mark_wanted(struct scan *s, const struct store *store)
{
	size_t n, end;
	_cleanup_free_ size_t *idx = sorted(s, REC_NEW, by_meta, &n);
	_cleanup_free_ struct object *objects = xcalloc(store->n + 1, sizeof(*objects));

	for (size_t i = 0; i < store->n; i++)
		objects[i] = store->obj[i];
	qsort(objects, store->n, sizeof(*objects), object_by_meta);
	for (size_t i = 0; i < n; i = end) {
		struct object like = {.meta = s->rec[idx[i]].meta};

		for (end = i + 1; end < n && meta_cmp(&s->rec[idx[i]].meta, &s->rec[idx[end]].meta) == 0;)
			end++;
		if (end - i < 2 && !s->rec[idx[i]].many &&
		    !bsearch(&like, objects, store->n, sizeof(*objects), object_by_meta))
			continue;
		for (size_t k = i; k < end; k++)
			s->rec[idx[k]].want = true;
	}
}

static void read_one(struct rec *r, int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int k = fd < 0 ? -EAGAIN : key_guest(fd, &r->stx, r->key);

	r->state = k == 0 ? REC_KEYED : k > 0 ? REC_NEVER : REC_LATER;
}

/* Reads the wanted ones, in the order of their paths. */
static int read_wanted(struct scan *s, struct vserver *const *v, const struct report *report, struct err *e)
{
	_cleanup_close_ int dir = -1;
	const struct cand *at = NULL;
	uint64_t total = 0, done = 0;

	for (size_t i = 0; i < s->n_rec; i++)
		total += s->rec[i].want;
	for (size_t i = 0; i < s->n_cand; i++) {
		const struct cand *c = &s->cand[i];
		struct rec *r = &s->rec[c->rec];

		if (!r->want || r->state != REC_NEW)
			continue;
		if (intr_check(e) < 0)
			return -EINTR;
		if (!at || at->vs != c->vs || strcmp(at->dir, c->dir) != 0) {
			int fd = scan_dir(v[c->vs], c);

			close_fd(dir);
			dir = fd < 0 ? -1 : fd;
			at = c;
		}
		read_one(r, dir, c->name);
		done++;
		if (done % 64 == 0 || done == total)
			report_progress(report, "unify: reading", done, total);
	}
	return 0;
}

static void add_goal(struct goals *g, struct scan *s, const struct store *store, const size_t *idx, size_t n)
{
	const struct object *o = store_find(store, s->rec[idx[0]].key);
	struct goal *new;

	if (n < 2 && !o && !s->rec[idx[0]].many)
		return;
	if ((g->n & (g->n - 1)) == 0)
		g->goal = xrealloc(g->goal, (g->n ? 2 * g->n : 1) * sizeof(*g->goal));
	new = &g->goal[g->n];
	*new = (struct goal){.exists = o, .copy = o ? o->copy : 0, .rec = idx[0]};
	memcpy(new->key, s->rec[idx[0]].key, DIGEST_LEN);
	if (!o)
		new->charge = (int64_t)s->rec[idx[0]].blocks * 512;
	for (size_t i = 0; i < n; i++)
		s->rec[idx[i]].goal = g->n;
	g->n++;
}

int group_find(struct scan *s, const struct store *store, struct vserver *const *v, const struct report *report,
	       struct goals *ret, struct err *e)
{
	_cleanup_free_ size_t *idx = NULL;
	size_t n, end;
	int r;

	mark_wanted(s, store);
	r = read_wanted(s, v, report, e);
	if (r < 0)
		return r;
	idx = sorted(s, REC_KEYED, by_key, &n);
	for (size_t i = 0; i < n; i = end) {
		for (end = i + 1; end < n && memcmp(s->rec[idx[i]].key, s->rec[idx[end]].key, DIGEST_LEN) == 0;)
			end++;
		add_goal(ret, s, store, idx + i, end - i);
	}
	return 0;
}
