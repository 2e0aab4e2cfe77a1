/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * dpkg, as the vserver has it.
 */
#include "vpkg/tool.h"

#define LIST_MAX (64u << 20)

/* A diverted file lives under another name: both are touched. The file holds triplets of lines. */
static void add_diversions(const struct vserver *v, struct strv *paths)
{
	_cleanup_buf_ struct buf b = {0};
	_cleanup_strv_ struct strv lines = {0}, more = {0};

	if (path_read(v->tree, "var/lib/dpkg/diversions", LIST_MAX, &b, NULL) < 0)
		return;
	strv_split(&lines, b.p, "\n");
	for (size_t i = 0; i + 1 < lines.n; i += 3)
		if (strv_has(paths, lines.v[i]))
			strv_add(&more, lines.v[i + 1]);
	for (size_t i = 0; i < more.n; i++)
		strv_add(paths, more.v[i]);
}

static int installed_files(const struct vserver *v, const struct repo_change *c, struct strv *paths, struct err *e)
{
	_cleanup_free_ char *plain = xasprintf("var/lib/dpkg/info/%s.list", c->name);
	_cleanup_free_ char *multi = xasprintf("var/lib/dpkg/info/%s:%s.list", c->name, c->arch ? c->arch : v->arch);
	_cleanup_buf_ struct buf b = {0};
	struct stat st;
	int r;

	r = path_read(v->tree, path_stat(v->tree, multi, &st) == 0 ? multi : plain, LIST_MAX, &b, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	strv_split(paths, b.p, "\n");
	add_diversions(v, paths);
	return 0;
}

static void apply_command(const struct repo_plan *plan, struct strv *argv)
{
	/* Questions about configuration files are answered as an unattended run must: what the administrator changed
	 * stays, the package's version lands beside it. */
	static const char *const head[] = {"dpkg", "--force-confdef", "--force-confold"};
	bool removals = false;

	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		strv_add(argv, head[i]);
	for (size_t i = 0; i < plan->n; i++)
		removals |= !plan->changes[i].to;
	if (removals)
		strv_add(argv, "--auto-deconfigure");
	strv_add(argv, "--install");
	for (size_t i = 0; i < plan->n; i++)
		if (plan->changes[i].package)
			strv_addf(argv, CTX_DIR "/pkg/%s", plan->changes[i].package->file);
}

static bool line_fails(const char *line)
{
	return false; /* dpkg's exit status tells */
}

static void query_command(const struct repo_plan *plan, struct strv *argv)
{
	strv_add(argv, "dpkg-query");
	strv_add(argv, "-W");
	strv_add(argv, "-f=${binary:Package} ${Version} ${db:Status-Status}\\n");
	for (size_t i = 0; i < plan->n; i++)
		strv_add(argv, plan->changes[i].name);
}

static const char *const dirs[] = {"var/lib/dpkg", NULL};
static const char *const files[] = {"status", NULL};

const struct tool tool_deb = {
	.format = REPO_DEB,
	.database_dirs = dirs,
	.database_files = files,
	.installed_files = installed_files,
	.apply_command = apply_command,
	.line_fails = line_fails,
	.query_command = query_command,
	.good_state = "installed",
};
