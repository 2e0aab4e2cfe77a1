/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From file names on the command line to verified bytes that no vserver can change.
 */
#include "vpkg/stage.h"

static int read_one(const char *file, const struct report *r, struct repo_package *p, struct err *e)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), cached = -1;
	const char *base = strrchr(file, '/');
	struct stat st;
	int status;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "%s", file);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: not a file; name a .deb or an .rpm", file);
	/* Into the cache first: what is verified must be what is used, whoever writes to the file meanwhile. */
	status = repo_cache_add(fd, p->sha256, e);
	if (status < 0)
		return err_wrap(e, "%s", file);
	cached = repo_cache_open(p->sha256, e);
	if (cached < 0)
		return cached;
	status = repo_package_read(cached, file, NULL, p, e);
	if (status < 0)
		return status;
	if (p->warning)
		report_note(r, "%s: %s", file, p->warning);
	free(p->file);
	p->file = xstrdup(base ? base + 1 : file);
	return 0;
}

static int link_one(const struct repo_package *p, int dir, struct err *e)
{
	_cleanup_close_ int fd = repo_cache_open(p->sha256, e);

	if (fd < 0)
		return fd;
	if (linkat(fd, "", dir, p->file, AT_EMPTY_PATH) < 0)
		return err_sys(e, "%s%s", p->file,
			       errno == EEXIST ? " (two files of that name; give one of them)" : "");
	return 0;
}

int stage_open(const char *const *files, size_t n, const struct report *r, struct stage *ret, struct err *e)
{
	_cleanup_(stage_close) struct stage s = {.pkgs = xcalloc(n, sizeof(*s.pkgs)), .dir = -1};
	int status = 0;

	for (; status == 0 && s.n < n; s.n++) {
		status = read_one(files[s.n], r, &s.pkgs[s.n], e);
		if (status == 0)
			status = intr_check(e);
	}
	if (status < 0)
		return status;
	s.dir = repo_cache_temp("packages", &s.name, e);
	if (s.dir < 0)
		return s.dir;
	for (size_t i = 0; status == 0 && i < n; i++)
		status = link_one(&s.pkgs[i], s.dir, e);
	if (status == 0) {
		*ret = s;
		s = (struct stage){.dir = -1};
	}
	return status;
}

void stage_close(struct stage *s)
{
	repo_cache_temp_drop(s->name);
	for (size_t i = 0; i < s->n; i++)
		repo_package_free(&s->pkgs[i]);
	free(s->pkgs);
	free(s->name);
	close_fd(s->dir);
	*s = (struct stage){.dir = -1};
}
