/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The actor from within: what actor.c (its life), act_names.c and act_edit.c (what it does) share. All that is here
 * runs in its process, where each file system call is made with the caller's credentials, in the caller's root.
 */
#pragma once

#include "kernel/supervise.h"

/* The call that was asked for last. */
struct deed {
	struct call call;
	struct identity who;
	int parent[2], victim[2]; /* O_PATH, or negative */
	const char *name[2];      /* in parent[]: part of call.path[] */
};
struct say { /* an answer to the supervisor */
	enum actor_verdict verdict;
	int status;
	bool has[2]; /* victims that come along */
};

/* ---- act_names.c ------------------------------------------------------------------------------------------------- */
/* Opens what the call is about, and tries it. dir[]: where its paths start. */
void names_prepare(struct deed *d, const int dir[2], struct say *say);
/* Does it. 0 or -errno. */
int names_operate(const struct deed *d);
/* Whether the names are still those of the victims: a guest may have renamed until it was frozen. */
bool names_changed(const struct deed *d);

/* ---- act_edit.c -------------------------------------------------------------------------------------------------- */
void edit_prepare(struct deed *d, int dir, struct say *say);
/* Whether the caller may do what the call wants with the twin: a file that has the owner, mode and ACL of the sealed
 * one. What becomes of the twin's metadata here does not matter. 0 or -errno. */
int edit_try(const struct deed *d, int twin);
