/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Unlink, rename and link as the actor does them: finds the directories and the files that a call is about, tries the
 * call as it is, and says which seals stand against it. All with the caller's credentials: what it cannot reach is not
 * found.
 */
#include "kernel/actor.h"

#include <linux/capability.h>

static bool sealed(int fd, struct statx *ret)
{
	return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, ret) == 0 && S_ISREG(ret->stx_mode) &&
	       (ret->stx_attributes & STATX_ATTR_IMMUTABLE) && ret->stx_nlink > 1;
}

/* Opens the directory of path's last component, and finds where that begins; slashes after it stay with it, since they
 * have a meaning for the kernel. */
static int open_parent(int dir, const char *path, const char **ret_name)
{
	size_t end = strlen(path), start;
	char parent[PATH_MAX];
	int fd;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (start = end; start > 0 && path[start - 1] != '/';)
		start--;
	if (start == end)
		return -ENOENT;
	memcpy(parent, path, start);
	memcpy(parent + start, start ? "" : ".", start ? 1 : 2);
	*ret_name = path + start;
	fd = openat(dir, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The source of a link by descriptor alone: reopened, so that it was opened with the credentials that ask now, as the
 * kernel wants since 6.10. Before, the call is for CAP_DAC_READ_SEARCH only, and fails here, too. */
static int link_empty(const struct deed *d)
{
	_cleanup_close_ int fd = own_reopen(d->victim[0], O_PATH);

	if (fd < 0) {
		errno = -fd;
		fd = -1;
		return -1;
	}
	return linkat(fd, "", d->parent[1], d->name[1], AT_EMPTY_PATH);
}

static int link_source(const struct deed *d)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", d->victim[0]);
	return linkat(own_links(), number, d->parent[1], d->name[1], AT_SYMLINK_FOLLOW);
}

int names_operate(const struct deed *d)
{
	const struct call *c = &d->call;
	int r;

	switch (c->kind) {
	case CALL_UNLINK:
		r = unlinkat(d->parent[0], d->name[0], (int)c->flags);
		break;
	case CALL_RENAME:
		r = renameat2(d->parent[0], d->name[0], d->parent[1], d->name[1], c->flags);
		break;
	case CALL_LINK:
		r = *c->path[0] ? link_source(d) : link_empty(d);
		break;
	default:
		return -EINVAL;
	}
	return r < 0 ? -errno : 0;
}

/* What would be EPERM after lifting, too: no window needs to open for it. A guest's user could else freeze all contexts
 * as often as it likes. */
static bool refused_anyway(const struct deed *d, int i, const struct statx *victim)
{
	const struct identity *who = &d->who;
	struct statx dir;

	if (who->caps & (1ULL << CAP_FOWNER) || who->uid == victim->stx_uid)
		return false;
	/* Nobody but its owner can write to it, and whoever cannot may not link it (fs.protected_hardlinks). Where an
	 * administrator has switched that off, linking a file that only its owner can write stays refused. */
	if (d->call.kind == CALL_LINK)
		return !(victim->stx_mode & 0022);
	return statx(d->parent[i], "", AT_EMPTY_PATH, STATX_BASIC_STATS, &dir) == 0 && (dir.stx_mode & S_ISVTX) &&
	       who->uid != dir.stx_uid;
}

static void find_victims(struct deed *d, struct say *say)
{
	unsigned names = d->call.kind == CALL_LINK ? 0 : d->call.n;

	for (unsigned i = 0; i < names; i++) {
		d->victim[i] = openat(d->parent[i], d->name[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
		d->victim[i] = d->victim[i] < 0 ? -1 : d->victim[i];
	}
	for (unsigned i = 0; i < 2; i++) {
		struct statx stx;

		if (d->victim[i] < 0 || !sealed(d->victim[i], &stx))
			continue;
		if (refused_anyway(d, (int)i, &stx)) {
			*say = (struct say){.verdict = ACTOR_DONE, .status = -EPERM};
			return;
		}
		/* Nothing to lift a seal for: that it is no directory is only said after what the seal refuses. */
		if (d->call.kind == CALL_UNLINK && d->call.flags & AT_REMOVEDIR) {
			say->status = -ENOTDIR;
			return;
		}
		say->has[i] = true;
		say->verdict = ACTOR_LIFT;
	}
}

void names_prepare(struct deed *d, const int dir[2], struct say *say)
{
	const struct call *c = &d->call;

	for (unsigned i = c->kind == CALL_LINK; i < c->n; i++) {
		d->parent[i] = open_parent(dir[i], c->path[i], &d->name[i]);
		if (d->parent[i] < 0)
			return;
	}
	if (c->kind == CALL_LINK) {
		if (c->flags & ~(unsigned)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
			return;
		d->victim[0] = *c->path[0]
				       ? openat(dir[0], c->path[0], O_PATH | O_CLOEXEC | (c->follow ? 0 : O_NOFOLLOW))
				       : fcntl(dir[0], F_DUPFD_CLOEXEC, 0);
		if (d->victim[0] < 0)
			return;
	}
	say->verdict = ACTOR_DONE;
	say->status = names_operate(d);
	if (say->status == -EPERM)
		find_victims(d, say);
}

bool names_changed(const struct deed *d)
{
	unsigned names = d->call.kind == CALL_LINK ? 0 : d->call.n;

	for (unsigned i = 0; i < names; i++) {
		struct statx then, now;

		if (d->victim[i] < 0)
			continue;
		if (statx(d->victim[i], "", AT_EMPTY_PATH, STATX_INO, &then) < 0 ||
		    statx(d->parent[i], d->name[i], AT_SYMLINK_NOFOLLOW, STATX_INO, &now) < 0 ||
		    then.stx_ino != now.stx_ino || then.stx_dev_major != now.stx_dev_major ||
		    then.stx_dev_minor != now.stx_dev_minor)
			return true;
	}
	return false;
}
