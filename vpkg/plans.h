/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Planning a fleet: once for each distinct package state, however many vservers share it.
 */
#pragma once

#include "vpkg/fleet.h"
#include "vpkg/stage.h"

struct plans {
	struct planned {
		uint8_t state[DIGEST_LEN]; /* of the package database and architecture */
		struct repo_plan plan;
	} * v;
	size_t n;
};
/* Gives every member a plan, or an outcome: skipped with the reason, or failed with the solver's words. */
int plans_make(struct fleet *f, const struct stage *s, struct plans *ret, struct err *e);
void plans_free(struct plans *p);
