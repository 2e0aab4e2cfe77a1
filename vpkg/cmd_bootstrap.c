/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vpkg bootstrap: makes a new vserver from a distribution definition, or from repositories that are given by hand.
 */
#include "vpkg/internal.h"
#include "bootstrap/bootstrap.h"

#include <getopt.h>
#include <limits.h>
#include <sys/utsname.h>

static const char usage[] = "usage: vpkg bootstrap NAME DISTRO [--variant minimal|standard] [--include P,P] [--ip "
			    "[DEV:]ADDR[/LEN]] [--hostname H]\n"
			    "       vpkg bootstrap NAME --family redhat|debian --repo URL-or-DIR [--repo …] [--key "
			    "FILE | --no-signatures]\n"
			    "                      [--suite S] [--include P,P] [--ip …] [--hostname H]\n"
			    "       vpkg bootstrap --list\n";

struct request {
	const char *name, *distro, *variant, *hostname, *family, *key, *suite;
	struct strv include, ip, repos;
	bool no_signatures, list, quiet;
};

enum {
	OPT_VARIANT = 256,
	OPT_INCLUDE,
	OPT_IP,
	OPT_HOSTNAME,
	OPT_FAMILY,
	OPT_REPO,
	OPT_KEY,
	OPT_NOSIG,
	OPT_SUITE,
	OPT_LIST
};

static const struct option options[] = {
	{"variant", required_argument, NULL, OPT_VARIANT},
	{"include", required_argument, NULL, OPT_INCLUDE},
	{"ip", required_argument, NULL, OPT_IP},
	{"hostname", required_argument, NULL, OPT_HOSTNAME},
	{"family", required_argument, NULL, OPT_FAMILY},
	{"repo", required_argument, NULL, OPT_REPO},
	{"key", required_argument, NULL, OPT_KEY},
	{"no-signatures", no_argument, NULL, OPT_NOSIG},
	{"suite", required_argument, NULL, OPT_SUITE},
	{"list", no_argument, NULL, OPT_LIST},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* ---- reading the command line -------------------------------------------------------------------------------------
 */

static int unknown_option(const char *typed, struct err *e)
{
	const char *names[ARRAY_LEN(options)];
	size_t n = 0;
	for (; options[n].name; n++)
		names[n] = options[n].name;
	const char *near = text_nearest(typed + strspn(typed, "-"), names, n);
	return err_set(e, -EINVAL, "unknown option %s%s%s%s", typed, near ? "; did you mean --" : "", near ? near : "",
		       near ? "?" : "");
}

static int take_option(struct request *q, int c, const char *value)
{
	struct {
		int c;
		const char **to;
	} texts[] = {{OPT_VARIANT, &q->variant},
		     {OPT_HOSTNAME, &q->hostname},
		     {OPT_FAMILY, &q->family},
		     {OPT_KEY, &q->key},
		     {OPT_SUITE, &q->suite}};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].c == c) {
			*texts[i].to = value;
			return 0;
		}
	switch (c) {
	case OPT_INCLUDE:
		strv_split(&q->include, value, ", ");
		return 0;
	case OPT_IP:
		strv_split(&q->ip, value, " ");
		return 0;
	case OPT_REPO:
		strv_add(&q->repos, value);
		return 0;
	case OPT_NOSIG:
		q->no_signatures = true;
		return 0;
	case OPT_LIST:
		q->list = true;
		return 0;
	case 'q':
		q->quiet = true;
		return 0;
	}
	return -EINVAL;
}

/* 0, 1 after --help, or an error. */
static int parse(int argc, char **argv, struct request *q, struct err *e)
{
	opterr = 0;
	optind = 1;
	for (int c; (c = getopt_long(argc, argv, ":qh", options, NULL)) != -1;) {
		if (c == 'h')
			return fputs(usage, stdout), 1;
		if (c == ':')
			return err_set(e, -EINVAL, "option %s needs a value", argv[optind - 1]);
		if (c == '?')
			return unknown_option(argv[optind - 1], e);
		take_option(q, c, optarg);
	}
	if (optind < argc)
		q->name = argv[optind++];
	if (optind < argc)
		q->distro = argv[optind++];
	if (optind < argc)
		return err_set(e, -EINVAL, "one word too many: %s (see vpkg bootstrap --help)", argv[optind]);
	return 0;
}

/* What does not go together, before anything is looked at. */
static int check(const struct request *q, struct err *e)
{
	static const char *const variants[] = {"minimal", "standard"};
	bool by_hand = q->family || q->repos.n;
	if (!q->name)
		return err_set(e, -EINVAL, "say what to make: vpkg bootstrap NAME DISTRO, like web1 debian/12");
	if (!q->distro && !by_hand)
		return err_set(e, -EINVAL, "say of which distribution: vpkg bootstrap %s debian/12 (--list shows all)",
			       q->name);
	if (q->distro && by_hand)
		return err_set(e, -EINVAL, "%s has its own repositories: leave out either it or --family and --repo",
			       q->distro);
	if (!by_hand && (q->key || q->no_signatures || q->suite))
		return err_set(
			e, -EINVAL,
			"--key, --no-signatures and --suite go with --repo only: the definition of %s has its own",
			q->distro);
	if (q->variant && by_hand)
		return err_set(e, -EINVAL,
			       "--variant goes with a distribution only; with --repo name packages with --include");
	if (q->variant && strcmp(q->variant, variants[0]) != 0 && strcmp(q->variant, variants[1]) != 0) {
		const char *near = text_nearest(q->variant, variants, ARRAY_LEN(variants));
		return err_set(e, -EINVAL, "unknown variant '%s'%s%s%s; there are minimal and standard", q->variant,
			       near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
	}
	if (!by_hand)
		return 0;
	if (!q->family || !q->repos.n)
		return err_set(e, -EINVAL, "--family and --repo belong together: --family redhat --repo http://…");
	if (q->key && q->no_signatures)
		return err_set(e, -EINVAL, "--key and --no-signatures contradict each other");
	if (!q->key && !q->no_signatures)
		return err_set(e, -EINVAL,
			       "say who signs these repositories with --key FILE, or accept unsigned ones with "
			       "--no-signatures");
	return 0;
}

/* ---- a definition made by hand ------------------------------------------------------------------------------------
 */

struct family {
	enum vs_family family;
	enum repo_type type;
	const char *minimal, *quirk;
	struct {
		const char *machine, *arch;
	} archs[2];
};
static const struct family families[] = {
	{VS_DEBIAN, REPO_TYPE_DEB, "apt", "merged-usr", {{"x86_64", "amd64"}, {"aarch64", "arm64"}}},
	{VS_REDHAT, REPO_TYPE_RPMMD, "bash coreutils rpm", NULL, {{"x86_64", "x86_64"}, {"aarch64", "aarch64"}}},
};

static int take_repo(struct boot_distro *d, const struct request *q, const char *url, struct err *e)
{
	struct repo_source *s = &d->repos[d->n_repos];
	char real[PATH_MAX];
	bool remote =
		strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0 || strncmp(url, "file://", 7) == 0;
	*s = (struct repo_source){.name = xasprintf("repo%zu", d->n_repos + 1),
				  .type = d->family == VS_DEBIAN ? REPO_TYPE_DEB : REPO_TYPE_RPMMD};
	d->n_repos++;
	if (!remote && strstr(url, "://"))
		return err_set(e, -EINVAL, "--repo %s: http, https and file URLs and directories can be used", url);
	if (remote) {
		strv_add(&s->urls, url);
	} else {
		struct stat st;
		if (stat(url, &st) < 0)
			return err_sys(e, "--repo %s", url);
		if (!S_ISDIR(st.st_mode))
			return err_set(e, -ENOTDIR, "--repo %s is no directory", url);
		if (url[0] != '/' && !getcwd(real, sizeof real))
			return err_sys(e, "current directory");
		strv_take(&s->urls, url[0] == '/' ? xstrdup(url) : xasprintf("%s/%s", real, url));
	}
	s->suite = xstrdup(q->suite);
	if (d->family == VS_DEBIAN)
		strv_add(&s->components, "main");
	s->arch = xstrdup(d->arch);
	s->keyring = xstrdup(q->key);
	s->no_signatures = q->no_signatures;
	return 0;
}

static int by_hand(const struct request *q, struct boot_distro *d, struct err *e)
{
	const struct family *f = NULL;
	struct utsname u;
	uname(&u);
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		if (strcmp(q->family, vs_family_name(families[i].family)) == 0)
			f = &families[i];
	if (!f)
		return err_set(e, -EOPNOTSUPP, "family '%s' cannot be bootstrapped; debian and redhat can", q->family);
	if (f->family == VS_DEBIAN && !q->suite)
		return err_set(e, -EINVAL, "a Debian repository needs its --suite, like bookworm");
	if (q->key && access(q->key, R_OK) < 0)
		return err_sys(e, "--key %s", q->key);
	d->family = f->family;
	for (size_t i = 0; i < ARRAY_LEN(f->archs); i++)
		if (strcmp(f->archs[i].machine, u.machine) == 0)
			d->arch = xstrdup(f->archs[i].arch);
	if (!d->arch)
		return err_set(e, -EOPNOTSUPP, "no distribution for this machine (%s) is known", u.machine);
	strv_split(&d->minimal, f->minimal, " ");
	if (f->quirk)
		strv_add(&d->quirks, f->quirk);
	d->repos = xcalloc(q->repos.n, sizeof *d->repos);
	d->repo_security = xcalloc(q->repos.n, sizeof *d->repo_security);
	d->repo_host_mirror = xcalloc(q->repos.n, sizeof *d->repo_host_mirror);
	for (size_t i = 0; i < q->repos.n; i++) {
		int r = take_repo(d, q, q->repos.v[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the verb -------------------------------------------------------------------------------------------------------
 */

static int list(struct err *e)
{
	_cleanup_strv_ struct strv names = {0};
	int r = boot_distro_list(&names, e);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		struct boot_distro d = {0};
		r = boot_distro_find(names.v[i], &d, e);
		if (r < 0)
			break;
		printf("%-20s %-8s until %-10s%s", d.name, vs_family_name(d.family),
		       d.end_of_life ? d.end_of_life : "?", d.tested ? "" : "  (definition not tried yet)");
		for (size_t k = 0; k < d.aliases.n; k++)
			printf("%s%s", k ? " " : "  also: ", d.aliases.v[k]);
		printf("\n");
		boot_distro_free(&d);
	}
	return r;
}

static int create(const struct request *q, struct err *e)
{
	struct boot_distro d = {0};
	/* The cheapest first: a wrong word should not cost a download. */
	int r = vs_name_check(q->name, e);
	for (size_t i = 0; i < q->ip.n && r == 0; i++) {
		_cleanup_free_ char *address = NULL;
		r = boot_address(q->ip.v[i], &address, e);
	}
	if (r == 0)
		r = q->distro ? boot_distro_find(q->distro, &d, e) : by_hand(q, &d, e);
	if (r == 0) {
		struct boot_options o = {
			.name = q->name,
			.distro = &d,
			.standard = q->variant && strcmp(q->variant, "standard") == 0,
			.include = &q->include,
			.hostname = q->hostname,
			.ip = &q->ip,
			.report = report_terminal(stderr, q->quiet),
		};
		r = boot_create(&o, e);
	}
	if (r == 0 && !q->quiet)
		printf("%s: made (%s); try: vserver %s exec hostname\n", q->name, d.name ? d.name : q->family, q->name);
	boot_distro_free(&d);
	return r;
}

static void request_free(struct request *q)
{
	strv_free(&q->include);
	strv_free(&q->ip);
	strv_free(&q->repos);
}

int cmd_bootstrap(int argc, char **argv)
{
	_cleanup_err_ struct err e = {0};
	_cleanup_(request_free) struct request q = {0};
	intr_setup();
	int r = parse(argc, argv, &q, &e);
	if (r == 1)
		return EXIT_DONE;
	if (r == 0 && q.list)
		r = list(&e);
	else if (r == 0)
		r = check(&q, &e);
	if (r == 0 && !q.list)
		r = create(&q, &e);
	if (r == 0)
		return EXIT_DONE;
	fprintf(stderr, "vpkg: %s%s\n", e.msg, r == -ENOSPC ? "; make space there and run it again" : "");
	return r == -EBUSY ? EXIT_BUSY : r == -EINTR ? EXIT_INTERRUPTED : EXIT_USAGE;
}
