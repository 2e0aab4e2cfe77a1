/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of kernel/ share among themselves.
 */
#pragma once

#include "kernel/kernel.h"

/* The v2 cgroup /vserver (made if missing), wherever the v2 hierarchy is mounted: a directory fd. -ENOENT when the host
 * has no v2 hierarchy, with the command that mounts one. */
int cgroup_home(struct err *e);
/* The same, not made if missing: -ENODEV. */
int cgroup_home_if_any(struct err *e);
/* A new empty cgroup /vserver/NUMBER of a number that nobody uses; returns its directory fd, which is locked:
 * keep it open as long as the context is wanted. Cgroups that dead callers left are removed on the way. */
int cgroup_new(uint32_t *ret_number, struct err *e);
/* Removes /vserver/NUMBER (waits shortly for its last process to be gone), and /vserver itself when it is empty. */
void cgroup_drop(uint32_t number);

/* Whether marks count just now: their programs are live. (marks.c) */
bool marks_count(void);
/* Before the first guest's instruction, with a process in its cgroup: whether what the vservers share is protected.
 * -ENOSYS with the remedy when it is sealed by marks and their programs cannot be loaded. (marks.c) */
int seal_guard(struct err *e);
/* The empty cgroup `to`, below /vserver, is locked to what the caller is locked to from now on, if to anything, and loses
 * a lock of its own otherwise: before a first process is born there. Errors of addr_lock_cgroup. (address_move.c) */
int addr_inherit(int to, struct err *e);
/* Before the caller moves to the cgroup `to`, below /vserver. An empty one inherits. Where others are, who may be locked to
 * something else, it moves the caller to a new cgroup below that one, with the caller's lock, and returns 1. 0: the caller
 * has to move. Errors of addr_lock_self. (address_move.c) */
int addr_follow(int to, struct err *e);
/* Whether the regular file dir/name (dir itself with ""), seen as stx, bears the mark and the programs that respect it
 * are live; then seal_is of stx is true afterwards. (seal.c) */
bool seal_marked(int dir, const char *name, struct statx *stx);
