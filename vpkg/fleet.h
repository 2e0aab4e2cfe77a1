/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The vservers of one command and what became of each: the table, the JSON, the exit code.
 */
#pragma once

#include "vpkg/transaction.h"

struct member {
	struct vserver *v; /* owned */
	const struct tool *tool;
	const struct repo_plan *plan; /* NULL: none was made */
	struct outcome outcome;
	bool decided; /* outcome stands: nothing is to be applied */
	bool died;    /* its worker ended without an outcome */
};
struct fleet {
	struct member *m;
	size_t n;
	bool dry_run;
};
/* Selects the vservers; unless dry_run, locks them and finishes what dead transactions left in them; where that fails,
 * the member's outcome says so. A busy one ends it with -EBUSY. */
int fleet_open(const char *const *selectors, size_t n, bool dry_run, unsigned wait, const struct report *r,
	       struct fleet *ret, struct err *e);
void fleet_close(struct fleet *f);
/* Finishes what a dead transaction left in the member: 1 it did, 0 there was nothing. -EUCLEAN names what is lost. */
int fleet_recover(struct member *m, const struct report *r, struct err *e);
/* Sets the member's outcome; reason is copied, with control characters escaped. */
void fleet_decide(struct member *m, enum outcome_status s, const char *reason);
void fleet_print_table(const struct fleet *f, FILE *out);
void fleet_print_json(const struct fleet *f, FILE *out);
int fleet_exit_code(const struct fleet *f);
