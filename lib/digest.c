/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SHA-256 by OpenSSL, which uses the CPU's own instructions for it.
 */
#include "lib/lib.h"

#include <openssl/evp.h>

#define CHUNK (128 * 1024)

/* A name for what is an EVP_MD_CTX all the way, so that OpenSSL's headers stay out of lib.h. */
struct digest;

static EVP_MD_CTX *context(struct digest *d)
{
	return (EVP_MD_CTX *)(void *)d;
}

struct digest *digest_new(void)
{
	/* Fetched once: looking the algorithm up costs more than hashing a small file. */
	static EVP_MD *sha256;
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	if (!sha256)
		sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	/* Fails only without memory, or where OpenSSL was built or configured to have no SHA-256 at all. */
	if (!c || !sha256 || EVP_DigestInit_ex2(c, sha256, NULL) != 1)
		abort();
	return (struct digest *)(void *)c;
}

void digest_update(struct digest *d, const void *p, size_t n)
{
	if (EVP_DigestUpdate(context(d), p, n) != 1)
		abort();
}

void digest_final(struct digest *d, uint8_t out[DIGEST_LEN])
{
	if (EVP_DigestFinal_ex(context(d), out, NULL) != 1)
		abort();
	digest_free(d);
}

void digest_free(struct digest *d)
{
	EVP_MD_CTX_free(context(d));
}

int digest_fd(int fd, uint8_t out[DIGEST_LEN])
{
	_cleanup_free_ char *chunk = xmalloc(CHUNK);
	struct digest *d = digest_new();
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, chunk, CHUNK, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int r = -errno;

			digest_free(d);
			return r;
		}
		digest_update(d, chunk, (size_t)n);
		at += n;
	}
	digest_final(d, out);
	return 0;
}
