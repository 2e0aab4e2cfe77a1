/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Walking and deleting whole trees by descriptors: a directory is opened below the one that was listed, never by a
 * path, so that nothing that is swapped meanwhile can lead elsewhere; nothing but directories is ever opened.
 */
#include "lib/lib.h"

#include <dirent.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define WALK_MASK (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)

/* Opens the child directory without following a symlink or entering a mount. */
static int open_child(int dir, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
	};
	int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

	if (fd < 0 && errno == EMFILE) {
		/* A level costs a descriptor: a very deep tree needs more than the usual soft limit. */
		struct rlimit lim;

		if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
			lim.rlim_cur = lim.rlim_max;
			setrlimit(RLIMIT_NOFILE, &lim);
			fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
		} else {
			errno = EMFILE;
		}
	}
	return fd >= 0 ? fd : -errno;
}

static int list_dir(int dir, struct strv *names)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *de;

	if (!d) {
		close_fd(copy);
		return -errno;
	}
	for (errno = 0; (de = readdir(d)); errno = 0)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			strv_add(names, de->d_name);
	if (errno) {
		int r = -errno;

		closedir(d);
		return r;
	}
	closedir(d);
	strv_sort(names);
	return 0;
}

/* One directory on the way down: its descriptor, what is in it, and how much of the path it stands for. */
struct level {
	int fd;
	struct strv names;
	size_t next, path_len;
};

struct walk {
	struct level *levels;
	size_t n;
	struct buf path;
};

static void walk_free(struct walk *w)
{
	while (w->n) {
		struct level *l = &w->levels[--w->n];

		close_fd(l->fd);
		strv_free(&l->names);
	}
	free(w->levels);
	buf_free(&w->path);
}

static int push(struct walk *w, int fd, struct err *e)
{
	struct level l = {.fd = fd, .path_len = w->path.len};
	int r = list_dir(fd, &l.names);

	if (r < 0) {
		close_fd(fd);
		strv_free(&l.names);
		errno = -r;
		return err_sys(e, "%s: listing", w->path.len ? w->path.p : "/");
	}
	if ((w->n & (w->n - 1)) == 0)
		w->levels = xrealloc(w->levels, (w->n ? 2 * w->n : 1) * sizeof(*w->levels));
	w->levels[w->n++] = l;
	return 0;
}

static int visit(struct walk *w, const char *name, int (*fn)(const struct walk_entry *, void *, struct err *),
		 void *arg, struct err *e)
{
	struct level *l = &w->levels[w->n - 1];
	struct statx stx;
	int r, fd;

	w->path.len = l->path_len;
	if (w->path.len)
		buf_adds(&w->path, "/");
	buf_adds(&w->path, name);
	if (statx(l->fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, WALK_MASK, &stx) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", w->path.p);
	r = fn(&(struct walk_entry){.dir = l->fd, .name = name, .path = w->path.p, .stx = &stx, .depth = w->n}, arg, e);
	if (r < 0 || r == WALK_SKIP || !S_ISDIR(stx.stx_mode))
		return r < 0 ? r : 0;
	fd = open_child(l->fd, name);
	if (fd == -EXDEV || fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return 0; /* a mount point, or gone or swapped since: not ours to enter */
	if (fd < 0) {
		errno = -fd;
		return err_sys(e, "%s", w->path.p);
	}
	return push(w, fd, e);
}

int tree_walk(int root, int (*fn)(const struct walk_entry *, void *arg, struct err *), void *arg, struct err *e)
{
	_cleanup_(walk_free) struct walk w = {0};
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return err_sys(e, "tree");
	buf_adds(&w.path, "");
	r = push(&w, fd, e);
	while (r >= 0 && w.n) {
		struct level *l = &w.levels[w.n - 1];

		if (l->next == l->names.n) {
			close_fd(l->fd);
			strv_free(&l->names);
			w.n--;
			continue;
		}
		r = visit(&w, l->names.v[l->next++], fn, arg, e);
	}
	return r < 0 ? r : 0;
}

static int plain_unlink(int dir, const char *name, struct err *e)
{
	return unlinkat(dir, name, 0) < 0 ? err_sys(e, "%s: deleting", name) : 0;
}

struct removal {
	int (*unlink_fn)(int dir, const char *name, struct err *);
};

/* Empties the directory level on top of the walk; directories that it meets become the next level. */
static int remove_next(struct walk *w, const struct removal *rm, struct err *e)
{
	struct level *l = &w->levels[w->n - 1];
	const char *name = l->names.v[l->next];
	struct statx stx;
	int fd;

	if (statx(l->fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &stx) < 0) {
		l->next++;
		return errno == ENOENT ? 0 : err_sys(e, "%s", name);
	}
	if (!S_ISDIR(stx.stx_mode)) {
		l->next++;
		return rm->unlink_fn(l->fd, name, e);
	}
	if (unlinkat(l->fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
		l->next++;
		return 0;
	}
	if (errno == EBUSY)
		return err_set(e, -EBUSY, "%s: something is mounted there; unmount it first", name);
	if (errno != ENOTEMPTY && errno != EEXIST)
		return err_sys(e, "%s: deleting", name);
	fd = open_child(l->fd, name);
	if (fd == -EXDEV)
		return err_set(e, -EBUSY, "%s: something is mounted there; unmount it first", name);
	if (fd < 0) {
		errno = -fd;
		return err_sys(e, "%s: deleting", name);
	}
	return push(w, fd, e);
}

int tree_remove(int dir, const char *name, int (*unlink_fn)(int dir, const char *name, struct err *), struct err *e)
{
	const struct removal rm = {unlink_fn ? unlink_fn : plain_unlink};
	_cleanup_(walk_free) struct walk w = {0};
	struct stat st;
	int fd, r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", name);
	if (!S_ISDIR(st.st_mode))
		return rm.unlink_fn(dir, name, e);
	fd = open_child(dir, name);
	if (fd < 0) {
		errno = -fd;
		return fd == -EXDEV ? err_set(e, -EBUSY, "%s: something is mounted there; unmount it first", name)
				    : err_sys(e, "%s", name);
	}
	r = push(&w, fd, e);
	while (r >= 0 && w.n) {
		struct level *l = &w.levels[w.n - 1];

		if (l->next < l->names.n) {
			r = remove_next(&w, &rm, e);
			continue;
		}
		close_fd(l->fd);
		strv_free(&l->names);
		w.n--;
		/* The parent's entry is still the next one there: its rmdir succeeds now that it is empty. */
	}
	if (r < 0)
		return err_wrap(e, "%s", name);
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? err_sys(e, "%s: deleting", name) : 0;
}
