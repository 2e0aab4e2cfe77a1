/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the programs of address.bpf.c decide with: which lock the running process has, what is in it, and how addresses
 * that name the host's own loopback become the lock's.
 */
#pragma once

#include "kernel/kernel_types.bpf.h"

#include "kernel/address.h"

#include <bpf/bpf_endian.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#define AF_INET 2
#define AF_INET6 10
#define ETH_P_IP 0x0800
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define LOOPBACK4_IPV6 0x7f000006 /* what a socket bound to an IPv6 address has in the place of its IPv4 address */
#define LOOPBACK_IFINDEX 1
#define DEEPEST 6 /* levels of cgroups between the root and /vserver, in containers */
#define NESTED 4  /* levels of cgroups with locks below /vserver */

const volatile __u64 home; /* the cgroup /vserver */
__u32 home_level;          /* found by the first program that asks */

/* Which lock a cgroup has. Filled by address_lock.c; 8 bytes and a node of the hash for each locked cgroup. A look-up of some
 * 10 ns on each hook, one more for each level of locked cgroups. A hash, since ids of cgroups are not dense; 3.19. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ADDRESS_CGROUPS);
	__type(key, __u64);
	__type(value, struct address_cgroup);
} cgroups SEC(".maps");

/* The locks, by slot: what address_lock.c made of sets of addresses. An array, since a look-up in it is a few instructions;
 * 2.2 MiB; 3.19. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ADDRESS_LOCKS);
	__type(key, __u32);
	__type(value, struct address_lock);
} locks SEC(".maps");

/* On the few sockets that need one: wildcard servers, mostly. Gone with the socket; sockets that a listener accepts have
 * none. Storage of sockets: 5.2, in these hooks 5.11. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct address_mark);
} marks SEC(".maps");

/* Functions that are not static are verified once, for any arguments: pointers may be NULL, and no pointer is read from
 * what they point to. */

/* ---- the running process's lock ---------------------------------------------------------------------------------- */

static __always_inline __u32 slot_at(__u64 id, __u32 slot, bool *ret_below)
{
	struct address_cgroup *c = bpf_map_lookup_elem(&cgroups, &id);

	*ret_below = c && c->below;
	return c && c->slot ? c->slot : slot;
}

static __noinline __u32 find_home_level(void)
{
	for (__u32 level = 1; level <= DEEPEST; level++)
		if (bpf_get_current_ancestor_cgroup_id(level) == home)
			return home_level = level;
	return 0;
}

static __noinline __u32 running_slot_below(__u32 top, __u32 slot)
{
	bool below = true;

	for (__u32 i = 2; below && i <= NESTED; i++)
		slot = slot_at(bpf_get_current_ancestor_cgroup_id(top + i), slot, &below);
	return slot;
}

/* From the top down: a process that is in no locked cgroup costs one look-up, and so does one with nothing locked below
 * the first level, as nearly all are: that is decided without calling a function. */
static __always_inline __u32 running_slot(void)
{
	__u32 top = home_level ?: find_home_level(), slot;
	bool below;

	if (!top)
		return 0;
	slot = slot_at(bpf_get_current_ancestor_cgroup_id(top + 1), 0, &below);
	return below ? running_slot_below(top, slot) : slot;
}

/* The same of the cgroup in which the socket was made: where packets pass, nobody in particular runs. */
static __noinline __u32 slot_of(struct bpf_sock *sk)
{
	__u32 top = home_level, slot = 0;
	bool below = true;

	if (!sk)
		return 0;
	for (__u32 level = 1; !top && level <= DEEPEST; level++)
		if (bpf_sk_ancestor_cgroup_id(sk, level) == home)
			home_level = top = level;
	for (__u32 i = 1; top && below && i <= NESTED; i++)
		slot = slot_at(bpf_sk_ancestor_cgroup_id(sk, top + i), slot, &below);
	return slot;
}

static __always_inline struct address_lock *own_lock(void)
{
	__u32 slot = running_slot();

	return slot ? bpf_map_lookup_elem(&locks, &slot) : NULL;
}

static __always_inline struct address_lock *lock_of(struct bpf_sock *sk)
{
	__u32 slot = slot_of(sk);

	return slot ? bpf_map_lookup_elem(&locks, &slot) : NULL;
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static __always_inline struct address_ip ip4(__u32 ip)
{
	return (struct address_ip){{0, 0, bpf_htonl(0xffff), ip}};
}

static __always_inline bool is_v4(const struct address_ip *a)
{
	return !a->w[0] && !a->w[1] && a->w[2] == bpf_htonl(0xffff);
}

static __always_inline bool is_any(const struct address_ip *a)
{
	return !a->w[0] && !a->w[1] && !a->w[3] && (!a->w[2] || a->w[2] == bpf_htonl(0xffff));
}

static __always_inline bool same(const struct address_ip *a, const struct address_ip *b)
{
	return a->w[3] == b->w[3] && a->w[2] == b->w[2] && a->w[1] == b->w[1] && a->w[0] == b->w[0];
}

static __always_inline bool is_loop(const struct address_ip *a)
{
	if (is_v4(a))
		return (a->w[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return !a->w[0] && !a->w[1] && !a->w[2] && a->w[3] == bpf_htonl(1);
}

/* What 127.x.y.z or ::1 is in the lock. */
static __always_inline struct address_ip own_loop(const struct address_ip *a, const struct address_lock *lock)
{
	__u32 loop = ADDRESS_SLOT(lock->owner);

	if (is_v4(a))
		return ip4(bpf_htonl(ADDRESS_LOOP4 | loop << 8) | (a->w[3] & bpf_htonl(0xff)));
	return (struct address_ip){
		{bpf_htonl(ADDRESS_LOOP6_0), bpf_htonl(ADDRESS_LOOP6_1), 0, bpf_htonl(loop)},
	};
}

static __always_inline struct address_ip host_loop(bool v4)
{
	return v4 ? ip4(bpf_htonl(0x7f000001)) : (struct address_ip){{0, 0, 0, bpf_htonl(1)}};
}

/* 127.0.0.1 or ::1, in the lock. */
static __always_inline struct address_ip loop_itself(bool v4, const struct address_lock *lock)
{
	struct address_ip one = host_loop(v4);

	return own_loop(&one, lock);
}

static __always_inline bool in_loop4(__u32 ip)
{
	return (ip & bpf_htonl(ADDRESS_LOOP4_MASK)) == bpf_htonl(ADDRESS_LOOP4);
}

static __always_inline bool in_loop6(__u32 w0, __u32 w1)
{
	return w0 == bpf_htonl(ADDRESS_LOOP6_0) && w1 == bpf_htonl(ADDRESS_LOOP6_1);
}

/* Whether it is an address of some lock's loopback network. No lock has one in its set. */
static __always_inline bool in_some_loop(const struct address_ip *a)
{
	return is_v4(a) ? in_loop4(a->w[3]) : in_loop6(a->w[0], a->w[1]);
}

/* Of such an address: the key of wildcard listeners in `listeners`. */
static __always_inline struct address_ip any_loop(const struct address_ip *a)
{
	struct address_ip key = *a;

	if (is_v4(a))
		key.w[3] &= bpf_htonl(0xffffff00);
	else
		key.w[2] = bpf_htonl(1);
	return key;
}

static __always_inline bool in_own_loop(const struct address_ip *a, const struct address_lock *lock)
{
	__u32 loop = ADDRESS_SLOT(lock->owner);

	if (is_v4(a))
		return (a->w[3] & bpf_htonl(0xffffff00)) == bpf_htonl(ADDRESS_LOOP4 | loop << 8);
	return in_loop6(a->w[0], a->w[1]) && a->w[3] == bpf_htonl(loop);
}

/* Another lock's. An IPv6 one could be named; of IPv4 all that begins with 127 is the own. */
static __always_inline bool in_foreign_loop(const struct address_ip *a, const struct address_lock *lock)
{
	return in_some_loop(a) && !in_own_loop(a, lock);
}

/* How the context's processes see an IPv4 address. */
static __always_inline __u32 shown4(__u32 ip)
{
	return in_loop4(ip) ? bpf_htonl(0x7f000000) | (ip & bpf_htonl(0xff)) : ip;
}

static __always_inline struct address_ip shown(const struct address_ip *a)
{
	if (is_v4(a))
		return ip4(shown4(a->w[3]));
	if (in_loop6(a->w[0], a->w[1]))
		return (struct address_ip){{0, 0, 0, bpf_htonl(1)}};
	return *a;
}

/* Whether it names the loopback that a lock has of its own. */
static __always_inline bool names_loop(const struct address_lock *lock, const struct address_ip *a)
{
	return is_loop(a) && !(lock->flags & (is_v4(a) ? ADDRESS_HOST_LOOP4 : ADDRESS_HOST_LOOP6));
}

/* ---- what is in a lock ------------------------------------------------------------------------------------------- */

__noinline int lock_has(const struct address_lock *lock, const struct address_ip *a)
{
	if (!lock || !a)
		return false;
	for (__u32 i = 0; i < ADDRESS_MAX && i < lock->n; i++)
		if (same(&lock->net[i].ip, a))
			return true;
	return false;
}

/* The first address of a family; false when there is none. */
static __always_inline bool first_of(const struct address_lock *lock, bool v4, struct address_ip *ret)
{
	__u32 i = v4 ? 0 : lock->n4;

	if (i >= (v4 ? lock->n4 : lock->n) || i >= ADDRESS_MAX)
		return false;
	*ret = lock->net[i].ip;
	return true;
}

__noinline int lock_on_net(const struct address_net *net, const struct address_ip *ip)
{
	return net && ip &&
	       !(((ip->w[0] ^ net->ip.w[0]) & net->mask.w[0]) | ((ip->w[1] ^ net->ip.w[1]) & net->mask.w[1]) |
		 ((ip->w[2] ^ net->ip.w[2]) & net->mask.w[2]) | ((ip->w[3] ^ net->ip.w[3]) & net->mask.w[3]));
}

/* The address from which a lock's process speaks to another: the one on that's network, else the first of the family;
 * false when it has none of that family. */
__noinline int lock_source_for(const struct address_lock *lock, const struct address_ip *to, struct address_ip *ret)
{
	__u32 from, end;

	if (!lock || !to || !ret)
		return false;
	from = is_v4(to) ? 0 : lock->n4;
	end = is_v4(to) ? lock->n4 : lock->n;
	if (!first_of(lock, is_v4(to), ret))
		return false;
	if (end - from == 1)
		return true;
	for (__u32 i = 0; i < ADDRESS_MAX; i++)
		if (i >= from && i < end && lock_on_net(&lock->net[i], to)) {
			*ret = lock->net[i].ip;
			return true;
		}
	return true;
}

/* Whether a socket got its mark under a lock that has the same loopback. */
static __always_inline bool marked(const struct address_mark *m, const struct address_lock *lock)
{
	return m && m->owner == lock->owner;
}

static __always_inline bool mark(struct bpf_sock *sk, const struct address_lock *lock, __u32 flags, __u32 port)
{
	struct address_mark *m = bpf_sk_storage_get(&marks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!m)
		return false;
	m->id = lock->id;
	m->owner = lock->owner;
	m->flags = flags;
	m->port = port;
	return true;
}

/* ---- what the hooks on sockets get and give ---------------------------------------------------------------------- */

static __always_inline int refuse(int error)
{
	bpf_set_retval(-error);
	return 0;
}

/* The verifier wants constant offsets from ctx, which the compiler, left to itself, computes. */
#define GET(ctx, member)                                                                               \
	({                                                                                             \
		__u64 got_;                                                                            \
		asm volatile("%[got] = *(u32 *)(%[from] + %[at])"                                      \
			     : [got] "=r"(got_)                                                        \
			     : [from] "r"(ctx), [at] "i"(__builtin_offsetof(typeof(*(ctx)), member))); \
		(__u32) got_;                                                                          \
	})
#define SET(ctx, member, value)                                                                                       \
	asm volatile("*(u32 *)(%[to] + %[at]) = %[set]"                                                               \
		     :                                                                                                \
		     : [to] "r"(ctx), [at] "i"(__builtin_offsetof(typeof(*(ctx)), member)), [set] "r"((__u64)(value)) \
		     : "memory")
#define GET_IP6(ctx, member) \
	((struct address_ip){{GET(ctx, member[0]), GET(ctx, member[1]), GET(ctx, member[2]), GET(ctx, member[3])}})
#define SET_IP6(ctx, member, ip)                \
	do {                                    \
		SET(ctx, member[0], (ip).w[0]); \
		SET(ctx, member[1], (ip).w[1]); \
		SET(ctx, member[2], (ip).w[2]); \
		SET(ctx, member[3], (ip).w[3]); \
	} while (0)

/* What a hook is asked. */
struct ask {
	struct address_ip ip; /* to bind, or to send to */
	__u32 port;           /* host order */
	__u32 protocol;
};

static __always_inline struct ask ask_of(struct bpf_sock_addr *ctx, struct address_ip ip)
{
	return (struct ask){ip, bpf_ntohs(GET(ctx, user_port)), GET(ctx, protocol)};
}

/* See LOOPBACK4_IPV6: so this holds for both families. */
static __always_inline bool is_bound(struct bpf_sock *sk)
{
	return sk->src_ip4;
}

static __always_inline struct address_ip bound_ip(struct bpf_sock *sk)
{
	if (GET(sk, family) == AF_INET)
		return ip4(GET(sk, src_ip4));
	return GET_IP6(sk, src_ip6);
}
