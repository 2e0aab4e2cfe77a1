/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of vserver/ share among themselves.
 */
#pragma once

#include "vserver/vserver.h"

/* Names of all /etc/vservers/NAME.conf, sorted, whether they have a tree or not. None when there is no such directory.
 */
int vs_conf_names(struct strv *ret, struct err *e);
/* Sets "no vserver NAME" with the nearest name that exists. Returns -ENOENT. */
int vs_unknown(const char *name, struct err *e);
/* Whether /vservers/NAME is still the tree that was opened: it may have been deleted, or deleted and made anew. */
int vs_same_tree(const struct vserver *v, struct err *e);
/* Reads a host file (not one of a vserver's) whole. A missing one is -ENOENT. */
int vs_read_host(const char *path, size_t max, struct buf *ret, struct err *e);

/* An exclusive lock on dir/file (a path of the product, without the sysroot), which then holds our pid and command;
 * both are made. Waits up to `wait` seconds, then -EBUSY "WHAT is in use by COMMAND (pid N)". Returns the fd that holds
 * it. */
int vs_lock_file(const char *dir, const char *file, unsigned wait, const char *what, struct err *e);
