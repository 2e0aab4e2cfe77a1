/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Debian repositories to resolve against: suite stable, amd64.
 */
#pragma once

#include "tests/unit/sysroot.h"

#include "repo/repo.h"

/* keyring: below the sysroot, or NULL for an archive without signatures. */
static inline struct repo_source deb_source(const char *url, const char *keyring)
{
	struct repo_source s = {.name = xstrdup("test"),
				.type = REPO_TYPE_DEB,
				.suite = xstrdup("stable"),
				.arch = xstrdup("amd64"),
				.keyring = keyring ? place("/%s", keyring) : NULL,
				.no_signatures = !keyring};

	strv_add(&s.urls, url);
	return s;
}

/* names: separated by spaces; ret may be NULL. */
static inline int deb_resolve(const struct repo_source *s, size_t n, const char *names, struct repo_solution *ret,
			      struct err *e)
{
	_cleanup_(repo_solution_free) struct repo_solution mine = {0};
	_cleanup_strv_ struct strv l = {0};

	strv_split(&l, names, " ");
	return repo_resolve(s, n, REPO_DEB, &l, NULL, ret ? ret : &mine, e);
}
