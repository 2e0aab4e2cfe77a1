/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where things are: every path of the product, below VPKG_SYSROOT when that is set, and the shipped data files of the
 * checkout or the installation that this program belongs to.
 */
#include "lib/lib.h"

#include <limits.h>
#include <stdarg.h>

/* How far above a program its checkout can be: build/bin/PROG, build/asan/tests/unit/PROG. */
#define CHECKOUT_LEVELS 4

/* Absolute, because a process may change its directory while the variable stays. */
static char *sysroot_of(const char *value)
{
	char cwd[PATH_MAX], *s;
	size_t n;

	if (value[0] != '/' && getcwd(cwd, sizeof(cwd)))
		s = xasprintf("%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, value);
	else
		s = xstrdup(value);
	for (n = strlen(s); n > 0 && s[n - 1] == '/'; n--)
		s[n - 1] = 0;
	return s;
}

const char *place_sysroot(void)
{
	static char *given, *root;
	const char *value = secure_getenv("VPKG_SYSROOT");

	if (!value || !*value)
		return "";
	if (!given || strcmp(given, value) != 0) {
		free(given);
		free(root);
		given = xstrdup(value);
		root = sysroot_of(value);
	}
	return root;
}

char *place(const char *fmt, ...)
{
	struct buf b = {0};
	char *rest = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&rest, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	buf_adds(&b, place_sysroot());
	buf_adds(&b, rest);
	free(rest);
	return b.p;
}

/* mkdir whose mode the umask does not narrow; what exists stays as it is. */
static int make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	return chmod(path, mode) < 0 ? -errno : 0;
}

int place_dir(const char *path, mode_t mode, struct err *e)
{
	_cleanup_free_ char *full = place("%s", path);
	int fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return err_sys(e, "%s", full);
	for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		int r;

		*slash = 0;
		r = make_dir(full, 0755);
		if (r < 0) {
			errno = -r;
			return err_sys(e, "cannot make directory %s", full);
		}
		*slash = '/';
	}
	if (make_dir(full, mode) < 0)
		return err_sys(e, "cannot make directory %s", full);
	fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, "%s", full);
}

static bool exists(const char *dir, const char *rel)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, rel);

	return access(path, F_OK) == 0;
}

/* The checkout that the running program was built in, or NULL: known by two things that only a checkout has together.
 */
static char *checkout(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return NULL;
	self[n] = 0;
	for (int i = 0; i <= CHECKOUT_LEVELS; i++) {
		char *slash = strrchr(self, '/');

		if (!slash || slash == self)
			return NULL;
		*slash = 0;
		if (exists(self, "distros") && exists(self, "lib/lib.h"))
			return xstrdup(self);
	}
	return NULL;
}

char *place_data(const char *rel)
{
	_cleanup_free_ char *own = place("/etc/vpkg/%s", rel), *tree = NULL, *file = NULL;

	if (access(own, F_OK) == 0)
		return TAKE_PTR(own);
	tree = checkout();
	if (tree && exists(tree, rel))
		return xasprintf("%s/%s", tree, rel);
	file = xasprintf("%s/share/vpkg/%s", VPKG_PREFIX, rel);
	return access(file, F_OK) == 0 ? TAKE_PTR(file) : NULL;
}
