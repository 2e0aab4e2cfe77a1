/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Opening the selected vservers, and telling the truth about each at the end.
 */
#include "vpkg/fleet.h"

#include <json-c/json.h>

void fleet_decide(struct member *m, enum outcome_status s, const char *reason)
{
	free(m->outcome.reason);
	/* Names of a tree's files, a package's words: what a guest can choose reaches no terminal as it is. */
	m->outcome = (struct outcome){s, reason && *reason ? text_escape(reason, strlen(reason)) : NULL};
	m->decided = true;
}

int fleet_recover(struct member *m, const struct report *r, struct err *e)
{
	_cleanup_strv_ struct strv lost = {0};
	int status = journal_recover(m->v, &lost, e);

	if (status < 0)
		return err_wrap(e, "finishing an interrupted transaction");
	for (size_t i = 0; i < lost.n; i++)
		report_note(r, "%s: could not be put back: %s", m->v->name, lost.v[i]);
	if (lost.n)
		return err_set(e, -EUCLEAN, "an interrupted transaction could not be put back whole: %s; %s%s",
			       lost.v[0], lost.n > 2 ? "and more; " : "", lost.v[lost.n - 1]);
	return status;
}

/* One that cannot be brought in order takes no part; the others do. */
static void recover(struct member *m, const struct report *r)
{
	_cleanup_err_ struct err e = {0};
	int status = fleet_recover(m, r, &e);

	if (status < 0)
		fleet_decide(m, OUTCOME_FAILED, e.msg);
	else if (status > 0)
		report_note(r, "%s: an interrupted transaction was finished", m->v->name);
}

int fleet_open(const char *const *selectors, size_t n, bool dry_run, unsigned wait, const struct report *r,
	       struct fleet *ret, struct err *e)
{
	_cleanup_(fleet_close) struct fleet f = {.dry_run = dry_run};
	struct vserver **all = NULL;
	size_t count = 0;
	int status = vs_select(selectors, n, &all, &count, e);

	if (status < 0)
		return status;
	f.m = xcalloc(count, sizeof(*f.m));
	f.n = count;
	for (size_t i = 0; i < count; i++) {
		f.m[i].v = all[i];
		f.m[i].tool = tool_of(all[i]);
	}
	free(all);
	for (size_t i = 0; status == 0 && !dry_run && i < count; i++) {
		status = vs_lock(f.m[i].v, wait, e);
		if (status == 0)
			status = vs_uids(f.m[i].v, e);
		if (status == 0)
			recover(&f.m[i], r);
	}
	if (status < 0)
		return status;
	*ret = f;
	f = (struct fleet){0};
	return 0;
}

void fleet_close(struct fleet *f)
{
	for (size_t i = 0; i < f->n; i++) {
		vs_free(f->m[i].v);
		free(f->m[i].outcome.reason);
	}
	free(f->m);
	*f = (struct fleet){0};
}

static void describe(const struct repo_change *c, struct buf *out)
{
	if (out->len)
		buf_adds(out, ", ");
	if (!c->to)
		buf_addf(out, "%s %s removed", c->name, c->from);
	else if (!c->from)
		buf_addf(out, "%s %s new", c->name, c->to);
	else
		buf_addf(out, "%s %s -> %s", c->name, c->from, c->to);
}

static const char *word(const struct fleet *f, const struct member *m)
{
	return f->dry_run && m->outcome.status == OUTCOME_OK ? "would" : outcome_name(m->outcome.status);
}

void fleet_print_table(const struct fleet *f, FILE *out)
{
	int width = 7;

	for (size_t i = 0; i < f->n; i++)
		width = (int)strlen(f->m[i].v->name) > width ? (int)strlen(f->m[i].v->name) : width;
	fprintf(out, "%-*s  %-7s  %s\n", width, "VSERVER", "STATUS", "PACKAGES");
	for (size_t i = 0; i < f->n; i++) {
		const struct member *m = &f->m[i];
		_cleanup_buf_ struct buf what = {0};

		for (size_t k = 0; m->plan && k < m->plan->n; k++)
			describe(&m->plan->changes[k], &what);
		if (m->outcome.reason)
			buf_addf(&what, "%s%s", what.len ? ": " : "", m->outcome.reason);
		fprintf(out, "%-*s  %-7s  %s\n", width, m->v->name, word(f, m), what.p ? what.p : "");
	}
}

static json_object *text(const char *s)
{
	return s ? json_object_new_string(s) : NULL;
}

void fleet_print_json(const struct fleet *f, FILE *out)
{
	json_object *all = json_object_new_array();

	for (size_t i = 0; i < f->n; i++) {
		const struct member *m = &f->m[i];
		json_object *o = json_object_new_object(), *changes = json_object_new_array();

		json_object_object_add(o, "vserver", text(m->v->name));
		json_object_object_add(o, "status", text(outcome_name(m->outcome.status)));
		json_object_object_add(o, "reason", text(m->outcome.reason ? m->outcome.reason : ""));
		for (size_t k = 0; m->plan && k < m->plan->n; k++) {
			json_object *c = json_object_new_object();

			json_object_object_add(c, "name", text(m->plan->changes[k].name));
			json_object_object_add(c, "from", text(m->plan->changes[k].from));
			json_object_object_add(c, "to", text(m->plan->changes[k].to));
			json_object_array_add(changes, c);
		}
		json_object_object_add(o, "changes", changes);
		json_object_array_add(all, o);
	}
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(all);
}

int fleet_exit_code(const struct fleet *f)
{
	size_t bad = 0;

	for (size_t i = 0; i < f->n; i++)
		bad += f->m[i].outcome.status >= OUTCOME_FAILED;
	return bad == 0 ? EXIT_DONE : bad < f->n ? EXIT_SOME : EXIT_NONE;
}
