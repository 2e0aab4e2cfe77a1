/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The seal, decided in the kernel: a process of a context cannot change a marked file's contents or attributes by any
 * path that leads to the inode; it may link, rename over and unlink its names, which the immutable attribute refuses.
 *
 * Needs BPF LSM, and Linux 5.12 (before it io_uring worked in threads of the kernel's own, which are in no context). Each
 * program first looks at the two mark bits in the inode (one load); only for a marked file it asks whether the caller is
 * in a context, so that other files cost nothing measurable. The host itself is not refused: its tools never write to a
 * sealed inode, and must be able to unseal.
 *
 * The ways to change a file, and what meets them:
 *
 *	open, openat2, creat, O_TRUNC, open_by_handle_at, /proc/PID/fd and map_files, io_uring's open,
 *	core dumps, acct, swapon (all open for writing)                         seal_open
 *	chmod, chown, utimes and their kind, truncate, also by descriptor       seal_setattr
 *	setxattr, removexattr, file capabilities, security labels, io_uring's   seal_setxattr, seal_removexattr
 *	ACLs                                       the same; since 6.2 seal_set_acl, seal_remove_acl
 *	attributes, versions, project ids, fs-verity, defragmenting and all else that ioctl does with
 *	a descriptor for reading                   seal_ioctl, seal_ioctl_compat; since 6.17 seal_file_setattr
 *	leases (a neighbour's open would wait), write hints                     seal_fcntl
 *	inotify, fanotify (a neighbour's opens and reads would be told)         seal_notify
 *
 * What is not here, since it needs a descriptor that was opened for writing: write, fallocate, splice, copy_file_range,
 * clones, shared writable mappings, swap. No such descriptor exists: a sealed inode was written by the host alone, and is
 * sealed before a context can reach it. Nor what leaves contents and attributes as they are: FIDEDUPERANGE compares, and
 * moves the extents; flock blocks only who flocks the same file (SECURITY.md); other locks need a descriptor for writing
 * to exclude anybody; adding and removing names is what this seal is for.
 */
#include "kernel/kernel_types.bpf.h"

#include "kernel/seal.h"

#define S_IFMT 0170000
#define S_IFREG 0100000
#define FMODE_WRITE 2u
#define O_TRUNC 01000

char LICENSE[] SEC("license") = "GPL";

const volatile __u64 home; /* the cgroup /vserver */

/* Whether the piece is complete: what the loader writes last. No program asks. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} ready SEC(".maps");

/* The cgroup /vserver is at level 1, or below a container's own few. */
static __always_inline bool in_context(void)
{
	for (int level = 1; level <= 6; level++)
		if (bpf_get_current_ancestor_cgroup_id(level) == home)
			return true;
	return false;
}

static __always_inline bool marked(struct inode *inode)
{
	return inode && (inode->i_flags & SEAL_I_FLAGS) == SEAL_I_FLAGS && (inode->i_mode & S_IFMT) == S_IFREG;
}

static __always_inline int refuse(struct inode *inode)
{
	return marked(inode) && in_context() ? -EPERM : 0;
}

/* Every way to a descriptor that can write. Two loads and a branch in every other open. */
SEC("lsm/file_open")
int BPF_PROG(seal_open, struct file *file)
{
	if (!(file->f_mode & FMODE_WRITE) && !(file->f_flags & O_TRUNC))
		return 0;
	return refuse(file->f_inode);
}

/* chmod, chown, utimes, truncate. The hook has an argument more since 6.3; the loader takes the one that fits. */
SEC("?lsm/inode_setattr")
int BPF_PROG(seal_setattr_2, struct dentry *dentry)
{
	return refuse(dentry->d_inode);
}

SEC("?lsm/inode_setattr")
int BPF_PROG(seal_setattr_3, void *idmap, struct dentry *dentry)
{
	return refuse(dentry->d_inode);
}

SEC("lsm/inode_setxattr")
int BPF_PROG(seal_setxattr, void *idmap, struct dentry *dentry)
{
	return refuse(dentry->d_inode);
}

SEC("lsm/inode_removexattr")
int BPF_PROG(seal_removexattr, void *idmap, struct dentry *dentry)
{
	return refuse(dentry->d_inode);
}

/* ACLs were xattrs to the two above until 6.2. */
SEC("?lsm/inode_set_acl")
int BPF_PROG(seal_set_acl, void *idmap, struct dentry *dentry)
{
	return refuse(dentry->d_inode);
}

SEC("?lsm/inode_remove_acl")
int BPF_PROG(seal_remove_acl, void *idmap, struct dentry *dentry)
{
	return refuse(dentry->d_inode);
}

/* ---- ioctl ------------------------------------------------------------------------------------------------------- */

#define IOC_DIR(cmd) ((cmd) >> 30)
#define IOC_READ 2u
#define IOC_KEY(type, nr) ((type) << 8 | (nr))

/* Those of file systems, by what they are of: all of them ('f'), versions ('v'), XFS ('X'), btrfs and clones (0x94). */
static __always_inline bool of_file_systems(unsigned int type)
{
	return type == 'f' || type == 'v' || type == 'X' || type == 0x94;
}

/* What only tells: by its direction (but FS_IOC_SET_ENCRYPTION_POLICY, whose direction is wrong), or FIEMAP, verity's
 * two, and XFS's three kinds of getbmap, whose argument goes both ways. */
static __always_inline bool only_tells(unsigned int cmd, unsigned int key)
{
	if (IOC_DIR(cmd) == IOC_READ)
		return key != IOC_KEY('f', 19);
	return key == IOC_KEY('f', 11) || key == IOC_KEY('f', 134) || key == IOC_KEY('f', 135) ||
	       key == IOC_KEY('X', 38) || key == IOC_KEY('X', 44) || key == IOC_KEY('X', 56);
}

/* XFS_IOC_FSSETDM_BY_HANDLE and XFS_IOC_ATTRMULTI_BY_HANDLE: set what they set of any file that the argument names,
 * whatever the descriptor is of, and ask no other hook. They take the host's CAP_SYS_ADMIN; no vserver's tool uses
 * them. */
static __always_inline bool names_another(unsigned int key)
{
	return key == IOC_KEY('X', 121) || key == IOC_KEY('X', 123);
}

/* A context may change the attributes of an unmarked file, and so mark it: nobody takes such a one for shared. */
static __always_inline int refuse_ioctl(struct inode *inode, unsigned int cmd)
{
	unsigned int key = cmd & 0xffff;

	if (names_another(key))
		return in_context() ? -EPERM : 0;
	return of_file_systems(key >> 8) && !only_tells(cmd, key) ? refuse(inode) : 0;
}

SEC("lsm/file_ioctl")
int BPF_PROG(seal_ioctl, struct file *file, unsigned int cmd)
{
	return refuse_ioctl(file->f_inode, cmd);
}

/* 32-bit programs, since 6.8 and some stable kernels before it; they go through the one above elsewhere. */
SEC("?lsm/file_ioctl_compat")
int BPF_PROG(seal_ioctl_compat, struct file *file, unsigned int cmd)
{
	return refuse_ioctl(file->f_inode, cmd);
}

/* file_setattr(2): attributes and project ids, as the ioctls. */
SEC("?lsm/inode_file_setattr")
int BPF_PROG(seal_file_setattr, struct dentry *dentry)
{
	return refuse(dentry->d_inode);
}

/* ---- what is no change, but reaches a neighbour ------------------------------------------------------------------ */

#define F_SETLEASE 1024
#define F_SET_RW_HINT 1036
#define F_SET_FILE_RW_HINT 1038

/* A lease on a shared file makes every other vserver's open of it wait, up to 45 seconds. One compare in other calls.
 */
SEC("lsm/file_fcntl")
int BPF_PROG(seal_fcntl, struct file *file, unsigned int cmd)
{
	if (cmd != F_SETLEASE && cmd != F_SET_RW_HINT && cmd != F_SET_FILE_RW_HINT)
		return 0;
	return refuse(file->f_inode);
}

/* A watch on a shared file tells when the others open, read and execute it. Watching the directories, which are nobody
 * else's, is as ever. */
SEC("lsm/path_notify")
int BPF_PROG(seal_notify, struct path *path)
{
	return marked(path->dentry->d_inode) && in_context() ? -EACCES : 0;
}
