/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Debian package files, read to their last byte by libarchive: an ar archive of debian-binary, control.tar.* and
 * data.tar.*. Runs in the sandbox.
 */
#include "repo/internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <openssl/evp.h>

#define CONTROL_MAX (16u << 20)
#define DATA_MAX (64ull << 30)
#define CHUNK 65536
#define MD5_LEN 16

struct deb {
	struct archive *ar;
	char chunk[CHUNK];
	bool have_format, have_control, have_data;
	struct buf control, conffiles, md5sums;
	struct strv sums; /* "path\nhex", sorted */
	struct strv files;
	uint64_t unpacked;
	char *differs; /* first file whose MD5 is not the listed one */
};

static void deb_free(struct deb *d)
{
	archive_read_free(d->ar);
	buf_free(&d->control);
	buf_free(&d->conffiles);
	buf_free(&d->md5sums);
	strv_free(&d->sums);
	strv_free(&d->files);
	free(d->differs);
}

static int corrupt(struct archive *a, const char *where, struct err *e)
{
	const char *text = archive_error_string(a);

	return err_set(e, -EBADMSG, "truncated or corrupt %s%s%s", where, text ? ": " : "", text ? text : "");
}

static la_ssize_t read_member(struct archive *inner, void *arg, const void **ret)
{
	struct deb *d = arg;
	la_ssize_t n = archive_read_data(d->ar, d->chunk, sizeof(d->chunk));

	if (n < 0) {
		archive_set_error(inner, EIO, "%s", archive_error_string(d->ar));
		return -1;
	}
	*ret = d->chunk;
	return n;
}

static struct archive *open_tar(struct deb *d)
{
	struct archive *a = archive_read_new();

	/* By name: the filters that start a program are of no use in the sandbox and no business of a package's. */
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_lzma(a);
	archive_read_support_format_tar(a);
	archive_read_support_format_empty(a);
	archive_read_open(a, d, NULL, read_member, NULL);
	return a;
}

/* "./usr/bin/x/" as "usr/bin/x"; NULL for the root and for what is no path inside it. */
static char *clean_path(const char *path)
{
	size_t n;

	while (path && (path[0] == '/' || (path[0] == '.' && (path[1] == '/' || path[1] == 0))))
		path++;
	n = path ? strlen(path) : 0;
	while (n > 0 && path[n - 1] == '/')
		n--;
	return n ? xstrndup(path, n) : NULL;
}

static bool climbs(const char *path)
{
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == 0))
			return true;
	}
	return false;
}

static int slurp_entry(struct archive *a, struct buf *ret, struct err *e)
{
	char chunk[8192];
	la_ssize_t n;

	buf_add(ret, "", 0);
	while ((n = archive_read_data(a, chunk, sizeof(chunk))) > 0) {
		buf_add(ret, chunk, (size_t)n);
		if (ret->len > CONTROL_MAX)
			return err_set(e, -EFBIG, "a file of its control archive is larger than %u bytes", CONTROL_MAX);
	}
	return n < 0 ? corrupt(a, "control archive", e) : 0;
}

static int control_entry(struct deb *d, struct archive *a, struct archive_entry *entry, struct err *e)
{
	const struct {
		const char *name;
		struct buf *to;
	} wanted[] = {{"control", &d->control}, {"conffiles", &d->conffiles}, {"md5sums", &d->md5sums}};
	_cleanup_free_ char *path = clean_path(archive_entry_pathname(entry));

	for (size_t i = 0; path && i < ARRAY_LEN(wanted); i++)
		if (strcmp(path, wanted[i].name) == 0 && wanted[i].to->len == 0)
			return slurp_entry(a, wanted[i].to, e);
	return 0;
}

static int by_path(const void *key, const void *item)
{
	const char *path = key, *line = *(const char *const *)item;
	size_t n = strcspn(line, "\n");
	int c = strncmp(path, line, n);

	return c ? c : path[n] ? 1 : 0;
}

/* "HEX  path" lines become "path\nhex". */
static void index_sums(struct deb *d)
{
	_cleanup_strv_ struct strv lines = {0};

	strv_split(&lines, d->md5sums.p ? d->md5sums.p : "", "\n");
	for (size_t i = 0; i < lines.n; i++) {
		size_t hex = strspn(lines.v[i], "0123456789abcdef");
		const char *path = lines.v[i] + hex;

		if (hex == 2 * MD5_LEN && path[0] == ' ') {
			_cleanup_free_ char *clean = clean_path(path + strspn(path, " "));

			if (clean)
				strv_addf(&d->sums, "%s\n%.*s", clean, (int)hex, lines.v[i]);
		}
	}
	strv_sort(&d->sums);
}

static int data_file(struct deb *d, struct archive *a, const char *path, struct err *e)
{
	char **line = d->sums.n ? bsearch(path, d->sums.v, d->sums.n, sizeof(*d->sums.v), by_path) : NULL;
	EVP_MD_CTX *md5 = line ? EVP_MD_CTX_new() : NULL;
	unsigned char sum[EVP_MAX_MD_SIZE];
	char chunk[32768], hex[2 * MD5_LEN + 1];
	la_ssize_t n;

	if (md5 && EVP_DigestInit_ex(md5, EVP_md5(), NULL) != 1) {
		EVP_MD_CTX_free(md5); /* a host where MD5 is forbidden */
		md5 = NULL;
	}
	while ((n = archive_read_data(a, chunk, sizeof(chunk))) > 0) {
		d->unpacked += (uint64_t)n;
		if (md5)
			EVP_DigestUpdate(md5, chunk, (size_t)n);
		if (d->unpacked > DATA_MAX)
			break;
	}
	if (n == 0 && md5 && EVP_DigestFinal_ex(md5, sum, NULL) == 1) {
		text_hex(hex, sum, MD5_LEN);
		if (strcmp(hex, strchr(*line, '\n') + 1) != 0 && !d->differs)
			d->differs = xstrdup(path);
	}
	EVP_MD_CTX_free(md5);
	if (d->unpacked > DATA_MAX)
		return err_set(e, -EFBIG, "unpacks to more than %llu GiB", DATA_MAX >> 30);
	return n < 0 ? corrupt(a, "data archive", e) : 0;
}

static int data_entry(struct deb *d, struct archive *a, struct archive_entry *entry, struct err *e)
{
	_cleanup_free_ char *path = clean_path(archive_entry_pathname(entry));

	if (!path)
		return 0;
	if (climbs(path))
		return err_set(e, -EBADMSG, "holds a path that leads out of the tree: %s", path);
	strv_addf(&d->files, "/%s", path);
	if (archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry))
		return data_file(d, a, path, e);
	return 0;
}

static int read_tar(struct deb *d, const char *what, uint64_t size,
		    int (*fn)(struct deb *, struct archive *, struct archive_entry *, struct err *), struct err *e)
{
	struct archive *a = open_tar(d);
	struct archive_entry *entry;
	la_ssize_t n;
	int r = 0, h;

	while ((h = archive_read_next_header(a, &entry)) == ARCHIVE_OK || h == ARCHIVE_WARN) {
		r = fn(d, a, entry, e);
		if (r < 0)
			break;
	}
	if (r == 0 && h != ARCHIVE_EOF)
		r = corrupt(a, what, e);
	/* What follows the tar's own end (padding, the compressor's trailer) must be there too. */
	while (r == 0 && (n = archive_read_data(d->ar, d->chunk, sizeof(d->chunk))) != 0)
		if (n < 0)
			r = corrupt(d->ar, what, e);
	if (r == 0 && size == 0)
		r = err_set(e, -EBADMSG, "its %s is empty", what);
	archive_read_free(a);
	return r;
}

static int format_member(struct deb *d, struct err *e)
{
	la_ssize_t n = archive_read_data(d->ar, d->chunk, 16);

	if (n < 3 || d->chunk[0] != '2' || d->chunk[1] != '.')
		return err_set(e, -EBADMSG, "is of another format version than 2");
	d->have_format = true;
	return 0;
}

static int ar_member(struct deb *d, struct archive_entry *entry, bool control_only, struct err *e)
{
	const char *name = archive_entry_pathname(entry);
	uint64_t size = (uint64_t)archive_entry_size(entry);
	int r = 0;

	if (!name)
		return err_set(e, -EBADMSG, "truncated or corrupt: a member without a name");
	if (strcmp(name, "debian-binary") == 0 && !d->have_format)
		return format_member(d, e);
	if (strncmp(name, "control.tar", 11) == 0 && !d->have_control) {
		r = read_tar(d, "control archive", size, control_entry, e);
		d->have_control = true;
		index_sums(d);
	} else if (strncmp(name, "data.tar", 8) == 0 && !d->have_data && !control_only) {
		if (!d->have_control)
			return err_set(e, -EBADMSG, "has its data before its control archive");
		r = read_tar(d, "data archive", size, data_entry, e);
		d->have_data = true;
	}
	return r;
}

static int read_deb(int fd, struct deb *d, bool control_only, struct err *e)
{
	struct archive_entry *entry;
	int r = 0, h;

	d->ar = archive_read_new();
	archive_read_support_format_ar(d->ar);
	if (archive_read_open_fd(d->ar, fd, CHUNK) != ARCHIVE_OK)
		return corrupt(d->ar, "package", e);
	while ((h = archive_read_next_header(d->ar, &entry)) == ARCHIVE_OK || h == ARCHIVE_WARN) {
		r = ar_member(d, entry, control_only, e);
		if (r < 0 || (control_only && d->have_control))
			return r;
	}
	if (h != ARCHIVE_EOF)
		return corrupt(d->ar, "package", e);
	if (!d->have_format || !d->have_control || (!d->have_data && !control_only))
		return err_set(e, -EBADMSG, "truncated or corrupt: has no %s",
			       !d->have_format    ? "debian-binary"
			       : !d->have_control ? "control archive"
						  : "data archive");
	return 0;
}

int package_deb_control(int fd, struct buf *ret, struct err *e)
{
	_cleanup_(deb_free) struct deb d = {0};
	int r = read_deb(fd, &d, true, e);

	if (r < 0)
		return r;
	if (d.control.len == 0)
		return err_set(e, -EBADMSG, "its control file is missing or empty");
	*ret = d.control;
	d.control = (struct buf){0};
	return 0;
}

static int field(const struct deb *d, const char *name, char **ret, struct err *e)
{
	*ret = stanza_field(d->control.p ? d->control.p : "", d->control.len, name);
	if (*ret && **ret)
		return 0;
	return err_set(e, -EBADMSG, "its control file has no field %s", name);
}

static bool field_is(const struct deb *d, const char *name, const char *value)
{
	_cleanup_free_ char *v = stanza_field(d->control.p, d->control.len, name);

	return v && strcmp(v, value) == 0;
}

int package_deb_read(int fd, struct repo_package *ret, struct err *e)
{
	_cleanup_(deb_free) struct deb d = {0};
	_cleanup_free_ char *size = NULL;
	_cleanup_strv_ struct strv lines = {0};
	int r = read_deb(fd, &d, false, e);

	if (r == 0)
		r = field(&d, "Package", &ret->name, e);
	if (r == 0)
		r = field(&d, "Version", &ret->evr, e);
	if (r == 0)
		r = field(&d, "Architecture", &ret->arch, e);
	if (r < 0)
		return r;
	size = stanza_field(d.control.p, d.control.len, "Installed-Size");
	if (size && text_uint(size, 0, UINT64_MAX >> 11, &ret->installed) == 0)
		ret->installed <<= 10;
	ret->essential = field_is(&d, "Essential", "yes");
	ret->required = field_is(&d, "Priority", "required");
	strv_split(&lines, d.conffiles.p ? d.conffiles.p : "", "\r\n");
	for (size_t i = 0; i < lines.n; i++) {
		size_t n = strlen(lines.v[i]);

		while (n > 0 && strchr(" \t", lines.v[i][n - 1]))
			lines.v[i][--n] = 0;
		if (lines.v[i][0] == '/') /* and not "remove-on-upgrade /etc/…": that is not in the package */
			strv_add(&ret->conffiles, lines.v[i]);
	}
	ret->files = d.files;
	d.files = (struct strv){0};
	if (d.differs)
		ret->warning = xasprintf("/%s is not what the package's md5sums says", d.differs);
	return 0;
}
