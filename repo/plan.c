/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What bringing these files into that system would do: what is passed over and why, what stands against it, and
 * otherwise the changes in their order.
 */
#include "repo/plan.h"

#include <solv/evr.h>
#include <solv/poolarch.h>
#include <solv/transaction.h>

#define SECONDS 300
#define NOBODY 65534
#define NO_FILE UINT64_MAX

struct plan_job {
	enum repo_format format;
	const char *arch;
	const struct repo_package *files;
	size_t n;
	int *fds; /* of the files that are looked at; -1 for the others */
	/* in the sandbox */
	Pool *pool;
	Id *ids; /* solvable of each file, 0: passed over */
	struct strv skipped, problems;
	struct buf changes;
	uint64_t n_changes;
};

void repo_plan_free(struct repo_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->changes[i].name);
		free(p->changes[i].from);
		free(p->changes[i].to);
		free(p->changes[i].arch);
	}
	free(p->changes);
	strv_free(&p->skipped);
	strv_free(&p->problems);
	*p = (struct repo_plan){0};
}

/* ---- in the sandbox ---------------------------------------------------------------------------------------------- */
static Solvable *solvable(struct plan_job *j, Id p)
{
	return pool_id2solvable(j->pool, p);
}

static const char *evr(struct plan_job *j, Id p)
{
	return pool_id2str(j->pool, solvable(j, p)->evr);
}

/* Whether one takes the other's place: by name, and on a multilib system by architecture too. */
static bool same_place(struct plan_job *j, Id a, Id b)
{
	Id arch_a = solvable(j, a)->arch, arch_b = solvable(j, b)->arch;

	if (solvable(j, a)->name != solvable(j, b)->name)
		return false;
	return j->format == REPO_DEB || arch_a == arch_b || arch_a == ARCH_NOARCH || arch_b == ARCH_NOARCH;
}

static Id installed_of(struct plan_job *j, Id file)
{
	Id p, newest = 0;
	Solvable *s;

	FOR_REPO_SOLVABLES(j->pool->installed, p, s)
	if (same_place(j, p, file) &&
	    (!newest || pool_evrcmp(j->pool, s->evr, solvable(j, newest)->evr, EVRCMP_COMPARE) > 0))
		newest = p;
	return newest;
}

static void skip(struct plan_job *j, size_t i, const char *reason)
{
	strv_addf(&j->skipped, "%s: %s", j->files[i].file, reason);
	j->ids[i] = 0;
}

static void check_arch(struct plan_job *j, size_t i)
{
	const char *arch = pool_id2str(j->pool, solvable(j, j->ids[i])->arch);
	_cleanup_free_ char *reason = NULL;

	if (strcmp(arch, "src") == 0 || strcmp(arch, "nosrc") == 0) {
		skip(j, i, "a source package, nothing to install");
	} else if (!pool_arch2score(j->pool, solvable(j, j->ids[i])->arch)) {
		reason = xasprintf("for %s, this system is %s", arch, j->arch);
		skip(j, i, reason);
	}
}

static void check_version(struct plan_job *j, size_t i)
{
	Id id = j->ids[i], old = installed_of(j, id);
	_cleanup_free_ char *reason = NULL;
	int c;

	for (size_t k = 0; k < j->n; k++) {
		if (k == i || !j->ids[k] || !same_place(j, id, j->ids[k]))
			continue;
		c = pool_evrcmp(j->pool, solvable(j, j->ids[k])->evr, solvable(j, id)->evr, EVRCMP_COMPARE);
		if (c > 0 || (c == 0 && k < i)) {
			reason = xasprintf("%s is given too, %s", j->files[k].file,
					   c ? "and newer" : "of the same version");
			skip(j, i, reason);
			return;
		}
	}
	if (!old)
		return;
	c = pool_evrcmp(j->pool, solvable(j, id)->evr, solvable(j, old)->evr, EVRCMP_COMPARE);
	if (c == 0) {
		reason = xasprintf("version %s is installed already", evr(j, old));
		skip(j, i, reason);
	} else if (c < 0) {
		strv_addf(&j->problems,
			  "%s: version %s would replace the newer %s that is installed; downgrades are not done",
			  j->files[i].file, evr(j, id), evr(j, old));
		j->ids[i] = 0;
	}
}

static int load(struct plan_job *j, struct err *e)
{
	Repo *installed, *files;
	int r;

	j->pool = pool_make(j->format, j->arch, j->format == REPO_DEB);
	installed = repo_create(j->pool, "installed");
	files = repo_create(j->pool, "files");
	r = plan_load_installed(installed, j->format, &j->problems, e);
	if (r < 0)
		return r;
	pool_set_installed(j->pool, installed);
	for (size_t i = 0; i < j->n; i++) {
		if (j->fds[i] < 0)
			continue;
		r = plan_add_file(files, j->format, j->fds[i], e);
		if (r < 0)
			return err_wrap(e, "%s", j->files[i].file);
		j->ids[i] = r;
	}
	for (size_t i = 0; i < j->n; i++)
		if (j->ids[i])
			check_arch(j, i);
	for (size_t i = 0; i < j->n; i++)
		if (j->ids[i])
			check_version(j, i);
	pool_addfileprovides(j->pool);
	pool_createwhatprovides(j->pool);
	return 0;
}

static void add_change(struct plan_job *j, Id p)
{
	bool is_file = solvable(j, p)->repo != j->pool->installed;
	Id old = is_file ? installed_of(j, p) : p;
	uint64_t file = NO_FILE;

	for (size_t i = 0; i < j->n; i++)
		if (is_file && j->ids[i] == p)
			file = i;
	wire_str(&j->changes, pool_id2str(j->pool, solvable(j, p)->name));
	wire_str(&j->changes, pool_id2str(j->pool, solvable(j, p)->arch));
	wire_str(&j->changes, old ? evr(j, old) : "");
	wire_str(&j->changes, is_file ? evr(j, p) : "");
	wire_u64(&j->changes, file);
	j->n_changes++;
}

/* An installed package that a step takes away without putting another in its place. */
static bool is_removal(struct plan_job *j, Id p, const Queue *steps)
{
	if (solvable(j, p)->repo != j->pool->installed)
		return false;
	for (int i = 0; i < steps->count; i++)
		if (solvable(j, steps->elements[i])->repo != j->pool->installed && same_place(j, p, steps->elements[i]))
			return false;
	return true;
}

static void solve(struct plan_job *j)
{
	Solver *solver = solver_create(j->pool);
	Transaction *t;
	Queue jobs;

	queue_init(&jobs);
	for (size_t i = 0; i < j->n; i++)
		if (j->ids[i])
			queue_push2(&jobs, SOLVER_INSTALL | SOLVER_SOLVABLE, j->ids[i]);
	solver_set_flag(solver, SOLVER_FLAG_IGNORE_RECOMMENDED, 1);
	if (solver_solve(solver, &jobs) != 0) {
		pool_problems(solver, &j->problems);
	} else {
		t = solver_create_transaction(solver);
		transaction_order(t, 0);
		for (int i = 0; i < t->steps.count; i++) {
			Id p = t->steps.elements[i];

			if (solvable(j, p)->repo != j->pool->installed || is_removal(j, p, &t->steps))
				add_change(j, p);
		}
		transaction_free(t);
	}
	queue_free(&jobs);
	solver_free(solver);
}

static int plan_in_sandbox(int out, void *arg, struct err *e)
{
	_cleanup_buf_ struct buf b = {0};
	struct plan_job *j = arg;
	int r;

	j->ids = xcalloc(j->n + 1, sizeof(*j->ids));
	r = load(j, e);
	if (r < 0)
		return r;
	solve(j);
	wire_strv(&b, &j->skipped);
	wire_strv(&b, &j->problems);
	wire_u64(&b, j->n_changes);
	if (j->changes.len)
		wire_bytes(&b, j->changes.p, j->changes.len);
	return wire_send(out, &b, e);
}

/* ---- outside of it ----------------------------------------------------------------------------------------------- */
static char *some(char *s)
{
	if (*s)
		return s;
	free(s);
	return NULL;
}

static int read_plan(const struct buf *b, const struct plan_job *j, struct repo_plan *p, struct err *e)
{
	struct wire w = {.p = b->p, .end = b->p + b->len};
	uint64_t n;

	wire_get_strv(&w, &p->skipped);
	wire_get_strv(&w, &p->problems);
	n = wire_get_u64(&w);
	w.bad |= n > b->len;
	p->changes = xcalloc(w.bad ? 1 : n + 1, sizeof(*p->changes));
	for (p->n = 0; !w.bad && p->n < n; p->n++) {
		struct repo_change *c = &p->changes[p->n];
		uint64_t file;

		c->name = wire_get_str(&w);
		c->arch = wire_get_str(&w);
		c->from = some(wire_get_str(&w));
		c->to = some(wire_get_str(&w));
		file = wire_get_u64(&w);
		if (file != NO_FILE && (file >= j->n || j->fds[file] < 0))
			w.bad = true;
		else if (file != NO_FILE)
			c->package = &j->files[file];
		w.bad |= (c->to == NULL) != (c->package == NULL);
	}
	return w.bad ? err_set(e, -EBADMSG, "the reader of the package database broke") : 0;
}

/* The sandbox is nobody, and sqlite and Berkeley DB want to write beside what they read. */
static void give_to_nobody(int db)
{
	static const char *const names[] = {".",        "rpmdb.sqlite", "rpmdb.sqlite-wal", "rpmdb.sqlite-shm",
					    "Packages", "status"};

	for (size_t i = 0; geteuid() == 0 && i < ARRAY_LEN(names); i++)
		(void)!fchownat(db, names[i], NOBODY, NOBODY, AT_SYMLINK_NOFOLLOW);
}

static int check_backend(int db, enum repo_format format, struct err *e)
{
	if (format == REPO_DEB)
		return faccessat(db, "status", R_OK, 0) == 0 ? 0 : err_sys(e, "dpkg's status");
	if (faccessat(db, "Packages", F_OK, 0) == 0 || faccessat(db, "rpmdb.sqlite", F_OK, 0) == 0)
		return 0;
	if (faccessat(db, "Packages.db", F_OK, 0) == 0)
		return err_set(e, -EOPNOTSUPP,
			       "its rpm database is of the format ndb, which cannot be read from outside");
	return err_set(e, -ENOENT, "there is no rpm database (neither Packages nor rpmdb.sqlite)");
}

/* Names of one architecture differ between the formats. */
static const char *arch_of(enum repo_format format, const char *arch)
{
	static const char *const pairs[][2] = {{"amd64", "x86_64"},
					       {"arm64", "aarch64"},
					       {"ppc64el", "ppc64le"},
					       {"armhf", "armv7hl"},
					       {"i386", "i686"}};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (strcmp(arch, pairs[i][format == REPO_DEB ? 1 : 0]) == 0)
			return pairs[i][format == REPO_DEB ? 0 : 1];
	return arch;
}

static int open_files(struct plan_job *j, struct repo_plan *p, int *keep, size_t *ret_n, struct err *e)
{
	for (size_t i = 0; i < j->n; i++) {
		const struct repo_package *f = &j->files[i];

		if (f->format != j->format) {
			strv_addf(&p->skipped, "%s: %s", f->file,
				  f->format == REPO_DEB ? "a .deb, this system's packages are rpms"
							: "an rpm, this system's packages are .debs");
			continue;
		}
		if (!f->has_digest)
			return err_set(e, -EINVAL, "%s: not in the cache", f->file);
		j->fds[i] = repo_cache_open(f->sha256, e);
		if (j->fds[i] < 0)
			return err_wrap(e, "%s", f->file);
		keep[(*ret_n)++] = j->fds[i];
	}
	return 0;
}

int repo_plan_make(int db, enum repo_format format, const char *arch, const struct repo_package *files, size_t n,
		   struct repo_plan *ret, struct err *e)
{
	_cleanup_(repo_plan_free) struct repo_plan p = {0};
	_cleanup_free_ int *fds = xcalloc(n + 1, sizeof(*fds)), *keep = xcalloc(n + 1, sizeof(*keep));
	struct plan_job j = {.format = format, .arch = arch_of(format, arch), .files = files, .n = n, .fds = fds};
	_cleanup_buf_ struct buf out = {0};
	size_t n_keep = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		fds[i] = -1;
	r = check_backend(db, format, e);
	if (r == 0 && format == REPO_RPM)
		r = package_rpm_prepare(e);
	if (r == 0)
		r = open_files(&j, &p, keep, &n_keep, e);
	if (r == 0) {
		give_to_nobody(db);
		r = sandbox_call(plan_in_sandbox, &j, db, keep, n_keep, SECONDS, &out, e);
	}
	if (r == 0)
		r = read_plan(&out, &j, &p, e);
	for (size_t i = 0; i < n; i++)
		close_fd(fds[i]);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct repo_plan){0};
	return 0;
}
