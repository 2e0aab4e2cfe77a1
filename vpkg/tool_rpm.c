/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rpm, as the vserver has it.
 */
#include "vpkg/tool.h"

static int installed_files(const struct vserver *v, const struct repo_change *c, struct strv *paths, struct err *e)
{
	const char *const argv[] = {"rpm", "-ql", c->name, NULL};
	struct ctx_spec spec = vs_context(v, CTX_STUBS | CTX_NO_FLUSH | CTX_NO_NET);
	_cleanup_buf_ struct buf out = {0};
	int r = ctx_run(&spec, argv, NULL, &(struct proc_io){.out = &out, .timeout = 300}, e);

	if (r != 0)
		return r < 0 ? r : err_set(e, -EIO, "rpm -ql %s ended with status %d in the vserver", c->name, r);
	if (out.p)
		strv_split(paths, out.p, "\n");
	return 0;
}

static void apply_command(const struct repo_plan *plan, struct strv *argv)
{
	/* vpkg has verified signatures with the host's keys; the vserver's rpm need not know them. Its scriptlets get a
	 * fixed PATH, into which the stubs have to be put. */
	static const char *const head[] = {
		"rpm",
		"-U",
		"--nosignature",
		"--define",
		"_install_script_path " CTX_DIR "/bin:/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin",
	};

	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		strv_add(argv, head[i]);
	for (size_t i = 0; i < plan->n; i++)
		if (plan->changes[i].package)
			strv_addf(argv, CTX_DIR "/pkg/%s", plan->changes[i].package->file);
}

/* rpm exits 0 after a failed %post: "warning: %post(x-1-1.noarch) scriptlet failed, exit status 1". */
static bool line_fails(const char *line)
{
	return strstr(line, "scriptlet failed") != NULL;
}

static void query_command(const struct repo_plan *plan, struct strv *argv)
{
	strv_add(argv, "rpm");
	strv_add(argv, "-q");
	strv_add(argv, "--qf");
	strv_add(argv, "%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} installed\\n");
	for (size_t i = 0; i < plan->n; i++)
		strv_add(argv, plan->changes[i].name);
}

static const char *const dirs[] = {"var/lib/rpm", "usr/lib/sysimage/rpm", NULL};
static const char *const files[] = {"Packages", "Packages.db", "rpmdb.sqlite", "rpmdb.sqlite-wal", NULL};

const struct tool tool_rpm = {
	.format = REPO_RPM,
	.database_dirs = dirs,
	.database_files = files,
	.installed_files = installed_files,
	.apply_command = apply_command,
	.line_fails = line_fails,
	.query_command = query_command,
	.good_state = "installed",
};
