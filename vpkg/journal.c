/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The journal's states on disk, and what each means for the one who finds it.
 */
#include "vpkg/journal.h"

#define TOUCHED_MAX (256u << 20)

static const char *const state_names[] = {
	[JOURNAL_PREPARING] = "preparing", [JOURNAL_APPLYING] = "applying", [JOURNAL_COMMITTED] = "committed",
};

static int journals(struct err *e)
{
	return place_dir("/var/lib/vpkg/journal", 0700, e);
}

void journal_close(struct journal *j)
{
	free(j->name);
	close_fd(j->dir);
	close_fd(j->undo);
	*j = (struct journal){ .dir = -1, .undo = -1 };
}

static int open_journal(const char *name, bool make, struct journal *ret, struct err *e)
{
	_cleanup_close_ int all = journals(e), dir = -1, undo = -1;
	_cleanup_free_ char *where = xasprintf(".undo/%s", name);

	if (all < 0)
		return all;
	if (make && mkdirat(all, name, 0700) < 0)
		return err_sys(e, "journal of %s", name);
	dir = openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "journal of %s", name);
	undo = vs_home_dir(where, e);
	if (undo < 0)
		return undo;
	*ret = (struct journal){ .name = xstrdup(name), .dir = TAKE_FD(dir), .undo = TAKE_FD(undo) };
	return 0;
}

int journal_set(struct journal *j, enum journal_state s, struct err *e)
{
	int r;

	/* The pre-image first: a state that promises it must not reach the disk before it. */
	if (syncfs(j->undo) < 0 || syncfs(j->dir) < 0)
		return err_sys(e, "journal of %s", j->name);
	r = path_write(j->dir, "state", state_names[s], strlen(state_names[s]), 0600, e);
	if (r < 0)
		return err_wrap(e, "journal of %s", j->name);
	return syncfs(j->dir) < 0 ? err_sys(e, "journal of %s", j->name) : 0;
}

int journal_begin(const char *name, struct journal *ret, struct err *e)
{
	_cleanup_free_ char *where = xasprintf(".undo/%s", name);
	_cleanup_close_ int home = vs_home(e);
	int r = home < 0 ? home : seal_remove_tree(home, where, e);

	if (r == 0)
		r = open_journal(name, true, ret, e);
	return r < 0 ? r : journal_set(ret, JOURNAL_PREPARING, e);
}

int journal_save_touched(struct journal *j, const struct strv *touched, struct err *e)
{
	_cleanup_buf_ struct buf b = { 0 };

	/* NUL-separated: names hold any other byte. */
	for (size_t i = 0; i < touched->n; i++)
		buf_add(&b, touched->v[i], strlen(touched->v[i]) + 1);
	return path_write(j->dir, "touched", b.p ? b.p : "", b.len, 0600, e);
}

static int load_touched(struct journal *j, struct strv *ret, struct err *e)
{
	_cleanup_buf_ struct buf b = { 0 };
	int r = path_read(j->dir, "touched", TOUCHED_MAX, &b, e);

	for (size_t at = 0; r == 0 && at < b.len; at += strlen(b.p + at) + 1)
		strv_add(ret, b.p + at);
	return r;
}

int journal_end(struct journal *j, struct err *e)
{
	_cleanup_free_ char *where = xasprintf(".undo/%s", j->name);
	_cleanup_close_ int home = vs_home(e), all = journals(e);
	int r;

	if (home < 0 || all < 0)
		return home < 0 ? home : all;
	r = seal_remove_tree(home, where, e);
	/* The journal's record goes last: while it stands, somebody finds the pre-image and removes it. */
	return r < 0 ? r : tree_remove(all, j->name, NULL, e);
}

enum journal_state journal_state(const char *name)
{
	_cleanup_close_ int all = journals(NULL);
	_cleanup_buf_ struct buf b = { 0 };
	_cleanup_free_ char *path = xasprintf("%s/state", name);
	struct stat st;

	if (all < 0 || fstatat(all, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return JOURNAL_NONE;
	if (path_read(all, path, 64, &b, NULL) == 0)
		for (size_t i = JOURNAL_PREPARING; i < ARRAY_LEN(state_names); i++)
			if (strcmp(b.p, state_names[i]) == 0)
				return (enum journal_state)i;
	/* Died before the first state was written: nothing had happened. */
	return JOURNAL_PREPARING;
}

int journal_undo(struct journal *j, const struct vserver *v, struct strv *lost, struct err *e)
{
	_cleanup_(manifest_free) struct manifest m = { 0 };
	_cleanup_strv_ struct strv touched = { 0 };
	int r = manifest_load(j->dir, &m, e);

	if (r == 0)
		r = load_touched(j, &touched, e);
	if (r == 0)
		r = preimage_restore(v->tree, &m, &touched, j->undo, lost, e);
	if (r < 0)
		return r;
	if (syncfs(j->undo) < 0)
		return err_sys(e, "%s: writing back", v->name);
	/* What could not be brought back may still be wanted by hand: the pre-image stays where it is. */
	return lost->n ? 0 : journal_end(j, e);
}

int journal_recover(const struct vserver *v, struct strv *lost, struct err *e)
{
	struct journal j = { .dir = -1, .undo = -1 };
	enum journal_state s = journal_state(v->name);
	int r;

	if (s == JOURNAL_NONE)
		return 0;
	r = open_journal(v->name, false, &j, e);
	if (r == 0)
		r = s == JOURNAL_APPLYING ? journal_undo(&j, v, lost, e) : journal_end(&j, e);
	journal_close(&j);
	return r < 0 ? r : 1;
}
