/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A package file, whoever brought it: what it is by its first bytes, then its format's reader in a sandbox.
 */
#include "repo/internal.h"

#define SECONDS 300

struct read_job {
	int fd;
	enum repo_format format;
	struct rpm_keys keys;
	const char *label;
};

void repo_package_free(struct repo_package *p)
{
	free(p->name);
	free(p->evr);
	free(p->arch);
	free(p->file);
	free(p->url);
	free(p->warning);
	free(p->must_sign);
	strv_free(&p->signers);
	strv_free(&p->files);
	strv_free(&p->conffiles);
	*p = (struct repo_package){0};
}

int package_detect(int fd, const char *label, enum repo_format *ret, struct err *e)
{
	static const struct {
		const char *magic;
		size_t len;
		const char *what;
	} others[] = {
		{"-----BEGIN PGP PUBLIC KEY", 25, "an OpenPGP key"},
		{"0707", 4, "a cpio archive"},
		{"\x1f\x8b", 2, "a gzip file"},
		{"\xfd"
		 "7zXZ",
		 5, "an xz file"},
		{"BZh", 3, "a bzip2 file"},
		{"PK\x03\x04", 4, "a zip file"},
		{"\x7f"
		 "ELF",
		 4, "a program"},
		{"#!", 2, "a script"},
		{"drpm", 4, "a delta rpm"},
		{"<", 1, "a web page or XML file (was it fetched from the right address?)"},
	};
	char head[64] = {0};
	ssize_t n = pread(fd, head, sizeof(head), 0);

	if (n < 0)
		return err_sys(e, "%s", label);
	if (n == 0)
		return err_set(e, -EBADMSG, "%s: not a package: the file is empty", label);
	if (n >= 4 && memcmp(head, "\xed\xab\xee\xdb", 4) == 0) {
		*ret = REPO_RPM;
		return 0;
	}
	if (n >= 21 && memcmp(head, "!<arch>\ndebian-binary", 21) == 0) {
		*ret = REPO_DEB;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if ((size_t)n >= others[i].len && memcmp(head, others[i].magic, others[i].len) == 0)
			return err_set(e, -EBADMSG, "%s: not a package: it is %s", label, others[i].what);
	return err_set(e, -EBADMSG, "%s: not a package: neither a .deb nor an .rpm", label);
}

static bool name_ok(const char *s)
{
	if (!*s || *s == '-' || *s == '.' || strlen(s) > 255)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f || *s == '/')
			return false;
	return true;
}

static int read_in_sandbox(int out, void *arg, struct err *e)
{
	_cleanup_(repo_package_free) struct repo_package p = {0};
	_cleanup_buf_ struct buf b = {0};
	struct read_job *j = arg;
	int r;

	p.format = j->format;
	r = j->format == REPO_DEB ? package_deb_read(j->fd, &p, e) : package_rpm_read(j->fd, &j->keys, &p, e);
	if (r < 0)
		return r;
	wire_package(&b, &p);
	return wire_send(out, &b, e);
}

static int read_package(struct read_job *j, struct repo_package *p, struct err *e)
{
	_cleanup_buf_ struct buf out = {0};
	struct wire w;
	int r;

	r = lseek(j->fd, 0, SEEK_SET) < 0 ? err_sys(e, "%s", j->label) : 0;
	if (r == 0)
		r = sandbox_call(read_in_sandbox, j, -1, &j->fd, 1, SECONDS, &out, e);
	if (r < 0)
		return err_wrap(e, "%s", j->label);
	w = (struct wire){.p = out.p, .end = out.p + out.len};
	wire_get_package(&w, p);
	if (w.bad || p->format != j->format)
		return err_set(e, -EBADMSG, "%s: its reader broke", j->label);
	if (!name_ok(p->name) || !name_ok(p->evr) || !name_ok(p->arch))
		return err_set(e, -EBADMSG, "%s: has no usable name, version and architecture", j->label);
	return 0;
}

int repo_package_read(int fd, const char *label, const char *keyring, struct repo_package *ret, struct err *e)
{
	_cleanup_(repo_package_free) struct repo_package p = {0};
	struct read_job j = {.fd = fd, .label = label};
	_cleanup_buf_ struct buf keys = {0};
	const char *slash = strrchr(label, '/');
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "%s", label);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EBADMSG, "%s: not a package: not a regular file", label);
	r = package_detect(fd, label, &j.format, e);
	if (r == 0 && j.format == REPO_RPM)
		r = package_rpm_prepare(e);
	if (r == 0 && j.format == REPO_RPM && keyring)
		r = keyring_read(keyring, &keys, e);
	if (r < 0)
		return r;
	j.keys = (struct rpm_keys){.p = keys.p, .n = keys.len};
	r = read_package(&j, &p, e);
	if (r < 0)
		return r;
	r = digest_fd(fd, p.sha256);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "%s", label);
	}
	p.has_digest = true;
	p.size = (uint64_t)st.st_size;
	free(p.file);
	p.file = xstrdup(slash ? slash + 1 : label);
	*ret = p;
	p = (struct repo_package){0};
	return 0;
}

static int check_in_sandbox(int out, void *arg, struct err *e)
{
	struct read_job *j = arg;

	return package_rpm_check(j->fd, &j->keys, NULL, e);
}

int package_rpm_verify(int fd, const char *label, const char *keyring, const struct strv *signers, struct err *e)
{
	struct read_job j = {.fd = fd, .label = label};
	_cleanup_buf_ struct buf keys = {0};
	int r = package_detect(fd, label, &j.format, e);

	if (r == 0 && j.format != REPO_RPM)
		r = err_set(e, -EBADMSG, "%s: not an rpm", label);
	if (r == 0)
		r = package_rpm_prepare(e);
	if (r == 0)
		r = keyring_read(keyring, &keys, e);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = err_sys(e, "%s", label);
	if (r < 0)
		return r;
	j.keys = (struct rpm_keys){.p = keys.p, .n = keys.len, .signers = signers, .must_sign = true};
	r = sandbox_call(check_in_sandbox, &j, -1, &fd, 1, SECONDS, NULL, e);
	return r < 0 ? err_wrap(e, "%s", label) : 0;
}
