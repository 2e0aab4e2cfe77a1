/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Distribution definitions: any bytes are refused with a message of one line, or give a whole definition.
 */
#include "bootstrap/bootstrap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_distro d = {0};
	struct err e = {0};

	if (boot_distro_parse((const char *)data, size, "fuzz", &d, &e) < 0) {
		if (!e.msg || strchr(e.msg, '\n') || d.name)
			abort();
		err_clear(&e);
		return 0;
	}
	if (!d.name || !d.n_repos || d.family == VS_UNKNOWN)
		abort();
	for (size_t i = 0; i < d.n_repos; i++)
		if (!d.repos[i].name || !d.repos[i].urls.n)
			abort();
	boot_distro_free(&d);
	return 0;
}
