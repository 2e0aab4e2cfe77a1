/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which context a thread is in, and how many are in each: the two maps that everything else in context.bpf.c asks.
 */
#pragma once

#include "kernel/kernel_types.bpf.h"

#include "kernel/context.h"

#define CAP_SYS_ADMIN 21

/* The context of each thread that is in one, by the address of its task_struct. A hash and not task storage, because
 * the programs on /proc have task pointers that the verifier does not trust, and an address can be looked up all the
 * same. Entries are made when a thread is born or asks for a context and go when it is freed. A thread of the host has
 * none: a lookup that finds nothing, some 15 ns. When it is full, fork fails inside contexts with EAGAIN. Atomic and
 * not preallocated: 2 MiB of buckets. Since Linux 5.7 (with BPF LSM). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, __u64);
	__type(value, struct context_task);
} tasks SEC(".maps");

/* For each number: how many threads are in that context (0: nobody uses it), and its flags. One word, so that taking a
 * free number and joining a context are single compare-and-swaps. 512 KiB. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONTEXT_LAST + 1);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

/* The kernel's type of a task pointer may be trusted, untrusted or a mere number: here it is always the last. */
static __always_inline struct context_task *entry_at(__u64 task)
{
	return bpf_map_lookup_elem(&tasks, &task);
}

static __always_inline __u32 number_at(__u64 task)
{
	struct context_task *e = entry_at(task);

	return e ? e->number : 0;
}

static __always_inline __u64 *state_of(__u32 number)
{
	return bpf_map_lookup_elem(&numbers, &number);
}

static __always_inline __u32 flags_of(const struct context_task *e)
{
	__u64 *state = e && e->number ? state_of(e->number) : NULL;

	return e ? e->flags | (state ? CONTEXT_FLAGS(*state) : 0) : 0;
}

/* The host's root, with the capability in the host's own user namespace. */
static __always_inline bool is_host_root(const struct context_task *e)
{
	const struct cred *cred = bpf_get_current_task_btf()->cred;
	__u64 caps = 0;

	bpf_probe_read_kernel(&caps, sizeof(caps), __builtin_preserve_access_index(&cred->cap_effective));
	return (!e || e->number == 0) && cred->user_ns->level == 0 && caps & (1ULL << CAP_SYS_ADMIN);
}

/* Counts one more thread in a context that has some. */
static __always_inline void count(__u32 number)
{
	__u64 *state = number ? state_of(number) : NULL;

	if (state)
		__sync_fetch_and_add(state, 1);
}

static __always_inline void uncount(__u32 number)
{
	__u64 *state = number ? state_of(number) : NULL;

	if (state && CONTEXT_TASKS(*state))
		__sync_fetch_and_add(state, -1);
}

/* Takes a number that nobody uses, or joins those who do. */
static __always_inline int take(__u32 number, __u32 flags)
{
	__u64 *state = state_of(number), add = (__u64)(flags & CONTEXT_FLAGS_ALL) << 32;

	if (!state)
		return -EINVAL;
	for (int i = 0; i < 8; i++) {
		__u64 was = *(volatile __u64 *)state, now = add + 1;

		if (CONTEXT_TASKS(was)) {
			if (flags & CONTEXT_FRESH)
				return -EEXIST;
			if (CONTEXT_FLAGS(was) & CONTEXT_PRIVATE)
				return -EACCES;
			now = (was + 1) | add;
		} else if (flags & CONTEXT_JOIN) {
			return -ESRCH;
		}
		if (__sync_val_compare_and_swap(state, was, now) == was)
			return 0;
	}
	return -EAGAIN;
}

/* The verifier since 6.8 wants to see, in 64 bits, that a hook's value is 0 or an errno, whatever the compiler makes of
 * it. So the programs return long. */
static __always_inline long verdict(long r)
{
	asm volatile("" : "+r"(r));
	return r > 0 || r < -4095 ? -EPERM : r;
}
