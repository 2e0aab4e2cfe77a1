/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of bootstrap/ share among themselves: a tree that is being built.
 */
#pragma once

#include "bootstrap/bootstrap.h"

struct boot_build {
	const struct boot_options *o;
	int home;                        /* /vservers */
	char *temp;                      /* ".new-NAME", in home */
	int tree;                        /* its root: a real directory fd */
	uint32_t uid_base;
	struct repo_solution solution;   /* resolved; every package is in the cache, verified */
	FILE *log;                       /* tool output, line by line */
	struct strv tail;                /* the last lines of it, for the error */
};
/* Fills proc_io so that a tool's output goes to the log and the tail. */
struct proc_io boot_log_io(struct boot_build *b);
/* The context that tools of the new tree run in: stubs, no flush, no network, packages shown (a directory, or -1). */
struct ctx_spec boot_context(const struct boot_build *b, int packages);
/* A directory of the solution's packages under their file names (hard links from the cache, or copies), made below the
 * cache's tmp/; returns its fd, and a name for boot_packages_drop. */
int boot_packages(struct boot_build *b, char **ret_name, struct err *e);
void boot_packages_drop(const char *name);

/* Build the tree's contents by family: unpack, configure. (debian.c, redhat.c) */
int boot_debian(struct boot_build *b, struct err *e);
int boot_redhat(struct boot_build *b, struct err *e);
