/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Paths inside hostile trees. Every resolution is the kernel's own openat2 with the tree as root, so no symlink,
 * no "..", no magic link and no mount that a guest arranged can lead outside, and nothing is raced between a check and
 * a use.
 */
#include "lib/lib.h"

#include <linux/openat2.h>
#include <sys/syscall.h>

static int resolve(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int fd;

	/* EAGAIN: something was renamed during a ".." of the resolution; the kernel asks for another try. */
	for (int tries = 0; tries < 128; tries++) {
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd >= 0 ? fd : -errno;
}

int path_open(int root, const char *path, int flags, mode_t mode)
{
	return resolve(root, path, flags, mode);
}

int path_reopen(int fd, int flags)
{
	char self[64];
	int r;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	r = open(self, flags | O_CLOEXEC);
	return r >= 0 ? r : -errno;
}

int path_open_file(int root, const char *path, struct stat *ret_st)
{
	_cleanup_close_ int handle = -1;
	struct stat st;
	int fd;

	handle = resolve(root, path, O_PATH, 0);
	if (handle < 0)
		return handle;
	if (fstat(handle, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	fd = path_reopen(handle, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0 && ret_st)
		*ret_st = st;
	return fd;
}

int path_parent(int root, const char *path, const char **ret_name)
{
	const char *end = path + strlen(path), *name;
	_cleanup_free_ char *dir = NULL;
	int fd;

	if (end > path && end[-1] == '/')
		return -EINVAL;
	for (name = end; name > path && name[-1] != '/';)
		name--;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	dir = name == path ? xstrdup(".") : xstrndup(path, (size_t)(name - path));
	fd = resolve(root, dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0)
		*ret_name = name;
	return fd;
}

int path_stat(int root, const char *path, struct stat *ret)
{
	_cleanup_close_ int fd = resolve(root, path, O_PATH | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	return fstat(fd, ret) < 0 ? -errno : 0;
}

int path_read_fd(int fd, const char *what, size_t max, struct buf *ret, struct err *e)
{
	_cleanup_buf_ struct buf b = {0};
	char chunk[16384];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		buf_add(&b, chunk, (size_t)n);
		if (b.len > max)
			return err_set(e, -EFBIG, "%s: larger than the %zu bytes that are accepted there", what, max);
	}
	if (n < 0)
		return err_sys(e, "%s", what);
	buf_add(&b, "", 0);
	*ret = b;
	b = (struct buf){0};
	return 0;
}

int path_read(int root, const char *path, size_t max, struct buf *ret, struct err *e)
{
	_cleanup_close_ int fd = path_open_file(root, path, NULL);

	if (fd < 0) {
		errno = -fd;
		return err_sys(e, "%s", path);
	}
	return path_read_fd(fd, path, max, ret, e);
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int path_write(int root, const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	const char *name;
	char temp[48];
	_cleanup_close_ int dir = path_parent(root, path, &name), fd = -1;
	static unsigned serial;
	int r;

	if (dir < 0) {
		errno = -dir;
		return err_sys(e, "%s", path);
	}
	snprintf(temp, sizeof(temp), ".vpkg-%d-%u", (int)getpid(), serial++);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "%s: temporary file", path);
	r = write_all(fd, data, len);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && renameat(dir, temp, dir, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir, temp, 0);
		errno = -r;
		return err_sys(e, "%s", path);
	}
	return 0;
}

int path_mkdirs(int root, const char *path, mode_t mode, struct err *e)
{
	_cleanup_free_ char *walk = xstrdup(path);
	_cleanup_close_ int last = -1;

	for (char *p = walk; p;) {
		const char *name;
		char *slash = strchr(p + (*p == '/'), '/');

		if (slash)
			*slash = 0;
		if (*p && strcmp(p, "/") != 0) {
			_cleanup_close_ int dir = path_parent(root, walk, &name);

			if (dir < 0) {
				errno = -dir;
				return err_sys(e, "%s", walk);
			}
			if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
				return err_sys(e, "%s", walk);
			last = close_fd(last);
			last = path_open(root, walk, O_PATH | O_DIRECTORY, 0);
			if (last < 0) {
				errno = -last;
				return err_sys(e, "%s", walk);
			}
		}
		if (slash)
			*slash = '/';
		p = slash ? slash + 1 : NULL;
		if (p && !*p)
			break;
	}
	return 0;
}

int path_mkdtemp(int dir, const char *prefix, char **ret_name, struct err *e)
{
	for (unsigned i = 0; i < 10000; i++) {
		_cleanup_free_ char *name = xasprintf("%s.%d.%u", prefix, (int)getpid(), i);
		int fd;

		if (mkdirat(dir, name, 0700) < 0) {
			if (errno == EEXIST)
				continue;
			return err_sys(e, "directory %s", name);
		}
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, "directory %s", name);
		*ret_name = TAKE_PTR(name);
		return fd;
	}
	return err_set(e, -EEXIST, "%s.*: no free temporary name; remove old ones", prefix);
}
