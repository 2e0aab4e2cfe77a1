/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Thousands of sealed names in a row: the vservers stand still over many of them, but never for long.
 */
#pragma once

#include "vpkg/vpkg.h"

struct slice {
	int64_t since; /* ms; 0: nobody stands still */
};
/* Before an operation on a sealed name: freezes the contexts, or lets them run for a moment when they stood still for
 * long enough. */
int slice_next(struct slice *s, struct err *e);
/* Before work that takes long, and at the end. */
void slice_end(struct slice *s);
