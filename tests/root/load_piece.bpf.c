/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For load.t: a piece whose programs refuse to bind and to connect to ports. PORT is refused by every build of it, OTHER
 * by this one alone.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} ready SEC(".maps");

/* Survives an upgrade: what one build counts the next one goes on with. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} refused SEC(".maps");

/* load_piece.c puts FILL entries into it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} filled SEC(".maps");

static int decide(struct bpf_sock_addr *ctx)
{
	__u32 port = bpf_ntohs((__u16)ctx->user_port), zero = 0;
	__u64 *n;

	if (port != PORT && port != OTHER)
		return 1;
	n = bpf_map_lookup_elem(&refused, &zero);
	if (n)
		__sync_fetch_and_add(n, 1);
	return 0;
}

SEC("cgroup/bind4")
int piece_bind4(struct bpf_sock_addr *ctx)
{
	return decide(ctx);
}

SEC("cgroup/connect4")
int piece_connect4(struct bpf_sock_addr *ctx)
{
	return decide(ctx);
}

#ifdef BROKEN /* no verifier takes it */
SEC("cgroup/bind6")
int piece_bind6(struct bpf_sock_addr *ctx)
{
	return *(int *)(long)bpf_get_prandom_u32();
}
#elif !defined(WITHOUT_BIND6)
SEC("cgroup/bind6")
int piece_bind6(struct bpf_sock_addr *ctx)
{
	return decide(ctx);
}
#endif
