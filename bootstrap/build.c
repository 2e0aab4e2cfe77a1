/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Running the tools of a tree that is being built: their context, their output's way into the log, their packages, and
 * what it means when they fail.
 */
#include "bootstrap/internal.h"

#include <sys/statvfs.h>

#define TAIL_LINES 8
#define TOOL_TIMEOUT 1800

static void on_line(const char *line, size_t len, bool is_err, void *arg)
{
	struct boot_build *b = arg;
	/* What the new tree's programs print is as little trusted as what a guest prints. */
	char *shown = text_escape(line, len);
	if (b->log)
		fprintf(b->log, "%s\n", shown);
	if (b->tail.n == TAIL_LINES) {
		free(b->tail.v[0]);
		memmove(b->tail.v, b->tail.v + 1, (TAIL_LINES - 1) * sizeof *b->tail.v);
		b->tail.v[--b->tail.n] = NULL;
	}
	strv_take(&b->tail, shown);
}

struct proc_io boot_log_io(struct boot_build *b)
{
	return (struct proc_io){.line = on_line, .arg = b, .timeout = TOOL_TIMEOUT};
}

struct ctx_spec boot_context(const struct boot_build *b, int packages)
{
	return (struct ctx_spec){
		.root = b->tree,
		.uid_base = b->uid_base,
		.hostname = b->o->hostname ? b->o->hostname : b->o->name,
		.packages = packages,
		.flags = CTX_STUBS | CTX_NO_FLUSH | CTX_NO_NET,
	};
}

/* The line that says why, among the last ones: dpkg and rpm end with lists of what else did not work. */
static const char *telling_line(const struct strv *tail)
{
	static const char *const marks[] = {"error", "Error", "cannot", "failed", "No space"};
	for (size_t i = 0; i < tail->n; i++)
		for (size_t m = 0; m < ARRAY_LEN(marks); m++)
			if (strstr(tail->v[i], marks[m]))
				return tail->v[i];
	return tail->n ? tail->v[tail->n - 1] : "it printed nothing";
}

int boot_tool_end(struct boot_build *b, const char *what, int status, struct err *e)
{
	if (b->log)
		fflush(b->log);
	if (status == 0)
		return 0;
	struct statvfs fs;
	if (status != -EINTR && fstatvfs(b->tree, &fs) == 0 && fs.f_bavail * fs.f_frsize < (1u << 20)) {
		err_clear(e);
		return err_set(e, -ENOSPC, "no space left while %s", what);
	}
	if (status < 0)
		return err_wrap(e, "%s", what);
	return err_set(e, -EIO, "%s failed (status %d): %s (all of its output: %s)", what, status,
		       telling_line(&b->tail), b->log_path);
}

int boot_tool(struct boot_build *b, int packages, const char *const *argv, const char *const *env, const char *what,
	      struct err *e)
{
	struct ctx_spec spec = boot_context(b, packages);
	struct proc_io io = boot_log_io(b);
	if (b->log)
		fprintf(b->log, "== %s\n", what);
	return boot_tool_end(b, what, ctx_run(&spec, argv, env, &io, e), e);
}

static int package_show(int dir, const struct repo_package *p, struct err *e)
{
	_cleanup_close_ int fd = repo_cache_open(p->sha256, e);
	if (fd < 0)
		return err_wrap(e, "%s", p->file);
	_cleanup_free_ char *self = xasprintf("/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, self, dir, p->file, AT_SYMLINK_FOLLOW) == 0 || errno == EEXIST)
		return 0;
	_cleanup_close_ int copy = openat(dir, p->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r = copy < 0 ? -errno : copy_data(fd, copy);
	return r < 0 ? err_set(e, r, "cannot lay out %s for the new tree: %s", p->file, strerror(-r)) : 0;
}

int boot_packages(struct boot_build *b, char **ret_name, struct err *e)
{
	char *name = NULL;
	/* Locked as long as it is open: others sweep what nobody has locked. */
	_cleanup_close_ int dir = repo_cache_temp("bootstrap", &name, e);
	int r = 0;
	if (dir < 0)
		return dir;
	for (size_t i = 0; i < b->solution.n && r == 0; i++)
		r = package_show(dir, &b->solution.pkgs[i], e);
	if (r < 0) {
		boot_packages_drop(name);
		free(name);
		return r;
	}
	*ret_name = name;
	return TAKE_FD(dir);
}

void boot_packages_drop(const char *name)
{
	repo_cache_temp_drop(name);
}
