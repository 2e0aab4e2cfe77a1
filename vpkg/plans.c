/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Planning a fleet. Vservers whose package databases are equal share one plan.
 */
#include "vpkg/plans.h"

void plans_free(struct plans *p)
{
	for (size_t i = 0; i < p->n; i++)
		repo_plan_free(&p->v[i].plan);
	free(p->v);
	*p = (struct plans){0};
}

static int find_or_make(const struct member *m, const struct stage *s, struct plans *p, size_t *ret, struct err *e)
{
	_cleanup_free_ char *copy = NULL;
	uint8_t state[DIGEST_LEN];
	_cleanup_close_ int db = database_copy(m->v, m->tool, &copy, state, e);
	struct repo_plan plan = {0};
	int r = 0;

	if (db < 0)
		return db;
	for (size_t i = 0; i < p->n; i++)
		if (memcmp(p->v[i].state, state, sizeof(state)) == 0) {
			*ret = i;
			repo_cache_temp_drop(copy);
			return 0;
		}
	r = repo_plan_make(db, m->tool->format, m->v->arch, s->pkgs, s->n, &plan, e);
	repo_cache_temp_drop(copy);
	if (r < 0)
		return r;
	p->v[p->n].plan = plan;
	memcpy(p->v[p->n].state, state, sizeof(state));
	*ret = p->n++;
	return 0;
}

static void join(const struct strv *l, struct buf *out)
{
	for (size_t i = 0; i < l->n; i++)
		buf_addf(out, "%s%s", i ? "; " : "", l->v[i]);
}

static void judge(struct member *m, const struct repo_plan *plan)
{
	_cleanup_buf_ struct buf why = {0};

	if (plan->problems.n) {
		join(&plan->problems, &why);
		fleet_decide(m, OUTCOME_FAILED, why.p);
	} else if (plan->n == 0) {
		join(&plan->skipped, &why);
		fleet_decide(m, OUTCOME_SKIPPED, why.p ? why.p : "nothing to do");
	} else {
		m->plan = plan;
	}
}

int plans_make(struct fleet *f, const struct stage *s, struct plans *ret, struct err *e)
{
	_cleanup_free_ size_t *which = xcalloc(f->n, sizeof(*which));

	ret->v = xcalloc(f->n, sizeof(*ret->v));
	for (size_t i = 0; i < f->n; i++) {
		struct member *m = &f->m[i];
		_cleanup_err_ struct err why = {0};
		int r = intr_check(e);

		if (r < 0)
			return r;
		if (m->decided)
			continue;
		if (!m->tool) {
			fleet_decide(m, OUTCOME_FAILED, "neither dpkg nor rpm was found in its tree");
			continue;
		}
		r = find_or_make(m, s, ret, &which[i], &why);
		if (r < 0)
			fleet_decide(m, OUTCOME_FAILED, why.msg);
	}
	/* Only now: the array of plans does not move any more. */
	for (size_t i = 0; i < f->n; i++)
		if (!f->m[i].decided)
			judge(&f->m[i], &ret->v[which[i]].plan);
	return 0;
}
