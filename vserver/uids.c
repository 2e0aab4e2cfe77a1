/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which host ids a vserver's ids are: a range of its own for each. On disk the ids stay 0-based, so a vserver can be
 * given any free range at any time.
 */
#include "vserver/internal.h"

/* The range that the systemd project sets aside for containers, so that no login user ever gets one of these. */
#define UID_FIRST 0x80000u
#define UID_LAST 0x6fffffffu

struct ranges {
	struct {
		uint64_t from, n;
	} * v;
	size_t n;
};

static void ranges_add(struct ranges *l, uint64_t from, uint64_t n)
{
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n].from = from;
	l->v[l->n++].n = n;
}

static bool ranges_meet(const struct ranges *l, uint64_t from, uint64_t n)
{
	for (size_t i = 0; i < l->n; i++)
		if (from < l->v[i].from + l->v[i].n && l->v[i].from < from + n)
			return true;
	return false;
}

static void cleanup_ranges(struct ranges *l)
{
	free(l->v);
}

/* "USER:FROM:COUNT" lines; others are not ours to judge and are passed over, as shadow's own tools do. */
static int add_sub_file(struct ranges *l, const char *path, struct err *e)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_strv_ struct strv lines = {0};
	_cleanup_err_ struct err why = {0};
	int r = vs_read_host(path, 4u << 20, &text, &why);

	if (r < 0)
		return r == -ENOENT ? 0 : err_set(e, r, "%s", why.msg);
	strv_split(&lines, text.p, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		char *from = strchr(lines.v[i], ':'), *count = from ? strchr(from + 1, ':') : NULL;
		uint64_t a, n;

		if (!count)
			continue;
		*count++ = 0;
		if (text_uint(from + 1, 0, UINT32_MAX, &a) == 0 && text_uint(count, 1, UINT32_MAX, &n) == 0)
			ranges_add(l, a, n);
	}
	return 0;
}

static int add_vservers(struct ranges *l, struct err *e)
{
	_cleanup_strv_ struct strv names = {0};
	int r = vs_conf_names(&names, e);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		struct vs_config c;

		r = vs_config_load(names.v[i], &c, e);
		/* Its range cannot be told, so no other could be called free. */
		if (r < 0)
			return r;
		if (c.uid_base)
			ranges_add(l, c.uid_base, CTX_IDS);
		vs_config_free(&c);
	}
	return r;
}

int vs_alloc_lock(struct err *e)
{
	return vs_lock_file("/run/vservers", ".uids", 60, "the table of uid ranges", e);
}

int vs_alloc_uids(uint32_t *ret, struct err *e)
{
	static const char *const files[] = {"/etc/subuid", "/etc/subgid"};
	_cleanup_(cleanup_ranges) struct ranges taken = {0};
	int r = add_vservers(&taken, e);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(files); i++) {
		_cleanup_free_ char *below = place("%s", files[i]);

		/* The host's own count below a sysroot too: the ids are the kernel's, not a directory's. */
		r = add_sub_file(&taken, files[i], e);
		if (r == 0 && strcmp(below, files[i]) != 0)
			r = add_sub_file(&taken, below, e);
	}
	if (r < 0)
		return r;
	for (uint64_t base = UID_FIRST; base + CTX_IDS - 1 <= UID_LAST; base += CTX_IDS)
		if (!ranges_meet(&taken, base, CTX_IDS)) {
			*ret = (uint32_t)base;
			return 0;
		}
	return err_set(e, -ENOSPC,
		       "no free range of %u user ids between %u and %u: free one in /etc/subuid, /etc/subgid or UIDMAP",
		       CTX_IDS, UID_FIRST, UID_LAST);
}

int vs_uids(struct vserver *v, struct err *e)
{
	_cleanup_close_ int lock = -1;
	_cleanup_(vs_config_free) struct vs_config now = {0};
	int r;

	if (v->conf.uid_base)
		return 0;
	lock = vs_alloc_lock(e);
	if (lock < 0)
		return lock;
	/* Another process may have given it one since we read it. */
	r = vs_config_load(v->name, &now, e);
	if (r == 0 && !now.uid_base) {
		r = vs_alloc_uids(&now.uid_base, e);
		if (r == 0)
			r = vs_config_save(v->name, &now, e);
	}
	if (r == 0)
		v->conf.uid_base = now.uid_base;
	return r;
}
