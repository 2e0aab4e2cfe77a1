/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Words and numbers as people type and read them: suggestions for a mistyped name, guest output made harmless, sizes.
 */
#include "lib/lib.h"

#include <fnmatch.h>

#define NEAREST_MAX 64 /* longer words are not typing errors of anything we know */

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b. */
static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t rows[3][NEAREST_MAX + 1], *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= lb; j++)
		last[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t d = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < d)
				d = last[j] + 1;
			if (now[j - 1] + 1 < d)
				d = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < d)
				d = before[j - 2] + 1;
			now[j] = d;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[lb];
}

const char *text_nearest(const char *typed, const char *const *words, size_t n)
{
	size_t len = strlen(typed), best = len / 3 + 1;
	const char *found = NULL;

	if (len == 0 || len > NEAREST_MAX)
		return NULL;
	if (best >= len) /* replacing every letter is no likeness */
		best = len - 1;
	for (size_t i = 0; i < n; i++) {
		size_t d;

		if (!words[i] || strlen(words[i]) > NEAREST_MAX)
			continue;
		d = distance(typed, words[i]);
		if (d < best || (d == best && !found && d > 0) || d == 0) {
			best = d;
			found = words[i];
		}
	}
	return found;
}

/* Bytes of the well-formed UTF-8 character at s that may be shown as it is; 0 when it must be escaped. */
static size_t showable(const unsigned char *s, size_t n)
{
	size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 4;
	uint32_t c = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));

	if ((s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000) || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	/* Controls of both sets, and those that turn the direction of writing and so can disguise a line. */
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return 0;
	if (c == 0x61c || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return 0;
	return len;
}

char *text_escape(const char *s, size_t n)
{
	struct buf b = {0};

	buf_add(&b, "", 0);
	for (size_t i = 0; i < n;) {
		size_t len = showable((const unsigned char *)s + i, n - i);

		if (len)
			buf_add(&b, s + i, len);
		else
			buf_addf(&b, "\\x%02x", (unsigned char)s[i]);
		i += len ? len : 1;
	}
	return b.p;
}

char *text_unknown(const char *what, const char *typed, const char *const *words, size_t n, const char *prog)
{
	const char *near = text_nearest(typed, words, n);
	_cleanup_free_ char *shown = text_escape(typed, strlen(typed));
	_cleanup_buf_ struct buf all = {0};

	if (near)
		return xasprintf("unknown %s %s; did you mean %s?", what, shown, near);
	for (size_t i = 0; i < n; i++)
		buf_addf(&all, "%s%s", i ? ", " : "", words[i]);
	return xasprintf("unknown %s %s; there are %s (%s --help)", what, shown, all.p ? all.p : "none", prog);
}

char *text_bytes(char *buf, uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(buf, 16, "%u B", (unsigned)bytes);
		return buf;
	}
	/* 1023.95 would be printed as 1024.0 of the smaller unit. */
	for (; v >= 1023.95 && i + 1 < ARRAY_LEN(units); i++)
		v /= 1024;
	snprintf(buf, 16, "%.1f %s", v, units[i]);
	return buf;
}

int text_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -EINVAL;
	}
	if (v < min || v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

void text_hex(char *out, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = 0;
}

bool text_match(const char *pattern, const char *name)
{
	return fnmatch(pattern, name, 0) == 0;
}
