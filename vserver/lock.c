/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who has a vserver: the exclusive lock of those that change it, and the marks of those that run a command in it. Both
 * are flocks on files of /run/vservers/NAME, so that the end of a process, however it ends, frees them; what the files
 * hold is only there to name the holder.
 */
#include "vserver/internal.h"

#include <dirent.h>
#include <poll.h>
#include <sys/file.h>

#define COMMAND_SHOWN 120

/* "PID command line" of this process. */
static void write_holder(int fd)
{
	_cleanup_close_ int self = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	char command[COMMAND_SHOWN + 1];
	ssize_t n = self >= 0 ? read(self, command, COMMAND_SHOWN) : 0;
	char line[COMMAND_SHOWN + 32];
	int len;

	while (n > 0 && command[n - 1] == 0)
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (command[i] == 0)
			command[i] = ' ';
	len = snprintf(line, sizeof(line), "%d %.*s\n", (int)getpid(), n > 0 ? (int)n : 1, n > 0 ? command : "?");
	/* Only what others are told depends on it. */
	if (ftruncate(fd, 0) < 0 || pwrite(fd, line, (size_t)len, 0) != len)
		(void)!ftruncate(fd, 0);
}

/* "COMMAND (pid N)", escaped. */
static char *read_holder(int fd)
{
	char line[COMMAND_SHOWN + 32], *command;
	ssize_t n = pread(fd, line, sizeof(line) - 1, 0);
	_cleanup_free_ char *shown = NULL;

	line[n > 0 ? n : 0] = 0;
	line[strcspn(line, "\n")] = 0;
	command = strchr(line, ' ');
	if (!command)
		return xstrdup("another process");
	*command++ = 0;
	shown = text_escape(command, strlen(command));
	return xasprintf("%s (pid %s)", shown, line);
}

/* 1: locked, 0: somebody else has it, -EAGAIN: the file was deleted under us, try again. */
static int try_lock(int dir, const char *file, int *ret_fd, char **ret_holder)
{
	_cleanup_close_ int fd = openat(dir, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat mine, there;

	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		*ret_holder = read_holder(fd);
		return 0;
	}
	if (fstat(fd, &mine) < 0 || fstatat(dir, file, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
	    mine.st_ino != there.st_ino || mine.st_dev != there.st_dev)
		return -EAGAIN;
	write_holder(fd);
	*ret_fd = TAKE_FD(fd);
	return 1;
}

int vs_lock_file(const char *dir, const char *file, unsigned wait, const char *what, struct err *e)
{
	for (unsigned tries = 0;; tries++) {
		_cleanup_close_ int at = place_dir(dir, 0700, e);
		_cleanup_free_ char *holder = NULL;
		int fd, r = at < 0 ? at : try_lock(at, file, &fd, &holder);

		if (at < 0)
			return at;
		if (r == 1)
			return fd;
		if (r == -EAGAIN && tries < 1000)
			continue;
		if (r < 0) {
			errno = -r;
			return err_sys(e, "%s%s/%s: locking", place_sysroot(), dir, file);
		}
		if (tries >= wait * 10)
			return err_set(e, -EBUSY, "%s is in use by %s; try again when that has ended", what, holder);
		poll(&(struct pollfd){.fd = intr_fd(), .events = POLLIN}, 1, 100);
		r = intr_check(e);
		if (r < 0)
			return r;
	}
}

int vs_lock_name(const char *name, unsigned wait, struct err *e)
{
	_cleanup_free_ char *dir = xasprintf("/run/vservers/%s", name), *what = xasprintf("vserver %s", name);
	int r = vs_name_check(name, e);

	return r < 0 ? r : vs_lock_file(dir, "lock", wait, what, e);
}

int vs_same_tree(const struct vserver *v, struct err *e)
{
	_cleanup_close_ int home = -1;
	struct stat mine, there;

	if (v->tree < 0)
		return 0;
	home = vs_home(e);
	if (home < 0)
		return home;
	if (fstat(v->tree, &mine) == 0 && fstatat(home, v->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    mine.st_ino == there.st_ino && mine.st_dev == there.st_dev)
		return 0;
	return err_set(e, -ENOENT, "vserver %s has just been deleted or replaced by another process", v->name);
}

int vs_lock(struct vserver *v, unsigned wait, struct err *e)
{
	int fd, r;

	if (v->lock >= 0)
		return 0;
	fd = vs_lock_name(v->name, wait, e);
	if (fd < 0)
		return fd;
	r = vs_same_tree(v, e);
	if (r < 0) {
		close_fd(fd);
		return r;
	}
	v->lock = fd;
	return 0;
}

static char *mark_name(void)
{
	return xasprintf("use.%d", (int)getpid());
}

int vs_use(struct vserver *v, struct err *e)
{
	_cleanup_free_ char *dir = xasprintf("/run/vservers/%s", v->name), *mark = mark_name();
	_cleanup_free_ char *what = xasprintf("%s/%s", dir, mark);
	int fd, r;

	if (v->use >= 0)
		return 0;
	fd = vs_lock_file(dir, mark, 5, what, e);
	if (fd < 0)
		return fd;
	v->use = fd;
	/* vs_delete moves the tree away before it looks for marks: one of us sees the other. */
	r = vs_same_tree(v, e);
	if (r < 0)
		vs_unuse(v);
	return r;
}

void vs_unuse(struct vserver *v)
{
	_cleanup_free_ char *mark = mark_name(), *path = place("/run/vservers/%s/%s", v->name, mark);

	if (v->use < 0)
		return;
	/* In a child of the one that marked, the name is another: only the marker takes its mark away. */
	unlink(path);
	v->use = close_fd(v->use);
}

int vs_users(const char *name, struct strv *ret, struct err *e)
{
	_cleanup_free_ char *path = place("/run/vservers/%s", name);
	struct strv users = {0};
	struct dirent *de;
	DIR *d = opendir(path);

	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, "%s", path);
	while ((de = readdir(d))) {
		_cleanup_close_ int fd = -1;

		if (strncmp(de->d_name, "use.", 4) != 0)
			continue;
		fd = openat(dirfd(d), de->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(dirfd(d), de->d_name, 0); /* its owner was killed; we hold it, so nobody marks now */
		else
			strv_take(&users, read_holder(fd));
	}
	closedir(d);
	strv_sort(&users);
	*ret = users;
	return 0;
}

char *vs_lock_holder(const char *name)
{
	_cleanup_free_ char *path = place("/run/vservers/%s/lock", name);
	_cleanup_close_ int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0)
		return NULL;
	return read_holder(fd);
}
