/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The seals of the store's objects, put right whenever the store is opened for a change: of which kind they are to be;
 * an object whose seal does not hold (lifted by who died; a mark whose programs are not loaded) is verified and sealed
 * again or dropped; and one that has the lesser kind gets the better.
 */
#include "unify/internal.h"

#include <time.h>

#define SLICE_MS 20

void seals_choose(struct store *s)
{
	_cleanup_err_ struct err why = {0};

	s->marks = (kernel_live(KERNEL_SEAL) || kernel_load(KERNEL_SEAL, &why) == 0) && seal_marks_begin(&why) == 0 &&
		   seal_marks();
}

/* Without marks, one is no seal, whether its programs came to be loaded meanwhile or not. */
static bool holds(const struct store *s, const struct statx *stx)
{
	return s->marks ? seal_is(stx) : stx->stx_attributes & STATX_ATTR_IMMUTABLE;
}

/* Guests may link the object: it is sealed first, while they stand still, then its contents are compared with its key.
 * 1 when it may stay in the store, 0 when not: that one keeps the seal, of the kind that needs no programs, since
 * several vservers may share it and nobody looks after it any more. */
static int repair(int dir, const char *name, const struct object *o, struct err *e)
{
	uint8_t key[DIGEST_LEN];
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool alone;
	int r;

	if (fd < 0)
		return err_sys(e, ".unify/objects/…/%s", name);
	r = seal_freeze(e);
	if (r < 0)
		return r;
	r = seal_set_firm(fd, e);
	alone = no_writers(fd);
	seal_thaw();
	if (r < 0)
		return r;
	return alone && key_fd(fd, key) == 0 && memcmp(key, o->key, DIGEST_LEN) == 0;
}

int seals_check(struct store *s, const struct walk_entry *w, const struct object *o, struct err *e)
{
	struct statx stx;
	int r = seal_stat(w->dir, w->name, &stx);

	if (r < 0)
		return err_set(e, r, ".unify/objects/%s: %s", w->path, strerror(-r));
	if (holds(s, &stx)) {
		if (s->tmp >= 0 && s->marks && stx.stx_attributes & STATX_ATTR_IMMUTABLE)
			strv_add(&s->lesser, w->path);
		return 1;
	}
	if (s->tmp < 0)
		return 0; /* not ours to change now: as if it were not there */
	r = repair(w->dir, w->name, o, e);
	if (r < 0)
		return r;
	s->repaired++;
	if (r == 0) {
		r = seal_unlink(w->dir, w->name, e);
		return r < 0 ? err_wrap(e, ".unify/objects/%s", w->path) : 0;
	}
	if (s->marks)
		strv_add(&s->lesser, w->path);
	return 1;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Gives objects the mark instead of the immutable attribute, from the given one on, for as long as vservers may stand
 * still at a time. Returns the next one. */
static size_t raise_some(struct store *s, size_t from)
{
	int64_t end = now_ms() + SLICE_MS;
	size_t i = from;

	for (; i < s->lesser.n && (i == from || now_ms() < end); i++) {
		_cleanup_close_ int fd =
			openat(s->objects, s->lesser.v[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		/* One that stays as it was is sealed, too. */
		if (fd >= 0 && seal_set(fd, NULL) == 0)
			s->raised++;
	}
	return i;
}

int seals_finish(struct store *s, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->lesser.n;) {
		r = intr_check(e);
		if (r == 0)
			r = seal_freeze(e);
		if (r < 0)
			return r;
		i = raise_some(s, i);
		seal_thaw();
	}
	/* Every object has been looked at: no mark is left. */
	return s->marks || s->tmp < 0 ? 0 : seal_marks_end(e);
}
