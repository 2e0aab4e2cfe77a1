/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between plan.c and plan_db.c, both in the sandbox.
 */
#pragma once

#include "repo/solver.h"

/* Fills repo from the database in the working directory; what is broken in it goes to problems. */
int plan_load_installed(Repo *repo, enum repo_format format, struct strv *problems, struct err *e);
/* Adds a package file; returns its solvable. */
int plan_add_file(Repo *repo, enum repo_format format, int fd, struct err *e);
