/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One vserver's transaction: pre-image, apply, check, commit or undo.
 */
#pragma once

#include "vpkg/journal.h"
#include "vpkg/tool.h"

enum outcome_status { OUTCOME_OK, OUTCOME_SKIPPED, OUTCOME_FAILED, OUTCOME_UNDONE };
struct outcome {
	enum outcome_status status;
	char *reason; /* owned; NULL when there is nothing to say */
};
const char *outcome_name(enum outcome_status s);

struct transaction {
	struct vserver *v; /* locked, with its uids */
	const struct tool *tool;
	const struct repo_plan *plan;
	int packages; /* the directory of package files that the tool sees */
	/* Called for each line that the tool prints, already escaped. */
	void (*line)(const char *text, void *arg);
	void *arg;
};
/* Runs it to its end. Whatever happens, the vserver is updated or as before, or the reason says what is not. */
void transaction_run(const struct transaction *t, struct outcome *ret);
