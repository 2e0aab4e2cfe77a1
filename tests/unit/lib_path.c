/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Paths inside a tree that its owner made to lead the host astray: symlinks of every kind, fifos, devices, mounts.
 */
#include "tests/unit/must.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

struct tree {
	char *path;
	int top, fd; /* fd is the hostile tree: top/tree; top/secret stands outside it */
};

static int setup(void **state)
{
	struct tree *t = xcalloc(1, sizeof(*t));

	t->top = temp_dir(&t->path);
	assert_int_equal(mkdirat(t->top, "tree", 0755), 0);
	t->fd = openat(t->top, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(path_write(t->top, "secret", "outside", 7, 0600, NULL), 0);
	assert_int_equal(path_mkdirs(t->fd, "etc/deep", 0755, NULL), 0);
	assert_int_equal(path_write(t->fd, "etc/file", "inside", 6, 0644, NULL), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct tree *t = *state;

	close(t->fd);
	temp_gone(t->top, t->path);
	free(t);
	return 0;
}

/* What path_read gives: the contents, or NULL. */
static char *contents(int root, const char *path)
{
	struct buf b = {0};

	return path_read(root, path, 4096, &b, NULL) == 0 ? b.p : NULL;
}

static void assert_contents(int root, const char *path, const char *want)
{
	_cleanup_free_ char *got = contents(root, path);

	assert_non_null(got);
	assert_string_equal(got, want);
}

static void symlinks_stay_inside(void **state)
{
	struct tree *t = *state;
	static const struct {
		const char *to, *name, *read; /* link `name` to `to`, then read `read` */
		bool found;
	} cases[] = {
		{"/etc/file", "absolute", "absolute", true}, /* the tree's own /etc/file */
		{"/etc", "absdir", "absdir/file", true},
		{"../../../../etc/file", "up", "etc/deep/../../up", true},
		{"../secret", "next", "next", false},
		{"../../../../../../../../etc/passwd", "host", "host", false},
		{"/proc/self/root/etc/passwd", "proc", "proc", false},
		{"/dev/null", "null", "null", false},
		{"loop", "loop", "loop", false},
		{"/etc/nowhere", "dangling", "dangling", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *got = NULL;

		assert_int_equal(symlinkat(cases[i].to, t->fd, cases[i].name), 0);
		got = contents(t->fd, cases[i].read);
		if (cases[i].found)
			assert_string_equal(got ? got : "(nothing)", "inside");
		else
			assert_null(got);
	}
}

static void magic_links_are_refused(void **state)
{
	struct tree *t = *state;
	_cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *name = xasprintf("%d/fd/%d", (int)getpid(), t->top),
			    *exe = xasprintf("%d/exe", (int)getpid());
	_cleanup_free_ char *through = xasprintf("%s/secret", name);

	/* The same directory is open to us, so only the kind of link can be what refuses it. */
	assert_int_equal(faccessat(proc, through, R_OK, 0), 0);
	assert_int_equal(path_open(proc, name, O_RDONLY, 0), -ELOOP);
	assert_int_equal(path_open(proc, through, O_RDONLY, 0), -ELOOP);
	assert_int_equal(path_open_file(proc, exe, NULL), -ELOOP);
}

static void mounts_are_not_entered(void **state)
{
	_cleanup_close_ int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(path_open(root, "proc", O_RDONLY, 0), -EXDEV);
	assert_int_equal(path_open_file(root, "proc/version", NULL), -EXDEV);
}

static void only_regular_files_are_opened(void **state)
{
	struct tree *t = *state;
	struct stat st;
	int fd;

	assert_int_equal(mkfifoat(t->fd, "fifo", 0666), 0);
	assert_int_equal(path_open_file(t->fd, "fifo", NULL), -EINVAL); /* and does not wait for a writer */
	assert_int_equal(path_open_file(t->fd, "etc", NULL), -EINVAL);
	assert_int_equal(path_open_file(t->fd, "missing", NULL), -ENOENT);
	fd = path_open_file(t->fd, "etc/file", &st);
	assert_true(fd >= 0);
	assert_int_equal(st.st_size, 6);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
}

static void devices_are_not_touched(void **state)
{
	struct tree *t = *state;
	struct err e = {0};
	struct buf b = {0};

	need_root();
	/* A number that no driver has: an open would fail with ENXIO or ENODEV, not with EINVAL. */
	assert_int_equal(mknodat(t->fd, "device", S_IFCHR | 0666, makedev(250, 250)), 0);
	assert_int_equal(path_open_file(t->fd, "device", NULL), -EINVAL);
	assert_error(&e, path_read(t->fd, "device", 10, &b, &e), -EINVAL, "device");
	assert_null(b.p);
}

static void read_has_a_limit(void **state)
{
	struct tree *t = *state;
	struct err e = {0};
	struct buf b = {0};

	assert_error(&e, path_read(t->fd, "etc/file", 5, &b, &e), -EFBIG, "etc/file");
	assert_null(b.p); /* ret_ parameters are written on success only */
	assert_int_equal(path_read(t->fd, "etc/file", 6, &b, NULL), 0);
	assert_int_equal(b.len, 6);
	buf_free(&b);
	assert_int_equal(path_write(t->fd, "empty", "", 0, 0600, NULL), 0);
	assert_int_equal(path_read(t->fd, "empty", 0, &b, NULL), 0);
	assert_string_equal(b.p, "");
	buf_free(&b);
	assert_error(&e, path_read(t->fd, "etc/none", 5, &b, &e), -ENOENT, "etc/none: No such file");
}

static void write_replaces_and_never_follows(void **state)
{
	struct tree *t = *state;
	struct stat st;

	assert_int_equal(symlinkat("../secret", t->fd, "link"), 0);
	assert_int_equal(path_write(t->fd, "link", "new", 3, 0640, NULL), 0);
	assert_contents(t->top, "secret", "outside");
	assert_contents(t->fd, "link", "new");
	assert_int_equal(path_stat(t->fd, "link", &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0640);
	/* A hard link elsewhere keeps the old contents. */
	assert_int_equal(linkat(t->fd, "etc/file", t->fd, "other", 0), 0);
	assert_int_equal(path_write(t->fd, "etc/file", "changed", 7, 0600, NULL), 0);
	assert_contents(t->fd, "other", "inside");
	assert_contents(t->fd, "etc/file", "changed");
}

static int add_path(const struct walk_entry *w, void *arg, struct err *e)
{
	strv_add(arg, w->path);
	return 0;
}

static void failed_write_leaves_nothing(void **state)
{
	struct tree *t = *state;
	struct err e = {0};
	_cleanup_strv_ struct strv names = {0};

	assert_int_equal(mkdirat(t->fd, "dir", 0755), 0);
	assert_error(&e, path_write(t->fd, "dir", "x", 1, 0600, &e), -EISDIR, "dir");
	assert_error(&e, path_write(t->fd, "no/such", "x", 1, 0600, &e), -ENOENT, "no/such");
	assert_error(&e, path_write(t->fd, "dir/", "x", 1, 0600, &e), -EINVAL, "dir/");
	assert_int_equal(tree_walk(t->fd, add_path, &names, NULL), 0);
	strv_sort(&names);
	assert_int_equal(names.n, 4);
	assert_string_equal(names.v[0], "dir");
	assert_string_equal(names.v[1], "etc");
	assert_string_equal(names.v[3], "etc/file");
}

static void parent_wants_a_name(void **state)
{
	struct tree *t = *state;
	static const char *const bad[] = {"/", "..", ".", "etc/..", "etc/", ""};
	const char *name = "untouched";
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(path_parent(t->fd, bad[i], &name), -EINVAL);
	assert_string_equal(name, "untouched");
	fd = path_parent(t->fd, "/etc/nothing-yet", &name);
	assert_true(fd >= 0);
	assert_string_equal(name, "nothing-yet");
	assert_int_equal(faccessat(fd, "file", F_OK, 0), 0);
	close(fd);
	fd = path_parent(t->fd, "top", &name);
	assert_true(fd >= 0);
	assert_string_equal(name, "top");
	close(fd);
}

static void stat_does_not_follow(void **state)
{
	struct tree *t = *state;
	struct stat st;

	assert_int_equal(symlinkat("etc/file", t->fd, "link"), 0);
	assert_int_equal(path_stat(t->fd, "link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(path_stat(t->fd, "nothing", &st), -ENOENT);
}

static void mkdirs_stay_inside(void **state)
{
	struct tree *t = *state;
	struct err e = {0};
	struct stat st;

	assert_int_equal(symlinkat("../..", t->fd, "out"), 0);
	assert_int_equal(path_mkdirs(t->fd, "out/made/by/us/", 0711, NULL), 0);
	assert_int_equal(fstatat(t->top, "made", &st, 0), -1);
	assert_int_equal(path_stat(t->fd, "made/by/us", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(path_mkdirs(t->fd, "/etc", 0700, NULL), 0);
	assert_int_equal(path_stat(t->fd, "etc", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_error(&e, path_mkdirs(t->fd, "etc/file/below", 0755, &e), -ENOTDIR, "etc/file");
}

static void mkdtemp_is_new_each_time(void **state)
{
	struct tree *t = *state;
	char *a, *b;
	int fa = path_mkdtemp(t->fd, ".new", &a, NULL), fb = path_mkdtemp(t->fd, ".new", &b, NULL);
	struct stat st;

	assert_true(fa >= 0 && fb >= 0);
	assert_string_not_equal(a, b);
	assert_int_equal(fstat(fa, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	close(fa);
	close(fb);
	free(a);
	free(b);
}

static void copies_are_equal(void **state)
{
	struct tree *t = *state;
	int from = openat(t->fd, "from", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int to = openat(t->fd, "to", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint8_t a[DIGEST_LEN], b[DIGEST_LEN];
	struct stat sa, sb;
	char value[8] = "";

	assert_int_equal(pwrite(to, "a longer rest of before", 23, 9000000), 23);
	assert_int_equal(pwrite(from, "begin", 5, 0), 5);
	assert_int_equal(pwrite(from, "end", 3, 8000000), 3);
	assert_int_equal(copy_data(from, to), 0);
	assert_int_equal(digest_fd(from, a), 0);
	assert_int_equal(digest_fd(to, b), 0);
	assert_memory_equal(a, b, DIGEST_LEN);
	assert_int_equal(fstat(to, &sb), 0);
	assert_true(sb.st_blocks < 2000); /* of 15626: the hole was kept, and what was there before is gone */

	assert_int_equal(fsetxattr(from, "user.x", "value", 6, 0), 0);
	assert_int_equal(fchmod(from, geteuid() == 0 ? 06751 : 0751), 0);
	assert_int_equal(geteuid() == 0 ? fchown(from, 7, 8) : 0, 0);
	assert_int_equal(fchmod(from, geteuid() == 0 ? 06751 : 0751), 0);
	assert_int_equal(futimens(from, (struct timespec[]){{1, 2}, {1000000000, 123456789}}), 0);
	assert_int_equal(copy_meta(from, to), 0);
	assert_int_equal(fstat(from, &sa), 0);
	assert_int_equal(fstat(to, &sb), 0);
	assert_int_equal(sa.st_mode, sb.st_mode);
	assert_int_equal(sa.st_uid, sb.st_uid);
	assert_int_equal(sa.st_gid, sb.st_gid);
	assert_int_equal(sb.st_mtim.tv_nsec, 123456789);
	assert_int_equal(fgetxattr(to, "user.x", value, sizeof(value)), 6);
	assert_string_equal(value, "value");
	close(from);
	close(to);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(symlinks_stay_inside),
		T(magic_links_are_refused),
		T(mounts_are_not_entered),
		T(only_regular_files_are_opened),
		T(devices_are_not_touched),
		T(read_has_a_limit),
		T(write_replaces_and_never_follows),
		T(failed_write_leaves_nothing),
		T(parent_wants_a_name),
		T(stat_does_not_follow),
		T(mkdirs_stay_inside),
		T(mkdtemp_is_new_each_time),
		T(copies_are_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
