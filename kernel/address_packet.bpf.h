/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the filters of packets look at.
 */
#pragma once

#include "kernel/address_rules.bpf.h"

struct packet {
	struct address_ip from, to;
	__u8 protocol;
};

static __always_inline bool read_packet(struct __sk_buff *skb, struct packet *ret)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *four = data;
	struct ipv6hdr *six = data;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if ((void *)(four + 1) > end)
			return false;
		ret->from = ip4(four->saddr);
		ret->to = ip4(four->daddr);
		ret->protocol = four->protocol;
		return true;
	}
	if ((void *)(six + 1) > end)
		return false;
	__builtin_memcpy(&ret->from, &six->saddr, sizeof(ret->from));
	__builtin_memcpy(&ret->to, &six->daddr, sizeof(ret->to));
	ret->protocol = six->nexthdr;
	return true;
}

/* The sockets that the hooks on bind, connect and sendmsg know. */
static __always_inline bool is_tcp_or_udp(struct bpf_sock *sk)
{
	return (sk->protocol == IPPROTO_TCP || sk->protocol == IPPROTO_UDP) && sk->type != SOCK_RAW;
}

/* No hook gives 127.0.0.1 another meaning for ping sockets. That the host's answers tells nothing. */
static __always_inline bool is_ping_of_loop(const struct packet *p)
{
	return is_loop(&p->from) && is_loop(&p->to) && (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6);
}
