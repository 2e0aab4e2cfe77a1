/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Base addresses and the paths below them.
 */
#include "repo/internal.h"

#include <strings.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *url_local_path(const char *url)
{
	_cleanup_buf_ struct buf b = {0};

	if (url[0] == '/')
		return xstrdup(url);
	if (strncasecmp(url, "file:", 5) != 0)
		return NULL;
	url += 5;
	if (strncmp(url, "//localhost/", 12) == 0)
		url += 11;
	else if (strncmp(url, "///", 3) == 0)
		url += 2;
	if (url[0] != '/' || url[1] == '/')
		return NULL; /* relative, or of another host */
	for (; *url; url++) {
		int hi = url[0] == '%' ? hex_value(url[1]) : -1, lo = hi >= 0 ? hex_value(url[2]) : -1;
		char c = *url;

		if (lo >= 0 && (hi || lo)) {
			c = (char)(hi << 4 | lo);
			url += 2;
		}
		buf_add(&b, &c, 1);
	}
	return TAKE_PTR(b.p);
}

char *url_join(const char *base, const char *rel)
{
	/* What may stand in a path as it is (RFC 3986); '%' too would be read as an escape. */
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*,;=:@/";
	_cleanup_buf_ struct buf b = {0};
	size_t n = strlen(base);

	while (n > 1 && base[n - 1] == '/')
		n--;
	buf_add(&b, base, n);
	if (n == 0 || b.p[n - 1] != '/')
		buf_adds(&b, "/");
	for (; *rel; rel++) {
		if (base[0] == '/' || strchr(plain, *rel))
			buf_add(&b, rel, 1);
		else
			buf_addf(&b, "%%%02X", (unsigned char)*rel);
	}
	return TAKE_PTR(b.p);
}

bool url_path_ok(const char *rel)
{
	size_t n = strlen(rel);

	if (n == 0 || n > 1024 || rel[0] == '/' || rel[n - 1] == '/')
		return false;
	for (const char *p = rel; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	for (const char *p = rel; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == 0))
			return false;
	}
	return true;
}
