/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A transaction's journal: /var/lib/vpkg/journal/NAME, on disk before anything in the vserver changes, and gone when
 * the transaction is committed or undone. Whoever finds one finishes it.
 */
#pragma once

#include "vpkg/manifest.h"

enum journal_state {
	JOURNAL_NONE,      /* no transaction */
	JOURNAL_PREPARING, /* the pre-image is being taken; the tree is untouched */
	JOURNAL_APPLYING,  /* the tool may have changed the tree: undo */
	JOURNAL_COMMITTED, /* done, or undone; the pre-image only has to go */
};

struct journal {
	char *name; /* the vserver's */
	int dir;    /* /var/lib/vpkg/journal/NAME */
	int undo;   /* /vservers/.undo/NAME */
};
/* Starts a journal in state PREPARING. -EEXIST when there is one (journal_recover first). */
int journal_begin(const char *name, struct journal *ret, struct err *e);
/* Writes the state, durably: it and all that was written before it are on disk on return. */
int journal_set(struct journal *j, enum journal_state s, struct err *e);
/* The paths that the packages list, one a line: undo looks at them wherever they are. */
int journal_save_touched(struct journal *j, const struct strv *touched, struct err *e);
/* Drops the pre-image and the journal. */
int journal_end(struct journal *j, struct err *e);
void journal_close(struct journal *j);
/* The state of a vserver's journal. */
enum journal_state journal_state(const char *name);
/* Finishes what a dead transaction left in the vserver, whose lock the caller holds: 0 nothing to do, 1 undone or
 * cleaned up. What of the dead one still runs ends first. lost as of journal_undo. */
int journal_recover(const struct vserver *v, struct strv *lost, struct err *e);
/* Undoes the transaction of an open journal and ends it. lost as of preimage_restore; if there is any, its last line
 * says where what was kept is from then on: another undo would take back what the administrator did meanwhile. */
int journal_undo(struct journal *j, const struct vserver *v, struct strv *lost, struct err *e);
