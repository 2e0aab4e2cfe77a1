/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the solver's two users (solve.c, plan.c) share; all of it runs in the sandbox. Apart from internal.h so that
 * only they see libsolv.
 */
#pragma once

#include "repo/internal.h"

#include <solv/pool.h>
#include <solv/queue.h>
#include <solv/repo.h>
#include <solv/solver.h>

/* A pool of the format's semantics; strict: only packages of exactly this architecture (and of none). */
Pool *pool_make(enum repo_format format, const char *arch, bool strict);
/* Adds an index file, compressed as its name tells. */
int pool_add_index(Pool *pool, Repo *repo, enum repo_format format, const char *arch, int fd, const char *file,
		   struct err *e);
/* Adds stanzas that stanza_filter wrote. */
int pool_add_stanzas(Repo *repo, struct buf *filtered, struct err *e);
struct stanza_extra pool_extra(Solvable *s);
/* All problems of a failed solve, each in one line. */
void pool_problems(Solver *solver, struct strv *ret);
/* Fills name, evr, arch, installed of *p. */
void pool_package(Solvable *s, struct repo_package *p);

/* ---- choices (choice.c) ------------------------------------------------------------------------------------------ */
/* Leaves only the newest version of each package (Debian: of a name; rpm: of a name and architecture), from the first
 * source that has it: a package's candidate, as apt and dnf know it. Before pool_createwhatprovides. */
void choice_newest(Pool *pool, enum repo_format format);
/* Adds the job that makes the solver prefer a package to others that provide its name, and nothing more: among those
 * others it chooses as it would. After the last pool_createwhatprovides, which forgets what the job refers to. */
void choice_prefer_real(Pool *pool, enum repo_format format, Queue *jobs);
/* Adds a solvable that provides the paths that packages need and no index lists; 0 when there are none. */
Id choice_unlisted_paths(Pool *pool);
/* Those of them that the selected packages need. */
void choice_assumed(Pool *pool, Id assumed, const Queue *selected, struct strv *ret);
