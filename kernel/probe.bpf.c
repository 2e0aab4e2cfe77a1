/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tiniest programs of the kinds that the pieces consist of. probe.c loads one at a time, looks whether it decides,
 * and takes it away: what it costs, it costs for some milliseconds.
 */
#include "kernel/kernel_types.bpf.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 target; /* the process that tries it */

/* BPF LSM (5.7). Refuses the one process that tries it to set its nice value, with an error that the kernel itself
 * never gives there. Hardly anything calls this hook. */
SEC("?lsm/task_setnice")
int BPF_PROG(probe_setnice)
{
	return bpf_get_current_pid_tgid() >> 32 == target ? -EXDEV : 0;
}

/* Cgroup programs on socket calls (4.17). Attached to a cgroup with one process in it, which may then bind nothing. */
SEC("?cgroup/bind4")
int probe_bind(struct bpf_sock_addr *ctx)
{
	return 0;
}

/* The one socket that the program below hands out (5.9). */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} listener SEC(".maps");

/* Lookup of the socket that a packet is for (5.9). Attached to a network namespace of the probe's own: whatever is
 * asked for, the listener answers. */
SEC("?sk_lookup")
int probe_lookup(struct bpf_sk_lookup *ctx)
{
	struct bpf_sock *sk;
	__u32 zero = 0;

	sk = bpf_map_lookup_elem(&listener, &zero);
	if (sk) {
		bpf_sk_assign(ctx, sk, 0);
		bpf_sk_release(sk);
	}
	return 1; /* SK_PASS */
}
