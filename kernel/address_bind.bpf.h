/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a context's servers are: bind, and what getsockname says of it.
 */
#pragma once

#include "kernel/address_rules.bpf.h"

#define SOL_SOCKET 1
#define SO_REUSEADDR 2
#define CAP_NET_BIND_SERVICE 10
#define GO 1
#define GO_ANY_PORT 3 /* whatever the kernel thinks of its number */

static __always_inline bool only_ipv6(struct bpf_sock *sk)
{
	struct sock *s = (struct sock *)bpf_skc_to_tcp6_sock(sk);

	if (s)
		return BPF_CORE_READ_BITFIELD(s, __sk_common.skc_ipv6only);
	s = (struct sock *)bpf_skc_to_udp6_sock(sk);
	return s && BPF_CORE_READ_BITFIELD(s, __sk_common.skc_ipv6only);
}

/* ---- ports ------------------------------------------------------------------------------------------------------- */

/* The host's network belongs to the host's user namespace, in which a context's root is nobody: the kernel would keep
 * ports below 1024 from it. */
static __always_inline bool may_bind_low_port(const struct address_lock *lock)
{
	const struct cred *cred = bpf_get_current_task_btf()->cred;
	__u64 caps = 0;
	int level = cred->user_ns->level;

	bpf_probe_read_kernel(&caps, sizeof(caps), __builtin_preserve_access_index(&cred->cap_effective));
	return caps & 1ULL << CAP_NET_BIND_SERVICE && (level == 0 || (level == 1 && lock->flags & ADDRESS_GUEST));
}

enum taken {
	FREE,    /* as far as the kernel does not say otherwise */
	THERE,   /* by a listener that is bound to just that: so does the kernel say */
	OUTSIDE, /* by a wildcard listener that is in no lock */
	JOINED,  /* by one of the lock's own, which is bound to *port instead */
	TAKEN,
};

/* Who listens for TCP on *port at the address now. first: where the asking socket will be bound. */
__noinline int who_listens(struct bpf_sock_addr *ctx, const struct address_lock *lock, const struct address_ip *at,
			   const struct address_ip *first, __u32 *port)
{
	struct bpf_sock_tuple tuple = {0};
	enum taken taken = FREE;
	struct address_mark *m;
	struct address_ip bound;
	struct bpf_sock *sk;

	if (!lock || !at || !first || !port)
		return FREE;
	if (is_v4(at)) {
		tuple.ipv4.daddr = at->w[3];
		tuple.ipv4.dport = bpf_htons(*port);
		sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(tuple.ipv6.daddr, at, sizeof(*at));
		tuple.ipv6.dport = bpf_htons(*port);
		sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return FREE;
	if (sk->state == BPF_TCP_LISTEN) {
		m = bpf_sk_storage_get(&marks, sk, 0, 0);
		bound = bound_ip(sk);
		if (!is_bound(sk)) {
			taken = OUTSIDE;
		} else if (marked(m, lock) && m->flags & ADDRESS_HIDDEN && m->port == *port && same(&bound, first)) {
			*port = sk->src_port;
			taken = JOINED;
		} else if (!marked(m, lock) || !same(&bound, first)) {
			taken = same(&bound, at) ? THERE : TAKEN;
		}
	}
	bpf_sk_release(sk);
	return taken;
}

/* What a socket does not say itself of where it will be bound: nothing when flags are 0. False: there is no memory. */
static __always_inline bool remember(struct bpf_sock *sk, const struct address_lock *lock, __u32 flags, __u32 port)
{
	struct address_mark *m;

	if (flags)
		return mark(sk, lock, flags, port);
	m = bpf_sk_storage_get(&marks, sk, 0, 0);
	if (m)
		m->flags = 0; /* of a bind before, which failed */
	return true;
}

/* Which port a server that will be bound to ask->ip gets from the kernel. A wildcard listener of the host's would keep a
 * TCP port from every context: the kernel then chooses another for the socket, and to_listener brings what arrives at
 * the one that was asked for. */
__noinline int bind_port(struct bpf_sock_addr *ctx, const struct address_lock *lock, struct ask *ask, __u32 flags)
{
	struct bpf_sock *sk = ctx->sk;
	enum taken taken = FREE;
	struct address_ip probe;
	__u32 asked, port;
	bool low, may;

	if (!lock || !ask || !sk)
		return GO;
	asked = port = ask->port;
	low = asked && asked < 1024;
	may = low && may_bind_low_port(lock);
	if (asked && ask->protocol == IPPROTO_TCP) {
		/* To whom the lock's loopback belongs to_listener knows, and finds nobody else. */
		probe = shown(&ask->ip);
		taken = who_listens(ctx, lock, &probe, &ask->ip, &port);
		if (taken == OUTSIDE && !same(&probe, &ask->ip))
			taken = who_listens(ctx, lock, &ask->ip, &ask->ip, &port) ?: OUTSIDE;
	}
	if (taken == TAKEN)
		return refuse(EADDRINUSE);
	if (taken == JOINED || (taken == OUTSIDE && (may || !low))) {
		ask->port = taken == JOINED ? port : 0;
		flags |= ADDRESS_HIDDEN;
	}
	if (!remember(sk, lock, flags, asked))
		return refuse(ENOMEM);
	return may ? GO_ANY_PORT : GO;
}

/* ---- bind -------------------------------------------------------------------------------------------------------- */

/* Which of the lock's addresses a wildcard stands for: net[from] to net[end - 1]; none: the lock's loopback. */
struct reach {
	__u32 from, end;
};

__noinline int bind_others_free(struct bpf_sock_addr *ctx, const struct address_lock *lock, const struct ask *ask,
				const struct reach *reach)
{
	struct address_ip at;
	__u32 port;

	if (!lock || !ask || !reach)
		return false;
	port = ask->port;
#pragma unroll
	for (__u32 i = 0; i < ADDRESS_MAX; i++) {
		at = lock->net[i].ip;
		if (port && i >= reach->from && i < reach->end && !same(&at, &ask->ip)) {
			int taken = who_listens(ctx, lock, &at, &ask->ip, &port);

			if (taken == TAKEN || taken == THERE)
				return false;
		}
	}
	return true;
}

/* 0.0.0.0 or [::], of a socket that speaks IPv4 (flags: ADDRESS_AT_4), IPv6 (ADDRESS_AT_6) or both. */
__noinline int bind_wildcard(struct bpf_sock_addr *ctx, struct address_lock *lock, struct ask *ask, __u32 flags)
{
	bool udp, v4 = flags & ADDRESS_AT_4, v6 = flags & ADDRESS_AT_6;
	struct reach reach;
	__u32 one = 1;

	if (!lock || !ask)
		return GO;
	udp = ask->protocol == IPPROTO_UDP;
	flags |= ADDRESS_ANY;
	reach = (struct reach){.from = v4 ? 0 : lock->n4, .end = v6 ? lock->n : lock->n4};
	if (udp && v4 && lock->flags & ADDRESS_BROADCASTS) {
		/* Another context's may be bound to the same port: the filters tell whose a packet is. */
		if (bpf_setsockopt(ctx, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
			return refuse(EADDRINUSE);
		return bind_port(ctx, lock, ask, flags);
	}
	if (udp && reach.from + 1 < reach.end) {
		/* A datagram cannot be brought to a socket that is bound to another address. At a port that the kernel
		 * chooses nobody else is bound: there the filter of what arrives suffices. */
		if (!ask->port)
			return bind_port(ctx, lock, ask, flags);
		lock->refused = ask->port;
		return refuse(EOPNOTSUPP);
	}
	if (reach.from < reach.end && reach.from < ADDRESS_MAX)
		/* IPv4 first: an IPv6 socket bound to an IPv6 address is for that family alone from then on. */
		ask->ip = lock->net[reach.from].ip;
	else if (v4 || lock->flags & ADDRESS_LOOP6)
		ask->ip = loop_itself(v4, lock);
	else
		return refuse(EADDRNOTAVAIL);
	if (!udp && reach.from + 1 < reach.end && !bind_others_free(ctx, lock, ask, &reach))
		return refuse(EADDRINUSE);
	return bind_port(ctx, lock, ask, flags);
}

__noinline int bind_decide(struct bpf_sock_addr *ctx, struct address_lock *lock, struct ask *ask)
{
	struct bpf_sock *sk = ctx->sk;
	bool v4;

	if (!lock || !ask || !sk)
		return GO;
	v4 = is_v4(&ask->ip);
	if (is_any(&ask->ip))
		return bind_wildcard(ctx, lock, ask,
				     v4              ? ADDRESS_AT_4
				     : only_ipv6(sk) ? ADDRESS_AT_6
						     : ADDRESS_AT_4 | ADDRESS_AT_6);
	if (names_loop(lock, &ask->ip)) {
		if (!v4 && !(lock->flags & ADDRESS_LOOP6))
			return refuse(EADDRNOTAVAIL);
		ask->ip = own_loop(&ask->ip, lock);
	} else if (!lock_has(lock, &ask->ip) &&
		   !(v4 && ask->protocol == IPPROTO_UDP && lock->broadcast && ask->ip.w[3] == lock->broadcast)) {
		return refuse(EADDRNOTAVAIL);
	}
	return bind_port(ctx, lock, ask, 0);
}

/* Whether nobody at all listens for TCP at an IPv4 address and port (network order). */
static __always_inline bool nobody_listens_4(struct bpf_sock_addr *ctx, __u32 ip, __u16 port)
{
	struct bpf_sock_tuple tuple = {.ipv4 = {.daddr = ip, .dport = port}};
	struct bpf_sock *sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);

	if (!sk)
		return true;
	bpf_sk_release(sk);
	return false;
}

/* Nearly always: to the only address there is, or to a wildcard, which is that one, at a port that is free. Decides as
 * bind_decide would, without its walks and calls. -1: it is not so simple. */
static __always_inline int bind_simple_4(struct bpf_sock_addr *ctx, struct address_lock *lock, __u32 ip)
{
	__u32 only = lock->net[0].ip.w[3], flags = ip ? 0 : ADDRESS_ANY | ADDRESS_AT_4, port;
	bool udp = GET(ctx, protocol) == IPPROTO_UDP;
	struct bpf_sock *sk = ctx->sk;

	if (!sk || lock->n4 != 1 || (ip && ip != only) || (!ip && udp && lock->flags & ADDRESS_BROADCASTS))
		return -1;
	port = bpf_ntohs(GET(ctx, user_port));
	if (port && (port < 1024 || (!udp && !nobody_listens_4(ctx, only, bpf_htons(port)))))
		return -1;
	SET(ctx, user_ip4, only);
	return remember(sk, lock, flags, port) ? GO : refuse(ENOMEM);
}

/* On bind(2) of IPv4 sockets: what may be bound, what a wildcard and loopback are in fact bound to, at which port. Two look-ups
 * and a walk over the addresses, some 200 ns; at a TCP port the kernel's look-up of a listener with to_listener, for each address
 * of a wildcard, 350 ns more; for a wildcard a mark, of which the kernel's allocating and freeing takes 1000 ns. Since 4.17;
 * with bpf_skc_lookup_tcp 5.2, with any port 5.13, with a reason of its own 5.18. */
SEC("cgroup/bind4")
int bind_4(struct bpf_sock_addr *ctx)
{
	struct address_lock *lock = own_lock();
	__u32 ip = GET(ctx, user_ip4);
	struct ask ask;
	int verdict;

	if (!lock)
		return GO;
	verdict = bind_simple_4(ctx, lock, ip);
	if (verdict >= 0)
		return verdict;
	ask = ask_of(ctx, ip4(ip));
	verdict = bind_decide(ctx, lock, &ask);
	SET(ctx, user_ip4, ask.ip.w[3]);
	SET(ctx, user_port, bpf_htons(ask.port));
	return verdict == GO_ANY_PORT ? GO_ANY_PORT : verdict == GO;
}

/* The same of IPv6 sockets, mapped addresses included. */
SEC("cgroup/bind6")
int bind_6(struct bpf_sock_addr *ctx)
{
	struct ask ask = ask_of(ctx, GET_IP6(ctx, user_ip6));
	struct address_lock *lock = own_lock();
	int verdict;

	if (!lock)
		return GO;
	verdict = bind_decide(ctx, lock, &ask);
	SET_IP6(ctx, user_ip6, ask.ip);
	SET(ctx, user_port, bpf_htons(ask.port));
	return verdict == GO_ANY_PORT ? GO_ANY_PORT : verdict == GO;
}

/* ---- what a socket says of itself -------------------------------------------------------------------------------- */

/* The mark of a socket that shows what was asked for, not what it got: it neither is connected nor was accepted. */
static __always_inline struct address_mark *shows(struct bpf_sock *sk)
{
	if (sk->state != BPF_TCP_CLOSE && sk->state != BPF_TCP_LISTEN)
		return NULL;
	return bpf_sk_storage_get(&marks, sk, 0, 0);
}

/* On getsockname(2): shows what was asked for. No lock is looked up, at most the socket's mark: some 30 ns. 5.8. */
SEC("cgroup/getsockname4")
int name_4(struct bpf_sock_addr *ctx)
{
	struct address_mark *m = shows(ctx->sk);

	SET(ctx, user_ip4, m && m->flags & ADDRESS_ANY ? 0 : shown4(GET(ctx, user_ip4)));
	if (m && m->flags & ADDRESS_HIDDEN)
		SET(ctx, user_port, bpf_htons(m->port));
	return 1;
}

/* The same of IPv6 sockets. */
SEC("cgroup/getsockname6")
int name_6(struct bpf_sock_addr *ctx)
{
	struct address_mark *m = shows(ctx->sk);
	struct address_ip at = GET_IP6(ctx, user_ip6);

	at = m && m->flags & ADDRESS_ANY ? (struct address_ip){0} : shown(&at);
	SET_IP6(ctx, user_ip6, at);
	if (m && m->flags & ADDRESS_HIDDEN)
		SET(ctx, user_port, bpf_htons(m->port));
	return 1;
}
