/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What processes reach one another by without a file or a signal: System V IPC, unix sockets with abstract names, and
 * signals that a descriptor sends. Each object belongs to the context that made it.
 *
 * Not here, since the file system says who may: unix sockets bound to a path, fifos, shared files (/dev/shm).
 */
#pragma once

#define F_SETOWN 8
#define F_SETOWN_EX 15
#define FIOSETOWN 0x8901
#define SIOCSPGRP 0x8902

/* ---- System V IPC ------------------------------------------------------------------------------------------------ */

/* The context of each queue, set of semaphores and memory segment that was made in one, by its address in the kernel.
 * When it is full, contexts make no more. Since 5.7. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u32);
} ipc SEC(".maps");

static __always_inline int ipc_made(__u64 object)
{
	__u32 own = own_number();

	if (own)
		return bpf_map_update_elem(&ipc, &object, &own, BPF_ANY) ? -ENOSPC : 0;
	bpf_map_delete_elem(&ipc, &object); /* of one before it at this address, if an interrupt kept that one's */
	return 0;
}

static __always_inline int ipc_gone(__u64 object)
{
	bpf_map_delete_elem(&ipc, &object);
	return 0;
}

static __always_inline int ipc_refuse(__u64 object)
{
	__u32 *owner = object ? bpf_map_lookup_elem(&ipc, &object) : NULL;

	return !object || own_number() == (owner ? *owner : 0) ? 0 : -EACCES;
}

/* Their making and end: msgget, semget, shmget that make one, and IPC_RMID. All since 5.7. */
SEC("lsm/msg_queue_alloc_security")
long BPF_PROG(context_msg_made, void *object)
{
	return verdict(ipc_made((__u64)object));
}

SEC("lsm/msg_queue_free_security")
long BPF_PROG(context_msg_gone, void *object)
{
	return verdict(ipc_gone((__u64)object));
}

SEC("lsm/sem_alloc_security")
long BPF_PROG(context_sem_made, void *object)
{
	return verdict(ipc_made((__u64)object));
}

SEC("lsm/sem_free_security")
long BPF_PROG(context_sem_gone, void *object)
{
	return verdict(ipc_gone((__u64)object));
}

SEC("lsm/shm_alloc_security")
long BPF_PROG(context_shm_made, void *object)
{
	return verdict(ipc_made((__u64)object));
}

SEC("lsm/shm_free_security")
long BPF_PROG(context_shm_gone, void *object)
{
	return verdict(ipc_gone((__u64)object));
}

/* Their use: every msgsnd, semop, shmat and get of one that is there. Two lookups. Since 5.7. */
SEC("lsm/ipc_permission")
long BPF_PROG(context_ipc, void *object)
{
	return verdict(ipc_refuse((__u64)object));
}

/* Their control: IPC_STAT, IPC_SET, IPC_RMID, locks. Without an object for the commands that are about all. */
SEC("lsm/msg_queue_msgctl")
long BPF_PROG(context_msgctl, void *object)
{
	return verdict(ipc_refuse((__u64)object));
}

SEC("lsm/sem_semctl")
long BPF_PROG(context_semctl, void *object)
{
	return verdict(ipc_refuse((__u64)object));
}

SEC("lsm/shm_shmctl")
long BPF_PROG(context_shmctl, void *object)
{
	return verdict(ipc_refuse((__u64)object));
}

/* ---- unix sockets
 * ----------------------------------------------------------------------------------------------------- */

/* The context of each socket that was made in one. Since 5.8. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} sockets SEC(".maps");

/* A name that is in no file system is everybody's in the network namespace: there it is its context's. */
static __always_inline int refuse_abstract(struct sock *other)
{
	struct unix_sock *u = (struct unix_sock *)other;
	__u32 *owner;

	if (!other || !BPF_CORE_READ(u, addr) || BPF_CORE_READ(u, path.dentry))
		return 0;
	owner = bpf_sk_storage_get(&sockets, other, 0, 0);
	return own_number() == (owner ? *owner : 0) ? 0 : -EPERM;
}

/* socket and socketpair: notes who made it. One lookup for the host's; a small allocation in contexts, for unix sockets
 * alone. Since 5.7. */
SEC("lsm/socket_post_create")
long BPF_PROG(context_socket, struct socket *sock, int family)
{
	struct sock *sk = sock->sk;
	__u32 own;

	if (family != 1 || !sk)
		return 0;
	own = own_number();
	return verdict(!own || bpf_sk_storage_get(&sockets, sk, &own, BPF_LOCAL_STORAGE_GET_F_CREATE) ? 0 : -ENOSPC);
}

/* connect to a stream or sequenced packets. Since 5.7. */
SEC("lsm/unix_stream_connect")
long BPF_PROG(context_connect, struct sock *sock, struct sock *other)
{
	return verdict(refuse_abstract(other));
}

/* connect and send of datagrams. Since 5.7. */
SEC("lsm/unix_may_send")
long BPF_PROG(context_send, struct socket *sock, struct socket *other)
{
	return verdict(refuse_abstract(other->sk));
}

/* ---- signals by descriptors
 * --------------------------------------------------------------------------------------------- */

/* A process's or group's number as its members know it. */
static __always_inline int own_view(struct pid *pid)
{
	__u32 level = BPF_CORE_READ(pid, level);
	__u64 at = (__u64)pid + bpf_core_field_offset(struct pid, numbers) +
		   (level & 31) * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, nr);
	int nr = 0;

	bpf_probe_read_kernel(&nr, sizeof(nr), (void *)at);
	return nr;
}

/* Itself, its process, or its group. */
static __always_inline bool names_itself(int who)
{
	struct task_struct *self = current();

	return who == own_view(BPF_CORE_READ(self, thread_pid)) ||
	       who == own_view(BPF_CORE_READ(self, group_leader, thread_pid)) ||
	       -who == own_view(BPF_CORE_READ(self, signal, pids[PGRP]));
}

/* Who gets SIGIO, or the signal that F_SETSIG names: it is sent later, by the kernel, when nobody knows any more who
 * asked for it. So a process in a context may only name itself or its group. For other commands a comparison. Since
 * 5.7. */
SEC("lsm/file_fcntl")
long BPF_PROG(context_fcntl, struct file *file, unsigned int cmd, unsigned long arg)
{
	if ((cmd != F_SETOWN && cmd != F_SETOWN_EX) || own_number() == 0)
		return 0;
	return verdict(cmd == F_SETOWN && ((int)arg == 0 || names_itself((int)arg)) ? 0 : -EPERM);
}

static __always_inline int refuse_owner(unsigned int cmd)
{
	return (cmd == FIOSETOWN || cmd == SIOCSPGRP) && own_number() ? -EPERM : 0;
}

/* The same by ioctl, which hides the number in memory: not in a context. A comparison for other commands. Since 5.7;
 * the second, for 32-bit programs, since 6.8. */
SEC("lsm/file_ioctl")
long BPF_PROG(context_ioctl, struct file *file, unsigned int cmd)
{
	return verdict(refuse_owner(cmd));
}

SEC("?lsm/file_ioctl_compat")
long BPF_PROG(context_ioctl_compat, struct file *file, unsigned int cmd)
{
	return verdict(refuse_owner(cmd));
}
