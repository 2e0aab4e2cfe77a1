/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which package is chosen where several could be: the real one before those that stand in for it, the newest of a name
 * whatever else is said of it, and among stand-ins the one that the solver would choose without our say.
 */
#include "tests/unit/repo_source.h"

#include "repo/internal.h"

/* ---- archives in directories of the sysroot ---------------------------------------------------------------------- */
/* "NAME VERSION FIELDS": a stanza each. */
static void archive(const char *dir, const char *const *packages, size_t n)
{
	_cleanup_free_ char *index = xasprintf("%s/dists/stable/main/binary-amd64/Packages", dir);
	_cleanup_free_ char *release = xasprintf("%s/dists/stable/Release", dir);
	_cleanup_free_ char *text = NULL;
	_cleanup_buf_ struct buf b = {0};
	char hex[2 * DIGEST_LEN + 1];
	uint8_t sha256[DIGEST_LEN];

	for (size_t i = 0; i < n; i++) {
		char name[64], version[64];
		int at = 0;

		assert_int_equal(sscanf(packages[i], "%63s %63s %n", name, version, &at), 2);
		buf_addf(&b,
			 "Package: %s\nVersion: %s\nArchitecture: all\n%s\nFilename: pool/%s.deb\nSize: 1\n"
			 "SHA256: ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\n\n",
			 name, version, packages[i][at] ? packages[i] + at : "Section: misc", name);
	}
	put(index, b.p);
	sha256_text(b.p, sha256);
	text_hex(hex, sha256, DIGEST_LEN);
	text = xasprintf("Suite: stable\nDate: Sat, 11 Jul 2020 10:16:37 UTC\nSHA256:\n %s %zu "
			 "main/binary-amd64/Packages\n",
			 hex, b.len);
	put(release, text);
}

#define ARCHIVE(dir, ...)                                             \
	do {                                                          \
		static const char *const packages_[] = {__VA_ARGS__}; \
		archive(dir, packages_, ARRAY_LEN(packages_));        \
	} while (0)

/* What installing `name` from these archives brings: "NAME VERSION, …" by name. */
static void assert_chosen(const char *dirs, const char *name, const char *want)
{
	_cleanup_(repo_solution_free) struct repo_solution sol = {0};
	_cleanup_strv_ struct strv l = {0}, got = {0};
	_cleanup_buf_ struct buf b = {0};
	struct repo_source s[4] = {0};
	struct err e = {0};

	strv_split(&l, dirs, " ");
	for (size_t i = 0; i < l.n; i++) {
		_cleanup_free_ char *dir = place("/%s", l.v[i]);

		s[i] = deb_source(dir, NULL);
	}
	if (deb_resolve(s, l.n, name, &sol, &e) < 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < sol.n; i++)
		strv_addf(&got, "%s %s", sol.pkgs[i].name, sol.pkgs[i].evr);
	strv_sort(&got);
	for (size_t i = 0; i < got.n; i++)
		buf_addf(&b, "%s%s", i ? ", " : "", got.v[i]);
	assert_string_equal(b.p, want);
	for (size_t i = 0; i < l.n; i++)
		repo_source_free(&s[i]);
}

/* ---- the real one ------------------------------------------------------------------------------------------------ */
static void real_one(void **state)
{
	ARCHIVE("first", "app 1 Depends: lib", "alias 9 Provides: lib (= 9)\nConflicts: lib", "lib 1");
	ARCHIVE("last", "app 1 Depends: lib", "lib 1", "zalias 9 Provides: lib (= 9)\nConflicts: lib");
	assert_chosen("first", "app", "app 1, lib 1");
	assert_chosen("last", "app", "app 1, lib 1");
	/* It cannot do what is asked for. */
	ARCHIVE("newer", "app 1 Depends: lib (>= 5)", "alias 9 Provides: lib (= 9)\nConflicts: lib", "lib 1");
	assert_chosen("newer", "app", "alias 9, app 1");
}

/* ---- stand-ins among themselves ---------------------------------------------------------------------------------- */
#define STAND_IN "1 Provides: old, service"

static void stand_ins_are_equal(void **state)
{
	ARCHIVE("up", "old 1", "app 1 Depends: service", "beta " STAND_IN, "alpha " STAND_IN);
	ARCHIVE("down", "old 1", "app 1 Depends: service", "alpha " STAND_IN, "beta " STAND_IN);
	/* Where they stand in the index says nothing of them. */
	assert_chosen("up", "app", "alpha 1, app 1");
	assert_chosen("down", "app", "alpha 1, app 1");
	/* The higher version of what both provide. */
	ARCHIVE("up", "old 1", "app 1 Depends: service", "alpha 1 Provides: old, service (= 1.0)",
		"beta 1 Provides: old, service (= 2.0)");
	assert_chosen("up", "app", "app 1, beta 1");
}

/* ---- the newest -------------------------------------------------------------------------------------------------- */
/* A security update is the candidate, in whichever source it stands, and whatever name it begins to provide. */
static void newest(void **state)
{
	ARCHIVE("main", "app 1 Depends: lib", "lib 1", "other 1", "mta 1 Provides: other", "user 1 Depends: mta");
	ARCHIVE("security", "lib 1.1 Provides: other", "mta 1.1 Provides: other, more");
	assert_chosen("main security", "app", "app 1, lib 1.1");
	assert_chosen("security main", "app", "app 1, lib 1.1");
	assert_chosen("main security", "user", "mta 1.1, user 1");
	assert_chosen("security main", "user", "mta 1.1, user 1");
	assert_chosen("main", "user", "mta 1, user 1");
}

#define T(f) cmocka_unit_test_setup_teardown(f, sysroot_setup, sysroot_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(real_one), T(stand_ins_are_equal), T(newest)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
