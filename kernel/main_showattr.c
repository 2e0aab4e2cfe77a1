/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * showattr FILE…: whether files are sealed, and the attributes that they have, in chattr's letters.
 */
#include "kernel/kernel.h"

#include <getopt.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "help/showattr.h"

/* In lsattr's order. */
static const struct {
	unsigned flag;
	char letter;
} letters[] = {
	{FS_SECRM_FL, 's'},     {FS_UNRM_FL, 'u'},     {FS_SYNC_FL, 'S'},        {FS_DIRSYNC_FL, 'D'},
	{FS_IMMUTABLE_FL, 'i'}, {FS_APPEND_FL, 'a'},   {FS_NODUMP_FL, 'd'},      {FS_NOATIME_FL, 'A'},
	{FS_COMPR_FL, 'c'},     {FS_ENCRYPT_FL, 'E'},  {FS_INDEX_FL, 'I'},       {FS_VERITY_FL, 'V'},
	{FS_NOTAIL_FL, 't'},    {FS_TOPDIR_FL, 'T'},   {FS_EXTENT_FL, 'e'},      {FS_NOCOW_FL, 'C'},
	{FS_DAX_FL, 'x'},       {FS_CASEFOLD_FL, 'F'}, {FS_INLINE_DATA_FL, 'N'}, {FS_PROJINHERIT_FL, 'P'},
};

/* Only regular files and directories have attributes; nothing else is ever opened. */
static int show(const char *path)
{
	_cleanup_close_ int handle = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), fd = -1;
	char text[ARRAY_LEN(letters) + 1];
	struct statx stx;
	unsigned flags = 0;

	if (handle < 0 || statx(handle, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) < 0) {
		fprintf(stderr, "showattr: %s: %s\n", path, strerror(errno));
		return -1;
	}
	if (!S_ISREG(stx.stx_mode) && !S_ISDIR(stx.stx_mode)) {
		fprintf(stderr, "showattr: %s: neither a regular file nor a directory: it has no attributes\n", path);
		return -1;
	}
	fd = path_reopen(handle, O_RDONLY | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) {
		int why = fd < 0 ? -fd : errno;

		fd = fd < 0 ? -1 : fd;
		fprintf(stderr, "showattr: %s: %s\n", path,
			why == ENOTTY ? "its file system has no attributes" : strerror(why));
		return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		text[i] = flags & letters[i].flag ? letters[i].letter : '-';
	text[ARRAY_LEN(letters)] = '\0';
	printf("%-8s %s %s\n", S_ISREG(stx.stx_mode) && seal_is(&stx) ? "sealed" : "-", text, path);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {0}};
	int c, failed = 0;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) >= 0) {
		if (c == 'h') {
			fputs(help_text, stdout);
			return EXIT_DONE;
		}
		fprintf(stderr, "showattr: unknown option %s; there is --help\n", argv[optind - 1]);
		return EXIT_USAGE;
	}
	if (optind == argc) {
		fputs("showattr: no file named: showattr FILE… (showattr --help)\n", stderr);
		return EXIT_USAGE;
	}
	for (int i = optind; i < argc; i++)
		failed += show(argv[i]) < 0;
	return failed ? EXIT_USAGE : EXIT_DONE;
}
