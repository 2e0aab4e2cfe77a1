/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Debian's package lists, Release files and the clear-signed message around them, as far as our own code reads them.
 */
#include "repo/internal.h"

static void release(const char *text, size_t size)
{
	struct strv wanted = {0};
	struct release r = {0};
	struct err e = {0};

	strv_add(&wanted, "main/binary-amd64/Packages.xz");
	if (release_parse(text, size, &wanted, &r, &e) == 0) {
		for (size_t i = 0; i < r.n; i++)
			if (!strv_has(&wanted, r.files[i].path))
				abort();
		release_free(&r);
	} else if (!e.msg || strchr(e.msg, '\n')) {
		abort();
	}
	err_clear(&e);
	strv_free(&wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as long as the input, and without a zero behind it that could hide a read too far. */
	char *text = xmalloc(size);
	struct buf out = {0}, sig = {0};

	if (size)
		memcpy(text, data, size);
	stanza_filter(text, size, "amd64", &out);
	buf_free(&out);
	release(text, size);
	if (clearsign_split(text, size, &out, &sig) == 0)
		release(out.p ? out.p : "", out.len);
	buf_free(&out);
	buf_free(&sig);
	free(text);
	return 0;
}
