/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which difference makes another key, and that a file which is written to, or was changed, has none. Disk usage of
 * trees with hard links.
 */
#include "tests/unit/must.h"

#include "unify/internal.h"

#include <sys/xattr.h>

static char *dir_path;
static int dir;

static int setup(void **state)
{
	dir = temp_dir(&dir_path);
	return 0;
}

static int teardown(void **state)
{
	temp_gone(dir, dir_path);
	return 0;
}

static int make(const char *name, const char *contents)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000, .tv_nsec = 3}};
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, contents, strlen(contents)), strlen(contents));
	assert_int_equal(futimens(fd, times), 0);
	return fd;
}

static bool equal(int a, int b)
{
	uint8_t ka[DIGEST_LEN], kb[DIGEST_LEN];

	assert_int_equal(key_fd(a, ka), 0);
	assert_int_equal(key_fd(b, kb), 0);
	return memcmp(ka, kb, DIGEST_LEN) == 0;
}

static void differences(void **state)
{
	_cleanup_close_ int a = make("a", "contents"), b = make("b", "contents");
	struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2000, .tv_nsec = 3}};

	assert_true(equal(a, b));
	assert_int_equal(futimens(b, times), 0); /* another atime */
	assert_true(equal(a, b));
	times[1].tv_nsec = 4;
	assert_int_equal(futimens(b, times), 0);
	assert_false(equal(a, b));
	close(b);
	b = make("b", "contents");
	assert_true(equal(a, b));
	assert_int_equal(fchmod(b, 0600), 0);
	assert_false(equal(a, b));
	close(b);
	assert_int_equal(unlinkat(dir, "b", 0), 0);
	b = make("b", "Contents");
	assert_false(equal(a, b));
	close(b);
	b = make("b", "contents more");
	assert_false(equal(a, b));
}

static void xattrs(void **state)
{
	_cleanup_close_ int a = make("xa", "contents"), b = make("xb", "contents");

	must_have(fsetxattr(a, "user.one", "1", 1, 0) == 0, "needs a file system with user xattrs");
	assert_false(equal(a, b));
	assert_int_equal(fsetxattr(a, "user.two", "22", 2, 0), 0);
	assert_int_equal(fsetxattr(b, "user.two", "22", 2, 0), 0);
	assert_int_equal(fsetxattr(b, "user.one", "1", 1, 0), 0);
	assert_true(equal(a, b)); /* set in another order */
	assert_int_equal(fsetxattr(b, "user.one", "2", 1, 0), 0);
	assert_false(equal(a, b));
}

/* A guest's file: only what nobody writes to, and as it was seen. */
static void writers(void **state)
{
	_cleanup_close_ int writer = make("w", "contents"), path = openat(dir, "w", O_PATH | O_CLOEXEC);
	uint8_t key[DIGEST_LEN], again[DIGEST_LEN];
	struct statx seen;

	assert_int_equal(statx(path, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &seen), 0);
	assert_int_equal(key_guest(path, &seen, key), -EAGAIN);
	writer = close_fd(writer);
	assert_int_equal(key_guest(path, &seen, key), 0);
	writer = openat(dir, "w", O_RDONLY | O_CLOEXEC);
	assert_int_equal(key_fd(writer, again), 0);
	assert_memory_equal(key, again, DIGEST_LEN);
	assert_int_equal(fchmod(writer, 0600), 0);
	assert_int_equal(key_guest(path, &seen, key), -EAGAIN);
}

static void usage(void **state)
{
	_cleanup_close_ int in = -1, fd = make("outside", "linked from elsewhere");
	struct unify_usage u = {.name = dir_path};

	assert_int_equal(mkdirat(dir, "tree", 0755), 0);
	in = openat(dir, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(linkat(dir, "outside", in, "one", 0), 0);
	assert_int_equal(linkat(dir, "outside", in, "two", 0), 0);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(unify_usage(in, &u, NULL), 0);
	assert_ptr_equal(u.name, dir_path);
	assert_int_equal(u.files, 2);
	assert_true(u.shared > 0);
	assert_int_equal(u.apparent, u.exclusive + u.shared); /* the inode counts once */
	assert_int_equal(unlinkat(dir, "outside", 0), 0);
	assert_int_equal(unify_usage(in, &u, NULL), 0);
	assert_int_equal(u.shared, 0);
	assert_int_equal(u.apparent, u.exclusive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differences),
		cmocka_unit_test(xattrs),
		cmocka_unit_test(writers),
		cmocka_unit_test(usage),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
