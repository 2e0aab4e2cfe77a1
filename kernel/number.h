/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What makes a security context (wish.c) beside the kernel's programs: its cgroups (number.c, controller.c) and,
 * without those programs, its namespaces (apart.c).
 */
#pragma once

#include "kernel/internal.h"

/* A new empty cgroup /vserver/NUMBER, with a number from `from` on that nobody has; returns its directory, locked
 * against number_sweep as long as it is open. -EAGAIN: none is free. */
int number_new(uint32_t from, unsigned flags, uint32_t *ret, struct err *e);
/* The cgroup of that number, locked so. Made if make; else -ESRCH when it is not there. */
int number_open(uint32_t number, bool make, struct err *e);
/* The flags that its first chcontext gave it; 0 for cgroups of others. */
unsigned number_flags(int dir);
int number_set_flags(int dir, unsigned flags, struct err *e);
/* Whether any process is in it. */
bool number_used(int dir);
/* The cgroup /vserver/N that the calling process is in: its directory, -ENODEV when in none. */
int number_own(void);
/* Moves the calling process there, with the addresses that it is locked to. */
int number_move(int dir, struct err *e);
/* Removes what chcontext left behind when all its processes ended. */
void number_sweep(void);
/* A socket that holds the number for an ordinary user, who can make no cgroup, until it is closed; -EADDRINUSE. */
int number_hold(uint32_t number);

/* The calling process gets that controller's limit, for the context as a whole: `file` below the context's directory in
 * the hierarchy that has the controller, v1 or v2 (value NULL: the group alone). -EOPNOTSUPP: none has it. */
int controller_set(const char *controller, uint32_t number, const char *file, const char *value, struct err *e);
/* CTX_SCHED: one share of the processors; CTX_NPROC, CTX_ULIMIT: the calling process's limits on processes and on
 * memory for all. It is moved into the context's groups; extra: how many more processes than it knows of are in there.
 */
int controller_limits(unsigned flags, uint32_t number, unsigned extra, struct err *e);
/* Removes a context's empty directories of all hierarchies but the v2 one. */
void controller_drop(uint32_t number);

/* Puts the caller's next self into namespaces; as ctx_make, which sets ret->number. */
struct apart {
	const struct ctx_wish *wish;
	int cgroup;  /* where it goes, or -1 */
	bool join;   /* the namespaces of who is in that cgroup, instead of new ones */
	bool user;   /* a user namespace, too: for those who may not make the others without */
	bool limits; /* controller_limits, once it is inside */
	bool plain;  /* nothing but process, mount and name namespaces: the programs in the kernel do the rest */
	int held;    /* number_hold's, or -1 */
};
int apart_make(const struct apart *a, struct ctx_made *ret, struct err *e);
/* Sets the wished names in the calling process's own namespace of names. */
int apart_names(const struct ctx_wish *w, struct err *e);

/* ctx_enter with CONTEXT_FRESH or CONTEXT_JOIN among the flags. (context.c) */
int context_enter(uint32_t number, uint32_t flags, struct err *e);
