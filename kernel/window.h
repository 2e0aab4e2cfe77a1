/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What names.c, freeze.c and window.c share: the freezing of all contexts, and the messages to the process that holds
 * the window in which a seal is lifted.
 */
#pragma once

#include "kernel/kernel.h"

#include <limits.h>
#include <time.h>

/* ---- freeze.c: every context stands still ------------------------------------------------------------------------ */
struct freeze {
	int dir; /* the v2 cgroup /vserver, locked; -1 where the host has no v2 hierarchy and so no context */
	struct timespec since; /* CLOCK_MONOTONIC, when the freezing began; set on failure, too */
};
/* Waits for other holders (up to 20 s), then freezes and waits so many milliseconds until all stand still; 0, -EBUSY,
 * -ETIMEDOUT. Only the helper process calls these. */
int freeze_begin(struct freeze *ret, unsigned ms, struct err *e);
void freeze_end(struct freeze *f);
/* Removes /vserver when nothing is in it, as the last user of it does. */
void freeze_tidy(void);
/* One cgroup's switch alone, and waiting for "frozen" after it was switched on (-ETIMEDOUT). 0 or -errno. */
int freeze_switch(int cgroup, bool on);
bool freeze_is_on(int cgroup);
int freeze_wait(int cgroup, unsigned ms);

/* ---- window.c: the process that lifts seals ---------------------------------------------------------------------- */
enum window_freeze { WINDOW_ONCE, WINDOW_KEEP, WINDOW_THAW }; /* after the request: as before it, frozen, not frozen */
#define WINDOW_OPS 64                                         /* operations in one request */

/* Has the helper execute up to WINDOW_OPS operations (it is forked by the first call of a process) and sets their
 * status. Returns 0 when it was asked, or -errno: -EPIPE when it was killed meanwhile (the contexts have been thawed
 * then, seals may be missing). *e gets the message of the first operation that failed, too. */
int window_ask(enum window_freeze mode, struct seal_op *ops, size_t n, struct err *e);
/* Executes one operation in the helper, while contexts are frozen (lift.c). */
int window_serve(const struct seal_op *op, struct err *e);

/* For supervisors (supervise.c), operations beside those of enum seal_what: */
#define WINDOW_ACT \
	((enum seal_what)(SEAL_SWAP + 1)) /* lift file and dir[0] (-1: none), let the actor on the socket \
					   * dir[1] do what it has prepared; flags: its pid */
#define WINDOW_REPLACE \
	((enum seal_what)(SEAL_SWAP + 2)) /* give dir[0]/name[0] to file, which has no name, if it still is \
					   * the name of dir[1]; flags: the host's id of its root */
#define WINDOW_CHANGED (-ERESTART)        /* status: the names are not those of the files any more */
/* Threads that wait for an answer of their supervisor cannot be frozen: they are told to repeat their calls after the
 * thaw. */
#define WINDOW_PARKS 64
struct window_park {
	int cgroup;   /* of their context */
	int listener; /* on which they wait */
	uint32_t n;
	uint64_t id[WINDOW_PARKS]; /* for the answers to these */
	uint32_t frozen_us;        /* set: how long all contexts stood still */
};
/* Sends those threads back, then executes the operation, which sets its status; NULL: none. -errno as of window_ask;
 * the threads may have been sent back or not, and after -EPIPE their context may stand still: window_undo is due. */
int window_act(struct window_park *park, struct seal_op *op, struct err *e);
/* Whatever was left in the middle: afterwards the context runs, and each of the threads repeats its call. */
void window_undo(const struct window_park *park);
/* Answers these questions so that the threads repeat their calls. Only when a freeze of their context is ordered: a
 * thread that has nothing pending would return the answer to its program. */
void window_restart(int listener, const uint64_t *id, uint32_t n);
/* In a forked process, before it closes the descriptors that are not its own: the helper is its parent's. */
void window_forget(void);
