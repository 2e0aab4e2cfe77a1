/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Selectors: which vservers a command line means.
 */
#include "vserver/internal.h"

/* Distributions that @WORD may name although no vserver of this host has one; another word is a slip of the pen. */
static const char *const known_distros[] = {
	"debian", "ubuntu",   "devuan",        "raspbian", "linuxmint", "kali",     "centos",
	"rhel",   "redhat",   "fedora",        "rocky",    "almalinux", "ol",       "scientific",
	"amzn",   "opensuse", "opensuse-leap", "mageia",   "mandriva",  "mandrake", "openmandriva",
};

struct chosen {
	struct strv names;     /* of the host, in PRIORITY order */
	struct vserver **open; /* parallel; opened when somebody first needs to look into it */
	bool *in;
};

static void cleanup_chosen(struct chosen *c)
{
	for (size_t i = 0; i < c->names.n; i++)
		vs_free(c->open[i]);
	free(c->open);
	free(c->in);
	strv_free(&c->names);
}

static int look(struct chosen *c, size_t i, struct err *e)
{
	return c->open[i] ? 0 : vs_open(c->names.v[i], &c->open[i], e);
}

/* Whether s is the distribution WORD, at any version, or at VERSION or a point release of it. */
static bool distro_is(const char *distro, const char *word)
{
	size_t len = strlen(word);

	if (!distro || strncmp(distro, word, len) != 0)
		return false;
	return !distro[len] || (strchr(word, '/') ? distro[len] == '.' : distro[len] == '/');
}

static bool word_is_known(const struct chosen *c, const char *word)
{
	_cleanup_free_ char *id = xstrndup(word, strcspn(word, "/"));

	if (vs_family_parse(word) != VS_UNKNOWN)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(known_distros); i++)
		if (strcmp(id, known_distros[i]) == 0)
			return true;
	for (size_t i = 0; i < c->names.n; i++)
		if (c->open[i] && distro_is(c->open[i]->distro, id))
			return true;
	return false;
}

static int unknown_word(const char *selector, struct err *e)
{
	_cleanup_strv_ struct strv words = {0};
	const char *near;

	for (size_t i = 0; i < ARRAY_LEN(known_distros); i++)
		strv_add(&words, known_distros[i]);
	near = text_nearest(selector + 1, (const char *const *)words.v, words.n);
	return err_set(
		e, -EINVAL,
		"%s is no selector%s%s%s; there are NAME, a pattern, ALL, @FAMILY, @DISTRIBUTION[/VERSION], !NAME",
		selector, near ? "; did you mean @" : "", near ? near : "", near ? "?" : "");
}

/* Which of the host's vservers a selector (without '!') names, into hit[]. Returns how many. */
static int match(struct chosen *c, const char *selector, bool *hit, struct err *e)
{
	bool all = strcmp(selector, "ALL") == 0, group = selector[0] == '@', pattern = strpbrk(selector, "*?[") != NULL;
	enum vs_family family = group ? vs_family_parse(selector + 1) : VS_UNKNOWN;
	int n = 0;

	for (size_t i = 0; i < c->names.n; i++) {
		int r = all || group ? look(c, i, e) : 0;

		if (r < 0)
			return r;
		if (all)
			hit[i] = !c->open[i]->conf.no_vpkg;
		else if (group)
			hit[i] = (family != VS_UNKNOWN && c->open[i]->family == family) ||
				 distro_is(c->open[i]->distro, selector + 1);
		else
			hit[i] = pattern ? text_match(selector, c->names.v[i]) : strcmp(selector, c->names.v[i]) == 0;
		n += hit[i];
	}
	if (group && n == 0 && !word_is_known(c, selector + 1))
		return unknown_word(selector, e);
	return n;
}

/* A NAME that is none of the host's: say what is missing of it. */
static int missing_name(const char *name, struct err *e)
{
	struct vserver *v = NULL;
	int r = vs_open(name, &v, e);

	if (r < 0)
		return r;
	vs_free(v);
	return err_set(e, -ENOENT, "vserver %s has a configuration but no tree: %s/vservers/%s does not exist", name,
		       place_sysroot(), name);
}

static int apply(struct chosen *c, const char *selector, struct err *e)
{
	bool out = selector[0] == '!';
	_cleanup_free_ bool *hit = xcalloc(c->names.n + 1, sizeof(bool));
	const char *what = selector + out;
	int n = match(c, what, hit, e);

	if (n < 0)
		return n;
	if (n == 0 && strpbrk(what, "*?[@") == NULL && strcmp(what, "ALL") != 0)
		return missing_name(what, e);
	if (n == 0 && !out)
		return err_set(e, -ENOENT, "%s selects no vserver%s", what,
			       c->names.n ? "" : ": there is none on this host");
	for (size_t i = 0; i < c->names.n; i++)
		if (hit[i])
			c->in[i] = !out;
	return 0;
}

static int collect(struct chosen *c, struct vserver ***ret, size_t *ret_n, struct err *e)
{
	struct vserver **list;
	size_t n = 0;

	for (size_t i = 0; i < c->names.n; i++) {
		int r = c->in[i] ? look(c, i, e) : 0;

		if (r < 0)
			return r;
		n += c->in[i];
	}
	if (n == 0)
		return err_set(e, -ENOENT, "the selectors leave every vserver out");
	list = xcalloc(n + 1, sizeof(struct vserver *));
	n = 0;
	for (size_t i = 0; i < c->names.n; i++)
		if (c->in[i])
			list[n++] = TAKE_PTR(c->open[i]);
	*ret = list;
	*ret_n = n;
	return 0;
}

int vs_select(const char *const *selectors, size_t n, struct vserver ***ret, size_t *ret_n, struct err *e)
{
	_cleanup_(cleanup_chosen) struct chosen c = {0};
	size_t positive = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		positive += selectors[i][0] != '!';
	if (!positive)
		return err_set(e, -EINVAL,
			       n ? "%s only leaves out: put ALL, a name or a pattern beside it"
				 : "no vserver named%s: give a name, a pattern or ALL",
			       n ? selectors[0] : "");
	r = vs_list(&c.names, e);
	if (r < 0)
		return r;
	c.open = xcalloc(c.names.n + 1, sizeof(struct vserver *));
	c.in = xcalloc(c.names.n + 1, sizeof(bool));
	/* First what is meant, then what is not: "!web1 ALL" is "ALL !web1". */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < n; i++)
			if ((selectors[i][0] == '!') == (pass == 1)) {
				r = apply(&c, selectors[i], e);
				if (r < 0)
					return r;
			}
	return collect(&c, ret, ret_n, e);
}

void vs_free_all(struct vserver **v)
{
	for (size_t i = 0; v && v[i]; i++)
		vs_free(v[i]);
	free(v);
}
