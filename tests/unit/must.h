/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cmocka, and what a unit test does without a facility: it skips with the reason, and under VPKG_MUST_RUN=1 it fails.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/wait.h>
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

/* For a program of which nothing can run, instead of its tests: what main returns. */
static inline int skip_all(const char *reason)
{
	const char *must = getenv("VPKG_MUST_RUN");
	bool fails = must && strcmp(must, "1") == 0;

	if (fails)
		printf("1..1\nnot ok 1 - must run here, but: %s\n", reason);
	else
		printf("1..0 # SKIP %s\n", reason);
	return fails;
}

static inline void need_root(void)
{
	must_have(geteuid() == 0, "needs root");
}

/* Packages and package databases of other people's making, which the project does not hold. */
#define DATA "../shared/testdata"
static inline void need_data(void)
{
	must_have(access(DATA, R_OK) == 0, "needs " DATA);
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

/* kill -9, and it is gone. */
static inline void end_child(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static inline void sha256_text(const char *text, uint8_t ret[DIGEST_LEN])
{
	struct digest *d = digest_new();

	digest_update(d, text, strlen(text));
	digest_final(d, ret);
}
