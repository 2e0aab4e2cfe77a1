/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What seal.c, freeze.c and window.c share: the freezing of all contexts, and the messages to the process that holds
 * the window in which a seal is lifted.
 */
#pragma once

#include "kernel/kernel.h"

#include <limits.h>

/* ---- freeze.c: every context stands still ------------------------------------------------------------------------ */
struct freeze {
	int dir; /* the v2 cgroup /vserver, locked; -1 where the host has no v2 hierarchy and so no context */
};
/* Waits for other holders (up to 20 s), then freezes; 0, -EBUSY, -ETIMEDOUT. Only the helper process calls these. */
int freeze_begin(struct freeze *ret, struct err *e);
void freeze_end(struct freeze *f);
/* Removes /vserver when nothing is in it, as the last user of it does. */
void freeze_tidy(void);

/* ---- window.c: the process that lifts seals ---------------------------------------------------------------------- */
enum window_freeze { WINDOW_ONCE, WINDOW_KEEP, WINDOW_THAW }; /* after the request: as before it, frozen, not frozen */
#define WINDOW_OPS 64                                         /* operations in one request */

/* Has the helper execute up to WINDOW_OPS operations (it is forked by the first call of a process) and sets their
 * status. Returns 0 when it was asked, or -errno: -EPIPE when it was killed meanwhile (the contexts have been thawed
 * then, seals may be missing). *e gets the message of the first operation that failed, too. */
int window_ask(enum window_freeze mode, struct seal_op *ops, size_t n, struct err *e);
/* Executes one operation in the helper, while contexts are frozen (lift.c). */
int window_serve(const struct seal_op *op, struct err *e);
