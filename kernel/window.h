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
enum window_op { WINDOW_FREEZE, WINDOW_THAW, WINDOW_LINK, WINDOW_UNLINK, WINDOW_RENAME, WINDOW_SWAP };
enum { WINDOW_KEEP = 1u << 31 }; /* leave the contexts frozen after this request */
struct window_call {
	enum window_op op;
	unsigned flags;      /* of renameat2, and WINDOW_KEEP */
	int fds[3];          /* LINK: file, dir · UNLINK: dir · RENAME: dir, dir · SWAP: file, dir, dir */
	size_t n_fds;
	const char *name[2]; /* in the order of the directories */
};
/* Has the helper do it (the helper is forked by the first call of a process). Returns 0 or -errno. -EPIPE when the helper
 * was killed meanwhile: contexts have been thawed then, seals may be missing. */
int window_ask(const struct window_call *c, struct err *e);
/* Executes one request in the helper, while contexts are frozen (lift.c). */
int window_serve(const struct window_call *c, struct err *e);
