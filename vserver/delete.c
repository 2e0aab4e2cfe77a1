/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Deleting a vserver. The tree first leaves its name in one step, so that whatever ends us, there is never half a
 * vserver; what a killed run left under the other name, the next one removes.
 */
#include "vserver/internal.h"

#include <dirent.h>
#include <signal.h>

#define DELETING ".deleting-"
#define LOST "+lost." /* as vpkg/ names them */

/* ".deleting-NAME.PID" that nobody works on: of this NAME (whose lock we hold), or of a process that is gone. */
static bool is_leftover(const char *entry, const char *name)
{
	const char *rest = entry + strlen(DELETING), *dot;
	uint64_t pid;

	if (strncmp(entry, DELETING, strlen(DELETING)) != 0)
		return false;
	dot = strrchr(rest, '.');
	if (!dot || text_uint(dot + 1, 1, INT32_MAX, &pid) < 0)
		return false;
	if ((size_t)(dot - rest) == strlen(name) && strncmp(rest, name, strlen(name)) == 0)
		return true;
	return kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static bool is_own(const char *entry, const char *name)
{
	return strcmp(entry, name) == 0;
}

/* Its pre-image, and what an undo could not put back: "NAME+lost.N". No vserver has a plus in its name. */
static bool is_pre_image(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return strncmp(entry, name, n) == 0 && (!entry[n] || strncmp(entry + n, LOST, strlen(LOST)) == 0);
}

/* Removes from a directory of the product, if there is such a directory, what is of this NAME. */
static int remove_from(const char *dir, bool (*is)(const char *entry, const char *name), const char *name,
		       struct err *e)
{
	_cleanup_free_ char *path = place("%s", dir);
	DIR *d = opendir(path);
	struct dirent *de;
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, "%s", path);
	while (r == 0 && (de = readdir(d)))
		if (is(de->d_name, name))
			r = seal_remove_tree(dirfd(d), de->d_name, e);
	closedir(d);
	if (r < 0)
		err_wrap(e, "%s", path);
	return r;
}

/* The path that the kernel writes for a mount point, octal escapes undone, in place. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++)
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	*out = 0;
}

/* Refuses before anything is touched when something is mounted at or below the tree: tree_remove would only find out
 * when half of it is gone. */
static int refuse_mounts(const struct vserver *v, struct err *e)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_strv_ struct strv lines = {0};
	char self[64], path[4096];
	ssize_t len;
	int r = vs_read_host("/proc/self/mountinfo", 64u << 20, &text, e);

	if (r < 0)
		return r;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", v->tree);
	len = readlink(self, path, sizeof(path) - 1);
	if (len < 0)
		return err_sys(e, "%s", self);
	path[len] = 0;
	strv_split(&lines, text.p, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_strv_ struct strv f = {0};

		strv_split(&f, lines.v[i], " ");
		if (f.n < 5)
			continue;
		unescape(f.v[4]);
		if (strncmp(f.v[4], path, (size_t)len) == 0 && (!f.v[4][len] || f.v[4][len] == '/'))
			return err_set(e, -ENOTEMPTY, "vserver %s: %s is a mount point; unmount it first", v->name,
				       f.v[4]);
	}
	return 0;
}

static int refuse_users(const struct vserver *v, struct err *e)
{
	_cleanup_strv_ struct strv users = {0};
	_cleanup_buf_ struct buf text = {0};
	int r = vs_users(v->name, &users, e);

	if (r < 0 || users.n == 0)
		return r;
	for (size_t i = 0; i < users.n; i++)
		buf_addf(&text, "%s%s", i ? ", " : "", users.v[i]);
	return err_set(e, -EBUSY, "vserver %s: a command runs in it: %s; end it first", v->name, text.p);
}

/* Moves the tree out of its name; from then on no context of it can begin. One that began just before is found and
 * gets its tree back. */
static int take_away(int home, const struct vserver *v, const char *away, struct err *e)
{
	int r = refuse_users(v, e);

	if (r < 0)
		return r;
	if (renameat(home, v->name, home, away) < 0)
		return err_sys(e, "vserver %s: moving its tree away", v->name);
	r = refuse_users(v, e);
	if (r < 0 && renameat(home, away, home, v->name) < 0)
		return err_sys(e, "vserver %s: its tree is at /vservers/%s now; moving it back", v->name, away);
	return r;
}

int vs_delete(struct vserver *v, struct err *e)
{
	_cleanup_free_ char *away = xasprintf(DELETING "%s.%d", v->name, (int)getpid());
	_cleanup_free_ char *conf = place("/etc/vservers/%s.conf", v->name);
	_cleanup_close_ int home = -1;
	int r;

	if (v->lock < 0)
		return err_set(e, -EINVAL, "vserver %s: to be deleted without its lock", v->name);
	home = vs_home(e);
	if (home < 0)
		return home;
	if (v->tree >= 0) {
		r = refuse_mounts(v, e);
		if (r == 0)
			r = take_away(home, v, away, e);
		if (r < 0)
			return r;
	}
	r = remove_from("/vservers", is_leftover, v->name, e);
	if (r == 0)
		r = remove_from("/vservers/.undo", is_pre_image, v->name, e);
	/* What a killed transaction left to be undone must not be undone in a later vserver of that name. */
	if (r == 0)
		r = remove_from("/var/lib/vpkg/journal", is_own, v->name, e);
	if (r == 0 && unlink(conf) < 0 && errno != ENOENT)
		r = err_sys(e, "%s", conf);
	/* Last, because the lock is there. */
	if (r == 0)
		r = remove_from("/run/vservers", is_own, v->name, e);
	if (r < 0)
		err_wrap(e, "vserver %s is only half deleted; delete it again when this is cleared", v->name);
	return r;
}
