/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Builds an RPM tree in two stages: the host's librpm installs all packages into it, inside its context, with a
 * database that is thrown away; then the tree's own rpm, which is there by now, makes the database that it will live
 * with, in its own version's format.
 */
#include "bootstrap/redhat.h"
#include "kernel/kernel.h"

#include <sys/mman.h>

#define RESULT_MAX (1u << 20)

/* A tree without rpm would have no database, and nobody could ever update it. */
static int needs_rpm(const struct boot_build *b, struct err *e)
{
	for (size_t i = 0; i < b->solution.n; i++)
		if (strcmp(b->solution.pkgs[i].name, "rpm") == 0)
			return 0;
	return err_set(e, -ENOENT,
		       "the package rpm is not among what was asked for, and the new tree cannot be maintained "
		       "without it; add it with --include rpm");
}

/* The directories that the context mounts over, which no package can reach inside, as every filesystem package has
 * them; and the scratch directory. */
static int skeleton(int tree, struct err *e)
{
	static const struct {
		const char *path;
		mode_t mode;
	} dirs[] = {
		{"dev", 0755}, {"proc", 0555}, {"sys", 0555}, {REDHAT_SCRATCH, 0700}, {REDHAT_SCRATCH "/tmp", 0700}};
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		int r = path_mkdirs(tree, dirs[i].path, dirs[i].mode, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Scriptlets that failed do not make rpm fail, nor a bootstrap; they are said. */
static void note_failures(const struct boot_build *b, int result)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_strv_ struct strv lines = {0};
	char chunk[4096];
	off_t at = 0;
	for (ssize_t n; at < RESULT_MAX && (n = pread(result, chunk, sizeof chunk, at)) > 0; at += n)
		buf_add(&text, chunk, (size_t)n);
	strv_split(&lines, text.p ? text.p : "", "\n");
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_free_ char *shown = text_escape(lines.v[i], strlen(lines.v[i]));
		report_note(b->o->report, "%s: %s (%s has its output)", b->o->name, shown, b->log_path);
	}
}

/* Stage 1. */
static int install(struct boot_build *b, int packages, struct err *e)
{
	_cleanup_close_ int result = memfd_create("vpkg-bootstrap", MFD_CLOEXEC);
	if (result < 0)
		return err_sys(e, "memfd");
	struct redhat_install in = {.solution = &b->solution, .result = result};
	struct ctx_spec spec = boot_context(b, packages);
	struct proc_io io = boot_log_io(b);
	if (b->log)
		fprintf(b->log, "== the host's librpm installs %zu packages\n", b->solution.n);
	/* The other side has copies of our streams' buffers. */
	fflush(NULL);
	report_progress(b->o->report, "installing", 0, b->solution.n);
	int r = ctx_call(&spec, redhat_install_run, &in, &result, 1, &io, e);
	r = boot_tool_end(b, "installing the packages", r, e);
	if (r < 0)
		return r;
	report_progress(b->o->report, "installing", b->solution.n, b->solution.n);
	note_failures(b, result);
	return tree_remove(b->tree, REDHAT_SCRATCH, NULL, e);
}

/* Whether the tree's rpm says that it has all packages: an rpm that cannot read what it wrote still ends with 0. */
static int check_database(struct boot_build *b, struct err *e)
{
	static const char *const query[] = {"rpm", "-qa", "--qf", "%{NAME}-%{VERSION}-%{RELEASE}\\n", NULL};
	struct ctx_spec spec = boot_context(b, -1);
	struct proc_io io = boot_log_io(b);
	_cleanup_buf_ struct buf out = {0};
	io.out = &out;
	int r = boot_tool_end(b, "rpm -qa", ctx_run(&spec, query, NULL, &io, e), e);
	if (r < 0)
		return r;
	_cleanup_strv_ struct strv have = {0};
	strv_split(&have, out.p ? out.p : "", "\n");
	for (size_t i = 0; i < b->solution.n; i++) {
		const struct repo_package *p = &b->solution.pkgs[i];
		const char *colon = strchr(p->evr, ':');
		_cleanup_free_ char *name = xasprintf("%s-%s", p->name, colon ? colon + 1 : p->evr);
		if (!strv_has(&have, name))
			return err_set(
				e, -EIO,
				"the new tree's own rpm does not list %s in its database (%zu of %zu are in it); "
				"see %s",
				name, have.n, b->solution.n, b->log_path);
	}
	return 0;
}

/* Stage 2: what is installed is only written down, once, by whoever will read it. Everything was resolved, verified and
 * installed before; the order is no matter, nor whether this rpm knows the signers. */
static int write_database(struct boot_build *b, int packages, struct err *e)
{
	static const char *const initdb[] = {"rpm", "--initdb", NULL};
	static const char *const justdb[] = {"rpm",      "-i",        "--justdb", "--noscripts",  "--notriggers",
					     "--nodeps", "--noorder", "--force",  "--ignoresize", "--nosignature"};
	int r = boot_tool(b, -1, initdb, NULL, "rpm --initdb", e);
	if (r < 0)
		return r;
	_cleanup_strv_ struct strv argv = {0};
	for (size_t i = 0; i < ARRAY_LEN(justdb); i++)
		strv_add(&argv, justdb[i]);
	for (size_t i = 0; i < b->solution.n; i++)
		strv_addf(&argv, CTX_DIR "/pkg/%s", b->solution.pkgs[i].file);
	report_progress(b->o->report, "package database", 0, 1);
	r = boot_tool(b, packages, (const char *const *)argv.v, NULL, "rpm -i --justdb", e);
	if (r == 0)
		r = check_database(b, e);
	report_progress(b->o->report, "package database", 1, 1);
	return r;
}

int boot_redhat(struct boot_build *b, struct err *e)
{
	int r = needs_rpm(b, e);
	if (r == 0)
		r = redhat_prepare(e);
	if (r == 0)
		r = skeleton(b->tree, e);
	if (r < 0)
		return r;
	char *name = NULL;
	_cleanup_close_ int packages = boot_packages(b, &name, e);
	if (packages < 0)
		return packages;
	r = install(b, packages, e);
	if (r == 0)
		r = write_database(b, packages, e);
	boot_packages_drop(name);
	free(name);
	return r;
}
