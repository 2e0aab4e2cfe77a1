/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What vpkg asks of a package tool; one tool_*.c a format.
 */
#pragma once

#include "vpkg/vpkg.h"

struct tool {
	enum repo_format format;
	/* Where in a tree the package database is: the first that exists; and its files (NULL-terminated). */
	const char *const *database_dirs;
	const char *const *database_files;
	/* Adds the paths that the installed package has. */
	int (*installed_files)(const struct vserver *v, const struct repo_change *c, struct strv *paths, struct err *e);
	/* The command line that applies the plan, packages being at CTX_DIR/pkg under their file names. */
	void (*apply_command)(const struct repo_plan *plan, struct strv *argv);
	/* Whether this line of the tool's output says that something failed although the tool may exit 0. */
	bool (*line_fails)(const char *line);
	/* The command whose output tells the installed state: "NAME VERSION STATE" a line; and the STATE that is right.
	 * Of packages that are to be gone, too. */
	void (*query_command)(const struct repo_plan *plan, struct strv *argv);
	const char *good_state;
};
extern const struct tool tool_deb, tool_rpm;
/* The tool of a vserver's family, or NULL. */
const struct tool *tool_of(const struct vserver *v);

/* Copies the vserver's package database into a new directory below the cache; returns its fd; ret_name is for
 * repo_cache_temp_drop; ret_sum identifies the state: equal for vservers whose databases are equal. (database.c) */
int database_copy(const struct vserver *v, const struct tool *t, char **ret_name, uint8_t ret_sum[DIGEST_LEN],
		  struct err *e);
