/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file lists of package databases: a guest's bytes.
 */
#include "unify/internal.h"

static void check(struct strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i][0] != '/' || !l->v[i][1] || strchr(l->v[i], '\n'))
			abort();
	strv_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as long as the input, and without a zero behind it that could hide a read too far. */
	char *text = xmalloc(size);
	struct strv files = {0}, conf = {0};

	if (size)
		memcpy(text, data, size);
	list_parse_dpkg(text, size, &files);
	list_parse_conffiles(text, size, &conf);
	list_parse_rpm(text, size, &files, &conf);
	check(&files);
	check(&conf);
	free(text);
	return 0;
}
