/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A source's indexes, whatever its type: from the first of its addresses that answers. Only what cannot be reached is
 * passed over; a mirror that answers with something wrong is an error to be told, not one to be hidden by the next
 * mirror.
 */
#include "repo/internal.h"

void repo_source_free(struct repo_source *s)
{
	free(s->name);
	strv_free(&s->urls);
	free(s->suite);
	strv_free(&s->components);
	free(s->arch);
	free(s->keyring);
	strv_free(&s->fingerprints);
	*s = (struct repo_source){0};
}

void indexes_free(struct repo_indexes *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].base);
		free(l->v[i].file);
		close_fd(l->v[i].fd);
	}
	free(l->v);
	strv_free(&l->tried);
	*l = (struct repo_indexes){0};
}

void indexes_add(struct repo_indexes *l, const struct repo_source *src, const char *base, const char *file,
		 bool must_sign, int fd)
{
	const char *slash = strrchr(file, '/');

	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = (struct repo_index){.src = src,
					   .base = xstrdup(base),
					   .file = xstrdup(slash ? slash + 1 : file),
					   .must_sign = must_sign,
					   .fd = fd};
}

static int fetch_source(const struct repo_source *s, const struct report *r, struct repo_indexes *l, struct err *e)
{
	struct err mine = {0};
	int status = 0;

	if (s->urls.n == 0)
		return err_set(e, -EINVAL, "repository %s has no address", s->name);
	if (!s->keyring && !s->no_signatures)
		return err_set(e, -EINVAL,
			       "repository %s has no keyring to verify its signature with: give one (--key), or "
			       "--no-signatures",
			       s->name);
	for (size_t i = 0; i < s->urls.n; i++) {
		if (!strv_has(&l->tried, s->urls.v[i]))
			strv_add(&l->tried, s->urls.v[i]);
		err_clear(&mine);
		status = (s->type == REPO_TYPE_DEB ? deb_indexes : rpmmd_indexes)(s, s->urls.v[i], r, l, &mine);
		if (status != -EHOSTUNREACH && status != -ENOENT)
			break;
		if (i + 1 < s->urls.n)
			report_note(r, "%s; trying %s", mine.msg, s->urls.v[i + 1]);
	}
	if (status < 0)
		err_set(e, status, "repository %s: %s", s->name, mine.msg);
	err_clear(&mine);
	return status < 0 ? status : 0;
}

int indexes_fetch(const struct repo_source *src, size_t n, const struct report *r, struct repo_indexes *l,
		  struct err *e)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < n; i++)
		status = fetch_source(&src[i], r, l, e);
	return status;
}
