/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files named on a command line, and what is below them: for setattr and showattr.
 */
#pragma once

#include "lib/lib.h"

struct files {
	bool recurse; /* into directories below the named ones */
	bool hidden;  /* entries that begin with a dot, too */
	bool itself;  /* of a directory nothing but itself */
	bool one_fs;  /* does not enter what is mounted below */
	/* For each: an O_PATH descriptor, borrowed; its name, harmless to print; whether it was itself named. */
	void (*each)(int handle, const char *shown, bool named, void *arg);
	/* What could not be looked at; the message begins with its name. */
	void (*failed)(const char *message, void *arg);
	void *arg;
};
/* Visits the file, a directory before what is in it, the entries of a directory in byte order of their names; never
 * through a symbolic link, the named one included, and by descriptors all the way, so that nothing that a guest swaps
 * meanwhile leads elsewhere. */
void files_visit(const char *path, const struct files *f);
