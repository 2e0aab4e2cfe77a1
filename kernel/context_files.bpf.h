/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What contexts may see and do in the kernel's own file systems: /proc does not show other contexts' processes, and a
 * context's root reaches neither the programs and maps that keep it in nor the cgroup that it is known by.
 */
#pragma once

#define PROC_SUPER_MAGIC 0x9fa0
#define BPF_FS_MAGIC 0xcafe4a11
#define CGROUP_SUPER_MAGIC 0x27e0eb
#define CGROUP2_SUPER_MAGIC 0x63677270
#define MQUEUE_MAGIC 0x19800202
#define FMODE_WRITE 2u
#define HOST_CGROUP_NS 0xeffffffb /* the first cgroup namespace's number, on every kernel */

/* ---- /proc ------------------------------------------------------------------------------------------------------- */

/* The thread whose file in /proc this is, by address, or 0. The inode comes as a number, with which the verifier lets
 * one calculate. */
static __always_inline __u64 task_of(__u64 inode)
{
	struct proc_inode *pi = (void *)(inode - bpf_core_field_offset(struct proc_inode, vfs_inode));
	struct hlist_node *link = BPF_CORE_READ(pi, pid, tasks[0].first);

	return link ? (__u64)link - bpf_core_field_offset(struct task_struct, pid_links) : 0;
}

static __always_inline int hide(__u64 inode, bool writes)
{
	__u64 task = task_of(inode);

	if (!task)
		return 0;
	if (!sees(task))
		return -ENOENT;
	/* oom_score_adj, comm, autogroup: what context 1 sees it does not touch. */
	return writes && !same(task) && !is_child(task) ? -EPERM : 0;
}

/* ---- guarded file systems ---------------------------------------------------------------------------------------- */

/* The cgroup /vserver is at level 1, or below a container's own few: the level of a context's own, or 0. */
static __always_inline int context_level(void)
{
	for (int level = 1; level <= 6; level++)
		if (bpf_get_current_ancestor_cgroup_id(level) == home)
			return level + 1;
	return 0;
}

/* Whoever is in a context; and who is only in a cgroup of /vserver (a vserver from before the programs were loaded, a
 * command locked to addresses), unless that is the host's root, who could undo it anyway. */
static __always_inline bool guarded(void)
{
	struct context_task *e = entry_at((__u64)current());

	if (e && e->number)
		return e->number > 1;
	return context_level() && !is_host_root(e);
}

/* Whether the cgroup file or directory is the context's own cgroup or below it, at most 8 levels. */
static __always_inline bool in_own_cgroup(struct inode *inode, int level)
{
	__u64 own = bpf_get_current_ancestor_cgroup_id(level);
	struct kernfs_node *kn = BPF_CORE_READ(inode, i_private);

	for (int i = 0; kn && i < 8; i++) {
		if (BPF_CORE_READ(kn, id) == own)
			return true;
		if (bpf_core_field_exists(kn->parent))
			kn = BPF_CORE_READ(kn, parent);
		else
			kn = BPF_CORE_READ((struct kernfs_node___new *)kn, __parent);
	}
	return false;
}

/* Changes of what a directory of ours, or a file in it, says. */
static __always_inline int refuse_change(struct inode *inode)
{
	unsigned long magic = inode->i_sb->s_magic;
	int level;

	if (magic == BPF_FS_MAGIC)
		return guarded() ? -EPERM : 0;
	if (magic != CGROUP2_SUPER_MAGIC && magic != CGROUP_SUPER_MAGIC)
		return 0;
	level = context_level();
	if (level == 0 || !guarded())
		return 0;
	if (current()->nsproxy->cgroup_ns->ns.inum == HOST_CGROUP_NS)
		return -EPERM;
	return magic == CGROUP_SUPER_MAGIC || in_own_cgroup(inode, level) ? 0 : -EPERM;
}

/* ---- message queues ---------------------------------------------------------------------------------------------- */

/* The context that a POSIX message queue belongs to: that of whoever opened it first, which is who made it. Made at a
 * queue's first open. Since 5.10. */
struct {
	__uint(type, BPF_MAP_TYPE_INODE_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} queues SEC(".maps");

static __always_inline int refuse_queue(struct inode *inode)
{
	__u32 own = own_number(), *owner;

	owner = bpf_inode_storage_get(&queues, inode, 0, 0);
	if (!owner) {
		owner = bpf_inode_storage_get(&queues, inode, &own, BPF_LOCAL_STORAGE_GET_F_CREATE);
		return owner || !own ? 0 : -EACCES;
	}
	return *owner == own ? 0 : -EACCES;
}

/* ---- the programs ------------------------------------------------------------------------------------------------ */

/* Every open. Files of other contexts' processes in /proc are not there; cgroups and pins are not for a context to
 * write; a message queue is its context's. For other file systems three loads and a few comparisons. Since 5.7. */
SEC("lsm/file_open")
long BPF_PROG(context_open, struct file *file)
{
	struct inode *inode = file->f_inode;
	unsigned long magic = inode->i_sb->s_magic;

	if (magic == PROC_SUPER_MAGIC)
		return verdict(hide((__u64)BPF_CORE_READ(file, f_inode), file->f_mode & FMODE_WRITE));
	if (magic == MQUEUE_MAGIC)
		return verdict(refuse_queue(inode));
	if (magic == BPF_FS_MAGIC || file->f_mode & FMODE_WRITE)
		return verdict(refuse_change(inode));
	return 0;
}

/* Every stat: /proc alone matters. Four loads and a comparison for others. Since 5.7. */
SEC("lsm/inode_getattr")
long BPF_PROG(context_getattr, struct path *path)
{
	struct inode *inode = path->dentry->d_inode;

	if (!inode || inode->i_sb->s_magic != PROC_SUPER_MAGIC)
		return 0;
	return verdict(hide((__u64)BPF_CORE_READ(path, dentry, d_inode), false));
}

/* Names in the file systems of pins and cgroups. Two loads and three comparisons for others. All since 5.7. */
SEC("lsm/inode_unlink")
long BPF_PROG(context_unlink, struct inode *dir)
{
	return verdict(refuse_change(dir));
}

SEC("lsm/inode_rmdir")
long BPF_PROG(context_rmdir, struct inode *dir)
{
	return verdict(refuse_change(dir));
}

SEC("lsm/inode_mkdir")
long BPF_PROG(context_mkdir, struct inode *dir)
{
	return verdict(refuse_change(dir));
}

SEC("lsm/inode_rename")
long BPF_PROG(context_rename, struct inode *dir)
{
	return verdict(refuse_change(dir));
}

/* Taking the file system of pins, or that of cgroups, away from the host. Since 5.7. */
SEC("lsm/sb_umount")
long BPF_PROG(context_umount, struct vfsmount *mnt)
{
	unsigned long magic = mnt->mnt_sb->s_magic;

	return verdict((magic == BPF_FS_MAGIC || magic == CGROUP2_SUPER_MAGIC) && guarded() ? -EPERM : 0);
}

/* bpf(2), by which a context's root could change the maps. Since 5.7. */
SEC("lsm/bpf")
long BPF_PROG(context_bpf, int cmd)
{
	return verdict(guarded() ? -EPERM : 0);
}
