/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The thread that waits for the supervisor's answer, seen from the host: its memory, its root, current directory and
 * descriptors, its credentials.
 *
 * To resolve a path as the caller does, this process makes the caller's root its own: a relative path begins at a link
 * of /proc/TID, and ".." and absolute symlinks end at the root of whoever resolves. Only its file system root changes;
 * it is the host's process otherwise, and does nothing there but look names up without opening what they lead to.
 */
#include "kernel/supervise.h"

#include <sys/uio.h>

static struct {
	int proc, self_fd; /* the host's /proc, and our own descriptors in there */
	int host_root;
	bool entered;
	struct statx root; /* the entered one */
} here = {.proc = -1, .self_fd = -1, .host_root = -1};

#define ROOT_MASK (STATX_INO | STATX_MNT_ID)
#define LINK_MAX_TEXT 64 /* "TID/fd/NUMBER/" */

int own_setup(void)
{
	here.self_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return here.self_fd < 0 ? -errno : 0;
}

int caller_setup(void)
{
	here.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	here.host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return here.proc < 0 || here.host_root < 0 ? -errno : own_setup();
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

int caller_string(pid_t tid, uint64_t address, char ret[PATH_MAX])
{
	const size_t page = 4096; /* the smallest there is: what ends before the next one may be all that is mapped */

	for (size_t have = 0; have < PATH_MAX;) {
		size_t room = page - (address + have) % page;
		struct iovec to = {ret + have, room < PATH_MAX - have ? room : PATH_MAX - have};
		struct iovec from = {(void *)(uintptr_t)(address + have), to.iov_len};
		ssize_t n = process_vm_readv(tid, &to, 1, &from, 1, 0);

		if (n <= 0)
			return n < 0 ? -errno : -EFAULT;
		if (memchr(ret + have, 0, (size_t)n))
			return 0;
		have += (size_t)n;
	}
	return -ENAMETOOLONG;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

int caller_enter(pid_t tid)
{
	_cleanup_close_ int fd = -1;
	char link[LINK_MAX_TEXT];
	struct statx now;

	snprintf(link, sizeof(link), "%d/root", (int)tid);
	if (here.entered && statx(here.proc, link, 0, ROOT_MASK, &now) == 0 && now.stx_ino == here.root.stx_ino &&
	    now.stx_mnt_id == here.root.stx_mnt_id)
		return 0;
	fd = openat(here.proc, link, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, ROOT_MASK, &here.root) < 0 || fchdir(fd) < 0 || chroot(".") < 0)
		return -errno;
	here.entered = true;
	return 0;
}

void caller_leave(void)
{
	if (!here.entered)
		return;
	here.entered = false;
	/* In a guest's root, this process could do nothing any more, and would only do harm. */
	if (fchdir(here.host_root) < 0 || chroot(".") < 0)
		_exit(1);
}

static void dir_link(char link[LINK_MAX_TEXT], pid_t tid, int dir)
{
	if (dir == AT_FDCWD)
		snprintf(link, LINK_MAX_TEXT, "%d/cwd", (int)tid);
	else
		snprintf(link, LINK_MAX_TEXT, "%d/fd/%d", (int)tid, dir);
}

int caller_root(pid_t tid)
{
	char link[LINK_MAX_TEXT];
	int fd;

	snprintf(link, sizeof(link), "%d/root", (int)tid);
	fd = openat(here.proc, link, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int caller_dir(pid_t tid, int dir)
{
	char link[LINK_MAX_TEXT];
	int fd;

	dir_link(link, tid, dir);
	fd = openat(here.proc, link, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int caller_statx(pid_t tid, int dir, const char *path, bool follow, struct statx *ret)
{
	const unsigned mask = STATX_BASIC_STATS | STATX_MNT_ID;
	int flags = AT_NO_AUTOMOUNT | (follow ? 0 : AT_SYMLINK_NOFOLLOW);
	char link[LINK_MAX_TEXT], whole[PATH_MAX];
	_cleanup_close_ int fd = -1;

	if (*path == '/')
		return statx(AT_FDCWD, path, flags, mask, ret) < 0 ? -errno : 0;
	dir_link(link, tid, dir);
	if (!*path)
		return statx(here.proc, link, 0, mask, ret) < 0 ? -errno : 0;
	/* One walk instead of two, where both fit in one path. */
	if ((size_t)snprintf(whole, sizeof(whole), "%s/%s", link, path) < sizeof(whole))
		return statx(here.proc, whole, flags, mask, ret) < 0 ? -errno : 0;
	fd = caller_dir(tid, dir);
	return fd < 0 ? fd : statx(fd, path, flags, mask, ret) < 0 ? -errno : 0;
}

/* ---- this process's own descriptors ------------------------------------------------------------------------------ */

int own_links(void)
{
	return here.self_fd;
}

int own_path(int fd, char ret[PATH_MAX])
{
	char number[16];
	ssize_t n;

	snprintf(number, sizeof(number), "%d", fd);
	n = readlinkat(here.self_fd, number, ret, PATH_MAX - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

int own_reopen(int fd, int flags)
{
	char number[16];
	int r;

	snprintf(number, sizeof(number), "%d", fd);
	r = openat(here.self_fd, number, flags | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

/* ---- credentials ------------------------------------------------------------------------------------------------- */

static int read_proc(pid_t tid, const char *name, char *text, size_t size)
{
	char path[LINK_MAX_TEXT];
	_cleanup_close_ int fd = -1;
	size_t have = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "%d/%s", (int)tid, name);
	fd = openat(here.proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (have < size - 1 && (n = read(fd, text + have, size - 1 - have)) > 0)
		have += (size_t)n;
	text[have] = '\0';
	return have < size - 1 ? 0 : -ERANGE;
}

/* The host's id as the context sees it. */
static bool inner_id(unsigned long id, uint32_t base, uint32_t *ret)
{
	*ret = (uint32_t)(id - base);
	return id >= base && id - base < CTX_IDS;
}

/* The fourth number of "Uid:" and "Gid:": the one that the kernel asks for files. */
static bool file_system_id(const char *status, const char *key, uint32_t base, uint32_t *ret)
{
	const char *line = strstr(status, key);
	unsigned long id;

	return line && sscanf(line + strlen(key), "%*u %*u %*u %lu", &id) == 1 && inner_id(id, base, ret);
}

uint64_t caller_userns(pid_t tid)
{
	char link[LINK_MAX_TEXT];
	struct statx stx;

	snprintf(link, sizeof(link), "%d/ns/user", (int)tid);
	return statx(here.proc, link, 0, STATX_INO, &stx) < 0 ? 0 : stx.stx_ino;
}

int caller_identity(pid_t tid, uint32_t uid_base, struct identity *ret)
{
	static char status[CALLER_GROUPS * 11 + 8192];
	int r = read_proc(tid, "status", status, sizeof(status));
	const char *groups, *caps;

	if (r < 0)
		return r;
	/* The thread's name, in the first line, has its line ends escaped: no line here is of its making. */
	groups = strstr(status, "\nGroups:");
	caps = strstr(status, "\nCapEff:");
	if (!groups || !caps || !file_system_id(status, "\nUid:", uid_base, &ret->uid) ||
	    !file_system_id(status, "\nGid:", uid_base, &ret->gid))
		return -ERANGE;
	ret->caps = strtoull(caps + 8, NULL, 16);
	ret->n = 0;
	for (const char *p = groups + 8;;) {
		char *end;

		p += strspn(p, " \t");
		if (*p < '0' || *p > '9')
			return 0;
		if (ret->n == CALLER_GROUPS || !inner_id(strtoul(p, &end, 10), uid_base, &ret->group[ret->n]))
			return -ERANGE;
		ret->n++;
		p = end;
	}
}

uint64_t caller_birth(pid_t tid)
{
	char text[1024], *p;
	uint64_t birth;

	if (read_proc(tid, "stat", text, sizeof(text)) < 0)
		return 0;
	p = strrchr(text, ')'); /* the thread's name may hold anything */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	birth = p ? strtoull(p + 1, NULL, 10) : 0;
	return birth;
}
