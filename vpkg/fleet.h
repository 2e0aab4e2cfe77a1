/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The vservers of one command and what became of each: the table, the JSON, the exit code.
 */
#pragma once

#include "vpkg/transaction.h"

struct member {
	struct vserver *v;           /* owned */
	const struct tool *tool;
	const struct repo_plan *plan; /* NULL: none was made */
	struct outcome outcome;
	bool decided;                /* outcome stands: nothing is to be applied */
};
struct fleet {
	struct member *m;
	size_t n;
	bool dry_run;
};
/* Selects the vservers; unless dry_run, locks them and finishes what dead transactions left in them. A busy one ends it
 * with -EBUSY. */
int fleet_open(const char *const *selectors, size_t n, bool dry_run, unsigned wait, const struct report *r,
	       struct fleet *ret, struct err *e);
void fleet_close(struct fleet *f);
/* Sets the member's outcome; reason is copied. */
void fleet_decide(struct member *m, enum outcome_status s, const char *reason);
void fleet_print_table(const struct fleet *f, FILE *out);
void fleet_print_json(const struct fleet *f, FILE *out);
int fleet_exit_code(const struct fleet *f);
