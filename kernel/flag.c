/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The seal itself: the immutable attribute, set, taken off, asked for, and tried out.
 */
#include "kernel/kernel.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

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
