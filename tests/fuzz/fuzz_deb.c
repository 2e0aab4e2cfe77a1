/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A .deb file, as the sandbox reads it.
 */
#include "repo/internal.h"

#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("deb", MFD_CLOEXEC);
	struct repo_package p = {0};
	struct buf control = {0};
	struct err e = {0};
	enum repo_format format;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	package_detect(fd, "label", &format, NULL);
	lseek(fd, 0, SEEK_SET);
	if (package_deb_read(fd, &p, &e) < 0 && (!e.msg || strchr(e.msg, '\n')))
		abort();
	lseek(fd, 0, SEEK_SET);
	package_deb_control(fd, &control, NULL);
	buf_free(&control);
	repo_package_free(&p);
	err_clear(&e);
	close(fd);
	return 0;
}
