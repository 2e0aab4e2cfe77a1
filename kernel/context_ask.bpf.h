/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * new_s_context: how a process asks the kernel for a context, for itself or for its next child, and for its number.
 */
#pragma once

/* Written last by the loader; before that nobody gets a context, since a child's might not be noticed yet. */
struct ready {
	__u32 layout, complete;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ready);
} ready SEC(".maps");

static __u32 cursor; /* where the search for a free number goes on; which one is found is no secret */

static __always_inline int take_next(__u32 flags, __u32 *ret_number)
{
	for (int i = 0; i < 64; i++) {
		__u32 n =
			CONTEXT_FIRST_FREE + __sync_fetch_and_add(&cursor, 1) % (CONTEXT_LAST + 1 - CONTEXT_FIRST_FREE);

		if (take(n, flags | CONTEXT_FRESH) == 0) {
			*ret_number = n;
			return 0;
		}
	}
	return -EAGAIN; /* the caller asks again, and the search goes on */
}

/* Writes the current thread's entry; an empty one goes. */
static __always_inline int set_own(const struct context_task *want)
{
	__u64 key = (__u64)current();

	if (want->number || want->flags || want->next || want->serves)
		return bpf_map_update_elem(&tasks, &key, want, BPF_ANY) ? -ENOSPC : 0;
	bpf_map_delete_elem(&tasks, &key);
	return 0;
}

/* Flags that a member adds are its own and its children's: it may not shut others out of the context. */
static __always_inline int stay(struct context_task *own, __u32 flags)
{
	if (flags & ~(own->number ? CONTEXT_LOCK | CONTEXT_NPROC | CONTEXT_HIDEINFO : CONTEXT_LOCK))
		return -EINVAL;
	own->flags |= flags;
	return set_own(own);
}

static __always_inline int enter(struct context_task *e, __u32 number, __u32 flags)
{
	struct context_task own = {};
	__u32 before;
	int r;

	if (e)
		own = *e;
	before = own.number;
	/* One thread cannot leave the others, with which it shares its memory. */
	if (BPF_CORE_READ(current(), signal, nr_threads) != 1)
		return -EBUSY;
	if (number == CONTEXT_STAY)
		return stay(&own, flags & CONTEXT_FLAGS_ALL);
	if (flags_of(e) & CONTEXT_LOCK)
		return -EXDEV;
	if (number == CONTEXT_NEXT)
		r = take_next(flags, &number);
	else
		r = is_host_root(e) ? take(number, flags) : -EPERM;
	if (r < 0)
		return r;
	own = (struct context_task){.number = number};
	r = set_own(&own);
	uncount(r < 0 ? number : before);
	return r;
}

static __always_inline int wish(struct context_task *e, __u32 op, __u32 number, __u32 flags)
{
	struct context_task own = {};

	if (e)
		own = *e;
	if (!is_host_root(e))
		return -EPERM;
	if (flags_of(e) & CONTEXT_LOCK)
		return -EXDEV;
	if (op == CONTEXT_SERVE) {
		own.serves = number;
	} else {
		own.next = number;
		own.next_flags = number ? flags : 0;
	}
	return set_own(&own);
}

static __always_inline int answer(__u32 byte)
{
	return -CONTEXT_DONE - (int)(byte & 0xff);
}

/* Never 0, which would say that it is not ours. */
static __always_inline int serve(__u32 op, __u32 number, __u32 flags)
{
	struct context_task *e = entry_at((__u64)current());
	__u32 zero = 0;
	struct ready *r = bpf_map_lookup_elem(&ready, &zero);
	int status;

	if (!r || !r->complete || flags & ~(CONTEXT_FLAGS_ALL | CONTEXT_FRESH | CONTEXT_JOIN))
		return -EINVAL;
	switch (op) {
	case CONTEXT_HELLO:
		return answer(CONTEXT_LAYOUT);
	case CONTEXT_ENTER:
		if (number == 0 || (number > CONTEXT_LAST && number < CONTEXT_STAY))
			return -EINVAL;
		status = enter(e, number, flags);
		return status < 0 ? status : answer(0);
	case CONTEXT_CHILD:
	case CONTEXT_SERVE:
		if (number > CONTEXT_LAST)
			return -EINVAL;
		status = wish(e, op, number, flags);
		return status < 0 ? status : answer(0);
	case CONTEXT_LOW:
	case CONTEXT_HIGH:
		if (flags_of(e) & CONTEXT_HIDEINFO)
			return -EPERM;
		number = e ? e->number : 0;
		return answer(op == CONTEXT_LOW ? number : number >> 8);
	}
	return -EINVAL;
}

/* new_s_context, for everybody: prctl with our option (context.h). Another option costs one comparison. Since 5.7. */
SEC("lsm/task_prctl")
long BPF_PROG(context_prctl, int option, unsigned long op, unsigned long number, unsigned long flags)
{
	return option == CONTEXT_PRCTL ? verdict(serve(op, number, flags)) : 0;
}
