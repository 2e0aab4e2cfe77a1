/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel's structures that our programs look into, with only the members that they use. preserve_access_index makes
 * the loader find each member's place in the running kernel's own type information, so that one object serves all.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* From asm-generic/errno*.h, which target bpf cannot include everywhere. */
#define EPERM 1
#define ENOENT 2
#define ESRCH 3
#define EAGAIN 11
#define EACCES 13
#define EBUSY 16
#define EEXIST 17
#define EXDEV 18
#define EINVAL 22
#define ENOSPC 28

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block {
	unsigned long s_magic;
};
struct inode {
	unsigned short i_mode;
	unsigned int i_flags;
	unsigned long i_ino;
	struct super_block *i_sb;
	void *i_private;
};
struct dentry {
	struct inode *d_inode;
	struct super_block *d_sb;
};
struct vfsmount {
	struct super_block *mnt_sb;
};
struct path {
	struct dentry *dentry;
	struct vfsmount *mnt;
};
struct file {
	unsigned int f_flags;
	unsigned int f_mode;
	struct inode *f_inode;
	struct path f_path;
};
struct ns_common {
	unsigned int inum;
};
struct cgroup_namespace {
	struct ns_common ns;
};
struct mnt_namespace {
	struct ns_common ns;
};
struct nsproxy {
	struct mnt_namespace *mnt_ns;
	struct cgroup_namespace *cgroup_ns;
};
typedef struct {
	unsigned int val;
} kuid_t;
struct user_namespace {
	int level;
	struct ns_common ns;
};
struct kernel_cap {
	__u64 val;
};
struct cred {
	kuid_t uid, euid;
	struct user_namespace *user_ns;
	struct kernel_cap cap_effective; /* 64 bits under several names: take its address alone */
};
struct hlist_node {
	struct hlist_node *next;
};
struct hlist_head {
	struct hlist_node *first;
};
struct upid {
	int nr;
};
struct pid { /* tasks[0]: of threads. numbers[0]: as the host sees it; numbers[level]: as the process itself does */
	unsigned int level;
	struct hlist_head tasks[4];
	struct upid numbers[1];
};
struct rlimit {
	unsigned long rlim_cur;
};
struct signal_struct {
	int nr_threads;
	struct pid *pids[4]; /* 2: process group, 3: session */
	struct rlimit rlim[16];
};
struct task_struct {
	int pid, tgid;
	unsigned int flags;
	struct task_struct *group_leader, *real_parent;
	const struct cred *cred, *real_cred;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct pid *thread_pid;
	struct hlist_node pid_links[4]; /* 0: by the thread's own pid */
	char comm[16];
};
struct proc_inode {
	struct pid *pid; /* of inodes below /proc/PID, else NULL */
	struct inode vfs_inode;
};
struct kernfs_node { /* a cgroup's directory and its files */
	__u64 id;
	struct kernfs_node *parent;
};
struct kernfs_node___new { /* since 6.15 */
	struct kernfs_node *__parent;
};
struct unix_address {
	int len;
};
struct unix_sock {
	struct unix_address *addr;
	struct path path; /* of sockets that are bound to a file */
};
struct socket {
	struct sock *sk;
};
struct seq_file {
	__u64 num;
};
struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 seq_num;
};
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#ifndef PF_KTHREAD
#define PF_KTHREAD 0x00200000
#endif

/* ---- sockets (address.bpf.c) ------------------------------------------------------------------------------------- */

#define EOPNOTSUPP 95
#define EADDRINUSE 98
#define EADDRNOTAVAIL 99
#define ENETUNREACH 101
#define ECONNREFUSED 111
#define EPROTONOSUPPORT 93
#define ENOMEM 12

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock_common {
	unsigned char skc_reuse : 4, skc_reuseport : 1, skc_ipv6only : 1;
};
struct sock {
	struct sock_common __sk_common;
};

#pragma clang attribute pop
