/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Package files: what is right is read in full, what is wrong ends in one line; at every length a truncated package is
 * refused.
 */
#include "tests/unit/repo_debs.h"
#include "tests/unit/sysroot.h"

#include "repo/internal.h"

static int read_path(const char *path, const char *keyring, struct repo_package *ret, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return repo_package_read(fd, path, keyring, ret, e);
}

static void refuse(const char *path, const char *part)
{
	struct repo_package p = {0};
	struct err e = {0};

	assert_error(&e, read_path(path, NULL, &p, &e), -EBADMSG, part);
}

static char *made(const char *name)
{
	return xasprintf("%s/%s", top_path, name);
}

#define CONTROL \
	"Package: hello\nVersion: 1:2.0-1\nArchitecture: all\nInstalled-Size: 5\nEssential: yes\nPriority: required\n"

static const struct deb_file meta[] = {
	{"./conffiles", "/etc/hello.conf\nremove-on-upgrade /etc/old\n"},
	{"./md5sums", "b1946ac92492d2347c6235b4d2611184  usr/share/hello\n"},
};
static const struct deb_file files[] = {
	{"./", NULL},
	{"./etc/", NULL},
	{"./etc/hello.conf", "x"},
	{"./usr/share/hello", "hello\n"},
};

static void test_deb(void **state)
{
	_cleanup_free_ char *path = made("hello.deb");
	_cleanup_(repo_package_free) struct repo_package p = {0};
	uint8_t sha256[DIGEST_LEN];
	int fd;

	deb_make(path, CONTROL, meta, ARRAY_LEN(meta), files, ARRAY_LEN(files));
	assert_int_equal(read_path(path, NULL, &p, NULL), 0);
	assert_int_equal(p.format, REPO_DEB);
	assert_string_equal(p.name, "hello");
	assert_string_equal(p.evr, "1:2.0-1");
	assert_string_equal(p.arch, "all");
	assert_string_equal(p.file, "hello.deb");
	assert_int_equal(p.installed, 5120);
	assert_true(p.essential && p.required && p.has_digest);
	assert_int_equal(p.files.n, 3);
	assert_string_equal(p.files.v[2], "/usr/share/hello");
	assert_int_equal(p.conffiles.n, 1);
	assert_string_equal(p.conffiles.v[0], "/etc/hello.conf");
	assert_null(p.warning);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(digest_fd(fd, sha256), 0);
	close(fd);
	assert_memory_equal(sha256, p.sha256, DIGEST_LEN);
}

static void test_deb_md5(void **state)
{
	static const struct deb_file other[] = {{"./usr/share/hello", "other\n"}};
	_cleanup_free_ char *path = made("md5.deb");
	_cleanup_(repo_package_free) struct repo_package p = {0};

	deb_make(path, CONTROL, meta, ARRAY_LEN(meta), other, 1);
	assert_int_equal(read_path(path, NULL, &p, NULL), 0);
	assert_non_null(p.warning);
	assert_non_null(strstr(p.warning, "/usr/share/hello"));
}

static void test_deb_wrong(void **state)
{
	static const struct deb_file climbing[] = {{"./usr/../../etc/passwd", "x"}};
	static const struct {
		const char *control, *part;
	} cases[] = {
		{"", "no field Package"},
		{"Package: a\nArchitecture: all\n", "no field Version"},
		{"Package: a\nVersion: 1\n", "no field Architecture"},
		{"Package: ../a\nVersion: 1\nArchitecture: all\n", "no usable name"},
		{"Package: a\nVersion: 1 2\nArchitecture: all\n", "no usable name"},
	};
	_cleanup_free_ char *path = made("wrong.deb");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		deb_make(path, cases[i].control, NULL, 0, files, ARRAY_LEN(files));
		refuse(path, cases[i].part);
	}
	deb_make(path, CONTROL, NULL, 0, climbing, 1);
	refuse(path, "leads out of the tree");
}

static void test_deb_truncated(void **state)
{
	_cleanup_free_ char *path = made("cut.deb");
	struct stat st;

	deb_make(path, CONTROL, meta, ARRAY_LEN(meta), files, ARRAY_LEN(files));
	assert_int_equal(stat(path, &st), 0);
	/* The last byte may be ar's padding, which nothing is lost with. */
	for (off_t n = st.st_size - 2; n >= 0; n -= n > 300 ? 37 : 5) {
		assert_int_equal(truncate(path, n), 0);
		refuse(path, "cut.deb: ");
	}
}

static void test_no_package(void **state)
{
	static const struct {
		const char *contents, *part;
	} cases[] = {
		{"", "the file is empty"},
		{"x", "neither a .deb nor an .rpm"},
		{"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "an OpenPGP key"},
		{"<html>", "a web page"},
		{"#!/bin/sh\n", "a script"},
		{"070701", "a cpio archive"},
		{"!<arch>\nother.o/       ", "neither a .deb"},
		{"\xed\xab\xee\xdb", "truncated or corrupt"},
		{"!<arch>\ndebian-binary   ", "truncated or corrupt"},
	};
	_cleanup_free_ char *path = made("thing");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(path_write(top, "thing", cases[i].contents, strlen(cases[i].contents), 0644, NULL), 0);
		refuse(path, cases[i].part);
	}
	refuse(top_path, "not a regular file");
}

/* ---- packages of others ------------------------------------------------------------------------------------------ */
static void test_data(void **state)
{
	/* NULL: is read. */
	static const struct {
		const char *path, *part;
	} cases[] = {
		{"debs/bug881937_1.deb", "no data archive"},
		{"debs/bug881937_2.deb", "no data archive"},
		{"debs/quine_a.deb", "no field Package"},
		{"debs/quine_b.deb", "no field Package"},
		{"debs/bug903391_1.deb", NULL},
		{"debs/bug903401_2.deb", NULL},
		{"debs/bug903565_2.deb", NULL},
		{"debs/test1.deb", NULL},
		{"rpms/bad/foo.cpio", "a cpio archive"},
		{"rpms/bad/stripped.cpio", "a cpio archive"},
		{"rpms/bad/hello-2.0-1.x86_64-corrupted.rpm", "Payload SHA256 digest"},
		{"rpms/bad/no.rpm", "empty"},
		{"rpms/bad/zero-byte.rpm", "empty"},
		{"rpms/bad/not-a-rpm.rpm", "not a package"},
		{"rpms/bad/signed.key", "an OpenPGP key"},
		{"rpms/bad/unsigned_broken.rpm", "truncated or corrupt"},
		{"rpms/bad/unsigned_broken_header.rpm", "truncated or corrupt"},
		{"rpms/bad/unsigned.rpm", NULL},
		{"rpms/real/libtermcap-2.0.8-2.i386.rpm", "carries no digest"},
		{"rpms/format/payload-test-0.1-w3.zstdio.x86_64.rpm", NULL},
		{"rpms/format/payload-test-0.1-w6.lzdio.x86_64.rpm", NULL},
		{"rpms/format/payload-test-0.1-w6.xzdio.x86_64.rpm", NULL},
		{"rpms/format/payload-test-0.1-w9.bzdio.x86_64.rpm", NULL},
		{"rpms/format/payload-test-0.1-w9.gzdio.x86_64.rpm", NULL},
		{"rpms/format/payload-test-0.1-w.ufdio.x86_64.rpm", NULL},
	};

	need_data();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *path = xasprintf(DATA "/%s", cases[i].path);
		_cleanup_(repo_package_free) struct repo_package p = {0};
		struct err e = {0};

		if (cases[i].part)
			refuse(path, cases[i].part);
		else if (read_path(path, NULL, &p, &e) < 0)
			fail_msg("%s", e.msg);
	}
}

static void test_signatures(void **state)
{
	const char *path = DATA "/el7/filesystem-3.2-25.el7.x86_64.rpm", *plain = DATA "/rpms/bad/unsigned.rpm";
	const char *key7 = DATA "/keys/centos/RPM-GPG-KEY-CentOS-7", *key6 = DATA "/keys/centos/RPM-GPG-KEY-CentOS-6";
	_cleanup_(repo_package_free) struct repo_package good = {0}, other = {0}, none = {0};
	_cleanup_strv_ struct strv signers = {0}, wrong = {0};
	struct err e = {0};
	int fd;

	need_data();
	assert_int_equal(read_path(path, key7, &good, NULL), 0);
	assert_null(good.warning);
	assert_string_equal(good.name, "filesystem");
	assert_true(good.files.n > 14000);
	assert_int_equal(read_path(path, key6, &other, NULL), 0);
	assert_string_equal(other.warning, "signed by key f4a80eb5, which is not in the keyring");
	assert_int_equal(read_path(plain, key6, &none, NULL), 0);
	assert_string_equal(none.warning, "not signed");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(package_rpm_verify(fd, path, key7, NULL, NULL), 0);
	assert_error(&e, package_rpm_verify(fd, path, key6, NULL, &e), -ENOKEY, "signed by key f4a80eb5");
	strv_add(&signers, "6341AB2753D78A78A7C27BB124C6A8A7F4A80EB5");
	strv_add(&wrong, "6341AB2753D78A78A7C27BB124C6A8A7F4A80EB6");
	assert_int_equal(package_rpm_verify(fd, path, key7, &signers, NULL), 0);
	assert_error(&e, package_rpm_verify(fd, path, key7, &wrong, &e), -ENOKEY, "not admitted");
	close(fd);
	fd = open(plain, O_RDONLY | O_CLOEXEC);
	assert_error(&e, package_rpm_verify(fd, plain, key7, NULL, &e), -EBADMSG, "is not signed");
	close(fd);
}

/* A single wrong byte anywhere in a signed rpm's header or payload is seen. */
static void test_rpm_bytes(void **state)
{
	_cleanup_free_ char *path = made("byte.rpm");
	_cleanup_buf_ struct buf b = {0};
	_cleanup_close_ int dir = -1;
	size_t header;

	need_data();
	dir = open(DATA "/rpms/format", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(path_read(dir, "payload-test-0.1-w9.gzdio.x86_64.rpm", 1 << 20, &b, NULL), 0);
	/* The signature header, which stands first, is not signed itself. */
	for (header = 200; header < b.len - 4 && memcmp(b.p + header, "\x8e\xad\xe8\x01", 4) != 0;)
		header++;
	assert_true(header < b.len - 1000);
	for (size_t at = header; at < b.len; at += 97) {
		b.p[at] ^= 0x20;
		assert_int_equal(path_write(top, "byte.rpm", b.p, b.len, 0644, NULL), 0);
		refuse(path, "truncated or corrupt");
		b.p[at] ^= 0x20;
	}
	for (size_t n = b.len - 1; n > 131; n -= 131) {
		assert_int_equal(path_write(top, "byte.rpm", b.p, n, 0644, NULL), 0);
		refuse(path, "truncated or corrupt");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deb),        cmocka_unit_test(test_deb_md5),
		cmocka_unit_test(test_deb_wrong),  cmocka_unit_test(test_deb_truncated),
		cmocka_unit_test(test_no_package), cmocka_unit_test(test_data),
		cmocka_unit_test(test_signatures), cmocka_unit_test(test_rpm_bytes),
	};

	return cmocka_run_group_tests(tests, sysroot_setup, sysroot_teardown);
}
