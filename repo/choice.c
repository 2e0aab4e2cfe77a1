/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where libsolv would choose otherwise than apt and dnf do, or could not choose at all for want of data. Runs in the
 * sandbox.
 */
#include "repo/solver.h"

#include <solv/evr.h>

struct order {
	Pool *pool;
	enum repo_format format;
};

/* By name, rpm's by architecture too. */
static int same_package(const Solvable *a, const Solvable *b, enum repo_format format)
{
	if (a->name != b->name)
		return a->name < b->name ? -1 : 1;
	if (format == REPO_RPM && a->arch != b->arch)
		return a->arch < b->arch ? -1 : 1;
	return 0;
}

/* The newest of a package first, then the one of the first source. */
static int by_candidate(const void *x, const void *y, void *arg)
{
	const struct order *o = arg;
	Id p = *(const Id *)x, q = *(const Id *)y;
	const Solvable *a = &o->pool->solvables[p], *b = &o->pool->solvables[q];
	int r = same_package(a, b, o->format);

	if (r == 0)
		r = -pool_evrcmp(o->pool, a->evr, b->evr, EVRCMP_COMPARE);
	return r ? r : p - q;
}

void choice_newest(Pool *pool, enum repo_format format)
{
	struct order o = {pool, format};
	Solvable *kept = NULL;
	Queue all;

	queue_init(&all);
	for (Id p = 2; p < pool->nsolvables; p++)
		if (pool->solvables[p].repo)
			queue_push(&all, p);
	if (all.count)
		qsort_r(all.elements, (size_t)all.count, sizeof(Id), by_candidate, &o);
	for (int i = 0; i < all.count; i++) {
		Solvable *s = &pool->solvables[all.elements[i]];

		if (kept && same_package(kept, s, format) == 0)
			repo_free_solvable(s->repo, all.elements[i], 0);
		else
			kept = s;
	}
	queue_free(&all);
}

static bool stands_in_for_another(Pool *pool, Solvable *s, const Map *names, Queue *deps, enum repo_format format)
{
	queue_empty(deps);
	solvable_lookup_deparray(s, SOLVABLE_PROVIDES, deps, 0);
	for (int i = 0; i < deps->count; i++) {
		Id id = deps->elements[i];

		while (ISRELDEP(id))
			id = GETRELDEP(pool, id)->name;
		if (id == s->name || id >= names->size * 8 || !MAPTST(names, id))
			continue;
		/* An rpm that obsoletes what it provides is that package under its new name. */
		if (format == REPO_DEB || !solvable_matchesdep(s, SOLVABLE_OBSOLETES, id, 0))
			return true;
	}
	return false;
}

/* Who depends on libsystemd0 gets libsystemd0 and not libelogind0, which provides it: as apt and dnf choose. To libsolv
 * all providers are equal until it is told; and told in one job, because it ranks every job below the one before. */
void choice_prefer_real(Pool *pool, enum repo_format format, Queue *jobs)
{
	Queue deps, stand_ins;
	Map names;

	map_init(&names, pool->ss.nstrings);
	queue_init(&deps);
	queue_init(&stand_ins);
	for (Id p = 2; p < pool->nsolvables; p++)
		if (pool->solvables[p].repo)
			MAPSET(&names, pool->solvables[p].name);
	for (Id p = 2; p < pool->nsolvables; p++)
		if (pool->solvables[p].repo && stands_in_for_another(pool, &pool->solvables[p], &names, &deps, format))
			queue_push(&stand_ins, p);
	if (stand_ins.count)
		queue_push2(jobs, SOLVER_DISFAVOR | SOLVER_SOLVABLE_ONE_OF, pool_queuetowhatprovides(pool, &stand_ins));
	queue_free(&stand_ins);
	queue_free(&deps);
	map_free(&names);
}

/* rpm-md's primary metadata lists only a part of the files (bin, etc), and some repositories not even that. A
 * dependency on a path that nobody lists is left to rpm, which sees the packages themselves. */
Id choice_unlisted_paths(Pool *pool)
{
	Id assumed = 0;
	Queue deps, paths;
	Solvable *s;
	Map seen;

	queue_init(&deps);
	queue_init(&paths);
	map_init(&seen, pool->ss.nstrings);
	for (Id p = 2; p < pool->nsolvables; p++) {
		s = &pool->solvables[p];
		if (!s->repo || !pool_installable(pool, s))
			continue;
		queue_empty(&deps);
		solvable_lookup_deparray(s, SOLVABLE_REQUIRES, &deps, 0);
		for (int i = 0; i < deps.count; i++) {
			Id id = deps.elements[i];

			if (ISRELDEP(id) || pool_id2str(pool, id)[0] != '/' || MAPTST(&seen, id))
				continue;
			MAPSET(&seen, id);
			if (!pool->whatprovidesdata[pool_whatprovides(pool, id)])
				queue_push(&paths, id);
		}
	}
	if (paths.count) {
		assumed = repo_add_solvable(repo_create(pool, "unlisted paths"));
		s = pool_id2solvable(pool, assumed);
		s->name = pool_str2id(pool, "unlisted paths", 1);
		s->evr = pool_str2id(pool, "0", 1);
		s->arch = ARCH_NOARCH;
		for (int i = 0; i < paths.count; i++)
			solvable_add_deparray(s, SOLVABLE_PROVIDES, paths.elements[i], 0);
		pool_createwhatprovides(pool);
	}
	map_free(&seen);
	queue_free(&paths);
	queue_free(&deps);
	return assumed;
}

void choice_assumed(Pool *pool, Id assumed, const Queue *selected, struct strv *ret)
{
	Queue deps;
	Id p, pp;

	queue_init(&deps);
	for (int i = 0; assumed && i < selected->count; i++) {
		queue_empty(&deps);
		solvable_lookup_deparray(&pool->solvables[selected->elements[i]], SOLVABLE_REQUIRES, &deps, 0);
		for (int k = 0; k < deps.count; k++) {
			const char *path = ISRELDEP(deps.elements[k]) ? "" : pool_id2str(pool, deps.elements[k]);

			if (path[0] != '/' || strv_has(ret, path))
				continue;
			FOR_PROVIDES(p, pp, deps.elements[k])
			if (p == assumed)
				strv_add(ret, path);
		}
	}
	queue_free(&deps);
}
