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
