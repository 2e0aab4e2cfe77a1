/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * set_ipv4root on a stock kernel: what a context may bind, where it comes from, what its wildcards and its 127.0.0.1
 * and
 * ::1 mean, decided in the kernel. Here: making sockets, and the filter of what arrives, which holds what the other two
 * files cannot. Needs 5.18 (bpf_set_retval in these hooks), type information, cgroup v2.
 *
 * All is attached at the cgroup /vserver, so that sockets made elsewhere never get here; but to_listener. A hook costs
 * 30 to 100 ns.
 */
#include "kernel/address_bind.bpf.h"
#include "kernel/address_listen.bpf.h"
#include "kernel/address_packet.bpf.h"
#include "kernel/address_send.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Whether this piece is complete, for the loader (load.h); no program asks. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} ready SEC(".maps");

/* On socket(2): which protocols a context has: those that are confined. Of others (MPTCP, SCTP, DCCP, UDP-Lite, L2TP)
 * the kernel seems to have none, and programs fall back to TCP or UDP. Raw and ping sockets need a filter of every
 * packet that leaves: only where that is. TCP and UDP return at once; cgroup programs at socket(2) since 4.10, with a
 * reason of their own 5.18. */
SEC("cgroup/sock_create")
int make_socket(struct bpf_sock *sk)
{
	__u32 type = sk->type, protocol = sk->protocol;
	struct address_lock *lock;

	if ((type == SOCK_STREAM && protocol == IPPROTO_TCP) || (type == SOCK_DGRAM && protocol == IPPROTO_UDP))
		return 1;
	lock = own_lock();
	if (!lock)
		return 1;
	if (type == SOCK_RAW || (type == SOCK_DGRAM && (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)))
		return lock->flags & ADDRESS_RAW ? 1 : refuse(EPERM);
	return refuse(EPROTONOSUPPORT);
}

/* What a context receives. A bound socket gets what is for its address; the rest (listen or sendto without bind,
 * wildcard sockets that hear broadcasts, ping, raw) only what is for the lock's; and nothing comes to its loopback from
 * the wire. The one hook that each packet passes: some 10 ns. In cgroups since 4.10, with
 * bpf_sk_ancestor_cgroup_id 5.8. */
SEC("cgroup_skb/ingress")
int arrive(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk ? bpf_sk_fullsock(skb->sk) : NULL;
	struct address_lock *lock;
	struct packet p;

	if (!sk)
		return 1;
	if (is_bound(sk) && is_tcp_or_udp(sk)) {
		p.to = bound_ip(sk);
		return skb->ifindex == LOOPBACK_IFINDEX || !in_some_loop(&p.to);
	}
	if (!read_packet(skb, &p))
		return 0;
	lock = lock_of(sk);
	if (!lock || lock_has(lock, &p.to) || in_own_loop(&p.to, lock) || is_ping_of_loop(&p))
		return 1;
	return lock->broadcast && is_v4(&p.to) && p.to.w[3] == lock->broadcast;
}
