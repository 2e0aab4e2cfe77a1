/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A whole Debian archive, signed, resolved through a server that misbehaves on demand: what is right comes through,
 * what is wrong ends in one line.
 */
#include "tests/unit/repo_fixture.h"
#include "tests/unit/repo_server.h"
#include "tests/unit/repo_source.h"

#include "repo/internal.h"

static void archive(const char *inrelease)
{
	put("www/dists/stable/InRelease", inrelease);
	put("www/dists/stable/main/binary-amd64/Packages", fixture_packages);
	put("www/pool/libc6.deb", "body of libc6");
	put("www/pool/base_1+a.deb", "body of base");
	put("www/pool/libreal.deb", "body of libreal");
	put("www/pool/app.deb", "body of app");
	put("key.asc", fixture_key);
}

static struct repo_source source(const char *mode)
{
	_cleanup_free_ char *url = server_url(mode);

	return deb_source(url, "key.asc");
}

static int resolve(const struct repo_source *s, const char *names, struct repo_solution *ret, struct err *e)
{
	return deb_resolve(s, 1, names, ret, e);
}

static void need_verifier(void)
{
	must_have(access("/usr/bin/gpgv", X_OK) == 0 || access("/usr/bin/sqv", X_OK) == 0, "needs gpgv or sqv");
}

static void test_good(void **state)
{
	static const char *const order[] = {"libc6", "libreal", "base", "app"};
	_cleanup_(repo_source_free) struct repo_source s = source("norange");
	_cleanup_(repo_solution_free) struct repo_solution sol = {0};
	struct err e = {0};

	need_verifier();
	archive(fixture_inrelease_good);
	strv_add(&s.fingerprints, FIXTURE_FINGERPRINT);
	if (resolve(&s, "app", &sol, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(sol.n, ARRAY_LEN(order));
	for (size_t i = 0, at = 0; i < ARRAY_LEN(order); i++) {
		for (at = 0; at < sol.n && strcmp(sol.pkgs[at].name, order[i]); at++)
			;
		assert_true(at < sol.n);
		assert_int_equal(sol.pkgs[at].required, strcmp(order[i], "app") != 0);
		assert_int_equal(sol.pkgs[at].essential, strcmp(order[i], "base") == 0);
	}
	assert_string_equal(sol.pkgs[3].name, "app");
	assert_string_equal(sol.pkgs[3].evr, "1.0-1");
	assert_string_equal(sol.pkgs[2].name, "base");
	assert_string_equal(sol.pkgs[2].evr, "1:12+a~b");
	assert_string_equal(sol.pkgs[2].file, "base_1+a.deb");
	assert_non_null(strstr(sol.pkgs[2].url, "/norange/pool/base_1%2Ba.deb"));
	assert_int_equal(sol.pkgs[2].installed, 20480);
	assert_int_equal(sol.pkgs[2].size, 12);
}

static void test_fetch(void **state)
{
	_cleanup_free_ char *dir = xasprintf("%s/www", place_sysroot());
	_cleanup_(repo_source_free) struct repo_source s = source("ok");
	_cleanup_(repo_solution_free) struct repo_solution sol = {0};
	struct err e = {0};

	need_verifier();
	archive(fixture_inrelease_good);
	strv_free(&s.urls);
	s.urls = (struct strv){0};
	strv_add(&s.urls, "/nonexistent");
	strv_add(&s.urls, dir);
	assert_int_equal(resolve(&s, "app", &sol, NULL), 0);
	assert_int_equal(sol.urls_tried.n, 2);
	put("www/pool/app.deb", "body of apq");
	assert_error(&e, repo_solution_fetch(&sol, NULL, &e), -EBADMSG, "app.deb");
	put("www/pool/app.deb", "body of app");
	assert_int_equal(repo_solution_fetch(&sol, NULL, &e), 0);
	for (size_t i = 0; i < sol.n; i++)
		assert_true(cache_has(sol.pkgs[i].sha256));
}

static void test_bad_names(void **state)
{
	_cleanup_(repo_source_free) struct repo_source s = source("norange");
	struct err e = {0};

	need_verifier();
	archive(fixture_inrelease_good);
	assert_error(&e, resolve(&s, "apq", NULL, &e), -ENOENT, "did you mean app");
	assert_error(&e, resolve(&s, "foreign", NULL, &e), -ENOENT, "foreign");
	assert_error(&e, resolve(&s, "broken", NULL, &e), -ENOTUNIQ, "nothing provides nowhere >= 2 needed by broken");
	assert_error(&e, resolve(&s, "libfake libreal", NULL, &e), -ENOTUNIQ, "conflicts");
	assert_int_equal(resolve(&s, "virtual", NULL, &e) == -ENOTUNIQ || e.msg == NULL, 1);
	err_clear(&e);
}

static void refused(const char *inrelease, int status, const char *part)
{
	_cleanup_(repo_source_free) struct repo_source s = source("norange");
	struct err e = {0};

	archive(inrelease);
	assert_error(&e, resolve(&s, "app", NULL, &e), status, part);
}

static void test_refused(void **state)
{
	_cleanup_free_ char *changed = xstrdup(fixture_inrelease_good), *prefixed = NULL;
	_cleanup_(repo_source_free) struct repo_source s = source("norange"), none = source("norange");
	struct err e = {0};

	need_verifier();
	memcpy(strstr(changed, "Origin: vpkg"), "Origin: evil", 12);
	prefixed = xasprintf("SHA256:\n\n%s", fixture_inrelease_good);
	refused(fixture_inrelease_expired, -ESTALE, "expired on 2020-07-18");
	refused(fixture_inrelease_foreign, -ENOKEY, "which is not in");
	refused(fixture_inrelease_other_suite, -EBADMSG, "not of stable");
	refused(fixture_inrelease_wrong_digest, -EBADMSG, "main/binary-amd64/Packages");
	refused(changed, -EBADMSG, "signature is wrong");
	refused(prefixed, -EBADMSG, "not a signed text");
	refused(fixture_release, -EBADMSG, "not a signed text");
	refused("", -EBADMSG, "not a signed text");
	archive(fixture_inrelease_good);
	strv_add(&s.fingerprints, "0000000000000000000000000000000000000000");
	assert_error(&e, resolve(&s, "app", NULL, &e), -ENOKEY, FIXTURE_FINGERPRINT);
	free(none.keyring);
	none.keyring = NULL;
	assert_error(&e, resolve(&none, "app", NULL, &e), -EINVAL, "no keyring");
	none.no_signatures = true;
	archive(changed);
	assert_int_equal(resolve(&none, "app", NULL, &e), 0);
	archive(fixture_inrelease_expired);
	assert_error(&e, resolve(&none, "app", NULL, &e), -ESTALE, "expired");
	none.allow_expired = true;
	assert_int_equal(resolve(&none, "app", NULL, &e), 0);
}

static void test_separate(void **state)
{
	_cleanup_(repo_source_free) struct repo_source s = source("norange");
	struct err e = {0};

	need_verifier();
	archive("");
	assert_int_equal(unlinkat(top, "www/dists/stable/InRelease", 0), 0);
	assert_error(&e, resolve(&s, "app", NULL, &e), -ENOENT, "neither InRelease nor Release");
	put("www/dists/stable/Release", fixture_release);
	assert_error(&e, resolve(&s, "app", NULL, &e), -EBADMSG, "has no signature");
	put("www/dists/stable/Release.gpg", fixture_release_gpg);
	assert_int_equal(resolve(&s, "app", NULL, &e), 0);
	put("www/dists/stable/Release.gpg", "");
	assert_error(&e, resolve(&s, "app", NULL, &e), -EBADMSG, "no signature");
	unlinkat(top, "www/dists/stable/Release", 0);
	unlinkat(top, "www/dists/stable/Release.gpg", 0);
}

static void test_unchanged(void **state)
{
	_cleanup_(repo_source_free) struct repo_source s = source("ok");
	size_t n;

	need_verifier();
	archive(fixture_inrelease_good);
	assert_int_equal(resolve(&s, "app", NULL, NULL), 0);
	n = server_logged("ok dists/stable/InRelease from 0 conditional");
	assert_int_equal(resolve(&s, "app", NULL, NULL), 0);
	assert_int_equal(server_logged("ok dists/stable/InRelease from 0 conditional"), n + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),    cmocka_unit_test(test_fetch),    cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_separate), cmocka_unit_test(test_unchanged),
	};

	return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
