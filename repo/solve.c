/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From names to the packages that a new tree needs. The indexes are verified before (indexes_fetch); parsing and
 * solving run in a sandbox, and what comes back is checked like any other outside data.
 */
#include "repo/solver.h"

#include <solv/transaction.h>

#define SECONDS 300

struct solve_job {
	const struct repo_indexes *indexes;
	enum repo_format format;
	const struct strv *names;
	/* in the sandbox */
	Pool *pool;
	Solver *solver;
	Map required; /* solvables of the required closure */
	Id assumed;   /* the solvable that provides the paths that no index lists, or 0 */
};

void repo_solution_free(struct repo_solution *s)
{
	for (size_t i = 0; i < s->n; i++)
		repo_package_free(&s->pkgs[i]);
	free(s->pkgs);
	strv_free(&s->urls_tried);
	*s = (struct repo_solution){0};
}

/* ---- in the sandbox ---------------------------------------------------------------------------------------------- */
static int load(struct solve_job *j, struct err *e)
{
	const struct repo_index *first = &j->indexes->v[0];

	j->pool = pool_make(j->format, first->src->arch, true);
	for (size_t i = 0; i < j->indexes->n; i++) {
		const struct repo_index *x = &j->indexes->v[i];
		Repo *repo = repo_create(j->pool, x->src->name);
		int r = pool_add_index(j->pool, repo, j->format, x->src->arch, x->fd, x->file, e);

		if (r < 0)
			return err_wrap(e, "repository %s", x->src->name);
		repo->appdata = (void *)x;
	}
	choice_newest(j->pool, j->format);
	pool_addfileprovides(j->pool);
	pool_createwhatprovides(j->pool);
	if (j->format == REPO_RPM)
		j->assumed = choice_unlisted_paths(j->pool);
	return 0;
}

static int unknown_name(const struct solve_job *j, const char *name, struct err *e)
{
	_cleanup_free_ const char **words = xcalloc((size_t)j->pool->nsolvables, sizeof(*words));
	const char *near;
	size_t n = 0;

	for (Id p = 2; p < j->pool->nsolvables; p++)
		if (j->pool->solvables[p].repo)
			words[n++] = pool_id2str(j->pool, j->pool->solvables[p].name);
	near = text_nearest(name, words, n);
	if (near)
		return err_set(e, -ENOENT, "no repository has a package %s; did you mean %s?", name, near);
	return err_set(e, -ENOENT, "no repository has a package %s", name);
}

/* A package of that name, else whatever provides it (a virtual package, a path). */
static int add_name(struct solve_job *j, const char *name, Queue *jobs, struct err *e)
{
	Pool *pool = j->pool; /* libsolv's macros want it under this name */
	Id id = pool_str2id(pool, name, 0), p, pp;
	bool real = false, any = false;

	if (!id)
		return unknown_name(j, name, e);
	FOR_JOB_SELECT(p, pp, SOLVER_SOLVABLE_PROVIDES, id)
	{
		any = true;
		real |= j->pool->solvables[p].name == id;
	}
	if (!any)
		return unknown_name(j, name, e);
	queue_push2(jobs, SOLVER_INSTALL | (real ? SOLVER_SOLVABLE_NAME : SOLVER_SOLVABLE_PROVIDES), id);
	return 0;
}

static void add_required(struct solve_job *j, Queue *jobs)
{
	for (Id p = 2; p < j->pool->nsolvables; p++) {
		Solvable *s = &j->pool->solvables[p];
		struct stanza_extra x = s->repo ? pool_extra(s) : (struct stanza_extra){0};

		if (x.required || x.essential)
			queue_push2(jobs, SOLVER_INSTALL | SOLVER_SOLVABLE_NAME, s->name);
	}
}

static int solve(struct solve_job *j, struct err *e)
{
	_cleanup_strv_ struct strv problems = {0};
	_cleanup_buf_ struct buf all = {0};
	Queue jobs;
	int r = 0;

	queue_init(&jobs);
	if (j->format == REPO_DEB)
		add_required(j, &jobs);
	for (size_t i = 0; r == 0 && i < j->names->n; i++)
		r = add_name(j, j->names->v[i], &jobs, e);
	if (r == 0)
		choice_prefer_real(j->pool, j->format, &jobs);
	j->solver = solver_create(j->pool);
	solver_set_flag(j->solver, SOLVER_FLAG_IGNORE_RECOMMENDED, 1);
	if (r == 0 && solver_solve(j->solver, &jobs) != 0) {
		pool_problems(j->solver, &problems);
		for (size_t i = 0; i < problems.n; i++)
			buf_addf(&all, "%s%s", i ? "; " : "", problems.v[i]);
		r = err_set(e, -ENOTUNIQ, "the packages cannot be installed together: %s",
			    all.p ? all.p : "no solution");
	}
	queue_free(&jobs);
	return r;
}

/* Everything selected that a required package needs, and what that needs. */
static void close_required(struct solve_job *j, const Queue *selected)
{
	Pool *pool = j->pool;
	Map chosen;
	Queue todo, deps;

	map_init(&chosen, j->pool->nsolvables);
	map_init(&j->required, j->pool->nsolvables);
	queue_init(&todo);
	queue_init(&deps);
	for (int i = 0; i < selected->count; i++) {
		Id p = selected->elements[i];
		struct stanza_extra x = pool_extra(&j->pool->solvables[p]);

		MAPSET(&chosen, p);
		if (j->format == REPO_DEB && (x.required || x.essential)) {
			MAPSET(&j->required, p);
			queue_push(&todo, p);
		}
	}
	while (todo.count) {
		Id from = queue_pop(&todo), p, pp;

		queue_empty(&deps);
		solvable_lookup_deparray(&j->pool->solvables[from], SOLVABLE_REQUIRES, &deps, 0);
		for (int i = 0; i < deps.count; i++) {
			if (deps.elements[i] == SOLVABLE_PREREQMARKER)
				continue;
			FOR_PROVIDES(p, pp, deps.elements[i])
			{
				if (!MAPTST(&chosen, p) || MAPTST(&j->required, p))
					continue;
				MAPSET(&j->required, p);
				queue_push(&todo, p);
			}
		}
	}
	queue_free(&deps);
	queue_free(&todo);
	map_free(&chosen);
}

static int write_package(const struct solve_job *j, Id id, struct buf *b, struct err *e)
{
	Solvable *s = &j->pool->solvables[id];
	const struct repo_index *x = s->repo->appdata;
	struct repo_package p = {.format = j->format};
	struct stanza_extra extra = {0};
	const unsigned char *sum;
	const char *location;
	Id type = 0;

	pool_package(s, &p);
	location = solvable_lookup_location(s, NULL);
	p.url = xstrdup(location ? location : "");
	sum = solvable_lookup_bin_checksum(s, SOLVABLE_CHECKSUM, &type);
	p.has_digest = sum && type == REPOKEY_TYPE_SHA256;
	if (p.has_digest)
		memcpy(p.sha256, sum, DIGEST_LEN);
	if (j->format == REPO_DEB)
		extra = pool_extra(s);
	p.size = j->format == REPO_DEB ? extra.size : solvable_lookup_num(s, SOLVABLE_DOWNLOADSIZE, 0);
	p.essential = extra.essential;
	p.required = MAPTST(&j->required, id);
	wire_u64(b, (uint64_t)(x - j->indexes->v));
	wire_package(b, &p);
	repo_package_free(&p);
	return 0;
}

static int solve_in_sandbox(int out, void *arg, struct err *e)
{
	_cleanup_strv_ struct strv assumed = {0};
	_cleanup_buf_ struct buf b = {0};
	struct solve_job *j = arg;
	Transaction *t;
	int n = 0;
	int r = load(j, e);

	if (r == 0)
		r = solve(j, e);
	if (r < 0)
		return r;
	t = solver_create_transaction(j->solver);
	transaction_order(t, 0);
	close_required(j, &t->steps);
	choice_assumed(j->pool, j->assumed, &t->steps, &assumed);
	wire_strv(&b, &assumed);
	for (int i = 0; i < t->steps.count; i++)
		n += t->steps.elements[i] != j->assumed;
	wire_u64(&b, (uint64_t)n);
	/* The required closure depends on nothing outside it, so it can stand first without breaking the order. */
	for (int pass = 1; pass >= 0; pass--)
		for (int i = 0; r == 0 && i < t->steps.count; i++)
			if (t->steps.elements[i] != j->assumed && !!MAPTST(&j->required, t->steps.elements[i]) == pass)
				r = write_package(j, t->steps.elements[i], &b, e);
	transaction_free(t);
	return r < 0 ? r : wire_send(out, &b, e);
}

/* ---- outside of it ----------------------------------------------------------------------------------------------- */
static int place_package(struct repo_package *p, const struct repo_index *x, struct err *e)
{
	_cleanup_free_ char *location = TAKE_PTR(p->url);
	const char *slash = strrchr(location, '/');

	if (!*p->name || !url_path_ok(location) || strchr(p->name, '/') || strchr(p->evr, '/') || strchr(p->arch, '/'))
		return err_set(e, -EBADMSG, "repository %s: package %s has no usable name and path (%s)", x->src->name,
			       p->name, location);
	if (!p->has_digest)
		return err_set(e, -EBADMSG, "repository %s: package %s has no SHA-256 in the index", x->src->name,
			       p->name);
	p->url = url_join(x->base, location);
	free(p->file);
	p->file = xstrdup(slash ? slash + 1 : location);
	if (x->must_sign) {
		p->must_sign = xstrdup(x->src->keyring);
		for (size_t i = 0; i < x->src->fingerprints.n; i++)
			strv_add(&p->signers, x->src->fingerprints.v[i]);
	}
	return 0;
}

static int read_solution(const struct buf *b, const struct repo_indexes *l, enum repo_format format,
			 const struct report *report, struct repo_solution *s, struct err *e)
{
	struct wire w = {.p = b->p, .end = b->p + b->len};
	_cleanup_strv_ struct strv assumed = {0};
	_cleanup_buf_ struct buf paths = {0};
	uint64_t n;
	int r = 0;

	wire_get_strv(&w, &assumed);
	for (size_t i = 0; i < assumed.n && !w.bad; i++) {
		_cleanup_free_ char *path = text_escape(assumed.v[i], strlen(assumed.v[i]));

		buf_addf(&paths, "%s%s", i ? ", " : "", path);
	}
	if (paths.len)
		report_note(report, "no index lists these paths that packages need, rpm itself will check them: %s",
			    paths.p);
	n = wire_get_u64(&w);
	if (n > b->len)
		w.bad = true;
	s->pkgs = xcalloc(w.bad ? 1 : n + 1, sizeof(*s->pkgs));
	for (s->n = 0; r == 0 && !w.bad && s->n < n; s->n++) {
		uint64_t index = wire_get_u64(&w);

		wire_get_package(&w, &s->pkgs[s->n]);
		w.bad |= index >= l->n || s->pkgs[s->n].format != format;
		if (!w.bad)
			r = place_package(&s->pkgs[s->n], &l->v[index], e);
	}
	return w.bad ? err_set(e, -EBADMSG, "the reader of the package lists broke") : r;
}

int repo_resolve(const struct repo_source *src, size_t n_src, enum repo_format format, const struct strv *names,
		 const struct report *r, struct repo_solution *ret, struct err *e)
{
	_cleanup_(indexes_free) struct repo_indexes l = {0};
	struct solve_job j = {.indexes = &l, .format = format, .names = names};
	_cleanup_(repo_solution_free) struct repo_solution s = {0};
	_cleanup_free_ int *keep = NULL;
	_cleanup_buf_ struct buf out = {0};
	int status;

	for (size_t i = 0; i < n_src; i++)
		if ((src[i].type == REPO_TYPE_DEB) != (format == REPO_DEB))
			return err_set(e, -EINVAL, "repository %s is of another package format", src[i].name);
	status = indexes_fetch(src, n_src, r, &l, e);
	if (status < 0)
		return status;
	if (l.n == 0)
		return err_set(e, -EINVAL, "no repository is given");
	keep = xcalloc(l.n, sizeof(*keep));
	for (size_t i = 0; i < l.n; i++)
		keep[i] = l.v[i].fd;
	status = sandbox_call(solve_in_sandbox, &j, -1, keep, l.n, SECONDS, &out, e);
	if (status < 0)
		return status;
	status = read_solution(&out, &l, format, r, &s, e);
	if (status < 0)
		return status;
	s.urls_tried = l.tried;
	l.tried = (struct strv){0};
	*ret = s;
	s = (struct repo_solution){0};
	return 0;
}

int repo_solution_fetch(const struct repo_solution *s, const struct report *r, struct err *e)
{
	_cleanup_free_ struct repo_download *d = xcalloc(s->n + 1, sizeof(*d));
	int status;

	for (size_t i = 0; i < s->n; i++) {
		d[i] = (struct repo_download){.url = s->pkgs[i].url,
					      .size = s->pkgs[i].size,
					      .has_digest = s->pkgs[i].has_digest,
					      .what = s->pkgs[i].file};
		memcpy(d[i].sha256, s->pkgs[i].sha256, DIGEST_LEN);
	}
	status = repo_fetch(d, s->n, r, e);
	for (size_t i = 0; status == 0 && i < s->n; i++) {
		_cleanup_close_ int fd = -1;

		if (!s->pkgs[i].must_sign)
			continue;
		fd = repo_cache_open(s->pkgs[i].sha256, e);
		status = fd < 0 ? fd
				: package_rpm_verify(fd, s->pkgs[i].file, s->pkgs[i].must_sign, &s->pkgs[i].signers, e);
	}
	return status;
}
