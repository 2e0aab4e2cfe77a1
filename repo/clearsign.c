/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The frame of a clear-signed message (RFC 4880, 7): which bytes are signed, and by what. For verifiers that take text
 * and signature apart (sqv), and for reading an index whose signature the administrator said not to verify.
 */
#include "repo/internal.h"

#define BEGIN_MESSAGE "-----BEGIN PGP SIGNED MESSAGE-----"
#define BEGIN_SIGNATURE "-----BEGIN PGP SIGNATURE-----"
#define END_SIGNATURE "-----END PGP SIGNATURE-----"

/* The line at *p without its end, which *p is moved behind; false at the end of the text. */
static bool next_line(const char **p, const char *end, const char **ret, size_t *ret_len)
{
	const char *eol;

	if (*p >= end)
		return false;
	eol = memchr(*p, '\n', (size_t)(end - *p));
	*ret = *p;
	*ret_len = (size_t)((eol ? eol : end) - *p);
	*p = eol ? eol + 1 : end;
	while (*ret_len > 0 && strchr(" \t\r", (*ret)[*ret_len - 1]) && (*ret)[*ret_len - 1])
		(*ret_len)--;
	return true;
}

static bool is(const char *line, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(line, what, len) == 0;
}

int clearsign_split(const char *p, size_t n, struct buf *ret_text, struct buf *ret_sig)
{
	_cleanup_buf_ struct buf text = {0}, sig = {0};
	const char *end = p + n, *line;
	bool first = true;
	size_t len;

	/* Only at the very start: what stands before would look as if it were signed too. */
	if (!next_line(&p, end, &line, &len) || !is(line, len, BEGIN_MESSAGE))
		return -EBADMSG;
	do {
		if (!next_line(&p, end, &line, &len))
			return -EBADMSG;
	} while (len > 0);
	for (;;) {
		if (!next_line(&p, end, &line, &len))
			return -EBADMSG;
		if (is(line, len, BEGIN_SIGNATURE))
			break;
		if (len > 0 && line[0] == '-') {
			if (len < 2 || line[1] != ' ')
				return -EBADMSG;
			line += 2;
			len -= 2;
		}
		if (!first)
			buf_adds(&text, "\n"); /* the last line end is not signed */
		buf_add(&text, line, len);
		first = false;
	}
	do {
		buf_add(&sig, line, len);
		buf_adds(&sig, "\n");
		if (is(line, len, END_SIGNATURE))
			break;
	} while (next_line(&p, end, &line, &len));
	if (!is(line, len, END_SIGNATURE))
		return -EBADMSG;
	buf_add(&text, "", 0);
	*ret_text = text;
	*ret_sig = sig;
	text = sig = (struct buf){0};
	return 0;
}
