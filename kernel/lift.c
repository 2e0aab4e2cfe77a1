/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The directory operations that the kernel refuses on a sealed inode (link, unlink, rename), each with the seal lifted
 * for just that one operation and put back after it. Runs in the helper process, while every context is frozen.
 */
#include "kernel/supervise.h"

#include <sys/fsuid.h>
#include <sys/resource.h>

struct lifted {
	int fd; /* -1: nothing to lift */
	struct statx before;
};

static void lifted_close(struct lifted *l)
{
	l->fd = close_fd(l->fd);
}
#define _cleanup_lifted_ _cleanup_(lifted_close)

static int stat_fd(int fd, struct statx *ret)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, ret) < 0 ? -errno : 0;
}

/* Opens what an O_PATH descriptor leads to, if it is sealed, and lifts the seal. O_NONBLOCK, because a guest may hold a
 * lease on the file, which its frozen process could not give back. */
static int lift_fd(int path, const char *name, struct lifted *l, struct err *e)
{
	struct statx stx;
	int r = stat_fd(path, &stx);

	if (r < 0)
		return err_set(e, r, "%s: statx: %s", name, strerror(-r));
	if (!S_ISREG(stx.stx_mode) || !seal_is(&stx))
		return 0;
	l->fd = path_reopen(path, O_RDONLY | O_NONBLOCK | O_NOATIME);
	if (l->fd == -EWOULDBLOCK) {
		l->fd = -1;
		return err_set(e, -EAGAIN,
			       "%s: a vserver holds a lease on it; it ends by itself after "
			       "/proc/sys/fs/lease-break-time seconds",
			       name);
	}
	if (l->fd < 0) {
		r = l->fd;
		l->fd = -1;
		return err_set(e, r, "%s: cannot open to lift its seal: %s", name, strerror(-r));
	}
	l->before = stx;
	r = seal_clear(l->fd, e);
	if (r < 0)
		lifted_close(l); /* it is sealed still, nothing to put back */
	return r;
}

static int lift_name(int dir, const char *name, struct lifted *l, struct err *e)
{
	_cleanup_close_ int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0) /* the operation itself says what is wrong */
		return 0;
	return lift_fd(fd, name, l, e);
}

static bool same_time(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Seals again, and looks whether anybody changed the file in the window. Keeps the first error.
 *
 * Looking at the metadata tells of the contents, too. No guest ran, and so none can have set times back; a process of the
 * host that wrote has changed the time of modification, since that of a sealed file is older than the window. ctime would
 * tell nothing: lifting the seal and the operation itself change it. */
static int lower(struct lifted *l, const char *name, int r, struct err *e)
{
	struct err why = {0};
	struct statx now;
	int s;

	if (l->fd < 0)
		return r;
	s = seal_set_firm(l->fd, &why); /* only this kind is ever lifted */
	if (s == 0)
		s = stat_fd(l->fd, &now);
	if (s == 0 && (now.stx_mode != l->before.stx_mode || now.stx_uid != l->before.stx_uid ||
		       now.stx_gid != l->before.stx_gid || now.stx_size != l->before.stx_size ||
		       !same_time(&now.stx_mtime, &l->before.stx_mtime)))
		s = err_set(&why, -ESTALE,
			    "%s: a process of the host changed it while its seal was lifted; run vunify to "
			    "check the store",
			    name);
	if (s < 0 && r == 0)
		r = err_set(e, s, "%s", why.msg ? why.msg : strerror(-s));
	err_clear(&why);
	return r;
}

static int do_link(int file, int dir, const char *name, struct err *e)
{
	return linkat(file, "", dir, name, AT_EMPTY_PATH) < 0 ? err_sys(e, "%s: cannot link", name) : 0;
}

static int serve_link(const struct seal_op *op, struct err *e)
{
	_cleanup_lifted_ struct lifted l = {.fd = -1};
	int r = lift_fd(op->file, op->name[0], &l, e);

	if (r == 0)
		r = do_link(op->file, op->dir[0], op->name[0], e);
	return lower(&l, op->name[0], r, e);
}

static int serve_unlink(const struct seal_op *op, struct err *e)
{
	_cleanup_lifted_ struct lifted l = {.fd = -1};
	int r = lift_name(op->dir[0], op->name[0], &l, e);

	if (r == 0 && unlinkat(op->dir[0], op->name[0], 0) < 0)
		r = err_sys(e, "%s: cannot unlink", op->name[0]);
	return lower(&l, op->name[0], r, e);
}

static int serve_rename(const struct seal_op *op, struct err *e)
{
	_cleanup_lifted_ struct lifted from = {.fd = -1}, to = {.fd = -1};
	int r = lift_name(op->dir[0], op->name[0], &from, e);

	if (r == 0)
		r = lift_name(op->dir[1], op->name[1], &to, e);
	if (r == 0 && renameat2(op->dir[0], op->name[0], op->dir[1], op->name[1], op->flags) < 0)
		r = err_sys(e, "%s: cannot rename to %s", op->name[0], op->name[1]);
	r = lower(&to, op->name[1], r, e);
	return lower(&from, op->name[0], r, e);
}

/* Links the file to a new name, then exchanges that with the second one: two operations in one window. */
static int serve_swap(const struct seal_op *op, struct err *e)
{
	_cleanup_lifted_ struct lifted new = {.fd = -1}, old = {.fd = -1};
	int r = lift_fd(op->file, op->name[0], &new, e);

	if (r == 0)
		r = do_link(op->file, op->dir[0], op->name[0], e);
	if (r == 0) {
		r = lift_name(op->dir[1], op->name[1], &old, e);
		if (r == 0 && renameat2(op->dir[0], op->name[0], op->dir[1], op->name[1], RENAME_EXCHANGE) < 0)
			r = err_sys(e, "%s: cannot exchange", op->name[1]);
		if (r < 0)
			unlinkat(op->dir[0], op->name[0], 0);
	}
	r = lower(&old, op->name[1], r, e);
	return lower(&new, op->name[0], r, e);
}

/* The actor's turn. What it does was prepared before the freeze, with these files open; it may now hit other ones, that a
 * guest put under the names meanwhile, and those have their seals. */
static int serve_act(const struct seal_op *op, struct err *e)
{
	_cleanup_lifted_ struct lifted first = {.fd = -1}, second = {.fd = -1};
	int r = op->file < 0 ? 0 : lift_fd(op->file, "a vserver's file", &first, e);

	if (r == 0 && op->dir[0] >= 0)
		r = lift_fd(op->dir[0], "a vserver's file", &second, e);
	if (r == 0) {
		/* All contexts wait for it. Not for longer: what else it does, guests can make it do at will. */
		setpriority(PRIO_PROCESS, op->flags, PRIO_MIN);
		r = actor_go(op->dir[1]);
		setpriority(PRIO_PROCESS, op->flags, 0);
	}
	r = lower(&second, "a vserver's file", r, e);
	return lower(&first, "a vserver's file", r, e);
}

static bool is_name_of(int file, int dir, const char *name)
{
	struct stat a, b;

	return fstat(file, &a) == 0 && fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/* Links as a user that has an id in the idmapped mount which the directory is reached by. */
static int link_as(uid_t uid, int file, int dir, const char *name)
{
	int r;

	setfsgid(uid);
	setfsuid(uid);
	r = linkat(file, "", dir, name, AT_EMPTY_PATH) < 0 ? -errno : 0;
	setfsuid(0);
	setfsgid(0);
	return r;
}

static int serve_replace(const struct seal_op *op, struct err *e)
{
	_cleanup_lifted_ struct lifted old = {.fd = -1};
	char temp[32];
	int r;

	if (!is_name_of(op->dir[1], op->dir[0], op->name[0]))
		return err_set(e, WINDOW_CHANGED, "%s: is another file now", op->name[0]);
	snprintf(temp, sizeof(temp), ".vpkg-cow.%d", (int)getpid());
	r = link_as(op->flags, op->file, op->dir[0], temp);
	if (r < 0)
		return err_set(e, r, "%s: cannot link its copy: %s", op->name[0], strerror(-r));
	r = lift_fd(op->dir[1], op->name[0], &old, e);
	if (r == 0 && renameat(op->dir[0], temp, op->dir[0], op->name[0]) < 0)
		r = err_sys(e, "%s: cannot put its copy in its place", op->name[0]);
	if (r < 0)
		unlinkat(op->dir[0], temp, 0);
	return lower(&old, op->name[0], r, e);
}

int window_serve(const struct seal_op *op, struct err *e)
{
	static int (*const serve[])(const struct seal_op *, struct err *) = {
		[SEAL_LINK] = serve_link, [SEAL_UNLINK] = serve_unlink, [SEAL_RENAME] = serve_rename,
		[SEAL_SWAP] = serve_swap, [WINDOW_ACT] = serve_act,     [WINDOW_REPLACE] = serve_replace,
	};

	return op->what < ARRAY_LEN(serve) ? serve[op->what](op, e) : err_set(e, -EINVAL, "seal: unknown operation");
}
