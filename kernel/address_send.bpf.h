/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a context's connections and datagrams go and come from: connect, sendto, recvfrom, and the peer's name.
 */
#pragma once

#include "kernel/address_rules.bpf.h"

static __always_inline struct bpf_sock *find_udp(struct bpf_sock_addr *ctx, const struct ask *ask,
						 const struct address_ip *from, __u32 from_port,
						 const struct address_ip *to)
{
	struct bpf_sock_tuple tuple = {0};

	if (is_v4(to)) {
		tuple.ipv4.saddr = from->w[3];
		tuple.ipv4.daddr = to->w[3];
		tuple.ipv4.sport = bpf_htons(from_port);
		tuple.ipv4.dport = bpf_htons(ask->port);
		return bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, from, sizeof(*from));
	__builtin_memcpy(tuple.ipv6.daddr, to, sizeof(*to));
	tuple.ipv6.sport = bpf_htons(from_port);
	tuple.ipv6.dport = bpf_htons(ask->port);
	return bpf_sk_lookup_udp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

enum loop {
	AT_LOOP,    /* there, or nobody is */
	AT_ADDRESS, /* at an address of the lock, bound by a wildcard: ask->ip is that now */
	CONNECTED,  /* there, and it takes packets from the sender's own address only */
	FOREIGN,    /* a wildcard socket that is not the lock's */
};

/* Who receives what is sent by UDP to ask->ip, an address of the lock's own loopback. bound: where the sender is. */
__noinline int send_receiver(struct bpf_sock_addr *ctx, const struct address_lock *lock, struct ask *ask,
			     const struct address_ip *bound)
{
	struct bpf_sock *own = ctx->sk, *sk;
	enum loop found = AT_LOOP;
	struct address_mark *m;
	struct address_ip at;
	__u32 port;

	if (!lock || !ask || !bound || !own)
		return AT_LOOP;
	port = own->src_port;
	sk = find_udp(ctx, ask, bound, port, &ask->ip);
	if (sk) {
		if (sk->state == BPF_TCP_ESTABLISHED)
			found = CONNECTED;
		else if (!is_bound(sk) && !marked(bpf_sk_storage_get(&marks, sk, 0, 0), lock))
			found = FOREIGN;
		bpf_sk_release(sk);
		if (found != FOREIGN)
			return found;
	}
	if (!first_of(lock, is_v4(&ask->ip), &at))
		return found;
	sk = find_udp(ctx, ask, &ask->ip, port, &at);
	if (sk) {
		m = bpf_sk_storage_get(&marks, sk, 0, 0);
		if (marked(m, lock) && m->flags & ADDRESS_ANY) {
			ask->ip = at;
			found = AT_ADDRESS;
		}
		bpf_sk_release(sk);
	}
	return found;
}

/* ---- datagrams --------------------------------------------------------------------------------------------------- */

/* Whether a socket is connected to just what sends here: then it asked, and this is the answer. */
static __always_inline bool is_asker(struct bpf_sock_addr *ctx, const struct ask *ask, const struct address_ip *from)
{
	struct bpf_sock *own = ctx->sk, *sk;
	bool found;

	if (!own)
		return false;
	sk = find_udp(ctx, ask, from, own->src_port, &ask->ip);
	if (!sk)
		return false;
	found = sk->state == BPF_TCP_ESTABLISHED;
	bpf_sk_release(sk);
	return found;
}

/* A source that is not our choice. From a loopback address to loopback alone: to others, who may trust 127.0.0.0/8, it
 * would look like the host's. But a socket of the lock's that was bound to a wildcard, and then connected to loopback, is
 * in fact at an address of the lock. */
__noinline int send_from(struct bpf_sock_addr *ctx, const struct address_lock *lock, struct ask *ask,
			 struct address_ip *from, const struct address_ip *to)
{
	if (!lock || !ask || !from || !to)
		return 1;
	if (names_loop(lock, from))
		*from = own_loop(from, lock);
	if (!in_own_loop(from, lock))
		return lock_has(lock, from) ? 1 : refuse(EADDRNOTAVAIL);
	return in_own_loop(to, lock) || (lock_has(lock, to) && is_asker(ctx, ask, from)) ? 1 : refuse(EINVAL);
}

/* Where to, and where from: *from is what the socket is bound to, or what the message itself asks for (IP_PKTINFO). */
__noinline int send_decide(struct bpf_sock_addr *ctx, const struct address_lock *lock, struct ask *ask,
			   struct address_ip *from)
{
	struct bpf_sock *sk = ctx->sk;
	struct address_ip bound, to;
	struct address_mark *m;
	enum loop receiver;
	bool v4, wild, open; /* open: to our choice */

	if (!lock || !ask || !from || !sk)
		return 1;
	v4 = is_v4(&ask->ip);
	m = bpf_sk_storage_get(&marks, sk, 0, 0);
	bound = bound_ip(sk);
	wild = !is_bound(sk) || (marked(m, lock) && m->flags & ADDRESS_ANY);
	open = is_any(from) || (wild && same(from, &bound));
	if (sk->state == BPF_TCP_ESTABLISHED && is_any(&ask->ip)) {
		/* Where it is connected to, but with a message that asks for a source, perhaps. */
		if (open)
			*from = bound;
		to = v4 ? ip4(GET(sk, dst_ip4)) : GET_IP6(sk, dst_ip6);
		return open || send_from(ctx, lock, ask, from, &to);
	}
	if (open && !wild && !(v4 && bound.w[3] == lock->broadcast)) {
		*from = bound;
		open = false;
	}
	if (is_any(&ask->ip)) /* as a destination: the loopback */
		ask->ip = host_loop(v4);
	if (names_loop(lock, &ask->ip)) {
		if (!v4 && !(lock->flags & ADDRESS_LOOP6))
			return refuse(ENETUNREACH);
		to = ask->ip = own_loop(&ask->ip, lock);
		/* So that an answer to it is not taken for a packet to somebody else's wildcard socket. */
		if (!is_bound(sk) && !marked(m, lock) && !mark(sk, lock, ADDRESS_ANY, 0))
			return refuse(ENOMEM);
		receiver = send_receiver(ctx, lock, ask, &bound);
		if (receiver == FOREIGN)
			return refuse(ECONNREFUSED);
		if (open) {
			*from = receiver == CONNECTED && is_bound(sk) ? bound : loop_itself(v4, lock);
			return 1;
		}
		return send_from(ctx, lock, ask, from, &to);
	}
	if (in_foreign_loop(&ask->ip, lock))
		return refuse(ENETUNREACH);
	if (open)
		return lock_source_for(lock, &ask->ip, from) ? 1 : refuse(ENETUNREACH);
	to = ask->ip;
	return send_from(ctx, lock, ask, from, &to);
}

/* On sendto(2) and sendmsg(2) of datagrams with a destination, or a source, of their own: where to, and where from. Sockets
 * that are connected do not come here. Some 60 ns; to loopback one or two look-ups of the receiver more. Since 4.18, with a
 * reason of its own 5.18. */
SEC("cgroup/sendmsg4")
int send_4(struct bpf_sock_addr *ctx)
{
	struct ask ask = ask_of(ctx, ip4(GET(ctx, user_ip4)));
	struct address_ip from = ip4(GET(ctx, msg_src_ip4));
	struct address_lock *lock = own_lock();
	int verdict;

	if (!lock)
		return 1;
	/* Nearly always: from the only address there is. */
	if (lock->n4 == 1 && (!from.w[3] || from.w[3] == lock->net[0].ip.w[3]) && !is_loop(&ask.ip) &&
	    !is_any(&ask.ip)) {
		SET(ctx, msg_src_ip4, lock->net[0].ip.w[3]);
		return 1;
	}
	verdict = send_decide(ctx, lock, &ask, &from);
	SET(ctx, user_ip4, ask.ip.w[3]);
	SET(ctx, msg_src_ip4, from.w[3]);
	return verdict == 1;
}

/* The same of IPv6 sockets, mapped addresses included. */
SEC("cgroup/sendmsg6")
int send_6(struct bpf_sock_addr *ctx)
{
	struct ask ask = ask_of(ctx, GET_IP6(ctx, user_ip6));
	struct address_ip from = GET_IP6(ctx, msg_src_ip6), one;
	struct address_lock *lock = own_lock();
	int verdict;

	if (!lock)
		return 1;
	if (lock->n - lock->n4 == 1 && first_of(lock, false, &one) && (is_any(&from) || same(&from, &one)) &&
	    !is_loop(&ask.ip) && !in_some_loop(&ask.ip) && !is_any(&ask.ip)) {
		SET_IP6(ctx, msg_src_ip6, one);
		return 1;
	}
	verdict = send_decide(ctx, lock, &ask, &from);
	SET_IP6(ctx, user_ip6, ask.ip);
	SET_IP6(ctx, msg_src_ip6, from);
	return verdict == 1;
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

/* Where to, and which address to bind to before, if any. */
__noinline int connect_decide(struct bpf_sock_addr *ctx, const struct address_lock *lock, struct ask *ask,
			      struct address_ip *from)
{
	struct address_ip none = {0}, bound;
	struct bpf_sock *sk = ctx->sk;
	struct address_mark *m;
	enum loop receiver;
	__u32 flags, last;
	bool v4, loops;

	if (!lock || !ask || !from || !sk)
		return 1;
	v4 = is_v4(&ask->ip);
	m = bpf_sk_storage_get(&marks, sk, 0, 0);
	flags = m ? m->flags & ~ADDRESS_LOOPED : 0;
	if (flags & ADDRESS_HIDDEN && sk->src_port)
		return refuse(EADDRINUSE); /* the port that was asked for is not the one that it has */
	if (m)
		m->flags = flags;
	if (is_any(&ask->ip)) /* as a destination: the loopback */
		ask->ip = host_loop(v4);
	loops = names_loop(lock, &ask->ip) || in_own_loop(&ask->ip, lock);
	if (names_loop(lock, &ask->ip)) {
		if (!v4 && !(lock->flags & ADDRESS_LOOP6))
			return refuse(ENETUNREACH);
		ask->ip = own_loop(&ask->ip, lock);
		*from = loop_itself(v4, lock);
		if (ask->protocol == IPPROTO_UDP) {
			last = bpf_ntohl(ask->ip.w[3]) & 0xff;
			receiver = send_receiver(ctx, lock, ask, &none);
			if (receiver == FOREIGN)
				return refuse(ECONNREFUSED);
			if (receiver == AT_ADDRESS && !mark(sk, lock, flags | ADDRESS_LOOPED, last))
				return refuse(ENOMEM);
		}
	} else if (in_foreign_loop(&ask->ip, lock) || !lock_source_for(lock, &ask->ip, from)) {
		return refuse(ENETUNREACH);
	}
	bound = bound_ip(sk);
	if (in_some_loop(&bound) && !loops)
		return refuse(EINVAL); /* as in send_from */
	if (is_bound(sk))
		*from = none;
	else if (sk->src_port)
		return refuse(EADDRNOTAVAIL); /* a datagram socket that sent before: it can be bound to nothing more */
	return 1;
}

static __always_inline bool bind_to(struct bpf_sock_addr *ctx, const struct address_ip *from)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = from->w[3]};

	if (is_any(from))
		return true;
	__builtin_memcpy(&six.sin6_addr, from, sizeof(*from));
	return GET(ctx, family) == AF_INET6 ? bpf_bind(ctx, (struct sockaddr *)&six, sizeof(six)) == 0
					    : bpf_bind(ctx, (struct sockaddr *)&four, sizeof(four)) == 0;
}

/* Nearly always: to anywhere but loopback, from the only address there is. Decides as connect_decide would; false: it is
 * not so simple. */
static __always_inline bool connect_simple_4(struct bpf_sock_addr *ctx, const struct address_lock *lock, __u32 to)
{
	struct bpf_sock *sk = ctx->sk;

	return sk && lock->n4 == 1 && to && (to & bpf_htonl(0xff000000)) != bpf_htonl(0x7f000000) && !is_bound(sk) &&
	       !sk->src_port && !bpf_sk_storage_get(&marks, sk, 0, 0);
}

/* On connect(2): where to, and binds to the source that the lock has for that. Some 150 ns, most of it the bind. Since 4.17, with
 * a reason of its own 5.18. */
SEC("cgroup/connect4")
int connect_4(struct bpf_sock_addr *ctx)
{
	struct address_lock *lock = own_lock();
	struct address_ip from = {0};
	__u32 to = GET(ctx, user_ip4);
	struct ask ask;
	int verdict = 1;

	if (!lock)
		return 1;
	if (connect_simple_4(ctx, lock, to)) {
		from = lock->net[0].ip;
	} else {
		ask = ask_of(ctx, ip4(to));
		verdict = connect_decide(ctx, lock, &ask, &from);
		SET(ctx, user_ip4, ask.ip.w[3]);
	}
	if (verdict == 1 && !bind_to(ctx, &from))
		return refuse(EADDRNOTAVAIL);
	return verdict == 1;
}

/* The same of IPv6 sockets, mapped addresses included. */
SEC("cgroup/connect6")
int connect_6(struct bpf_sock_addr *ctx)
{
	struct ask ask = ask_of(ctx, GET_IP6(ctx, user_ip6));
	struct address_lock *lock = own_lock();
	struct address_ip from = {0};
	int verdict;

	if (!lock)
		return 1;
	verdict = connect_decide(ctx, lock, &ask, &from);
	SET_IP6(ctx, user_ip6, ask.ip);
	if (verdict == 1 && !bind_to(ctx, &from))
		return refuse(EADDRNOTAVAIL);
	return verdict == 1;
}

/* ---- whom it came from ------------------------------------------------------------------------------------------- */

/* What a context's process sees of its peer's address. */
static __always_inline struct address_ip peer(struct bpf_sock *sk, const struct address_ip *real)
{
	struct address_mark *m = sk->state == BPF_TCP_ESTABLISHED ? bpf_sk_storage_get(&marks, sk, 0, 0) : NULL;

	if (!m || !(m->flags & ADDRESS_LOOPED))
		return shown(real);
	return is_v4(real) ? ip4(bpf_htonl(0x7f000000 | (m->port & 0xff))) : host_loop(false);
}

/* On recvfrom(2) and recvmsg(2) of datagrams whose source is asked for: shows the lock's loopback as 127.0.0.1. No lock is
 * looked up; some 20 ns. 5.2. */
SEC("cgroup/recvmsg4")
int receive_4(struct bpf_sock_addr *ctx)
{
	struct address_ip real = ip4(GET(ctx, user_ip4));

	SET(ctx, user_ip4, peer(ctx->sk, &real).w[3]);
	return 1;
}

/* The same of IPv6 sockets: ::1. */
SEC("cgroup/recvmsg6")
int receive_6(struct bpf_sock_addr *ctx)
{
	struct address_ip real = GET_IP6(ctx, user_ip6);

	real = peer(ctx->sk, &real);
	SET_IP6(ctx, user_ip6, real);
	return 1;
}

/* On getpeername(2), and accept(2) that asks for the peer: the same. 5.8. */
SEC("cgroup/getpeername4")
int peer_4(struct bpf_sock_addr *ctx)
{
	struct address_ip real = ip4(GET(ctx, user_ip4));

	SET(ctx, user_ip4, peer(ctx->sk, &real).w[3]);
	return 1;
}

/* The same of IPv6 sockets. */
SEC("cgroup/getpeername6")
int peer_6(struct bpf_sock_addr *ctx)
{
	struct address_ip real = GET_IP6(ctx, user_ip6);

	real = peer(ctx->sk, &real);
	SET_IP6(ctx, user_ip6, real);
	return 1;
}
