/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /etc/vservers/NAME.conf, read and written. Reading keeps what this version does not act on; writing changes the lines
 * that have a new value and leaves the administrator's others, with their comments and order, as they are.
 */
#include "vserver/internal.h"

#define CONF_MAX (1u << 20)
#define PRIORITY_MAX 99999
#define DESCRIPTION "Description" /* a comment, as newvserver has always written it */

int vs_read_host(const char *path, size_t max, struct buf *ret, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? err_sys(e, "%s", path) : path_read_fd(fd, path, max, ret, e);
}

/* ---- the keys that we act on: how each is read, and written ------------------------------------------------------ */

static int read_hostname(struct vs_config *c, const char *value, struct err *e)
{
	size_t len = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");

	if (value[len] || len > 64)
		return err_set(e, -EINVAL,
			       "S_HOSTNAME=\"%s\" is no host name: letters, digits, '.' and '-', at most 64", value);
	free(c->hostname);
	c->hostname = len ? xstrdup(value) : NULL;
	return 0;
}

static int read_uidmap(struct vs_config *c, const char *value, struct err *e)
{
	size_t digits = strspn(value, "0123456789");
	_cleanup_free_ char *base = xstrndup(value, digits), *count = xasprintf(":%u", CTX_IDS);
	uint64_t n;

	if (!*value) {
		c->uid_base = 0;
		return 0;
	}
	/* Below CTX_IDS are the ids of the host's own users. */
	if ((value[digits] && strcmp(value + digits, count) != 0) ||
	    text_uint(base, CTX_IDS, UINT32_MAX - CTX_IDS, &n) < 0)
		return err_set(
			e, -EINVAL,
			"UIDMAP=\"%s\": write BASE%s with BASE from %u on, or leave it out and a free range is taken",
			value, count, CTX_IDS);
	c->uid_base = (uint32_t)n;
	return 0;
}

static int read_priority(struct vs_config *c, const char *value, struct err *e)
{
	uint64_t n = 0;

	if (*value && text_uint(value, 1, PRIORITY_MAX, &n) < 0)
		return err_set(e, -EINVAL, "PRIORITY=\"%s\": write a number from 1 to %d", value, PRIORITY_MAX);
	c->priority = (unsigned)n;
	return 0;
}

static int read_vpkg(struct vs_config *c, const char *value, struct err *e)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return err_set(e, -EINVAL, "VPKG=\"%s\": write yes or no", value);
	c->no_vpkg = strcmp(value, "no") == 0;
	return 0;
}

static int read_ip(struct vs_config *c, const char *value, struct err *e)
{
	strv_free(&c->ip);
	c->ip = (struct strv){0};
	strv_split(&c->ip, value, " \t");
	return 0;
}

static char *write_hostname(const struct vs_config *c)
{
	return xstrdup(c->hostname);
}
static char *write_uidmap(const struct vs_config *c)
{
	return c->uid_base ? xasprintf("%u:%u", c->uid_base, CTX_IDS) : NULL;
}
static char *write_priority(const struct vs_config *c)
{
	return c->priority ? xasprintf("%u", c->priority) : NULL;
}
static char *write_vpkg(const struct vs_config *c)
{
	return c->no_vpkg ? xstrdup("no") : NULL;
}
static char *write_ip(const struct vs_config *c)
{
	struct buf b = {0};

	for (size_t i = 0; i < c->ip.n; i++)
		buf_addf(&b, "%s%s", i ? " " : "", c->ip.v[i]);
	return b.p;
}

static const struct {
	const char *key;
	int (*read)(struct vs_config *c, const char *value, struct err *e);
	char *(*write)(const struct vs_config *c); /* NULL: the default, which needs no line */
} keys[] = {
	{"S_HOSTNAME", read_hostname, write_hostname},
	{"IPROOT", read_ip, write_ip},
	{"UIDMAP", read_uidmap, write_uidmap},
	{"PRIORITY", read_priority, write_priority},
	{"VPKG", read_vpkg, write_vpkg},
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct reading {
	struct vs_config *c;
	const char *file;
};

static int read_entry(const char *key, const char *value, bool is_comment, unsigned line, void *arg, struct err *e)
{
	struct reading *r = arg;

	if (is_comment) {
		if (strcmp(key, DESCRIPTION) == 0 && !r->c->description)
			r->c->description = xstrdup(value);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(key, keys[i].key) == 0) {
			int status = keys[i].read(r->c, value, e);

			if (status < 0)
				err_wrap(e, "%s:%u", r->file, line);
			return status;
		}
	strv_addf(&r->c->other, "%s=%s", key, value);
	return 0;
}

int vs_config_load(const char *name, struct vs_config *ret, struct err *e)
{
	_cleanup_free_ char *path = place("/etc/vservers/%s.conf", name);
	_cleanup_(vs_config_free) struct vs_config c = {0};
	_cleanup_buf_ struct buf text = {0};
	int r = vs_read_host(path, CONF_MAX, &text, e);

	if (r == -ENOENT)
		return vs_unknown(name, e);
	if (r < 0)
		return r;
	r = conf_parse_shell(text.p, text.len, path, read_entry, &(struct reading){&c, path}, e);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct vs_config){0};
	return 0;
}

void vs_config_free(struct vs_config *c)
{
	free(c->hostname);
	free(c->description);
	strv_free(&c->ip);
	strv_free(&c->other);
	*c = (struct vs_config){0};
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* What the file shall say: key and value by turns; written[i] for the pairs that have their line. */
struct wanted {
	struct strv pairs;
	bool *written;
};

static void cleanup_wanted(struct wanted *w)
{
	strv_free(&w->pairs);
	free(w->written);
}

static void want(struct wanted *w, const char *key, char *value)
{
	if (!value)
		return;
	strv_add(&w->pairs, key);
	strv_take(&w->pairs, value);
}

static void collect(struct wanted *w, const struct vs_config *c)
{
	want(w, DESCRIPTION, xstrdup(c->description));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		want(w, keys[i].key, keys[i].write(c));
	for (size_t i = 0; i < c->other.n; i++) {
		const char *eq = strchr(c->other.v[i], '=');
		_cleanup_free_ char *key = eq ? xstrndup(c->other.v[i], (size_t)(eq - c->other.v[i])) : NULL;

		if (key)
			want(w, key, xstrdup(eq + 1));
	}
	w->written = xcalloc(w->pairs.n / 2 + 1, sizeof(bool));
}

static int put_pair(struct buf *out, const char *key, const char *value, struct err *e)
{
	bool special = strpbrk(value, "\"$`\\") != NULL;

	if (strpbrk(value, "\n\r") || (special && strchr(value, '\'')))
		return err_set(e, -EINVAL, "%s: its value cannot be written to a configuration on one quoted line",
			       key);
	if (strcmp(key, DESCRIPTION) == 0)
		buf_addf(out, "# %s: %s\n", key, value);
	else
		buf_addf(out, special ? "%s='%s'\n" : "%s=\"%s\"\n", key, value);
	return 0;
}

struct line {
	unsigned number;
	char *key, *value;
};
struct old {
	struct line *v;
	size_t n;
};

static void cleanup_old(struct old *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->v[i].key);
		free(o->v[i].value);
	}
	free(o->v);
}

static int note_line(const char *key, const char *value, bool is_comment, unsigned line, void *arg, struct err *e)
{
	struct old *o = arg;

	if (is_comment && strcmp(key, DESCRIPTION) != 0)
		return 0;
	o->v = xrealloc(o->v, (o->n + 1) * sizeof(*o->v));
	o->v[o->n++] = (struct line){line, xstrdup(key), xstrdup(value)};
	return 0;
}

/* The line of an old setting: as it was when its value is still wanted, anew when that changed, not at all when nobody
 * wants it any more. */
static int put_old_setting(struct buf *out, const struct line *old, const char *text, size_t len, struct wanted *w,
			   struct err *e)
{
	for (size_t i = 0; i < w->pairs.n / 2; i++) {
		const char *value = w->pairs.v[2 * i + 1];

		if (w->written[i] || strcmp(w->pairs.v[2 * i], old->key) != 0)
			continue;
		w->written[i] = true;
		if (strcmp(value, old->value) != 0)
			return put_pair(out, old->key, value, e);
		buf_add(out, text, len);
		buf_adds(out, "\n");
		return 0;
	}
	return 0;
}

static int put_old(struct buf *out, const struct buf *text, const char *path, struct wanted *w, struct err *e)
{
	_cleanup_(cleanup_old) struct old old = {0};
	int r = conf_parse_shell(text->p, text->len, path, note_line, &old, e);
	size_t next = 0, at = 0;

	for (unsigned number = 1; r == 0 && at < text->len; number++) {
		const char *line = text->p + at, *end = memchr(line, '\n', text->len - at);
		size_t len = end ? (size_t)(end - line) : text->len - at;

		if (next < old.n && old.v[next].number == number) {
			r = put_old_setting(out, &old.v[next++], line, len, w, e);
		} else {
			buf_add(out, line, len);
			buf_adds(out, "\n");
		}
		at += len + 1;
	}
	return r;
}

int vs_config_save(const char *name, const struct vs_config *c, struct err *e)
{
	_cleanup_free_ char *path = place("/etc/vservers/%s.conf", name), *file = xasprintf("%s.conf", name);
	_cleanup_close_ int dir = place_dir("/etc/vservers", 0755, e);
	_cleanup_(cleanup_wanted) struct wanted w = {0};
	_cleanup_buf_ struct buf old = {0}, out = {0};
	_cleanup_err_ struct err why = {0};
	int r = dir < 0 ? dir : vs_name_check(name, e);

	if (r < 0)
		return r;
	collect(&w, c);
	r = vs_read_host(path, CONF_MAX, &old, &why);
	if (r == 0)
		r = put_old(&out, &old, path, &w, e);
	else
		r = r == -ENOENT ? 0 : err_set(e, r, "%s", why.msg);
	for (size_t i = 0; r == 0 && i < w.pairs.n / 2; i++)
		if (!w.written[i])
			r = put_pair(&out, w.pairs.v[2 * i], w.pairs.v[2 * i + 1], e);
	if (r < 0) {
		err_wrap(e, "%s", path);
		return r;
	}
	return path_write(dir, file, out.p ? out.p : "", out.len, 0644, e);
}
