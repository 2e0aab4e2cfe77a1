/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vpkg doctor: what of the kernel works here, what does not and what that means, as tried out just now; and what is
 * loaded into it.
 */
#include "vpkg/internal.h"
#include "vpkg/vpkg.h"

#include <getopt.h>
#include <json-c/json.h>
#include <sys/utsname.h>

/* What stands beside the verdicts, for whoever has to look further: it decides nothing. */
struct facts {
	struct utsname kernel;
	char *modules; /* the active security modules; NULL: not known */
	char *config;  /* the file that says how the kernel was made; NULL: none found */
	char *options; /* what it says of the options that matter */
};

struct checkup {
	struct facts facts;
	struct feature *features;
	size_t n;
	struct kernel_status pieces[KERNEL_PIECES];
	bool noted; /* shared files may be sealed by the mark */
};

static char *first_line(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (!f || getline(&line, &size, f) <= 0) {
		free(line);
		return NULL;
	}
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* Those of the lines that matter, without CONFIG_. */
static char *choose_options(const struct buf *config)
{
	static const char *const wanted[] = {"BPF_SYSCALL", "BPF_LSM", "CGROUP_BPF",     "DEBUG_INFO_BTF",
					     "USER_NS",     "CGROUPS", "SECCOMP_FILTER", "CHECKPOINT_RESTORE"};
	_cleanup_strv_ struct strv lines = {0};
	struct buf out = {0};

	strv_split(&lines, config->p ? config->p : "", "\n");
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		_cleanup_free_ char *yes = xasprintf("CONFIG_%s=y", wanted[i]);

		buf_addf(&out, "%s%s=%s", i ? " " : "", wanted[i], strv_has(&lines, yes) ? "y" : "n");
	}
	return out.p;
}

static void read_options(struct facts *f)
{
	const char *const argv[] = {"zcat", "-f", f->config, NULL};
	_cleanup_buf_ struct buf config = {0};
	_cleanup_err_ struct err why = {0};

	if (f->config && proc_run(argv, NULL, NULL, 0, &(struct proc_io){.out = &config, .timeout = 10}, &why) == 0)
		f->options = choose_options(&config);
}

static void find_facts(struct facts *ret)
{
	uname(&ret->kernel);
	ret->modules = first_line("/sys/kernel/security/lsm");
	ret->config = xasprintf("/boot/config-%s", ret->kernel.release);
	if (access(ret->config, R_OK) < 0) {
		free(ret->config);
		ret->config = access("/proc/config.gz", R_OK) == 0 ? xstrdup("/proc/config.gz") : NULL;
	}
	read_options(ret);
}

static void checkup_free(struct checkup *c)
{
	feature_free(c->features, c->n);
	free(c->facts.modules);
	free(c->facts.config);
	free(c->facts.options);
}

static int examine(struct checkup *c, struct err *e)
{
	_cleanup_close_ int home = vs_home(e);

	if (home < 0)
		return home;
	find_facts(&c->facts);
	c->noted = seal_marks_noted();
	for (int i = 0; i < KERNEL_PIECES; i++)
		kernel_status((enum kernel_piece)i, &c->pieces[i]);
	return feature_list(home, &c->features, &c->n, e);
}

/* Of the pieces, what is not loaded is no illness: it is loaded when it is needed, or something stands in for it. But
 * with marks on the disk no vserver starts where their programs cannot be loaded. */
static bool marks_bare(const struct checkup *c)
{
	bool lsm = false;

	for (size_t i = 0; i < c->n; i++)
		lsm |= strcmp(c->features[i].name, "BPF LSM") == 0 && c->features[i].works;
	return c->noted && !lsm && c->pieces[KERNEL_SEAL].state != KERNEL_LIVE;
}

static bool healthy(const struct checkup *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->features[i].necessary && !c->features[i].works)
			return false;
	return !marks_bare(c);
}

/* ---- as a table -------------------------------------------------------------------------------------------------- */

static const char *state_name(enum kernel_state s)
{
	static const char *const names[] = {
		[KERNEL_ABSENT] = "not loaded", [KERNEL_PARTLY] = "not complete", [KERNEL_OLDER] = "older",
		[KERNEL_NEWER] = "newer",       [KERNEL_LIVE] = "loaded",
	};

	return names[s];
}

static void print_feature(const struct feature *f)
{
	printf("%-24s %s\n", f->name, f->works ? "works" : f->necessary ? "MISSING" : "does not work");
	if (f->works)
		return;
	printf("    seen:    %s\n", f->why);
	printf("    so:      %s\n", f->without);
	printf("    remedy:  %s\n", f->remedy);
}

static void print_piece(const struct checkup *c, enum kernel_piece which)
{
	const struct kernel_status *s = &c->pieces[which];
	_cleanup_free_ char *name = xasprintf("programs: %s", kernel_piece_name(which));

	printf("%-24s %s, ", name, state_name(s->state));
	if (s->state == KERNEL_OLDER || s->state == KERNEL_NEWER)
		printf("layout %u (here %u), ", s->layout, s->own_layout);
	else
		printf("layout %u, ", s->own_layout);
	printf("%u attached%s\n", s->programs,
	       which == KERNEL_SEAL && c->noted ? "; shared files are sealed by the mark" : "");
}

static void print_table(const struct checkup *c)
{
	printf("%-24s Linux %s %s\n", "kernel", c->facts.kernel.release, c->facts.kernel.version);
	printf("%-24s %s\n", "security modules",
	       c->facts.modules ? c->facts.modules : "not known (mount -t securityfs none /sys/kernel/security)");
	printf("%-24s %s%s%s\n\n", "kernel configuration", c->facts.config ? c->facts.config : "not found",
	       c->facts.options ? ": " : "", c->facts.options ? c->facts.options : "");
	for (size_t i = 0; i < c->n; i++)
		print_feature(&c->features[i]);
	putchar('\n');
	for (int i = 0; i < KERNEL_PIECES; i++)
		print_piece(c, (enum kernel_piece)i);
	if (marks_bare(c))
		printf("\nMISSING: the shared files are sealed by a mark that protects nothing on this kernel: no "
		       "vserver "
		       "starts.\n    remedy:  vunify ALL, which seals them by the immutable attribute\n");
}

/* ---- as JSON ----------------------------------------------------------------------------------------------------- */

static void add_string(json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

static json_object *json_feature(const struct feature *f)
{
	json_object *o = json_object_new_object();

	add_string(o, "feature", f->name);
	add_string(o, "status", f->works ? "ok" : "failed");
	json_object_object_add(o, "necessary", json_object_new_boolean(f->necessary));
	add_string(o, "reason", f->why);
	add_string(o, "consequence", f->works ? "" : f->without);
	add_string(o, "remedy", f->works ? "" : f->remedy);
	return o;
}

static json_object *json_piece(const struct checkup *c, enum kernel_piece which)
{
	const struct kernel_status *s = &c->pieces[which];
	json_object *o = json_object_new_object();

	add_string(o, "piece", kernel_piece_name(which));
	add_string(o, "state", state_name(s->state));
	json_object_object_add(o, "layout", json_object_new_int64(s->layout));
	json_object_object_add(o, "own_layout", json_object_new_int64(s->own_layout));
	json_object_object_add(o, "programs", json_object_new_int64(s->programs));
	return o;
}

static void print_json(const struct checkup *c)
{
	json_object *o = json_object_new_object(), *features = json_object_new_array(),
		    *pieces = json_object_new_array();

	add_string(o, "kernel", c->facts.kernel.release);
	add_string(o, "security_modules", c->facts.modules);
	add_string(o, "configuration", c->facts.options);
	json_object_object_add(o, "healthy", json_object_new_boolean(healthy(c)));
	json_object_object_add(o, "marks", json_object_new_boolean(c->noted));
	for (size_t i = 0; i < c->n; i++)
		json_object_array_add(features, json_feature(&c->features[i]));
	for (int i = 0; i < KERNEL_PIECES; i++)
		json_object_array_add(pieces, json_piece(c, (enum kernel_piece)i));
	json_object_object_add(o, "features", features);
	json_object_object_add(o, "pieces", pieces);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'J'}, {0}};
	_cleanup_(checkup_free) struct checkup c = {0};
	_cleanup_err_ struct err e = {0};
	bool json = false;
	int ch;

	optind = 0;
	while ((ch = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (ch != 'J')
			return EXIT_USAGE;
		json = true;
	}
	if (optind < argc) {
		fprintf(stderr, "vpkg: doctor takes no argument: %s\n", argv[optind]);
		return EXIT_USAGE;
	}
	intr_setup();
	if (examine(&c, &e) < 0) {
		fprintf(stderr, "vpkg: %s\n", e.msg);
		return e.status == -EINTR ? EXIT_INTERRUPTED : EXIT_USAGE;
	}
	(json ? print_json(&c) : print_table(&c));
	return healthy(&c) ? EXIT_DONE : EXIT_NONE;
}
