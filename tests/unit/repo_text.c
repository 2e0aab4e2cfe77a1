/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What repo/ reads from outside as text: addresses, apt's sources, stanzas, Release files, verifiers' reports.
 */
#include "tests/unit/repo_fixture.h"
#include "tests/unit/sysroot.h"

#include "repo/internal.h"

static void test_url_local(void **state)
{
	static const struct {
		const char *url, *path;
	} cases[] = {
		{"/srv/repo", "/srv/repo"},   {"file:///srv/a%2Bb", "/srv/a+b"}, {"file:/srv/x", "/srv/x"},
		{"FILE://localhost/x", "/x"}, {"file:///a%00b", "/a%00b"},       {"file:///a%zz%4", "/a%zz%4"},
		{"file://host/x", NULL},      {"http://host/x", NULL},           {"relative", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *path = url_local_path(cases[i].url);

		if (cases[i].path)
			assert_string_equal(path, cases[i].path);
		else
			assert_null(path);
	}
}

static void test_url_join(void **state)
{
	_cleanup_free_ char *a = url_join("http://h/debian/", "pool/g++_1:2~x y%.deb"),
			    *b = url_join("/srv//", "a b+c"), *c = url_join("/", "x");

	assert_string_equal(a, "http://h/debian/pool/g%2B%2B_1:2~x%20y%25.deb");
	assert_string_equal(b, "/srv/a b+c");
	assert_string_equal(c, "/x");
}

static void test_url_path(void **state)
{
	static const char *const good[] = {"a", "pool/a/b.deb", "a..b/c", "...", "a/.b"};
	static const char *const bad[] = {"", "/etc/passwd", "..", "../x", "a/../b", "a/..", "a\nb", "dir/", "a\x7f"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(url_path_ok(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(url_path_ok(bad[i]));
}

static void check_mirror(const char *main, const char *security)
{
	_cleanup_free_ char *m = mirror_find(top_path, false), *s = mirror_find(top_path, true);

	if (main)
		assert_string_equal(m, main);
	else
		assert_null(m);
	if (security)
		assert_string_equal(s, security);
	else
		assert_null(s);
}

static void test_mirror(void **state)
{
	check_mirror(NULL, NULL);
	put("sources.list", "# deb http://commented.example/debian bookworm main\n"
			    "deb-src http://src.example/debian bookworm main\n"
			    "deb http://vendor.example/linux/debian bookworm stable\n"
			    "deb http://php.example/php bookworm main\n"
			    "deb cdrom:[Debian]/debian bookworm main\n"
			    "deb [arch=amd64 signed-by=/x] http://one.example/debian/ bookworm contrib main\n");
	check_mirror("http://one.example/debian", NULL);
	put("sources.list", "");
	put("sources.list.d/a.sources",
	    "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: sid\n"
	    "Components: main\n\nTypes: deb\nURIs:\n https://two.example/debian\nSuites: trixie trixie-updates\n"
	    "Components: main\n");
	put("sources.list.d/b.list", "deb http://sec.example/debian-security trixie-security main\n");
	put("sources.list.d/c.list.save", "deb http://old.example/debian trixie main\n");
	check_mirror("https://two.example/debian", "http://sec.example/debian-security");
}

static void test_stanza(void **state)
{
	static const char text[] = "Package: a\nVersion: 1\nDescription: x\n long\nDepends: b,\n c\nSize: 12\n"
				   "Priority: Required\n\nPackage: b\nArchitecture: hurd\n\n\n\n"
				   "Package: c\narchitecture: all\nEssential: yes\nTag: x";
	_cleanup_buf_ struct buf out = {0};
	struct stanza_extra x;

	stanza_filter(text, strlen(text), "amd64", &out);
	assert_string_equal(out.p, "Package: a\nVersion: 1\nDepends: b,\n c\nHomepage: 12 0 1\n\n"
				   "Package: c\narchitecture: all\nHomepage: 0 1 0\n\n");
	x = stanza_extra("12 0 1");
	assert_int_equal(x.size, 12);
	assert_true(x.required && !x.essential);
	x = stanza_extra("http://example.org");
	assert_false(x.required || x.essential || x.size);
}

static void test_stanza_field(void **state)
{
	static const char text[] = "Package:  a \nVersion:1\n\nOther: x\n";
	_cleanup_free_ char *a = stanza_field(text, strlen(text), "package"),
			    *b = stanza_field(text, strlen(text), "Version");

	assert_string_equal(a, "a");
	assert_string_equal(b, "1");
	assert_null(stanza_field(text, strlen(text), "Other"));
	assert_null(stanza_field("", 0, "Other"));
}

static void test_release_date(void **state)
{
	assert_int_equal(release_date("Sat, 11 Jul 2020 10:16:37 UTC"), 1594462597);
	assert_int_equal(release_date("Thu, 01 Jan 2015  0:00:01 GMT"), 1420070401);
	assert_int_equal(release_date("Sat, 11 Jul 2020 10:16:37 CEST"), 0);
	assert_int_equal(release_date("Sat, 11 Jux 2020 10:16:37 UTC"), 0);
	assert_int_equal(release_date("Sat, 99 Jul 2020 10:16:37 UTC"), 0);
	assert_int_equal(release_date("2020-07-11"), 0);
	assert_int_equal(release_date(""), 0);
}

static void test_release(void **state)
{
	_cleanup_strv_ struct strv wanted = {0};
	struct release r;
	struct err e = {0};
	static const char bad_date[] = "Valid-Until: soon\nSHA256:\n", no_list[] = "Suite: x\nMD5Sum:\n a 1 b\n";

	strv_add(&wanted, "main/binary-amd64/Packages");
	assert_int_equal(release_parse(fixture_release, strlen(fixture_release), &wanted, &r, &e), 0);
	assert_string_equal(r.suite, "stable");
	assert_string_equal(r.codename, "testing-suite");
	assert_int_equal(r.date, 1594462597);
	assert_int_equal(r.valid_until, 0);
	assert_true(r.no_all && !r.by_hash);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.files[0].size, strlen(fixture_packages));
	release_free(&r);
	assert_error(&e, release_parse(bad_date, strlen(bad_date), &wanted, &r, &e), -EBADMSG,
		     "Valid-Until is not a date");
	assert_error(&e, release_parse(no_list, strlen(no_list), &wanted, &r, &e), -EBADMSG, "no SHA-256");
}

static void test_clearsign(void **state)
{
	_cleanup_buf_ struct buf text = {0}, sig = {0};
	_cleanup_free_ char *behind = xasprintf("Suite: evil\n%s", fixture_inrelease_good);
	static const char dashes[] = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n- -x\n y \t\n"
				     "-----BEGIN PGP SIGNATURE-----\nz\n-----END PGP SIGNATURE-----\ntrailer";

	assert_int_equal(clearsign_split(fixture_inrelease_good, strlen(fixture_inrelease_good), &text, &sig), 0);
	buf_adds(&text, "\n");
	assert_string_equal(text.p, fixture_release);
	buf_free(&text);
	buf_free(&sig);
	text = sig = (struct buf){0};
	assert_int_equal(clearsign_split(dashes, strlen(dashes), &text, &sig), 0);
	assert_string_equal(text.p, "-x\n y");
	assert_null(strstr(sig.p, "trailer"));
	assert_int_equal(clearsign_split(behind, strlen(behind), &text, &sig), -EBADMSG);
	assert_int_equal(clearsign_split(fixture_release, strlen(fixture_release), &text, &sig), -EBADMSG);
	assert_int_equal(clearsign_split(fixture_inrelease_good, 300, &text, &sig), -EBADMSG);
	assert_int_equal(clearsign_split("", 0, &text, &sig), -EBADMSG);
}

#define VALID "[GNUPG:] VALIDSIG AAAA 2020-07-11 1 0 4 0 1 8 01 BBBB\n"
#define SHA1 "[GNUPG:] VALIDSIG AAAA 2020-07-11 1 0 4 0 1 2 01 BBBB\n"

static void test_judge(void **state)
{
	static const struct {
		const char *report;
		bool expired, sha1;
		const char *fingerprint;
		int status;
		const char *part;
	} cases[] = {
		{"[GNUPG:] GOODSIG x\n" VALID, false, false, NULL, 0, NULL},
		{"[GNUPG:] GOODSIG x\n" VALID, false, false, "bbbb", 0, NULL},
		{"[GNUPG:] GOODSIG x\n" VALID, false, false, "CCCC", -ENOKEY, "signed by BBBB"},
		{"[GNUPG:] ERRSIG x\n[GNUPG:] NO_PUBKEY 77\n[GNUPG:] GOODSIG x\n" VALID, false, false, NULL, 0, NULL},
		{"[GNUPG:] ERRSIG x\n[GNUPG:] NO_PUBKEY 77\n", false, false, NULL, -ENOKEY, "signed by key 77"},
		{"[GNUPG:] GOODSIG x\n" VALID "[GNUPG:] BADSIG x\n", false, false, NULL, -EBADMSG,
		 "signature is wrong"},
		{"[GNUPG:] EXPKEYSIG x\n" VALID, false, false, NULL, -EKEYEXPIRED, "has expired"},
		{"[GNUPG:] EXPKEYSIG x\n" VALID, true, false, NULL, 0, NULL},
		{"[GNUPG:] REVKEYSIG x\n" VALID, true, false, NULL, -EKEYREVOKED, "revoked"},
		{"[GNUPG:] GOODSIG x\n" SHA1, false, false, NULL, -EBADMSG, "SHA-1"},
		{"[GNUPG:] GOODSIG x\n" SHA1, false, true, NULL, 0, NULL},
		{VALID, false, false, NULL, -EBADMSG, "no signature"},
		{"GOODSIG x\nVALIDSIG y\n", false, false, NULL, -EBADMSG, "no signature"},
		{"", false, false, NULL, -EBADMSG, "no signature"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_strv_ struct strv prints = {0};
		struct verify_policy p = {.keyring = "K",
					  .fingerprints = &prints,
					  .allow_expired = cases[i].expired,
					  .allow_sha1 = cases[i].sha1};
		struct err e = {0};
		int r;

		if (cases[i].fingerprint)
			strv_add(&prints, cases[i].fingerprint);
		r = verify_judge(cases[i].report, &p, "L", &e);
		if (cases[i].status == 0)
			assert_int_equal(r, 0);
		else
			assert_error(&e, r, cases[i].status, cases[i].part);
	}
}

static void test_wire(void **state)
{
	struct repo_package p = {.format = REPO_RPM,
				 .name = (char *)"n",
				 .evr = (char *)"1",
				 .arch = (char *)"a",
				 .size = 7,
				 .essential = true};
	struct repo_package q = {0};
	_cleanup_buf_ struct buf b = {0};
	struct wire w;

	strv_add(&p.files, "/x");
	wire_package(&b, &p);
	w = (struct wire){.p = b.p, .end = b.p + b.len};
	wire_get_package(&w, &q);
	assert_false(w.bad);
	assert_ptr_equal(w.p, w.end);
	assert_string_equal(q.name, "n");
	assert_true(q.essential && !q.required && q.size == 7 && q.files.n == 1 && !q.warning);
	repo_package_free(&q);
	for (size_t n = 0; n < b.len; n++) {
		w = (struct wire){.p = b.p, .end = b.p + n};
		wire_get_package(&w, &q);
		assert_true(w.bad);
		repo_package_free(&q);
	}
	strv_free(&p.files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url_local),
		cmocka_unit_test(test_url_join),
		cmocka_unit_test(test_url_path),
		cmocka_unit_test_setup_teardown(test_mirror, sysroot_setup, sysroot_teardown),
		cmocka_unit_test(test_stanza),
		cmocka_unit_test(test_stanza_field),
		cmocka_unit_test(test_release_date),
		cmocka_unit_test(test_release),
		cmocka_unit_test(test_clearsign),
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
