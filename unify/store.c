/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store: one link to each shared inode under its key, in directories that only the host reaches. objects/ab/REST is
 * complete, durable and sealed from the moment it has that name; tmp/ holds what a run is working on and nothing that
 * outlives it. The lock on the store's directory is held while a run or a collection works.
 */
#include "unify/internal.h"

#include <dirent.h>
#include <sys/file.h>
#include <sys/sysmacros.h>

static int compare_objects(const void *pa, const void *pb)
{
	const struct object *a = pa, *b = pb;
	int r = memcmp(a->key, b->key, DIGEST_LEN);

	return r ? r : (a->copy > b->copy) - (a->copy < b->copy);
}

void store_name(char out[OBJECT_NAME_MAX], const uint8_t key[DIGEST_LEN], unsigned copy)
{
	char hex[2 * DIGEST_LEN + 1];

	text_hex(hex, key, DIGEST_LEN);
	if (copy)
		snprintf(out, OBJECT_NAME_MAX, "%.2s/%s.%u", hex, hex + 2, copy);
	else
		snprintf(out, OBJECT_NAME_MAX, "%.2s/%s", hex, hex + 2);
}

static int nibble(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* The reverse of store_name; false when it is no object's name. */
static bool parse_name(const char *dir, const char *rest, struct object *o)
{
	char hex[2 * DIGEST_LEN + 1];
	uint64_t copy = 0;
	size_t n = strcspn(rest, ".");

	if (strlen(dir) != 2 || n != 2 * DIGEST_LEN - 2 || (rest[n] && text_uint(rest + n + 1, 1, 1u << 30, &copy) < 0))
		return false;
	snprintf(hex, sizeof(hex), "%s%.*s", dir, (int)n, rest);
	for (size_t i = 0; i < DIGEST_LEN; i++) {
		int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		o->key[i] = (uint8_t)(hi << 4 | lo);
	}
	o->copy = (unsigned)copy;
	return true;
}

static void add_object(struct store *s, const struct object *o)
{
	if ((s->n & (s->n - 1)) == 0)
		s->obj = xrealloc(s->obj, (s->n ? 2 * s->n : 1) * sizeof(*s->obj));
	s->obj[s->n++] = *o;
}

static int load_entry(const struct walk_entry *w, void *arg, struct err *e)
{
	struct store *s = arg;
	struct object o = {0};
	char dir[3] = {0};
	int r;

	if (S_ISDIR(w->stx->stx_mode))
		return w->depth == 1 ? WALK_GO : WALK_SKIP;
	if (w->depth != 2 || !S_ISREG(w->stx->stx_mode))
		return WALK_GO;
	memcpy(dir, w->path, 2);
	if (w->path[2] != '/' || !parse_name(dir, w->name, &o))
		return WALK_GO;
	r = seals_check(s, w, &o, e);
	if (r <= 0)
		return r < 0 ? r : WALK_GO;
	o.ino = w->stx->stx_ino;
	o.nlink = w->stx->stx_nlink;
	o.meta = meta_of(w->stx);
	add_object(s, &o);
	return WALK_GO;
}

static int drop_entry(const struct walk_entry *w, void *arg, struct err *e)
{
	return S_ISDIR(w->stx->stx_mode) ? WALK_SKIP : seal_unlink(w->dir, w->name, e);
}

/* A descriptor that can be locked and listed, of whatever kind the other is. */
static int open_dir(const char *name, struct err *e)
{
	_cleanup_close_ int any = vs_home_dir(name, e);
	int fd;

	if (any < 0)
		return any;
	fd = openat(any, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "%s", name) : fd;
}

static int lock_store(int fd, struct err *e)
{
	while (flock(fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			return err_sys(e, ".unify: cannot lock");
		if (intr_check(e) < 0)
			return -EINTR;
	}
	return 0;
}

int store_open(struct store *ret, bool repair_it, struct err *e)
{
	_cleanup_store_ struct store s = {.top = -1, .objects = -1, .tmp = -1};
	struct statx stx;
	int r;

	s.top = open_dir(".unify", e);
	if (s.top < 0)
		return s.top;
	r = lock_store(s.top, e);
	if (r < 0)
		return r;
	s.objects = open_dir(".unify/objects", e);
	if (s.objects < 0)
		return s.objects;
	if (repair_it) {
		s.tmp = open_dir(".unify/tmp", e);
		if (s.tmp < 0)
			return s.tmp;
		r = tree_walk(s.tmp, drop_entry, NULL, e);
		if (r < 0)
			return r;
		seals_choose(&s);
	} else {
		s.marks = seal_marks();
	}
	if (statx(s.objects, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0)
		return err_sys(e, ".unify/objects");
	s.dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	s.mnt_id = stx.stx_mnt_id;
	r = tree_walk(s.objects, load_entry, &s, e);
	if (r == 0)
		r = seals_finish(&s, e);
	if (r < 0)
		return r;
	if (s.n > 1)
		qsort(s.obj, s.n, sizeof(*s.obj), compare_objects);
	for (size_t i = 0; i < s.n; i++)
		inode_map_put(&s.inos, s.obj[i].ino, i);
	*ret = s;
	s = (struct store){.top = -1, .objects = -1, .tmp = -1};
	return 0;
}

void store_close(struct store *s)
{
	/* What a run that failed (a full disk) leaves would stay there until the next one. */
	if (s->tmp >= 0)
		tree_walk(s->tmp, drop_entry, NULL, NULL);
	s->objects = close_fd(s->objects);
	s->tmp = close_fd(s->tmp);
	s->top = close_fd(s->top);
	free(s->obj);
	s->obj = NULL;
	s->n = 0;
	inode_map_free(&s->inos);
	strv_free(&s->lesser);
}

const struct object *store_find(const struct store *s, const uint8_t key[DIGEST_LEN])
{
	size_t lo = 0, hi = s->n;

	/* The first one above every copy of the key; the one before it is the newest copy, if it is of that key. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(s->obj[mid].key, key, DIGEST_LEN) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && memcmp(s->obj[lo - 1].key, key, DIGEST_LEN) == 0 ? &s->obj[lo - 1] : NULL;
}

int store_stage(const struct store *s, int from, const uint8_t key[DIGEST_LEN], const char *name, struct err *e)
{
	uint8_t copied[DIGEST_LEN];
	_cleanup_close_ int fd = openat(s->tmp, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return err_sys(e, ".unify/tmp/%s", name);
	r = copy_data(from, fd);
	if (r == 0)
		r = copy_meta(from, fd);
	if (r < 0)
		err_set(e, r, ".unify/tmp/%s: cannot copy: %s%s", name, strerror(-r),
			r == -ENOSPC ? "; free as much as one of the files needs" : "");
	if (r == 0)
		r = seal_set(fd, e);
	if (r == 0) {
		r = key_fd(fd, copied);
		if (r != 0 || memcmp(copied, key, DIGEST_LEN) != 0)
			r = err_set(e, -EAGAIN, "changed while it was copied");
		if (r < 0)
			seal_clear(fd, NULL); /* nobody else can reach it */
	}
	if (r < 0)
		unlinkat(s->tmp, name, 0);
	return r;
}

int store_mkdir(const struct store *s, const char *name, struct err *e)
{
	char dir[3] = {name[0], name[1], '\0'};

	return mkdirat(s->objects, dir, 0700) < 0 && errno != EEXIST ? err_sys(e, ".unify/objects/%s", dir) : 0;
}

static bool unused(const struct object *o)
{
	return o->nlink == 1;
}

/* What has a mark can be unlinked at once; the rest in batches: each needs its seal lifted, which is one freeze for all
 * of a batch. */
static int drop_unused(const struct store *s, struct err *e)
{
	char names[64][OBJECT_NAME_MAX];
	struct seal_op ops[64];
	int dropped = 0, r;
	size_t n = 0;

	for (size_t i = 0; i <= s->n; i++) {
		if (i < s->n && unused(&s->obj[i])) {
			store_name(names[n], s->obj[i].key, s->obj[i].copy);
			dropped++;
			if (unlinkat(s->objects, names[n], 0) < 0) {
				ops[n] = (struct seal_op){
					.what = SEAL_UNLINK, .file = -1, .dir = {s->objects}, .name = {names[n]}};
				n++;
			}
		}
		if (n == 0 || (n < 64 && i < s->n))
			continue;
		r = seal_batch(ops, n, e);
		if (r != 0)
			return r < 0 ? r : -EIO;
		n = 0;
		if (intr_check(e) < 0)
			return -EINTR;
	}
	return dropped;
}

int unify_collect(struct err *e)
{
	_cleanup_store_ struct store s = {.top = -1, .objects = -1, .tmp = -1};
	int r = store_open(&s, true, e);

	return r < 0 ? r : drop_unused(&s, e);
}
