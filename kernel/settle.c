/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether a file is sealed, when another process may have its seal lifted at this very moment: the lock that every
 * window holds is waited for, and the file looked at while no window can be open.
 */
#include "kernel/internal.h"

#include <sys/file.h>

#define MASK (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)

/* The locked /vserver cgroup, or -ENODEV when there is none: then no window is open. */
static int lock_windows(void)
{
	for (;;) {
		_cleanup_close_ int dir = cgroup_home_if_any(NULL), again = -1;
		struct stat ours, there;

		if (dir < 0)
			return dir;
		while (flock(dir, LOCK_SH) < 0)
			if (errno != EINTR)
				return -errno;
		/* Removed and made anew while we waited: the lock is on the wrong one. */
		again = cgroup_home_if_any(NULL);
		if (again >= 0 && fstat(dir, &ours) == 0 && fstat(again, &there) == 0 && ours.st_ino == there.st_ino)
			return TAKE_FD(dir);
	}
}

int seal_stat(int dir, const char *name, struct statx *ret)
{
	_cleanup_close_ int lock = -1;

	if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH, MASK, ret) < 0)
		return -errno;
	/* A sealed file has at least two names, its vserver's and the store's; a window does not change that. */
	if (!S_ISREG(ret->stx_mode) || seal_is(ret) || seal_marked(dir, name, ret) || ret->stx_nlink < 2)
		return 0;
	lock = lock_windows();
	return statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH, MASK, ret) < 0 ? -errno : 0;
}
