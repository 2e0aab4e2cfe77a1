/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vserver/family.c: what trees say of themselves, honest and hostile ones.
 */
#include "tests/unit/vserver_sandbox.h"

#include <elf.h>

struct expected {
	enum vs_family family;
	const char *distro, *arch;
};

static void check(const struct expected *x, const char *what)
{
	_cleanup_free_ char *path = place("/tree"), *distro = NULL, *arch = NULL;
	_cleanup_close_ int tree = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	enum vs_family family;

	assert_true(tree >= 0);
	assert_int_equal(vs_detect(tree, &family, &distro, &arch), 0);
	if (family != x->family || strcmp(distro ? distro : "", x->distro) != 0 ||
	    strcmp(arch ? arch : "", x->arch) != 0)
		fail_msg("%s: %s, %s, %s", what, vs_family_name(family), distro, arch);
}

static void in_tree(const char *path, const char *text)
{
	_cleanup_free_ char *full = xasprintf("/tree/%s", path);

	put(full, text);
}

static void put_elf(const char *path, unsigned char class, unsigned char data, uint16_t machine)
{
	_cleanup_free_ char *full = place("/tree/%s", path);
	unsigned char h[64] = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, class, data, EV_CURRENT};
	_cleanup_close_ int fd = -1;

	h[data == ELFDATA2MSB ? 19 : 18] = machine & 0xff;
	h[data == ELFDATA2MSB ? 18 : 19] = (unsigned char)(machine >> 8);
	in_tree(path, "");
	fd = open(full, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, h, sizeof(h)), sizeof(h));
}

static void clear(void)
{
	assert_int_equal(tree_remove(top, "tree", NULL, NULL), 0);
}

static void debian_like(void)
{
	in_tree("var/lib/dpkg/status", "");
	put_elf("usr/bin/dpkg", ELFCLASS64, ELFDATA2LSB, EM_X86_64);
}

static void rpm_like(const char *rpm)
{
	put_elf(rpm, ELFCLASS64, ELFDATA2LSB, EM_X86_64);
}

static void families(void **state)
{
	debian_like();
	in_tree("usr/lib/os-release", "NAME=x\nID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n");
	check(&(struct expected){VS_DEBIAN, "debian/12", "amd64"}, "debian");
	rpm_like("usr/bin/rpm");
	in_tree("etc/debian_version", "12.1\n");
	check(&(struct expected){VS_DEBIAN, "debian/12", "amd64"}, "debian with rpm");
	clear();

	rpm_like("usr/bin/rpm");
	debian_like();
	in_tree("etc/os-release", "ID=fedora\nVERSION_ID=41\n");
	check(&(struct expected){VS_REDHAT, "fedora/41", "x86_64"}, "fedora with dpkg");
	clear();

	debian_like();
	in_tree("etc/os-release", "VERSION_CODENAME=forky\nID='debian'\n");
	check(&(struct expected){VS_DEBIAN, "debian/forky", "amd64"}, "debian testing");
	clear();

	rpm_like("bin/rpm");
	in_tree("etc/redhat-release", "CentOS release 6.10 (Final)\n");
	check(&(struct expected){VS_REDHAT, "centos/6", "x86_64"}, "centos 6");
	in_tree("etc/redhat-release", "Red Hat Enterprise Linux Server release 5.11 (Tikanga)\n");
	check(&(struct expected){VS_REDHAT, "rhel/5", "x86_64"}, "rhel 5");
	in_tree("etc/redhat-release", "Something Else\n");
	check(&(struct expected){VS_REDHAT, "", "x86_64"}, "unknown rpm");
	in_tree("etc/mandrake-release", "Mandrake Linux release 9.2 (FiveStar) for i586\n");
	check(&(struct expected){VS_MANDRAKE, "mandrake/9.2", "x86_64"}, "mandrake 9.2");
	clear();

	rpm_like("usr/bin/rpm");
	in_tree("etc/os-release", "ID=mageia\nVERSION_ID=9\nID_LIKE=\"mandriva fedora\"\n");
	check(&(struct expected){VS_MANDRAKE, "mageia/9", "x86_64"}, "mageia");
	clear();

	in_tree("etc/os-release", "ID=alpine\nVERSION_ID=3.20\n");
	check(&(struct expected){VS_UNKNOWN, "alpine/3.20", ""}, "alpine");
	clear();

	in_tree("var/lib/dpkg/status", "");
	check(&(struct expected){VS_UNKNOWN, "", ""}, "a database without its tool");
}

static void architectures(void **state)
{
	static const struct {
		unsigned char class, data;
		uint16_t machine;
		const char *deb, *rpm;
	} all[] = {
		{ELFCLASS64, ELFDATA2LSB, EM_X86_64, "amd64", "x86_64"},
		{ELFCLASS32, ELFDATA2LSB, EM_386, "i386", "i686"},
		{ELFCLASS64, ELFDATA2LSB, EM_AARCH64, "arm64", "aarch64"},
		{ELFCLASS64, ELFDATA2LSB, EM_PPC64, "ppc64el", "ppc64le"},
		{ELFCLASS64, ELFDATA2MSB, EM_S390, "s390x", "s390x"},
		{ELFCLASS64, ELFDATA2LSB, EM_RISCV, "riscv64", "riscv64"},
		{ELFCLASS64, ELFDATA2LSB, EM_VAX, "", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		in_tree("var/lib/dpkg/status", "");
		put_elf("usr/bin/dpkg", all[i].class, all[i].data, all[i].machine);
		check(&(struct expected){VS_DEBIAN, "", all[i].deb}, all[i].deb);
		clear();
		put_elf("usr/bin/rpm", all[i].class, all[i].data, all[i].machine);
		check(&(struct expected){VS_REDHAT, "", all[i].rpm}, all[i].rpm);
		clear();
	}
	in_tree("usr/bin/rpm", "#!/bin/sh\n");
	check(&(struct expected){VS_REDHAT, "", ""}, "a script");
}

/* A tree may say what it likes: it is a label of harmless characters at most, and nothing outside is read. */
static void hostile(void **state)
{
	_cleanup_free_ char *file = place("/tree/etc/os-release"), *dpkg = place("/tree/usr/bin/dpkg"),
			    *big = xmalloc(70001);
	_cleanup_free_ char *secret = place("/secret");

	in_tree("etc/os-release", "ID=\"\033[31mDe;b$(id)/../x\"\nVERSION_ID=1 2\r3\n");
	check(&(struct expected){VS_UNKNOWN, "31mdebid.x/123", ""}, "escapes");
	in_tree("etc/os-release", "ID=../../-x\nVERSION_ID=..\n");
	check(&(struct expected){VS_UNKNOWN, "x", ""}, "a path");
	in_tree("etc/os-release", "ID=aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee\n");
	check(&(struct expected){VS_UNKNOWN, "aaaaaaaaaabbbbbbbbbbccccccccccdd", ""}, "long");
	memset(big, 'x', 70000);
	big[70000] = 0;
	memcpy(big, "ID=debian\n", 10);
	in_tree("etc/os-release", big);
	check(&(struct expected){VS_UNKNOWN, "", ""}, "too large");

	/* Links to the host's: inside the tree they lead to nothing. */
	put("/secret", "ID=secret\n");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(symlink("../../../../../../../../../../../../../../secret", file), 0);
	check(&(struct expected){VS_UNKNOWN, "", ""}, "link upwards");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(symlink(secret, file), 0);
	check(&(struct expected){VS_UNKNOWN, "", ""}, "absolute link");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(symlink("os-release", file), 0);
	check(&(struct expected){VS_UNKNOWN, "", ""}, "loop");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkfifo(file, 0644), 0);
	check(&(struct expected){VS_UNKNOWN, "", ""}, "a fifo, which nobody writes");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkdir(file, 0755), 0);
	debian_like();
	check(&(struct expected){VS_DEBIAN, "", "amd64"}, "a directory");
	assert_int_equal(truncate(dpkg, 7), 0);
	check(&(struct expected){VS_DEBIAN, "", ""}, "a cut program");
}

static void names(void **state)
{
	for (enum vs_family f = VS_UNKNOWN; f <= VS_MANDRAKE; f++)
		assert_int_equal(vs_family_parse(vs_family_name(f)), f);
	assert_int_equal(vs_family_parse("suse"), VS_UNKNOWN);
	assert_string_equal(vs_family_name((enum vs_family)77), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {T(families), T(architectures), T(hostile), T(names)};

	const char *missing = sandbox_calls_missing();

	return missing ? skip_all(missing) : cmocka_run_group_tests(tests, NULL, NULL);
}
