/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A distribution definition becomes a tree: resolve, fetch, verify, build in /vservers/.new-NAME, rename at the end.
 */
#pragma once

#include "repo/repo.h"
#include "vserver/vserver.h"

/* ---- definitions (definition.c): distros/NAME-VERSION.conf ------------------------------------------------------- */
struct boot_distro {
	char *name;          /* "debian/12" */
	struct strv aliases; /* "debian/bookworm", "bookworm" */
	enum vs_family family;
	char *arch, *init, *end_of_life;
	struct repo_source *repos;
	bool *repo_security;    /* parallel to repos: security = yes */
	bool *repo_host_mirror; /* parallel to repos: the mirror that the host's own apt uses comes first */
	size_t n_repos;
	struct strv minimal;  /* package names of the variant minimal */
	struct strv standard; /* those that the variant standard adds */
	struct strv quirks;   /* words of [quirks] that are "yes", e.g. "merged-usr" */
	bool tested;          /* somebody has run this definition against its real repositories */
};
void boot_distro_free(struct boot_distro *d);
/* Parses one definition (the format: distros/README.md); every error is "FILE:LINE: what, remedy". Unknown sections and
 * keys are errors. Key files are named as they stand in the definition. */
int boot_distro_parse(const char *text, size_t len, const char *file, struct boot_distro *ret, struct err *e);
/* Finds "debian/12", an alias or a file's path, and makes it ready for use: keyrings become paths, the host's mirror is
 * put first where the definition says so. -ENOENT suggests the nearest name. */
int boot_distro_find(const char *name, struct boot_distro *ret, struct err *e);
/* All names, sorted. */
int boot_distro_list(struct strv *ret, struct err *e);

/* An address as IPROOT has it, `[DEV:]ADDR[/LEN]`: 0 and the bare address (caller frees), or -EINVAL. */
int boot_address(const char *word, char **ret, struct err *e);

struct boot_options {
	const char *name; /* of the new vserver */
	const struct boot_distro *distro;
	bool standard;              /* variant: standard instead of minimal */
	const struct strv *include; /* further packages */
	const char *hostname;       /* NULL: name */
	const struct strv *ip;      /* IPROOT words, may be empty */
	const struct report *report;
};
/* Makes /vservers/NAME and its configuration, configured, with its identity (machine-id, host name, hosts,
 * resolv.conf, sources), nothing of it running. On failure, interrupt or kill -9 nothing stands under the final name;
 * what a dead run left as .new-NAME is removed by the next. Tool output goes to /var/log/vpkg/bootstrap-NAME.log; its
 * last lines are part of the error. */
int boot_create(const struct boot_options *o, struct err *e);
