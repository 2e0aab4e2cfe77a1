/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a tree was before a transaction: every entry that packages could change, and what is kept of it.
 */
#pragma once

#include "vpkg/vpkg.h"

enum keep {
	KEEP_NONE, /* its record says all (directories, symlinks, devices), or nothing can change it (a sealed file) */
	KEEP_LINK, /* a hard link: the tool replaces it, so the old inode stays as it was */
	KEEP_COPY, /* a copy: it may be edited in place, or its xattrs may */
	KEEP_SEAL, /* a sealed file in the way of the transaction: its own link, moved aside when a private copy took
		      its place */
};

struct entry {
	char *path;    /* relative to the root, no symlink in its parents */
	char *target;  /* of a symlink */
	uint32_t mode; /* 0: there was nothing at this path */
	uint32_t uid, gid;
	uint64_t rdev, size, ino, keep_ino;
	int64_t mtime, ctime; /* seconds */
	uint32_t mtime_ns, ctime_ns;
	uint32_t keep; /* enum keep; kept under its decimal index in the manifest */
};

struct manifest { /* sorted by path */
	struct entry *v;
	size_t n;
};
void manifest_free(struct manifest *m);
/* Records the tree: all entries in scope (scope_has), and each path of `touched` (absolute names as packages list
 * them), wherever it is and whether or not it exists. Chooses what is to be kept, keeps nothing yet. */
int manifest_take(int tree, const struct strv *touched, struct manifest *ret, struct err *e);
/* The entry of that path or NULL. */
struct entry *manifest_find(const struct manifest *m, const char *path);
/* What stat says of a regular file. */
void entry_set(struct entry *en, const struct stat *st);
/* Writes dir/manifest and reads it back; a damaged one is -EBADMSG. */
int manifest_save(int dir, const struct manifest *m, struct err *e);
int manifest_load(int dir, struct manifest *ret, struct err *e);

/* Whether a path (relative) is what packages own or edit, and not the vserver's own data. (scope.c) */
bool scope_has(const char *path);
/* The real name of a path that packages list: parents resolved inside the tree, "/bin/sh" → "usr/bin/sh". The caller
 * frees. (scope.c) */
char *scope_resolve(int tree, const char *path);

/* Links and copies into `undo` what the manifest says must be kept (except KEEP_SEAL), and notes keep_ino. (preimage.c)
 */
int preimage_keep(int tree, struct manifest *m, int undo, struct err *e);
/* Gives the tree private copies of its KEEP_SEAL files. (preimage.c) */
int preimage_unshare(int tree, const struct manifest *m, int undo, struct err *e);
/* Makes the tree what the manifest says, from `undo`. Can be run again after a death in the middle. lost receives the
 * paths that could not be brought back, with the reason. (undo.c) */
int preimage_restore(int tree, const struct manifest *m, const struct strv *touched, int undo, struct strv *lost,
		     struct err *e);
