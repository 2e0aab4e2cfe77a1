/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a sandboxed parser hands its results back: lengths and bytes. The reading half believes nothing: whoever broke
 * the parser writes this stream.
 */
#include "repo/internal.h"

#define LIST_MAX 4000000u

void wire_u64(struct buf *b, uint64_t v)
{
	buf_add(b, &v, sizeof(v));
}

void wire_bytes(struct buf *b, const void *p, size_t n)
{
	buf_add(b, p, n);
}

void wire_str(struct buf *b, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	wire_u64(b, n);
	buf_add(b, s ? s : "", n);
}

void wire_strv(struct buf *b, const struct strv *l)
{
	wire_u64(b, l->n);
	for (size_t i = 0; i < l->n; i++)
		wire_str(b, l->v[i]);
}

void wire_package(struct buf *b, const struct repo_package *p)
{
	wire_u64(b, p->format);
	wire_str(b, p->name);
	wire_str(b, p->evr);
	wire_str(b, p->arch);
	wire_str(b, p->file);
	wire_str(b, p->url);
	wire_str(b, p->warning);
	wire_u64(b, p->size);
	wire_u64(b, p->installed);
	wire_bytes(b, p->sha256, DIGEST_LEN);
	wire_u64(b, (p->has_digest ? 1u : 0) | (p->essential ? 2u : 0) | (p->required ? 4u : 0));
	wire_strv(b, &p->files);
	wire_strv(b, &p->conffiles);
}

void wire_get_bytes(struct wire *w, void *p, size_t n)
{
	if (w->bad || (size_t)(w->end - w->p) < n) {
		w->bad = true;
		memset(p, 0, n);
		return;
	}
	memcpy(p, w->p, n);
	w->p += n;
}

uint64_t wire_get_u64(struct wire *w)
{
	uint64_t v;

	wire_get_bytes(w, &v, sizeof(v));
	return v;
}

char *wire_get_str(struct wire *w)
{
	uint64_t n = wire_get_u64(w);
	char *s;

	if (w->bad || n > (uint64_t)(w->end - w->p) || memchr(w->p, 0, n)) {
		w->bad = true;
		return xstrdup("");
	}
	s = xstrndup(w->p, n);
	w->p += n;
	return s;
}

void wire_get_strv(struct wire *w, struct strv *l)
{
	uint64_t n = wire_get_u64(w);

	if (n > LIST_MAX)
		w->bad = true;
	for (uint64_t i = 0; i < n && !w->bad; i++)
		strv_take(l, wire_get_str(w));
}

void wire_get_package(struct wire *w, struct repo_package *p)
{
	uint64_t format = wire_get_u64(w), flags;

	w->bad |= format != REPO_DEB && format != REPO_RPM;
	p->format = format == REPO_RPM ? REPO_RPM : REPO_DEB;
	p->name = wire_get_str(w);
	p->evr = wire_get_str(w);
	p->arch = wire_get_str(w);
	p->file = wire_get_str(w);
	p->url = wire_get_str(w);
	p->warning = wire_get_str(w);
	if (!*p->warning) {
		free(p->warning);
		p->warning = NULL;
	}
	p->size = wire_get_u64(w);
	p->installed = wire_get_u64(w);
	wire_get_bytes(w, p->sha256, DIGEST_LEN);
	flags = wire_get_u64(w);
	p->has_digest = flags & 1;
	p->essential = flags & 2;
	p->required = flags & 4;
	wire_get_strv(w, &p->files);
	wire_get_strv(w, &p->conffiles);
}

int wire_send(int fd, const struct buf *b, struct err *e)
{
	for (size_t at = 0; at < b->len;) {
		ssize_t n = write(fd, b->p + at, b->len - at);

		if (n < 0 && errno != EINTR)
			return err_sys(e, "pipe");
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}
