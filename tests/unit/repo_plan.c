/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Plans against copied package databases: what changes, what is passed over with which reason, what stands against it.
 */
#include "tests/unit/repo_debs.h"
#include "tests/unit/sysroot.h"

#include "repo/internal.h"

struct trial {
	struct repo_package pkgs[16];
	size_t n;
	struct repo_plan plan;
	struct err e;
};

static void add_path(struct trial *t, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t sha256[DIGEST_LEN];

	assert_true(fd >= 0);
	if (repo_package_read(fd, path, NULL, &t->pkgs[t->n], &t->e) < 0)
		fail_msg("%s", t->e.msg);
	assert_int_equal(repo_cache_add(fd, sha256, NULL), 0);
	assert_memory_equal(sha256, t->pkgs[t->n].sha256, DIGEST_LEN);
	t->n++;
}

/* "name version arch [further fields]" */
static void add(struct trial *t, const char *name, const char *version, const char *arch, const char *fields)
{
	static const struct deb_file file = {"./usr/share/x", "x"};
	_cleanup_free_ char *path = xasprintf("%s/%s_%s_%s.deb", top_path, name, version, arch);
	_cleanup_free_ char *control =
		xasprintf("Package: %s\nVersion: %s\nArchitecture: %s\n%s", name, version, arch, fields);

	deb_make(path, control, NULL, 0, &file, 1);
	add_path(t, path);
}

static void done(struct trial *t)
{
	repo_plan_free(&t->plan);
	for (size_t i = 0; i < t->n; i++)
		repo_package_free(&t->pkgs[i]);
	err_clear(&t->e);
	*t = (struct trial){0};
}

static void plan_in(struct trial *t, const char *dir, enum repo_format format, const char *arch)
{
	_cleanup_close_ int db = openat(top, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(db >= 0);
	if (repo_plan_make(db, format, arch, t->pkgs, t->n, &t->plan, &t->e) < 0)
		fail_msg("%s", t->e.msg);
}

static void status(const char *text)
{
	put("db/status", text);
}

static void plan(struct trial *t)
{
	plan_in(t, "db", REPO_DEB, "amd64");
}

static void assert_change(const struct trial *t, size_t i, const char *name, const char *from, const char *to)
{
	assert_true(i < t->plan.n);
	assert_string_equal(t->plan.changes[i].name, name);
	if (from)
		assert_string_equal(t->plan.changes[i].from, from);
	else
		assert_null(t->plan.changes[i].from);
	if (to)
		assert_string_equal(t->plan.changes[i].to, to);
	else
		assert_null(t->plan.changes[i].to);
	assert_int_equal(t->plan.changes[i].package != NULL, to != NULL);
}

static void assert_has(const struct strv *l, const char *part)
{
	for (size_t i = 0; i < l->n; i++)
		if (strstr(l->v[i], part))
			return;
	fail_msg("nothing of %zu lines has \"%s\"; the first is \"%s\"", l->n, part, l->n ? l->v[0] : "");
}

#define INSTALLED                                                                                                     \
	"Package: libc6\nStatus: install ok installed\nVersion: 2.36\nArchitecture: amd64\n\n"                        \
	"Package: app\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: amd64\nDepends: libc6, libapp (= " \
	"1.0)\n\n"                                                                                                    \
	"Package: libapp\nStatus: hold ok installed\nVersion: 1.0\nArchitecture: amd64\n\n"                           \
	"Package: gone\nStatus: deinstall ok config-files\nVersion: 3\nArchitecture: all\n\n"                         \
	"Package: never\nStatus: unknown ok not-installed\nArchitecture: all\n\n"

static void test_changes(void **state)
{
	struct trial t = {0};

	status(INSTALLED);
	add(&t, "app", "1.1-1", "amd64", "Depends: new (>= 2), libapp (= 1.1)\n");
	add(&t, "new", "2", "all", "Pre-Depends: libapp (>= 1.1)\n");
	add(&t, "libapp", "1.1", "amd64", "");
	add(&t, "gone", "2", "all", "");
	plan(&t);
	if (t.plan.problems.n)
		fail_msg("%s", t.plan.problems.v[0]);
	assert_int_equal(t.plan.n, 4);
	for (size_t i = 0; i < t.plan.n; i++)
		if (strcmp(t.plan.changes[i].name, "gone") == 0)
			assert_change(&t, i, "gone", NULL, "2");
		else if (strcmp(t.plan.changes[i].name, "libapp") == 0)
			assert_change(&t, i, "libapp", "1.0", "1.1");
		else if (strcmp(t.plan.changes[i].name, "app") == 0)
			assert_change(&t, i, "app", "1.0-1", "1.1-1");
		else
			assert_change(&t, i, "new", NULL, "2");
	done(&t);
}

static void test_skipped(void **state)
{
	struct trial t = {0};

	status(INSTALLED);
	add(&t, "app", "1.0-1", "amd64", "");
	add(&t, "fresh", "1", "i386", "");
	add(&t, "twice", "1", "all", "");
	add(&t, "twice", "2", "all", "");
	plan(&t);
	assert_int_equal(t.plan.problems.n, 0);
	assert_int_equal(t.plan.skipped.n, 3);
	assert_has(&t.plan.skipped, "app_1.0-1_amd64.deb: version 1.0-1 is installed already");
	assert_has(&t.plan.skipped, "fresh_1_i386.deb: for i386, this system is amd64");
	assert_has(&t.plan.skipped, "twice_1_all.deb: twice_2_all.deb is given too, and newer");
	assert_int_equal(t.plan.n, 1);
	assert_change(&t, 0, "twice", NULL, "2");
	done(&t);
	add(&t, "twice", "1", "all", "");
	put("db/Packages.db", "");
	{
		_cleanup_close_ int db = openat(top, "db", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_error(&t.e, repo_plan_make(db, REPO_RPM, "x86_64", t.pkgs, t.n, &t.plan, &t.e), -EOPNOTSUPP,
			     "ndb");
		unlinkat(top, "db/Packages.db", 0);
		assert_error(&t.e, repo_plan_make(db, REPO_RPM, "x86_64", t.pkgs, t.n, &t.plan, &t.e), -ENOENT,
			     "no rpm");
	}
	done(&t);
}

static void problem(const char *name, const char *version, const char *fields, const char *part)
{
	struct trial t = {0};

	status(INSTALLED);
	add(&t, name, version, "amd64", fields);
	plan(&t);
	assert_int_equal(t.plan.n, 0);
	assert_has(&t.plan.problems, part);
	done(&t);
}

static void test_problems(void **state)
{
	problem("app", "0.9", "", "version 0.9 would replace the newer 1.0-1 that is installed");
	problem("x", "1", "Depends: y (>= 2)\n", "nothing provides y >= 2 needed by x");
	problem("x", "1", "Conflicts: libapp\n", "conflicts with libapp");
	problem("x", "1", "Breaks: libapp (<< 2)\n", "conflicts with libapp");
	problem("x", "1", "Depends: gone\n", "nothing provides gone");
	problem("libapp", "1.1", "", "libapp = 1.0");
}

static void test_replaced(void **state)
{
	struct trial t = {0};

	status("Package: old\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n");
	add(&t, "renamed", "2", "all", "Conflicts: old\nReplaces: old\nProvides: old\n");
	plan(&t);
	assert_int_equal(t.plan.problems.n, 0);
	assert_int_equal(t.plan.n, 2);
	for (size_t i = 0; i < 2; i++)
		if (strcmp(t.plan.changes[i].name, "old") == 0)
			assert_change(&t, i, "old", "1", NULL);
		else
			assert_change(&t, i, "renamed", NULL, "2");
	done(&t);
}

static void test_broken_status(void **state)
{
	static const struct {
		const char *state, *part;
	} cases[] = {
		{"install ok half-configured", "a is only half configured"},
		{"install ok unpacked", "a is unpacked but not configured"},
		{"install ok half-installed", "a is only half installed"},
		{"install reinstreq installed", "a must be reinstalled"},
		{"nonsense", "unknown state"},
		{"", "unknown state"},
	};
	struct trial t = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *text =
			xasprintf("Package: a\nStatus: %s\nVersion: 1\nArchitecture: all\n", cases[i].state);

		status(text);
		add(&t, "x", "1", "all", "");
		plan(&t);
		assert_has(&t.plan.problems, cases[i].part);
		done(&t);
	}
	status("Package: a\nStatus: install ok triggers-pending\nVersion: 1\nArchitecture: all\n");
	add(&t, "x", "1", "all", "Depends: a\n");
	plan(&t);
	assert_int_equal(t.plan.problems.n, 0);
	done(&t);
	status("");
	add(&t, "x", "1", "all", "");
	plan(&t);
	assert_int_equal(t.plan.n, 1);
	done(&t);
}

/* ---- rpm --------------------------------------------------------------------------------------------------------- */
static void copy_db(const char *from, const char *name)
{
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	_cleanup_free_ char *to = xasprintf("%s", name);

	out = openat(top, to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(in >= 0 && out >= 0);
	assert_int_equal(copy_data(in, out), 0);
}

static void test_rpm(void **state)
{
	struct trial t = {0};

	need_data();
	assert_int_equal(path_mkdirs(top, "sqlite", 0755, NULL), 0);
	copy_db(DATA "/rpmdb/cbl-mariner-2.0/rpmdb.sqlite", "sqlite/rpmdb.sqlite");
	add_path(&t, DATA "/el7/bash-4.2.46-30.el7.x86_64.rpm");
	add_path(&t, DATA "/rpms/format/rpm-upstream/hello-1.0-1.ppc64.rpm");
	add_path(&t, DATA "/rpms/format/rpm-upstream/hello-1.0-1.src.rpm");
	add_path(&t, DATA "/rpms/real/epel-release-7-5.noarch.rpm");
	add(&t, "x", "1", "all", "");
	plan_in(&t, "sqlite", REPO_RPM, "x86_64");
	assert_int_equal(t.plan.n, 0);
	assert_has(&t.plan.problems, "would replace the newer 5.1.8-1.cm2 that is installed");
	assert_has(&t.plan.problems, "nothing provides redhat-release >= 7 needed by epel-release");
	assert_has(&t.plan.skipped, "hello-1.0-1.ppc64.rpm: for ppc64, this system is x86_64");
	assert_has(&t.plan.skipped, "hello-1.0-1.src.rpm: a source package");
	assert_has(&t.plan.skipped, "x_1_all.deb: a .deb, this system's packages are rpms");
	done(&t);
	add_path(&t, DATA "/rpms/real/freesrp-udev-0.3.0-1.25.x86_64.rpm");
	plan_in(&t, "sqlite", REPO_RPM, "amd64");
	assert_int_equal(t.plan.problems.n, 0);
	assert_change(&t, 0, "freesrp-udev", NULL, "0.3.0-1.25");
	done(&t);
}

static void test_rpm_damaged(void **state)
{
	struct trial t = {0};
	_cleanup_close_ int db = -1;

	need_data();
	assert_int_equal(path_mkdirs(top, "damaged", 0755, NULL), 0);
	copy_db(DATA "/rpmdb/cbl-mariner-2.0/rpmdb.sqlite", "damaged/rpmdb.sqlite");
	db = openat(top, "damaged", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	{
		_cleanup_close_ int file = openat(db, "rpmdb.sqlite", O_WRONLY | O_CLOEXEC);

		assert_int_equal(ftruncate(file, 100000), 0);
	}
	add_path(&t, DATA "/rpms/real/freesrp-udev-0.3.0-1.25.x86_64.rpm");
	assert_error(&t.e, repo_plan_make(db, REPO_RPM, "x86_64", t.pkgs, t.n, &t.plan, &t.e), -EBADMSG,
		     "rpm database");
	done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),       cmocka_unit_test(test_skipped),
		cmocka_unit_test(test_problems),      cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_broken_status), cmocka_unit_test(test_rpm),
		cmocka_unit_test(test_rpm_damaged),
	};

	return cmocka_run_group_tests(tests, sysroot_setup, sysroot_teardown);
}
