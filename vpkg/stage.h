/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The package files of one run of vpkg: read, verified, in the cache, and in one directory that the vservers' tools
 * see.
 */
#pragma once

#include "vpkg/vpkg.h"

struct stage {
	struct repo_package *pkgs;
	size_t n;
	int dir; /* /var/cache/vpkg/tmp/… with every package under its file name, or -1 */
	char *name;
};
/* Reads and verifies every file; the first bad one ends it with nothing changed. */
int stage_open(const char *const *files, size_t n, const struct report *r, struct stage *ret, struct err *e);
void stage_close(struct stage *s);
