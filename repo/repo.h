/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where packages come from: repositories and their signed metadata, downloads and the cache that is keyed by contents,
 * package files and what they say of themselves, and the solver. Knows package formats; never touches a vserver's tree.
 */
#pragma once

#include "lib/lib.h"

/* ---- the cache (cache.c): /var/cache/vpkg ------------------------------------------------------------------------ */
/* Contents by SHA-256, in objects/ab/cdef…; files are 0644 root, directories 0755 below a 0700 root. */
int repo_cache_dir(struct err *e);
/* A new directory of the caller's below the cache (0755), for files that others read; returns its fd, which is locked:
 * keep it open as long as the directory is wanted. Those of dead callers are removed on the way. */
int repo_cache_temp(const char *prefix, char **ret_name, struct err *e);
/* Removes those of dead callers, and what else a killed run left; but a partial download stays, one for each digest,
 * until a later run has completed it. */
void repo_cache_temp_sweep(void);
/* Removes it. NULL is fine. */
void repo_cache_temp_drop(const char *name);
/* Opens the cached contents with this digest, re-hashed on use; -ENOENT when absent (a damaged one is removed). */
int repo_cache_open(const uint8_t sha256[DIGEST_LEN], struct err *e);
/* Copies an open file into the cache while hashing it; ret_sha256 says under which name it now is. */
int repo_cache_add(int fd, uint8_t ret_sha256[DIGEST_LEN], struct err *e);

/* ---- downloads (fetch.c) ----------------------------------------------------------------------------------------- */
struct repo_download {
	char *url;                  /* http, https, file; a plain absolute path is taken as file */
	uint64_t size;              /* expected, 0 unknown: a longer body ends the download */
	uint8_t sha256[DIGEST_LEN]; /* expected */
	bool has_digest;            /* false: any contents (a signature is checked later) */
	const char *what;           /* for messages: "bash_5.2.15-2_amd64.deb" */
};
/* Fetches what the cache does not have yet, in parallel, resuming what a former run left, three tries each; checks size
 * and digest. On return has_digest is true and sha256 says where in the cache it is. Errors name URL and cause:
 * unreachable (-EHOSTUNREACH), not found (-ENOENT), truncated or wrong digest (-EBADMSG), disk full (-ENOSPC). */
int repo_fetch(struct repo_download *d, size_t n, const struct report *r, struct err *e);

/* ---- package files (package.c, package_deb.c, package_rpm.c) ----------------------------------------------------- */
enum repo_format { REPO_DEB, REPO_RPM };
struct repo_package {
	enum repo_format format;
	char *name, *evr, *arch; /* evr: [epoch:]version[-release] */
	char *file;              /* base name of the file */
	char *url;               /* where to fetch it (resolver results) */
	uint64_t size;           /* of the file */
	uint64_t installed;      /* bytes on disk when installed, as it says */
	uint8_t sha256[DIGEST_LEN];
	bool has_digest;
	bool essential, required; /* deb: Essential: yes; Priority: required */
	struct strv files;        /* absolute paths of all its entries (repo_package_read) */
	struct strv conffiles;    /* subset that is configuration */
	char *warning;            /* e.g. "signed by key 24c6a8a7f4a80eb5, which is not in the keyring"; or NULL */
	char *must_sign;     /* resolver results: its repository's index is unsigned, so the package's own signature
			      * must hold against this file of keys (repo_solution_fetch sees to it); or NULL */
	struct strv signers; /* with must_sign: only keys of these fingerprints count, if there are any */
};
void repo_package_free(struct repo_package *p);
/* Reads a package file (parsed in a sandbox) and verifies the digests that it carries: header, payload, every archive
 * member up to its end. `keyring`: rpm: path of an ASCII-armored or binary key file, or NULL; a *bad* signature is
 * always refused, an unknown key becomes `warning`. -EBADMSG with one line: "FILE: not a package …", "truncated", …
 * sha256 and size are those of the file. */
int repo_package_read(int fd, const char *label, const char *keyring, struct repo_package *ret, struct err *e);

/* ---- repositories (repo.c, repo_deb.c, repo_rpmmd.c, verify.c) --------------------------------------------------- */
enum repo_type { REPO_TYPE_DEB, REPO_TYPE_RPMMD };
struct repo_source {
	char *name; /* for messages */
	enum repo_type type;
	struct strv urls; /* base URLs, tried in order when one cannot be reached; http, https, file or a directory */
	char *suite;      /* deb */
	struct strv components;   /* deb; default main */
	char *arch;               /* deb: amd64; rpmmd: x86_64 */
	char *keyring;            /* file of keys; NULL only with no_signatures */
	struct strv fingerprints; /* if any: only these of the keyring's keys may have signed */
	bool no_signatures;       /* the administrator said --no-signatures */
	bool allow_expired;       /* Valid-Until in the past is said, not refused (archived releases) */
};
void repo_source_free(struct repo_source *s);
/* The URI that the host's own apt uses for Debian (sources.list and sources.list.d, both formats), for `security` the
 * one of the security archive; NULL when there is none. The caller frees. */
char *repo_host_mirror(bool security);

/* ---- the resolver (solve.c) --------------------------------------------------------------------------------------
 *
 * Metadata is fetched and verified in the calling process's cache, then parsed and solved inside a sandbox. */
struct repo_solution {
	struct repo_package *pkgs; /* in installation order: dependencies first, Pre-Depends closed */
	size_t n;
	struct strv urls_tried;
};
void repo_solution_free(struct repo_solution *s);
/* Brings every package of the solution into the cache (repo_fetch) and verifies the signature of those that must have
 * one. */
int repo_solution_fetch(const struct repo_solution *s, const struct report *r, struct err *e);
/* Resolves names (and, for Debian, all packages with Priority: required, which come with required = true together with
 * their Pre-Depends and Depends closure) against the sources, weak dependencies off, nothing installed. A name that no
 * source has is -ENOENT with the nearest; an unsolvable set is -ENOTUNIQ with libsolv's problems in words. */
int repo_resolve(const struct repo_source *src, size_t n_src, enum repo_format format, const struct strv *names,
		 const struct report *r, struct repo_solution *ret, struct err *e);

/* ---- planning against an installed database (plan.c) ------------------------------------------------------------- */
struct repo_change {
	char *name, *from, *to; /* from NULL: new; to NULL: removed */
	char *arch;
	const struct repo_package *package; /* the file that brings it (borrowed), NULL for a removal */
};
struct repo_plan {
	struct repo_change *changes; /* in the order of installation */
	size_t n;
	struct strv skipped;  /* "FILE: reason" of files that do not concern this vserver: other family, other
			       * architecture, same version installed already */
	struct strv problems; /* non-empty: nothing may be applied; each in words */
};
void repo_plan_free(struct repo_plan *p);
/* What installing `files` would do to a system whose package database was copied to the directory db (Debian: status;
 * rpm: the files of its database directory). Only files of `format` and of an architecture that `arch` can run are
 * used. Runs in a sandbox. Package files are taken from the cache by digest. */
int repo_plan_make(int db, enum repo_format format, const char *arch, const struct repo_package *files, size_t n,
		   struct repo_plan *ret, struct err *e);
