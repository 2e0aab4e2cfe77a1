/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vunify SELECTOR…: makes equal packaged files of the vservers one sealed inode.
 */
#include "unify/unify.h"

#include <getopt.h>
#include <json-c/json.h>

#include "help/vunify.h"

/* One line of the answer: a vserver, and what became of it. */
struct row {
	struct vserver *v;           /* borrowed */
	struct err error;            /* of the lock */
	struct unify_result *result; /* NULL: not tried */
};

struct options {
	bool dry_run, json, quiet;
	uint64_t wait;
};

static int usage(const char *fmt, const char *what)
{
	fputs("vunify: ", stderr);
	fprintf(stderr, fmt, what);
	fputs(" (vunify --help)\n", stderr);
	return EXIT_USAGE;
}

/* Returns -1 to go on, or the exit code. */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"dry-run", no_argument, NULL, 'n'}, {"json", no_argument, NULL, 'J'},
		{"quiet", no_argument, NULL, 'q'},   {"wait", required_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},    {0},
	};
	static const char *const words[] = {"--dry-run", "--json", "--quiet", "--wait", "--help"};
	const char *near;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "nqh", longs, NULL)) >= 0) {
		switch (c) {
		case 'n':
			o->dry_run = true;
			break;
		case 'J':
			o->json = true;
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'w':
			if (text_uint(optarg, 0, 86400, &o->wait) < 0)
				return usage("--wait %s: it takes seconds, 0 to 86400", optarg);
			break;
		case 'h':
			fputs(help_text, stdout);
			return EXIT_DONE;
		default:
			near = text_nearest(argv[optind - 1], words, ARRAY_LEN(words));
			return near ? usage("unknown option, or one without its value; did you mean %s?", near)
				    : usage("unknown option, or one without its value: %s", argv[optind - 1]);
		}
	}
	return optind < argc ? -1 : usage("no vserver named: vunify SELECTOR…, for example vunify %s", "ALL");
}

static const struct err *error_of(const struct row *r)
{
	return r->error.status < 0 || !r->result ? &r->error : &r->result->error;
}

static const char *status_of(const struct row *r)
{
	return error_of(r)->status < 0 ? "failed" : "ok";
}

static void print_json(const struct row *rows, size_t n)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		static const struct unify_result none;
		const struct unify_result *res = rows[i].result ? rows[i].result : &none;
		const char *why = error_of(&rows[i])->msg;
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "vserver", json_object_new_string(rows[i].v->name));
		json_object_object_add(o, "status", json_object_new_string(status_of(&rows[i])));
		json_object_object_add(o, "reason", json_object_new_string(why ? why : ""));
		json_object_object_add(o, "files", json_object_new_int64((int64_t)res->files));
		json_object_object_add(o, "shared", json_object_new_int64((int64_t)res->shared));
		json_object_object_add(o, "linked", json_object_new_int64((int64_t)res->linked));
		json_object_object_add(o, "skipped", json_object_new_int64((int64_t)res->skipped));
		json_object_object_add(o, "bytes", json_object_new_int64((int64_t)res->bytes));
		json_object_array_add(all, o);
	}
	puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(all);
}

static void print_table(const struct row *rows, size_t n, bool dry_run)
{
	printf("%-20s %8s %8s %8s %8s  %s\n", "VSERVER", "FILES", "SHARED", dry_run ? "TO-LINK" : "LINKED", "SKIPPED",
	       dry_run ? "WOULD-FREE" : "FREED");
	for (size_t i = 0; i < n; i++) {
		const struct unify_result *r = rows[i].result;
		const struct err *e = error_of(&rows[i]);
		char size[16];

		if (!r)
			printf("%-20s failed: %s\n", rows[i].v->name, e->msg);
		else if (e->status < 0)
			printf("%-20s %8ju %8ju %8ju %8ju  %s; failed: %s\n", rows[i].v->name, (uintmax_t)r->files,
			       (uintmax_t)r->shared, (uintmax_t)r->linked, (uintmax_t)r->skipped,
			       text_bytes(size, r->bytes), e->msg);
		else
			printf("%-20s %8ju %8ju %8ju %8ju  %s\n", rows[i].v->name, (uintmax_t)r->files,
			       (uintmax_t)r->shared, (uintmax_t)r->linked, (uintmax_t)r->skipped,
			       text_bytes(size, r->bytes));
	}
}

static int exit_code(const struct row *rows, size_t n)
{
	size_t failed = 0, busy = 0;

	for (size_t i = 0; i < n; i++) {
		failed += error_of(&rows[i])->status < 0;
		busy += rows[i].error.status == -EBUSY;
	}
	if (failed == 0)
		return EXIT_DONE;
	return busy == n ? EXIT_BUSY : failed == n ? EXIT_NONE : EXIT_SOME;
}

/* Locks what can be locked, unifies that, and then removes what the store no longer needs. */
static int unify(struct row *rows, struct unify_result *results, size_t n, const struct options *o, struct err *e)
{
	const struct unify_options uo = {.dry_run = o->dry_run, .report = report_terminal(stderr, o->quiet || o->json)};
	_cleanup_free_ struct vserver **locked = xcalloc(n + 1, sizeof(*locked));
	size_t n_locked = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (vs_lock(rows[i].v, (unsigned)o->wait, &rows[i].error) == 0) {
			rows[i].result = &results[n_locked];
			locked[n_locked++] = rows[i].v;
		}
		if (intr_check(e) < 0)
			return -EINTR;
	}
	if (n_locked == 0)
		return 0;
	r = unify_run(locked, n_locked, &uo, results, e);
	if (r < 0 || o->dry_run)
		return r;
	r = unify_collect(e);
	if (r > 0)
		report_note(uo.report, "store: %d objects that nobody uses any more were removed", r);
	return r < 0 ? r : 0;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	_cleanup_err_ struct err e = {0};
	_cleanup_free_ struct row *rows = NULL;
	_cleanup_free_ struct unify_result *results = NULL;
	struct vserver **v = NULL;
	size_t n = 0;
	int code = parse(argc, argv, &o);

	if (code >= 0)
		return code;
	intr_setup();
	if (vs_select((const char *const *)argv + optind, (size_t)(argc - optind), &v, &n, &e) < 0) {
		fprintf(stderr, "vunify: %s\n", e.msg);
		return EXIT_USAGE;
	}
	rows = xcalloc(n + 1, sizeof(*rows));
	results = xcalloc(n + 1, sizeof(*results));
	for (size_t i = 0; i < n; i++)
		rows[i].v = v[i];
	if (unify(rows, results, n, &o, &e) < 0) {
		fprintf(stderr, "vunify: %s\n", e.msg);
		code = e.status == -EBUSY ? EXIT_BUSY : e.status == -EINTR ? 130 : EXIT_USAGE;
	} else {
		(o.json ? print_json(rows, n) : print_table(rows, n, o.dry_run));
		code = exit_code(rows, n);
	}
	for (size_t i = 0; i < n; i++) {
		err_clear(&results[i].error);
		err_clear(&rows[i].error);
	}
	vs_free_all(v);
	return code;
}
