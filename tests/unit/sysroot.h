/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A sysroot of the test's own, below the build directory: all that the product reads and writes is in it.
 */
#pragma once

#include "tests/unit/must.h"

static char *top_path;
static int top;

static inline int sysroot_setup(void **state)
{
	top = temp_dir(&top_path);
	return setenv("VPKG_SYSROOT", top_path, 1);
}

static inline int sysroot_teardown(void **state)
{
	temp_gone(top, top_path);
	return 0;
}

/* Writes a file of the sysroot, with the directories that it needs; below what is mounted there, too. */
static inline void put(const char *path, const char *text)
{
	_cleanup_free_ char *full = place("/%s", path + (*path == '/')), *dir = xstrdup(full);
	_cleanup_close_ int fd = -1, at = -1;

	*strrchr(dir, '/') = 0;
	at = place_dir(dir + strlen(place_sysroot()), 0755, NULL);
	assert_true(at >= 0);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}
