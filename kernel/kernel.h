/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the 2001 kernel patch did, on a stock kernel: contexts (here: namespaces over an idmapped tree) and the seal on
 * shared files. The only seam to the kernel's special features; other rooms ask here.
 */
#pragma once

#include "lib/lib.h"

/* ---- contexts (context.c, inside.c, cgroup.c, filter.c) ------------------------------------------------------------
 *
 * A context is a user, mount, PID, UTS, IPC and cgroup namespace whose root is an idmapped private clone of a tree,
 * reached by pivot_root, with its own /proc, its own /dev (nodes of its own, devpts of its own), an allow-list of
 * capabilities, a seccomp filter, and no descriptor, terminal, keyring or variable of the host's. It is a member of the
 * v2 cgroup /vserver/NUMBER. When its first process ends, everything in it has ended. When the calling thread dies
 * (kill -9 included), the context dies with it: no process, no mount outlives the caller.
 */
#define CTX_IDS 65536u      /* uids and gids a vserver has */
#define CTX_DIR "/dev/vpkg" /* where, inside, the stubs (bin/) and the packages (pkg/) appear */

enum {
	CTX_NO_FLUSH = 1 << 0, /* fsync, fdatasync, sync, syncfs, msync and sync_file_range succeed without doing
				* anything: for a package tool; the caller does syncfs() at the end */
	CTX_STUBS =
		1 << 1, /* no service starts: CTX_DIR/bin, first in PATH, answers for invoke-rc.d, service, systemctl,
			 * start-stop-daemon, initctl …; SYSTEMD_OFFLINE=1, DEBIAN_FRONTEND=noninteractive */
	CTX_NO_NET = 1 << 2, /* an empty network namespace of its own: maintainer scripts of a bootstrap need none */
};

struct ctx_spec {
	int root;             /* the tree's root directory (any kind of descriptor of it); borrowed */
	uint32_t uid_base;    /* the first of CTX_IDS host ids; ids on disk stay 0-based */
	const char *hostname; /* NULL: "vserver" */
	int packages;         /* a directory to show read-only at CTX_DIR/pkg, or -1; borrowed */
	unsigned flags;
};

/* Runs argv in a new context of the tree: PATH inside is the usual one (argv[0] is looked up there), env ("K=V", NULL-
 * terminated, may be NULL) is added to a clean environment (PATH, HOME=/root, TERM=dumb, LANG=C.UTF-8). Returns the
 * command's exit status (126 not executable, 127 not found, 128+signal) or -errno: -ENOSYS with the kernel feature and
 * version that is missing, -ETIMEDOUT, -EINTR, … */
int ctx_run(const struct ctx_spec *spec, const char *const *argv, const char *const *env, const struct proc_io *io,
	    struct err *e);
/* As ctx_run, but calls fn(arg) inside instead of an exec; its value is the exit status. The caller's open descriptors
 * in keep[] stay open there. fn runs in a child of the context's first process with the host's program image: it must
 * not load anything that it has not loaded before. */
int ctx_call(const struct ctx_spec *spec, int (*fn)(void *), void *arg, const int *keep, size_t n_keep,
	     const struct proc_io *io, struct err *e);
/* Contexts end with their callers, but not in the same instant: ends those whose callers are dead and returns when none
 * of their processes is left. -ETIMEDOUT after so many seconds. */
int ctx_end_orphans(unsigned seconds, struct err *e);
/* Whether this kernel and this process can make contexts; -ENOSYS or -EPERM with what is missing and the remedy. */
int ctx_probe(struct err *e);

/* ---- the seal (flag.c, seal.c, window.c, lift.c, freeze.c)
 * ---------------------------------------------------------------------------------------------
 *
 * A sealed file can be read, replaced and removed, never modified, by no path that leads to it. This version's seal is
 * the immutable attribute (ext4, xfs, btrfs); replacing a name of a sealed file needs the seal lifted, which happens
 * for one link, unlink or rename at a time while every context is frozen, so that no guest can reach the inode in
 * between.
 */
/* Seals the open regular file: 0, -EOPNOTSUPP where the file system has no such attribute. */
int seal_set(int fd, struct err *e);
/* Takes the seal off. Only for files that no guest can reach: seal_unlink and its like lift it safely. */
int seal_clear(int fd, struct err *e);
/* Whether statx attributes say that it is sealed. */
bool seal_is(const struct statx *stx);
/* statx of dir/name (of dir itself with ""), not following symlinks, with an answer of seal_is that holds although
 * other processes lift seals for moments: a file that may be such a one is looked at while no window is open. 0 or
 * -errno. Not to be called between seal_freeze and seal_thaw. */
int seal_stat(int dir, const char *name, struct statx *ret);
/* Whether files of this directory's file system can be sealed: sets, checks and clears a seal on a temporary file there
 * and tries to write through it. 0, or -EOPNOTSUPP with the consequence. */
int seal_probe(int dir, struct err *e);

/* Freezes every context (the v2 cgroup /vserver) and returns when all of them are: between this and seal_thaw no guest
 * executes anything. For a batch of the operations below, each of which otherwise freezes and thaws by itself. Nests;
 * across processes one waits for the other (-EBUSY after 20 s). A helper process holds the freeze, so that even kill -9
 * of the caller thaws. Keep it short (tens of milliseconds): after a second without an operation it thaws by itself.
 * -ETIMEDOUT when a process cannot be frozen within 5 s. One thread at a time, as all below. */
int seal_freeze(struct err *e);
void seal_thaw(void);

/* The operations on names of files that may be sealed. They run in a process of their own session, with contexts
 * frozen, each so: lift, operate, seal again, compare mode, owner, size and mtime (-ESTALE). A kill -9 of the caller
 * leaves no file unsealed. -EAGAIN when a guest's lease on the file is in the way. */
enum seal_what {
	SEAL_LINK,   /* file (an open one, O_PATH will do) to dir[0]/name[0] */
	SEAL_UNLINK, /* dir[0]/name[0] */
	SEAL_RENAME, /* dir[0]/name[0] to dir[1]/name[1], with renameat2's flags */
	SEAL_SWAP, /* link file to dir[0]/name[0], then exchange that with dir[1]/name[1]; nothing is changed on failure
		    */
};
struct seal_op {
	enum seal_what what;
	unsigned flags;
	int file; /* of the others: a sealed file that it concerns, or -1: only helps after the helper's death */
	int dir[2];
	const char *name[2];
	int status; /* set: 0 or -errno */
};
/* Executes them in order, whatever becomes of each. Returns the number of failed ones (*e: the first one's message), or
 * -errno when none could be tried. Cheaper than one by one; call it inside seal_freeze. */
int seal_batch(struct seal_op *ops, size_t n, struct err *e);
/* tree_remove for a tree that may hold sealed names. */
int seal_remove_tree(int dir, const char *name, struct err *e);
/* One of them; without the helper where the file is not sealed. */
int seal_unlink(int dir, const char *name, struct err *e);
int seal_rename(int from_dir, const char *from, int to_dir, const char *to, unsigned flags, struct err *e);
int seal_link(int fd, int dir, const char *name, struct err *e);
