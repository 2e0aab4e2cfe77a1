/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * bootstrap/: definitions of distributions, good and bad; addresses; the parts of a .deb's control file.
 */
#include "bootstrap/debian.h"
#include "tests/unit/must.h"

#define DISTRO "[distro]\nname = demo/1\nfamily = debian\narch = amd64\n"
#define REPO                                                                                   \
	"[repo main]\ntype = deb\nurl = http://a.example/d\nsuite = one\nkeyring = demo.gpg\n" \
	"key = 0123456789ABCDEF0123456789ABCDEF01234567\n"
#define PACKAGES "[packages]\nminimal = apt\n"

static int parse(const char *text, struct boot_distro *d, struct err *e)
{
	return boot_distro_parse(text, strlen(text), "demo.conf", d, e);
}

static void everything_is_read(void **state)
{
	static const char text[] =
		"# a comment\n" DISTRO
		"aliases = demo/first first\ninit = systemd\nend-of-life = 2030-01-31\ntested = yes\n" REPO
		"host-mirror = yes\ncomponents = main extra\n"
		"[repo fix]\ntype = deb\nurl = http://b.example/d\n  /srv/mirror\nsuite = one-fix\n"
		"keyring = demo.gpg\nsecurity = yes\nallow-expired = yes\n" PACKAGES
		"  usr-is-merged\nstandard = cron, nano\n[quirks]\nmerged-usr = yes\n";
	struct boot_distro d;
	struct err e = {0};

	assert_int_equal(parse(text, &d, &e), 0);
	assert_string_equal(d.name, "demo/1");
	assert_int_equal(d.family, VS_DEBIAN);
	assert_string_equal(d.arch, "amd64");
	assert_string_equal(d.init, "systemd");
	assert_string_equal(d.end_of_life, "2030-01-31");
	assert_true(d.tested);
	assert_int_equal(d.aliases.n, 2);
	assert_string_equal(d.aliases.v[1], "first");
	assert_int_equal(d.n_repos, 2);
	assert_string_equal(d.repos[0].name, "main");
	assert_int_equal(d.repos[0].type, REPO_TYPE_DEB);
	assert_string_equal(d.repos[0].arch, "amd64");
	assert_int_equal(d.repos[0].components.n, 2);
	assert_int_equal(d.repos[0].fingerprints.n, 1);
	assert_true(d.repo_host_mirror[0]);
	assert_false(d.repo_security[0]);
	assert_false(d.repos[0].allow_expired);
	assert_string_equal(d.repos[1].suite, "one-fix");
	assert_int_equal(d.repos[1].urls.n, 2);
	assert_string_equal(d.repos[1].urls.v[1], "/srv/mirror");
	assert_string_equal(d.repos[1].components.v[0], "main");
	assert_true(d.repo_security[1]);
	assert_false(d.repo_host_mirror[1]);
	assert_true(d.repos[1].allow_expired);
	assert_int_equal(d.minimal.n, 2);
	assert_string_equal(d.minimal.v[1], "usr-is-merged");
	assert_int_equal(d.standard.n, 2);
	assert_true(strv_has(&d.quirks, "merged-usr"));
	boot_distro_free(&d);
}

static void a_quirk_can_be_off(void **state)
{
	struct boot_distro d;

	assert_int_equal(parse(DISTRO REPO PACKAGES "[quirks]\nmerged-usr = no\n", &d, NULL), 0);
	assert_int_equal(d.quirks.n, 0);
	boot_distro_free(&d);
}

static void mistakes_are_told(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"", "[distro] has no name"},
		{"[distro]\nname = demo\n", "demo.conf:2: name: 'demo' is no distribution's name"},
		{"[distro]\nname = a/b/c\n", "is no distribution's name"},
		{"[distro]\nname = ../1\n", "is no distribution's name"},
		{"[distro]\nname = demo/1\nfamily = debain\n", "demo.conf:3: family: 'debain' is no family"},
		{"[distro]\nname = demo/1\n", "[distro] has no family"},
		{"[distro]\nname = demo/1\nfamily = debian\n", "[distro] has no arch"},
		{"[distro]\nname = demo/1\nname = demo/2\n", "demo.conf:3: name is given twice"},
		{"[distro]\nname =\n", "name has no value"},
		{"[distro]\nnmae = demo/1\n", "demo.conf:2: unknown key 'nmae'; is it 'name'?"},
		{"[distor]\nname = demo/1\n", "demo.conf:2: unknown section 'distor'; is it 'distro'?"},
		{"[distro]\nend-of-life = soon\n", "is no date"},
		{"[distro]\nend-of-life = 2028-06-300\n", "is no date"},
		{"[distro]\ntested = maybe\n", "neither yes nor no"},
		{"[repo]\ntype = deb\n", "a repository needs a name"},
		{"[repo a b]\ntype = deb\n", "is no name for a repository"},
		{"[repo x]\ntype = mdk\n", "'mdk' is no type of repository"},
		{"[repo x]\nurl = ftp://a.example/\n", "is no http, https or file URL"},
		{"[repo x]\nurl = relative/path\n", "is no http, https or file URL"},
		{"[repo x]\nkey = 1234\n", "is no key fingerprint"},
		{"[repo x]\nkey = 0123456789abcdef0123456789abcdef01234567\n", "is no key fingerprint"},
		{"[repo x]\nkeyring = ../../etc/passwd\n", "leads out of"},
		{"[repo x]\nsuite = one two\n", "is no suite"},
		{DISTRO "[repo x]\nurl = http://a.example/\n", "demo.conf:6: [repo x] has no type"},
		{DISTRO "[repo x]\ntype = deb\n", "[repo x] has no url"},
		{DISTRO "[repo x]\ntype = deb\nurl = /srv\n", "[repo x] has no suite"},
		{DISTRO "[repo x]\ntype = deb\nurl = /srv\nsuite = one\n", "[repo x] has no keyring"},
		{DISTRO REPO "[repo x]\ntype = deb\n[packages]\nminimal = apt\n[repo main]\nurl = /x\n",
		 "[repo x] has no url"},
		{DISTRO REPO PACKAGES "[repo main]\nurl = /x\n", "given twice"},
		{DISTRO PACKAGES, "there is no [repo X]"},
		{DISTRO REPO, "[packages] has no minimal"},
		{DISTRO REPO "[packages]\nminimal = apt;rm\n", "is no package name"},
		{DISTRO REPO PACKAGES "[quirks]\nmerged-user = yes\n",
		 "unknown key 'merged-user'; is it 'merged-usr'?"},
		{DISTRO "[repo x]\ntype = rpmmd\nurl = /srv\nkeyring = k\n" PACKAGES,
		 "not of a type for family debian"},
		{"[distro]\nname = m/1\nfamily = mandrake\narch = i586\n" REPO PACKAGES,
		 "family mandrake cannot be bootstrapped"},
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct boot_distro d;
		struct err e = {0};
		int r = parse(bad[i].text, &d, &e);

		assert_true(r < 0);
		assert_error(&e, r, e.status, bad[i].says);
	}
}

static void shipped_ones_are_whole(void **state)
{
	static const char *const files[] = {"./distros/debian-11.conf", "./distros/debian-12.conf",
					    "./distros/debian-13.conf"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct boot_distro d;
		struct err e = {0};
		bool security = false;

		assert_int_equal(boot_distro_find(files[i], &d, &e), 0);
		for (size_t k = 0; k < d.n_repos; k++) {
			/* Signed, by keys that are named, and never from a mirror that the definition does not name
			 * itself. */
			assert_int_equal(access(d.repos[k].keyring, R_OK), 0);
			assert_true(d.repos[k].fingerprints.n >= 2);
			assert_false(d.repos[k].no_signatures);
			assert_true(d.repos[k].urls.n >= 1);
			security = security || d.repo_security[k];
		}
		assert_true(security);
		boot_distro_free(&d);
	}
}

static void a_missing_keyring_is_told(void **state)
{
	_cleanup_free_ char *file = NULL;
	char *path;
	int dir = temp_dir(&path);
	struct boot_distro d;
	struct err e = {0};

	file = xasprintf("./%s/demo.conf", path);
	if (path[0] == '/') {
		free(file);
		file = xasprintf("%s/demo.conf", path);
	}
	assert_int_equal(path_write(dir, "demo.conf", DISTRO REPO PACKAGES, strlen(DISTRO REPO PACKAGES), 0644, NULL),
			 0);
	assert_error(&e, boot_distro_find(file, &d, &e), -ENOENT, "no keyring demo.gpg");
	assert_int_equal(path_mkdirs(dir, "keyrings", 0755, NULL), 0);
	assert_int_equal(path_write(dir, "keyrings/demo.gpg", "x", 1, 0644, NULL), 0);
	assert_int_equal(boot_distro_find(file, &d, &e), 0);
	boot_distro_free(&d);
	temp_gone(dir, path);
}

static void addresses(void **state)
{
	static const struct {
		const char *word, *address;
	} good[] = {
		{"192.0.2.11", "192.0.2.11"},         {"192.0.2.11/24", "192.0.2.11"},
		{"eth0:192.0.2.11/24", "192.0.2.11"}, {"eth0.231:192.0.2.11", "192.0.2.11"},
		{"2001:db8::1", "2001:db8::1"},       {"eth0:2001:db8::1/64", "2001:db8::1"},
	};
	static const char *const bad[] = {"",      "eth0",       "192.0.2.300", "192.0.2.1/33",    "192.0.2.1/0",
					  "eth0:", ":192.0.2.1", "192.0.2.1/",  "2001:db8::1/129", "192.0.2.1/24x"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		_cleanup_free_ char *address = NULL;

		assert_int_equal(boot_address(good[i].word, &address, NULL), 0);
		assert_string_equal(address, good[i].address);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *address = NULL;
		struct err e = {0};

		assert_error(&e, boot_address(bad[i], &address, &e), -EINVAL, "'");
		assert_null(address);
	}
}

static void control_fields(void **state)
{
	struct buf b = {0};
	_cleanup_free_ char *package = NULL, *pre = NULL, *none = NULL, *last = NULL;

	buf_adds(&b,
		 "Package: demo\nPre-Depends: a (>= 1),\n b | c\nDescription: text\n Package: not this\nVersion:1 ");
	package = deb_field(&b, "package");
	pre = deb_field(&b, "Pre-Depends");
	none = deb_field(&b, "Depends");
	last = deb_field(&b, "Version");
	assert_string_equal(package, "demo");
	assert_string_equal(pre, "a (>= 1), b | c");
	assert_null(none);
	assert_string_equal(last, "1");
	buf_free(&b);
}

/* What a package says of itself becomes the paragraph and trigger lines that dpkg would have written, and survives the
 * way from the process that unpacked. */
static void entries_travel(void **state)
{
	struct debian_entry from = {0}, to = {0};
	struct err e = {0};
	struct buf bytes = {0};

	buf_adds(&from.status, "Package: demo\nStatus: install ok unpacked\n\n");
	strv_add(&from.file_triggers, "/usr/share/x demo/noawait");
	strv_add(&from.triggers, "ldconfig demo");
	debian_entry_pack(&from, &bytes);
	assert_int_equal(debian_entry_unpack(bytes.p, bytes.len, &to, &e), 0);
	assert_string_equal(to.status.p, from.status.p);
	assert_int_equal(to.file_triggers.n, 1);
	assert_string_equal(to.file_triggers.v[0], "/usr/share/x demo/noawait");
	assert_string_equal(to.triggers.v[0], "ldconfig demo");
	debian_entry_free(&to);
	/* A process that died in the middle of its answer. */
	for (size_t n = 0; n < bytes.len; n++) {
		struct debian_entry part = {0};

		assert_error(&e, debian_entry_unpack(bytes.p, n, &part, &e), -EIO, "ended in the middle");
		debian_entry_free(&part);
	}
	debian_entry_free(&from);
	buf_free(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_read),
		cmocka_unit_test(a_quirk_can_be_off),
		cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(shipped_ones_are_whole),
		cmocka_unit_test(a_missing_keyring_is_told),
		cmocka_unit_test(addresses),
		cmocka_unit_test(control_fields),
		cmocka_unit_test(entries_travel),
	};

	return cmocka_run_group_tests_name("definition", tests, NULL, NULL);
}
