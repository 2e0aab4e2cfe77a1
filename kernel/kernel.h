/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the 2001 kernel patch did, on a stock kernel: contexts (here: namespaces over an idmapped tree) and the seal on
 * shared files. The only seam to the kernel's special features; other rooms ask here.
 */
#pragma once

#include "lib/lib.h"

/* ---- vservers' contexts (run.c, inside.c, cgroup.c, filter.c) ------------------------------------------------------
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
	CTX_NO_NET = 1 << 2,    /* an empty network namespace of its own: maintainer scripts of a bootstrap need none */
	CTX_SUPERVISE = 1 << 3, /* where the seal is the immutable attribute: unlink, rename and link work on names of
				 * sealed files nevertheless, as far as the caller might do it to an unsealed file (the
				 * vserver's own dpkg and rpm need it). Each of these calls takes some 10 microseconds
				 * longer, one that concerns a sealed file a fraction of a millisecond, for which all
				 * contexts stand still. Without effect where the seal is the mark: nothing is refused */
	CTX_COW = 1 << 4, /* what would change a sealed file in place (open for writing, truncate, chmod, chown, utimes,
			   * setxattr by path) first gives the name that it uses a private copy. Opening for writing
			   * takes some 10 microseconds longer. Includes CTX_SUPERVISE */
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

/* ---- security contexts (context.c, wish.c, number.c, apart.c, controller.c) ---------------------------------------
 *
 * new_s_context of 2001: a process moves to a context, by number, with all that it starts later; what is in one context
 * neither signals, traces nor sees what is in another. Context 0 is the host's, 1 sees all processes. Where
 * KERNEL_CONTEXT is live the kernel decides, for root and for ordinary users; elsewhere namespaces stand in for it
 * (chcontext(8) has the table of what is weaker then).
 */
enum {
	CTX_LOCK = 1,      /* who is in it gets no other context any more */
	CTX_SCHED = 2,     /* its processes together get one share of the processors. Root only */
	CTX_NPROC = 4,     /* the limit on processes (RLIMIT_NPROC) holds for all of it together */
	CTX_PRIVATE = 8,   /* nobody joins it later */
	CTX_FAKEINIT = 16, /* the process has number 1 there; when it ends, all do */
	CTX_HIDEINFO = 32, /* its processes cannot learn its number */
	CTX_ULIMIT = 64,   /* as CTX_NPROC, and the limit on address space (RLIMIT_AS) for all of it. Root only */
};
enum {
	CTX_NEXT = -1, /* a number that nobody uses */
	CTX_STAY = -2, /* the caller's own context; flags are then the caller's own and its children's */
	CTX_LAST = 65535,
	CTX_LAST_FIXED = 49151, /* above it numbers are handed out: they can be joined, not made */
};

struct ctx_wish {
	int number; /* 1…CTX_LAST, CTX_NEXT or CTX_STAY */
	unsigned flags;
	const char *hostname, *domainname; /* of the context; NULL: the caller's stay. The host's never change */
};
struct ctx_made {
	uint32_t number;    /* 0 also under a CTX_STAY that does not tell */
	pid_t child;        /* 0: the calling process goes on in the context */
	int report;         /* for ctx_wait */
	uint64_t drop;      /* capabilities that the command must not have, lest it leave: for caps_ceiling */
	const char *weaker; /* what is weaker than with the programs in the kernel, one line; NULL: nothing. Static */
};
/* Brings the calling process, which must have one thread, into a context, in the best way that this host and its rights
 * allow. Where a namespace needs a new process it returns twice, as fork does: with child 0 in the process that is in the
 * context, and with its pid in the caller, which ctx_wait serves. The child's failure is an error in the child alone.
 * -EPERM: not allowed (a given number takes root in context 0; sched and ulimit take root); -EACCES: the context is
 * private; -EXDEV: the caller is locked into its own; -ESRCH: no such context above CTX_LAST_FIXED; -EINVAL: a number or
 * name that cannot be; -EOPNOTSUPP: a flag that takes the programs, or a controller that the host has not. */
int ctx_make(const struct ctx_wish *wish, struct ctx_made *ret, struct err *e);
/* Waits for the process that ctx_make gave the caller, hands on to it the signals that somebody sends (HUP, INT, QUIT,
 * TERM, USR1, USR2), and returns its exit status, 128 and the signal's number if one ended it; or -errno. */
int ctx_wait(const struct ctx_made *made, struct err *e);

/* Whether the programs in the kernel decide. Anybody may ask. */
bool ctx_live(void);
/* The number of the caller's context, where ctx_live(). -EPERM under CTX_HIDEINFO, -ENODEV where not live. */
int ctx_number(uint32_t *ret, struct err *e);
/* What ctx_make asks the kernel for, alone: no cgroup, no namespaces. Where ctx_live(). The kernel itself acts on lock,
 * nproc, private and hideinfo. Errors as above, and -EBUSY threads, -EAGAIN no number free, -ENOSPC the kernel's table is
 * full, -EINVAL not live. */
int ctx_enter(int number, unsigned flags, struct err *e);
/* The next process that the calling thread starts is born in context `number`, in its first instruction; used once, and
 * 0 takes it back. Root in context 0; errors as of ctx_enter, and the fork itself fails with EACCES where that context
 * is private. The parent can signal the child and look at it in /proc, as every parent can. */
int ctx_next_child(uint32_t number, unsigned flags, struct err *e);
/* The calling thread, and what it starts on the host from now on, may do to that context's processes what it may do to
 * the host's (signal, trace, look into); they cannot do it back. One context at a time; 0 ends it. Root in context 0. */
int ctx_serve(uint32_t number, struct err *e);

/* ---- the programs in the kernel (load.c, pins.c) -----------------------------------------------------------------------
 *
 * Three pieces of BPF programs, each loaded once for the whole host, attached at the v2 cgroup /vserver (or, for LSM
 * programs, everywhere) and pinned below /sys/fs/bpf/vserver/PIECE/, so that they outlive whoever loaded them. Where a
 * kernel does not take a piece, what it does falls back to what namespaces and the immutable attribute can.
 */
enum kernel_piece {
	KERNEL_CONTEXT, /* security contexts: who may signal, trace and see whom. BPF LSM */
	KERNEL_ADDRESS, /* addresses: what a context may bind, where it comes from. Cgroup programs */
	KERNEL_SEAL,    /* the mark on shared files. BPF LSM */
	KERNEL_PIECES,
};
/* Loads a piece, or puts this build's in the place of an older one's without a moment in between; returns when it
 * decides. Several callers wait for one another. -EOPNOTSUPP: this kernel does not take it (the message says why, and
 * what remains); -EPROTO: a newer build's is there; -EBUSY: an older one's, whose data this one cannot take over, is in
 * use. After a failure nothing new is there. */
int kernel_load(enum kernel_piece which, struct err *e);
/* Takes a piece away; nothing loaded is success. -EBUSY while anything runs in /vserver, unless force. */
int kernel_unload(enum kernel_piece which, bool force, struct err *e);
/* Whether a piece of this build's kind is loaded and decides. */
bool kernel_live(enum kernel_piece which);
/* "context", "address", "seal". */
const char *kernel_piece_name(enum kernel_piece which);
enum kernel_state {
	KERNEL_ABSENT,
	KERNEL_PARTLY, /* a loader died over it, or its cgroup was removed: it does not count; loading mends it */
	KERNEL_OLDER,  /* of another layout */
	KERNEL_NEWER,
	KERNEL_LIVE,
};
struct kernel_status {
	enum kernel_state state;
	unsigned layout, own_layout; /* of what is loaded (0: not known), and of this build */
	unsigned programs;           /* attached */
};
void kernel_status(enum kernel_piece which, struct kernel_status *ret);

/* ---- addresses (address.c, address_text.c) --------------------------------------------------------------------------
 *
 * set_ipv4root of 2001: a cgroup below /vserver, and all that runs in it, is locked to a set of the host's addresses. Its
 * servers are bound to those and to nothing else, wildcards included; what it sends comes from them; 127.0.0.1 and ::1
 * are its own. Where KERNEL_ADDRESS cannot be live there is no such lock: a network namespace (NETNS=yes) does more.
 */
#define ADDR_MAX 16
#define ADDR_TEXT 64 /* bytes that the text of an address may need */

struct addr {
	uint8_t ip[16];  /* network order; IPv4 as ::ffff:a.b.c.d */
	uint8_t prefix;  /* of 128 bits: IPv4's /24 is 120 here */
	char device[16]; /* the one that was named with it, or "" */
};
struct addr_set { /* starts as {0}, which restricts nothing */
	size_t n;
	struct addr a[ADDR_MAX];
	uint32_t broadcast; /* network order; 0: none */
	bool hears; /* wildcard UDP sockets hear the broadcast, too: sockets of several contexts then share a port */
	bool guest; /* the context has a user namespace of its own, whose root may bind ports below 1024 */
	bool raw;   /* raw and ping sockets can be made (by who may at all); else they are refused with EPERM. Each
			     * packet that leaves then costs some 3 % more */
	uint16_t refused; /* of addr_query: the last port at which a UDP server on a wildcard was refused (EOPNOTSUPP),
			     * since the set has several addresses; 0: none. Such a vserver needs NETNS=yes */
};

/* Adds what one word of IPROOT or --ip says: [DEVICE:]IP[/LENGTH or /MASK], where IPv6 may stand in brackets; a device's
 * name (its first IPv4 address with mask and broadcast, or, where it has none, its first global IPv6 address); ALL, what
 * the host has, without loopback; or 0.0.0.0, which adds nothing. An address without a mask gets the one that it has on
 * the host, if any. Twice is once. -EINVAL what it is not; -ENODEV unknown device; -E2BIG a 17th address. */
int addr_add(struct addr_set *set, const char *word, struct err *e);
/* The same for --bcast and IPROOTBCAST: an IPv4 address or a device's name; also sets `hears`. */
int addr_add_broadcast(struct addr_set *set, const char *word, struct err *e);
/* The address without its length, as text, in buf (ADDR_TEXT bytes); returns buf. */
const char *addr_text(const struct addr *a, char *buf);
/* The first address of the set that the host (the caller's network namespace) does not have, or NULL. */
const struct addr *addr_missing(const struct addr_set *set);

/* Locks a cgroup, given by its directory, below /vserver to the set; loads KERNEL_ADDRESS if it is not live. What is in
 * it already keeps the sockets that are bound or connected. An empty set restricts nothing: a lock that the cgroup has is
 * taken off. Ends with the cgroup. -EPERM when a cgroup above is locked to a set without one of these; -ENOSPC when too
 * many cgroups are locked; errors of kernel_load. */
int addr_lock_cgroup(int cgroup, const struct addr_set *set, struct err *e);
/* Moves the calling process to a new cgroup below the one it is in, or below /vserver, which is locked to the set. Only
 * narrows: -EPERM with what is allowed. An empty set does nothing unless the caller is locked. */
int addr_lock_self(const struct addr_set *set, struct err *e);
/* What a process (0: the caller) is locked to; an empty set: nothing. -ESRCH. */
int addr_query(pid_t pid, struct addr_set *ret, struct err *e);
/* Whether UDP servers on 0.0.0.0 or [::] are refused: it has several addresses of a family, or both families. */
bool addr_refuses_udp(const struct addr_set *set);
/* Removes what locks left whose cgroups are gone: table entries, addresses on lo, empty cgroups. Others do it, too, when
 * they add one. */
void addr_collect(void);

/* ---- capabilities (caps.c) -----------------------------------------------------------------------------------------
 *
 * Sets of capabilities are masks: bit N is capability number N.
 */
struct caps_list {
	uint64_t keep, drop; /* "CAP" words, "!CAP" words. Starts as {0} */
};
/* Adds one word of a list of capabilities: a name with or without CAP_, in any case, and with a "!" before it when it
 * is to be dropped. -EINVAL for an unknown name, with the nearest one. What a plain word means is its reader's: with
 * chcontext --secure and in S_CAPS it stays although caps_secure has it ((caps_secure() | drop) & ~keep). */
int caps_add(struct caps_list *list, const char *word, struct err *e);
/* What --secure takes away, as the original tools did. No barrier: DAC_READ_SEARCH, SYS_PTRACE, BPF, PERFMON, SYSLOG,
 * CHECKPOINT_RESTORE and MAC_* stay. */
uint64_t caps_secure(void);
/* Takes what is in drop from the calling thread's bounding, inheritable, permitted, effective and ambient sets, so that
 * neither it nor anything that it executes can have it again; since in a user namespace all would be back, making and
 * entering those is refused by a system call filter from then on. An empty drop changes nothing. 0; 1 when the bounding
 * set could not be lowered or the filter not be set (no CAP_SETPCAP, no CAP_SYS_ADMIN) and no_new_privs keeps the
 * ceiling instead: setuid programs then give nothing at all; or -errno, with the ceiling perhaps lowered in part: the
 * caller must not go on. For a process with one thread. */
int caps_ceiling(uint64_t drop, struct err *e);

/* ---- the seal (seal.c, marks.c; names.c, window.c, lift.c, freeze.c) -----------------------------------------------
 *
 * A sealed file can be read, replaced and removed, never modified, by no path that leads to it. Of the two seals, the
 * mark is taken when KERNEL_SEAL is live and the store allows it: attributes (S, A, d) that its programs respect for
 * every context. Else it is the immutable attribute (ext4, xfs, btrfs); replacing a name of such a file needs the seal
 * lifted, which happens for one link, unlink or rename at a time while every context is frozen, so that no guest can
 * reach the inode in between. With a mark nothing is lifted: the plain system calls do.
 *
 * A mark counts only while the programs are live. And it proves nothing about a file that is not in the store: before
 * they were, a guest could give the same attributes to files of its own. Who shares a file, or trusts its contents, asks
 * the store.
 */
/* Seals the open regular file in the better way that there is; a seal of the other kind goes. No context may reach the
 * file then, or all are frozen. 0, -EOPNOTSUPP where the file system has no such attribute. */
int seal_set(int fd, struct err *e);
/* The same by the immutable attribute in any case: for what is not in the store and yet is several vservers'. */
int seal_set_firm(int fd, struct err *e);
/* Takes the seal off. Only for files that no guest can reach: seal_unlink and its like lift it safely. */
int seal_clear(int fd, struct err *e);
/* Whether statx attributes say that it is sealed. Of a mark they know only after seal_stat: others get false. */
bool seal_is(const struct statx *stx);
/* Whether any statx attributes leave it possible that it is sealed: cheap, to leave out most of what is not. */
bool seal_may_be(const struct statx *stx);

/* Marks outlive the programs: a reboot leaves them on the disk, protecting nothing. A note on the disk, beside the store,
 * says that there may be some. Only with it does seal_set make any; and with it no context begins (ctx_run: -ENOSYS)
 * unless KERNEL_SEAL is live or can be loaded.
 *
 * Writes the note, durably. Before the first mark, with KERNEL_SEAL live. */
int seal_marks_begin(struct err *e);
/* Removes it: the caller has replaced every mark that a context can reach by the immutable attribute. */
int seal_marks_end(struct err *e);
bool seal_marks_noted(void);
/* Whether seal_set makes marks: noted, and KERNEL_SEAL live. */
bool seal_marks(void);

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

/* ---- features (feature.c) ------------------------------------------------------------------------------------------
 *
 * What of the kernel works here. Each is tried out: done as vservers do it, on the disk that they are on, and looked at
 * whether it had the effect; a BPF program is loaded and has to refuse something. Nothing of a trial stays.
 */
struct feature {
	const char *name; /* "idmapped mounts" */
	bool necessary;   /* without it no vserver runs */
	bool works;
	char *why;           /* where it does not: what was seen; else "" */
	const char *without; /* what it means where it does not work: a clause */
	const char *remedy;
};
/* Tries all of them, which takes some tenths of a second. vservers: a directory of the file system that the trees are
 * on, where a nameless file is made for a moment (-1: what needs one does not work). -EINTR. */
int feature_list(int vservers, struct feature **ret, size_t *ret_n, struct err *e);
void feature_free(struct feature *list, size_t n);
