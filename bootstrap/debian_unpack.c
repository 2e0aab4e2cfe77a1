/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first unpack of a Debian package, without dpkg: the data archive's entries below the caller's root directory, as
 * dpkg would leave them. Runs in a process that has chrooted into the new tree, so a link in a package leads nowhere
 * else.
 *
 * Conffiles get two names: NAME.dpkg-new, where dpkg looks for them when it configures the package, and NAME, because
 * scripts of packages that are configured earlier may read them (passwd's reads login's login.defs).
 */
#include "bootstrap/debian.h"

#include <sys/sysmacros.h>

static int fail(const struct deb *d, const char *path, struct err *e)
{
	return err_sys(e, "%s: cannot unpack /%s", d->label, path);
}

/* Packages bring the directories of their files; where one does not, dpkg's default stands in. */
static void make_parents(const char *path)
{
	char *copy = xstrdup(path);
	for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(copy, 0755);
		*slash = '/';
	}
	free(copy);
}

static int write_all(int fd, const char *p, size_t n, off_t at)
{
	while (n) {
		ssize_t w = pwrite(fd, p, n, at);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		p += w;
		n -= (size_t)w;
		at += w;
	}
	return 0;
}

static int create_file(const char *path)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = open(path, flags, 0600);
	if (fd < 0 && errno == ENOENT) {
		make_parents(path);
		fd = open(path, flags, 0600);
	}
	return fd;
}

static int file_meta(int fd, uid_t uid, gid_t gid, mode_t mode, int64_t mtime)
{
	struct timespec ts[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};
	if ((uid || gid) && fchown(fd, uid, gid) < 0)
		return -1;
	return fchmod(fd, mode) < 0 || futimens(fd, ts) < 0 ? -1 : 0;
}

int debian_put(const char *path, const void *data, size_t len, mode_t mode, int64_t mtime, struct err *e)
{
	_cleanup_close_ int fd = create_file(path);
	if (fd < 0 || write_all(fd, data, len, 0) < 0 || file_meta(fd, 0, 0, mode, mtime) < 0)
		return err_sys(e, "cannot write %s", path);
	return 0;
}

static int put_file(struct deb *d, struct archive_entry *ae, const char *path, struct err *e)
{
	_cleanup_close_ int fd = create_file(path);
	if (fd < 0 && errno == EEXIST)
		return err_set(e, -EEXIST, "%s: /%s is in another of the required packages too", d->label, path);
	if (fd < 0)
		return fail(d, path, e);
	const void *block;
	size_t n;
	la_int64_t at;
	for (int r; (r = archive_read_data_block(d->tar, &block, &n, &at)) != ARCHIVE_EOF;) {
		if (r < ARCHIVE_WARN)
			return deb_bad(d, e);
		if (write_all(fd, block, n, at) < 0)
			return fail(d, path, e);
	}
	if (file_meta(fd, (uid_t)archive_entry_uid(ae), (gid_t)archive_entry_gid(ae), archive_entry_perm(ae),
		      archive_entry_mtime(ae)) < 0)
		return fail(d, path, e);
	return 0;
}

/* As dpkg: who makes a directory gives it owner and mode; who finds one (or a link to one) leaves it alone. */
static int put_dir(struct deb *d, struct archive_entry *ae, const char *path, struct err *e)
{
	struct stat st;
	int r = mkdir(path, 0700);
	if (r < 0 && errno == ENOENT) {
		make_parents(path);
		r = mkdir(path, 0700);
	}
	if (r < 0 && errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	_cleanup_close_ int fd = r < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || file_meta(fd, (uid_t)archive_entry_uid(ae), (gid_t)archive_entry_gid(ae), archive_entry_perm(ae),
				archive_entry_mtime(ae)) < 0)
		return fail(d, path, e);
	return 0;
}

static int put_symlink(struct deb *d, struct archive_entry *ae, const char *path, struct err *e)
{
	const char *to = archive_entry_symlink(ae);
	if (!to)
		return deb_bad(d, e);
	int r = symlink(to, path);
	if (r < 0 && errno == ENOENT) {
		make_parents(path);
		r = symlink(to, path);
	}
	if (r < 0 && errno == EEXIST) {
		/* The links of a merged /usr stand before base-files brings them. */
		char there[4096];
		ssize_t n = readlink(path, there, sizeof there);
		if (n < 0 || (size_t)n != strlen(to) || memcmp(there, to, (size_t)n) != 0)
			return err_set(e, -EEXIST, "%s: /%s is in another of the required packages too", d->label,
				       path);
		return 0;
	}
	struct timespec ts[2] = {{.tv_sec = archive_entry_mtime(ae)}, {.tv_sec = archive_entry_mtime(ae)}};
	uid_t uid = (uid_t)archive_entry_uid(ae);
	gid_t gid = (gid_t)archive_entry_gid(ae);
	if (r < 0 || ((uid || gid) && lchown(path, uid, gid) < 0) ||
	    utimensat(AT_FDCWD, path, ts, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(d, path, e);
	return 0;
}

/* "./usr/bin/x/" becomes "usr/bin/x"; NULL for what must not be in a package. */
static char *clean_path(const char *raw)
{
	if (!raw)
		return NULL;
	while (raw[0] == '.' && raw[1] == '/')
		raw += 2;
	char *path = xstrdup(strcmp(raw, ".") == 0 ? "" : raw + strspn(raw, "/"));
	for (size_t n = strlen(path); n && path[n - 1] == '/';)
		path[--n] = 0;
	const char *part = path;
	for (size_t n; *part; part += n + (part[n] == '/')) {
		n = strcspn(part, "/");
		if (n == 0 || strchr(part, '\n') || (n == 2 && memcmp(part, "..", 2) == 0)) {
			free(path);
			return NULL;
		}
	}
	return path;
}

static char *unpacked_name(const char *path, const struct strv *conffiles)
{
	_cleanup_free_ char *absolute = xasprintf("/%s", path);
	return strv_has(conffiles, absolute) ? xasprintf("%s.dpkg-new", path) : xstrdup(path);
}

static int put_entry(struct deb *d, struct archive_entry *ae, const struct strv *conffiles, struct buf *list,
		     struct err *e)
{
	_cleanup_free_ char *path = clean_path(archive_entry_pathname(ae));
	if (!path)
		return err_set(e, -EBADMSG, "%s: a path in it cannot be unpacked", d->label);
	buf_addf(list, "/%s\n", *path ? path : ".");
	if (!*path)
		return 0;
	_cleanup_free_ char *name = unpacked_name(path, conffiles);
	const char *linked = archive_entry_hardlink(ae);
	if (linked) {
		_cleanup_free_ char *clean = clean_path(linked);
		_cleanup_free_ char *to = clean ? unpacked_name(clean, conffiles) : NULL;
		return to && link(to, name) == 0 ? 0 : fail(d, path, e);
	}
	switch (archive_entry_filetype(ae)) {
	case AE_IFREG: {
		int r = put_file(d, ae, path, e);
		/* Both names are links of one file: dpkg finds the new one equal to what is there, and drops it. */
		return r == 0 && strcmp(name, path) != 0 && link(path, name) < 0 ? fail(d, name, e) : r;
	}
	case AE_IFDIR:
		return put_dir(d, ae, name, e);
	case AE_IFLNK:
		return put_symlink(d, ae, name, e);
	default:
		return err_set(e, -EBADMSG, "%s: /%s is a device or socket; a required package has none", d->label,
			       path);
	}
}

int debian_unpack(struct deb *d, const struct strv *conffiles, struct buf *list, struct err *e)
{
	struct archive_entry *ae;
	int r = deb_member(d, "data.tar", e);
	while (r == 0) {
		int a = archive_read_next_header(d->tar, &ae);
		if (a == ARCHIVE_EOF)
			break;
		r = a < ARCHIVE_WARN ? deb_bad(d, e) : put_entry(d, ae, conffiles, list, e);
	}
	return r;
}
