/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The line between what packages own, which a failed transaction puts back, and the vserver's own data, which nobody
 * touches. Paths that a package lists are always on the packages' side, wherever they are.
 */
#include "vpkg/manifest.h"

/* The vserver's data, and what does not survive a restart anyway. */
static const char *const data[] = {
	"dev",       "home",    "lost+found", "media",   "mnt",       "opt",         "proc",      "root",
	"run",       "srv",     "sys",        "tmp",     "usr/local", "var/backups", "var/cache", "var/lib",
	"var/local", "var/log", "var/mail",   "var/opt", "var/run",   "var/spool",   "var/tmp",   "var/www",
};

/* Inside those: where package tools and maintainer scripts keep their state. */
static const char *const state[] = {
	"var/cache/debconf", "var/cache/ldconfig",   "var/lib/alternatives", "var/lib/apt",       "var/lib/dpkg",
	"var/lib/dnf",       "var/lib/pam",          "var/lib/rpm",          "var/lib/rpm-state", "var/lib/selinux",
	"var/lib/sgml-base", "var/lib/shells.state", "var/lib/systemd",      "var/lib/ucf",       "var/lib/urpmi",
	"var/lib/xml-core",  "var/lib/yum",
};

/* Whether path is dir or below it. */
static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == 0 || path[n] == '/');
}

bool scope_has(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(state); i++)
		if (below(path, state[i]) || below(state[i], path))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(data); i++)
		if (below(path, data[i]))
			return false;
	return true;
}

/* The directory behind fd as a name inside the tree. */
static char *name_inside(int tree, int fd)
{
	char link[48], root[4096], dir[8192];
	ssize_t n, m;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", tree);
	n = readlink(link, root, sizeof(root) - 1);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	m = readlink(link, dir, sizeof(dir) - 1);
	if (n < 0 || m < n || memcmp(root, dir, (size_t)n) != 0)
		return NULL;
	dir[m] = 0;
	return xstrdup(dir[n] == '/' ? dir + n + 1 : dir + n);
}

char *scope_resolve(int tree, const char *path)
{
	_cleanup_free_ char *head = NULL, *rest = NULL, *dir = NULL;
	_cleanup_close_ int fd = -1;
	char *slash;

	while (*path == '/' || (path[0] == '.' && path[1] == '/'))
		path++;
	head = xstrdup(path);
	for (size_t n = strlen(head); n && head[n - 1] == '/'; n--)
		head[n - 1] = 0;
	if (!*head || strcmp(head, ".") == 0)
		return NULL;
	/* The deepest parent that exists is resolved; what is missing below it has no symlinks. */
	while ((slash = strrchr(head, '/'))) {
		char *longer = rest ? xasprintf("%s/%s", slash + 1, rest) : xstrdup(slash + 1);

		free(rest);
		rest = longer;
		*slash = 0;
		fd = path_open(tree, head, O_PATH | O_DIRECTORY, 0);
		if (fd >= 0)
			break;
	}
	if (fd < 0)
		return rest ? xasprintf("%s/%s", head, rest) : TAKE_PTR(head);
	dir = name_inside(tree, fd);
	return dir && *dir ? xasprintf("%s/%s", dir, rest) : TAKE_PTR(rest);
}
