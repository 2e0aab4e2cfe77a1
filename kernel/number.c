/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The cgroups /vserver/NUMBER of contexts that chcontext makes. Other than those of cgroup.c they belong to nobody: a
 * context lives as long as a process is in it, and what is empty is removed by the next one that passes. An attribute
 * of the directory marks them and holds the context's flags.
 */
#include "kernel/number.h"
#include "kernel/context.h"

#include <dirent.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define FLAGS "trusted.vserver.flags"
#define HOST_CGROUP_NS 0xeffffffb /* the first one's number, on every kernel */

static bool is_ours(uint64_t number)
{
	return number <= CONTEXT_LAST_FIXED || number >= CONTEXT_FIRST_FREE;
}

/* Opens and locks it. -EAGAIN: swept, or made anew, in between. */
static int open_locked(int home, const char *name, struct err *e)
{
	_cleanup_close_ int fd = openat(home, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat ours, there;

	if (fd < 0 && errno == ENOENT)
		return -EAGAIN;
	if (fd < 0 || flock(fd, LOCK_SH) < 0 || fstat(fd, &ours) < 0)
		return err_sys(e, "cgroup /vserver/%s", name);
	if (fstatat(home, name, &there, 0) < 0 || ours.st_ino != there.st_ino)
		return -EAGAIN;
	return TAKE_FD(fd);
}

unsigned number_flags(int dir)
{
	char text[16];
	ssize_t n = fgetxattr(dir, FLAGS, text, sizeof(text) - 1);
	uint64_t flags;

	text[n > 0 ? n : 0] = 0;
	return text_uint(text, 0, 127, &flags) < 0 ? 0 : (unsigned)flags;
}

int number_set_flags(int dir, unsigned flags, struct err *e)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", flags);

	return fsetxattr(dir, FLAGS, text, (size_t)n, 0) < 0 ? err_sys(e, "cgroup /vserver: its attribute") : 0;
}

/* -EEXIST: somebody has it; -EAGAIN: once more. */
static int make(int home, const char *name, unsigned flags, struct err *e)
{
	int fd, r;

	if (mkdirat(home, name, 0755) < 0) {
		if (errno == EEXIST)
			return -EEXIST;
		return errno == ENOENT ? -EAGAIN : err_sys(e, "cgroup /vserver/%s", name);
	}
	fd = open_locked(home, name, e);
	r = fd < 0 ? fd : number_set_flags(fd, flags, e);
	if (r < 0)
		close_fd(fd);
	return r < 0 ? r : fd;
}

static int try_new(int home, uint32_t from, unsigned flags, uint32_t *ret, struct err *e)
{
	for (uint32_t n = from < CONTEXT_FIRST_FREE ? CONTEXT_FIRST_FREE : from; n <= CONTEXT_LAST; n++) {
		_cleanup_close_ int held = number_hold(n);
		char name[16];
		int fd;

		if (held < 0)
			continue;
		snprintf(name, sizeof(name), "%u", n);
		fd = make(home, name, flags, e);
		if (fd == -EEXIST)
			continue;
		*ret = n;
		return fd;
	}
	return err_set(e, -EBUSY, "no free context number between %u and %u", CONTEXT_FIRST_FREE, CONTEXT_LAST);
}

/* /vserver itself may vanish between two steps, when somebody else's last context goes. */
#define PATIENCE 100

int number_new(uint32_t from, unsigned flags, uint32_t *ret, struct err *e)
{
	int fd = -EAGAIN;

	number_sweep();
	for (int i = 0; fd == -EAGAIN && i < PATIENCE; i++) {
		_cleanup_close_ int home = cgroup_home(e);

		fd = home < 0 ? home : try_new(home, from, flags, ret, e);
	}
	return fd == -EAGAIN ? err_set(e, fd, "cgroup /vserver: it is removed as fast as it is made") : fd;
}

int number_open(uint32_t number, bool make_it, struct err *e)
{
	int fd = -EAGAIN;
	char name[16];

	snprintf(name, sizeof(name), "%u", number);
	for (int i = 0; fd == -EAGAIN && i < PATIENCE; i++) {
		_cleanup_close_ int home = make_it ? cgroup_home(e) : cgroup_home_if_any(NULL);

		if (home < 0 && make_it)
			return home;
		fd = home >= 0 && make_it ? make(home, name, 0, e) : -EEXIST;
		if (fd != -EEXIST)
			continue;
		fd = home >= 0 ? open_locked(home, name, e) : -EAGAIN;
		if (fd == -EAGAIN && !make_it)
			return err_set(e, -ESRCH, "there is no context %u", number);
	}
	return fd == -EAGAIN ? err_set(e, fd, "cgroup /vserver/%u: it is removed as fast as it is made", number) : fd;
}

bool number_used(int dir)
{
	_cleanup_close_ int fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char text[256];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	text[n > 0 ? n : 0] = 0;
	return strstr(text, "populated 1");
}

/* Whether the calling process is listed there. */
static bool holds_us(int home, const char *name)
{
	_cleanup_close_ int dir = openat(home, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	_cleanup_fclose_ FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1)
		if (pid == getpid())
			return true;
	return false;
}

/* From within a cgroup namespace (CTX_HIDEINFO), where one's own path tells nothing. */
static int search_own(int home)
{
	DIR *d = fdopendir(openat(home, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *de;
	uint64_t number;
	int fd = -ENODEV;

	while (fd < 0 && d && (de = readdir(d)))
		if (text_uint(de->d_name, 1, CONTEXT_LAST, &number) == 0 && holds_us(home, de->d_name))
			fd = openat(home, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d)
		closedir(d);
	return fd;
}

int number_own(void)
{
	_cleanup_close_ int home = cgroup_home_if_any(NULL);
	struct stat ns;
	_cleanup_fclose_ FILE *f = home < 0 ? NULL : fopen("/proc/self/cgroup", "re");
	_cleanup_free_ char *line = NULL;
	uint64_t number;
	size_t size = 0;
	int fd = -ENODEV;

	while (fd < 0 && f && getline(&line, &size, f) > 0) {
		char *name = strncmp(line, "0::/vserver/", 12) == 0 ? line + 12 : NULL;

		if (!name)
			continue;
		name[strcspn(name, "/\n")] = 0;
		if (text_uint(name, 1, CONTEXT_LAST, &number) < 0)
			continue; /* chbind's, in no context */
		fd = openat(home, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0 && home >= 0 && stat("/proc/self/ns/cgroup", &ns) == 0 && ns.st_ino != HOST_CGROUP_NS)
		fd = search_own(home);
	return fd < 0 ? -ENODEV : fd;
}

int number_move(int dir, struct err *e)
{
	_cleanup_close_ int procs = openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	int r = addr_follow(dir, e);

	if (r != 0)
		return r < 0 ? r : 0;
	if (procs < 0 || write(procs, "0", 1) != 1)
		return err_sys(e, "entering the context's cgroup");
	return 0;
}

void number_sweep(void)
{
	_cleanup_close_ int home = cgroup_home_if_any(NULL);
	DIR *d = home < 0 ? NULL : fdopendir(openat(home, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *de;
	uint64_t number;

	addr_collect(); /* else what chbind left below one keeps it */
	while (d && (de = readdir(d))) {
		_cleanup_close_ int fd = -1;

		if (text_uint(de->d_name, 1, CONTEXT_LAST, &number) < 0 || !is_ours(number))
			continue;
		fd = openat(home, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && fgetxattr(fd, FLAGS, NULL, 0) >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
		    unlinkat(home, de->d_name, AT_REMOVEDIR) == 0)
			controller_drop((uint32_t)number);
	}
	if (d)
		closedir(d);
}

/* Abstract names of sockets: the only registry that ordinary users can write to and that forgets the dead. */
int number_hold(uint32_t number)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "vserver-context-%u", number);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) < 0)
		return -errno;
	return TAKE_FD(fd);
}
