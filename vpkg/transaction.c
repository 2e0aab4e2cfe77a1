/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One vserver's transaction. Everything that a failure needs is on disk before the tool starts; what the tool says is
 * checked against the plan; anything but success is taken back.
 */
#include "vpkg/transaction.h"

#define TOOL_TIMEOUT 1800u
#define QUERY_TIMEOUT 300u
#define POLICY "usr/sbin/policy-rc.d"

const char *outcome_name(enum outcome_status s)
{
	static const char *const names[] = {"ok", "skipped", "failed", "undone"};

	return names[s];
}

/* What the tool printed, on its way out, and the last line that explains a failure. */
struct listener {
	const struct transaction *t;
	char *failure; /* the first line that says that something failed */
	char *telling; /* the first line that says the disk is full, else the last that names an error, else the last of
			* standard error */
	int weight;    /* of telling: which of these it is */
	bool announced; /* telling ends in a colon: the next line says it */
};

static const char full[] = "No space left on device";

static void remember(struct listener *l, const char *text, bool is_err)
{
	int weight = strstr(text, full)                                ? 3
		     : strstr(text, "error") || strstr(text, "failed") ? 2
		     : is_err && *text                                 ? 1
								       : 0;
	size_t n = strlen(text);

	if (l->announced && weight == 1)
		weight = l->weight; /* "unrecoverable error, aborting:", and only then which one */
	l->announced = false;
	if (!weight || weight < l->weight || (weight == 3 && l->weight == 3))
		return;
	free(l->telling);
	l->telling = xstrdup(text + strspn(text, " "));
	l->weight = weight;
	l->announced = n && text[n - 1] == ':';
}

static void hear(const char *line, size_t len, bool is_err, void *arg)
{
	struct listener *l = arg;
	char *text = text_escape(line, len);

	if (!l->failure && l->t->tool->line_fails(text))
		l->failure = xstrdup(text);
	if (l->t->line)
		l->t->line(text, l->t->arg);
	remember(l, text, is_err);
	free(text);
}

/* Every path that the transaction replaces, adds or removes, as the packages list them. */
static int touched_paths(const struct transaction *t, struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < t->plan->n; i++) {
		const struct repo_change *c = &t->plan->changes[i];

		if (c->from) {
			int r = t->tool->installed_files(t->v, c, ret, e);

			if (r < 0)
				return r;
		}
		for (size_t k = 0; c->package && k < c->package->files.n; k++)
			strv_add(ret, c->package->files.v[k]);
	}
	return 0;
}

static int prepare(const struct transaction *t, struct journal *j, struct err *e)
{
	_cleanup_(manifest_free) struct manifest m = {0};
	_cleanup_strv_ struct strv touched = {0};
	int r = touched_paths(t, &touched, e);

	if (r == 0)
		r = journal_begin(t->v->name, j, e);
	if (r == 0)
		r = manifest_take(t->v->tree, &touched, &m, e);
	if (r == 0)
		r = preimage_keep(t->v->tree, &m, j->undo, e);
	if (r == 0)
		r = manifest_save(j->dir, &m, e);
	if (r == 0)
		r = journal_save_touched(j, &touched, e);
	if (r == 0)
		r = intr_check(e);
	if (r == 0)
		r = journal_set(j, JOURNAL_APPLYING, e);
	/* The private copies are not flushed: where one is lost with the power, the exchange that put it there is, too,
	 * or the undo exchanges it back. */
	return r == 0 ? preimage_unshare(t->v->tree, &m, j->undo, e) : r;
}

/* Maintainer scripts that call invoke-rc.d by its full name ask this file. One of the vserver's own stays. 1: it is
 * there now, and ret_st says which one is ours. */
static int add_policy(const struct vserver *v, struct stat *ret_st, struct err *e)
{
	static const char deny[] = "#!/bin/sh\n# vpkg: while packages are installed no service starts\nexit 101\n";
	int r;

	if (v->family != VS_DEBIAN || path_stat(v->tree, POLICY, ret_st) != -ENOENT)
		return 0;
	r = path_write(v->tree, POLICY, deny, strlen(deny), 0755, e);
	if (r == 0)
		r = path_stat(v->tree, POLICY, ret_st);
	return r < 0 ? err_set(e, r, "%s: cannot be written: no service may start meanwhile", POLICY) : 1;
}

/* Left there, no service would ever start again. What a package put in its place is not ours. */
static int remove_policy(const struct vserver *v, const struct stat *ours, struct err *e)
{
	const char *name;
	_cleanup_close_ int dir = path_parent(v->tree, POLICY, &name);
	struct stat st;

	if (dir < 0)
		return dir == -ENOENT ? 0 : err_set(e, dir, "%s: cannot be removed: %s", POLICY, strerror(-dir));
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != ours->st_ino)
		return 0;
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? err_sys(e, "%s: cannot be removed", POLICY) : 0;
}

static int apply(const struct transaction *t, struct err *e)
{
	struct ctx_spec spec = vs_context(t->v, CTX_STUBS | CTX_NO_FLUSH);
	struct listener l = {.t = t};
	_cleanup_strv_ struct strv argv = {0};
	struct stat ours;
	int r = vs_use(t->v, e), policy;

	if (r < 0)
		return r;
	policy = add_policy(t->v, &ours, e);
	spec.packages = t->packages;
	t->tool->apply_command(t->plan, &argv);
	if (policy >= 0)
		r = ctx_run(&spec, (const char *const *)argv.v, NULL,
			    &(struct proc_io){.line = hear, .arg = &l, .timeout = TOOL_TIMEOUT}, e);
	if (policy > 0)
		policy = remove_policy(t->v, &ours, r < 0 ? NULL : e);
	vs_unuse(t->v);
	if (r == 0 && policy < 0)
		r = policy;
	if (r > 0)
		r = err_set(e, -ECANCELED, "%s ended with status %d%s%s", argv.v[0], r, l.telling ? ": " : "",
			    l.telling ? l.telling : "");
	else if (r == 0 && l.failure)
		r = err_set(e, -ECANCELED, "%s", l.failure);
	free(l.failure);
	free(l.telling);
	return r;
}

/* Whether a line "NAME VERSION STATE", NAME perhaps with ":ARCH", says that the package is there: just as it should be,
 * or, where it should be gone, in any state but those of nothing left. */
static bool is_listed(const char *output, const struct repo_change *c, const char *good_state)
{
	_cleanup_strv_ struct strv lines = {0};

	strv_split(&lines, output, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_strv_ struct strv words = {0};
		size_t n = strlen(c->name);

		strv_split(&words, lines.v[i], " ");
		if (words.n == 3 && strncmp(words.v[0], c->name, n) == 0 &&
		    (words.v[0][n] == 0 || words.v[0][n] == ':') &&
		    (c->to ? strcmp(words.v[1], c->to) == 0 && strcmp(words.v[2], good_state) == 0
			   : strcmp(words.v[2], "not-installed") != 0 && strcmp(words.v[2], "config-files") != 0))
			return true;
	}
	return false;
}

static int check(const struct transaction *t, struct err *e)
{
	struct ctx_spec spec = vs_context(t->v, CTX_STUBS | CTX_NO_FLUSH | CTX_NO_NET);
	_cleanup_strv_ struct strv argv = {0};
	_cleanup_buf_ struct buf out = {0};
	int r;

	t->tool->query_command(t->plan, &argv);
	r = ctx_run(&spec, (const char *const *)argv.v, NULL, &(struct proc_io){.out = &out, .timeout = QUERY_TIMEOUT},
		    e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < t->plan->n; i++) {
		const struct repo_change *c = &t->plan->changes[i];

		if (is_listed(out.p ? out.p : "", c, t->tool->good_state) != (c->to != NULL))
			return err_set(e, -ECANCELED, "its package database does not say that %s %s", c->name,
				       c->to ? c->to : "is gone");
	}
	return 0;
}

/* The tool's work on disk, then the word that it is: only then may the pre-image go. */
static int commit(const struct transaction *t, struct journal *j, struct err *e)
{
	int r = journal_set(j, JOURNAL_COMMITTED, e);

	return r < 0 ? r : journal_end(j, e);
}

/* With the remedy, where the disk was full. */
static char *reason_of(const struct err *why)
{
	return strstr(why->msg, full)
		       ? xasprintf("%s; make space in %s/vservers and run it again", why->msg, place_sysroot())
		       : xstrdup(why->msg);
}

static void take_back(const struct transaction *t, struct journal *j, struct err *why, struct outcome *ret)
{
	_cleanup_strv_ struct strv lost = {0};
	_cleanup_err_ struct err e = {0};
	int r = journal_undo(j, t->v, &lost, &e);

	if (r < 0 || lost.n) {
		ret->status = OUTCOME_FAILED;
		ret->reason = xasprintf("%s; NOT all could be put back: %s%s%s%s", why->msg, lost.n ? lost.v[0] : e.msg,
					lost.n > 2 ? " and more" : "", lost.n > 1 ? "; " : "",
					lost.n > 1 ? lost.v[lost.n - 1] : "");
		return;
	}
	ret->status = OUTCOME_UNDONE;
	ret->reason = reason_of(why);
}

void transaction_run(const struct transaction *t, struct outcome *ret)
{
	struct journal j = {.dir = -1, .undo = -1};
	_cleanup_err_ struct err e = {0};
	int r = prepare(t, &j, &e);

	*ret = (struct outcome){OUTCOME_OK, NULL};
	if (r < 0 && journal_state(t->v->name) != JOURNAL_APPLYING) {
		/* Nothing in the tree has changed. */
		ret->status = OUTCOME_FAILED;
		ret->reason = reason_of(&e);
		if (j.name)
			journal_end(&j, NULL);
		journal_close(&j);
		return;
	}
	if (r == 0)
		r = apply(t, &e);
	if (r == 0)
		r = check(t, &e);
	if (r == 0)
		r = commit(t, &j, &e);
	/* Once the journal says committed, what remains is tidying, which the next run does. */
	if (r < 0 && journal_state(t->v->name) == JOURNAL_APPLYING)
		take_back(t, &j, &e, ret);
	else if (r < 0)
		ret->reason = xasprintf("updated; tidying up is left to the next run: %s", e.msg);
	journal_close(&j);
}
