/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Moving the caller to a cgroup with a lock: a new one of its own (chbind), or a context's (chcontext).
 *
 * Whatever can be killed on the way leaves at most an empty cgroup whose name begins with ADDRESS_OWN, and an entry of
 * the table: address_collect finds both.
 */
#include "kernel/address_lock.h"
#include "kernel/number.h"

#include <bpf/bpf.h>

/* A new cgroup below another; its directory. */
static int make_own(int parent, uint32_t slot, char *name, size_t size, struct err *e)
{
	int fd;

	for (int i = 0;; i++) {
		snprintf(name, size, ADDRESS_OWN "%u.%d", slot, i);
		if (mkdirat(parent, name, 0755) == 0)
			break;
		if (errno != EEXIST || i == 9999)
			return err_sys(e, "cgroup %s (root of the host can make it)", name);
	}
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "cgroup %s", name) : fd;
}

static int move_self(int cgroup, struct err *e)
{
	_cleanup_close_ int procs = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	return procs < 0 || write(procs, "0", 1) != 1 ? err_sys(e, "addresses: moving to the new cgroup") : 0;
}

/* Where the caller's new cgroup goes, and the slot of what governs the caller. */
static int own_place(const struct address_tables *t, uint32_t *ret_slot, struct err *e)
{
	_cleanup_close_ int now = address_cgroup_of(t->home, 0, e);
	struct address_place p;

	if (now < 0)
		return now;
	*ret_slot = 0;
	if (address_place(t, now, &p, NULL) < 0)
		return fcntl(t->home, F_DUPFD_CLOEXEC, 3);
	*ret_slot = p.slot;
	return TAKE_FD(now);
}

/* Moves the caller to a new cgroup below `parent` that has the lock in a slot. */
static int enter_new(const struct address_tables *t, int parent, uint32_t slot, struct err *e)
{
	struct address_place p = {0};
	_cleanup_close_ int own = -1;
	char name[32];
	int r = 0;

	/* First, so that address_collect looks there however soon we die. */
	if (address_place(t, parent, &p, NULL) == 0)
		r = address_note_below(t, &p, 0, e);
	own = r < 0 ? r : make_own(parent, slot, name, sizeof(name), e);
	if (own < 0)
		return own;
	r = address_place(t, own, &p, e);
	if (r == 0)
		r = address_give(t, own, &p, slot, e);
	if (r == 0)
		r = move_self(own, e);
	if (r < 0) {
		bpf_map_delete_elem(t->cgroups, &p.id[0]);
		unlinkat(parent, name, AT_REMOVEDIR);
	}
	return r;
}

int addr_lock_self(const struct addr_set *set, struct err *e)
{
	_cleanup_tables_ struct address_tables t = ADDRESS_NO_TABLES;
	struct address_lock lock = address_lock_of(set), above;
	_cleanup_close_ int parent = -1;
	uint32_t governs, slot;
	bool there;
	int r;

	if (set->n == 0 && !kernel_live(KERNEL_ADDRESS))
		return 0;
	r = address_open_loaded(&t, e);
	if (r < 0)
		return r;
	parent = own_place(&t, &governs, e);
	if (parent < 0)
		return parent;
	r = address_check(&t, governs, &lock, &above, e);
	if (r < 0 || set->n == 0 || (governs && address_same(&lock, &above)))
		return r;
	if (!governs)
		lock.flags |= ADDRESS_SHARED;
	r = address_find(&t, &lock, &slot, &there, e);
	if (r == 0 && !there)
		r = address_put(&t, slot, &lock, false, e);
	return r < 0 ? r : enter_new(&t, parent, slot, e);
}

/* The slot that governs the caller and, at `to`, another process or none. 1: they are not the same; 0 also where nothing is
 * locked at all. Opens the tables for the caller. */
static int compare(struct address_tables *t, int to, uint32_t *ret_governs, struct address_place *ret_to, struct err *e)
{
	int r;

	if (!kernel_live(KERNEL_ADDRESS))
		return 0;
	r = address_open_loaded(t, e);
	if (r < 0)
		return r;
	r = own_place(t, ret_governs, e);
	if (r < 0)
		return r;
	close(r);
	r = address_place(t, to, ret_to, e);
	return r < 0 ? r : ret_to->slot != *ret_governs;
}

static int inherit(const struct address_tables *t, int to, const struct address_place *p, uint32_t governs,
		   struct err *e)
{
	return governs ? address_give(t, to, p, governs, e) : address_take_off(t, p, e);
}

int addr_inherit(int to, struct err *e)
{
	_cleanup_tables_ struct address_tables t = ADDRESS_NO_TABLES;
	struct address_place p;
	uint32_t governs;
	int r = compare(&t, to, &governs, &p, e);

	return r <= 0 ? r : inherit(&t, to, &p, governs, e);
}

int addr_follow(int to, struct err *e)
{
	_cleanup_tables_ struct address_tables t = ADDRESS_NO_TABLES;
	struct address_place p;
	uint32_t governs;
	int r = compare(&t, to, &governs, &p, e);

	if (r <= 0)
		return r;
	if (!number_used(to))
		return inherit(&t, to, &p, governs, e);
	if (!governs)
		return 0; /* who joins is locked as the others there */
	r = enter_new(&t, to, governs, e);
	return r < 0 ? r : 1;
}
