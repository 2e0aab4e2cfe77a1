/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reads a distribution definition: INI text to struct boot_distro, by one table of keys. What the file says is taken
 * literally here; catalogue.c finds the file and its keyrings. The format is described in distros/README.md.
 */
#include "bootstrap/internal.h"

#include <ctype.h>

#define BLANKS " \t\r\n,"

struct parse {
	const char *file;
	struct boot_distro d;
	struct strv seen;   /* "section/key" of every key so far */
	char *repo;         /* the [repo X] that keys belong to now */
	unsigned repo_line; /* where it began */
};

/* One key of a section: how it is stored. `repo` is the current repository, NULL in the other sections. */
struct key {
	const char *section; /* "repo" stands for every [repo X] */
	const char *name;
	int (*set)(struct parse *p, struct repo_source *repo, const char *value, char **ret_problem);
};

static int problem(char **ret, char *text)
{
	*ret = text;
	return -EBADMSG;
}

static int yes_no(const char *value, bool *ret, char **why)
{
	if (strcmp(value, "yes") == 0)
		*ret = true;
	else if (strcmp(value, "no") == 0)
		*ret = false;
	else
		return problem(why, xasprintf("'%s' is neither yes nor no", value));
	return 0;
}

static bool is_name(const char *s, const char *more)
{
	if (!isalnum((unsigned char)*s))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(more, *s))
			return false;
	return true;
}

static int set_name(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	const char *slash = strchr(v, '/');
	if (!is_name(v, "/._-") || !slash || !slash[1] || strchr(slash + 1, '/'))
		return problem(why, xasprintf("'%s' is no distribution's name; write it as debian/12", v));
	p->d.name = xstrdup(v);
	return 0;
}

static int set_aliases(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	strv_split(&p->d.aliases, v, BLANKS);
	return 0;
}

static int set_family(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	p->d.family = vs_family_parse(v);
	if (p->d.family == VS_UNKNOWN)
		return problem(why, xasprintf("'%s' is no family; there are debian and redhat", v));
	return 0;
}

static int set_word(char **to, const char *v, char **why)
{
	if (!is_name(v, "._-"))
		return problem(why, xasprintf("'%s' is not one plain word", v));
	*to = xstrdup(v);
	return 0;
}

static int set_arch(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	return set_word(&p->d.arch, v, why);
}

static int set_init(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	return set_word(&p->d.init, v, why);
}

static int set_end(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	for (size_t i = 0; i < 10; i++)
		if (i == 4 || i == 7 ? v[i] != '-' : !isdigit((unsigned char)v[i]))
			return problem(why, xasprintf("'%s' is no date; write it as 2028-06-30", v));
	return v[10] ? problem(why, xasprintf("'%s' is no date; write it as 2028-06-30", v))
		     : set_word(&p->d.end_of_life, v, why);
}

static int set_tested(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	return yes_no(v, &p->d.tested, why);
}

static int set_type(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	static const struct {
		const char *name;
		enum repo_type type;
	} types[] = {{"deb", REPO_TYPE_DEB}, {"rpmmd", REPO_TYPE_RPMMD}};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(v, types[i].name) == 0) {
			repo->type = types[i].type;
			return 0;
		}
	return problem(why, xasprintf("'%s' is no type of repository; there are deb and rpmmd", v));
}

static int set_url(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	strv_split(&repo->urls, v, BLANKS);
	for (size_t i = 0; i < repo->urls.n; i++) {
		const char *u = repo->urls.v[i];
		if (u[0] != '/' && strncmp(u, "http://", 7) != 0 && strncmp(u, "https://", 8) != 0 &&
		    strncmp(u, "file:///", 8) != 0)
			return problem(why, xasprintf("'%s' is no http, https or file URL and no absolute path", u));
	}
	return 0;
}

static int set_suite(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	if (!is_name(v, "/._-"))
		return problem(why, xasprintf("'%s' is no suite", v));
	repo->suite = xstrdup(v);
	return 0;
}

static int set_components(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	strv_split(&repo->components, v, BLANKS);
	return 0;
}

static int set_keyring(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	if (strstr(v, ".."))
		return problem(why, xasprintf("'%s' leads out of the keyrings' directory", v));
	repo->keyring = xstrdup(v);
	return 0;
}

static int set_key(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	strv_split(&repo->fingerprints, v, BLANKS);
	for (size_t i = 0; i < repo->fingerprints.n; i++) {
		const char *f = repo->fingerprints.v[i];
		size_t n = strspn(f, "0123456789ABCDEF");
		if (f[n] || (n != 40 && n != 64))
			return problem(why, xasprintf("'%s' is no key fingerprint (40 upper-case hex digits)", f));
	}
	return 0;
}

static size_t repo_index(const struct parse *p, const struct repo_source *repo)
{
	return (size_t)(repo - p->d.repos);
}

static int set_security(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	return yes_no(v, &p->d.repo_security[repo_index(p, repo)], why);
}

static int set_host_mirror(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	return yes_no(v, &p->d.repo_host_mirror[repo_index(p, repo)], why);
}

static int set_expired(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	return yes_no(v, &repo->allow_expired, why);
}

static int set_packages(struct strv *to, const char *v, char **why)
{
	strv_split(to, v, BLANKS);
	for (size_t i = 0; i < to->n; i++)
		if (!is_name(to->v[i], "+._-:"))
			return problem(why, xasprintf("'%s' is no package name", to->v[i]));
	return 0;
}

static int set_minimal(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	return set_packages(&p->d.minimal, v, why);
}

static int set_standard(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	return set_packages(&p->d.standard, v, why);
}

static int set_quirk(struct parse *p, const char *quirk, const char *v, char **why)
{
	bool on = false;
	int r = yes_no(v, &on, why);
	if (r == 0 && on)
		strv_add(&p->d.quirks, quirk);
	return r;
}

static int set_merged_usr(struct parse *p, struct repo_source *repo, const char *v, char **why)
{
	return set_quirk(p, "merged-usr", v, why);
}

static const struct key keys[] = {
	{"distro", "name", set_name},
	{"distro", "aliases", set_aliases},
	{"distro", "family", set_family},
	{"distro", "arch", set_arch},
	{"distro", "init", set_init},
	{"distro", "end-of-life", set_end},
	{"distro", "tested", set_tested},
	{"repo", "type", set_type},
	{"repo", "url", set_url},
	{"repo", "host-mirror", set_host_mirror},
	{"repo", "suite", set_suite},
	{"repo", "components", set_components},
	{"repo", "keyring", set_keyring},
	{"repo", "key", set_key},
	{"repo", "security", set_security},
	{"repo", "allow-expired", set_expired},
	{"packages", "minimal", set_minimal},
	{"packages", "standard", set_standard},
	{"quirks", "merged-usr", set_merged_usr},
};

/* What a finished [repo X] must have. */
static int repo_check(struct parse *p, struct err *e)
{
	if (!p->repo)
		return 0;
	struct boot_distro *d = &p->d;
	struct repo_source *s = &d->repos[d->n_repos - 1];
	_cleanup_free_ char *type = xasprintf("repo %s/type", p->repo);
	const char *missing = !strv_has(&p->seen, type) ? "type" : s->urls.n == 0 ? "url" : NULL;
	if (!missing && s->type == REPO_TYPE_DEB && !s->suite)
		missing = "suite";
	if (!missing && !s->keyring)
		missing = "keyring";
	if (missing)
		return err_set(e, -EBADMSG, "%s:%u: [repo %s] has no %s", p->file, p->repo_line, p->repo, missing);
	if (s->type == REPO_TYPE_DEB && s->components.n == 0)
		strv_add(&s->components, "main");
	return 0;
}

/* Begins [repo NAME]. */
static int repo_begin(struct parse *p, const char *name, unsigned line, struct err *e)
{
	struct boot_distro *d = &p->d;
	int r = repo_check(p, e);
	if (r < 0)
		return r;
	if (!is_name(name, "._-"))
		return err_set(e, -EBADMSG, "%s:%u: '%s' is no name for a repository", p->file, line, name);
	for (size_t i = 0; i < d->n_repos; i++)
		if (strcmp(d->repos[i].name, name) == 0)
			return err_set(e, -EBADMSG, "%s:%u: there is a [repo %s] already", p->file, line, name);
	size_t n = d->n_repos + 1;
	d->repos = xrealloc(d->repos, n * sizeof *d->repos);
	d->repo_security = xrealloc(d->repo_security, n * sizeof *d->repo_security);
	d->repo_host_mirror = xrealloc(d->repo_host_mirror, n * sizeof *d->repo_host_mirror);
	d->repos[n - 1] = (struct repo_source){.name = xstrdup(name)};
	d->repo_security[n - 1] = d->repo_host_mirror[n - 1] = false;
	d->n_repos = n;
	free(p->repo);
	p->repo = xstrdup(name);
	p->repo_line = line;
	return 0;
}

static int unknown(const struct parse *p, const char *what, const char *word, const char *kind, unsigned line,
		   struct err *e)
{
	const char *words[ARRAY_LEN(keys)];
	size_t n = 0;
	bool sections = strcmp(what, "section") == 0;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (sections || strcmp(keys[i].section, kind) == 0)
			words[n++] = sections ? keys[i].section : keys[i].name;
	const char *near = text_nearest(word, words, n);
	return err_set(e, -EBADMSG, "%s:%u: unknown %s '%s'%s%s%s", p->file, line, what, word, near ? "; is it '" : "",
		       near ? near : "", near ? "'?" : "");
}

static int on_key(const char *section, const char *key, const char *value, unsigned line, void *arg, struct err *e)
{
	struct parse *p = arg;
	const char *kind = section;
	bool in_repo = strncmp(section, "repo ", 5) == 0;
	if (in_repo) {
		kind = "repo";
		const char *name = section + 5 + strspn(section + 5, " ");
		if (!p->repo || strcmp(p->repo, name) != 0) {
			int r = repo_begin(p, name, line, e);
			if (r < 0)
				return r;
		}
	} else if (strcmp(section, "repo") == 0) {
		return err_set(e, -EBADMSG, "%s:%u: a repository needs a name: [repo main]", p->file, line);
	}
	const struct key *k = NULL;
	bool section_known = false;
	for (size_t i = 0; i < ARRAY_LEN(keys) && !k; i++)
		if (strcmp(keys[i].section, kind) == 0) {
			section_known = true;
			k = strcmp(keys[i].name, key) == 0 ? &keys[i] : NULL;
		}
	if (!section_known)
		return unknown(p, "section", section, kind, line, e);
	if (!k)
		return unknown(p, "key", key, kind, line, e);
	_cleanup_free_ char *id = xasprintf("%s/%s", section, key);
	if (strv_has(&p->seen, id))
		return err_set(e, -EBADMSG, "%s:%u: %s is given twice in [%s]", p->file, line, key, section);
	strv_add(&p->seen, id);
	if (!*value)
		return err_set(e, -EBADMSG, "%s:%u: %s has no value", p->file, line, key);
	_cleanup_free_ char *why = NULL;
	int r = k->set(p, in_repo ? &p->d.repos[p->d.n_repos - 1] : NULL, value, &why);
	return r < 0 ? err_set(e, r, "%s:%u: %s: %s", p->file, line, key, why) : 0;
}

/* What a whole definition must have, and what follows from it. */
static int distro_check(struct parse *p, struct err *e)
{
	struct boot_distro *d = &p->d;
	const char *missing = !d->name ? "name" : d->family == VS_UNKNOWN ? "family" : !d->arch ? "arch" : NULL;
	if (missing)
		return err_set(e, -EBADMSG, "%s: [distro] has no %s", p->file, missing);
	if (d->family != VS_DEBIAN && d->family != VS_REDHAT)
		return err_set(e, -EOPNOTSUPP, "%s: family %s cannot be bootstrapped; debian and redhat can", p->file,
			       vs_family_name(d->family));
	if (d->n_repos == 0)
		return err_set(e, -EBADMSG, "%s: there is no [repo X]: nothing to take packages from", p->file);
	if (d->minimal.n == 0)
		return err_set(e, -EBADMSG, "%s: [packages] has no minimal", p->file);
	enum repo_type type = d->family == VS_DEBIAN ? REPO_TYPE_DEB : REPO_TYPE_RPMMD;
	for (size_t i = 0; i < d->n_repos; i++) {
		if (d->repos[i].type != type)
			return err_set(e, -EBADMSG, "%s: [repo %s] is not of a type for family %s", p->file,
				       d->repos[i].name, vs_family_name(d->family));
		d->repos[i].arch = xstrdup(d->arch);
	}
	return 0;
}

int boot_distro_parse(const char *text, size_t len, const char *file, struct boot_distro *ret, struct err *e)
{
	struct parse p = {.file = file};
	int r = conf_parse_ini(text, len, file, on_key, &p, e);
	if (r >= 0)
		r = repo_check(&p, e);
	if (r >= 0)
		r = distro_check(&p, e);
	strv_free(&p.seen);
	free(p.repo);
	if (r < 0) {
		boot_distro_free(&p.d);
		return r;
	}
	*ret = p.d;
	return 0;
}

void boot_distro_free(struct boot_distro *d)
{
	free(d->name);
	free(d->arch);
	free(d->init);
	free(d->end_of_life);
	strv_free(&d->aliases);
	strv_free(&d->minimal);
	strv_free(&d->standard);
	strv_free(&d->quirks);
	for (size_t i = 0; i < d->n_repos; i++)
		repo_source_free(&d->repos[i]);
	free(d->repos);
	free(d->repo_security);
	free(d->repo_host_mirror);
	*d = (struct boot_distro){0};
}
