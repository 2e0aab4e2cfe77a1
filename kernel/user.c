/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Users of a tree: the one thing that is read of /etc/passwd and /etc/group when a command runs under a tree's user.
 */
#include "kernel/user.h"

#include <grp.h>
#include <limits.h>

#define FILE_MAX (16u << 20)
#define ID_MAX (UINT32_MAX - 1)
#define SECONDS 10

void user_free(struct user *u)
{
	free(u->groups);
	*u = (struct user){0};
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

struct text {
	const char *p, *end;
};

/* Takes the part up to the separator (or all) off the front. False at the end of the text. */
static bool take(struct text *t, char separator, struct text *ret)
{
	const char *stop;

	if (!t->p)
		return false;
	stop = memchr(t->p, separator, (size_t)(t->end - t->p));
	*ret = (struct text){t->p, stop ? stop : t->end};
	t->p = stop ? stop + 1 : NULL;
	return true;
}

static bool same(struct text t, const char *s)
{
	size_t n = (size_t)(t.end - t.p);

	return strlen(s) == n && memcmp(t.p, s, n) == 0;
}

static int number(struct text t, uint64_t *ret)
{
	char digits[16];
	size_t n = (size_t)(t.end - t.p);

	if (n >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, t.p, n);
	digits[n] = 0;
	return strlen(digits) == n ? text_uint(digits, 0, ID_MAX, ret) : -EINVAL;
}

/* The first four fields of a line; those that it does not have are empty. */
static void split(struct text line, struct text fields[4])
{
	for (size_t i = 0; i < 4; i++)
		if (!take(&line, ':', &fields[i]))
			fields[i] = (struct text){"", ""};
}

/* Finds the line: by its name, or, when by_uid, by its third field. Returns the line's number, 0 when there is none. */
static unsigned find_line(struct text all, const char *name, bool by_uid, struct text fields[4])
{
	struct text line;
	uint64_t want = 0, uid;

	if (by_uid && text_uint(name, 0, ID_MAX, &want) < 0)
		return 0;
	for (unsigned n = 1; take(&all, '\n', &line); n++) {
		split(line, fields);
		if (by_uid ? number(fields[2], &uid) == 0 && uid == want : same(fields[0], name))
			return n;
	}
	return 0;
}

/* Adds the groups that list the user. */
static int add_groups(struct text all, struct text name, struct user *u, struct err *e)
{
	struct text line, fields[4], member;
	uint64_t gid;

	while (take(&all, '\n', &line)) {
		bool listed = false;

		split(line, fields);
		while (!listed && take(&fields[3], ',', &member))
			listed = member.end - member.p == name.end - name.p &&
				 memcmp(member.p, name.p, (size_t)(name.end - name.p)) == 0;
		if (!listed || number(fields[2], &gid) < 0 || gid == u->gid)
			continue;
		if (u->n_groups == NGROUPS_MAX)
			return err_set(e, -EBADMSG, "/etc/group: the user is in more than %d groups", NGROUPS_MAX);
		u->groups = xrealloc(u->groups, (u->n_groups + 1) * sizeof(*u->groups));
		u->groups[u->n_groups++] = (gid_t)gid;
	}
	return 0;
}

int user_parse(const char *passwd, size_t passwd_len, const char *group, size_t group_len, const char *name,
	       struct user *ret, struct err *e)
{
	struct text users = {passwd, passwd + passwd_len}, groups = {group, group + group_len}, fields[4];
	unsigned line = find_line(users, name, false, fields);
	uint64_t uid, gid;
	struct user u = {0};
	int r;

	if (!line)
		line = find_line(users, name, true, fields);
	if (!line || !*name)
		return err_set(e, -ENOENT, "its /etc/passwd has no user of that name");
	if (fields[0].p == fields[0].end || number(fields[2], &uid) < 0 || number(fields[3], &gid) < 0)
		return err_set(e, -EBADMSG, "/etc/passwd:%u: no user and group id that can be understood", line);
	u = (struct user){.uid = (uid_t)uid, .gid = (gid_t)gid, .groups = xcalloc(1, sizeof(gid_t)), .n_groups = 1};
	u.groups[0] = u.gid;
	r = add_groups(groups, fields[0], &u, e);
	if (r < 0) {
		user_free(&u);
		return r;
	}
	*ret = u;
	return 0;
}

/* ---- a tree ------------------------------------------------------------------------------------------------------ */

struct job {
	int passwd, group; /* group: -1 when there is no such file */
	const char *name;
};

static int read_files(const struct job *j, struct user *ret, struct err *e)
{
	_cleanup_buf_ struct buf passwd = {0}, group = {0};
	int r = path_read_fd(j->passwd, "/etc/passwd", FILE_MAX, &passwd, e);

	if (r == 0 && j->group >= 0)
		r = path_read_fd(j->group, "/etc/group", FILE_MAX, &group, e);
	else
		buf_add(&group, "", 0);
	return r < 0 ? r : user_parse(passwd.p, passwd.len, group.p, group.len, j->name, ret, e);
}

static int read_in_sandbox(int out, void *arg, struct err *e)
{
	_cleanup_(user_free) struct user u = {0};
	_cleanup_buf_ struct buf b = {0};
	int r = read_files(arg, &u, e);

	if (r < 0)
		return r;
	buf_add(&b, &u.uid, sizeof(u.uid));
	buf_add(&b, u.groups, u.n_groups * sizeof(*u.groups));
	return write(out, b.p, b.len) == (ssize_t)b.len ? 0 : err_sys(e, "/etc/passwd: handing over what it says");
}

/* What came out of the sandbox: the uid, then the groups. */
static int unpack(const struct buf *b, struct user *ret, struct err *e)
{
	size_t n = b->len / sizeof(uint32_t);

	if (n < 2 || n > NGROUPS_MAX + 1 || b->len % sizeof(uint32_t))
		return err_set(e, -EBADMSG, "/etc/passwd: reading it gave no user");
	ret->n_groups = n - 1;
	ret->groups = xmalloc(ret->n_groups * sizeof(*ret->groups));
	memcpy(&ret->uid, b->p, sizeof(ret->uid));
	memcpy(ret->groups, b->p + sizeof(ret->uid), ret->n_groups * sizeof(*ret->groups));
	ret->gid = ret->groups[0];
	if (ret->uid <= ID_MAX && ret->gid <= ID_MAX)
		return 0;
	user_free(ret);
	return err_set(e, -EBADMSG, "/etc/passwd: reading it gave no user");
}

static int open_of_tree(int root, const char *path, struct err *e)
{
	int fd = path_open_file(root, path, NULL);

	if (fd >= 0)
		return fd;
	errno = -fd;
	return err_sys(e, "its %s", path);
}

int user_find(int root, const char *name, struct user *ret, struct err *e)
{
	_cleanup_close_ int passwd = -1, group = -1;
	_cleanup_buf_ struct buf out = {0};
	struct job j = {.name = name};
	_cleanup_err_ struct err why = {0};
	int keep[2], r;

	if (strcmp(name, "root") == 0 || strcmp(name, "0") == 0) {
		*ret = (struct user){.groups = xcalloc(1, sizeof(gid_t)), .n_groups = 1};
		return 0;
	}
	passwd = open_of_tree(root, "/etc/passwd", e);
	if (passwd < 0)
		return passwd;
	group = path_open_file(root, "/etc/group", NULL);
	if (group < 0 && group != -ENOENT) {
		errno = -group;
		return err_sys(e, "its /etc/group");
	}
	j.passwd = keep[0] = passwd;
	j.group = keep[1] = group < 0 ? -1 : group;
	r = sandbox_call(read_in_sandbox, &j, -1, keep, j.group < 0 ? 1 : 2, SECONDS, &out, &why);
	/* Below chcontext --secure, without CAP_SYS_ADMIN, there is no sandbox, and little to protect. */
	if (r == -EPERM)
		return read_files(&j, ret, e);
	if (r < 0)
		return err_set(e, r, "%s", why.msg);
	return unpack(&out, ret, e);
}

int user_become(const struct user *u, struct err *e)
{
	if (setgroups(u->n_groups, u->groups) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
	    setresuid(u->uid, u->uid, u->uid) < 0)
		return err_sys(e, "becoming uid %u, gid %u", u->uid, u->gid);
	return 0;
}
