/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The filter of what raw and ping sockets send, which say what they like and bind by themselves. Not attached at
 * /vserver, since each packet of all sockets passes it (some 3 % of the rate of small ones), but at the cgroups whose
 * processes may have such sockets. The tables are those of address.bpf.c. In cgroups since 4.10, with
 * bpf_sk_ancestor_cgroup_id 5.8.
 */
#include "kernel/address_packet.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("cgroup_skb/egress")
int leave(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk ? bpf_sk_fullsock(skb->sk) : NULL;
	struct address_lock *lock;
	struct packet p;

	if (!sk || is_tcp_or_udp(sk))
		return 1;
	if (!read_packet(skb, &p))
		return 0;
	lock = lock_of(sk);
	if (!lock || lock_has(lock, &p.from))
		return 1;
	return (in_own_loop(&p.from, lock) && in_own_loop(&p.to, lock)) || is_ping_of_loop(&p);
}
