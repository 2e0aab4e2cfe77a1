/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Debian packages made on the spot, right or wrong as a test needs them.
 */
#pragma once

#include "lib/lib.h"

#include <archive.h>
#include <archive_entry.h>

struct deb_file {
	const char *path, *contents; /* NULL: a directory */
};

static inline void deb_entry(struct archive *a, const char *path, const char *contents, size_t n)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, contents ? AE_IFREG : AE_IFDIR);
	archive_entry_set_perm(entry, contents ? 0644 : 0755);
	archive_entry_set_mtime(entry, 1594462597, 0);
	archive_entry_set_size(entry, contents ? (la_int64_t)n : 0);
	archive_write_header(a, entry);
	if (contents)
		archive_write_data(a, contents, n);
	archive_entry_free(entry);
}

/* A tar.gz of the files into buf (1 MiB); returns its length. */
static inline size_t deb_tar(char *buf, const struct deb_file *files, size_t n)
{
	struct archive *a = archive_write_new();
	size_t used = 0;

	archive_write_add_filter_gzip(a);
	archive_write_set_format_ustar(a);
	archive_write_set_bytes_in_last_block(a, 1);
	archive_write_open_memory(a, buf, 1 << 20, &used);
	for (size_t i = 0; i < n; i++)
		deb_entry(a, files[i].path, files[i].contents, files[i].contents ? strlen(files[i].contents) : 0);
	archive_write_close(a);
	archive_write_free(a);
	return used;
}

/* Writes a .deb with this control file and these further control files and files. */
static inline void deb_make(const char *path, const char *control, const struct deb_file *more, size_t n_more,
			    const struct deb_file *files, size_t n)
{
	struct archive *a = archive_write_new();
	struct deb_file meta[8] = {{"./control", control}};
	char *buf = xmalloc(1 << 20);
	size_t len;

	for (size_t i = 0; i < n_more && i < 7; i++)
		meta[i + 1] = more[i];
	archive_write_set_format_ar_bsd(a);
	archive_write_open_filename(a, path);
	deb_entry(a, "debian-binary", "2.0\n", 4);
	len = deb_tar(buf, meta, n_more + 1);
	deb_entry(a, "control.tar.gz", buf, len);
	len = deb_tar(buf, files, n);
	deb_entry(a, "data.tar.gz", buf, len);
	archive_write_close(a);
	archive_write_free(a);
	free(buf);
}
