/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Security contexts, decided in the kernel: a thread has a context number, its children inherit it, and what is in one
 * context cannot signal, trace, renice or look at what is in another. Number 0, the host's, is a context like the
 * others, but its root may enter others, or serve one: a process of the host that serves a context may do to that one's
 * processes what it may do to its own, while they cannot reach it. Number 1 sees all processes and touches none. And a
 * parent, whatever the contexts, may signal and look at its own children, so that who started one can wait for it and
 * end it.
 *
 * Needs BPF LSM (Linux 5.7, and 5.12 for compare-and-swap); each program works alike on 6.1 and 6.12. Whatever is not
 * in a context pays a few loads and at most two lookups that find nothing, and only in the system calls named here.
 * How a process asks, and what concerns files, IPC and sockets, is in the headers included below.
 */
#include "kernel/kernel_types.bpf.h"

#include "kernel/context.h"
#include "kernel/context_tasks.bpf.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __u64 home; /* the cgroup /vserver */

#define CLONE_THREAD 0x10000
#define RLIMIT_NPROC 6
#define PGRP 2
#define SESSION 3
#define PTRACE_MODE_ATTACH 2u
#define PTRACE_MODE_FSCREDS 8u /* asked by /proc, not by a system call on a process */
#define SIGCONT 18

static __always_inline struct task_struct *current(void)
{
	return bpf_get_current_task_btf();
}

static __always_inline __u32 own_number(void)
{
	return number_at((__u64)current());
}

static __always_inline bool is_child(__u64 task)
{
	return BPF_CORE_READ((struct task_struct *)task, real_parent, tgid) == current()->tgid;
}

/* Whether that process is in the current one's context, or in the one that it serves. */
static __always_inline bool same(__u64 task)
{
	struct context_task *e = entry_at((__u64)current());
	__u32 number = number_at(task);

	return (e ? e->number : 0) == number || (e && number && e->serves == number);
}

/* Whether the current process may know of that one. */
static __always_inline bool sees(__u64 task)
{
	return same(task) || own_number() == 1 || is_child(task);
}

#include "kernel/context_files.bpf.h"
#include "kernel/context_ipc.bpf.h"
#include "kernel/context_ask.bpf.h"

/* ---- birth and death --------------------------------------------------------------------------------------------- */

/* Under CONTEXT_NPROC the limit on processes holds for the context's threads together, root's included. */
static __always_inline bool too_many(const struct context_task *e)
{
	__u64 *state = e->number && flags_of(e) & CONTEXT_NPROC ? state_of(e->number) : NULL;

	return state && CONTEXT_TASKS(*state) >= BPF_CORE_READ(current(), signal, rlim[RLIMIT_NPROC].rlim_cur);
}

/* Puts a new thread into the context that it is born in. An entry that is there already is one of two: a dead thread's
 * whose removal did not come to pass (an interrupt within another change of the map, on kernels before 6.7), or the
 * work of an older build's program that runs beside this one during an upgrade. Replacing it is right for both. */
static __always_inline int place(__u64 key, const struct context_task *born, bool counted)
{
	struct context_task *old = entry_at(key);
	__u32 before = old ? old->number : 0;

	if (bpf_map_update_elem(&tasks, &key, born, BPF_ANY) != 0)
		return -EAGAIN;
	if (!counted)
		count(born->number);
	uncount(before);
	return 0;
}

/* Every fork and clone, before the child exists for anybody: the child's context is its parent's, or the one that the
 * parent wished. Refuses with EAGAIN when a limit is reached. Two lookups for the host's processes; a lookup and an
 * insertion (about 0.2 µs of a fork's 50) inside contexts. Since 5.7. */
SEC("lsm/task_alloc")
long BPF_PROG(context_alloc, struct task_struct *task, unsigned long clone_flags)
{
	struct context_task *e = entry_at((__u64)current()), born = {};
	__u64 key = (__u64)task;
	bool wished = e && e->next && !(clone_flags & CLONE_THREAD);
	int r;

	if (wished) {
		born.number = e->next;
		r = take(e->next, e->next_flags);
		e->next = e->next_flags = 0;
		if (r < 0)
			return verdict(r);
	} else if (e) {
		born.number = e->number;
		born.flags = e->flags;
		born.serves = e->serves;
		if (too_many(e))
			return -EAGAIN;
	}
	if (born.number || born.flags || born.serves) {
		r = place(key, &born, wished);
		if (r < 0 && wished)
			uncount(born.number);
		return verdict(r);
	}
	e = entry_at(key);
	if (e) {
		__u32 stale = e->number;

		if (bpf_map_delete_elem(&tasks, &key) == 0)
			uncount(stale);
	}
	return 0;
}

/* The end of a thread that nobody can look at any more, and of a fork that failed. One lookup for the host's; runs in
 * interrupts. Since 5.7. */
SEC("lsm/task_free")
long BPF_PROG(context_free, struct task_struct *task)
{
	__u64 key = (__u64)task;
	struct context_task *e = entry_at(key);
	__u32 number = e ? e->number : 0;

	if (e && bpf_map_delete_elem(&tasks, &key) == 0)
		uncount(number);
	return 0;
}

/* ---- what one process does to another ---------------------------------------------------------------------------- */

/* kill, tgkill, sigqueue, pidfd_send_signal. EPERM across contexts (never ESRCH: the kernel would try again for ever),
 * but for parents, for SIGCONT within a session, as job control needs it, and for the kernel's own signals: a parent's
 * death, a closed terminal, USB. Two lookups. Since 5.7. */
SEC("lsm/task_kill")
long BPF_PROG(context_kill, struct task_struct *p, void *info, int sig, void *cred)
{
	__u64 raw[4] = {}, task = (__u64)p;

	if (same(task) || is_child(task))
		return 0;
	/* As numbers: the verifier takes pointers of this hook for never null, and would leave the tests out. */
	bpf_probe_read_kernel(raw, sizeof(raw), ctx);
	if (raw[1] <= 1 || raw[3])
		return 0;
	if (sig == SIGCONT && p->signal->pids[SESSION] == current()->signal->pids[SESSION])
		return 0;
	return -EPERM;
}

/* ptrace, /proc/PID/{mem,maps,environ,fd,ns,root}, process_vm_readv, pidfd_getfd, kcmp, perf, setns by pidfd. A parent
 * may look, context 1 may look at what is in /proc, nobody may attach. Two lookups. Since 5.7. */
SEC("lsm/ptrace_access_check")
long BPF_PROG(context_ptrace, struct task_struct *child, unsigned int mode)
{
	__u64 task = (__u64)child;

	if (same(task))
		return 0;
	if (mode & PTRACE_MODE_ATTACH)
		return -EPERM;
	return verdict(is_child(task) || (own_number() == 1 && mode & PTRACE_MODE_FSCREDS) ? 0 : -EPERM);
}

/* PTRACE_TRACEME: not by a parent in another context. Two lookups. Since 5.7. */
SEC("lsm/ptrace_traceme")
long BPF_PROG(context_traceme, struct task_struct *parent)
{
	return verdict(same((__u64)parent) ? 0 : -EPERM);
}

/* setpriority. Two lookups, as all the following. Since 5.7. */
SEC("lsm/task_setnice")
long BPF_PROG(context_setnice, struct task_struct *p)
{
	return verdict(same((__u64)p) ? 0 : -EPERM);
}

/* sched_setscheduler, sched_setattr, sched_setaffinity. Since 5.7. */
SEC("lsm/task_setscheduler")
long BPF_PROG(context_setscheduler, struct task_struct *p)
{
	return verdict(same((__u64)p) ? 0 : -EPERM);
}

/* ioprio_set. Since 5.7. */
SEC("lsm/task_setioprio")
long BPF_PROG(context_setioprio, struct task_struct *p)
{
	return verdict(same((__u64)p) ? 0 : -EPERM);
}

/* prlimit that sets; one that only reads has no hook that knows the process. Since 5.7. */
SEC("lsm/task_setrlimit")
long BPF_PROG(context_setrlimit, struct task_struct *p)
{
	return verdict(same((__u64)p) ? 0 : -EPERM);
}

/* migrate_pages, move_pages. Since 5.7. */
SEC("lsm/task_movememory")
long BPF_PROG(context_movememory, struct task_struct *p)
{
	return verdict(same((__u64)p) ? 0 : -EPERM);
}

/* setpgid, which shells call for their children. Since 5.7. */
SEC("lsm/task_setpgid")
long BPF_PROG(context_setpgid, struct task_struct *p)
{
	return verdict(same((__u64)p) || is_child((__u64)p) ? 0 : -EPERM);
}

/* getpgid, getsid, sched_getscheduler, sched_getaffinity, ioprio_get: as if it were not there. Since 5.7. */
SEC("lsm/task_getpgid")
long BPF_PROG(context_getpgid, struct task_struct *p)
{
	return verdict(sees((__u64)p) ? 0 : -ESRCH);
}

SEC("lsm/task_getsid")
long BPF_PROG(context_getsid, struct task_struct *p)
{
	return verdict(sees((__u64)p) ? 0 : -ESRCH);
}

SEC("lsm/task_getscheduler")
long BPF_PROG(context_getscheduler, struct task_struct *p)
{
	return verdict(sees((__u64)p) ? 0 : -ESRCH);
}

SEC("lsm/task_getioprio")
long BPF_PROG(context_getioprio, struct task_struct *p)
{
	return verdict(sees((__u64)p) ? 0 : -ESRCH);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

/* /sys/fs/bpf/vserver/context/link_context_list: a line "PID NUMBER COMMAND" for each process that the reader sees.
 * Runs only while somebody reads it. Since 5.8. */
SEC("iter/task")
int context_list(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;

	if (!task || task->pid != task->tgid || !sees((__u64)task))
		return 0;
	BPF_SEQ_PRINTF(seq, "%d %u %s\n", task->tgid, number_at((__u64)task), task->comm);
	return 0;
}
