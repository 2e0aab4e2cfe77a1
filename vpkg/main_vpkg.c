/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vpkg: the table of verbs. A first word that is none is a selector: `vpkg ALL -- a.rpm` installs.
 */
#include "vpkg/internal.h"
#include "vpkg/vpkg.h"

#include "help/vpkg.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{"bootstrap", cmd_bootstrap}, {"doctor", cmd_doctor}, {"install", cmd_install},
	{"recover", cmd_recover},     {"status", cmd_status},
};

/* No packages behind "--": then the first word was meant as a verb, and it is none. */
static int unknown_verb(const char *verb_typed)
{
	const char *names[ARRAY_LEN(verbs)], *nearest;

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		names[i] = verbs[i].name;
	nearest = text_nearest(verb_typed, names, ARRAY_LEN(names));
	fprintf(stderr, "vpkg: %s: not a verb%s%s%s, and no packages follow --; see vpkg --help\n", verb_typed,
		nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "");
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(help_text, argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_USAGE : EXIT_DONE;
	}
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return cmd_install(argc, argv);
	return unknown_verb(argv[1]);
}
