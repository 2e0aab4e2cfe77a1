/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For 20-context.t, under two names: "user CMD…" becomes CMD as an ordinary user, "in_ctx N [OPTION…] CMD…" chcontext
 * with CMD in context N. Programs, so that what the script starts with them in the background is its own child; and
 * static, since in an emulated machine a shell or setpriv takes as long to start as what they would start.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define USER 1000

static int user(char **argv)
{
	if (setgroups(0, NULL) < 0 || setresgid(USER, USER, USER) < 0 || setresuid(USER, USER, USER) < 0)
		return -1;
	return execvp(argv[1], argv + 1);
}

static int in_ctx(int argc, char **argv)
{
	char *words[argc + 3];

	words[0] = (char *)"chcontext";
	words[1] = (char *)"--silent";
	words[2] = (char *)"--ctx";
	memcpy(words + 3, argv + 1, (size_t)argc * sizeof(*argv));
	return execvp(words[0], words);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	name = name ? name + 1 : argv[0];
	if (argc < 2)
		return 2;
	if (strcmp(name, "user") == 0)
		user(argv);
	else
		in_ctx(argc, argv);
	fprintf(stderr, "%s: %s: %s\n", name, argv[1], strerror(errno));
	return 127;
}
