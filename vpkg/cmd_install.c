/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vpkg [install] SELECTOR… -- FILE…: the packages go to every vserver that they fit.
 */
#include "vpkg/internal.h"
#include "vpkg/plans.h"

#include <getopt.h>

struct install {
	struct strv selectors;
	const char *const *files;
	size_t n_files;
	unsigned jobs, wait;
	bool dry_run, json, quiet;
	/* While it runs: */
	struct fleet fleet;
	struct stage stage;
	FILE *log; /* where tools' lines go: standard output, or standard error beside --json */
};

static const struct option options[] = {
	{"jobs", required_argument, NULL, 'j'}, {"dry-run", no_argument, NULL, 'n'}, {"json", no_argument, NULL, 'J'},
	{"wait", required_argument, NULL, 'w'}, {"quiet", no_argument, NULL, 'q'},   {0},
};

static int usage(const char *what)
{
	fprintf(stderr, "vpkg install: %s; usage: vpkg [install] SELECTOR… [-j N] [-n] [--json] -- FILE…\n", what);
	return EXIT_USAGE;
}

static int parse(struct install *in, int argc, char **argv)
{
	uint64_t number;
	int own = 0, c;

	/* What stands behind "--" are packages, whatever they look like. */
	while (own < argc && strcmp(argv[own], "--") != 0)
		own++;
	optind = 0;
	while ((c = getopt_long(own, argv, "j:nq", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			if (text_uint(optarg, 1, 1024, &number) < 0)
				return usage("-j wants a number from 1 to 1024");
			in->jobs = (unsigned)number;
			break;
		case 'w':
			if (text_uint(optarg, 0, 86400, &number) < 0)
				return usage("--wait wants seconds");
			in->wait = (unsigned)number;
			break;
		case 'n':
			in->dry_run = true;
			break;
		case 'J':
			in->json = true;
			break;
		case 'q':
			in->quiet = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	for (int i = optind; i < own; i++)
		strv_add(&in->selectors, argv[i]);
	if (!in->selectors.n)
		return usage("name the vservers, or ALL");
	if (own + 1 >= argc)
		return usage("name the package files behind --");
	in->files = (const char *const *)argv + own + 1;
	in->n_files = (size_t)(argc - own - 1);
	return 0;
}

static void print_line(const char *text, void *arg)
{
	puts(text);
}

/* In a process of its own; the outcome goes back as "STATUS reason". */
static int run_one(size_t i, int result_fd, void *arg)
{
	struct install *in = arg;
	struct member *m = &in->fleet.m[i];
	struct transaction t = {m->v, m->tool, m->plan, in->stage.dir, print_line, NULL};
	struct outcome o;

	if (m->decided)
		return 0;
	/* The end of this process frees this vserver alone. */
	for (size_t k = 0; k < in->fleet.n; k++)
		if (k != i)
			in->fleet.m[k].v->lock = close_fd(in->fleet.m[k].v->lock);
	transaction_run(&t, &o);
	dprintf(result_fd, "%d %s", (int)o.status, o.reason ? o.reason : "");
	free(o.reason);
	return 0;
}

static void hear(size_t i, const char *line, size_t len, bool is_err, void *arg)
{
	struct install *in = arg;

	if (!in->quiet)
		fprintf(in->log, "%s: %.*s\n", in->fleet.m[i].v->name, (int)len, line);
}

static void finished(size_t i, int status, const char *result, size_t len, void *arg)
{
	struct install *in = arg;
	struct member *m = &in->fleet.m[i];

	if (m->decided)
		return;
	if (len >= 2 && result[0] >= '0' && result[0] <= '3')
		fleet_decide(m, (enum outcome_status)(result[0] - '0'), result[2] ? result + 2 : NULL);
	else if (status == -EINTR)
		fleet_decide(m, OUTCOME_FAILED, "interrupted before it began; unchanged");
	else if (status < 0)
		fleet_decide(m, OUTCOME_FAILED, "its worker could not be started; unchanged");
	else
		m->died = true;
}

/* A worker that was killed, or crashed, could not undo: its vserver is still locked by us. */
static void take_back_dead(struct install *in)
{
	for (size_t i = 0; i < in->fleet.n; i++) {
		struct member *m = &in->fleet.m[i];
		bool committed = m->died && journal_state(m->v->name) == JOURNAL_COMMITTED;
		_cleanup_err_ struct err e = {0};
		int r = m->died ? fleet_recover(m, NULL, &e) : 0;

		if (!m->died)
			continue;
		if (r < 0)
			fleet_decide(m, OUTCOME_FAILED, e.msg);
		else if (r > 0 && committed)
			fleet_decide(m, OUTCOME_OK, "its worker was killed, after the packages were in");
		else if (r > 0)
			fleet_decide(m, OUTCOME_UNDONE, "its worker was killed");
		else
			fleet_decide(m, OUTCOME_FAILED,
				     "its worker was killed; whether before it began or after it ended, is not known");
	}
}

/* Files that are equal again are one inode again. What fails here leaves the packages installed, and is said. */
static void reunify(struct install *in)
{
	struct vserver **v = xcalloc(in->fleet.n + 1, sizeof(struct vserver *));
	struct unify_result *results = xcalloc(in->fleet.n, sizeof(*results));
	_cleanup_err_ struct err e = {0};
	size_t n = 0;

	for (size_t i = 0; i < in->fleet.n; i++)
		if (in->fleet.m[i].plan && in->fleet.m[i].outcome.status != OUTCOME_FAILED)
			v[n++] = in->fleet.m[i].v;
	if (n && !intr_pending()) {
		if (unify_run(v, n, &(struct unify_options){0}, results, &e) < 0)
			fprintf(stderr, "vpkg: not re-unified: %s; run: vunify ALL\n", e.msg);
		for (size_t i = 0; i < n; i++) {
			if (results[i].error.status < 0)
				fprintf(stderr, "vpkg: %s: not re-unified: %s\n", v[i]->name, results[i].error.msg);
			err_clear(&results[i].error);
		}
	}
	free(v);
	free(results);
}

static int apply(struct install *in, struct err *e)
{
	const struct jobs jobs = {in->fleet.n, in->jobs, run_one, hear, finished, in};
	int r = jobs_run(&jobs, e);

	take_back_dead(in);
	if (r == 0)
		reunify(in);
	return r;
}

static int install(struct install *in, struct plans *plans, struct err *e)
{
	const struct report *report = report_terminal(stderr, in->quiet);
	int r = ctx_probe(e);

	if (r == 0)
		r = fleet_open((const char *const *)in->selectors.v, in->selectors.n, in->dry_run, in->wait, report,
			       &in->fleet, e);
	if (r == 0)
		r = stage_open(in->files, in->n_files, report, &in->stage, e);
	if (r == 0)
		r = plans_make(&in->fleet, &in->stage, plans, e);
	return r == 0 && !in->dry_run ? apply(in, e) : r;
}

static void install_free(struct install *in)
{
	fleet_close(&in->fleet);
	stage_close(&in->stage);
	strv_free(&in->selectors);
}

int cmd_install(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	_cleanup_(install_free) struct install in = {.jobs = cpus > 0 ? (unsigned)cpus : 1, .stage.dir = -1};
	_cleanup_(plans_free) struct plans plans = {0};
	_cleanup_err_ struct err e = {0};
	int r = parse(&in, argc, argv);

	if (r)
		return r;
	in.log = in.json ? stderr : stdout;
	intr_setup();
	r = install(&in, &plans, &e);
	if (r < 0) {
		fprintf(stderr, "vpkg: %s%s\n", e.msg, r == -ENOSPC ? "; make space there and run it again" : "");
		return r == -EBUSY ? EXIT_BUSY : r == -EINTR ? EXIT_INTERRUPTED : EXIT_USAGE;
	}
	(in.json ? fleet_print_json : fleet_print_table)(&in.fleet, stdout);
	return fleet_exit_code(&in.fleet);
}
