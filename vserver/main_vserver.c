/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vserver NAME VERB: one vserver by hand. Runs a command in it, tells its state, deletes it.
 */
#include "vserver/vserver.h"

#include <stdarg.h>

#include "help/vserver.h"

/* Codes that scripts know `status` by. */
enum { STATUS_STOPPED = 3, STATUS_NO_CONFIGURATION = 5, INTERRUPTED = 130 };

static bool silent;

static int complain(int code, const char *fmt, ...) PRINTF(2, 3);
static int complain(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("vserver: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

static int fail(const struct err *e)
{
	int code = e->status == -EBUSY ? EXIT_BUSY : e->status == -EINTR ? INTERRUPTED : EXIT_USAGE;

	return complain(code, "%s", e->msg);
}

/* ---- exec -------------------------------------------------------------------------------------------------------- */

static int verb_exec(const char *name, int argc, char **argv)
{
	_cleanup_vs_ struct vserver *v = NULL;
	_cleanup_err_ struct err e = {0};
	/* Not descriptor 0 itself, which proc_io takes for "none". The command gets pipes, never these. */
	_cleanup_close_ int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	struct proc_io io = {.in_fd = in, .out_fd = STDOUT_FILENO, .err_fd = STDERR_FILENO};
	struct ctx_spec spec;
	int r;

	if (argc == 0)
		return complain(EXIT_USAGE, "exec needs a command: vserver %s exec COMMAND [ARGUMENT…]", name);
	if (in < 0)
		return complain(EXIT_USAGE, "standard input: %s", strerror(errno));
	if (vs_open(name, &v, &e) < 0)
		return fail(&e);
	if (v->tree < 0)
		return complain(EXIT_USAGE, "vserver %s has a configuration but no tree: %s/vservers/%s does not exist",
				name, place_sysroot(), name);
	if (vs_uids(v, &e) < 0 || vs_use(v, &e) < 0)
		return fail(&e);
	spec = vs_context(v, CTX_SUPERVISE);
	r = ctx_run(&spec, (const char *const *)argv, NULL, &io, &e);
	return r < 0 ? fail(&e) : r;
}

/* ---- status ------------------------------------------------------------------------------------------------------ */

static int verb_status(const char *name, int argc, char **argv)
{
	_cleanup_vs_ struct vserver *v = NULL;
	_cleanup_err_ struct err e = {0};
	_cleanup_strv_ struct strv users = {0};
	_cleanup_free_ char *holder = NULL;
	int r;

	if (argc)
		return complain(EXIT_USAGE, "status takes no argument: %s", argv[0]);
	r = vs_open(name, &v, &e);
	if (r == -ENOENT)
		return complain(STATUS_NO_CONFIGURATION, "%s", e.msg);
	if (r < 0 || vs_users(name, &users, &e) < 0)
		return fail(&e);
	holder = vs_lock_holder(name);
	printf("%s: %s", name, users.n ? "running" : v->tree < 0 ? "stopped, has no tree" : "stopped");
	if (v->distro)
		printf(", %s", v->distro);
	for (size_t i = 0; i < users.n; i++)
		printf("%s%s", i ? ", " : "; in it: ", users.v[i]);
	if (holder)
		printf("; locked by %s", holder);
	putchar('\n');
	return users.n ? EXIT_DONE : STATUS_STOPPED;
}

/* ---- delete ------------------------------------------------------------------------------------------------------ */

static int verb_delete(const char *name, int argc, char **argv)
{
	_cleanup_vs_ struct vserver *v = NULL;
	_cleanup_err_ struct err e = {0};
	bool yes = false;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--yes") != 0)
			return complain(EXIT_USAGE, "delete has no option %s; it has --yes", argv[i]);
		yes = true;
	}
	if (vs_open(name, &v, &e) < 0)
		return fail(&e);
	if (!yes)
		return complain(EXIT_USAGE,
				"would delete %s/vservers/%s with all that is in it, what undo keeps of it, and "
				"%s/etc/vservers/%s.conf; say --yes to do it",
				place_sysroot(), name, place_sysroot(), name);
	if (vs_lock(v, 0, &e) < 0 || vs_delete(v, &e) < 0)
		return fail(&e);
	if (!silent)
		printf("%s: deleted\n", name);
	return EXIT_DONE;
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(const char *name, int argc, char **argv);
} verbs[] = {
	{"exec", verb_exec},
	{"status", verb_status},
	{"delete", verb_delete},
};

static int unknown(const char *what, const char *word, const char *const *words, size_t n)
{
	_cleanup_free_ char *text = text_unknown(what, word, words, n, "vserver");

	return complain(EXIT_USAGE, "%s", text);
}

static int unknown_verb(const char *word)
{
	const char *words[ARRAY_LEN(verbs)];

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		words[i] = verbs[i].name;
	return unknown("verb", word, words, ARRAY_LEN(verbs));
}

static int run_verb(int argc, char **argv)
{
	_cleanup_err_ struct err e = {0};

	if (argc == 0)
		return complain(EXIT_USAGE, "no vserver named: vserver NAME VERB (vserver --help)");
	if (vs_name_check(argv[0], &e) < 0)
		return complain(EXIT_USAGE, "%s: vserver NAME VERB (vserver --help)", e.msg);
	if (argc == 1)
		return complain(EXIT_USAGE, "%s: no verb: vserver NAME VERB (vserver --help)", argv[0]);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argv[0], argc - 2, argv + 2);
	return unknown_verb(argv[1]);
}

/* A standard stream that is closed would be taken by the next file that we open. */
static int fill_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const options[] = {"--help", "--silent"};
	int i = 1;

	if (fill_standard_streams() < 0)
		return EXIT_USAGE;
	intr_setup();
	/* Only before NAME: what follows the verb is the verb's, and exec's is not ours to read. */
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(help_text, stdout);
			return EXIT_DONE;
		}
		if (strcmp(argv[i], "--silent") != 0)
			return unknown("option", argv[i], options, ARRAY_LEN(options));
		silent = true;
	}
	return run_verb(argc - i, argv + i);
}
