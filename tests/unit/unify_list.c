/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The parsers of package file lists, for good and for any bytes; which directories are never shared.
 */
#include "tests/unit/must.h"

#include "unify/internal.h"

static void assert_words(const struct strv *l, const char *want)
{
	_cleanup_buf_ struct buf got = {0};

	for (size_t i = 0; i < l->n; i++)
		buf_addf(&got, "%s|", l->v[i]);
	assert_string_equal(got.p ? got.p : "", want);
}

static void dpkg_lists(void **state)
{
	static const char text[] = "/.\n/usr\n/usr/bin/a b\nrelative\n\n/\n/nul\0here\n/usr/\xff\n/last";
	_cleanup_strv_ struct strv files = {0};

	list_parse_dpkg(text, sizeof(text) - 1, &files);
	assert_words(&files, "/.|/usr|/usr/bin/a b|/usr/\xff|/last|");
}

static void conffiles(void **state)
{
	static const char text[] = "/etc/a\nremove-on-upgrade /etc/b\nnothing\n/\n";
	_cleanup_strv_ struct strv conf = {0};

	list_parse_conffiles(text, sizeof(text) - 1, &conf);
	assert_words(&conf, "/etc/a|/etc/b|");
}

static void rpm_lists(void **state)
{
	static const char text[] = "0 33188 /usr/bin/plain\n"
				   "2 33261 /usr/share/doc/with space\n"
				   "17 33188 /usr/config-noreplace\n"
				   "64 33188 /usr/ghost\n"
				   "0 16877 /usr/directory\n"
				   "0 41471 /usr/symlink\n"
				   "0 -32348 /usr/signed\n"
				   "error: something 1 2 /usr/x\n"
				   "0 33188 relative\n"
				   "0 33188 /\n"
				   "0 33188\n"
				   "rest of a name\n"
				   "0 33188 /usr/no-newline";
	_cleanup_strv_ struct strv files = {0}, conf = {0};

	list_parse_rpm(text, sizeof(text) - 1, &files, &conf);
	assert_words(&files, "/usr/bin/plain|/usr/share/doc/with space|/usr/signed|/usr/no-newline|");
	assert_words(&conf, "/usr/config-noreplace|");
}

static void empty_and_long(void **state)
{
	_cleanup_strv_ struct strv files = {0}, conf = {0};
	_cleanup_free_ char *text = xmalloc(10000);

	list_parse_dpkg(NULL, 0, &files);
	list_parse_rpm(NULL, 0, &files, &conf);
	memset(text, 'a', 10000);
	text[0] = '/'; /* longer than any path can be */
	list_parse_dpkg(text, 10000, &files);
	assert_int_equal(files.n, 0);
	list_parse_dpkg(text, 4000, &files);
	assert_int_equal(files.n, 1);
}

static void excluded(void **state)
{
	static const char *const never[] = {"etc",  "var/lib", "dev", "home/u", "proc",
					    "root", "run",     "srv", "sys",    "tmp"};
	static const char *const fine[] = {"", "usr/bin", "opt/x", "etcetera", "usr/etc", "v", "lib64"};

	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_true(scan_excluded(never[i]));
	for (size_t i = 0; i < ARRAY_LEN(fine); i++)
		assert_false(scan_excluded(fine[i]));
}

static void maps(void **state)
{
	_cleanup_map_ struct map m = {0};

	assert_int_equal(inode_map_get(&m, 1), MAP_NONE);
	for (uint64_t i = 0; i < 5000; i++)
		inode_map_put(&m, i * 0x100000001u, i);
	inode_map_put(&m, 0, 77);
	assert_int_equal(inode_map_get(&m, 0), 77);
	for (uint64_t i = 1; i < 5000; i++)
		assert_int_equal(inode_map_get(&m, i * 0x100000001u), i);
	assert_int_equal(inode_map_get(&m, 12345), MAP_NONE);
}

static void object_names(void **state)
{
	uint8_t key[DIGEST_LEN] = {0xab, 0xcd};
	char name[OBJECT_NAME_MAX];

	store_name(name, key, 0);
	assert_int_equal(strlen(name), 2 * DIGEST_LEN + 1);
	assert_memory_equal(name, "ab/cd00", 7);
	store_name(name, key, 12);
	assert_string_equal(name + 2 * DIGEST_LEN + 1, ".12");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dpkg_lists),     cmocka_unit_test(conffiles), cmocka_unit_test(rpm_lists),
		cmocka_unit_test(empty_and_long), cmocka_unit_test(excluded),  cmocka_unit_test(maps),
		cmocka_unit_test(object_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
