/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ground floor: what every room needs and none of them owns. Errors that carry a sentence, cleanup attributes,
 * paths inside hostile trees, child processes, configuration reading, and the way a library reports without printing.
 *
 * Conventions, everywhere in this project:
 *   - A function that can fail takes `struct err *e` last and returns 0 (or a count, or a file descriptor) or a
 * negative errno. On failure *e holds a message for the administrator; on success *e is untouched. e may be NULL.
 *   - Parameters named ret_* are written on success only, and the caller owns what they then hold.
 *   - Every file descriptor is close-on-exec.
 *   - Out of memory ends the process: the journal and the temporary names make a death at any point safe.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- exit codes of every program (STYLE: one meaning each) ------------------------------------------------------- */
enum {
	EXIT_DONE = 0,  /* all done */
	EXIT_USAGE = 1, /* usage, configuration, or a failure that concerns the whole command */
	EXIT_SOME = 2,  /* some vservers failed */
	EXIT_NONE = 3,  /* none could run */
	EXIT_BUSY = 75, /* a lock is held by somebody else */
};

/* ---- errors (err.c) ---------------------------------------------------------------------------------------------- */
struct err {
	int status; /* negative errno, or 0 when nothing failed */
	char *msg;  /* owned; one line that names the thing, the place and the remedy */
};
/* Sets the message; status is a negative errno. Returns status, so that `return err_set(e, -EINVAL, …)` reads well. */
int err_set(struct err *e, int status, const char *fmt, ...) PRINTF(3, 4);
/* As err_set with status -errno, and ": strerror(errno)" appended. */
int err_sys(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* Puts "context: " before the message that is there. Returns the status that is there; without an e, which nobody then
 * reads, -EIO. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* Frees the message and makes *e empty again. */
void err_clear(struct err *e);

/* ---- memory, cleanup (mem.c) ------------------------------------------------------------------------------------- */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);

void cleanup_free(void *p);
void cleanup_close(int *fd);
void cleanup_fclose(FILE **f);
#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)
#define _cleanup_fclose_ _cleanup_(cleanup_fclose)
#define _cleanup_err_ _cleanup_(err_clear)
#define _cleanup_strv_ _cleanup_(strv_free)
#define _cleanup_buf_ _cleanup_(buf_free)
#define TAKE_PTR(p)                 \
	({                          \
		typeof(p) p_ = (p); \
		(p) = NULL;         \
		p_;                 \
	})
#define TAKE_FD(fd)             \
	({                      \
		int fd_ = (fd); \
		(fd) = -1;      \
		fd_;            \
	})
/* Closes every descriptor from 3 on but those of keep, which may be in any order and hold -1. */
void close_all_but(const int *keep, size_t n);
/* Closes fd if it is one and returns -1: `fd = close_fd(fd)`. errno is kept. */
int close_fd(int fd);

/* A list of owned strings; v is NULL-terminated whenever n > 0, so it can be an argv. Starts as {0}. */
struct strv {
	char **v;
	size_t n;
};
void strv_add(struct strv *l, const char *s); /* copies s */
void strv_take(struct strv *l, char *s);      /* owns s */
void strv_addf(struct strv *l, const char *fmt, ...) PRINTF(2, 3);
void strv_split(struct strv *l, const char *s, const char *separators); /* adds each non-empty word of s */
bool strv_has(const struct strv *l, const char *s);
void strv_sort(struct strv *l); /* by bytes */
void strv_free(struct strv *l);

/* Growing bytes; p[len] is always 0 once anything was added. Starts as {0}. */
struct buf {
	char *p;
	size_t len, cap;
};
void buf_add(struct buf *b, const void *data, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_free(struct buf *b);

/* ---- text (text.c) ----------------------------------------------------------------------------------------------- */
/* The word of the list that is nearest to what was typed, or NULL when none is near enough to suggest. */
const char *text_nearest(const char *typed, const char *const *words, size_t n);
/* What to say of a typed word that is none of the list's: "unknown WHAT TYPED; did you mean NEAREST?", or which words there
 * are and that prog has --help. The caller frees. */
char *text_unknown(const char *what, const char *typed, const char *const *words, size_t n, const char *prog);
/* A copy of s in which every control character, invalid UTF-8 byte and ESC is written as \xNN: what a guest printed is
 * shown so and cannot drive the administrator's terminal. The caller frees. */
char *text_escape(const char *s, size_t n);
/* "12.3 MiB" into buf (at least 16 bytes); returns buf. */
char *text_bytes(char *buf, uint64_t bytes);
/* Decimal digits only, within [min, max]; 0 or -EINVAL. */
int text_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
/* n bytes as lower-case hex into out (2n+1 bytes). */
void text_hex(char *out, const uint8_t *bytes, size_t n);
/* Whether `pattern` (shell pattern, fnmatch) holds for name. */
bool text_match(const char *pattern, const char *name);

/* ---- places (place.c) -------------------------------------------------------------------------------------------- */
/* VPKG_SYSROOT without trailing slash, or "": what stands before every path of the product. */
const char *place_sysroot(void);
/* sysroot + formatted absolute path, e.g. place("/var/lib/vpkg/journal/%s", name). The caller frees. Never used for a
 * path below a vserver's tree. */
char *place(const char *fmt, ...) PRINTF(1, 2);
/* Opens (and makes, mode, with parents 0755) a directory of the product and returns its fd. */
int place_dir(const char *path, mode_t mode, struct err *e);
/* A shipped data file or directory: /etc/vpkg/REL below the sysroot, then the checkout that the running program was
 * built in, then PREFIX/share/vpkg/REL. Returns the first that exists (caller frees) or NULL. */
char *place_data(const char *rel);

/* ---- paths inside hostile trees (path.c): openat2 with RESOLVE_IN_ROOT, NO_MAGICLINKS, NO_XDEV ------------------- */
/* As openat(root, path, flags | O_CLOEXEC, mode) with path resolved as if root were "/", whatever symlinks the tree
 * holds, and without leaving its mount. A file descriptor or -errno. */
int path_open(int root, const char *path, int flags, mode_t mode);
/* Opens an existing *regular file* for reading: checked through O_PATH before the real open, so that no fifo blocks and
 * no device is touched. ret_st may be NULL. -EINVAL when it is something else. */
int path_open_file(int root, const char *path, struct stat *ret_st);
/* Reopens an O_PATH descriptor for the given flags (through /proc/self/fd, after its type was checked). fd or -errno.
 */
int path_reopen(int fd, int flags);
/* Opens the directory that holds path (in root) and sets *ret_name to path's last component (a pointer into path).
 * The last component is not followed. -EINVAL for "/", ".." and the like. */
int path_parent(int root, const char *path, const char **ret_name);
/* lstat of a path inside the tree: 0 or -errno. */
int path_stat(int root, const char *path, struct stat *ret);
/* Whole contents of a regular file of at most max bytes (-EFBIG above). */
int path_read(int root, const char *path, size_t max, struct buf *ret, struct err *e);
/* The same of an open file, from where it stands; `what` names it in messages. */
int path_read_fd(int fd, const char *what, size_t max, struct buf *ret, struct err *e);
/* Writes a file by a temporary name in the same directory and rename: never through a final symlink, never half. */
int path_write(int root, const char *path, const void *data, size_t len, mode_t mode, struct err *e);
/* mkdir -p inside the tree; existing directories keep their mode. */
int path_mkdirs(int root, const char *path, mode_t mode, struct err *e);
/* A new empty directory PREFIX.XXXXXX in dir, mode 0700; returns its fd and name (caller frees). */
int path_mkdtemp(int dir, const char *prefix, char **ret_name, struct err *e);

/* ---- whole files and trees (tree.c, copy.c) ---------------------------------------------------------------------- */
/* Copies contents from one descriptor's start to another's (FICLONE, copy_file_range, then read and write; holes kept).
 */
int copy_data(int from, int to);
/* Copies owner, mode, xattrs (ACLs and file capabilities with them) and times, in the order that keeps suid. */
int copy_meta(int from, int to);

struct walk_entry {
	int dir;          /* the directory that holds it */
	const char *name; /* last component */
	const char *path; /* relative to the root, no leading slash; "" for the root itself (not visited) */
	const struct statx *stx;
	size_t depth; /* 1 for the root's own entries */
};
enum { WALK_GO = 0, WALK_SKIP = 1 /* do not descend into this directory */ };
struct statx;
/* Visits every entry below root, directories before their contents, entries of a directory in byte order of their
 * names, never following symlinks, never crossing into another mount (mount points are visited, not entered). fn
 * returns WALK_GO, WALK_SKIP, or a negative errno that ends the walk and is returned (fn sets *e). statx asks for
 * STATX_BASIC_STATS and the attributes. */
int tree_walk(int root, int (*fn)(const struct walk_entry *, void *arg, struct err *), void *arg, struct err *e);
/* Deletes dir/name and all below it: one file system, fd-relative; refuses (-EBUSY) where something is mounted below.
 * unlink_fn deletes one non-directory (NULL: unlinkat); for trees that hold sealed files there is seal_remove_tree.
 * Missing is success. */
int tree_remove(int dir, const char *name, int (*unlink_fn)(int dir, const char *name, struct err *), struct err *e);

/* ---- signals (intr.c) -------------------------------------------------------------------------------------------- */
/* Catches SIGINT, SIGTERM and SIGHUP: from then on they set a flag and make intr_fd() readable; the work ends itself
 * at the next place where that is safe. A second SIGINT does not do more. SIGPIPE is ignored. */
void intr_setup(void);
bool intr_pending(void);
int intr_fd(void); /* to poll for POLLIN; -1 before intr_setup */
/* -EINTR with the message "interrupted" when a signal came, else 0. */
int intr_check(struct err *e);

/* ---- processes (proc.c, jobs.c) ---------------------------------------------------------------------------------- */
/* How a child's output is handled, and how long it may run. All zero: output is discarded, no limit. */
struct proc_io {
	/* Called for each line (without newline, NUL-terminated, raw bytes) of standard output (is_err false) and
	 * error. */
	void (*line)(const char *line, size_t len, bool is_err, void *arg);
	void *arg;
	struct buf *out;    /* when set, standard output goes here whole instead of to line() */
	size_t out_max;     /* bytes kept in out; more ends the child with -EFBIG (0 = 64 MiB) */
	int out_fd, err_fd; /* when > 0: bytes are copied to these fds of ours as they come, instead of line() */
	int in_fd;          /* when > 0: bytes of this fd are handed to the child's standard input; else /dev/null */
	unsigned timeout; /* seconds; 0 = none. At the end: SIGKILL to the child (a context's init takes all with it) */
	bool keep_on_intr; /* do not kill at an interrupt (undo must run to its end) */
};
/* Serves a child that somebody started: relays, waits, kills at timeout or interrupt. Takes and closes the fds (any may
 * be -1). Returns the exit status 0…255, 128+signal, or -errno (-ETIMEDOUT, -EINTR, -EFBIG). */
int proc_attend(pid_t pid, int in_w, int out_r, int err_r, const struct proc_io *io, const char *what, struct err *e);
/* Runs a host program (looked up in the fixed path /usr/sbin:/usr/bin:/sbin:/bin) with a clean environment plus `env`
 * ("K=V" strings, may be NULL), stdin as io says, every other fd closed except keep[] (inherited under the same
 * number). Returns as proc_attend; -ENOENT when the program is missing. */
int proc_run(const char *const *argv, const char *const *env, const int *keep, size_t n_keep, const struct proc_io *io,
	     struct err *e);

/* Work that runs side by side, each piece in a process of its own: a crash or a hang of one is one failure. */
struct jobs {
	size_t n, width; /* how many pieces; how many at once (at least 1) */
	/* In the child. What it prints to stdout and stderr arrives in line(); what it writes to result_fd in done().
	 * Returns the child's exit status. */
	int (*run)(size_t i, int result_fd, void *arg);
	void (*line)(size_t i, const char *line, size_t len, bool is_err, void *arg);
	/* In the parent: exit status as of proc_attend and the result bytes (NUL-terminated beyond len). */
	void (*done)(size_t i, int status, const char *result, size_t len, void *arg);
	void *arg;
};
/* At an interrupt the running children get SIGTERM (they have intr_setup's handlers and undo), and no further is
 * started; done() is then called with -EINTR for the rest. Returns 0 or -errno when nothing could be started. */
int jobs_run(const struct jobs *j, struct err *e);

/* Runs fn in a process that can do nothing but compute: chroot to rootfd (a directory of copies, or -1 for an empty
 * one), uid nobody, no capabilities, no network, no exec, limits on memory and time; only keep[] stays open beside
 * stdin
 * (/dev/null). fn writes its result to out_fd and its error, if any, into *e (carried back to the caller).
 * This is where parsers of outside data run. Returns fn's value. */
int sandbox_call(int (*fn)(int out_fd, void *arg, struct err *e), void *arg, int rootfd, const int *keep, size_t n_keep,
		 unsigned timeout, struct buf *ret_out, struct err *e);

/* ---- configuration (conf.c) -------------------------------------------------------------------------------------- */
/* Parses `KEY=value`, `KEY="value"`, `KEY='value'`, comments and blank lines: the syntax of /etc/vservers/NAME.conf.
 * Nothing is executed: a substitution ($, backquote, backslash-escape outside quotes), a second word or a command is
 * refused with -EBADMSG and "FILE:LINE: what, and what to write instead". Comments of the form `# Key: value` are
 * handed over with is_comment. fn returns 0 or a negative errno with *e set. */
int conf_parse_shell(const char *text, size_t len, const char *file,
		     int (*fn)(const char *key, const char *value, bool is_comment, unsigned line, void *arg,
			       struct err *),
		     void *arg, struct err *e);
/* Parses INI (`[section name]`, `key = value`, continued lines are indented) with the same contract. */
int conf_parse_ini(const char *text, size_t len, const char *file,
		   int (*fn)(const char *section, const char *key, const char *value, unsigned line, void *arg,
			     struct err *),
		   void *arg, struct err *e);

/* ---- reporting (report.c) ---------------------------------------------------------------------------------------- */
/* Libraries never print: they call these, and a program decides what becomes of it. Any member may be NULL. */
struct report {
	void (*note)(const char *text, void *arg);                                    /* a line worth knowing */
	void (*progress)(const char *what, uint64_t done, uint64_t total, void *arg); /* done == total ends it */
	void *arg;
};
void report_note(const struct report *r, const char *fmt, ...) PRINTF(2, 3);
void report_progress(const struct report *r, const char *what, uint64_t done, uint64_t total);
/* Notes and, where f is a terminal, one redrawn progress line with rate and time left; else a line when each ends.
 * quiet leaves out progress. The returned object is static. */
const struct report *report_terminal(FILE *f, bool quiet);

/* ---- digests (digest.c) ------------------------------------------------------------------------------------------ */
#define DIGEST_LEN 32
struct digest; /* a running SHA-256 */
struct digest *digest_new(void);
void digest_update(struct digest *d, const void *p, size_t n);
void digest_final(struct digest *d, uint8_t out[DIGEST_LEN]); /* frees d */
void digest_free(struct digest *d);
/* SHA-256 of a file's contents from its start; 0 or -errno. */
int digest_fd(int fd, uint8_t out[DIGEST_LEN]);
