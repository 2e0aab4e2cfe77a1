/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Making locks: a set of addresses becomes a lock in a slot, a cgroup gets it, and it is never more than the one above.
 * address_move.c brings processes there.
 */
#include "kernel/address_lock.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>

/* ---- a set as a lock, and back ----------------------------------------------------------------------------------- */

static bool is_v4(const struct addr *a)
{
	return memcmp(a->ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
}

static void put_net(struct address_lock *lock, const struct addr *a)
{
	struct address_net *net = &lock->net[lock->n++];

	memcpy(&net->ip, a->ip, sizeof(net->ip));
	for (unsigned bit = 0; bit < a->prefix; bit++)
		net->mask.w[bit / 32] |= htonl(1u << (31 - bit % 32));
	if (is_v4(a) && a->ip[12] == 127)
		lock->flags |= ADDRESS_HOST_LOOP4;
	if (memcmp(a->ip, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16) == 0)
		lock->flags |= ADDRESS_HOST_LOOP6;
}

struct address_lock address_lock_of(const struct addr_set *set)
{
	struct address_lock lock = {.broadcast = set->broadcast};

	if (set->hears)
		lock.flags |= ADDRESS_BROADCASTS;
	if (set->guest)
		lock.flags |= ADDRESS_GUEST;
	if (set->raw)
		lock.flags |= ADDRESS_RAW;
	for (size_t i = 0; i < set->n; i++)
		if (is_v4(&set->a[i]))
			put_net(&lock, &set->a[i]);
	lock.n4 = lock.n;
	for (size_t i = 0; i < set->n; i++)
		if (!is_v4(&set->a[i]))
			put_net(&lock, &set->a[i]);
	return lock;
}

struct addr_set address_set(const struct address_lock *lock)
{
	struct addr_set set = {
		.broadcast = lock->broadcast,
		.hears = lock->flags & ADDRESS_BROADCASTS,
		.guest = lock->flags & ADDRESS_GUEST,
		.raw = lock->flags & ADDRESS_RAW,
		.refused = (uint16_t)lock->refused,
	};

	for (uint32_t i = 0; i < lock->n && i < ADDR_MAX; i++) {
		struct addr *a = &set.a[set.n++];

		memcpy(a->ip, &lock->net[i].ip, sizeof(a->ip));
		for (int k = 0; k < 4; k++)
			a->prefix = (uint8_t)(a->prefix + __builtin_popcount(lock->net[i].mask.w[k]));
	}
	return set;
}

/* ---- never more than above --------------------------------------------------------------------------------------- */

static int not_allowed(const struct address_lock *above, const char *what, struct err *e)
{
	struct addr_set allowed = address_set(above);
	_cleanup_buf_ struct buf list = {0};
	char text[ADDR_TEXT];

	for (size_t i = 0; i < allowed.n; i++)
		buf_addf(&list, "%s%s", i ? " " : "", addr_text(&allowed.a[i], text));
	return err_set(e, -EPERM, "%s: not allowed: this context is locked to %s, and can only be locked to less", what,
		       list.p);
}

static bool holds(const struct address_lock *lock, const struct address_net *net)
{
	for (uint32_t i = 0; i < lock->n; i++)
		if (memcmp(&lock->net[i].ip, &net->ip, sizeof(net->ip)) == 0)
			return true;
	return false;
}

/* Makes the lock one below another: -EPERM when it is more; what it may not have though nobody asked for it goes. */
static int narrow(const struct address_lock *above, struct address_lock *lock, struct err *e)
{
	struct addr_set set = address_set(lock);
	char text[ADDR_TEXT];

	if (lock->n == 0)
		return not_allowed(above, "0.0.0.0", e);
	for (uint32_t i = 0; i < lock->n; i++)
		if (!holds(above, &lock->net[i]))
			return not_allowed(above, addr_text(&set.a[i], text), e);
	if (lock->flags & ADDRESS_BROADCASTS &&
	    (lock->broadcast != above->broadcast || !(above->flags & ADDRESS_BROADCASTS)))
		return not_allowed(above, "the broadcast address", e);
	if (lock->broadcast != above->broadcast)
		lock->broadcast = 0;
	lock->owner = above->owner;
	lock->flags |= above->flags & (ADDRESS_GUEST | ADDRESS_LOOP6);
	lock->flags &= above->flags | ~(uint32_t)ADDRESS_RAW;
	return 0;
}

/* ---- slots ------------------------------------------------------------------------------------------------------- */

static bool read_lock(const struct address_tables *t, uint32_t slot, struct address_lock *ret)
{
	return bpf_map_lookup_elem(t->locks, &slot, ret) == 0;
}

bool address_same(const struct address_lock *a, const struct address_lock *b)
{
	return a->n4 == b->n4 && a->n == b->n && a->broadcast == b->broadcast &&
	       ((a->flags ^ b->flags) & (ADDRESS_BROADCASTS | ADDRESS_RAW)) == 0 &&
	       memcmp(a->net, b->net, sizeof(a->net)) == 0;
}

/* A slot for the lock: that of another command with the same set, so that they share 127.0.0.1, or an empty one. Sets
 * *ret_there when it has what it needs. */
int address_find(const struct address_tables *t, const struct address_lock *lock, uint32_t *ret, bool *ret_there,
		 struct err *e)
{
	bool used[ADDRESS_LOCKS];
	struct address_lock other;
	uint32_t empty = 0;

	address_collect(t, used);
	*ret_there = false;
	for (uint32_t slot = ADDRESS_LOCKS - 1; slot > 0; slot--) {
		if (!used[slot]) {
			empty = slot;
		} else if (lock->flags & ADDRESS_SHARED && read_lock(t, slot, &other) && other.flags & ADDRESS_SHARED &&
			   address_same(lock, &other)) {
			*ret = slot;
			*ret_there = true;
			return 0;
		}
	}
	*ret = empty;
	return empty ? 0
		     : err_set(e, -ENOSPC,
			       "addresses: %u contexts are locked, and there is no room for one more; end some",
			       ADDRESS_LOCKS - 1);
}

/* Puts a lock in an empty slot, or, to the sockets that it has marked the same as before, in its own. */
int address_put(const struct address_tables *t, uint32_t slot, struct address_lock *lock, bool own, struct err *e)
{
	struct address_lock old = {0};
	int r;

	if (!read_lock(t, slot, &old) || old.id == 0)
		old.id = slot;
	lock->id = own ? old.id : ADDRESS_NEXT_ID(old.id);
	if (!lock->owner) {
		lock->owner = lock->id;
		if (address_loop_add(slot))
			lock->flags |= ADDRESS_LOOP6;
	}
	r = bpf_map_update_elem(t->locks, &slot, lock, BPF_ANY);
	return r < 0 ? err_set(e, r, "addresses: the table of locks: %s", strerror(-r)) : 0;
}

static int write_entry(const struct address_tables *t, uint64_t id, struct address_cgroup c, struct err *e)
{
	int r = bpf_map_update_elem(t->cgroups, &id, &c, BPF_ANY);

	if (r == -E2BIG || r == -ENOSPC)
		return err_set(e, -ENOSPC, "addresses: the table of %u locked cgroups is full; end some contexts",
			       ADDRESS_CGROUPS);
	return r < 0 ? err_set(e, r, "addresses: the table of cgroups: %s", strerror(-r)) : 0;
}

/* Says of the cgroups above, from `first` on, that there may be locks below them. */
int address_note_below(const struct address_tables *t, const struct address_place *p, size_t first, struct err *e)
{
	int r = 0;

	for (size_t i = first; i < p->n && r == 0; i++) {
		struct address_cgroup c = address_entry(t, p->id[i]);

		if (!c.below) {
			c.below = 1;
			r = write_entry(t, p->id[i], c, e);
		}
	}
	return r;
}

/* Gives the lock in a slot to the cgroup at a place. */
int address_give(const struct address_tables *t, int cgroup, const struct address_place *p, uint32_t slot,
		 struct err *e)
{
	struct address_cgroup own = address_entry(t, p->id[0]);
	struct address_lock lock;
	int r = 0;

	if (read_lock(t, slot, &lock) && lock.flags & ADDRESS_RAW)
		r = address_raw_filter(t, cgroup, e);
	if (r == 0)
		r = address_note_below(t, p, 1, e);
	own.slot = slot;
	return r < 0 ? r : write_entry(t, p->id[0], own, e);
}

int address_open_loaded(struct address_tables *t, struct err *e)
{
	int r = kernel_live(KERNEL_ADDRESS) ? 0 : kernel_load(KERNEL_ADDRESS, e);

	*t = ADDRESS_NO_TABLES;
	if (r == 0)
		r = address_open(t, e);
	return r < 0 ? r : address_turn(t, e);
}

/* ---- locking ----------------------------------------------------------------------------------------------------- */

int address_take_off(const struct address_tables *t, const struct address_place *p, struct err *e)
{
	struct address_cgroup own = address_entry(t, p->id[0]);

	own.slot = 0;
	if (own.below)
		return write_entry(t, p->id[0], own, e);
	bpf_map_delete_elem(t->cgroups, &p->id[0]);
	return 0;
}

/* The lock that governs from above, if any. */
int address_check(const struct address_tables *t, uint32_t slot, struct address_lock *lock,
		  struct address_lock *ret_above, struct err *e)
{
	*ret_above = (struct address_lock){0};
	if (!slot)
		return 0;
	if (!read_lock(t, slot, ret_above))
		return err_set(e, -EIO, "addresses: the lock above cannot be read");
	return narrow(ret_above, lock, e);
}

int addr_lock_cgroup(int cgroup, const struct addr_set *set, struct err *e)
{
	_cleanup_tables_ struct address_tables t = ADDRESS_NO_TABLES;
	struct address_lock lock = address_lock_of(set), above, old;
	struct address_place p;
	uint32_t slot;
	bool there;
	int r;

	if (set->n == 0 && !kernel_live(KERNEL_ADDRESS))
		return 0;
	r = address_open_loaded(&t, e);
	if (r == 0)
		r = address_place(&t, cgroup, &p, e);
	if (r < 0)
		return r;
	if (set->n == 0)
		return address_take_off(&t, &p, e);
	r = address_check(&t, p.above, &lock, &above, e);
	if (r < 0)
		return r;
	slot = address_entry(&t, p.id[0]).slot;
	if (slot && read_lock(&t, slot, &old) && !(old.flags & ADDRESS_SHARED)) {
		lock.owner = old.owner;
		lock.flags |= old.flags & ADDRESS_LOOP6;
		r = address_put(&t, slot, &lock, true, e);
		return r < 0 ? r : address_give(&t, cgroup, &p, slot, e);
	}
	r = address_find(&t, &lock, &slot, &there, e);
	if (r == 0)
		r = address_put(&t, slot, &lock, false, e);
	return r < 0 ? r : address_give(&t, cgroup, &p, slot, e);
}
