/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Limits for a context as a whole, by the cgroup controller that has them, wherever the host has that: in a v1
 * hierarchy of its own or in the v2 one.
 */
#include "kernel/number.h"

#include <limits.h>
#include <sys/resource.h>

/* Whether a comma-separated list has the word. */
static bool lists(const char *list, const char *word)
{
	_cleanup_strv_ struct strv words = {0};

	strv_split(&words, list, ", \n");
	return strv_has(&words, word);
}

/* One line of mountinfo: where a hierarchy is mounted, and its options (v1) or type. */
struct mounted {
	char where[PATH_MAX];
	char type[16], options[512];
};

static bool parse(const char *line, struct mounted *m)
{
	const char *type = strstr(line, " - ");

	return type && sscanf(line, "%*s %*s %*s %*s %4095s", m->where) == 1 &&
	       sscanf(type, " - %15s %*s %511s", m->type, m->options) == 2;
}

/* Calls fn for each v1 hierarchy. */
static void each_v1(bool (*fn)(const struct mounted *, void *), void *arg)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	struct mounted m;

	while (f && getline(&line, &size, f) > 0)
		if (parse(line, &m) && strcmp(m.type, "cgroup") == 0 && fn(&m, arg))
			return;
}

struct wanted {
	const char *controller;
	int fd;
};

static bool has_controller(const struct mounted *m, void *arg)
{
	struct wanted *w = arg;

	if (!lists(m->options, w->controller))
		return false;
	w->fd = open(m->where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return true;
}

static int write_file(int dir, const char *file, const char *value)
{
	_cleanup_close_ int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

static int below(int dir, const char *name)
{
	int fd;

	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The context's directory in a v1 hierarchy; the process is moved there. */
static int enter_v1(int top, const char *number)
{
	int r = -ENOENT;

	/* Another chcontext may take them for leftovers before we are in. */
	for (int i = 0; r == -ENOENT && i < 100; i++) {
		_cleanup_close_ int home = below(top, "vserver"), dir = home < 0 ? home : below(home, number);

		r = dir < 0 ? dir : write_file(dir, "cgroup.procs", "0");
		if (r == 0)
			return TAKE_FD(dir);
	}
	return r == -ENOENT ? -EAGAIN : r;
}

/* … in the v2 hierarchy, where the process is already: its parents must hand the controller down. */
static int open_v2(const char *controller, uint32_t number, struct err *e)
{
	_cleanup_close_ int home = cgroup_home(e), top = -1;
	_cleanup_free_ char *plus = xasprintf("+%s", controller);
	_cleanup_buf_ struct buf has = {0};
	int fd, r;

	if (home < 0)
		return home;
	top = openat(home, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = top < 0 ? -1 : openat(top, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || path_read_fd(fd, "cgroup.controllers", 4096, &has, NULL) < 0 || !has.p ||
	    !lists(has.p, controller)) {
		close_fd(fd);
		return -ENOENT;
	}
	close_fd(fd);
	r = write_file(top, "cgroup.subtree_control", plus);
	if (r == 0)
		r = write_file(home, "cgroup.subtree_control", plus);
	return r < 0 ? r : number_open(number, false, e);
}

int controller_set(const char *controller, uint32_t number, const char *file, const char *value, struct err *e)
{
	struct wanted w = {.controller = controller, .fd = -1};
	_cleanup_close_ int dir = -1, top = -1;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "%u", number);
	each_v1(has_controller, &w);
	top = w.fd;
	dir = top >= 0 ? enter_v1(top, name) : open_v2(controller, number, e);
	r = dir < 0 ? dir : value ? write_file(dir, file, value) : 0;
	if (r == -ENOENT)
		return err_set(e, -EOPNOTSUPP,
			       "this host has no %s controller for cgroups, which the context's limit needs; mount it "
			       "or leave the flag out",
			       controller);
	return r < 0 ? err_set(e, r, "context %u: the %s controller: %s", number, controller, strerror(-r)) : 0;
}

/* A resource's soft limit as the controllers' files want it. */
static void limit_text(int resource, unsigned extra, char out[24])
{
	struct rlimit l;

	if (getrlimit(resource, &l) < 0 || l.rlim_cur == RLIM_INFINITY)
		snprintf(out, 24, "max");
	else
		snprintf(out, 24, "%llu", (unsigned long long)l.rlim_cur + extra);
}

int controller_limits(unsigned flags, uint32_t number, unsigned extra, struct err *e)
{
	char processes[24], memory[24];
	int r = 0;

	limit_text(RLIMIT_NPROC, extra, processes);
	limit_text(RLIMIT_AS, 0, memory);
	if (flags & CTX_SCHED)
		r = controller_set("cpu", number, NULL, NULL, e);
	if (r == 0 && flags & CTX_NPROC && strcmp(processes, "max") != 0)
		r = controller_set("pids", number, "pids.max", processes, e);
	if (r == 0 && flags & CTX_ULIMIT && strcmp(memory, "max") != 0) {
		/* v2's name; v1's where that is not there. */
		r = controller_set("memory", number, "memory.max", memory, NULL);
		if (r < 0)
			r = controller_set("memory", number, "memory.limit_in_bytes", memory, e);
	}
	return r;
}

static bool drop(const struct mounted *m, void *arg)
{
	_cleanup_close_ int top = open(m->where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int home = top < 0 ? -1 : openat(top, "vserver", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (home < 0)
		return false;
	unlinkat(home, arg, AT_REMOVEDIR);
	unlinkat(top, "vserver", AT_REMOVEDIR);
	return false;
}

void controller_drop(uint32_t number)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", number);
	each_v1(drop, name);
}
