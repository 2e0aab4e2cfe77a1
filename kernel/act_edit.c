/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Changes of a file itself (CTX_COW), as far as the actor has to do with them: it finds the file as the caller would,
 * and tells by a twin of it, which has no seal, whether the caller might change it. The kernel's own checks decide.
 */
#include "kernel/actor.h"

#include <sys/fsuid.h>

void edit_prepare(struct deed *d, int dir, struct say *say)
{
	const struct call *c = &d->call;

	d->victim[0] = openat(dir, c->path[0], O_PATH | O_CLOEXEC | (c->follow ? 0 : O_NOFOLLOW));
	if (d->victim[0] < 0)
		return;
	say->has[0] = true;
	say->verdict = ACTOR_LIFT;
}

static int try_open(const char *twin, unsigned flags)
{
	int fd;

	if (flags & O_TRUNC && (flags & O_ACCMODE) == O_RDONLY)
		flags |= O_RDWR;
	flags &= O_ACCMODE | O_APPEND | O_NOATIME;
	fd = openat(own_links(), twin, (int)flags | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

/* Explicit times are the owner's to set; for the present one, a right to write is enough. */
static int try_times(const char *twin, bool explicit)
{
	static const struct timespec some[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	return utimensat(own_links(), twin, explicit ? some : NULL, 0);
}

static int try_xattr(const char *twin, const char *name)
{
	if (strncmp(name, "user.", 5) == 0)
		return try_open(twin, O_WRONLY);
	if (strncmp(name, "trusted.", 8) == 0) {
		errno = EPERM;
		return -1;
	}
	return try_times(twin, true);
}

int edit_try(const struct deed *d, int fd)
{
	const struct call *c = &d->call;
	char twin[16];
	int r;

	snprintf(twin, sizeof(twin), "%d", fd);
	switch (c->kind) {
	case CALL_OPEN:
		r = try_open(twin, c->flags);
		break;
	case CALL_MODE:
		r = fchmodat(own_links(), twin, (mode_t)c->value[0], 0);
		break;
	case CALL_OWNER:
		r = fchownat(own_links(), twin, (uid_t)c->value[0], (gid_t)c->value[1], 0);
		break;
	case CALL_TIMES:
		r = try_times(twin, c->value[0] != 0);
		break;
	case CALL_XATTR:
		r = try_xattr(twin, c->path[1]);
		break;
	default:
		r = try_open(twin, O_WRONLY);
	}
	return r < 0 ? -errno : 0;
}
