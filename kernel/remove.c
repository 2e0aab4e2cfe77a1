/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Deleting a whole tree that holds sealed names. The vservers stay frozen over many unlinks, but for short times only,
 * so that thousands of shared files are gone in seconds and no vserver notices.
 */
#include "kernel/kernel.h"

#include <time.h>

#define FROZEN_MS 20

static int64_t frozen_since; /* 0: not frozen by us */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void thaw(void)
{
	if (frozen_since)
		seal_thaw();
	frozen_since = 0;
}

static int remove_name(int dir, const char *name, struct err *e)
{
	int r;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EPERM)
		return err_sys(e, "%s: cannot unlink", name);
	if (frozen_since && now_ms() - frozen_since > FROZEN_MS)
		thaw();
	if (!frozen_since) {
		r = seal_freeze(e);
		if (r < 0)
			return r;
		frozen_since = now_ms();
	}
	return seal_unlink(dir, name, e);
}

int seal_remove_tree(int dir, const char *name, struct err *e)
{
	int r = tree_remove(dir, name, remove_name, e);

	thaw();
	return r;
}
