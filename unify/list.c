/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which files a vserver's package database lists: dpkg's plain lists are read from the tree, an rpm database only by
 * the vserver's own rpm in its context. All of it is a guest's word: any bytes are accepted, and nothing that is listed
 * leads anywhere but into the same tree.
 */
#include "unify/internal.h"

#include <dirent.h>

#define INFO "var/lib/dpkg/info"
#define LIST_MAX (64u << 20)

/* rpm's file flags and mode */
#define FLAG_CONFIG (1u << 0)
#define FLAG_GHOST (1u << 6)

/* Calls fn for each line that is not empty and holds no NUL. */
static void each_line(const char *text, size_t len, void (*fn)(char *line, struct strv *a, struct strv *b),
		      struct strv *a, struct strv *b)
{
	const char *end = text + len;

	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((nl ? nl : end) - text);

		if (n > 0 && n < 4096 && !memchr(text, '\0', n)) {
			_cleanup_free_ char *line = xstrndup(text, n);

			fn(line, a, b);
		}
		text += n + 1;
	}
}

static void dpkg_line(char *line, struct strv *files, struct strv *unused)
{
	if (line[0] == '/' && line[1])
		strv_add(files, line);
}

/* "/etc/x", or "remove-on-upgrade /etc/x" */
static void conffile_line(char *line, struct strv *conf, struct strv *unused)
{
	char *path = strchr(line, '/');

	if (path && path[1])
		strv_add(conf, path);
}

/* "FLAGS MODE PATH"; what is none (an error message of rpm, a rest of a name with a newline) is passed over */
static void rpm_line(char *line, struct strv *files, struct strv *conf)
{
	char *mode, *path;
	unsigned long flags = strtoul(line, &mode, 10), m;

	if (mode == line || *mode != ' ')
		return;
	m = strtoul(mode, &path, 10);
	if (path == mode || path[0] != ' ' || path[1] != '/' || !path[2])
		return;
	if (flags & FLAG_CONFIG)
		strv_add(conf, path + 1);
	else if (!(flags & FLAG_GHOST) && S_ISREG(m & 0xffff)) /* some rpms print the 16 bits as signed */
		strv_add(files, path + 1);
}

void list_parse_dpkg(const char *text, size_t len, struct strv *files)
{
	each_line(text, len, dpkg_line, files, NULL);
}

void list_parse_conffiles(const char *text, size_t len, struct strv *conf)
{
	each_line(text, len, conffile_line, conf, NULL);
}

void list_parse_rpm(const char *text, size_t len, struct strv *files, struct strv *conf)
{
	each_line(text, len, rpm_line, files, conf);
}

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), t = strlen(tail);

	return n > t && strcmp(s + n - t, tail) == 0;
}

static int list_dpkg(const struct vserver *v, struct strv *files, struct strv *conf, struct err *e)
{
	int fd = path_open(v->tree, INFO, O_RDONLY | O_DIRECTORY, 0), info;
	struct dirent *de;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!d) {
		close_fd(fd);
		return err_set(e, fd < 0 ? fd : -EIO, "/" INFO ": cannot read: %s", strerror(fd < 0 ? -fd : EIO));
	}
	info = dirfd(d);
	while (r == 0 && (de = readdir(d))) {
		bool list = ends_with(de->d_name, ".list"), conffiles = ends_with(de->d_name, ".conffiles");
		_cleanup_buf_ struct buf text = {0};

		if (!list && !conffiles)
			continue;
		r = path_read(info, de->d_name, LIST_MAX, &text, e);
		if (r < 0) {
			err_wrap(e, "/" INFO);
			break;
		}
		(list ? list_parse_dpkg : list_parse_conffiles)(text.p, text.len, list ? files : conf);
		r = 0;
	}
	closedir(d);
	return r;
}

static void keep_errors(const char *line, size_t len, bool is_err, void *arg)
{
	struct buf *b = arg;

	if (is_err && b->len < 500) {
		_cleanup_free_ char *shown = text_escape(line, len);

		buf_addf(b, "%s%s", b->len ? "; " : "", shown);
	}
}

static int list_rpm(struct vserver *v, struct strv *files, struct strv *conf, struct err *e)
{
	static const char *const argv[] = {"rpm", "-qa", "--qf", "[%{FILEFLAGS} %{FILEMODES} %{FILENAMES}\n]", NULL};
	_cleanup_buf_ struct buf out = {0}, errors = {0};
	struct proc_io io = {.line = keep_errors, .arg = &errors, .out = &out, .out_max = LIST_MAX, .timeout = 300};
	struct ctx_spec spec;
	int r = vs_uids(v, e);

	if (r < 0)
		return r;
	r = vs_use(v, e);
	if (r < 0)
		return r;
	spec = vs_context(v, CTX_NO_FLUSH | CTX_STUBS | CTX_NO_NET);
	r = ctx_run(&spec, argv, NULL, &io, e);
	vs_unuse(v);
	if (r < 0)
		return err_wrap(e, "listing the packages' files with its own rpm");
	if (r > 0)
		return err_set(e, -EIO, "its own rpm -qa ended with status %d: %s", r,
			       errors.len ? errors.p : "no message");
	list_parse_rpm(out.p, out.len, files, conf);
	return 0;
}

int list_packaged(struct vserver *v, struct strv *ret_files, struct strv *ret_conf, struct err *e)
{
	switch (v->family) {
	case VS_DEBIAN:
		return list_dpkg(v, ret_files, ret_conf, e);
	case VS_REDHAT:
	case VS_MANDRAKE:
		return list_rpm(v, ret_files, ret_conf, e);
	case VS_UNKNOWN:
		break;
	}
	return err_set(e, -EOPNOTSUPP,
		       "neither a dpkg nor an rpm database is in its tree, so nothing says which files are "
		       "packaged");
}
