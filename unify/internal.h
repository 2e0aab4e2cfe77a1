/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of unify/ share: metadata and keys, the store, what a vserver's package database lists, and the plan
 * of one run.
 */
#pragma once

#include "unify/unify.h"

#include <sys/stat.h>

/* ---- map.c: a number leads to an index ----------------------------------------------------------------------------
 */
struct map {
	struct {
		uint64_t key;
		size_t value; /* + 1; 0 = free */
	} * slot;
	size_t cap, n;
};
#define MAP_NONE SIZE_MAX
size_t inode_map_get(const struct map *m, uint64_t key); /* MAP_NONE when it is not there */
void inode_map_put(struct map *m, uint64_t key, size_t value);
void inode_map_free(struct map *m);
#define _cleanup_map_ _cleanup_(inode_map_free)

/* ---- key.c: when files are equal -----------------------------------------------------------------------------------
 */
/* The part of equality that costs no reading. */
struct meta {
	uint64_t size;
	int64_t mtime;
	uint32_t mtime_nsec, mode, uid, gid;
};
struct meta meta_of(const struct statx *stx);
int meta_cmp(const struct meta *a, const struct meta *b);
/* The same inode, not touched in between? */
bool same_state(const struct statx *a, const struct statx *b);
/* SHA-256 over contents, metadata and xattrs of an open regular file. 1: never to be shared (a file capability). */
int key_fd(int fd, uint8_t key[DIGEST_LEN]);
/* The key of a file that a guest can reach (O_PATH descriptor), which was seen as stx. -EAGAIN: it is open for writing
 * or was changed since; then nothing is known. 1 as key_fd. */
int key_guest(int path, const struct statx *seen, uint8_t key[DIGEST_LEN]);
/* Whether nobody has the open file open for writing or mapped so. */
bool no_writers(int fd);

/* ---- store.c -------------------------------------------------------------------------------------------------------
 */
#define OBJECT_NAME_MAX (2 * DIGEST_LEN + 16)
struct object {
	uint8_t key[DIGEST_LEN];
	unsigned copy; /* 0, or the number of a further master after EMLINK */
	uint64_t ino;
	uint32_t nlink;
	struct meta meta;
};
struct store {
	int top, objects, tmp; /* .unify (locked), .unify/objects, .unify/tmp */
	dev_t dev;
	uint64_t mnt_id;
	struct object *obj; /* sorted by key, then copy */
	size_t n;
	struct map inos; /* inode number → index in obj, before objects are added */
	/* seals.c: */
	bool marks;              /* objects are sealed by marks; else by the immutable attribute */
	size_t repaired, raised; /* objects that had no seal that holds; that got a mark instead of the other */
	struct strv lesser;      /* objects that are to */
};
/* Opens and locks the store, and reads what is in it. With repair, leftovers of a killed run are removed and objects
 * without seal verified and sealed again, or dropped. */
int store_open(struct store *ret, bool repair, struct err *e);
void store_close(struct store *s);
#define _cleanup_store_ _cleanup_(store_close)
/* ---- seals.c: while the store is opened. Before its objects are looked at, for each of them, and after all of them.
 * The second: 1 when it is sealed and whole, 0 when it is to be left out. */
void seals_choose(struct store *s);
int seals_check(struct store *s, const struct walk_entry *w, const struct object *o, struct err *e);
int seals_finish(struct store *s, struct err *e);

/* The last (newest) copy under a key, or NULL. */
const struct object *store_find(const struct store *s, const uint8_t key[DIGEST_LEN]);
/* "ab/cdef…" or "ab/cdef….N", relative to objects. */
void store_name(char out[OBJECT_NAME_MAX], const uint8_t key[DIGEST_LEN], unsigned copy);
/* Makes .unify/tmp/NAME: a sealed copy of the open file, whose key is the given one. -EAGAIN when it is not. */
int store_stage(const struct store *s, int from, const uint8_t key[DIGEST_LEN], const char *name, struct err *e);
/* Makes the directory that objects/NAME is in. */
int store_mkdir(const struct store *s, const char *name, struct err *e);

/* ---- list.c: what a vserver's package database lists ----------------------------------------------------------------
 */
/* Absolute paths of files and of configuration files, raw bytes, unsorted, perhaps twice. */
int list_packaged(struct vserver *v, struct strv *ret_files, struct strv *ret_conf, struct err *e);
/* The parsers of both formats, for any bytes. */
void list_parse_dpkg(const char *text, size_t len, struct strv *files);
void list_parse_conffiles(const char *text, size_t len, struct strv *conf);
void list_parse_rpm(const char *text, size_t len, struct strv *files, struct strv *conf);

/* ---- scan.c: from listed paths to candidates ------------------------------------------------------------------------
 */
enum rec_state {
	REC_NEW,    /* not read */
	REC_KEYED,  /* key is known */
	REC_SHARED, /* a store object */
	REC_LATER,  /* changing, or open for writing */
	REC_NEVER,
};
/* One inode; several names may lead to it. */
struct rec {
	uint64_t ino, blocks;  /* blocks of 512 bytes */
	uint32_t nlink, names; /* links, and those of them that are candidates */
	struct statx stx;      /* as last seen: same_state compares with it */
	struct meta meta;
	enum rec_state state;
	bool want; /* has a possible partner: read it */
	bool many; /* several vservers link it although it is no store object (cp -al by hand) */
	uint8_t key[DIGEST_LEN];
	size_t first; /* its first candidate */
	size_t goal;  /* or MAP_NONE */
};
/* One name. */
struct cand {
	uint32_t vs;
	const char *dir, *name; /* dir without leading slash, "" or "usr/bin"; both owned by scan.strings */
	size_t rec;
};
struct scan {
	struct cand *cand; /* by vserver, then path */
	size_t n_cand;
	struct rec *rec;
	size_t n_rec;
	struct map inos;
	struct strv strings;
};
/* Adds the eligible files of vserver number vs. */
int scan_add(struct scan *s, const struct store *store, struct vserver *v, uint32_t vs, struct err *e);
void scan_free(struct scan *s);
#define _cleanup_scan_ _cleanup_(scan_free)
/* Whether files of this directory ("usr/bin") are never shared. */
bool scan_excluded(const char *dir);
/* Opens a candidate's directory in its tree. */
int scan_dir(const struct vserver *v, const struct cand *c);

/* ---- group.c: which candidates are equal ----------------------------------------------------------------------------
 */
/* A key that several inodes have, or that the store has. */
struct goal {
	uint8_t key[DIGEST_LEN];
	unsigned copy;
	bool exists;    /* in the store */
	bool failed;    /* its object could not be made: leave the candidates alone */
	size_t rec;     /* one of its inodes, to copy from */
	int64_t charge; /* bytes of a new object that no candidate was charged with yet */
	unsigned part;  /* the chunk of the run in which it is linked */
};
struct goals {
	struct goal *goal;
	size_t n;
};
/* Reads what must be read and finds equal files. Interrupts end it (-EINTR). */
int group_find(struct scan *s, const struct store *store, struct vserver *const *v, const struct report *report,
	       struct goals *ret, struct err *e);

/* ---- replace.c: candidates become links -----------------------------------------------------------------------------
 */
int replace_all(struct scan *s, struct store *store, struct vserver *const *v, struct goals *g,
		const struct unify_options *o, struct unify_result *results, struct err *e);
