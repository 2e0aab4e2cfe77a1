/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of repo/ share among themselves.
 */
#pragma once

#include "repo/repo.h"

/* ---- the cache (cache.c) ----------------------------------------------------------------------------------------- */
/* Opens (makes) a directory of the cache: "partial", "lists", "tmp". */
int cache_sub(const char *name, struct err *e);
/* Moves a complete file, whose contents were seen to have this digest, out of dir and under its name in the cache. */
int cache_take(int dir, const char *name, const uint8_t sha256[DIGEST_LEN], struct err *e);
/* Whether the cache holds a file of that digest, without reading it. */
bool cache_has(const uint8_t sha256[DIGEST_LEN]);
/* 64 lower- or upper-case hex digits. */
bool cache_parse_hex(const char *hex, uint8_t ret[DIGEST_LEN]);

/* ---- what a killed run leaves (temp.c) --------------------------------------------------------------------------- */
/* A new empty file of the caller's in the cache's tmp/, open for reading and writing and locked: its name is the
 * caller's until repo_cache_temp_drop, or until it is moved to elsewhere in the cache (cache_take). The descriptor is
 * to stay open that long: what nobody has locked is removed on the way. -EAGAIN: no lock can be had there. */
int cache_temp_file(const char *prefix, char **ret_name, struct err *e);
/* Locks an open file or directory of the cache, as long as fd is open, and sees that dir/name is still that one. False:
 * it is another's, or gone. */
bool cache_lock(int dir, const char *name, int fd);
/* Removes what nobody has locked in a directory of the cache, but for what keep (may be NULL) wants to stay. */
void cache_sweep(int dir, bool (*keep)(const char *name));

/* ---- the transfer engine (transfer.c) ---------------------------------------------------------------------------- */
struct transfer {
	const char *url, *what; /* what: for messages */
	int fd;                 /* where the body goes; what it holds already is resumed when resume is set */
	/* When fd is -1: sets fd and resume, when its turn has come; complete closes it. */
	int (*open)(struct transfer *t, struct err *e);
	bool resume;
	uint64_t size, max; /* exact and greatest size of the whole body; 0 unknown, no limit */
	time_t since;       /* when set: only if it changed since then */
	/* Called when the body is complete; -EAGAIN (with *e set) says that its contents are wrong: it is fetched again
	 * from its start, as often as the tries allow. */
	int (*complete)(struct transfer *t, const uint8_t sha256[DIGEST_LEN], struct err *e);
	void *arg;
	/* results */
	bool unmodified; /* nothing was transferred: not changed since then */
	time_t modified; /* what the server says, 0 unknown */
	/* the engine's own */
	struct transfer_state *state;
};
/* Runs all of them, several at once. `what` names the lot in the progress. */
int transfer_run(struct transfer *t, size_t n, const char *what, const struct report *r, struct err *e);

/* ---- small files that change (lists.c) --------------------------------------------------------------------------- */
/* Fetches url into the cache's lists/ unless the copy there is still current, and opens it. For what a signature
 * protects and no digest can name beforehand: InRelease, repomd.xml. */
int lists_fetch(const char *url, const char *what, uint64_t max, struct err *e);
/* Drops that copy: for what turned out to be wrong. */
void lists_forget(const char *url);

/* ---- URLs (url.c) ------------------------------------------------------------------------------------------------ */
/* The path of a file: URL or a plain absolute path, decoded; NULL for what is fetched. The caller frees. */
char *url_local_path(const char *url);
/* base + "/" + rel, with rel's bytes escaped as base's scheme needs it. The caller frees. */
char *url_join(const char *base, const char *rel);
/* Whether a path that an index names is one below its base: relative, no "..", no control characters. */
bool url_path_ok(const char *rel);

/* ---- signatures (keyring.c, verify.c, clearsign.c) --------------------------------------------------------------- */
/* A memory file with the binary form of a key file, armored or not (gpgv reads only the former). */
int keyring_open(const char *path, struct err *e);
/* As bytes. */
int keyring_read(const char *path, struct buf *ret, struct err *e);
struct verify_policy {
	const char *keyring;
	const struct strv *fingerprints; /* may be empty */
	bool allow_expired;              /* keys and signatures that expired since */
	bool allow_sha1;
};
/* Whether the detached signature in sig holds for data. -ENOKEY: made by no key of the keyring; -EBADMSG: bad. */
int verify_detached(int data, int sig, const struct verify_policy *p, const char *label, struct err *e);
/* Verifies an inline-signed text and gives the signed part of it: what stands around it is not to be believed. */
int verify_inline(int fd, const struct verify_policy *p, const char *label, struct buf *ret_text, struct err *e);
/* Judges gpgv's --status-fd lines (or sqv's fingerprints, as VALIDSIG lines). */
int verify_judge(const char *status, const struct verify_policy *p, const char *label, struct err *e);
/* Splits a clear-signed message into its text (dashes unescaped) and its armored signature. -EBADMSG: is none. */
int clearsign_split(const char *p, size_t n, struct buf *ret_text, struct buf *ret_sig);

/* ---- Release files (release.c) ----------------------------------------------------------------------------------- */
struct release_file {
	char *path;
	uint64_t size;
	uint8_t sha256[DIGEST_LEN];
};
struct release {
	char *suite, *codename;
	int64_t date, valid_until;  /* seconds since 1970, 0 not said */
	bool by_hash, no_all;       /* no_all: no index of its own for packages of all architectures */
	struct release_file *files; /* of those that were asked for */
	size_t n;
};
void release_free(struct release *r);
/* Parses the fields and those lines of SHA256 whose path is in `wanted`. */
int release_parse(const char *text, size_t len, const struct strv *wanted, struct release *ret, struct err *e);
/* "Sat, 11 Jul 2026 10:16:37 UTC"; 0 when it is no date. */
int64_t release_date(const char *s);

/* ---- indexes of a source: verified, in the cache, open (repo.c, repo_deb.c, repo_rpmmd.c) ------------------------ */
struct repo_index {
	const struct repo_source *src;
	char *base;     /* what the packages' paths are relative to */
	char *file;     /* its file name, whose end tells the compression */
	bool must_sign; /* nobody vouches for it: each package's own signature must */
	int fd;
};
struct repo_indexes {
	struct repo_index *v;
	size_t n;
	struct strv tried;
};
void indexes_free(struct repo_indexes *l);
void indexes_add(struct repo_indexes *l, const struct repo_source *src, const char *base, const char *file,
		 bool must_sign, int fd);
int deb_indexes(const struct repo_source *src, const char *base, const struct report *r, struct repo_indexes *l,
		struct err *e);
int rpmmd_indexes(const struct repo_source *src, const char *base, const struct report *r, struct repo_indexes *l,
		  struct err *e);
/* Brings the indexes of all sources, each from the first of its URLs that can be reached. */
int indexes_fetch(const struct repo_source *src, size_t n, const struct report *r, struct repo_indexes *l,
		  struct err *e);
/* repo_host_mirror for a given configuration directory (/etc/apt). */
char *mirror_find(const char *etc_apt, bool security);

/* ---- values through a pipe (wire.c) ------------------------------------------------------------------------------ */
void wire_str(struct buf *b, const char *s);
void wire_u64(struct buf *b, uint64_t v);
void wire_bytes(struct buf *b, const void *p, size_t n);
void wire_strv(struct buf *b, const struct strv *l);
void wire_package(struct buf *b, const struct repo_package *p);
/* Reading what a sandbox wrote, which is not believed: a short or impossible message sets bad, and all further values
 * are empty. Every string is checked to hold no NUL. */
struct wire {
	const char *p, *end;
	bool bad;
};
char *wire_get_str(struct wire *w); /* never NULL; the caller frees */
uint64_t wire_get_u64(struct wire *w);
void wire_get_bytes(struct wire *w, void *p, size_t n);
void wire_get_strv(struct wire *w, struct strv *l);
void wire_get_package(struct wire *w, struct repo_package *p);
int wire_send(int fd, const struct buf *b, struct err *e);

/* ---- packages ---------------------------------------------------------------------------------------------------- */
/* The formats' own readers; they run in the sandbox. ret->file and format are set by the caller. */
int package_deb_read(int fd, struct repo_package *ret, struct err *e);
/* The control file of a .deb. */
int package_deb_control(int fd, struct buf *ret, struct err *e);
/* keys: binary OpenPGP certificates. signers as in struct repo_package. */
struct rpm_keys {
	const void *p;
	size_t n;
	const struct strv *signers;
	bool must_sign; /* a signature by one of the keys is demanded, not only looked at */
};
int package_rpm_read(int fd, const struct rpm_keys *keys, struct repo_package *ret, struct err *e);
/* The digests and signatures alone. ret_warning may be NULL. (rpm_check.c) */
int package_rpm_check(int fd, const struct rpm_keys *keys, char **ret_warning, struct err *e);
/* What librpm opens and initialises must be done before the sandbox. */
int package_rpm_prepare(struct err *e);
/* In a sandbox of its own: the package's signature must hold against the keyring. */
int package_rpm_verify(int fd, const char *label, const char *keyring, const struct strv *signers, struct err *e);
/* Which format a file is by its first bytes; -EBADMSG with the one line that says what it is instead. */
int package_detect(int fd, const char *label, enum repo_format *ret, struct err *e);

/* ---- Debian's stanzas (stanza.c) --------------------------------------------------------------------------------- */
/* Rewrites a Packages or status list, or a control file, to what the solver needs: the relations, and in one field that
 * libsolv keeps unread (Homepage) what it has no field for: see stanza_extra. Stanzas of an architecture other than
 * arch and "all" are left out (arch NULL: none is). */
void stanza_filter(const char *text, size_t len, const char *arch, struct buf *out);
struct stanza_extra {
	uint64_t size;
	bool essential, required;
};
/* Reads back what stanza_filter put there; s may be NULL. */
struct stanza_extra stanza_extra(const char *s);
/* The value of a single-line field of the (first) stanza in text, trimmed; NULL when absent. The caller frees. */
char *stanza_field(const char *text, size_t len, const char *field);
