/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reads a .deb as a stream: an ar archive whose members control.tar.* and data.tar.* are tar archives, each read
 * through libarchive straight out of the outer one.
 */
#include "bootstrap/debian.h"

#define CONTROL_MAX (32u << 20)

/* Only what dpkg itself accepts, and all of it within the process (the catch-all filters of libarchive run programs).
 */
static void accept_filters(struct archive *a)
{
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_lzma(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_zstd(a);
}

int deb_bad(const struct deb *d, struct err *e)
{
	const char *why = archive_error_string(d->tar ? d->tar : d->outer);
	return err_set(e, -EBADMSG, "%s: not a readable Debian package: %s", d->label, why ? why : "it ends early");
}

int deb_open(struct deb *d, int fd, const char *label, struct err *e)
{
	*d = (struct deb){.label = label, .outer = archive_read_new()};
	archive_read_support_format_ar(d->outer);
	if (archive_read_open_fd(d->outer, fd, 256u << 10) != ARCHIVE_OK) {
		int r = deb_bad(d, e);
		deb_close(d);
		return r;
	}
	return 0;
}

static la_ssize_t outer_read(struct archive *a, void *arg, const void **ret)
{
	struct deb *d = arg;
	size_t n = 0;
	la_int64_t offset;
	int r = archive_read_data_block(d->outer, ret, &n, &offset);
	if (r == ARCHIVE_EOF)
		return 0;
	if (r < ARCHIVE_WARN) {
		archive_set_error(a, EIO, "%s", archive_error_string(d->outer));
		return -1;
	}
	return (la_ssize_t)n;
}

static void tar_close(struct deb *d)
{
	if (d->tar)
		archive_read_free(d->tar);
	d->tar = NULL;
}

int deb_member(struct deb *d, const char *prefix, struct err *e)
{
	struct archive_entry *ae;
	tar_close(d);
	for (int r; (r = archive_read_next_header(d->outer, &ae)) != ARCHIVE_EOF;) {
		if (r < ARCHIVE_WARN)
			return deb_bad(d, e);
		const char *name = archive_entry_pathname(ae);
		if (!name || strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		d->tar = archive_read_new();
		archive_read_support_format_tar(d->tar);
		accept_filters(d->tar);
		return archive_read_open(d->tar, d, NULL, outer_read, NULL) == ARCHIVE_OK ? 0 : deb_bad(d, e);
	}
	return err_set(e, -EBADMSG, "%s: not a Debian package: it has no %s", d->label, prefix);
}

int deb_entry_read(struct deb *d, size_t max, struct buf *ret, struct err *e)
{
	buf_add(ret, "", 0);
	for (;;) {
		char chunk[16384];
		la_ssize_t n = archive_read_data(d->tar, chunk, sizeof chunk);
		if (n == 0)
			return 0;
		if (n < 0)
			return deb_bad(d, e);
		if (ret->len + (size_t)n > max)
			return err_set(e, -EFBIG, "%s: a control file above %zu bytes", d->label, max);
		buf_add(ret, chunk, (size_t)n);
	}
}

void deb_close(struct deb *d)
{
	tar_close(d);
	if (d->outer)
		archive_read_free(d->outer);
	d->outer = NULL;
}

char *deb_field(const struct buf *control, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = control->p; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		if (strncasecmp(p, name, n) != 0 || p[n] != ':')
			continue;
		struct buf value = {0};
		for (p += n + 1;;) {
			size_t len = strcspn(p, "\n");
			const char *from = p + strspn(p, " \t");
			const char *end = p + len;
			while (end > from && strchr(" \t\r", end[-1]))
				end--;
			if (value.len)
				buf_adds(&value, " ");
			buf_add(&value, from, end > from ? (size_t)(end - from) : 0);
			p += len;
			if (p[0] != '\n' || (p[1] != ' ' && p[1] != '\t'))
				return value.p;
			p++;
		}
	}
	return NULL;
}

/* Lines that are no plain path ("remove-on-upgrade /etc/x") name files that the archive does not hold. */
static void conffiles_parse(const struct buf *text, struct strv *ret)
{
	_cleanup_strv_ struct strv lines = {0};
	strv_split(&lines, text->p ? text->p : "", "\n");
	for (size_t i = 0; i < lines.n; i++)
		if (lines.v[i][0] == '/') {
			lines.v[i][strcspn(lines.v[i], " \t\r")] = 0;
			strv_add(ret, lines.v[i]);
		}
}

static bool is_control_name(const char *s)
{
	return *s && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+")] == 0;
}

static int control_member(struct deb *d, struct archive_entry *ae, struct deb_control *c, struct err *e)
{
	const char *name = archive_entry_pathname(ae);
	if (!name || archive_entry_filetype(ae) != AE_IFREG)
		return 0;
	name += strncmp(name, "./", 2) == 0 ? 2 : 0;
	if (strcmp(name, "control") == 0)
		return deb_entry_read(d, CONTROL_MAX, &c->text, e);
	if (!is_control_name(name))
		return err_set(e, -EBADMSG, "%s: odd name in its control archive", d->label);
	c->files = xrealloc(c->files, (c->n_files + 1) * sizeof *c->files);
	struct deb_file *f = &c->files[c->n_files++];
	*f = (struct deb_file){.name = xstrdup(name), .mode = archive_entry_perm(ae), .mtime = archive_entry_mtime(ae)};
	int r = deb_entry_read(d, CONTROL_MAX, &f->data, e);
	if (r == 0 && strcmp(name, "conffiles") == 0)
		conffiles_parse(&f->data, &c->conffiles);
	return r;
}

int deb_control_read(struct deb *d, struct deb_control *ret, struct err *e)
{
	struct deb_control c = {0};
	struct archive_entry *ae;
	int r = deb_member(d, "control.tar", e);
	while (r == 0) {
		int a = archive_read_next_header(d->tar, &ae);
		if (a == ARCHIVE_EOF)
			break;
		r = a < ARCHIVE_WARN ? deb_bad(d, e) : control_member(d, ae, &c, e);
	}
	if (r == 0) {
		_cleanup_free_ char *multi = deb_field(&c.text, "Multi-Arch");
		c.package = deb_field(&c.text, "Package");
		c.arch = deb_field(&c.text, "Architecture");
		c.same = multi && strcmp(multi, "same") == 0;
		if (!c.package || !c.arch || strchr(c.package, '/') || strchr(c.arch, '/') || c.package[0] == '.')
			r = err_set(e, -EBADMSG, "%s: its control file names no package or architecture", d->label);
	}
	if (r < 0)
		deb_control_free(&c);
	else
		*ret = c;
	return r;
}

void deb_control_free(struct deb_control *c)
{
	buf_free(&c->text);
	for (size_t i = 0; i < c->n_files; i++) {
		free(c->files[i].name);
		buf_free(&c->files[i].data);
	}
	free(c->files);
	free(c->package);
	free(c->arch);
	strv_free(&c->conffiles);
	*c = (struct deb_control){0};
}
