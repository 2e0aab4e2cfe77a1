/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between the files of kernel/ that make up addresses in user space: address.c, address_lock.c, address_loop.c.
 */
#pragma once

#include "kernel/address.h"
#include "kernel/load.h"

#define ADDRESS_DEPTH 4       /* cgroups with locks, one in the other, below /vserver: so far the programs look */
#define ADDRESS_OWN "chbind." /* how the names of cgroups begin that addr_lock_self makes */

/* ---- address.c --------------------------------------------------------------------------------------------------- */

struct address_tables {
	int cgroups, locks; /* maps */
	int home;           /* the cgroup /vserver */
	int turn;           /* who holds this directory's lock changes them */
};
#define ADDRESS_NO_TABLES ((struct address_tables){-1, -1, -1, -1})
#define _cleanup_tables_ _cleanup_(address_close)

/* -ENODEV: not loaded. Closing is needed in any case. */
int address_open(struct address_tables *t, struct err *e);
void address_close(struct address_tables *t);
/* Waits until nobody else changes the tables; ends with address_close. */
int address_turn(struct address_tables *t, struct err *e);
/* All 0 when there is none. */
struct address_cgroup address_entry(const struct address_tables *t, uint64_t id);
/* Removes what is left of cgroups that are gone, and sets used[slot] (ADDRESS_LOCKS members) of the slots that are in
 * use, false of the others. In one's turn. */
void address_collect(const struct address_tables *t, bool *used);

struct address_place {
	uint64_t id[ADDRESS_DEPTH]; /* the cgroup's own first, then those above it, without /vserver itself */
	size_t n;
	uint32_t slot, above; /* the lock that governs it; that would if it had none of its own; 0: none */
};
/* Where a cgroup, given by its directory, is. -EINVAL: not below /vserver. */
int address_place(const struct address_tables *t, int cgroup, struct address_place *ret, struct err *e);
/* The v2 cgroup of a process (0: the caller): its directory. */
int address_cgroup_of(int home, pid_t pid, struct err *e);

/* ---- address_lock.c ---------------------------------------------------------------------------------------------- */

struct addr_set address_set(const struct address_lock *lock);
struct address_lock address_lock_of(const struct addr_set *set);
/* Whether two locks are to the same. */
bool address_same(const struct address_lock *a, const struct address_lock *b);
/* Opens the tables, with the programs loaded first if they are not, and waits for the turn. */
int address_open_loaded(struct address_tables *t, struct err *e);
/* Makes the lock one below that in a slot (0: none), which is returned, too: -EPERM when it asks for more. */
int address_check(const struct address_tables *t, uint32_t slot, struct address_lock *lock,
		  struct address_lock *ret_above, struct err *e);
/* A slot for the lock: that of another command with the same set, so that they share 127.0.0.1, or an empty one. Sets
 * *ret_there when it has what it needs. Collects. -ENOSPC. */
int address_find(const struct address_tables *t, const struct address_lock *lock, uint32_t *ret, bool *ret_there,
		 struct err *e);
/* Puts a lock in an empty slot, or, to the sockets that it has marked the same as before, in its own. */
int address_put(const struct address_tables *t, uint32_t slot, struct address_lock *lock, bool own, struct err *e);
/* Says of the cgroups at a place, from the `first` on, that there may be locks below them. -ENOSPC. */
int address_note_below(const struct address_tables *t, const struct address_place *p, size_t first, struct err *e);
/* Gives the lock in a slot to the cgroup at a place; takes off what it has. */
int address_give(const struct address_tables *t, int cgroup, const struct address_place *p, uint32_t slot,
		 struct err *e);
int address_take_off(const struct address_tables *t, const struct address_place *p, struct err *e);

/* ---- address_raw.c ----------------------------------------------------------------------------------------------- */

/* Attaches the filter of what raw and ping sockets send to a cgroup, once; it goes with the cgroup. Errors: what the
 * kernel says. */
int address_raw_filter(const struct address_tables *t, int cgroup, struct err *e);

/* ---- address_loop.c ---------------------------------------------------------------------------------------------- */

/* The IPv6 loopback of the lock in a slot, on the lo of the caller's network namespace. False: this host has no IPv6,
 * and so the lock no ::1. */
bool address_loop_add(uint32_t slot);
/* Removes those of slots that are not used; `used` has ADDRESS_LOCKS members. */
void address_loop_sweep(const bool *used);
