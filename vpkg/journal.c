/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The journal's states on disk, and what each means for the one who finds it.
 */
#include "vpkg/journal.h"

#include <linux/fs.h>
#include <poll.h>
#include <sys/syscall.h>

/* How long a killed process may take to end. Seconds. */
#define PATIENCE 60

#define TOUCHED_MAX (256u << 20)

static const char *const state_names[] = {
	[JOURNAL_PREPARING] = "preparing",
	[JOURNAL_APPLYING] = "applying",
	[JOURNAL_COMMITTED] = "committed",
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
	*j = (struct journal){.dir = -1, .undo = -1};
}

static int open_journal(const char *name, struct journal *ret, struct err *e)
{
	_cleanup_close_ int all = journals(e), dir = -1, undo = -1;
	_cleanup_free_ char *where = xasprintf(".undo/%s", name);

	if (all < 0)
		return all;
	dir = openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "journal of %s", name);
	undo = vs_home_dir(where, e);
	if (undo < 0)
		return undo;
	*ret = (struct journal){.name = xstrdup(name), .dir = TAKE_FD(dir), .undo = TAKE_FD(undo)};
	return 0;
}

int journal_set(struct journal *j, enum journal_state s, struct err *e)
{
	int r;

	/* The pre-image first: a state that promises it must not reach the disk before it. */
	if (s != JOURNAL_PREPARING && (syncfs(j->undo) < 0 || syncfs(j->dir) < 0))
		return err_sys(e, "journal of %s", j->name);
	r = path_write(j->dir, "state", state_names[s], strlen(state_names[s]), 0600, e);
	if (r < 0)
		return err_wrap(e, "journal of %s", j->name);
	return s != JOURNAL_PREPARING && syncfs(j->dir) < 0 ? err_sys(e, "journal of %s", j->name) : 0;
}

/* "PID STARTTIME": who works on this vserver, told apart from a later process of that number. */
static char *process_name(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/stat", (int)pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char line[1024] = "", *p;
	unsigned long long start;

	if (!f || !fgets(line, sizeof(line), f) || !(p = strrchr(line, ')')) ||
	    sscanf(p + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
		   &start) != 1)
		return NULL;
	return xasprintf("%d %llu", (int)pid, start);
}

int journal_begin(const char *name, struct journal *ret, struct err *e)
{
	_cleanup_free_ char *where = xasprintf(".undo/%s", name), *self = process_name(getpid());
	_cleanup_close_ int home = vs_home(e), all = journals(e);
	int r;

	if (home < 0 || all < 0)
		return home < 0 ? home : all;
	if (mkdirat(all, name, 0700) < 0)
		return err_sys(e, "journal of %s", name);
	/* Only now: had there been a journal, this would have been its pre-image. */
	r = seal_remove_tree(home, where, e);
	if (r == 0)
		r = open_journal(name, ret, e);
	if (r < 0) {
		unlinkat(all, name, AT_REMOVEDIR);
		return r;
	}
	r = self ? path_write(ret->dir, "worker", self, strlen(self), 0600, e)
		 : err_set(e, -ENOENT, "/proc is not there");
	return r < 0 ? r : journal_set(ret, JOURNAL_PREPARING, e);
}

int journal_save_touched(struct journal *j, const struct strv *touched, struct err *e)
{
	_cleanup_buf_ struct buf b = {0};

	/* NUL-separated: names hold any other byte. */
	for (size_t i = 0; i < touched->n; i++)
		buf_add(&b, touched->v[i], strlen(touched->v[i]) + 1);
	return path_write(j->dir, "touched", b.p ? b.p : "", b.len, 0600, e);
}

static int load_touched(struct journal *j, struct strv *ret, struct err *e)
{
	_cleanup_buf_ struct buf b = {0};
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
	_cleanup_buf_ struct buf b = {0};
	_cleanup_free_ char *path = xasprintf("%s/state", name);
	struct stat st;
	int r;

	if (all < 0 || fstatat(all, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return JOURNAL_NONE;
	r = path_read(all, path, 64, &b, NULL);
	for (size_t i = JOURNAL_PREPARING; r == 0 && i < ARRAY_LEN(state_names); i++)
		if (strcmp(b.p, state_names[i]) == 0)
			return (enum journal_state)i;
	/* Unreadable: the undo says what is wrong. Missing or empty: the power failed before a state was on disk, and
	 * what a state allows begins only after that, while what it promises is there before. */
	return r < 0 && r != -ENOENT ? JOURNAL_APPLYING : JOURNAL_PREPARING;
}

/* What could not be brought back may still be wanted by hand: the pre-image gets a name of its own, with a list. */
static int set_aside(struct journal *j, const struct manifest *m, struct strv *lost, struct err *e)
{
	_cleanup_free_ char *from = xasprintf(".undo/%s", j->name);
	_cleanup_close_ int home = vs_home(e);
	_cleanup_buf_ struct buf list = {0};
	int r;

	if (home < 0)
		return home;
	for (size_t i = 0; i < lost->n; i++)
		buf_addf(&list, "%s\n", lost->v[i]);
	for (size_t i = 0; i < m->n; i++) {
		_cleanup_free_ char *as = xasprintf("%zu", i);

		if (faccessat(j->undo, as, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			buf_addf(&list, "%s is %s\n", as, m->v[i].path);
	}
	r = path_write(j->undo, "LIST", list.p, list.len, 0600, e);
	for (unsigned i = 1; r == 0; i++) {
		/* No vserver has a plus in its name. */
		_cleanup_free_ char *to = xasprintf(".undo/%s+lost.%u", j->name, i);

		if (renameat2(home, from, home, to, RENAME_NOREPLACE) == 0) {
			strv_addf(lost, "what was kept is in %s/vservers/%s, see LIST there", place_sysroot(), to);
			return 0;
		}
		if (errno != EEXIST)
			r = err_sys(e, "%s", from);
	}
	return r;
}

int journal_undo(struct journal *j, const struct vserver *v, struct strv *lost, struct err *e)
{
	_cleanup_(manifest_free) struct manifest m = {0};
	_cleanup_strv_ struct strv touched = {0};
	int r = manifest_load(j->dir, &m, e);

	if (r == 0)
		r = load_touched(j, &touched, e);
	if (r == 0)
		r = preimage_restore(v->tree, &m, &touched, j->undo, lost, e);
	if (r == 0 && lost->n)
		r = set_aside(j, &m, lost, e);
	/* Before the pre-image goes: half of it gone, another undo would find that it cannot bring back what is back.
	 */
	if (r == 0)
		r = journal_set(j, JOURNAL_COMMITTED, e);
	return r < 0 ? r : journal_end(j, e);
}

/* The one that was killed has let go of its lock, but may not be at its end, and its context after it. */
static int await_end(struct journal *j, struct err *e)
{
	_cleanup_buf_ struct buf b = {0};
	_cleanup_free_ char *now = NULL;
	_cleanup_close_ int fd = -1;
	pid_t pid;

	if (path_read(j->dir, "worker", 64, &b, NULL) == 0 && (pid = (pid_t)strtol(b.p, NULL, 10)) > 0 &&
	    pid != getpid()) {
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
		now = process_name(pid);
		if (fd >= 0 && now && strcmp(now, b.p) == 0 &&
		    poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, PATIENCE * 1000) == 0)
			return err_set(e, -EBUSY, "%s: its killed transaction (pid %d) does not end", j->name,
				       (int)pid);
	}
	return ctx_end_orphans(PATIENCE, e);
}

int journal_recover(const struct vserver *v, struct strv *lost, struct err *e)
{
	struct journal j = {.dir = -1, .undo = -1};
	enum journal_state s = journal_state(v->name);
	int r;

	if (s == JOURNAL_NONE)
		return 0;
	r = open_journal(v->name, &j, e);
	if (r == 0)
		r = await_end(&j, e);
	if (r == 0)
		r = s == JOURNAL_APPLYING ? journal_undo(&j, v, lost, e) : journal_end(&j, e);
	journal_close(&j);
	return r < 0 ? r : 1;
}
