/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a tree says of itself: the family of its package tool, its distribution and its architecture. The tree is
 * hostile: everything is read through path_*, is bounded, and ends as one of our own words or as a label of harmless
 * characters.
 */
#include "vserver/internal.h"

#include <elf.h>

#define TEXT_MAX (64u << 10)
#define LABEL_MAX 32

static const char *const family_names[] = {
	[VS_UNKNOWN] = "unknown",
	[VS_DEBIAN] = "debian",
	[VS_REDHAT] = "redhat",
	[VS_MANDRAKE] = "mandrake",
};

const char *vs_family_name(enum vs_family f)
{
	return (size_t)f < ARRAY_LEN(family_names) ? family_names[f] : family_names[VS_UNKNOWN];
}

enum vs_family vs_family_parse(const char *s)
{
	for (size_t i = VS_DEBIAN; i < ARRAY_LEN(family_names); i++)
		if (strcmp(s, family_names[i]) == 0)
			return (enum vs_family)i;
	return VS_UNKNOWN;
}

static bool has_file(int tree, const char *path)
{
	_cleanup_close_ int fd = path_open_file(tree, path, NULL);

	return fd >= 0;
}

/* ---- the distribution -------------------------------------------------------------------------------------------- */

/* Lower-case letters, digits, and between them single '.', '_' and '-' of s: nothing that could be a path or an option.
 * NULL when none is left. */
static char *label(const char *s, size_t n)
{
	char out[LABEL_MAX + 1];
	size_t len = 0;

	for (size_t i = 0; i < n && len < LABEL_MAX; i++) {
		char c = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] - 'A' + 'a') : s[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    (c && strchr("._-", c) && len && !strchr("._-", out[len - 1])))
			out[len++] = c;
	}
	return len ? xstrndup(out, len) : NULL;
}

/* KEY's value in os-release text. Not conf_parse_shell: a guest's odd line must not hide the others. */
static char *os_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, len) == 0 && p[len] == '=')
			return label(p + len + 1, strcspn(p + len + 1, "\n"));
	}
	return NULL;
}

static bool from_os_release(int tree, char **ret_id, char **ret_version)
{
	static const char *const files[] = {"etc/os-release", "usr/lib/os-release"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_buf_ struct buf text = {0};

		if (path_read(tree, files[i], TEXT_MAX, &text, NULL) < 0)
			continue;
		*ret_id = os_value(text.p, "ID");
		if (!*ret_id)
			continue;
		*ret_version = os_value(text.p, "VERSION_ID");
		if (!*ret_version) /* Debian's testing and unstable have only this */
			*ret_version = os_value(text.p, "VERSION_CODENAME");
		return true;
	}
	return false;
}

/* Releases older than os-release: "CentOS release 6.10 (Final)", "Red Hat Enterprise Linux Server release 5.11 (…)". */
static const struct {
	const char *file, *starts, *id;
	bool major_only; /* as the os-release of its later releases has it */
} release_files[] = {
	{"etc/mandriva-release", "", "mandriva", false},
	{"etc/mageia-release", "", "mageia", false},
	{"etc/mandrakelinux-release", "", "mandrake", false},
	{"etc/mandrake-release", "", "mandrake", false},
	{"etc/redhat-release", "CentOS", "centos", true},
	{"etc/redhat-release", "Red Hat Enterprise", "rhel", true},
	{"etc/redhat-release", "Red Hat Linux", "redhat", false},
	{"etc/redhat-release", "Scientific", "scientific", true},
	{"etc/redhat-release", "Fedora", "fedora", true},
};

static bool from_release_file(int tree, char **ret_id, char **ret_version)
{
	for (size_t i = 0; i < ARRAY_LEN(release_files); i++) {
		_cleanup_buf_ struct buf text = {0};
		const char *version;

		if (path_read(tree, release_files[i].file, TEXT_MAX, &text, NULL) < 0 ||
		    strncmp(text.p, release_files[i].starts, strlen(release_files[i].starts)) != 0)
			continue;
		*ret_id = xstrdup(release_files[i].id);
		version = strstr(text.p, "release ");
		if (version) {
			version += strlen("release ");
			*ret_version = label(
				version, strspn(version, release_files[i].major_only ? "0123456789" : "0123456789."));
		}
		return true;
	}
	return false;
}

/* ---- the family -------------------------------------------------------------------------------------------------- */

static const char *const mandrake_ids[] = {"mageia",        "mandriva",      "mandrake",
					   "mandrivalinux", "mandrakelinux", "openmandriva"};
static const char *const mandrake_files[] = {
	"etc/mandrake-release",
	"etc/mandrakelinux-release",
	"etc/mandriva-release",
	"etc/mageia-release",
};

static bool is_mandrake(int tree, const char *id)
{
	for (size_t i = 0; id && i < ARRAY_LEN(mandrake_ids); i++)
		if (strcmp(id, mandrake_ids[i]) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(mandrake_files); i++)
		if (has_file(tree, mandrake_files[i]))
			return true;
	return false;
}

/* The tool that owns the tree; its path in *ret_tool. */
static enum vs_family find_family(int tree, const char *id, const char **ret_tool)
{
	bool dpkg = has_file(tree, "usr/bin/dpkg") && has_file(tree, "var/lib/dpkg/status");
	const char *rpm = has_file(tree, "usr/bin/rpm") ? "usr/bin/rpm" : has_file(tree, "bin/rpm") ? "bin/rpm" : NULL;

	/* Each of the two tools is also a package of the other's distributions. */
	if (dpkg && (!rpm || has_file(tree, "etc/debian_version"))) {
		*ret_tool = "usr/bin/dpkg";
		return VS_DEBIAN;
	}
	if (!rpm)
		return VS_UNKNOWN;
	*ret_tool = rpm;
	return is_mandrake(tree, id) ? VS_MANDRAKE : VS_REDHAT;
}

/* ---- the architecture -------------------------------------------------------------------------------------------- */

static const struct {
	uint16_t machine;
	uint8_t class, data;
	const char *dpkg, *rpm;
} machines[] = {
	{EM_X86_64, ELFCLASS64, ELFDATA2LSB, "amd64", "x86_64"},
	{EM_X86_64, ELFCLASS32, ELFDATA2LSB, "x32", "x86_64"},
	{EM_386, ELFCLASS32, ELFDATA2LSB, "i386", "i686"},
	{EM_AARCH64, ELFCLASS64, ELFDATA2LSB, "arm64", "aarch64"},
	{EM_ARM, ELFCLASS32, ELFDATA2LSB, "armhf", "armv7hl"},
	{EM_PPC64, ELFCLASS64, ELFDATA2LSB, "ppc64el", "ppc64le"},
	{EM_PPC64, ELFCLASS64, ELFDATA2MSB, "ppc64", "ppc64"},
	{EM_S390, ELFCLASS64, ELFDATA2MSB, "s390x", "s390x"},
	{EM_RISCV, ELFCLASS64, ELFDATA2LSB, "riscv64", "riscv64"},
	{EM_MIPS, ELFCLASS64, ELFDATA2LSB, "mips64el", "mips64el"},
	{EM_MIPS, ELFCLASS32, ELFDATA2LSB, "mipsel", "mipsel"},
};

/* By the tool's own program, whatever a database or a file in the tree claims. */
static char *find_arch(int tree, const char *tool, enum vs_family family)
{
	_cleanup_close_ int fd = path_open_file(tree, tool, NULL);
	unsigned char h[20];
	uint16_t machine;

	if (fd < 0 || pread(fd, h, sizeof(h), 0) != sizeof(h) || memcmp(h, ELFMAG, SELFMAG) != 0)
		return NULL;
	machine = (uint16_t)(h[EI_DATA] == ELFDATA2MSB ? h[18] << 8 | h[19] : h[19] << 8 | h[18]);
	for (size_t i = 0; i < ARRAY_LEN(machines); i++)
		if (machines[i].machine == machine && machines[i].class == h[EI_CLASS] &&
		    machines[i].data == h[EI_DATA])
			return xstrdup(family == VS_DEBIAN ? machines[i].dpkg : machines[i].rpm);
	return NULL;
}

int vs_detect(int tree, enum vs_family *ret, char **ret_distro, char **ret_arch)
{
	_cleanup_free_ char *id = NULL, *version = NULL;
	const char *tool = NULL;

	if (!from_os_release(tree, &id, &version))
		from_release_file(tree, &id, &version);
	*ret = find_family(tree, id, &tool);
	*ret_arch = tool ? find_arch(tree, tool, *ret) : NULL;
	*ret_distro = id && version ? xasprintf("%s/%s", id, version) : xstrdup(id);
	return 0;
}
