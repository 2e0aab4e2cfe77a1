/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The new tree's /etc/apt/sources.list: the repositories of its definition, at the mirrors that answered while it was
 * built, so that apt works inside as it did outside.
 */
#include "bootstrap/internal.h"

#define KEYRING_MAX (1u << 20)

/* The base URL that packages of this source came from; the first one when it had none that were needed. */
static const char *source_url(const struct boot_build *b, const struct repo_source *s)
{
	for (size_t u = 0; u < s->urls.n; u++) {
		size_t n = strlen(s->urls.v[u]);
		while (n && s->urls.v[u][n - 1] == '/')
			n--;
		for (size_t i = 0; i < b->solution.n; i++) {
			const char *url = b->solution.pkgs[i].url;
			if (url && strncmp(url, s->urls.v[u], n) == 0 && url[n] == '/')
				return s->urls.v[u];
		}
	}
	return s->urls.v[0];
}

/* A repository of no definition is signed by a key that no package of the tree brings: it goes along. */
static int bring_key(struct boot_build *b, const struct repo_source *s, char **ret_option, struct err *e)
{
	_cleanup_close_ int fd = open(s->keyring, O_RDONLY | O_CLOEXEC);
	_cleanup_buf_ struct buf key = {0};
	char chunk[8192];
	if (fd < 0)
		return err_sys(e, "%s", s->keyring);
	for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0 && key.len < KEYRING_MAX;)
		buf_add(&key, chunk, (size_t)n);
	/* apt tells an armored key from a binary one by its name. */
	bool armored = key.len > 10 && memcmp(key.p, "-----BEGIN", 10) == 0;
	_cleanup_free_ char *path = xasprintf("/etc/apt/keyrings/vpkg-%s.%s", s->name, armored ? "asc" : "gpg");
	int r = path_mkdirs(b->tree, "/etc/apt/keyrings", 0755, e);
	if (r == 0)
		r = path_write(b->tree, path, key.p ? key.p : "", key.len, 0644, e);
	if (r == 0)
		*ret_option = xasprintf("[signed-by=%s] ", path);
	return r;
}

int boot_sources(struct boot_build *b, struct err *e)
{
	const struct boot_distro *d = b->o->distro;
	_cleanup_buf_ struct buf text = {0};
	struct stat st;
	if (path_stat(b->tree, "/etc/apt", &st) < 0)
		return 0; /* a tree without apt */
	buf_adds(&text, "# Written by vpkg bootstrap: where this vserver's packages came from.\n");
	for (size_t i = 0; i < d->n_repos; i++) {
		const struct repo_source *s = &d->repos[i];
		const char *url = source_url(b, s);
		_cleanup_free_ char *option = NULL;
		if (strncmp(url, "http", 4) != 0) {
			buf_addf(&text, "# %s: a directory of the host, which is not visible in here.\n", s->name);
			continue;
		}
		if (s->no_signatures)
			option = xstrdup("[trusted=yes] ");
		else if (!d->name) {
			int r = bring_key(b, s, &option, e);
			if (r < 0)
				return r;
		}
		buf_addf(&text, "deb %s%s %s", option ? option : "", url, s->suite);
		for (size_t c = 0; c < s->components.n; c++)
			buf_addf(&text, " %s", s->components.v[c]);
		buf_adds(&text, "\n");
	}
	return path_write(b->tree, "/etc/apt/sources.list", text.p, text.len, 0644, e);
}
