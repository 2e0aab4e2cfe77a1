/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Key files come armored (RPM-GPG-KEY-*, *.asc) or binary (*.gpg, *.pgp); gpgv reads only the latter, and nobody's uid
 * may not reach them. So every key file is read once and handed on as a binary file in memory.
 */
#include "repo/internal.h"

#include <sys/mman.h>

#define KEYS_MAX (16u << 20)
#define BEGIN_KEY "-----BEGIN PGP PUBLIC KEY BLOCK-----"
#define END_KEY "-----END PGP PUBLIC KEY BLOCK-----"

static int base64_value(char c)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(set, c) : NULL;

	return at ? (int)(at - set) : -1;
}

/* One line of base64; bits that are left over wait in *acc. */
static void add_base64(const char *p, const char *end, unsigned *acc, unsigned *bits, struct buf *out)
{
	for (; p < end; p++) {
		int v = base64_value(*p);

		if (v < 0)
			continue;
		*acc = (*acc << 6 | (unsigned)v) & 0xffffff;
		*bits += 6;
		if (*bits >= 8) {
			char byte = (char)(*acc >> (*bits - 8));

			*bits -= 8;
			buf_add(out, &byte, 1);
		}
	}
}

/* All armored blocks of a text; their checksums are left to the digests and signatures over what they hold. */
static int dearmor(const char *text, struct buf *out)
{
	const char *p = strstr(text, BEGIN_KEY);
	int blocks = 0;

	for (; p; p = strstr(p, BEGIN_KEY)) {
		const char *end = strstr(p, END_KEY);
		unsigned acc = 0, bits = 0;
		bool headers = true;

		if (!end)
			return -EBADMSG;
		p = strchr(p, '\n');
		while (p && ++p < end) {
			const char *eol = memchr(p, '\n', (size_t)(end - p));
			size_t len = eol ? (size_t)(eol - p) : (size_t)(end - p);

			if (headers && !memchr(p, ':', len))
				headers = false;
			if (!headers && *p != '=') /* "=XXXX" is the checksum */
				add_base64(p, p + len, &acc, &bits, out);
			p = eol;
		}
		p = end;
		blocks++;
	}
	return blocks ? 0 : -EBADMSG;
}

int keyring_read(const char *path, struct buf *ret, struct err *e)
{
	_cleanup_close_ int in = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_buf_ struct buf text = {0};
	char chunk[65536];
	ssize_t n;

	if (in < 0)
		return err_sys(e, "keyring %s", path);
	while ((n = read(in, chunk, sizeof(chunk))) > 0) {
		buf_add(&text, chunk, (size_t)n);
		if (text.len > KEYS_MAX)
			return err_set(e, -EFBIG, "keyring %s is larger than %u bytes", path, KEYS_MAX);
	}
	if (n < 0)
		return err_sys(e, "keyring %s", path);
	if (text.len == 0)
		return err_set(e, -EBADMSG, "keyring %s is empty", path);
	if (strlen(text.p) == text.len && strstr(text.p, BEGIN_KEY)) {
		if (dearmor(text.p, ret) < 0 || ret->len == 0)
			return err_set(e, -EBADMSG, "keyring %s: its armored key block has no end", path);
		return 0;
	}
	if (!(text.p[0] & 0x80))
		return err_set(e, -EBADMSG, "keyring %s holds no OpenPGP keys", path);
	buf_add(ret, text.p, text.len);
	return 0;
}

int keyring_open(const char *path, struct err *e)
{
	_cleanup_close_ int out = memfd_create("keyring", MFD_CLOEXEC);
	_cleanup_buf_ struct buf keys = {0};
	int r = keyring_read(path, &keys, e);
	ssize_t n;

	if (r < 0)
		return r;
	if (out < 0)
		return err_sys(e, "keyring %s", path);
	for (size_t at = 0; at < keys.len; at += (size_t)n) {
		n = write(out, keys.p + at, keys.len - at);
		if (n < 0)
			return err_sys(e, "keyring %s", path);
	}
	lseek(out, 0, SEEK_SET);
	return TAKE_FD(out);
}
