/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Users of a tree, as its own /etc/passwd and /etc/group tell.
 */
#pragma once

#include "lib/lib.h"

struct user {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* owned: gid first, then those that list the user */
	size_t n_groups;
};
/* Understands the two files' text; `name` may be a number, too. -ENOENT: no such user; -EBADMSG: the user's line is
 * wrong, with its number. Ids that mean "unchanged" to the kernel (4294967295) are wrong. */
int user_parse(const char *passwd, size_t passwd_len, const char *group, size_t group_len, const char *name,
	       struct user *ret, struct err *e);
/* Looks the user up in the tree, reading its files in a sandbox and using no name service: that would load modules, and
 * they could be the tree's own. Needs no files for root (and 0). */
int user_find(int root, const char *name, struct user *ret, struct err *e);
/* Makes the calling process that user: groups, gid, uid. Whoever is not root has no capability afterwards. */
int user_become(const struct user *u, struct err *e);
void user_free(struct user *u);
