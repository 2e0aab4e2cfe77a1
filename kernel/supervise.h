/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The supervisor of a context, among its files. Where the seal is the immutable attribute, the kernel refuses to unlink,
 * rename and link a sealed name; the supervisor is asked before each such system call of the context and, if it concerns
 * a sealed file, has it done with the seal lifted for a moment.
 *
 *	call.c       which system calls those are, and what their arguments mean
 *	caller.c     who calls: its strings, its root, its descriptors, its credentials
 *	actor.c      a process in the context's user and mount namespaces that acts with the caller's credentials
 *	act_*.c      what it does there: unlink, rename, link; whether the caller may edit
 *	cow.c        copying a sealed file that the caller wants to change (CTX_COW)
 *	memo.c       results for callers that have to ask twice
 *	pass.c       messages with descriptors between these processes
 *	question.c   the questions, and answers that take no more than a look
 *	turn.c       what is done in a window
 *	supervise.c  the supervisor's process: decides, and brings the above together
 *
 * What a guest says is never trusted to decide what it may do. Whatever needs no lifting is answered with "continue": the
 * kernel then executes the call itself, and refuses by itself what the seal forbids, so a guest that changes its strings
 * meanwhile gains nothing. What needs lifting is executed by the actor, whose every permission is checked by the kernel
 * with the caller's credentials, and the seal is lifted of exactly those inodes that the actor has open.
 */
#pragma once

#include "kernel/internal.h"
#include "kernel/window.h"

#include <linux/seccomp.h>

/* ---- call.c ------------------------------------------------------------------------------------------------------ */
enum call_kind {
	CALL_UNLINK,
	CALL_RENAME,
	CALL_LINK,
	/* With CTX_COW, those that change the file itself: */
	CALL_OPEN, /* for writing */
	CALL_TRUNCATE,
	CALL_MODE,
	CALL_OWNER,
	CALL_TIMES,
	CALL_XATTR,
};
struct call {
	enum call_kind kind;
	unsigned flags; /* as of unlinkat, renameat2, linkat; of open for CALL_OPEN; AT_* for the others */
	bool follow;    /* whether a symlink as last component of path[0] is followed */
	unsigned n;     /* paths: 1 or 2 */
	int dir[2];     /* the caller's descriptor that path[i] starts at, or AT_FDCWD */
	uint64_t address[2];
	char path[2][PATH_MAX]; /* set by the supervisor, from the caller's memory */
	uint64_t value[2];      /* CALL_MODE: mode; CALL_OWNER: uid, gid; CALL_TIMES, CALL_XATTR: a caller's address */
};
/* Loads the filter that makes the kernel ask a supervisor; needs CAP_SYS_ADMIN over the own user namespace. Returns the
 * descriptor that the supervisor answers through, or -errno (-EINVAL: Linux 5.5 is needed). */
int call_filter(bool cow);
/* What is asked for, but for the paths. False: none that we know; let it go on. */
bool call_decode(const struct seccomp_data *data, struct call *ret);

/* ---- caller.c ---------------------------------------------------------------------------------------------------- */
/* All these concern the thread tid, which waits in the kernel for an answer. It may be killed, and its number be used
 * by another one, at any time: what they return holds only if the question is still valid afterwards. */
#define CALLER_GROUPS 1024
struct identity {
	uid_t uid; /* file system ids, as the context sees them */
	gid_t gid;
	uint64_t caps; /* effective */
	size_t n;      /* supplementary groups */
	gid_t group[CALLER_GROUPS];
};
/* Opens what all these need; in the host's root, once in each process. */
int caller_setup(void);
/* Copies the caller's string at that address; -ENAMETOOLONG, -EFAULT, -errno. */
int caller_string(pid_t tid, uint64_t address, char ret[PATH_MAX]);
/* Makes the caller's root directory that of this process, until another one's is, or the host's again. */
int caller_enter(pid_t tid);
void caller_leave(void);
/* statx of the caller's path; after caller_enter. Mount id included. */
int caller_statx(pid_t tid, int dir, const char *path, bool follow, struct statx *ret);
/* O_PATH descriptors of its root, of its current directory (AT_FDCWD) and of what its descriptor leads to. */
int caller_root(pid_t tid);
int caller_dir(pid_t tid, int dir);
/* The inode number of its user namespace; 0: gone. */
uint64_t caller_userns(pid_t tid);
/* Its credentials; -ERANGE when an id is none of the context's, or it has too many groups. */
int caller_identity(pid_t tid, uint32_t uid_base, struct identity *ret);
/* When it began, in ticks: tells it from a later thread of the same number. 0: gone. */
uint64_t caller_birth(pid_t tid);

/* This process's own descriptors, from whatever root: the path of what one leads to, as seen from that root; reopening
 * one; and the directory (O_PATH) in which a descriptor's number is the name of a link to it. own_setup: as
 * caller_setup, which calls it, for a process that needs nothing but these. */
int own_setup(void);
int own_path(int fd, char ret[PATH_MAX]);
int own_reopen(int fd, int flags);
int own_links(void);

/* ---- actor.c ----------------------------------------------------------------------------------------------------- */
struct actor {
	pid_t pid; /* 0: none runs */
	int sock;
};
enum actor_verdict {
	ACTOR_PASS, /* it concerns no sealed file, or cannot be told: let the kernel answer */
	ACTOR_DONE, /* was executed or refused: status */
	ACTOR_LIFT, /* needs the seals of victim[] lifted; WINDOW_ACT makes the actor do it then */
};
struct actor_answer {
	enum actor_verdict verdict;
	int status;
	int victim[2]; /* O_PATH, the caller of actor_prepare closes them; -1 */
};
/* Starts it in the namespaces of the process that the pidfd names. 0 or -errno. */
int actor_start(struct actor *a, int init_pidfd);
/* Kills it and waits for its end. */
void actor_end(struct actor *a);
/* Has the actor assume the caller's credentials and root, find what the call is about, and try it. For calls that
 * change the file itself nothing is tried: the file is only looked up. root and dir[] are as of caller_root and
 * caller_dir. -errno: it cannot be asked, end it. */
int actor_prepare(struct actor *a, const struct call *c, const struct identity *who, int root, const int dir[2],
		  struct actor_answer *ret);
/* Whether the caller of the last actor_prepare may do what that call wants with this file: a twin without seal of the
 * one that it named. The kernel's own answer, as 0 or -errno in *ret_status. */
int actor_may(struct actor *a, int twin, int *ret_status);
/* Called in the window's helper: has the actor on this socket execute what it prepared. 0 or -errno of the operation;
 * WINDOW_CHANGED; -EPIPE and -ETIMEDOUT: it cannot be asked, end it. */
int actor_go(int sock);

/* ---- cow.c ------------------------------------------------------------------------------------------------------- */
struct cow {
	int dir, old,
		twin; /* the directory that holds it, the sealed file (O_PATH), the new one, which has no name yet */
	uint32_t id;  /* whose blocks and quota it takes */
	char name[NAME_MAX + 1];
};
/* Makes an empty twin of the sealed file beside it, with its owner, mode and attributes. After caller_enter. 0 or
 * -errno; the caller closes with cow_close in any case. */
int cow_begin(int victim, uint32_t uid_base, struct cow *ret);
/* Fills it and waits until it is on disk. It then can take the name of the old one by WINDOW_REPLACE. */
int cow_fill(const struct cow *c);
void cow_close(struct cow *c);

/* ---- memo.c ------------------------------------------------------------------------------------------------------ */
/* A result for a thread that will ask the same once more: when all contexts are frozen, one that waits for an answer is
 * sent back to repeat its system call after the thaw. birth is as of caller_birth, taken while the question was valid.
 */
void memo_put(const struct seccomp_notif *q, const struct call *c, uint64_t birth, int status);
/* Takes the result that is meant for this question, and its birth, with which it can be put back; false: there is none.
 */
bool memo_take(const struct seccomp_notif *q, const struct call *c, uint64_t *ret_birth, int *ret_status);

/* ---- pass.c ------------------------------------------------------------------------------------------------------ */
#define PASS_FDS 3
/* Sends one message and copies of n descriptors (none of them -1). 0 or -errno. */
int pass_send(int sock, const void *data, size_t len, const int *fds, size_t n);
/* Receives one; its length (0: the other end is closed) or -errno. fds[] are the caller's then, -1 where none came. */
ssize_t pass_receive(int sock, void *data, size_t len, int fds[PASS_FDS]);

/* ---- supervise.c ------------------------------------------------------------------------------------------------- */
struct supervise {
	int sock;          /* our end of the socket on which the first process hands over the filter's descriptor */
	pid_t init;        /* the context's first process */
	int cgroup;        /* its cgroup's directory */
	uint32_t uid_base; /* the host's id of its root */
};
/* What a supervisor's process knows. */
struct questions {
	struct seccomp_notif q[WINDOW_PARKS - 1];
	unsigned first, n;
};
struct supervision {
	struct supervise s;
	int listener, init;          /* init: a pidfd */
	uint64_t tree_mount, userns; /* of the context */
	struct questions questions;  /* read, and not yet looked at */
	struct actor actor;
	int64_t credit, credited; /* turn.c's; microseconds */
	int64_t stuck;            /* since when no window could be opened; 0: it could */
};
/* Starts the supervisor's process; it ends when nothing in the context runs any more, or with its parent's thread. When
 * it ends before, the other end of sock sees it. Returns its pid. */
pid_t supervise_start(const struct supervise *s, struct err *e);
/* In the context's first process: loads the filter and hands it over. 0 or -errno. */
int supervise_submit(int sock, bool cow);

/* ---- question.c -------------------------------------------------------------------------------------------------- */
struct question {
	struct seccomp_notif q;
	struct call call;
	uint64_t birth; /* of the thread; set once somebody may need it */
};
/* Waits (timeout as of poll) and reads one; with 0, all that are there. False: nothing can come any more. */
bool question_read(struct supervision *v, int timeout);
/* The oldest of those that were read, of which there is one. Good until the next question_read. */
const struct seccomp_notif *question_take(struct supervision *v);
/* Understands and answers it, unless it may be about a sealed file (false). The process may be in the caller's root
 * then. */
bool question_at_once(struct supervision *v, struct question *t, const struct seccomp_notif *q);
pid_t question_tid(const struct question *t);
bool question_valid(const struct supervision *v, const struct question *t);
/* The call goes on in the kernel; or it returns that status (0 or -errno). */
void question_continue(const struct supervision *v, const struct question *t);
void question_answer(const struct supervision *v, const struct question *t, int status);
/* Whether it is a file of several names in the context's tree that is sealed; firmly: by the immutable attribute. */
bool question_sealed(const struct supervision *v, int fd, bool firmly);

/* ---- turn.c ------------------------------------------------------------------------------------------------------ */
#define TURN_CREDIT_US 10000000
/* Has the actor do in a window what it prepared, and answers. */
void turn_act(struct supervision *v, const struct question *t, const struct actor_answer *got);
/* Fills the copy, gives it the name in a window, and lets the call go on. */
void turn_copy(struct supervision *v, const struct question *t, const struct cow *cow);
/* Microseconds, monotonic. */
int64_t turn_clock(void);
