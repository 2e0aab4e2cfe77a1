/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libsolv's pool: made for a format and an architecture, filled from indexes, and its problems put into words.
 */
#include "repo/solver.h"

#include <solv/poolarch.h>
#include <solv/problems.h>
#include <solv/repo_deb.h>
#include <solv/repo_rpmmd.h>
#include <solv/solv_xfopen.h>

#define INDEX_MAX (1u << 30)
#define PROBLEMS_MAX 20

Pool *pool_make(enum repo_format format, const char *arch, bool strict)
{
	Pool *pool = pool_create();

	pool_setdisttype(pool, format == REPO_DEB ? DISTTYPE_DEB : DISTTYPE_RPM);
	/* A policy of one name admits it and "noarch"; pool_setarch knows what else an x86_64 can run. */
	if (strict && strcmp(arch, "i386") != 0)
		pool_setarchpolicy(pool, arch);
	else
		pool_setarch(pool, strict ? "i686" : arch);
	return pool;
}

static int slurp(FILE *f, const char *file, struct buf *ret, struct err *e)
{
	_cleanup_free_ char *chunk = xmalloc(1 << 18);
	size_t n;

	while ((n = fread(chunk, 1, 1 << 18, f)) > 0) {
		buf_add(ret, chunk, n);
		if (ret->len > INDEX_MAX)
			return err_set(e, -EFBIG, "%s: longer than %u bytes", file, INDEX_MAX);
	}
	return ferror(f) ? err_set(e, -EBADMSG, "%s: cannot be decompressed", file) : 0;
}

int pool_add_stanzas(Repo *repo, struct buf *filtered, struct err *e)
{
	_cleanup_fclose_ FILE *f = NULL;

	if (filtered->len == 0)
		return 0;
	f = fmemopen(filtered->p, filtered->len, "r");
	if (!f)
		return err_sys(e, "package list");
	return repo_add_debpackages(repo, f, 0) ? err_set(e, -EBADMSG, "package list: %s", pool_errstr(repo->pool)) : 0;
}

int pool_add_index(Pool *pool, Repo *repo, enum repo_format format, const char *arch, int fd, const char *file,
		   struct err *e)
{
	_cleanup_buf_ struct buf text = {0}, filtered = {0};
	_cleanup_fclose_ FILE *f = solv_xfopen_fd(file, fd, "r"); /* takes fd */
	int r;

	if (!f)
		return err_set(e, -EBADMSG, "%s: cannot be decompressed", file);
	if (format == REPO_RPM) {
		if (repo_add_rpmmd(repo, f, NULL, 0))
			return err_set(e, -EBADMSG, "%s: %s", file, pool_errstr(pool));
		return ferror(f) ? err_set(e, -EBADMSG, "%s: cannot be decompressed", file) : 0;
	}
	r = slurp(f, file, &text, e);
	if (r < 0)
		return r;
	stanza_filter(text.p ? text.p : "", text.len, arch, &filtered);
	buf_free(&text);
	text = (struct buf){0};
	return pool_add_stanzas(repo, &filtered, e);
}

struct stanza_extra pool_extra(Solvable *s)
{
	return stanza_extra(solvable_lookup_str(s, SOLVABLE_URL));
}

void pool_package(Solvable *s, struct repo_package *p)
{
	Pool *pool = s->repo->pool;

	p->name = xstrdup(pool_id2str(pool, s->name));
	p->evr = xstrdup(pool_id2str(pool, s->evr));
	p->arch = xstrdup(pool_id2str(pool, s->arch));
	p->installed = solvable_lookup_num(s, SOLVABLE_INSTALLSIZE, 0);
}

static int worth(SolverRuleinfo type)
{
	/* "bash must be installed" is what was asked for, not why it cannot be. */
	return (type & ~0xff) == SOLVER_RULE_JOB || (type & ~0xff) == SOLVER_RULE_UPDATE ? 0 : 1;
}

void pool_problems(Solver *solver, struct strv *ret)
{
	size_t n = (size_t)solver_problem_count(solver);
	Queue rules;

	queue_init(&rules);
	for (size_t i = 1; i <= n && ret->n < PROBLEMS_MAX; i++) {
		_cleanup_buf_ struct buf b = {0};
		bool all = false;
		int told = 0;

	again:
		queue_empty(&rules);
		solver_findallproblemrules(solver, (Id)i, &rules);
		for (int k = 0; k < rules.count && told < 4; k++) {
			Id from, to, dep;
			SolverRuleinfo type = solver_ruleinfo(solver, rules.elements[k], &from, &to, &dep);
			const char *text;

			if (!all && (!worth(type) || type == SOLVER_RULE_PKG_SAME_NAME))
				continue;
			text = solver_ruleinfo2str(solver, type, from, to, dep);
			if (b.p && strstr(b.p, text))
				continue;
			buf_addf(&b, "%s%s", told++ ? "; " : "", text);
		}
		if (!told && !all) {
			all = true;
			goto again;
		}
		if (b.p && !strv_has(ret, b.p))
			strv_add(ret, b.p);
	}
	queue_free(&rules);
}
