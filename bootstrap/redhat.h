/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of the RPM builder share: the installation that the host's librpm runs inside the context.
 */
#pragma once

#include "bootstrap/internal.h"

/* A directory of the unfinished tree that holds the host's librpm's database and temporary files while it works. */
#define REDHAT_SCRATCH ".vpkg-rpm"

struct redhat_install {
	const struct repo_solution *solution; /* its files are in CTX_DIR/pkg */
	int result;                           /* a memfd: what redhat_install_run has to say to the outside */
};
/* Loads librpm's configuration (the shipped one, neither /etc/rpm nor ~/.rpmmacros): to be called outside, since inside
 * there are no such files, or the new tree's. */
int redhat_prepare(struct err *e);
/* Inside the context: one librpm transaction of all packages, scriptlets included. Returns an exit status; messages go
 * to standard error. ->result gets lines: "+TEXT" is worth telling the user (scriptlets that failed as a warning of
 * rpm's, in the end), "-FILE" a package that the tree's own rpm must lay out again. */
int redhat_install_run(void *redhat_install);
