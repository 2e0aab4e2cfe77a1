/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of the Debian builder share: a .deb that is being read, and what a package has to say to dpkg's
 * database.
 */
#pragma once

#include "bootstrap/internal.h"

#include <archive.h>
#include <archive_entry.h>

/* ---- reading a .deb (deb.c) -------------------------------------------------------------------------------------- */
struct deb {
	const char *label;     /* for messages */
	struct archive *outer; /* the ar archive */
	struct archive *tar;   /* the member that deb_member opened */
};
/* Begins to read the package at fd's position; borrows fd and label until deb_close. */
int deb_open(struct deb *d, int fd, const char *label, struct err *e);
/* Goes on to the member "PREFIX…" ("control.tar", "data.tar": in this order) and opens it as d->tar. */
int deb_member(struct deb *d, const char *prefix, struct err *e);
/* -EBADMSG with what libarchive says of d->tar. */
int deb_bad(const struct deb *d, struct err *e);
/* The rest of the current entry of d->tar, at most max bytes. */
int deb_entry_read(struct deb *d, size_t max, struct buf *ret, struct err *e);
void deb_close(struct deb *d);

/* The members of the control archive. */
struct deb_control {
	struct buf text; /* the file "control" */
	struct deb_file {
		char *name;
		mode_t mode;
		int64_t mtime;
		struct buf data;
	} * files; /* all but "control" */
	size_t n_files;
	char *package, *arch;
	bool same;             /* Multi-Arch: same */
	struct strv conffiles; /* absolute paths */
};
/* Reads the control archive of a package that was just opened. */
int deb_control_read(struct deb *d, struct deb_control *ret, struct err *e);
void deb_control_free(struct deb_control *c);
/* A field of a control text, unfolded; NULL when it has none. The caller frees. */
char *deb_field(const struct buf *control, const char *name);

/* ---- unpacking (debian_unpack.c) --------------------------------------------------------------------------------- */
/* Extracts the data archive of an opened package below the caller's root directory ("/": the caller has chrooted). A
 * file in conffiles is NAME.dpkg-new as well. Appends dpkg's file list to `list`. */
int debian_unpack(struct deb *d, const struct strv *conffiles, struct buf *list, struct err *e);
/* Writes a whole new file below the caller's root. */
int debian_put(const char *path, const void *data, size_t len, mode_t mode, int64_t mtime, struct err *e);

/* ---- dpkg's database (debian_register.c) ------------------------------------------------------------------------- */
/* What a package adds to the files that all packages share. */
struct debian_entry {
	struct buf status;         /* its paragraph in status */
	struct strv file_triggers; /* lines of triggers/File */
	struct strv triggers;      /* "NAME LINE": a line of triggers/NAME */
};
void debian_entry_free(struct debian_entry *n);
/* Writes info/PACKAGE.* below the caller's root and fills the entry: the package is then `install ok unpacked`. */
int debian_register(const struct deb_control *c, const struct buf *list, struct debian_entry *ret, struct err *e);
/* The entry as bytes (to carry it from the process that unpacked), and back. */
void debian_entry_pack(const struct debian_entry *n, struct buf *ret);
int debian_entry_unpack(const char *bytes, size_t len, struct debian_entry *ret, struct err *e);
/* The directories and links that must stand before anything is unpacked. */
int debian_skeleton(int tree, bool merged_usr, const char *arch, struct err *e);
/* Writes status, triggers/File, the named triggers and the empty tables. */
int debian_database(int tree, const struct debian_entry *entries, size_t n, struct err *e);
