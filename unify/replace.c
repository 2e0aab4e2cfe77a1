/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Candidates become links of store objects. In parts of the whole, so that little space is needed besides: objects are
 * copied, sealed, verified and made durable first, then published, then the guests' names are exchanged for links, a
 * batch at a time with every context frozen. What was exchanged out is looked at again before it is removed, and put
 * back if it is not what was read or somebody writes to it.
 */
#include "unify/internal.h"

#include <sys/vfs.h>

#define PART_BYTES (256u << 20)
#define PART_GOALS 4096
#define BATCH 160 /* some 20 ms of standing still; two descriptors each */

/* A candidate on its way, with what is open for it. */
struct slot {
	const struct cand *cand;
	struct rec *rec;
	struct goal *goal;
	int object, dir;
	bool shares_dir; /* dir belongs to the slot before */
	char tmp[24];
};

struct run {
	struct scan *s;
	struct store *store;
	struct vserver *const *v;
	struct goals *g;
	const struct unify_options *o;
	struct unify_result *results;
	int64_t *freed; /* by vserver */
	uint64_t done, total;
	unsigned parts;
};

/* Goals in the order of their first candidate get parts of limited size. */
static void divide(struct run *u)
{
	uint64_t bytes = 0;
	unsigned part = 1, goals = 0;

	for (size_t i = 0; i < u->s->n_cand; i++) {
		struct rec *r = &u->s->rec[u->s->cand[i].rec];
		struct goal *g = r->goal == MAP_NONE ? NULL : &u->g->goal[r->goal];

		u->total += g != NULL;
		if (!g || g->part)
			continue;
		if (goals > 0 && (bytes > PART_BYTES || goals >= PART_GOALS)) {
			part++;
			bytes = goals = 0;
		}
		g->part = part;
		goals++;
		bytes += g->exists ? 0 : r->meta.size;
	}
	u->parts = part;
}

static void vs_failed(struct run *u, const struct cand *c, int status, const char *why)
{
	struct err *e = &u->results[c->vs].error;

	if (e->status == 0)
		err_set(e, status, "/%s%s%s: %s", c->dir, c->dir[0] ? "/" : "", c->name, why);
}

static void tmp_name(char out[2 * DIGEST_LEN + 1], const struct goal *g)
{
	text_hex(out, g->key, DIGEST_LEN);
}

/* Copies one of the goal's files to .unify/tmp. */
static int stage(struct run *u, struct goal *g, struct err *e)
{
	const struct cand *c = &u->s->cand[u->s->rec[g->rec].first];
	_cleanup_close_ int dir = scan_dir(u->v[c->vs], c), path = -1, fd = -1;
	char name[2 * DIGEST_LEN + 1];
	struct statx stx;

	tmp_name(name, g);
	path = dir < 0 ? -1 : openat(dir, c->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (path < 0 || statx(path, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) < 0 ||
	    !same_state(&u->s->rec[g->rec].stx, &stx))
		return -EAGAIN;
	fd = path_reopen(path, O_RDONLY | O_NONBLOCK | O_NOATIME);
	return fd < 0 ? -EAGAIN : store_stage(u->store, fd, g->key, name, e);
}

/* Gives what was staged its place in the store, which is sealed: a batch of renames. */
static int publish(struct run *u, struct goal **goals, size_t n, struct err *e)
{
	char tmp[BATCH][2 * DIGEST_LEN + 1], name[BATCH][OBJECT_NAME_MAX];
	struct seal_op ops[BATCH];
	int r;

	for (size_t i = 0; i < n; i++) {
		tmp_name(tmp[i], goals[i]);
		store_name(name[i], goals[i]->key, goals[i]->copy);
		r = store_mkdir(u->store, name[i], e);
		if (r < 0)
			return r;
		ops[i] = (struct seal_op){.what = SEAL_RENAME,
					  .flags = RENAME_NOREPLACE,
					  .file = -1,
					  .dir = {u->store->tmp, u->store->objects},
					  .name = {tmp[i], name[i]}};
	}
	r = seal_batch(ops, n, e);
	if (r != 0)
		return r < 0 ? r : err_wrap(e, ".unify/objects");
	for (size_t i = 0; i < n; i++)
		goals[i]->exists = true;
	return 0;
}

/* A full disk: what is staged so far will free space when it is linked, so the rest waits for the next part. */
static void postpone(struct run *u, size_t from, unsigned part)
{
	for (size_t i = from; i < u->g->n; i++)
		if (u->g->goal[i].part == part && !u->g->goal[i].exists)
			u->g->goal[i].part = part + 1;
	if (u->parts == part)
		u->parts++;
}

static int make_objects(struct run *u, unsigned part, struct err *e)
{
	_cleanup_free_ struct goal **fresh = xcalloc(u->g->n + 1, sizeof(*fresh));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < u->g->n; i++) {
		struct goal *g = &u->g->goal[i];

		if (g->part != part || g->exists)
			continue;
		if (intr_check(e) < 0)
			return -EINTR;
		r = stage(u, g, e);
		if (r == -ENOSPC && n > 0) {
			err_clear(e);
			postpone(u, i, part);
			break;
		}
		if (r < 0 && r != -EAGAIN)
			return r;
		if (r == 0) {
			fresh[n++] = g;
		} else {
			g->failed = true; /* the next run sees it as it is then */
			err_clear(e);
		}
	}
	if (n > 0 && syncfs(u->store->top) < 0)
		return err_sys(e, ".unify: cannot write to disk");
	r = 0;
	for (size_t i = 0; r == 0 && i < n; i += BATCH)
		r = publish(u, fresh + i, n - i < BATCH ? n - i : BATCH, e);
	return r;
}

static int open_object(const struct run *u, const struct goal *g)
{
	char name[OBJECT_NAME_MAX];

	store_name(name, g->key, g->copy);
	return openat(u->store->objects, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
}

/* All names of the last master are in use (EMLINK): one more copy under the same key. */
static int new_master(struct run *u, struct goal *g, struct err *e)
{
	_cleanup_close_ int from = open_object(u, g);
	char name[2 * DIGEST_LEN + 1];
	int r;

	if (from < 0)
		return err_sys(e, ".unify/objects: a master");
	tmp_name(name, g);
	r = store_stage(u->store, from, g->key, name, e);
	if (r == 0 && syncfs(u->store->top) < 0)
		r = err_sys(e, ".unify: cannot write to disk");
	if (r < 0)
		return r;
	g->copy++;
	g->charge += (int64_t)u->s->rec[g->rec].blocks * 512;
	return publish(u, &g, 1, e);
}

static void slot_close(struct slot *s)
{
	close_fd(s->object);
	if (!s->shares_dir)
		close_fd(s->dir);
	s->object = s->dir = -1;
}

static bool slot_open(struct run *u, struct slot *s, const struct slot *before, const struct cand *c)
{
	static unsigned counter;

	*s = (struct slot){.cand = c, .rec = &u->s->rec[c->rec], .object = -1, .dir = -1};
	s->goal = &u->g->goal[s->rec->goal];
	snprintf(s->tmp, sizeof(s->tmp), "swap.%u", counter++);
	s->shares_dir = before && before->cand->vs == c->vs && strcmp(before->cand->dir, c->dir) == 0;
	s->dir = s->shares_dir ? before->dir : scan_dir(u->v[c->vs], c);
	s->object = s->goal->failed ? -1 : open_object(u, s->goal);
	if (s->dir >= 0 && s->object >= 0)
		return true;
	slot_close(s);
	return false;
}

/* Is the name still what was read, on our mount? Nobody moves while this is asked. */
static bool still_same(const struct run *u, const struct slot *s)
{
	struct statx stx;

	return statx(s->dir, s->cand->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_MNT_ID,
		     &stx) == 0 &&
	       stx.stx_mnt_id == u->store->mnt_id && S_ISREG(stx.stx_mode) && same_state(&s->rec->stx, &stx);
}

/* After the exchange: removes what was swapped out if it is what was read and has no writer, else puts it back. */
static int settle_slot(struct run *u, struct slot *s, struct err *e)
{
	_cleanup_close_ int path = openat(u->store->tmp, s->tmp, O_PATH | O_NOFOLLOW | O_CLOEXEC), fd = -1;
	struct unify_result *res = &u->results[s->cand->vs];
	struct statx stx;
	struct meta m;
	int r;

	if (path < 0 || statx(path, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) < 0)
		return err_sys(e, ".unify/tmp/%s", s->tmp);
	m = meta_of(&stx);
	if (S_ISREG(stx.stx_mode) && stx.stx_ino == s->rec->ino && meta_cmp(&m, &s->rec->meta) == 0)
		fd = path_reopen(path, O_RDONLY | O_NONBLOCK | O_NOATIME);
	if (fd < 0 || !no_writers(fd)) {
		fd = fd < 0 ? -1 : fd;
		res->skipped++;
		r = seal_rename(u->store->tmp, s->tmp, s->dir, s->cand->name, RENAME_EXCHANGE, e);
		return r < 0 ? r : seal_unlink(u->store->tmp, s->tmp, e);
	}
	r = seal_unlink(u->store->tmp, s->tmp, e);
	if (r < 0)
		return r;
	res->linked++;
	res->shared++;
	u->freed[s->cand->vs] -= s->goal->charge;
	s->goal->charge = 0;
	/* Other names of the same inode are compared with what it is now. */
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &s->rec->stx) == 0 && s->rec->stx.stx_nlink == 0)
		u->freed[s->cand->vs] += (int64_t)s->rec->blocks * 512;
	return 0;
}

/* Links a batch while contexts are frozen. Slots that a full master (EMLINK) left undone move to the front; their
 * number is returned. */
static int link_batch(struct run *u, struct slot *slots, size_t n, struct err *e)
{
	struct slot *of[BATCH], again[BATCH];
	struct seal_op ops[BATCH];
	size_t n_ops = 0, n_again = 0;
	int r = seal_freeze(e), s;

	if (r < 0)
		goto out;
	for (size_t i = 0; i < n; i++) {
		if (!still_same(u, &slots[i])) {
			u->results[slots[i].cand->vs].skipped++;
			continue;
		}
		ops[n_ops] = (struct seal_op){.what = SEAL_SWAP,
					      .file = slots[i].object,
					      .dir = {u->store->tmp, slots[i].dir},
					      .name = {slots[i].tmp, slots[i].cand->name}};
		of[n_ops++] = &slots[i];
	}
	r = seal_batch(ops, n_ops, e);
	for (size_t i = 0; r >= 0 && i < n_ops; i++) {
		if (ops[i].status == 0) {
			s = settle_slot(u, of[i], e);
			if (s < 0)
				vs_failed(u, of[i]->cand, s, strerror(-s));
		} else if (ops[i].status == -EMLINK) {
			again[n_again++] = *of[i];
		} else if (ops[i].status == -EAGAIN || ops[i].status == -ENOENT) {
			u->results[of[i]->cand->vs].skipped++;
		} else {
			vs_failed(u, of[i]->cand, ops[i].status, strerror(-ops[i].status));
		}
	}
	seal_thaw();
	if (r >= 0)
		err_clear(e);
out:
	for (size_t i = 0; i < n; i++)
		slot_close(&slots[i]);
	memcpy(slots, again, n_again * sizeof(*slots));
	return r < 0 ? r : (int)n_again;
}

/* Does a batch, making new masters as often as needed. */
static int do_batch(struct run *u, struct slot *slots, size_t n, struct err *e)
{
	while (n > 0) {
		int left = link_batch(u, slots, n, e);

		if (left < 0)
			return left;
		n = 0;
		for (int i = 0; i < left; i++) {
			struct slot *s = &slots[n];
			const struct cand *c = slots[i].cand;
			struct stat st;
			int fd = open_object(u, slots[i].goal);
			bool full = fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink > 1000;

			/* Unless another slot's turn made one already. */
			close_fd(fd);
			if (full && new_master(u, slots[i].goal, e) < 0)
				return e ? e->status : -EIO;
			if (slot_open(u, s, NULL, c))
				n++;
			else
				u->results[c->vs].skipped++;
		}
	}
	return 0;
}

static int link_part(struct run *u, unsigned part, struct err *e)
{
	struct slot slots[BATCH];
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i <= u->s->n_cand; i++) {
		const struct cand *c = i < u->s->n_cand ? &u->s->cand[i] : NULL;
		size_t goal = c ? u->s->rec[c->rec].goal : MAP_NONE;

		if (goal != MAP_NONE && u->g->goal[goal].part == part) {
			u->done++;
			if (slot_open(u, &slots[n], n ? &slots[n - 1] : NULL, c))
				n++;
			else
				u->results[c->vs].skipped++;
		}
		if (n < BATCH && c)
			continue;
		r = do_batch(u, slots, n, e);
		n = 0;
		report_progress(u->o->report, "unify: linking", u->done, u->total);
		if (r == 0)
			r = intr_check(e);
	}
	return r;
}

int replace_all(struct scan *s, struct store *store, struct vserver *const *v, struct goals *g,
		const struct unify_options *o, struct unify_result *results, struct err *e)
{
	_cleanup_err_ struct err why = {0};
	_cleanup_free_ int64_t *freed = NULL;
	struct run u = {.s = s, .store = store, .v = v, .g = g, .o = o, .results = results};
	size_t n_vs = 0;
	int r = 0;

	for (size_t i = 0; i < s->n_cand; i++)
		n_vs = s->cand[i].vs >= n_vs ? s->cand[i].vs + 1 : n_vs;
	u.freed = freed = xcalloc(n_vs + 1, sizeof(*freed));
	divide(&u);
	for (unsigned part = 1; r == 0 && part <= u.parts && u.total > 0; part++) {
		r = make_objects(&u, part, &why);
		if (r == 0)
			r = link_part(&u, part, &why);
	}
	for (size_t i = 0; i < n_vs; i++)
		results[i].bytes = freed[i] > 0 ? (uint64_t)freed[i] : 0;
	if (r < 0)
		return err_set(e, r, "%s", why.msg ? why.msg : strerror(-r));
	return 0;
}
