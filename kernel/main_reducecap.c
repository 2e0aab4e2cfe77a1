/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * reducecap [OPTIONS] COMMAND…: lowers the capability ceiling, then becomes the command.
 */
#include "kernel/kernel.h"
#include "kernel/tool.h"

#include <sched.h>
#include <stdarg.h>
#include <sys/capability.h>
#include <sys/mount.h>

#include "help/reducecap.h"

enum { OPT_CAP = TOOL_LONG, OPT_FLAG, OPT_SECURE, OPT_SHOW };

static const struct option longs[] = {
	{"cap", required_argument, NULL, OPT_CAP}, {"flag", required_argument, NULL, OPT_FLAG},
	{"secure", no_argument, NULL, OPT_SECURE}, {"show", no_argument, NULL, OPT_SHOW},
	{"help", no_argument, NULL, 'h'},          {0},
};

struct wish {
	uint64_t drop;
	unsigned flags; /* CTX_… */
	bool show, namespace;
};

static int complain(const char *fmt, ...) PRINTF(1, 2);
static int complain(const char *fmt, ...)
{
	va_list ap;

	fputs("reducecap: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

/* This program lowers and nothing else: whatever it is told of a capability takes it away. */
static int drop_word(struct wish *w, const char *word, struct err *e)
{
	struct caps_list list = {0};
	int r = caps_add(&list, word, e);

	w->drop |= list.keep | list.drop;
	return r;
}

/* A flag is the context's in which the caller is, where the kernel's programs keep it; one that needs a process or a
 * limit of its own is chcontext's. */
static const struct {
	const char *name;
	unsigned flag; /* 0: not here */
} flags[] = {
	{"fakeinit", 0},      {"hideinfo", CTX_HIDEINFO}, {"lock", CTX_LOCK}, {"namespace", 0},
	{"nproc", CTX_NPROC}, {"private", CTX_PRIVATE},   {"sched", 0},       {"ulimit", 0},
};

static int not_here(const char *flag)
{
	return complain("the flag %s is a context's: chcontext --flag %s COMMAND…", flag, flag);
}

static int add_flag(struct wish *w, const char *word)
{
	_cleanup_free_ char *shown = text_escape(word, strlen(word));
	const char *names[ARRAY_LEN(flags)], *near;

	if (strcmp(word, "namespace") == 0) {
		w->namespace = true;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		names[i] = flags[i].name;
		if (strcmp(word, flags[i].name) != 0)
			continue;
		w->flags |= flags[i].flag;
		return flags[i].flag ? 0 : not_here(flags[i].name);
	}
	near = text_nearest(word, names, ARRAY_LEN(names));
	return complain("unknown flag %s%s%s%s", shown, near ? "; did you mean " : "", near ? near : "",
			near ? "?" : "");
}

static int add_flags(struct wish *w, const char *words)
{
	_cleanup_strv_ struct strv l = {0};
	int r = 0;

	strv_split(&l, words, ",");
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = add_flag(w, l.v[i]);
	return l.n ? r : complain("--flag needs a flag; there are hideinfo, lock, namespace, nproc, private");
}

/* An option that getopt does not know may be a capability: --MKNOD, --CAP_MKNOD. */
static int unknown_option(struct wish *w, int c, char *const *argv)
{
	const char *typed = argv[optind - 1];
	_cleanup_free_ char *wrong = NULL, *shown = NULL;
	_cleanup_err_ struct err e = {0};

	if (c == '?' && optopt == 0 && !tool_nearest_option(typed, longs)) {
		if (drop_word(w, typed + strspn(typed, "-"), &e) == 0)
			return 0;
		shown = text_escape(typed, strlen(typed));
		return complain("unknown option %s: %s (reducecap --help)", shown, e.msg);
	}
	wrong = tool_wrong_option(c, argv, longs);
	return complain("%s (reducecap --help)", wrong);
}

static int read_options(struct wish *w, int argc, char **argv)
{
	_cleanup_err_ struct err e = {0};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "+:h", longs, NULL)) >= 0) {
		switch (c) {
		case 'h':
			fputs(help_text, stdout);
			exit(EXIT_DONE);
		case OPT_SHOW:
			w->show = true;
			break;
		case OPT_SECURE:
			w->drop |= caps_secure();
			break;
		case OPT_CAP:
			r = drop_word(w, optarg, &e) < 0 ? complain("%s", e.msg) : 0;
			break;
		case OPT_FLAG:
			r = add_flags(w, optarg);
			break;
		default:
			r = unknown_option(w, c, argv);
		}
	}
	return r;
}

/* ---- what it does ------------------------------------------------------------------------------------------------ */

static int show(void)
{
	static const cap_flag_t sets[] = {CAP_EFFECTIVE, CAP_PERMITTED, CAP_INHERITABLE};
	cap_t own = cap_get_proc();

	if (!own)
		return complain("reading the capabilities: %s", strerror(errno));
	printf("%-24s %-8s %-10s %-10s %-12s %s\n", "Capability", "Ceiling", "Effective", "Permitted", "Inheritable",
	       "Ambient");
	for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++) {
		cap_flag_value_t has[ARRAY_LEN(sets)] = {0};
		char *name = cap_to_name(c);

		for (char *p = name; p && *p; p++)
			*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
		for (size_t i = 0; i < ARRAY_LEN(sets); i++)
			cap_get_flag(own, c, sets[i], &has[i]);
		printf("%-24s %-8s %-10s %-10s %-12s %s\n", name ? name : "?", cap_get_bound(c) ? "X" : "-",
		       has[0] ? "X" : "-", has[1] ? "X" : "-", has[2] ? "X" : "-", cap_get_ambient(c) > 0 ? "X" : "-");
		cap_free(name);
	}
	cap_free(own);
	return 0;
}

/* Its own mounts: what it mounts is seen by it and what it starts alone. */
static int own_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return complain("--flag namespace: %s%s", strerror(errno),
				errno == EPERM ? "; it takes root with CAP_SYS_ADMIN" : "");
	return 0;
}

static int flag_context(unsigned wanted)
{
	_cleanup_err_ struct err e = {0};
	bool live = ctx_live();
	int r = live ? ctx_enter(CTX_STAY, wanted, &e) : -EINVAL;

	if (r != -EINVAL)
		return r < 0 ? complain("--flag: %s", e.msg) : 0;
	/* On the host there is no context to have it; where the programs are live, the command alone can be locked. */
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (wanted & flags[i].flag && !(live && flags[i].flag == CTX_LOCK))
			return not_here(flags[i].name);
	return complain("--flag: %s", e.msg);
}

int main(int argc, char **argv)
{
	_cleanup_err_ struct err e = {0};
	struct wish w = {0};
	int r = read_options(&w, argc, argv);

	if (r)
		return r;
	if (optind == argc && !w.show)
		return complain("no command named: reducecap [OPTIONS] COMMAND… (reducecap --help)");
	if (w.namespace && own_mounts() != 0)
		return EXIT_USAGE;
	if (w.flags && flag_context(w.flags) != 0)
		return EXIT_USAGE;
	r = caps_ceiling(w.drop, &e);
	if (r < 0)
		return complain("%s", e.msg);
	if (r > 0)
		complain("note: not all that lowering the ceiling takes is allowed here (CAP_SETPCAP and "
			 "CAP_SYS_ADMIN), so "
			 "no_new_privs holds it: setuid programs give no privilege at all");
	if (w.show && show() != 0)
		return EXIT_USAGE;
	if (optind == argc)
		return EXIT_DONE;
	r = tool_exec(argv + optind, &e);
	complain("%s", e.msg);
	return r;
}
