/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What stands around a signature: Release fields and dates, a verifier's report, and what a sandboxed parser that was
 * broken might send back.
 */
#include "repo/internal.h"

static void judged(const char *text)
{
	struct strv prints = {0};
	struct verify_policy p = {.keyring = "keyring", .fingerprints = &prints};
	struct err e = {0};

	if (verify_judge(text, &p, "label", &e) == 0 && !strstr(text, "GOODSIG"))
		abort();
	err_clear(&e);
	strv_free(&prints);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire w = {.p = (const char *)data, .end = (const char *)data + size};
	char *text = xstrndup((const char *)data, size);
	struct repo_package package = {0};
	struct strv wanted = {0};
	struct release r;

	strv_add(&wanted, "main/binary-amd64/Packages");
	if (release_parse(text, strlen(text), &wanted, &r, NULL) == 0)
		release_free(&r);
	release_date(text);
	judged(text);
	wire_get_package(&w, &package);
	repo_package_free(&package);
	strv_free(&wanted);
	free(text);
	return 0;
}
