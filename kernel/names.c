/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operations on names of files that may be sealed. What needs the seal lifted goes through the window's helper process;
 * what does not is done here at once.
 */
#include "kernel/window.h"

static unsigned freezes; /* depth of seal_freeze in this process */

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
	struct statx stx;

	/* Only this kind is ever lifted; what has a mark has lost nothing. */
	if (fd >= 0 && seal_stat(fd, "", &stx) == 0 && !seal_is(&stx))
		seal_set_firm(fd, NULL);
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
