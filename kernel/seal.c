/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The seal on shared files: the immutable attribute, and the operations on names of files that have it. What needs the
 * seal lifted goes through the window's helper process; what does not is done here at once.
 */
#include "kernel/window.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

static unsigned freezes; /* depth of seal_freeze in this process */

static int change_flag(int fd, bool on, struct err *e)
{
	int flags, want;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		goto fail;
	want = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	if (want == flags || ioctl(fd, FS_IOC_SETFLAGS, &want) == 0)
		return 0;
fail:
	if (errno == ENOTTY || errno == EOPNOTSUPP || errno == ENOSYS)
		return err_set(e, -EOPNOTSUPP,
			       "seal: this file system has no immutable attribute; use ext4, xfs or btrfs");
	if (errno == EPERM)
		return err_set(e, -EPERM,
			       "seal: not allowed to change the immutable attribute; run as root with "
			       "CAP_LINUX_IMMUTABLE");
	return err_sys(e, "seal: cannot change the immutable attribute");
}

int seal_set(int fd, struct err *e)
{
	return change_flag(fd, true, e);
}

int seal_clear(int fd, struct err *e)
{
	return change_flag(fd, false, e);
}

bool seal_is(const struct statx *stx)
{
	return stx->stx_attributes & STATX_ATTR_IMMUTABLE;
}

static bool fd_sealed(int fd)
{
	struct statx stx;

	return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) == 0 && S_ISREG(stx.stx_mode) && seal_is(&stx);
}

/* Opens name if a sealed file is there: an O_PATH descriptor, or -1. */
static int open_sealed(int dir, const char *name)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && !fd_sealed(fd))
		fd = close_fd(fd);
	return fd < 0 ? -1 : fd;
}

int seal_freeze(struct err *e)
{
	int r = freezes > 0 ? 0 : window_ask(WINDOW_KEEP, NULL, 0, e);

	if (r == 0)
		freezes++;
	return r;
}

void seal_thaw(void)
{
	if (freezes > 0 && --freezes == 0)
		window_ask(WINDOW_THAW, NULL, 0, NULL);
}

static void reseal(int path)
{
	_cleanup_close_ int fd = path < 0 ? -1 : path_reopen(path, O_RDONLY | O_NONBLOCK);

	if (fd >= 0)
		seal_set(fd, NULL);
}

int seal_batch(struct seal_op *ops, size_t n, struct err *e)
{
	int failed = 0;

	for (size_t done = 0, part; done < n; done += part) {
		_cleanup_err_ struct err why = {0};
		int r;

		part = n - done < WINDOW_OPS ? n - done : WINDOW_OPS;
		r = window_ask(freezes > 0 ? WINDOW_KEEP : WINDOW_ONCE, ops + done, part, &why);
		for (size_t i = done; i < done + part; i++) {
			if (r < 0)
				ops[i].status = r;
			if (r == -EPIPE)
				reseal(ops[i].file);
			failed += ops[i].status < 0;
		}
		if (why.status < 0 && (!e || e->status == 0))
			err_set(e, why.status, "%s", why.msg);
		if (r < 0 && done == 0)
			return r;
	}
	return failed;
}

static int one(struct seal_op *op, struct err *e)
{
	int r = seal_batch(op, 1, e);

	return r < 0 ? r : op->status;
}

int seal_unlink(int dir, const char *name, struct err *e)
{
	struct seal_op op = {.what = SEAL_UNLINK, .dir = {dir}, .name = {name}};
	_cleanup_close_ int sealed = -1;

	if (unlinkat(dir, name, 0) == 0)
		return 0;
	if (errno != EPERM)
		return err_sys(e, "%s: cannot unlink", name);
	op.file = sealed = open_sealed(dir, name);
	return one(&op, e);
}

int seal_rename(int from_dir, const char *from, int to_dir, const char *to, unsigned flags, struct err *e)
{
	struct seal_op op = {.what = SEAL_RENAME, .flags = flags, .dir = {from_dir, to_dir}, .name = {from, to}};
	_cleanup_close_ int first = -1, second = -1;
	int r;

	if (renameat2(from_dir, from, to_dir, to, flags) == 0)
		return 0;
	if (errno != EPERM)
		return err_sys(e, "%s: cannot rename to %s", from, to);
	first = open_sealed(from_dir, from);
	second = open_sealed(to_dir, to);
	op.file = first >= 0 ? first : second;
	r = one(&op, e);
	if (r == -EPIPE)
		reseal(second);
	return r;
}

int seal_link(int fd, int dir, const char *name, struct err *e)
{
	struct seal_op op = {.what = SEAL_LINK, .file = fd, .dir = {dir}, .name = {name}};

	if (linkat(fd, "", dir, name, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != EPERM)
		return err_sys(e, "%s: cannot link", name);
	return one(&op, e);
}

int seal_probe(int dir, struct err *e)
{
	_cleanup_close_ int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), writer = -1;
	struct statx stx;
	int r;

	if (fd < 0)
		return err_sys(e, "seal: cannot make a temporary file to try it on");
	r = seal_set(fd, e);
	if (r < 0)
		return r;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) < 0 || !seal_is(&stx))
		r = err_set(e, -EOPNOTSUPP,
			    "seal: this file system does not keep the immutable attribute; files cannot be "
			    "shared on it");
	if (r == 0)
		writer = path_reopen(fd, O_WRONLY);
	if (r == 0 && (writer >= 0 || fchmod(fd, 0644) == 0))
		r = err_set(e, -EOPNOTSUPP,
			    "seal: an immutable file can be changed here; files cannot be shared on this file "
			    "system");
	if (writer < 0)
		writer = -1;
	seal_clear(fd, NULL);
	return r;
}
