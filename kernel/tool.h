/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the small programs of this room (those that lower something, then execute a command) have in common.
 */
#pragma once

#include "lib/lib.h"

#include <getopt.h>

/* The `val` of a long option that has no letter begins here, so that a wrong letter can be told from it. */
#define TOOL_LONG 256

/* What getopt_long's '?' or ':' means, as one line without newline; the caller frees. Its option string must begin with
 * ':' or "+:". */
char *tool_wrong_option(int c, char *const *argv, const struct option *longs);
/* The long option that is nearest to what was typed, without "--", or NULL. */
const char *tool_nearest_option(const char *typed, const struct option *longs);
/* Becomes the command argv, looked up in PATH. Returns only when that failed: the program's exit status, 127 (not
 * found) or 126 (cannot be executed), with *e set. */
int tool_exec(char *const *argv, struct err *e);
