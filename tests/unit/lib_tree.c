/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Walking and deleting trees: order, depth, symlinks, swaps, mounts.
 */
#include "tests/unit/must.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define DEEP 3000

static char *top_path;

static int setup(void **state)
{
	int *fd = xmalloc(sizeof(*fd));

	*fd = temp_dir(&top_path);
	*state = fd;
	return 0;
}

static int teardown(void **state)
{
	temp_gone(*(int *)*state, top_path);
	free(*state);
	return 0;
}

static void make(int top, const char *path)
{
	_cleanup_free_ char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (slash) {
		*slash = 0;
		assert_int_equal(path_mkdirs(top, dir, 0755, NULL), 0);
	}
	assert_int_equal(path_write(top, path, "x", 1, 0644, NULL), 0);
}

/* A chain of directories, one in the other, made without a long path. */
static void make_deep(int top, unsigned depth)
{
	int dir = dup(top);

	for (unsigned i = 0; i < depth; i++) {
		int next;

		assert_int_equal(mkdirat(dir, "d", 0755), 0);
		next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(dir);
		dir = next;
		assert_true(dir >= 0);
	}
	close(openat(dir, "bottom", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	close(dir);
}

static int note(const struct walk_entry *w, void *arg, struct err *e)
{
	struct stat st;

	assert_int_equal(fstatat(w->dir, w->name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_ino, w->stx->stx_ino);
	buf_addf(arg, "%zu %s\n", w->depth, w->path);
	return strcmp(w->name, "skip") == 0 ? WALK_SKIP : WALK_GO;
}

static void walk_is_ordered_and_does_not_follow(void **state)
{
	int top = *(int *)*state;
	_cleanup_buf_ struct buf got = {0};

	make(top, "b/two");
	make(top, "b/one");
	make(top, "B");
	make(top, "a/skip/hidden");
	make(top, "a/z");
	assert_int_equal(symlinkat("..", top, "b/up"), 0);
	assert_int_equal(symlinkat("/etc", top, "c"), 0);
	assert_int_equal(tree_walk(top, note, &got, NULL), 0);
	assert_string_equal(got.p, "1 B\n1 a\n2 a/skip\n2 a/z\n1 b\n2 b/one\n2 b/two\n2 b/up\n1 c\n");
}

static int stop_at_b(const struct walk_entry *w, void *arg, struct err *e)
{
	++*(int *)arg;
	return strcmp(w->name, "b") == 0 ? err_set(e, -ECANCELED, "at %s", w->path) : WALK_GO;
}

static void walk_ends_with_the_callers_error(void **state)
{
	int top = *(int *)*state, n = 0;
	struct err e = {0};

	make(top, "a");
	make(top, "b");
	make(top, "c");
	assert_error(&e, tree_walk(top, stop_at_b, &n, &e), -ECANCELED, "at b");
	assert_int_equal(n, 2);
}

static int deepest(const struct walk_entry *w, void *arg, struct err *e)
{
	if (w->depth > *(size_t *)arg)
		*(size_t *)arg = w->depth;
	assert_int_equal(strlen(w->path), 2 * w->depth - 1 + (S_ISREG(w->stx->stx_mode) ? 5 : 0));
	return WALK_GO;
}

static void deep_trees_are_walked_and_removed(void **state)
{
	int top = *(int *)*state;
	size_t depth = 0;
	struct rlimit files;
	struct err e = {0};

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	must_have(files.rlim_max > DEEP + 100, "needs a higher hard limit of open files");
	make_deep(top, DEEP);
	if (tree_walk(top, deepest, &depth, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(depth, DEEP + 1);
	if (tree_remove(top, "d", NULL, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(faccessat(top, "d", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void remove_takes_links_not_their_targets(void **state)
{
	int top = *(int *)*state;

	make(top, "keep/file");
	make(top, "gone/sub/file");
	assert_int_equal(symlinkat("../keep", top, "gone/link"), 0);
	assert_int_equal(symlinkat("keep", top, "link"), 0);
	assert_int_equal(mkfifoat(top, "gone/fifo", 0600), 0);
	assert_int_equal(tree_remove(top, "gone", NULL, NULL), 0);
	assert_int_equal(tree_remove(top, "link", NULL, NULL), 0);
	assert_int_equal(tree_remove(top, "missing", NULL, NULL), 0);
	assert_int_equal(faccessat(top, "gone", F_OK, 0), -1);
	assert_int_equal(faccessat(top, "link", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(faccessat(top, "keep/file", F_OK, 0), 0);
}

static unsigned unlinked;

static int own_unlink(int dir, const char *name, struct err *e)
{
	unlinked++;
	if (strcmp(name, "held") == 0)
		return err_set(e, -EPERM, "%s: held", name);
	return unlinkat(dir, name, 0) < 0 ? err_sys(e, "%s", name) : 0;
}

static void remove_uses_the_callers_unlink(void **state)
{
	int top = *(int *)*state;
	struct err e = {0};

	unlinked = 0;
	make(top, "t/a");
	make(top, "t/s/b");
	assert_int_equal(tree_remove(top, "t", own_unlink, NULL), 0);
	assert_int_equal(unlinked, 2);
	make(top, "t/held");
	assert_error(&e, tree_remove(top, "t", own_unlink, &e), -EPERM, "t: held: held");
}

/* 0 when everything was as it should; else the line that was not. In a process of its own: the mount dies with it. */
static int with_a_mount(void)
{
	int top;
	_cleanup_free_ char *inner = xasprintf("%s/t/m", top_path), *bind = xasprintf("%s/t/b", top_path);
	_cleanup_free_ char *source = xasprintf("%s/outside", top_path);
	_cleanup_buf_ struct buf got = {0};
	struct err e = {0};

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	if (mount("none", inner, "tmpfs", 0, NULL) < 0 || mount(source, bind, NULL, MS_BIND, NULL) < 0)
		return 77;
	top = open(top_path,
		   O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* in this namespace: a descriptor of before sees no mount */
	close(openat(top, "t/m/inside", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (tree_walk(top, note, &got, NULL) < 0 || strstr(got.p, "inside") || strstr(got.p, "t/b/file"))
		return 1;
	if (!strstr(got.p, "2 t/m\n") || !strstr(got.p, "2 t/b\n"))
		return 2;
	if (tree_remove(top, "t", NULL, &e) != -EBUSY || !strstr(e.msg, "mounted"))
		return 3;
	err_clear(&e);
	if (faccessat(top, "t/m/inside", F_OK, 0) < 0 || faccessat(top, "outside/file", F_OK, 0) < 0)
		return 4;
	return 0;
}

static void mounts_are_seen_not_entered_and_refused(void **state)
{
	int top = *(int *)*state, status;
	pid_t pid;

	need_root();
	make(top, "outside/file");
	assert_int_equal(path_mkdirs(top, "t/m", 0755, NULL), 0);
	assert_int_equal(path_mkdirs(top, "t/b", 0755, NULL), 0);
	pid = fork();
	if (pid == 0)
		_exit(with_a_mount());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	must_have(WEXITSTATUS(status) != 77, "needs mount namespaces");
	assert_int_equal(status, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(walk_is_ordered_and_does_not_follow), T(walk_ends_with_the_callers_error),
		T(deep_trees_are_walked_and_removed),   T(remove_takes_links_not_their_targets),
		T(remove_uses_the_callers_unlink),      T(mounts_are_seen_not_entered_and_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
