/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What context.bpf.c and context.c share: the private prctl by which a process asks for a context, and the values in
 * the maps.
 *
 * prctl(CONTEXT_PRCTL, operation, number, flags, 0) never succeeds in the C library's sense, since a program on that
 * hook can say 0 only for "not mine": its answer is an errno. CONTEXT_DONE + 0…255 are good answers, beyond any errno
 * that the kernel has. EINVAL is also what a kernel without the programs says; EPERM: a number may be named by root in
 * the host's context only; EACCES: that context is private; EXDEV: the caller is locked into its own; EEXIST: not
 * fresh; ESRCH: nobody to join; EAGAIN: ask again; EBUSY: the caller has threads; ENOSPC: the map is full.
 */
#pragma once

#include <linux/types.h>

#define CONTEXT_LAYOUT 1
#define CONTEXT_PRCTL 0x56535256 /* "VSRV" */
#define CONTEXT_DONE 2048

enum context_op {
	CONTEXT_HELLO, /* CONTEXT_DONE + CONTEXT_LAYOUT */
	/* The caller moves to context `number`: CONTEXT_STAY, CONTEXT_NEXT, or one that it names. */
	CONTEXT_ENTER,
	/* The next child of the calling thread is born in context `number`, 0: as usual. */
	CONTEXT_CHILD,
	/* The caller, in the host's context, and its children may do to that context's processes what they may do to
	 * their own, 0: to no other's. */
	CONTEXT_SERVE,
	CONTEXT_LOW,  /* the lower 8 bits of the caller's context number, */
	CONTEXT_HIGH, /* and the upper ones; EPERM under CONTEXT_HIDEINFO */
};
#define CONTEXT_NEXT 0xffffffffu /* -1: the next number that nobody uses */
#define CONTEXT_STAY 0xfffffffeu /* -2: the caller's own; adds flags */
/* Among the flags: */
#define CONTEXT_FRESH (1u << 31) /* EEXIST when somebody is in that context */
#define CONTEXT_JOIN (1u << 30)  /* ESRCH when nobody is */

/* Numbers. What is above the last fixed one is handed out: the lower half by cgroup.c to contexts that end with their
 * callers, the upper half by new_s_context(-1). Two halves, so that no two hand out the same one. */
#define CONTEXT_LAST_FIXED 49151u
#define CONTEXT_FIRST_FREE 57344u
#define CONTEXT_LAST 65535u

/* Value of the map `tasks`. */
struct context_task {
	__u32 number;           /* 0: the host's, of a thread that has flags or a wish for its next child */
	__u32 flags;            /* the thread's own, besides its context's */
	__u32 next, next_flags; /* CONTEXT_CHILD */
	__u32 serves, unused;   /* CONTEXT_SERVE */
};

/* Values of the map `numbers`: processes and threads in the lower half, flags in the upper. */
#define CONTEXT_TASKS(state) ((__u32)(state))
#define CONTEXT_FLAGS(state) ((__u32)((state) >> 32))

/* Of the flags of new_s_context (kernel.h) those that the programs act on. */
#define CONTEXT_LOCK 1u
#define CONTEXT_NPROC 4u
#define CONTEXT_PRIVATE 8u
#define CONTEXT_HIDEINFO 32u
#define CONTEXT_FLAGS_ALL 127u
