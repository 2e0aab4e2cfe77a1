/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a vserver is: a name, a configuration, a tree, a lock, and the context that a command in it runs in.
 */
#pragma once

#include "kernel/kernel.h"

enum vs_family { VS_UNKNOWN, VS_DEBIAN, VS_REDHAT, VS_MANDRAKE };

#define VS_PRIORITY 100

/* /etc/vservers/NAME.conf, parsed (config.c); {0} is a new one with all defaults. Keys that this version does not act
 * on are kept and written back. */
struct vs_config {
	char *hostname;    /* S_HOSTNAME; NULL = the vserver's name */
	char *description; /* "# Description: …" */
	uint32_t uid_base; /* UIDMAP="BASE"; 0 = none given yet */
	unsigned priority; /* PRIORITY, 1 and up; 0 = none given, which counts as VS_PRIORITY */
	bool no_vpkg;      /* VPKG=no: ALL leaves it out */
	struct strv ip;    /* IPROOT */
	struct strv other; /* "KEY=value" of every other key, in order */
};

struct vserver {
	char *name;
	struct vs_config conf;
	int tree; /* O_PATH|O_DIRECTORY of its root, opened below the guarded /vservers; -1 if it has none */
	int lock; /* the held lock, or -1 */
	int use;  /* the mark of vs_use, or -1 */
	enum vs_family family; /* as its tree says */
	char *distro; /* "debian/12": ID and VERSION_ID of its os-release, of harmless characters; a label only */
	char *arch;   /* dpkg's or rpm's name of its architecture: "amd64", "x86_64", NULL unknown */
};

/* ---- the vservers of a host (host.c, name.c)
 * ----------------------------------------------------------------------------- */
/* Opens /vservers (made 0700; bound over itself nosuid,nodev in the caller's mount namespace, once) and returns its fd.
 * All host access to trees starts here, so that link and rename between them stay on one mount. */
int vs_home(struct err *e);
/* /vservers/.undo, /vservers/.unify and the like: a host-only directory (0700) beside the trees. name begins with a dot
 * and may contain '/'. */
int vs_home_dir(const char *name, struct err *e);
/* 0 if name can be a vserver's: letters, digits, '.', '_', '-', at most 64, first one alphanumeric, not a verb's name
 * of vpkg or vserver, not ALL. -EINVAL with the rule that it breaks. */
int vs_name_check(const char *name, struct err *e);
/* Names of all vservers (a directory in /vservers and a NAME.conf), by PRIORITY, then name. */
int vs_list(struct strv *ret, struct err *e);

/* ---- one vserver (vserver.c, config.c, family.c) ----------------------------------------------------------------- */
/* Opens an existing vserver: reads its configuration, opens its tree, detects its family. -ENOENT suggests the nearest
 * name. */
int vs_open(const char *name, struct vserver **ret, struct err *e);
void vs_free(struct vserver *v); /* closes, unlocks, frees; NULL is fine */
static inline void cleanup_vs(struct vserver **v)
{
	vs_free(*v);
}
#define _cleanup_vs_ _cleanup_(cleanup_vs)
/* Takes the vserver's exclusive lock (/run/vservers/NAME/lock); waits up to `wait` seconds. -EBUSY names the holder
 * (command and pid). Held until vs_free, or until the process and its children are gone. */
int vs_lock(struct vserver *v, unsigned wait, struct err *e);
/* The same by name, for a vserver that does not exist yet. Returns the lock's fd. */
int vs_lock_name(const char *name, unsigned wait, struct err *e);
/* "COMMAND (pid N)" of who holds that lock, or NULL when nobody does. The caller frees. */
char *vs_lock_holder(const char *name);
/* Marks that this process runs a context of the vserver, until vs_unuse, vs_free or its end: `status` tells it, and
 * vs_delete refuses meanwhile. Needs no lock, and waits for none. */
int vs_use(struct vserver *v, struct err *e);
void vs_unuse(struct vserver *v);
/* "COMMAND (pid N)" of each process that has marked so. */
int vs_users(const char *name, struct strv *ret, struct err *e);
/* (Re)detects family, distro and arch from a tree. */
int vs_detect(int tree, enum vs_family *ret, char **ret_distro, char **ret_arch);
/* "debian", "redhat", "mandrake", "unknown", and back (VS_UNKNOWN when it is none). */
const char *vs_family_name(enum vs_family f);
enum vs_family vs_family_parse(const char *s);
/* The context that a command in this vserver runs in; borrows from v. Call vs_uids first. */
struct ctx_spec vs_context(const struct vserver *v, unsigned flags);

int vs_config_load(const char *name, struct vs_config *ret, struct err *e);
/* Writes /etc/vservers/NAME.conf (atomically, 0644). */
int vs_config_save(const char *name, const struct vs_config *c, struct err *e);
void vs_config_free(struct vs_config *c);
/* A free range of CTX_IDS ids: none of another vserver's configuration, none of the host's /etc/subuid. Call with the
 * lock of vs_alloc_lock held until the configuration is saved. */
int vs_alloc_lock(struct err *e);
int vs_alloc_uids(uint32_t *ret, struct err *e);
/* Gives the vserver a range and writes it to its configuration if that names none (one made by hand, or by 2001's
 * tools). */
int vs_uids(struct vserver *v, struct err *e);

/* ---- selecting (select.c) ---------------------------------------------------------------------------------------- */
/* DESIGN's selectors: NAME, shell patterns, ALL, @FAMILY, @DISTRO[/VERSION], !NAME. Opens what they name, each once, in
 * PRIORITY order. A NAME that does not exist or a selector that selects nothing is -ENOENT with the nearest name; an
 * unknown @WORD is -EINVAL. ret is NULL-terminated; free with vs_free_all. */
int vs_select(const char *const *selectors, size_t n, struct vserver ***ret, size_t *ret_n, struct err *e);
void vs_free_all(struct vserver **v); /* also frees the array */

/* ---- deleting (delete.c) ----------------------------------------------------------------------------------------- */
/* Removes tree, pre-images, journal, run directory and configuration. The caller holds the lock. Sealed files lose just
 * this name. -EBUSY names the commands that run in it; -ENOTEMPTY what is mounted in it. */
int vs_delete(struct vserver *v, struct err *e);
