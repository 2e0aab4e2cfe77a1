/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One run of unification: scan the vservers, find equal files, and link them or (dry run) say what would be linked.
 */
#include "unify/internal.h"

/* Eligible and already shared files; those that could not be read this time. */
static void count(const struct scan *s, struct unify_result *results)
{
	for (size_t i = 0; i < s->n_cand; i++) {
		struct unify_result *res = &results[s->cand[i].vs];
		const struct rec *r = &s->rec[s->cand[i].rec];

		res->files += r->state != REC_NEVER;
		res->shared += r->state == REC_SHARED;
		res->skipped += r->state == REC_LATER;
	}
}

/* What linking would do: an inode's space is free when all its names are linked, less the new object. */
static void estimate(const struct scan *s, struct goals *g, struct unify_result *results, size_t n)
{
	_cleanup_free_ int64_t *freed = xcalloc(n + 1, sizeof(*freed));

	for (size_t i = 0; i < s->n_cand; i++) {
		const struct cand *c = &s->cand[i];
		const struct rec *r = &s->rec[c->rec];

		if (r->goal == MAP_NONE)
			continue;
		results[c->vs].linked++;
		if (r->first == i && r->names == r->nlink)
			freed[c->vs] += (int64_t)r->blocks * 512;
		freed[c->vs] -= g->goal[r->goal].charge;
		g->goal[r->goal].charge = 0;
	}
	for (size_t i = 0; i < n; i++)
		results[i].bytes = freed[i] > 0 ? (uint64_t)freed[i] : 0;
}

int unify_run(struct vserver *const *v, size_t n, const struct unify_options *o, struct unify_result *results,
	      struct err *e)
{
	_cleanup_store_ struct store store = {.top = -1, .objects = -1, .tmp = -1};
	_cleanup_scan_ struct scan s = {0};
	_cleanup_free_ struct goal *owned = NULL;
	struct goals g = {0};
	int r;

	memset(results, 0, n * sizeof(*results));
	r = store_open(&store, !o->dry_run, e);
	if (r == 0 && !o->dry_run)
		r = seal_probe(store.tmp, e);
	if (r < 0)
		return r;
	if (store.repaired)
		report_note(o->report, "store: %zu objects had no seal that holds; they were verified and sealed",
			    store.repaired);
	if (store.raised)
		report_note(o->report, "store: %zu objects are now sealed by the mark", store.raised);
	for (size_t i = 0; i < n; i++) {
		struct unify_result *res = &results[i];

		if (intr_check(e) < 0)
			return -EINTR;
		report_progress(o->report, "unify: listing", i, n);
		if (v[i]->tree < 0)
			err_set(&res->error, -ENOENT, "it has no tree in /vservers");
		else
			scan_add(&s, &store, v[i], (uint32_t)i, &res->error);
	}
	report_progress(o->report, "unify: listing", n, n);
	r = group_find(&s, &store, v, o->report, &g, e);
	owned = g.goal;
	if (r < 0)
		return r;
	count(&s, results);
	if (o->dry_run)
		estimate(&s, &g, results, n);
	else
		r = replace_all(&s, &store, v, &g, o, results, e);
	return r;
}
