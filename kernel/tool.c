/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the small programs of this room have in common: what is wrong on a command line, and becoming the command.
 */
#include "kernel/tool.h"

const char *tool_nearest_option(const char *typed, const struct option *longs)
{
	_cleanup_free_ char *name = xstrndup(typed + strspn(typed, "-"), strcspn(typed + strspn(typed, "-"), "="));
	const char *words[32];
	size_t n = 0;

	for (; longs[n].name && n < ARRAY_LEN(words); n++)
		words[n] = longs[n].name;
	return text_nearest(name, words, n);
}

char *tool_wrong_option(int c, char *const *argv, const struct option *longs)
{
	const char *typed = argv[optind - 1], *near;
	_cleanup_free_ char *shown = text_escape(typed, strlen(typed));

	if (c == ':')
		return xasprintf("%s needs a value", shown);
	if (optopt >= TOOL_LONG)
		return xasprintf("%s: this option takes no value", shown);
	if (optopt) {
		char letter = (char)optopt;
		_cleanup_free_ char *escaped = text_escape(&letter, 1);

		return xasprintf("unknown option -%s", escaped);
	}
	near = tool_nearest_option(typed, longs);
	return near ? xasprintf("unknown option %s; did you mean --%s?", shown, near)
		    : xasprintf("unknown option %s", shown);
}

int tool_exec(char *const *argv, struct err *e)
{
	_cleanup_free_ char *shown = text_escape(argv[0], strlen(argv[0]));

	fflush(NULL);
	execvp(argv[0], argv);
	if (errno == ENOENT || errno == ENOTDIR) {
		bool there = strchr(argv[0], '/') && access(argv[0], F_OK) == 0;

		err_set(e, -ENOENT, "%s: %s", shown,
			there ? "its interpreter or loader is not there" : "command not found");
		return 127;
	}
	err_sys(e, "%s: cannot be executed", shown);
	return 126;
}
