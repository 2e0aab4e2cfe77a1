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
		       "without it; add it with --include rpm or to the definition");
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

/* What stage 1 had to say. Scriptlets that failed do not make rpm fail, nor a bootstrap; they are said. */
static void read_result(const struct boot_build *b, int result, struct strv *ret_misplaced)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_strv_ struct strv lines = {0};
	char chunk[4096];
	off_t at = 0;
	for (ssize_t n; at < RESULT_MAX && (n = pread(result, chunk, sizeof chunk, at)) > 0; at += n)
		buf_add(&text, chunk, (size_t)n);
	strv_split(&lines, text.p ? text.p : "", "\n");
	for (size_t i = 0; i < lines.n; i++) {
		_cleanup_free_ char *shown = text_escape(lines.v[i] + 1, strlen(lines.v[i] + 1));
		if (lines.v[i][0] == '+')
			report_note(b->o->report, "%s: %s (%s has its output)", b->o->name, shown, b->log_path);
	}
	for (size_t i = 0; i < b->solution.n; i++) {
		_cleanup_free_ char *line = xasprintf("-%s", b->solution.pkgs[i].file);
		if (strv_has(&lines, line))
			strv_add(ret_misplaced, b->solution.pkgs[i].file);
	}
}

/* Stage 1. */
static int install(struct boot_build *b, int packages, struct strv *ret_misplaced, struct err *e)
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
	read_result(b, result, ret_misplaced);
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

/* Installs over what is there. Everything was resolved, verified and installed before: the order is no matter, nor
 * whether this rpm knows the signers. */
static int rpm_again(struct boot_build *b, int packages, const char *justdb, const struct strv *files, struct err *e)
{
	static const char *const rpm[] = {"rpm",       "-i",      "--noscripts",  "--notriggers", "--nodeps",
					  "--noorder", "--force", "--ignoresize", "--nosignature"};
	_cleanup_strv_ struct strv argv = {0};
	for (size_t i = 0; i < ARRAY_LEN(rpm); i++)
		strv_add(&argv, rpm[i]);
	if (justdb)
		strv_add(&argv, justdb);
	for (size_t i = 0; i < files->n; i++)
		strv_addf(&argv, CTX_DIR "/pkg/%s", files->v[i]);
	return boot_tool(b, packages, (const char *const *)argv.v, NULL, justdb ? "rpm -i --justdb" : "rpm -i --force",
			 e);
}

/* Stage 2: what is installed is written down once, by whoever will read it; and what the host's librpm cannot lay out
 * right (see redhat_install.c) is done again by the rpm that the packages were made for. */
static int write_database(struct boot_build *b, int packages, const struct strv *misplaced, struct err *e)
{
	static const char *const initdb[] = {"rpm", "--initdb", NULL};
	_cleanup_strv_ struct strv all = {0};
	for (size_t i = 0; i < b->solution.n; i++)
		strv_add(&all, b->solution.pkgs[i].file);
	report_progress(b->o->report, "package database", 0, 1);
	int r = boot_tool(b, -1, initdb, NULL, "rpm --initdb", e);
	if (r == 0)
		r = rpm_again(b, packages, "--justdb", &all, e);
	if (r == 0 && misplaced->n)
		r = rpm_again(b, packages, NULL, misplaced, e);
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
	_cleanup_strv_ struct strv misplaced = {0};
	r = install(b, packages, &misplaced, e);
	if (r == 0)
		r = write_database(b, packages, &misplaced, e);
	boot_packages_drop(name);
	free(name);
	return r;
}
