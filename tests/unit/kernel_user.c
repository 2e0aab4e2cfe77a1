/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Users of a tree: what a tree's passwd and group say, and what they say that would be dangerous to believe.
 */
#include "tests/unit/must.h"

#include "kernel/user.h"

static const char passwd[] = "root:x:0:0::/root:/bin/sh\n"
			     "\n"
			     "broken:x\n"
			     "web:x:1001:1002:A web:/srv:/bin/sh\n"
			     "minus:x:4294967295:5::/:\n"
			     "gminus:x:7:4294967295::/:\n"
			     "huge:x:18446744073709551617:5::/:\n"
			     "signed:x:-1:5::/:\n"
			     "hex:x:0x10:5::/:\n"
			     "space:x: 5:5::/:\n"
			     "nogid:x:5\n"
			     "web:x:0:0:again::\n"
			     ":x:77:77:no name::\n"
			     "7777:x:1003:1003::/:\n"
			     "last:x:4294967294:9";
static const char group[] = "root:x:0:\nwebs:x:1002:web\ndata:x:2001:other,web\nnot:x:2002:webs,we,webb,\n"
			    "bad:x:x:web\nminus:x:4294967295:web\nshort\nlast:x:2003:web";

static int parse(const char *name, struct user *u, struct err *e)
{
	return user_parse(passwd, sizeof(passwd) - 1, group, sizeof(group) - 1, name, u, e);
}

static void users_and_groups(void **state)
{
	struct user u = {0};

	assert_int_equal(parse("web", &u, NULL), 0);
	assert_int_equal(u.uid, 1001);
	assert_int_equal(u.gid, 1002);
	assert_int_equal(u.n_groups, 3);
	assert_int_equal(u.groups[0], 1002);
	assert_int_equal(u.groups[1], 2001);
	assert_int_equal(u.groups[2], 2003);
	user_free(&u);
	assert_int_equal(parse("1001", &u, NULL), 0);
	assert_int_equal(u.uid, 1001);
	assert_int_equal(u.n_groups, 3);
	user_free(&u);
	assert_int_equal(parse("7777", &u, NULL), 0);
	assert_int_equal(u.uid, 1003);
	user_free(&u);
	assert_int_equal(parse("last", &u, NULL), 0);
	assert_int_equal(u.uid, 4294967294);
	assert_int_equal(u.gid, 9);
	assert_int_equal(u.n_groups, 1);
	user_free(&u);
}

static void wrong_users(void **state)
{
	static const struct {
		const char *name, *part;
		int status;
	} cases[] = {
		{"nosuch", "no user", -ENOENT},     {"we", "no user", -ENOENT},
		{"webs", "no user", -ENOENT},       {"", "no user", -ENOENT},
		{"4294967295", "no user", -ENOENT}, {"web:x", "no user", -ENOENT},
		{"broken", "passwd:3:", -EBADMSG},  {"minus", "passwd:5:", -EBADMSG},
		{"gminus", "passwd:6:", -EBADMSG},  {"huge", "passwd:7:", -EBADMSG},
		{"signed", "passwd:8:", -EBADMSG},  {"hex", "passwd:9:", -EBADMSG},
		{"space", "passwd:10:", -EBADMSG},  {"nogid", "passwd:11:", -EBADMSG},
		{"77", "passwd:13:", -EBADMSG},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct user u = {0};
		struct err e = {0};

		assert_error(&e, parse(cases[i].name, &u, &e), cases[i].status, cases[i].part);
		assert_null(u.groups);
	}
}

static void too_many_groups(void **state)
{
	struct buf b = {0};
	struct user u = {0};
	struct err e = {0};

	for (unsigned i = 0; i < 65536; i++)
		buf_addf(&b, "g%u:x:%u:web\n", i, i + 5000);
	assert_error(&e, user_parse(passwd, sizeof(passwd) - 1, b.p, b.len, "web", &u, &e), -EBADMSG, "65536 groups");
	buf_free(&b);
}

static void a_tree(void **state)
{
	struct user u = {0};
	struct err e = {0};
	char *path;
	int tree = temp_dir(&path);

	assert_error(&e, user_find(tree, "web", &u, &e), -ENOENT, "/etc/passwd");
	assert_int_equal(user_find(tree, "root", &u, NULL), 0);
	assert_int_equal(u.uid + u.gid + u.groups[0], 0);
	assert_int_equal(u.n_groups, 1);
	user_free(&u);
	assert_int_equal(path_mkdirs(tree, "etc", 0755, NULL), 0);
	assert_int_equal(path_mkdirs(tree, "real", 0755, NULL), 0);
	assert_int_equal(path_write(tree, "real/passwd", passwd, sizeof(passwd) - 1, 0644, NULL), 0);
	/* Only with the tree as "/" does it lead there. */
	assert_int_equal(symlinkat("/../../real/passwd", tree, "etc/passwd"), 0);
	assert_int_equal(user_find(tree, "web", &u, NULL), 0);
	assert_int_equal(u.uid, 1001);
	assert_int_equal(u.n_groups, 1);
	user_free(&u);
	assert_int_equal(path_write(tree, "etc/group", group, sizeof(group) - 1, 0644, NULL), 0);
	assert_int_equal(user_find(tree, "web", &u, NULL), 0);
	assert_int_equal(u.n_groups, 3);
	assert_int_equal(u.groups[2], 2003);
	user_free(&u);
	assert_error(&e, user_find(tree, "gminus", &u, &e), -EBADMSG, "passwd:6:");
	assert_error(&e, user_find(tree, "nosuch", &u, &e), -ENOENT, "no user of that name");
	assert_int_equal(unlinkat(tree, "etc/passwd", 0), 0);
	assert_int_equal(mkfifoat(tree, "etc/passwd", 0644), 0);
	assert_error(&e, user_find(tree, "web", &u, &e), -EINVAL, "/etc/passwd");
	temp_gone(tree, path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_and_groups),
		cmocka_unit_test(wrong_users),
		cmocka_unit_test(too_many_groups),
		cmocka_unit_test(a_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
