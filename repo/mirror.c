/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The Debian mirror that this host itself uses: near, reachable, and perhaps already warm.
 */
#include "repo/internal.h"

#include <dirent.h>
#include <strings.h>

#define LIST_MAX (1u << 20)

struct search {
	bool security;
	char *found;
};

static const char *const suites[] = {
	"bullseye", "bookworm", "trixie",    "forky",        "duke",   "sid",          "stable",
	"testing",  "unstable", "oldstable", "oldoldstable", "buster", "experimental",
};

/* "bookworm-security", "stable/updates", "sid" */
static bool is_debian_suite(const char *suite)
{
	size_t n = strcspn(suite, "-/");

	for (size_t i = 0; i < ARRAY_LEN(suites); i++)
		if (strlen(suites[i]) == n && strncmp(suites[i], suite, n) == 0)
			return true;
	return false;
}

/* Other archives use Debian's suite names too; Debian's own have its name as a directory of their path. */
static bool is_debian_path(const char *uri, bool security)
{
	_cleanup_strv_ struct strv parts = {0};
	const char *path = strstr(uri, "://");

	strv_split(&parts, path ? path + 3 : uri, "/");
	for (size_t i = path ? 1 : 0; i < parts.n; i++)
		if (strcmp(parts.v[i], security ? "debian-security" : "debian") == 0)
			return true;
	return false;
}

static void consider(const struct strv *uris, const struct strv *names, const struct strv *components, struct search *s)
{
	bool fits = false;

	if (s->found || !strv_has(components, "main"))
		return;
	for (size_t i = 0; i < names->n; i++) {
		bool security = strstr(names->v[i], "-security") || strstr(names->v[i], "/updates");

		fits |= is_debian_suite(names->v[i]) && security == s->security;
	}
	for (size_t i = 0; fits && i < uris->n; i++) {
		const char *u = uris->v[i];
		size_t n = strlen(u);

		if (strncmp(u, "http://", 7) != 0 && strncmp(u, "https://", 8) != 0 && strncmp(u, "file:/", 6) != 0)
			continue;
		if (!is_debian_path(u, s->security))
			continue;
		while (n > 1 && u[n - 1] == '/')
			n--;
		s->found = xstrndup(u, n);
		return;
	}
}

/* deb [options] URI SUITE COMPONENT… */
static void one_line(char *line, struct search *s)
{
	_cleanup_strv_ struct strv w = {0}, uris = {0}, names = {0}, components = {0};
	char *open, *shut;

	line[strcspn(line, "#\r\n")] = 0;
	open = strchr(line, '[');
	shut = open ? strchr(open, ']') : NULL;
	if (shut)
		memset(open, ' ', (size_t)(shut - open) + 1);
	strv_split(&w, line, " \t");
	if (w.n < 4 || strcmp(w.v[0], "deb") != 0)
		return;
	strv_add(&uris, w.v[1]);
	strv_add(&names, w.v[2]);
	for (size_t i = 3; i < w.n; i++)
		strv_add(&components, w.v[i]);
	consider(&uris, &names, &components, s);
}

struct deb822 {
	struct strv types, uris, names, components;
	struct strv *last;
	bool off;
};

static void end_deb822(struct deb822 *d, struct search *s)
{
	if (!d->off && strv_has(&d->types, "deb"))
		consider(&d->uris, &d->names, &d->components, s);
	strv_free(&d->types);
	strv_free(&d->uris);
	strv_free(&d->names);
	strv_free(&d->components);
	*d = (struct deb822){0};
}

static void deb822_line(const char *line, struct deb822 *d, struct search *s)
{
	const struct {
		const char *name;
		struct strv *list;
	} fields[] = {
		{"Types:", &d->types}, {"URIs:", &d->uris}, {"Suites:", &d->names}, {"Components:", &d->components}};

	if (line[0] == '#')
		return;
	if (line[strspn(line, " \t\r\n")] == 0) {
		end_deb822(d, s);
		return;
	}
	if (line[0] == ' ' || line[0] == '\t') {
		if (d->last)
			strv_split(d->last, line, " \t\r\n");
		return;
	}
	d->last = NULL;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		size_t n = strlen(fields[i].name);

		if (strncasecmp(line, fields[i].name, n) == 0) {
			d->last = fields[i].list;
			strv_split(d->last, line + n, " \t\r\n");
		}
	}
	if (strncasecmp(line, "Enabled:", 8) == 0)
		d->off = strcasestr(line + 8, "no") || strcasestr(line + 8, "false");
}

static void one_file(const char *path, struct search *s)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	struct deb822 d = {0};
	bool new_format = strlen(path) > 8 && strcmp(path + strlen(path) - 8, ".sources") == 0;
	size_t cap = 0, seen = 0;
	ssize_t n;

	while (f && !s->found && (n = getline(&line, &cap, f)) > 0 && (seen += (size_t)n) < LIST_MAX) {
		if (new_format)
			deb822_line(line, &d, s);
		else
			one_line(line, s);
	}
	end_deb822(&d, s);
}

char *mirror_find(const char *etc_apt, bool security)
{
	_cleanup_free_ char *main = xasprintf("%s/sources.list", etc_apt),
			    *parts = xasprintf("%s/sources.list.d", etc_apt);
	struct search s = {.security = security};
	struct dirent **names = NULL;
	int n;

	one_file(main, &s);
	n = scandir(parts, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", parts, names[i]->d_name);

		if (text_match("*.list", names[i]->d_name) || text_match("*.sources", names[i]->d_name))
			one_file(path, &s);
		free(names[i]);
	}
	free(names);
	return s.found;
}

char *repo_host_mirror(bool security)
{
	return mirror_find("/etc/apt", security);
}
