/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Errors, lists, buffers, digests and places: what all other code stands on.
 */
#include "tests/unit/must.h"

static void err_is_set_and_wrapped(void **state)
{
	_cleanup_err_ struct err e = {0};

	assert_int_equal(err_set(&e, -ENOENT, "no %s", "file"), -ENOENT);
	assert_int_equal(e.status, -ENOENT);
	assert_string_equal(e.msg, "no file");
	assert_int_equal(err_wrap(&e, "vserver %s", "web1"), -ENOENT);
	assert_string_equal(e.msg, "vserver web1: no file");
	assert_int_equal(err_set(&e, -EINVAL, "other"), -EINVAL); /* the first message is freed */
	assert_string_equal(e.msg, "other");
	err_clear(&e);
	assert_int_equal(e.status, 0);
	assert_null(e.msg);
}

static void err_sys_takes_errno(void **state)
{
	_cleanup_err_ struct err e = {0};

	errno = EACCES;
	assert_int_equal(err_sys(&e, "%s", "/x"), -EACCES);
	assert_string_equal(e.msg, "/x: Permission denied");
}

static void err_may_be_null(void **state)
{
	errno = EPERM;
	assert_int_equal(err_sys(NULL, "x"), -EPERM);
	assert_int_equal(err_set(NULL, -EBUSY, "x"), -EBUSY);
	assert_true(err_wrap(NULL, "x") < 0);
}

static void strv_grows_splits_and_sorts(void **state)
{
	_cleanup_strv_ struct strv l = {0};

	strv_split(&l, "  c a,,b ", " ,");
	assert_int_equal(l.n, 3);
	strv_sort(&l);
	assert_string_equal(l.v[0], "a");
	assert_string_equal(l.v[2], "c");
	for (int i = 0; i < 1000; i++) {
		strv_addf(&l, "word%d", i);
		assert_null(l.v[l.n]);
	}
	assert_int_equal(l.n, 1003);
	assert_true(strv_has(&l, "word999"));
	assert_false(strv_has(&l, "word1000"));
	strv_sort(&l);
	for (size_t i = 1; i < l.n; i++)
		assert_true(strcmp(l.v[i - 1], l.v[i]) < 0);
	strv_free(&l);
	assert_int_equal(l.n, 0);
	strv_sort(&l);
}

static void buf_grows_and_ends_with_nul(void **state)
{
	_cleanup_buf_ struct buf b = {0};

	buf_add(&b, "", 0);
	assert_string_equal(b.p, "");
	for (int i = 0; i < 5000; i++) {
		buf_addf(&b, "%d,", i % 10);
		assert_int_equal(b.p[b.len], 0);
	}
	assert_int_equal(b.len, 10000);
	assert_memory_equal(b.p + 9990, "5,6,7,8,9,", 10);
	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 10003);
	assert_memory_equal(b.p + 10000, "a\0b", 4);
}

static void take_hands_over(void **state)
{
	_cleanup_free_ char *a = xstrdup("x");
	_cleanup_free_ char *b = TAKE_PTR(a);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), taken;

	assert_null(a);
	assert_string_equal(b, "x");
	assert_null(xstrdup(NULL));
	taken = TAKE_FD(fd);
	assert_int_equal(fd, -1);
	errno = EDOM;
	assert_int_equal(close_fd(taken), -1);
	assert_int_equal(fcntl(taken, F_GETFD), -1);
	errno = EDOM;
	assert_int_equal(close_fd(-1), -1);
	assert_int_equal(errno, EDOM);
}

static void check_digest(const char *data, size_t n, const char *want)
{
	char hex[2 * DIGEST_LEN + 1];
	uint8_t out[DIGEST_LEN];
	struct digest *d = digest_new();

	for (size_t i = 0; i < n; i++)
		digest_update(d, data + i, 1);
	digest_final(d, out);
	text_hex(hex, out, sizeof(out));
	assert_string_equal(hex, want);
}

/* The examples of FIPS 180-2. */
static void digest_is_sha256(void **state)
{
	check_digest("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check_digest("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
		     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	digest_free(digest_new());
	digest_free(NULL);
}

static void digest_of_a_file_from_its_start(void **state)
{
	char *path, *million = xmalloc(1000000), hex[2 * DIGEST_LEN + 1];
	int dir = temp_dir(&path);
	_cleanup_close_ int fd = openat(dir, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint8_t out[DIGEST_LEN];

	memset(million, 'a', 1000000);
	assert_int_equal(write(fd, million, 1000000), 1000000);
	free(million);
	/* The position is at the end; it neither matters nor moves. */
	assert_int_equal(digest_fd(fd, out), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 1000000);
	text_hex(hex, out, sizeof(out));
	assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	assert_int_equal(digest_fd(dir, out), -EISDIR);
	temp_gone(dir, path);
}

static void places_stand_below_the_sysroot(void **state)
{
	char *path, *p, cwd[4096];
	int dir = temp_dir(&path), fd;
	struct stat st;

	setenv("VPKG_SYSROOT", "/some/where//", 1);
	assert_string_equal(place_sysroot(), "/some/where");
	p = place("/var/%s/%d", "x", 3);
	assert_string_equal(p, "/some/where/var/x/3");
	free(p);
	setenv("VPKG_SYSROOT", "/", 1);
	assert_string_equal(place_sysroot(), "");
	setenv("VPKG_SYSROOT", "a/b", 1); /* relative: means below the present directory, also after chdir */
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	p = xasprintf("%s/a/b", cwd);
	assert_string_equal(place_sysroot(), p);
	free(p);
	setenv("VPKG_SYSROOT", path, 1);
	fd = place_dir("/a/b/c", 0700, NULL);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(fstatat(dir, "a/b/c", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstatat(dir, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	fd = place_dir("/a/b", 0700, NULL); /* what exists keeps its mode */
	close(fd);
	assert_int_equal(fstatat(dir, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	unsetenv("VPKG_SYSROOT");
	assert_string_equal(place_sysroot(), "");
	temp_gone(dir, path);
}

static void place_dir_says_what_is_in_the_way(void **state)
{
	struct err e = {0};
	char *path;
	int dir = temp_dir(&path);

	close(openat(dir, "file", O_WRONLY | O_CREAT, 0600));
	setenv("VPKG_SYSROOT", path, 1);
	assert_error(&e, place_dir("/file/x", 0700, &e), -ENOTDIR, "/file");
	unsetenv("VPKG_SYSROOT");
	temp_gone(dir, path);
}

static void data_is_the_administrators_then_the_checkouts(void **state)
{
	char *path, *p, cwd[4096], self[4096] = "";
	int dir;

	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	must_have(strncmp(self, cwd, strlen(cwd)) == 0, "needs a build directory inside the checkout");
	dir = temp_dir(&path);
	setenv("VPKG_SYSROOT", path, 1);
	p = place_data("lib/lib.h");
	assert_non_null(p);
	assert_null(strstr(p, path));
	assert_int_equal(access(p, R_OK), 0);
	free(p);
	assert_int_equal(path_mkdirs(dir, "etc/vpkg/lib", 0755, NULL), 0);
	assert_int_equal(path_write(dir, "etc/vpkg/lib/lib.h", "x", 1, 0644, NULL), 0);
	p = place_data("lib/lib.h");
	assert_non_null(strstr(p, "/etc/vpkg/lib/lib.h"));
	free(p);
	assert_null(place_data("no/such/file"));
	unsetenv("VPKG_SYSROOT");
	temp_gone(dir, path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_is_set_and_wrapped),
		cmocka_unit_test(err_sys_takes_errno),
		cmocka_unit_test(err_may_be_null),
		cmocka_unit_test(strv_grows_splits_and_sorts),
		cmocka_unit_test(buf_grows_and_ends_with_nul),
		cmocka_unit_test(take_hands_over),
		cmocka_unit_test(digest_is_sha256),
		cmocka_unit_test(digest_of_a_file_from_its_start),
		cmocka_unit_test(places_stand_below_the_sysroot),
		cmocka_unit_test(place_dir_says_what_is_in_the_way),
		cmocka_unit_test(data_is_the_administrators_then_the_checkouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
