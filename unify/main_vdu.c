/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vdu [--json] SELECTOR-or-DIRECTORY…: how much disk a vserver's tree uses, alone and together with others.
 */
#include "unify/unify.h"

#include <getopt.h>
#include <json-c/json.h>

#include "help/vdu.h"

struct row {
	struct unify_usage usage; /* its name is owned */
	struct err error;
};

struct rows {
	struct row *v;
	size_t n;
};

static struct row *add_row(struct rows *rows, const char *name)
{
	rows->v = xrealloc(rows->v, (rows->n + 1) * sizeof(*rows->v));
	rows->v[rows->n] = (struct row){.usage.name = xstrdup(name)};
	return &rows->v[rows->n++];
}

static int usage(const char *fmt, const char *what)
{
	fputs("vdu: ", stderr);
	fprintf(stderr, fmt, what);
	fputs(" (vdu --help)\n", stderr);
	return EXIT_USAGE;
}

/* A word with a slash, and "." and "..", is a directory. */
static bool is_directory(const char *word)
{
	return strchr(word, '/') || strcmp(word, ".") == 0 || strcmp(word, "..") == 0;
}

static void measure_directory(struct rows *rows, const char *path)
{
	struct row *row = add_row(rows, path);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		err_sys(&row->error, "%s", path);
	else
		unify_usage(fd, &row->usage, &row->error);
}

static int measure_selected(struct rows *rows, const char *const *words, size_t n, struct err *e)
{
	struct vserver **v = NULL;
	size_t found = 0;
	int r = vs_select(words, n, &v, &found, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < found && r == 0; i++) {
		struct row *row = add_row(rows, v[i]->name);

		if (v[i]->tree < 0)
			err_set(&row->error, -ENOENT, "it has no tree in %s/vservers", place_sysroot());
		else
			unify_usage(v[i]->tree, &row->usage, &row->error);
		r = intr_check(e);
	}
	vs_free_all(v);
	return r;
}

static void print_json(const struct rows *rows)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < rows->n; i++) {
		const struct row *r = &rows->v[i];
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "vserver", json_object_new_string(r->usage.name));
		json_object_object_add(o, "status", json_object_new_string(r->error.status < 0 ? "failed" : "ok"));
		json_object_object_add(o, "reason", json_object_new_string(r->error.msg ? r->error.msg : ""));
		json_object_object_add(o, "files", json_object_new_int64((int64_t)r->usage.files));
		json_object_object_add(o, "apparent", json_object_new_int64((int64_t)r->usage.apparent));
		json_object_object_add(o, "exclusive", json_object_new_int64((int64_t)r->usage.exclusive));
		json_object_object_add(o, "shared", json_object_new_int64((int64_t)r->usage.shared));
		json_object_array_add(all, o);
	}
	puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(all);
}

static void print_table(const struct rows *rows)
{
	printf("%9s %12s %12s %12s  %s\n", "FILES", "APPARENT", "EXCLUSIVE", "SHARED", "TREE");
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *r = &rows->v[i];
		char a[16], x[16], s[16];

		if (r->error.status < 0)
			printf("%9s %12s %12s %12s  %s: failed: %s\n", "-", "-", "-", "-", r->usage.name, r->error.msg);
		else
			printf("%9ju %12s %12s %12s  %s\n", (uintmax_t)r->usage.files, text_bytes(a, r->usage.apparent),
			       text_bytes(x, r->usage.exclusive), text_bytes(s, r->usage.shared), r->usage.name);
	}
}

static int exit_code(const struct rows *rows)
{
	size_t failed = 0;

	for (size_t i = 0; i < rows->n; i++)
		failed += rows->v[i].error.status < 0;
	return failed == 0 ? EXIT_DONE : failed == rows->n ? EXIT_NONE : EXIT_SOME;
}

/* Directories first, in the order given, then the vservers that the other words select. */
static int measure(struct rows *rows, char **words, size_t n, struct err *e)
{
	_cleanup_free_ const char **selectors = xcalloc(n + 1, sizeof(*selectors));
	size_t n_selectors = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_directory(words[i]))
			selectors[n_selectors++] = words[i];
		else
			measure_directory(rows, words[i]);
		if (intr_check(e) < 0)
			return -EINTR;
	}
	return n_selectors ? measure_selected(rows, selectors, n_selectors, e) : 0;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'J'}, {"help", no_argument, NULL, 'h'}, {0}};
	_cleanup_err_ struct err e = {0};
	struct rows rows = {0};
	bool json = false;
	int c, code;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) >= 0) {
		if (c == 'h') {
			fputs(help_text, stdout);
			return EXIT_DONE;
		}
		if (c != 'J')
			return usage("unknown option %s; there are --json and --help", argv[optind - 1]);
		json = true;
	}
	if (optind == argc)
		return usage("nothing named: vdu SELECTOR-or-DIRECTORY…, for example vdu %s", "ALL");
	intr_setup();
	if (measure(&rows, argv + optind, (size_t)(argc - optind), &e) < 0) {
		fprintf(stderr, "vdu: %s\n", e.msg);
		code = e.status == -EINTR ? 130 : EXIT_USAGE;
	} else {
		(json ? print_json : print_table)(&rows);
		code = exit_code(&rows);
	}
	for (size_t i = 0; i < rows.n; i++) {
		free(rows.v[i].usage.name);
		err_clear(&rows.v[i].error);
	}
	free(rows.v);
	return code;
}
