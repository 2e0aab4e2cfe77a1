/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Disk usage of a tree, told apart by who else uses it. The store's own links count for nobody.
 */
#include "unify/internal.h"

struct linked {
	uint64_t ino, bytes;
	uint32_t nlink, seen;
	bool sealed; /* perhaps: the store knows */
};

struct usage {
	struct unify_usage *ret;
	struct map inos;
	struct linked *linked;
	size_t n;
};

static int add_entry(const struct walk_entry *w, void *arg, struct err *e)
{
	struct usage *u = arg;
	const uint64_t bytes = w->stx->stx_blocks * 512;
	size_t at;

	if (w->stx->stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return WALK_SKIP;
	u->ret->files += S_ISREG(w->stx->stx_mode);
	if (S_ISDIR(w->stx->stx_mode) || w->stx->stx_nlink < 2) {
		u->ret->apparent += bytes;
		u->ret->exclusive += bytes;
		return WALK_GO;
	}
	at = inode_map_get(&u->inos, w->stx->stx_ino);
	if (at == MAP_NONE) {
		if ((u->n & (u->n - 1)) == 0)
			u->linked = xrealloc(u->linked, (u->n ? 2 * u->n : 1) * sizeof(*u->linked));
		at = u->n++;
		u->linked[at] = (struct linked){.ino = w->stx->stx_ino,
						.bytes = bytes,
						.nlink = w->stx->stx_nlink,
						.sealed = seal_may_be(w->stx)};
		inode_map_put(&u->inos, w->stx->stx_ino, at);
		u->ret->apparent += bytes;
	}
	u->linked[at].seen++;
	return WALK_GO;
}

static int note_ino(const struct walk_entry *w, void *arg, struct err *e)
{
	if (S_ISREG(w->stx->stx_mode))
		inode_map_put(arg, w->stx->stx_ino, 0);
	return WALK_GO;
}

/* Which inodes the store of this file system has. Asked for only when a sealed file has just one other link. */
static int load_store(int tree, struct map *inos, struct err *e)
{
	_cleanup_close_ int dir = vs_home_dir(".unify/objects", e);
	struct stat store, here;

	if (dir < 0)
		return dir;
	if (fstat(dir, &store) < 0 || fstat(tree, &here) < 0)
		return err_sys(e, ".unify/objects");
	return store.st_dev == here.st_dev ? tree_walk(dir, note_ino, inos, e) : 0;
}

static int divide(struct usage *u, int tree, struct err *e)
{
	_cleanup_map_ struct map store = {0};
	bool loaded = false;

	for (size_t i = 0; i < u->n; i++) {
		const struct linked *l = &u->linked[i];
		bool own = l->seen >= l->nlink;

		if (!own && l->sealed && l->seen + 1 == l->nlink) {
			if (!loaded) {
				int r = load_store(tree, &store, e);

				if (r < 0)
					return r;
				loaded = true;
			}
			own = inode_map_get(&store, l->ino) != MAP_NONE;
		}
		if (own)
			u->ret->exclusive += l->bytes;
		else
			u->ret->shared += l->bytes;
	}
	return 0;
}

int unify_usage(int tree, struct unify_usage *ret, struct err *e)
{
	char *name = ret->name;
	struct unify_usage sum = {.name = name};
	struct usage u = {.ret = &sum};
	struct stat st;
	int r;

	if (fstat(tree, &st) < 0)
		return err_sys(e, "%s", name ? name : "the tree");
	sum.apparent = sum.exclusive = (uint64_t)st.st_blocks * 512;
	r = tree_walk(tree, add_entry, &u, e);
	if (r == 0)
		r = divide(&u, tree, e);
	free(u.linked);
	inode_map_free(&u.inos);
	if (r == 0)
		*ret = sum;
	return r;
}
