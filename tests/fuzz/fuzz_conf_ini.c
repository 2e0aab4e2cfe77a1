/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * INI text: any bytes are refused with a message that names the line, or understood, and lines only grow.
 */
#include "lib/lib.h"

static int setting(const char *section, const char *key, const char *value, unsigned line, void *arg, struct err *e)
{
	unsigned *last = arg;

	if (!section || !*key || !value || line <= *last || strchr(value, '\n'))
		abort();
	*last = line;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = {0};
	unsigned last = 0;

	if (conf_parse_ini((const char *)data, size, "fuzz", setting, &last, &e) < 0 &&
	    (!e.msg || strncmp(e.msg, "fuzz:", 5) != 0 || strchr(e.msg, '\n')))
		abort();
	err_clear(&e);
	return 0;
}
