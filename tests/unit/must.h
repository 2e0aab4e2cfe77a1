/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cmocka, and what a unit test does without a facility: it skips with the reason, and under VPKG_MUST_RUN=1 it fails.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/lib.h"

static inline void must_have(bool have, const char *reason)
{
	const char *must = getenv("VPKG_MUST_RUN");

	if (have)
		return;
	if (must && strcmp(must, "1") == 0)
		fail_msg("must run here, but: %s", reason);
	print_message("# skipped: %s\n", reason);
	skip();
}

static inline void need_root(void)
{
	must_have(geteuid() == 0, "needs root");
}

/* The status is `want` and there is a message of one line that has `part` in it; leaves *e empty. */
static inline void assert_error(struct err *e, int status, int want, const char *part)
{
	assert_int_equal(status, want);
	assert_int_equal(e->status, want);
	assert_non_null(e->msg);
	assert_null(strchr(e->msg, '\n'));
	if (!strstr(e->msg, part))
		fail_msg("\"%s\" is not in \"%s\"", part, e->msg);
	err_clear(e);
}

/* An empty directory of the test, below $VPKG_B/tmp (default build/tmp); returns its descriptor and path. */
static inline int temp_dir(char **ret_path)
{
	const char *b = getenv("VPKG_B");
	char *path;
	int fd;

	path = xasprintf("%s/tmp", b ? b : "build");
	mkdir(b ? b : "build", 0755);
	mkdir(path, 0755);
	free(path);
	path = xasprintf("%s/tmp/unit.XXXXXX", b ? b : "build");
	assert_non_null(mkdtemp(path));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	*ret_path = path;
	return fd;
}

/* Removes it and frees the path. */
static inline void temp_gone(int fd, char *path)
{
	char *name = strrchr(path, '/');
	int parent;

	*name++ = 0;
	parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_remove(parent, name, NULL, NULL), 0);
	close(parent);
	close(fd);
	free(path);
}
