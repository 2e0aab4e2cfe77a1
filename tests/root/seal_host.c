/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host's side of seal.t: does to one tree's names of sealed files all that vpkg does to them, for a number of
 * rounds: unshares and restores, links, exchanges, renames over, unlinks. Arguments: TREE DIRECTORY-IN-IT
 * KEEP-DIRECTORY ROUNDS.
 */
#include "unify/unify.h"

#include <dirent.h>

static int round_of(int tree, const char *dir, const char *name, int keep, unsigned i, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name), *k = xasprintf("keep.%u", i),
			    *l = xasprintf("link.%u", i);
	_cleanup_close_ int fd = path_open_file(tree, path, NULL);
	struct seal_op ops[3] = {
		{.what = SEAL_LINK, .file = fd, .dir = {keep}, .name = {l}},
		{.what = SEAL_RENAME, .file = fd, .flags = RENAME_EXCHANGE, .dir = {keep, keep}, .name = {l, k}},
		{.what = SEAL_UNLINK, .file = fd, .dir = {keep}, .name = {l}},
	};
	int r;

	if (fd < 0) {
		r = fd;
		fd = -1;
		return err_set(e, r, "%s: %s", path, strerror(-r));
	}
	r = seal_link(fd, keep, l, e);
	if (r == 0)
		r = seal_unlink(keep, l, e);
	if (r == 0)
		r = unify_unshare(tree, path, keep, k, e);
	if (r == 0)
		return err_set(e, -EINVAL, "%s: not shared", path);
	if (r == 1)
		r = seal_freeze(e);
	if (r == 0) {
		/* All of one file in one freeze; the exchanged ones are links of the same inode. */
		r = seal_batch(ops, ARRAY_LEN(ops), e) == 0 ? 0 : -EIO;
		seal_thaw();
	}
	return r < 0 ? r : unify_restore(tree, path, keep, k, e);
}

int main(int argc, char **argv)
{
	_cleanup_err_ struct err e = {0};
	_cleanup_strv_ struct strv names = {0};
	_cleanup_close_ int tree = -1, keep = -1;
	struct dirent *de;
	DIR *d;

	if (argc != 5)
		return 1;
	tree = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	keep = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = tree < 0 || keep < 0 ? NULL : fdopendir(path_open(tree, argv[2], O_RDONLY | O_DIRECTORY, 0));
	if (!d)
		return 1;
	while ((de = readdir(d)))
		if (de->d_name[0] != '.')
			strv_add(&names, de->d_name);
	closedir(d);
	for (unsigned i = 0; i < (unsigned)atoi(argv[4]); i++)
		if (round_of(tree, argv[2], names.v[i % names.n], keep, i, &e) < 0) {
			fprintf(stderr, "round %u: %s\n", i, e.msg);
			return 2;
		}
	puts("done");
	return 0;
}
