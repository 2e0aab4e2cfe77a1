/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * showattr [-Radx] [FILE…]: whether files are sealed, and the attributes that they have, in chattr's letters.
 */
#include "kernel/files.h"
#include "kernel/kernel.h"
#include "kernel/tool.h"

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

static void failed(const char *message, void *arg)
{
	size_t *n = arg;

	fprintf(stderr, "showattr: %s\n", message);
	(*n)++;
}

static void failed_of(const char *shown, const char *why, void *arg)
{
	_cleanup_free_ char *message = xasprintf("%s: %s", shown, why);

	failed(message, arg);
}

/* Only regular files and directories have attributes; nothing else is ever opened. */
static void show(int handle, const char *shown, bool named, void *arg)
{
	char text[ARRAY_LEN(letters) + 1];
	_cleanup_close_ int fd = -1;
	struct statx stx;
	unsigned flags = 0;
	int r = seal_stat(handle, "", &stx);

	if (r < 0) {
		failed_of(shown, strerror(-r), arg);
		return;
	}
	if (!S_ISREG(stx.stx_mode) && !S_ISDIR(stx.stx_mode)) {
		if (named)
			failed_of(shown, "neither a regular file nor a directory: it has no attributes", arg);
		return;
	}
	fd = path_reopen(handle, O_RDONLY | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) {
		int why = fd < 0 ? -fd : errno;

		failed_of(shown, why == ENOTTY ? "its file system has no attributes" : strerror(why), arg);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		text[i] = flags & letters[i].flag ? letters[i].letter : '-';
	text[ARRAY_LEN(letters)] = '\0';
	printf("%-8s %s %s\n", S_ISREG(stx.stx_mode) && seal_is(&stx) ? "sealed" : "-", text, shown);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {0}};
	size_t n_failed = 0;
	struct files f = {.each = show, .failed = failed, .arg = &n_failed};
	_cleanup_free_ char *wrong = NULL;
	int c;

	while ((c = getopt_long(argc, argv, ":Radxh", longs, NULL)) >= 0) {
		switch (c) {
		case 'h':
			fputs(help_text, stdout);
			return EXIT_DONE;
		case 'R':
			f.recurse = true;
			break;
		case 'a':
			f.hidden = true;
			break;
		case 'd':
			f.itself = true;
			break;
		case 'x':
			f.one_fs = true;
			break;
		default:
			wrong = tool_wrong_option(c, argv, longs);
			fprintf(stderr, "showattr: %s (showattr --help)\n", wrong);
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		files_visit(".", &f);
	for (int i = optind; i < argc; i++)
		files_visit(argv[i], &f);
	return n_failed ? EXIT_USAGE : EXIT_DONE;
}
