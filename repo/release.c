/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Release file's fields: what suite it is of, how long it holds, and the digests of the indexes that are wanted of
 * it.
 */
#include "repo/internal.h"

#include <strings.h>
#include <time.h>

void release_free(struct release *r)
{
	free(r->suite);
	free(r->codename);
	for (size_t i = 0; i < r->n; i++)
		free(r->files[i].path);
	free(r->files);
	*r = (struct release){0};
}

int64_t release_date(const char *s)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = {0};
	char month[4], zone[8] = "";
	const char *at;

	s += strcspn(s, " ");
	if (sscanf(s, " %2d %3s %4d %2d:%2d:%2d %7s", &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour, &tm.tm_min,
		   &tm.tm_sec, zone) != 7)
		return 0;
	at = strstr(months, month);
	if (strlen(month) != 3 || !at || (at - months) % 3 ||
	    (strcmp(zone, "UTC") && strcmp(zone, "GMT") && strcmp(zone, "+0000") && strcmp(zone, "Z")))
		return 0;
	if (tm.tm_year < 1990 || tm.tm_year > 9000 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 ||
	    tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
		return 0;
	tm.tm_mon = (int)(at - months) / 3;
	tm.tm_year -= 1900;
	return (int64_t)timegm(&tm);
}

/* " HEX SIZE PATH" */
static void add_file(const char *line, const struct strv *wanted, struct release *r)
{
	_cleanup_strv_ struct strv w = {0};
	struct release_file f = {0};

	strv_split(&w, line, " \t");
	if (w.n != 3 || !strv_has(wanted, w.v[2]) || !cache_parse_hex(w.v[0], f.sha256) ||
	    text_uint(w.v[1], 0, UINT64_MAX / 2, &f.size) < 0)
		return;
	f.path = xstrdup(w.v[2]);
	r->files = xrealloc(r->files, (r->n + 1) * sizeof(*r->files));
	r->files[r->n++] = f;
}

static void set(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

static bool has_word(const char *list, const char *word)
{
	_cleanup_strv_ struct strv w = {0};

	strv_split(&w, list, " \t");
	return strv_has(&w, word);
}

static int add_field(const char *name, const char *value, struct release *r, struct err *e)
{
	bool date = strcasecmp(name, "Date") == 0, until = strcasecmp(name, "Valid-Until") == 0;

	if (strcasecmp(name, "Suite") == 0)
		set(&r->suite, value);
	else if (strcasecmp(name, "Codename") == 0)
		set(&r->codename, value);
	else if (strcasecmp(name, "Acquire-By-Hash") == 0)
		r->by_hash = strcasecmp(value, "yes") == 0;
	else if (strcasecmp(name, "No-Support-for-Architecture-all") == 0)
		r->no_all |= strstr(value, "Packages") != NULL;
	else if (strcasecmp(name, "Architectures") == 0)
		r->no_all |= !has_word(value, "all");
	else if (date)
		r->date = release_date(value);
	else if (until)
		r->valid_until = release_date(value);
	/* A date that cannot be read must not count as one that was not given. */
	if ((date && !r->date) || (until && !r->valid_until))
		return err_set(e, -EBADMSG, "field %s is not a date", name);
	return 0;
}

int release_parse(const char *text, size_t len, const struct strv *wanted, struct release *ret, struct err *e)
{
	const char *p = text, *end = text + len;
	struct release r = {0};
	bool in_list = false, any = false;
	int status = 0;

	while (status == 0 && p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((eol ? eol : end) - p);
		_cleanup_free_ char *line = xstrndup(p, n);
		char *value;

		n = strlen(line); /* a NUL in the text ends the line */
		while (n > 0 && line[n - 1] && strchr(" \t\r", line[n - 1]))
			line[--n] = 0;
		p = eol ? eol + 1 : end;
		if (line[0] == ' ' || line[0] == '\t') {
			if (in_list)
				add_file(line, wanted, &r);
			continue;
		}
		value = strchr(line, ':');
		if (!value)
			continue;
		*value++ = 0;
		value += strspn(value, " \t");
		in_list = strcasecmp(line, "SHA256") == 0;
		any |= in_list;
		status = add_field(line, value, &r, e);
	}
	if (status == 0 && !any)
		status = err_set(e, -EBADMSG, "lists no SHA-256 digests: not a Release file, or one too old");
	if (status < 0)
		release_free(&r);
	else
		*ret = r;
	return status;
}
