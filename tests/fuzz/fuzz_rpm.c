/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An .rpm file, as the sandbox reads it: our own use of librpm more than librpm itself.
 */
#include "repo/internal.h"

#include <sys/mman.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return package_rpm_prepare(NULL) < 0 ? 1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("rpm", MFD_CLOEXEC);
	struct rpm_keys keys = {0};
	struct repo_package p = {0};
	struct err e = {0};

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	lseek(fd, 0, SEEK_SET);
	if (package_rpm_read(fd, &keys, &p, &e) < 0 && (!e.msg || strchr(e.msg, '\n')))
		abort();
	repo_package_free(&p);
	err_clear(&e);
	close(fd);
	return 0;
}
