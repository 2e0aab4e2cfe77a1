/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Debian's control stanzas, cut down to what libsolv needs before it sees them: descriptions and tags are most of an
 * index, and the solver has no use for them. Also what keeps libsolv from taking a SHA-512 for the package's digest,
 * which our cache has no name for.
 */
#include "repo/internal.h"

#include <strings.h>

/* Copied with their continuation lines. */
static const char *const kept[] = {
	"Package", "Version",  "Architecture", "Depends",  "Pre-Depends",    "Provides", "Conflicts",
	"Breaks",  "Replaces", "Multi-Arch",   "Filename", "Installed-Size", "SHA256",   "Status",
};

static bool is_field(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	return len > n && line[n] == ':' && (line[0] | 0x20) == (name[0] | 0x20) && strncasecmp(line, name, n) == 0;
}

static const char *value_of(const char *line, size_t len, size_t *ret_len)
{
	const char *p = memchr(line, ':', len), *end = line + len;

	for (p = p ? p + 1 : end; p < end && (*p == ' ' || *p == '\t'); p++)
		;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	*ret_len = (size_t)(end - p);
	return p;
}

static bool value_is(const char *line, size_t len, const char *what)
{
	size_t n;
	const char *v = value_of(line, len, &n);

	return n == strlen(what) && strncasecmp(v, what, n) == 0;
}

struct stanza {
	size_t start; /* of it in the output */
	struct stanza_extra extra;
	bool foreign, any;
};

static void one_line(const char *line, size_t len, const char *arch, struct stanza *s, bool *keep, struct buf *out)
{
	*keep = false;
	for (size_t i = 0; i < ARRAY_LEN(kept) && !*keep; i++)
		*keep = is_field(line, len, kept[i]);
	if (*keep) {
		buf_add(out, line, len);
		buf_add(out, "\n", 1);
		s->any = true;
		if (arch && is_field(line, len, "Architecture"))
			s->foreign = !value_is(line, len, arch) && !value_is(line, len, "all");
	} else if (is_field(line, len, "Size")) {
		size_t n;
		const char *v = value_of(line, len, &n);

		for (; n > 0 && *v >= '0' && *v <= '9' && s->extra.size < UINT64_MAX / 20; n--, v++)
			s->extra.size = s->extra.size * 10 + (uint64_t)(*v - '0');
	} else if (is_field(line, len, "Essential")) {
		s->extra.essential = value_is(line, len, "yes");
	} else if (is_field(line, len, "Priority")) {
		s->extra.required = value_is(line, len, "required");
	}
}

static void end_stanza(struct stanza *s, struct buf *out)
{
	if (s->foreign || !s->any)
		out->len = s->start;
	else
		buf_addf(out, "Homepage: %llu %d %d\n\n", (unsigned long long)s->extra.size, s->extra.essential,
			 s->extra.required);
	*s = (struct stanza){.start = out->len};
}

void stanza_filter(const char *text, size_t len, const char *arch, struct buf *out)
{
	const char *p = text, *end = text + len;
	struct stanza s = {.start = out->len};
	bool keep = false;

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((eol ? eol : end) - p);

		if (n == 0 || (n == 1 && *p == '\r')) {
			end_stanza(&s, out);
			keep = false;
		} else if (memchr(p, 0, n)) {
			keep = false; /* no text: not for a parser of strings */
		} else if (*p != ' ' && *p != '\t') {
			one_line(p, n, arch, &s, &keep, out);
		} else if (keep) {
			buf_add(out, p, n);
			buf_add(out, "\n", 1);
		}
		p = eol ? eol + 1 : end;
	}
	end_stanza(&s, out);
	if (out->p)
		out->p[out->len] = 0;
}

struct stanza_extra stanza_extra(const char *s)
{
	struct stanza_extra x = {0};
	unsigned long long size;
	int essential, required;

	if (s && sscanf(s, "%llu %d %d", &size, &essential, &required) == 3)
		x = (struct stanza_extra){.size = size, .essential = essential, .required = required};
	return x;
}

char *stanza_field(const char *text, size_t len, const char *field)
{
	const char *p = text, *end = text + len;

	while (p < end && *p != '\n') {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((eol ? eol : end) - p), vn;

		if (is_field(p, n, field)) {
			const char *v = value_of(p, n, &vn);

			return xstrndup(v, vn);
		}
		p = eol ? eol + 1 : end;
	}
	return NULL;
}
