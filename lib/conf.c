/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Configuration is parsed, never executed: the assignments of a shell file, and INI (split into lines' meaning by
 * inih). Whatever is not plainly a setting is refused with its line and what to write instead.
 */
#include "lib/lib.h"

#include <ctype.h>
#include <ini.h>

/* ---- what both refuse -------------------------------------------------------------------------------------------- */

/* Bytes that no configuration needs and that would be invisible in it, or end C strings. */
static int check_text(const char *text, size_t len, const char *file, struct err *e)
{
	unsigned line = 1;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n')
			line++;
		else if (c == '\r')
			return err_set(e, -EBADMSG, "%s:%u: carriage return; save the file with Unix line ends", file,
				       line);
		else if ((c < 0x20 && c != '\t') || c == 0x7f)
			return err_set(e, -EBADMSG, "%s:%u: control character 0x%02x; remove it", file, line, c);
	}
	return 0;
}

/* ---- shell assignments ------------------------------------------------------------------------------------------- */

struct shell {
	const char *file;
	unsigned line;
	int (*fn)(const char *, const char *, bool, unsigned, void *, struct err *);
	void *arg;
	struct err *e;
};

static bool key_start(char c)
{
	return isalpha((unsigned char)c) || c == '_';
}
static bool key_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static int refuse(const struct shell *s, const char *what)
{
	return err_set(s->e, -EBADMSG, "%s:%u: %s", s->file, s->line, what);
}

/* What the shell would not take literally, and what to write instead. */
static const char *special(char c, bool quoted)
{
	switch (c) {
	case '$':
		return "'$' would be substituted by a shell; write the value itself, or put it in single quotes";
	case '`':
		return "'`' would run a command in a shell; write the value itself, or put it in single quotes";
	case '\\':
		return quoted ? "'\\' in double quotes; put the value in single quotes"
			      : "'\\' outside quotes; put the value in single quotes";
	case ';':
	case '&':
	case '|':
	case '<':
	case '>':
	case '(':
	case ')':
		return quoted ? NULL
			      : "a command or redirection; only KEY=value is read here, put a value with such "
				"characters in quotes";
	default:
		return NULL;
	}
}

/* One quoted part; *p stands at the opening quote and is left behind the closing one. */
static int quoted_part(const struct shell *s, const char **p, struct buf *value)
{
	char quote = *(*p)++;

	for (; **p != quote; (*p)++) {
		const char *bad = quote == '"' ? special(**p, true) : NULL;

		if (!**p)
			return refuse(s, quote == '"' ? "'\"' is not closed on this line; close it"
						      : "\"'\" is not closed on this line; close it");
		if (**p == '\\' && quote == '"' && (*p)[1] && strchr("\"\\$`", (*p)[1])) {
			(*p)++;
			bad = NULL;
		}
		if (bad)
			return refuse(s, bad);
		buf_add(value, *p, 1);
	}
	(*p)++;
	return 0;
}

static int shell_value(const struct shell *s, const char *p, struct buf *value)
{
	buf_add(value, "", 0);
	if (*p == '~')
		return refuse(
			s, "'~' would become a home directory in a shell; write the whole path, or put it in quotes");
	while (*p && !isblank((unsigned char)*p)) {
		const char *bad = special(*p, false);

		if (bad)
			return refuse(s, bad);
		if (*p == '"' || *p == '\'') {
			int r = quoted_part(s, &p, value);

			if (r < 0)
				return r;
			continue;
		}
		buf_add(value, p++, 1);
	}
	p += strspn(p, " \t");
	if (*p && *p != '#')
		return refuse(s, "a second word after the value; put a value of several words in quotes");
	return 0;
}

static int shell_comment(const struct shell *s, const char *p)
{
	_cleanup_free_ char *key = NULL, *value = NULL;
	const char *colon, *end;

	p += strspn(p, "# \t");
	for (colon = p; key_char(*colon) || *colon == '-';)
		colon++;
	if (colon == p || !key_start(*p) || colon[0] != ':' || !isblank((unsigned char)colon[1]))
		return 0;
	key = xstrndup(p, (size_t)(colon - p));
	p = colon + 1 + strspn(colon + 1, " \t");
	for (end = p + strlen(p); end > p && isblank((unsigned char)end[-1]);)
		end--;
	value = xstrndup(p, (size_t)(end - p));
	return s->fn(key, value, true, s->line, s->arg, s->e);
}

static int shell_line(const struct shell *s, const char *p)
{
	_cleanup_buf_ struct buf value = {0};
	_cleanup_free_ char *key = NULL;
	const char *end;
	int r;

	p += strspn(p, " \t");
	if (!*p)
		return 0;
	if (*p == '#')
		return shell_comment(s, p);
	for (end = p; key_char(*end);)
		end++;
	if (end == p || !key_start(*p) || *end != '=') {
		if (strncmp(p, "export", 6) == 0 && isblank((unsigned char)p[6]))
			return refuse(s, "'export' has no meaning here; write KEY=value");
		return refuse(s, *end && isblank((unsigned char)*end) && end[strspn(end, " \t")] == '='
					 ? "blanks before '='; write KEY=value"
					 : "no setting; this file is read, not executed: write KEY=value");
	}
	key = xstrndup(p, (size_t)(end - p));
	r = shell_value(s, end + 1, &value);
	return r < 0 ? r : s->fn(key, value.p, false, s->line, s->arg, s->e);
}

int conf_parse_shell(const char *text, size_t len, const char *file,
		     int (*fn)(const char *key, const char *value, bool is_comment, unsigned line, void *arg,
			       struct err *),
		     void *arg, struct err *e)
{
	struct shell s = {.file = file, .fn = fn, .arg = arg, .e = e};
	int r = check_text(text, len, file, e);

	for (size_t at = 0; r == 0 && at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - (text + at)) : len - at;
		_cleanup_free_ char *line = xstrndup(text + at, n);

		s.line++;
		r = shell_line(&s, line);
		at += n + 1;
	}
	return r < 0 ? r : 0;
}

/* ---- INI --------------------------------------------------------------------------------------------------------- */

/* inih gives neither line numbers nor the end of a continued value, and cuts long names: so our reader, which sees
 * every line before inih does, keeps count, and a setting is handed over when the next one begins. */
#define INI_LINE_LEN 8192
#define INI_NAME_LEN 49

struct ini {
	const char *text, *file;
	size_t len, at;
	unsigned line;       /* that inih is working on */
	bool indented;       /* that line begins with a blank */
	int failed;          /* what ends the parsing */
	char *section, *key; /* the setting that is not handed over yet */
	struct buf value;
	unsigned key_line;
	int (*fn)(const char *, const char *, const char *, unsigned, void *, struct err *);
	void *arg;
	struct err *e;
};

static void hand_over(struct ini *i)
{
	if (i->key && i->failed == 0) {
		int r = i->fn(i->section, i->key, i->value.p, i->key_line, i->arg, i->e);

		i->failed = r < 0 ? r : 0;
	}
	free(i->section);
	free(i->key);
	i->section = i->key = NULL;
	buf_free(&i->value);
}

static int ini_refuse(struct ini *i, const char *what)
{
	i->failed = err_set(i->e, -EBADMSG, "%s:%u: %s", i->file, i->line, what);
	return i->failed;
}

/* The form of a line that begins a section or a setting (a continuing one has none). */
static int check_form(struct ini *i, const char *s, size_t n)
{
	const char *eq = memchr(s, '=', n), *close = memchr(s, ']', n);
	size_t name;

	if (*s == '[') {
		if (!close)
			return ini_refuse(i, "'[' without ']'; write [section name]");
		for (size_t k = (size_t)(close - s) + 1; k < n; k++)
			if (!isblank((unsigned char)s[k]))
				return ini_refuse(i, "text after ']'; write settings on lines of their own");
		name = (size_t)(close - s) - 1;
		return name == 0 || name > INI_NAME_LEN ? ini_refuse(i, "a section's name has 1 to 49 characters") : 0;
	}
	if (!eq || memchr(s, ':', (size_t)(eq - s)))
		return ini_refuse(i, "neither a [section] nor key = value; a line that continues a value is indented");
	for (name = (size_t)(eq - s); name > 0 && isblank((unsigned char)s[name - 1]);)
		name--;
	return name == 0 || name > INI_NAME_LEN ? ini_refuse(i, "a key before '=' has 1 to 49 characters") : 0;
}

static int look_at(struct ini *i, const char *line, size_t n)
{
	size_t blank = 0;

	while (blank < n && isblank((unsigned char)line[blank]))
		blank++;
	i->indented = blank > 0;
	if (blank == n || line[blank] == '#' || line[blank] == ';')
		return 0;
	if (i->indented && !i->key)
		return ini_refuse(i,
				  "indented, but there is no value that it could continue; begin at the line's start");
	if (i->indented)
		return 0;
	hand_over(i);
	return i->failed ? i->failed : check_form(i, line, n);
}

static char *ini_read(char *out, int size, void *arg)
{
	struct ini *i = arg;
	const char *line = i->text + i->at, *end;
	size_t n;

	if (i->failed || i->at >= i->len)
		return NULL;
	end = memchr(line, '\n', i->len - i->at);
	n = end ? (size_t)(end - line) : i->len - i->at;
	i->line++;
	if (n + 2 > (size_t)size) {
		ini_refuse(i, "line too long; continue the value on indented lines");
		return NULL;
	}
	if (look_at(i, line, n) < 0)
		return NULL;
	memcpy(out, line, n);
	memcpy(out + n, "\n", 2);
	i->at += n + 1;
	return out;
}

/* A continued value arrives line by line under its key; the lines are joined by one blank. */
static int ini_setting(void *arg, const char *section, const char *key, const char *value)
{
	struct ini *i = arg;

	if (i->failed)
		return 0;
	if (i->indented && i->key) {
		buf_addf(&i->value, "%s%s", i->value.len ? " " : "", value);
		return 1;
	}
	i->section = xstrdup(section);
	i->key = xstrdup(key);
	buf_adds(&i->value, value);
	i->key_line = i->line;
	return 1;
}

int conf_parse_ini(const char *text, size_t len, const char *file,
		   int (*fn)(const char *section, const char *key, const char *value, unsigned line, void *arg,
			     struct err *),
		   void *arg, struct err *e)
{
	struct ini i = {.text = text, .file = file, .len = len, .fn = fn, .arg = arg, .e = e};
	int r = check_text(text, len, file, e), bad;

	if (r < 0)
		return r;
	/* A ';' in a value is part of it, and lines may be longer than inih's 200 bytes. */
	ini_allow_inline_comments = false;
	ini_use_stack = false;
	ini_initial_alloc = ini_max_line = INI_LINE_LEN;
	bad = ini_parse_stream(ini_read, &i, ini_setting, &i);
	hand_over(&i);
	if (i.failed == 0 && bad != 0) {
		i.line = bad > 0 ? (unsigned)bad : i.line;
		ini_refuse(&i, "neither a [section] nor key = value");
	}
	return i.failed;
}
