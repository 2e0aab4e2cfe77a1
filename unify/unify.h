/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Equal files of several vservers become hard links to one sealed inode, which a vserver can replace but never modify;
 * and the way back, for a path that is about to be replaced.
 *
 * Equal means: contents, mode, owner, group, mtime and xattrs. The store, /vservers/.unify, holds one link to each
 * shared inode under its key (SHA-256 over all of that). An object is always a fresh inode that the host wrote: no
 * guest ever held it open for writing. Shared are regular files that the vserver's package database lists and that are
 * no configuration file; never suid, sgid or capability files, files of 64 bytes or less, nor what is below /etc /dev
 * /home /proc /root /run /srv /sys /tmp /var.
 */
#pragma once

#include "vserver/vserver.h"

struct unify_options {
	bool dry_run;                /* say what would be linked; change nothing */
	const struct report *report; /* may be NULL */
};
struct unify_result {     /* of one vserver */
	uint64_t files;   /* eligible files seen */
	uint64_t shared;  /* of those, links of a store object now */
	uint64_t linked;  /* became so in this run (dry run: would) */
	uint64_t bytes;   /* disk bytes that linking freed (dry run: would free) */
	uint64_t skipped; /* changed while we looked, or open for writing: left alone, next run sees them */
	struct err error; /* status < 0: this vserver could not be unified (the others were) */
};
/* Unifies the vservers with each other and with the store (what only a vserver that is not given has is not found: name
 * that, too, at a new vserver's birth). The caller holds their locks. results has n entries, each error to be cleared.
 */
int unify_run(struct vserver *const *v, size_t n, const struct unify_options *o, struct unify_result *results,
	      struct err *e);

/* Before a package tool replaces `path` in the tree: if it is a sealed file, an equal private copy takes its place and
 * the sealed link moves to keep_dir/keep_name (on the same file system), from where unify_restore can bring it back.
 * Returns 1 if it did so, 0 if the path is not sealed, not a regular file or does not exist. The copy is not flushed:
 * syncfs once after all of them, before the tool runs. */
int unify_unshare(int tree, const char *path, int keep_dir, const char *keep_name, struct err *e);
/* Puts keep_dir/keep_name (sealed or not) back as `path`, atomically replacing whatever file is there now (parents must
 * exist; a directory in the way is -EISDIR). */
int unify_restore(int tree, const char *path, int keep_dir, const char *keep_name, struct err *e);
/* Drops store objects that no vserver and no pre-image links any more; reseals (after verifying its digest) or drops
 * one that lost its seal. Returns their number. */
int unify_collect(struct err *e);

struct unify_usage {
	char *name;         /* the vserver's, or the directory as it was given */
	uint64_t files;     /* regular files */
	uint64_t apparent;  /* bytes as its own users see them (disk blocks, every name's inode once) */
	uint64_t exclusive; /* bytes that only it uses: what deleting it frees (with the next collection) */
	uint64_t shared;    /* bytes of inodes that another tree links as well */
};
/* Disk usage of a tree. Links from the store do not count as another user. */
int unify_usage(int tree, struct unify_usage *ret, struct err *e);
