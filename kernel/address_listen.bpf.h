/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How what is sent to a context's TCP servers finds them: listen, and the look-up of a listener.
 */
#pragma once

#include "kernel/address_rules.bpf.h"

/* The listeners of contexts, under the addresses to which the kernel did not bind them: the others of a wildcard's, and
 * loopback. Gone with the socket. In these programs since 5.13. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, ADDRESS_LISTENERS);
	__type(key, struct address_end);
	__type(value, __u64);
} listeners SEC(".maps");

static __always_inline void reach_at(struct bpf_sock_ops *ops, const struct address_ip *ip, __u32 port)
{
	struct address_end end = {.ip = *ip, .port = port};

	bpf_sock_hash_update(ops, &listeners, &end, BPF_ANY);
}

/* A wildcard listener, bound to one address, is reached at the others, and at its loopback. */
__noinline int listen_everywhere(struct bpf_sock_ops *ops, const struct address_mark *m,
				 const struct address_end *bound)
{
	struct address_lock *lock;
	struct address_ip at;
	__u32 slot;

	if (!m || !bound)
		return 0;
	slot = ADDRESS_SLOT(m->id);
	lock = bpf_map_lookup_elem(&locks, &slot);
	if (!lock || lock->id != m->id)
		return 0;
	for (__u32 i = 0; i < ADDRESS_MAX && i < lock->n; i++) {
		at = lock->net[i].ip;
		if (!same(&at, &bound->ip) && m->flags & (is_v4(&at) ? ADDRESS_AT_4 : ADDRESS_AT_6))
			reach_at(ops, &at, bound->port);
	}
	at = loop_itself(true, lock);
	at = any_loop(&at);
	if (m->flags & ADDRESS_AT_4)
		reach_at(ops, &at, bound->port);
	at = loop_itself(false, lock);
	at = any_loop(&at);
	if (m->flags & ADDRESS_AT_6 && lock->flags & ADDRESS_LOOP6)
		reach_at(ops, &at, bound->port);
	return 0;
}

/* On listen(2): enters a listener under the addresses to which the kernel did not bind it, at most 18 of them. Runs at several
 * points of each TCP connection of a context, too, and returns at once. In sockops since 4.17, with sk storage 5.11. */
SEC("sockops")
int listening(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct address_mark *m, copy;
	struct address_end end;

	if (ops->op != BPF_SOCK_OPS_TCP_LISTEN_CB || !sk)
		return 1;
	m = bpf_sk_storage_get(&marks, sk, 0, 0);
	end.ip = GET(ops, family) == AF_INET ? ip4(GET(ops, local_ip4)) : GET_IP6(ops, local_ip6);
	end.port = m && m->flags & ADDRESS_HIDDEN ? m->port : GET(ops, local_port);
	if (in_some_loop(&end.ip) || (m && m->flags & ADDRESS_HIDDEN))
		reach_at(ops, &end.ip, end.port);
	else
		bpf_map_delete_elem(&listeners, &end); /* of a wildcard listener, before which this one goes */
	if (m && m->flags & ADDRESS_ANY) {
		copy = *m;
		listen_everywhere(ops, &copy, &end);
	}
	return 1;
}

/* Whether what is sent to a lock's loopback comes from that lock, on this machine. The kernel itself would take packets
 * from the wire to an IPv6 address of lo. No device: our own programs ask, or a tool that lists sockets. */
static __always_inline bool from_inside(struct bpf_sk_lookup *ctx, const struct address_ip *to)
{
	__u32 slot = bpf_ntohl(to->w[3]) >> (is_v4(to) ? 8 : 0) & (ADDRESS_LOCKS - 1);
	struct address_lock *lock = bpf_map_lookup_elem(&locks, &slot);
	struct address_ip from;

	if (!ctx->ingress_ifindex)
		return true;
	if (!lock || ctx->ingress_ifindex != LOOPBACK_IFINDEX)
		return false;
	from = GET(ctx, family) == AF_INET ? ip4(GET(ctx, remote_ip4)) : GET_IP6(ctx, remote_ip6);
	return in_own_loop(&from, lock) || lock_has(lock, &from);
}

/* Of this network namespace, on the first packet of a TCP connection, whoever's: which listener gets it. A look-up in a
 * hash. What no context listens for takes the kernel's usual way; but a lock's loopback is nobody else's, not even a
 * wildcard listener's of the host. UDP packets, of sockets that are not connected, are looked at for that alone. 5.9, with
 * this hash 5.13, with the device 5.17. */
SEC("sk_lookup")
int to_listener(struct bpf_sk_lookup *ctx)
{
	struct address_end end;
	struct bpf_sock *sk;
	bool loop;

	end.ip = GET(ctx, family) == AF_INET ? ip4(GET(ctx, local_ip4)) : GET_IP6(ctx, local_ip6);
	loop = in_some_loop(&end.ip);
	if (loop && !from_inside(ctx, &end.ip))
		return SK_DROP;
	if (ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	end.port = GET(ctx, local_port);
	sk = bpf_map_lookup_elem(&listeners, &end);
	if (!sk && loop) {
		end.ip = any_loop(&end.ip);
		sk = bpf_map_lookup_elem(&listeners, &end);
	}
	if (!sk)
		return loop ? SK_DROP : SK_PASS;
	bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return SK_PASS;
}
