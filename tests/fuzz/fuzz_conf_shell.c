/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /etc/vservers/NAME.conf: any bytes are either refused with a message that names the line, or understood; and a value
 * that was understood, written back in single quotes, is understood as the same.
 */
#include "lib/lib.h"

struct last {
	char *key, *value;
};

static int again(const char *key, const char *value, bool is_comment, unsigned line, void *arg, struct err *e)
{
	const struct last *l = arg;

	if (strcmp(key, l->key) != 0 || strcmp(value, l->value) != 0)
		abort();
	return 0;
}

static int setting(const char *key, const char *value, bool is_comment, unsigned line, void *arg, struct err *e)
{
	struct last l = {xstrdup(key), xstrdup(value)};
	char *text = xasprintf("%s='%s'\n", key, value);

	if (!*key || !line)
		abort();
	if (!is_comment && !strchr(value, '\'') && conf_parse_shell(text, strlen(text), "again", again, &l, NULL) < 0)
		abort();
	free(text);
	free(l.key);
	free(l.value);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = {0};

	if (conf_parse_shell((const char *)data, size, "fuzz", setting, NULL, &e) < 0 &&
	    (!e.msg || strncmp(e.msg, "fuzz:", 5) != 0 || strchr(e.msg, '\n')))
		abort();
	err_clear(&e);
	return 0;
}
