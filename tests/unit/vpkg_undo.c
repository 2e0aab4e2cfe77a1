/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The pre-image and the way back: whatever is done to a tree, restoring makes it what the manifest recorded, and leaves
 * the vserver's own data alone.
 */
#include "tests/unit/must.h"

#include "vpkg/manifest.h"
#include <linux/openat2.h>

struct place_of {
	int top, tree, kept;
	char *name;
};

static int set_up(void **state)
{
	struct place_of *p = xcalloc(1, sizeof(*p));

	p->top = temp_dir(&p->name);
	assert_int_equal(mkdirat(p->top, "tree", 0755), 0);
	assert_int_equal(mkdirat(p->top, "kept", 0700), 0);
	p->tree = openat(p->top, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->kept = openat(p->top, "kept", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place_of *p = *state;

	close_fd(p->tree);
	close_fd(p->kept);
	temp_gone(p->top, p->name);
	free(p);
	return 0;
}

static void put(int tree, const char *path, const char *text, mode_t mode)
{
	struct err e = {0};
	_cleanup_free_ char *dir = xstrdup(path);

	*strrchr(dir, '/') = 0;
	assert_int_equal(path_mkdirs(tree, dir, 0755, &e), 0);
	if (path_write(tree, path, text, strlen(text), mode, &e) < 0)
		fail_msg("%s", e.msg);
}

/* In place: the same inode gets other contents, as a shell's > does. */
static void scribble(int tree, const char *path, const char *text)
{
	int fd = path_open(tree, path, O_WRONLY | O_TRUNC, 0);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int describe(const struct walk_entry *we, void *arg, struct err *e)
{
	struct buf *out = arg;

	buf_addf(out, "%s %o %u %u", we->path, we->stx->stx_mode, we->stx->stx_uid, we->stx->stx_gid);
	buf_addf(out, " %lld.%09u", (long long)we->stx->stx_mtime.tv_sec, we->stx->stx_mtime.tv_nsec);
	if (S_ISREG(we->stx->stx_mode)) {
		int fd = openat(we->dir, we->name, O_RDONLY | O_CLOEXEC);
		uint8_t sum[DIGEST_LEN];
		char hex[2 * DIGEST_LEN + 1];

		assert_int_equal(digest_fd(fd, sum), 0);
		close(fd);
		text_hex(hex, sum, DIGEST_LEN);
		buf_adds(out, " ");
		buf_adds(out, hex);
	} else if (S_ISLNK(we->stx->stx_mode)) {
		char target[256] = "";

		assert_true(readlinkat(we->dir, we->name, target, sizeof(target) - 1) >= 0);
		buf_addf(out, " -> %s", target);
	}
	buf_adds(out, "\n");
	return WALK_GO;
}

static char *picture(int tree)
{
	struct buf out = {0};

	assert_int_equal(tree_walk(tree, describe, &out, NULL), 0);
	return out.p;
}

static void fill(int tree)
{
	put(tree, "usr/bin/tool", "tool version 1", 0755);
	put(tree, "usr/bin/other", "other version 1", 0755);
	put(tree, "usr/bin/gone", "will be removed", 0755);
	put(tree, "usr/share/dir/file", "was a file in a directory", 0644);
	put(tree, "etc/tool.conf", "setting = mine", 0640);
	put(tree, "etc/passwd", "root:x:0:0", 0644);
	put(tree, "var/lib/dpkg/status", "Package: tool", 0644);
	put(tree, "opt/pkg/listed", "below data, but listed", 0644);
	put(tree, "srv/data", "the vserver's own", 0644);
	assert_int_equal(symlinkat("usr/bin", tree, "bin"), 0);
	assert_int_equal(symlinkat("tool", tree, "usr/bin/link"), 0);
}

static const char *const listed[] = {"/bin/tool", "/usr/bin/new", "/opt/pkg/listed", "/opt/pkg/more/new",
				     "/usr/bin/gone"};

static void mutate(int tree)
{
	put(tree, "usr/bin/tool", "tool version 2", 0755);
	put(tree, "usr/bin/new", "new in version 2", 0755);
	put(tree, "usr/newdir/deep/file", "more", 0644);
	put(tree, "opt/pkg/listed", "replaced", 0644);
	put(tree, "opt/pkg/more/new", "new below data", 0644);
	scribble(tree, "etc/passwd", "root:x:0:0\nnew:x:1:1");
	scribble(tree, "etc/tool.conf", "setting = theirs");
	scribble(tree, "var/lib/dpkg/status", "Package: tool\nVersion: 2");
	assert_int_equal(fchmodat(tree, "usr/bin/other", 0700, 0), 0);
	assert_int_equal(unlinkat(tree, "usr/bin/gone", 0), 0);
	assert_int_equal(unlinkat(tree, "usr/bin/link", 0), 0);
	assert_int_equal(symlinkat("new", tree, "usr/bin/link"), 0);
	assert_int_equal(unlinkat(tree, "usr/share/dir/file", 0), 0);
	assert_int_equal(mkdirat(tree, "usr/share/dir/file", 0755), 0);
	put(tree, "usr/share/dir/file/inside", "a directory now", 0644);
	assert_int_equal(fchmodat(tree, "etc", 0700, 0), 0);
	scribble(tree, "srv/data", "written meanwhile");
}

static void take(struct place_of *p, struct strv *touched, struct manifest *m)
{
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(listed); i++)
		strv_add(touched, listed[i]);
	if (manifest_take(p->tree, touched, m, &e) < 0 || preimage_keep(p->tree, m, p->kept, &e) < 0)
		fail_msg("%s", e.msg);
}

static void everything_comes_back(void **state)
{
	struct place_of *p = *state;
	_cleanup_strv_ struct strv touched = {0}, lost = {0};
	_cleanup_(manifest_free) struct manifest m = {0};
	_cleanup_free_ char *before = NULL, *after = NULL;
	struct err e = {0};

	fill(p->tree);
	take(p, &touched, &m);
	/* The vserver's data may change as it likes: compared without it. */
	scribble(p->tree, "srv/data", "written meanwhile");
	assert_int_equal(utimensat(p->tree, "srv/data", (struct timespec[]){{1, 0}, {1, 0}}, 0), 0);
	before = picture(p->tree);
	mutate(p->tree);
	assert_int_equal(utimensat(p->tree, "srv/data", (struct timespec[]){{1, 0}, {1, 0}}, 0), 0);
	assert_int_equal(preimage_restore(p->tree, &m, &touched, p->kept, &lost, &e), 0);
	if (lost.n)
		fail_msg("lost: %s", lost.v[0]);
	/* opt is data: the listed file is back, the directory that was made for a listed one may stay, empty. */
	assert_int_not_equal(faccessat(p->tree, "opt/pkg/more/new", F_OK, 0), 0);
	unlinkat(p->tree, "opt/pkg/more", AT_REMOVEDIR);
	after = picture(p->tree);
	/* Times of directories outside the scope move: compared from the first directory in scope on, path by path. */
	for (char *b = before, *a = after; *b && *a; b = strchr(b, '\n') + 1, a = strchr(a, '\n') + 1) {
		size_t n = strcspn(b, "\n");

		if (strncmp(b, "opt", 3) == 0 && S_ISDIR(strtoul(strchr(b, ' ') + 1, NULL, 8)))
			continue;
		if (strncmp(a, b, n) != 0 || a[n] != '\n')
			fail_msg("before: %.*s\nafter: %.*s", (int)n, b, (int)strcspn(a, "\n"), a);
	}
}

static void a_second_restore_changes_nothing(void **state)
{
	struct place_of *p = *state;
	_cleanup_strv_ struct strv touched = {0}, lost = {0};
	_cleanup_(manifest_free) struct manifest m = {0};
	_cleanup_free_ char *once = NULL, *twice = NULL;

	fill(p->tree);
	take(p, &touched, &m);
	mutate(p->tree);
	assert_int_equal(preimage_restore(p->tree, &m, &touched, p->kept, &lost, NULL), 0);
	once = picture(p->tree);
	assert_int_equal(preimage_restore(p->tree, &m, &touched, p->kept, &lost, NULL), 0);
	twice = picture(p->tree);
	assert_int_equal(lost.n, 0);
	assert_string_equal(once, twice);
}

static void what_cannot_come_back_is_said(void **state)
{
	struct place_of *p = *state;
	_cleanup_strv_ struct strv touched = {0}, lost = {0};
	_cleanup_(manifest_free) struct manifest m = {0};

	fill(p->tree);
	take(p, &touched, &m);
	/* Kept as a link because packages replace it: an edit in place goes through the link. */
	scribble(p->tree, "usr/bin/tool", "edited in place, longer than before");
	assert_int_equal(preimage_restore(p->tree, &m, &touched, p->kept, &lost, NULL), 0);
	assert_int_equal(lost.n, 1);
	assert_non_null(strstr(lost.v[0], "usr/bin/tool"));
}

static void the_file_of_the_manifest(void **state)
{
	struct place_of *p = *state;
	_cleanup_strv_ struct strv touched = {0};
	_cleanup_(manifest_free) struct manifest m = {0}, read_back = {0};
	struct err e = {0};
	int fd;

	fill(p->tree);
	take(p, &touched, &m);
	assert_int_equal(manifest_save(p->kept, &m, &e), 0);
	assert_int_equal(manifest_load(p->kept, &read_back, &e), 0);
	assert_int_equal(read_back.n, m.n);
	for (size_t i = 0; i < m.n; i++) {
		assert_string_equal(m.v[i].path, read_back.v[i].path);
		assert_int_equal(m.v[i].ino, read_back.v[i].ino);
		assert_int_equal(m.v[i].keep_ino, read_back.v[i].keep_ino);
	}
	fd = openat(p->kept, "manifest", O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "X", 1, 100), 1);
	close(fd);
	manifest_free(&read_back);
	assert_int_equal(manifest_load(p->kept, &read_back, &e), -EBADMSG);
	err_clear(&e);
}

static void the_line_between_packages_and_data(void **state)
{
	assert_true(scope_has("usr/bin/ls"));
	assert_true(scope_has("etc/passwd"));
	assert_true(scope_has("var/lib/dpkg/status"));
	assert_true(scope_has("var/lib"));
	assert_false(scope_has("var/lib/mysql"));
	assert_false(scope_has("home/me"));
	assert_false(scope_has("srv"));
	assert_false(scope_has("usr/local/bin/mine"));
	assert_true(scope_has("srvx"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_second_restore_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_come_back_is_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_file_of_the_manifest, set_up, tear_down),
		cmocka_unit_test(the_line_between_packages_and_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
