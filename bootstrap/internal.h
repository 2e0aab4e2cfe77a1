/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of bootstrap/ share among themselves: a tree that is being built.
 */
#pragma once

#include "bootstrap/bootstrap.h"

struct boot_build {
	const struct boot_options *o;
	int home;   /* /vservers */
	char *temp; /* ".new-NAME", in home */
	int tree;   /* its root: a real directory fd */
	uint32_t uid_base;
	struct repo_solution solution; /* resolved; every package is in the cache, verified */
	FILE *log;                     /* tool output, line by line */
	char *log_path;
	struct strv tail; /* the last lines of it, for the error */
};
/* ---- running the new tree's own tools (build.c) -------------------------------------------------------------------
 */
/* Fills proc_io so that a tool's output goes to the log and the tail. */
struct proc_io boot_log_io(struct boot_build *b);
/* The context that tools of the new tree run in: stubs, no flush, no network, packages shown (a directory, or -1). */
struct ctx_spec boot_context(const struct boot_build *b, int packages);
/* What a tool's end means: `status` as of ctx_run or ctx_call (whose *e is kept). 0, or the error with the tool's last
 * line and where its whole output is; -ENOSPC when the disk is full by now. */
int boot_tool_end(struct boot_build *b, const char *what, int status, struct err *e);
/* Runs a tool of the new tree and judges its end. env may be NULL. */
int boot_tool(struct boot_build *b, int packages, const char *const *argv, const char *const *env, const char *what,
	      struct err *e);
/* A directory of the solution's packages under their file names (hard links from the cache, or copies), made below the
 * cache's tmp/; returns its fd, and a name for boot_packages_drop. */
int boot_packages(struct boot_build *b, char **ret_name, struct err *e);
void boot_packages_drop(const char *name);

/* ---- who it is (identity.c, sources.c) ----------------------------------------------------------------------------
 */
/* Machine id, host name, hosts, resolv.conf, root's password, the package manager's repositories. */
int boot_identity(struct boot_build *b, struct err *e);
/* Debian: /etc/apt/sources.list with the mirrors that this tree came from. */
int boot_sources(struct boot_build *b, struct err *e);

/* Build the tree's contents by family: unpack, configure. (debian.c, redhat.c) */
int boot_debian(struct boot_build *b, struct err *e);
int boot_redhat(struct boot_build *b, struct err *e);
