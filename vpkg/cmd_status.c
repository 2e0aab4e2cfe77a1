/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vpkg status [SELECTOR…]: one line a vserver.
 */
#include "vpkg/fleet.h"
#include "vpkg/internal.h"

#include <getopt.h>
#include <json-c/json.h>

struct line {
	const struct vserver *v;
	const char *health;
	struct unify_usage usage;
	struct err error;
};

static void look(const struct vserver *v, struct line *l)
{
	static const char *const health[] = {
		[JOURNAL_NONE] = "ok",
		[JOURNAL_PREPARING] = "interrupted (run: vpkg recover)",
		[JOURNAL_APPLYING] = "interrupted (run: vpkg recover)",
		[JOURNAL_COMMITTED] = "to be tidied up (run: vpkg recover)",
	};
	char *busy = vs_lock_holder(v->name);

	l->v = v;
	/* A journal whose vserver is locked belongs to a transaction that is running now. */
	l->health = busy ? "busy" : health[journal_state(v->name)];
	free(busy);
	unify_usage(v->tree, &l->usage, &l->error);
}

static void print_line(const struct line *l)
{
	char exclusive[16], shared[16];

	printf("%-16s  %-14s  %9s  %9s  %s\n", l->v->name, l->v->distro ? l->v->distro : vs_family_name(l->v->family),
	       text_bytes(exclusive, l->usage.exclusive), text_bytes(shared, l->usage.shared),
	       l->error.status < 0 ? l->error.msg : l->health);
}

static json_object *json_line(const struct line *l)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "vserver", json_object_new_string(l->v->name));
	json_object_object_add(o, "status", json_object_new_string(l->error.status < 0 ? "failed" : "ok"));
	json_object_object_add(o, "reason", json_object_new_string(l->error.status < 0 ? l->error.msg : ""));
	json_object_object_add(o, "family", json_object_new_string(vs_family_name(l->v->family)));
	json_object_object_add(o, "distro", l->v->distro ? json_object_new_string(l->v->distro) : NULL);
	json_object_object_add(o, "health", json_object_new_string(l->health));
	json_object_object_add(o, "exclusive", json_object_new_int64((int64_t)l->usage.exclusive));
	json_object_object_add(o, "shared", json_object_new_int64((int64_t)l->usage.shared));
	return o;
}

static int show(struct vserver **v, size_t n, bool json)
{
	json_object *all = json ? json_object_new_array() : NULL;
	size_t bad = 0;

	if (!json)
		printf("%-16s  %-14s  %9s  %9s  %s\n", "VSERVER", "DISTRIBUTION", "EXCLUSIVE", "SHARED", "HEALTH");
	for (size_t i = 0; i < n; i++) {
		struct line l = {0};

		look(v[i], &l);
		if (json)
			json_object_array_add(all, json_line(&l));
		else
			print_line(&l);
		bad += l.error.status < 0;
		err_clear(&l.error);
		free(l.usage.name);
	}
	if (json)
		printf("%s\n",
		       json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(all);
	return bad == 0 ? EXIT_DONE : bad < n ? EXIT_SOME : EXIT_NONE;
}

int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'J'}, {0}};
	static const char *const everything[] = {"*"};
	_cleanup_err_ struct err e = {0};
	_cleanup_strv_ struct strv names = {0};
	struct vserver **v = NULL;
	bool json = false;
	size_t n = 0;
	int c, r;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'J')
			return EXIT_USAGE;
		json = true;
	}
	r = vs_list(&names, &e);
	/* A host without vservers has nothing wrong with it. */
	if (r == 0 && (names.n || optind < argc))
		r = optind < argc ? vs_select((const char *const *)argv + optind, (size_t)(argc - optind), &v, &n, &e)
				  : vs_select(everything, 1, &v, &n, &e);
	if (r < 0) {
		fprintf(stderr, "vpkg: %s\n", e.msg);
		return EXIT_USAGE;
	}
	r = show(v, n, json);
	if (v)
		vs_free_all(v);
	return r;
}
