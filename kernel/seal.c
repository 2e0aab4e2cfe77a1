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

/* Asks the helper. Should that be killed meanwhile, the files that were sealed before are sealed again here. */
static int ask(struct window_call *c, const int *sealed, size_t n, struct err *e)
{
	int r;

	if (freezes > 0)
		c->flags |= WINDOW_KEEP;
	r = window_ask(c, e);
	for (size_t i = 0; r == -EPIPE && i < n; i++) {
		_cleanup_close_ int fd = sealed[i] < 0 ? -1 : path_reopen(sealed[i], O_RDONLY | O_NONBLOCK);

		if (fd >= 0)
			seal_set(fd, NULL);
	}
	return r;
}

int seal_freeze(struct err *e)
{
	const struct window_call c = {.op = WINDOW_FREEZE, .flags = WINDOW_KEEP};
	int r = freezes > 0 ? 0 : window_ask(&c, e);

	if (r == 0)
		freezes++;
	return r;
}

void seal_thaw(void)
{
	const struct window_call c = {.op = WINDOW_THAW};

	if (freezes > 0 && --freezes == 0)
		window_ask(&c, NULL);
}

int seal_unlink(int dir, const char *name, struct err *e)
{
	struct window_call c = {.op = WINDOW_UNLINK, .fds = {dir}, .n_fds = 1, .name = {name}};
	_cleanup_close_ int sealed = -1;

	if (unlinkat(dir, name, 0) == 0)
		return 0;
	if (errno != EPERM)
		return err_sys(e, "%s: cannot unlink", name);
	sealed = open_sealed(dir, name);
	if (sealed < 0)
		return err_set(e, -EPERM, "%s: cannot unlink: %s; see lsattr of it and of its directory", name,
			       strerror(EPERM));
	return ask(&c, &sealed, 1, e);
}

int seal_rename(int from_dir, const char *from, int to_dir, const char *to, unsigned flags, struct err *e)
{
	struct window_call c = {
		.op = WINDOW_RENAME, .flags = flags, .fds = {from_dir, to_dir}, .n_fds = 2, .name = {from, to}};
	int sealed[2], r;

	if (renameat2(from_dir, from, to_dir, to, flags) == 0)
		return 0;
	if (errno != EPERM)
		return err_sys(e, "%s: cannot rename to %s", from, to);
	sealed[0] = open_sealed(from_dir, from);
	sealed[1] = open_sealed(to_dir, to);
	if (sealed[0] < 0 && sealed[1] < 0)
		return err_set(e, -EPERM, "%s: cannot rename to %s: %s; see lsattr of them and their directories", from,
			       to, strerror(EPERM));
	r = ask(&c, sealed, 2, e);
	close_fd(sealed[0]);
	close_fd(sealed[1]);
	return r;
}

int seal_link(int fd, int dir, const char *name, struct err *e)
{
	struct window_call c = {.op = WINDOW_LINK, .fds = {fd, dir}, .n_fds = 2, .name = {name}};

	if (!fd_sealed(fd))
		return linkat(fd, "", dir, name, AT_EMPTY_PATH) < 0 ? err_sys(e, "%s: cannot link", name) : 0;
	return ask(&c, &fd, 1, e);
}

int seal_swap(int fd, int tmp_dir, const char *tmp, int dir, const char *name, struct err *e)
{
	struct window_call c = {.op = WINDOW_SWAP, .fds = {fd, tmp_dir, dir}, .n_fds = 3, .name = {tmp, name}};
	int sealed[2] = {fd, open_sealed(dir, name)};
	int r = ask(&c, sealed, 2, e);

	close_fd(sealed[1]);
	return r;
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
