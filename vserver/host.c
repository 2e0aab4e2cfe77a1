/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The vservers of a host: the guarded directory that holds their trees, and the list of them. On-disk suid
 * files and devices of a guest would be real for the host's users: the trees stand in a 0700 directory that is bound
 * over itself nosuid,nodev, and the host opens them only through that mount.
 */
#include "vserver/internal.h"

#include <sys/file.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

static bool is_guarded(int fd)
{
	struct statx stx;
	struct statvfs fs;

	return statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) == 0 && (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) &&
	       fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOSUID) && (fs.f_flag & ST_NODEV);
}

/* A clone of the mount at dir, made nosuid,nodev before anybody can see it, is put on top of it. */
static int bind_over(int dir, const char *path, struct err *e)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, .propagation = MS_PRIVATE};
	_cleanup_close_ int clone =
		open_tree(dir, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (clone >= 0 && mount_setattr(clone, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) == 0 &&
	    move_mount(clone, "", dir, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0)
		return 0;
	return err_set(e, -errno,
		       "%s cannot be bound over itself nosuid,nodev in this mount namespace (%s): run this as root of "
		       "the host, "
		       "not inside a container%s",
		       path, strerror(errno), errno == ENOSYS ? ", on Linux 5.12 or newer" : "");
}

static int own_and_close_to_others(int dir, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return err_sys(e, "%s", path);
	if (st.st_uid != geteuid())
		return err_set(e, -EPERM, "%s belongs to user %u: it must be root's; chown it", path,
			       (unsigned)st.st_uid);
	if ((st.st_mode & 0777) != 0700 && fchmod(dir, 0700) < 0)
		return err_sys(e, "%s: setting mode 0700", path);
	return 0;
}

int vs_home(struct err *e)
{
	_cleanup_free_ char *path = place("/vservers");
	_cleanup_close_ int below = -1;
	int fd, r;

	if (geteuid() != 0)
		return err_set(e, -EPERM, "%s: only root may look at the vservers; run this as root", path);
	fd = place_dir("/vservers", 0700, e);
	if (fd < 0)
		return fd;
	r = own_and_close_to_others(fd, path, e);
	if (r < 0 || is_guarded(fd)) {
		if (r < 0)
			close_fd(fd);
		return r < 0 ? r : fd;
	}
	/* The same directory is below and on top of the mount, so its flock serves two processes that come at once: the
	 * second then sees the first one's mount. */
	below = fd;
	if (flock(below, LOCK_EX) < 0)
		return err_sys(e, "%s: locking", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "%s", path);
	if (is_guarded(fd))
		return fd;
	r = bind_over(fd, path, e);
	close_fd(fd);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "%s", path);
	if (!is_guarded(fd)) {
		close_fd(fd);
		return err_set(e, -EPERM,
			       "%s is not nosuid,nodev although it was bound so: something else was mounted there",
			       path);
	}
	return fd;
}

int vs_home_dir(const char *name, struct err *e)
{
	_cleanup_close_ int home = -1;
	int fd, r;

	/* Beside the trees, never in one: those are a guest's. */
	if (name[0] != '.' || !name[1] || name[1] == '.' || name[1] == '/')
		return err_set(e, -EINVAL, "%s: a directory beside the trees must begin with a dot", name);
	home = vs_home(e);
	if (home < 0)
		return home;
	r = path_mkdirs(home, name, 0700, e);
	if (r < 0) {
		err_wrap(e, "%s/vservers", place_sysroot());
		return r;
	}
	fd = path_open(home, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0) {
		errno = -fd;
		return err_sys(e, "%s/vservers/%s", place_sysroot(), name);
	}
	return fd;
}

struct listed {
	char *name;
	unsigned priority;
};

static int by_priority(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* A configuration that cannot be read does not hide its vserver: who opens it hears what is wrong. */
static unsigned priority_of(const char *name)
{
	struct vs_config c;
	unsigned priority = VS_PRIORITY;

	if (vs_config_load(name, &c, NULL) == 0) {
		priority = c.priority ? c.priority : VS_PRIORITY;
		vs_config_free(&c);
	}
	return priority;
}

int vs_list(struct strv *ret, struct err *e)
{
	_cleanup_strv_ struct strv names = {0};
	_cleanup_close_ int home = vs_home(e);
	_cleanup_free_ struct listed *list = NULL;
	struct strv out = {0};
	size_t n = 0;
	int r = home < 0 ? home : vs_conf_names(&names, e);

	if (r < 0)
		return r;
	list = xcalloc(names.n + 1, sizeof(*list));
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;

		if (vs_name_check(names.v[i], NULL) < 0 || fstatat(home, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode))
			continue;
		list[n++] = (struct listed){names.v[i], priority_of(names.v[i])};
	}
	qsort(list, n, sizeof(*list), by_priority);
	for (size_t i = 0; i < n; i++)
		strv_add(&out, list[i].name);
	*ret = out;
	return 0;
}
