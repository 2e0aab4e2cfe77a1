/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * chcontext [OPTIONS] COMMAND…: moves to a security context, then becomes the command.
 */
#include "kernel/kernel.h"
#include "kernel/tool.h"

#include <stdarg.h>

#include "help/chcontext.h"

enum { OPT_CAP = TOOL_LONG, OPT_CTX, OPT_DISCONNECT, OPT_DOMAINNAME, OPT_FLAG, OPT_HOSTNAME, OPT_SECURE, OPT_SILENT };

static const struct option longs[] = {
	{"cap", required_argument, NULL, OPT_CAP},
	{"ctx", required_argument, NULL, OPT_CTX},
	{"disconnect", no_argument, NULL, OPT_DISCONNECT},
	{"domainname", required_argument, NULL, OPT_DOMAINNAME},
	{"flag", required_argument, NULL, OPT_FLAG},
	{"hostname", required_argument, NULL, OPT_HOSTNAME},
	{"secure", no_argument, NULL, OPT_SECURE},
	{"silent", no_argument, NULL, OPT_SILENT},
	{"xid", required_argument, NULL, OPT_CTX},
	{"help", no_argument, NULL, 'h'},
	{0},
};

struct options {
	struct ctx_wish wish;
	struct caps_list caps;
	bool secure, silent, disconnect, numbered;
};

static int complain(const char *fmt, ...) PRINTF(1, 2);
static int complain(const char *fmt, ...)
{
	va_list ap;

	fputs("chcontext: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

#define ALL_FLAGS "lock, sched, nproc, private, fakeinit, hideinfo and ulimit"

static int add_flags(struct options *o, const char *words)
{
	static const char *const names[] = {"lock", "sched", "nproc", "private", "fakeinit", "hideinfo", "ulimit"};
	static const unsigned bits[] = {CTX_LOCK,     CTX_SCHED,    CTX_NPROC, CTX_PRIVATE,
					CTX_FAKEINIT, CTX_HIDEINFO, CTX_ULIMIT};
	_cleanup_strv_ struct strv l = {0};

	strv_split(&l, words, ",");
	for (size_t i = 0; i < l.n; i++) {
		const char *near = text_nearest(l.v[i], names, ARRAY_LEN(names));
		bool known = false;

		for (size_t k = 0; k < ARRAY_LEN(names); k++)
			if (strcmp(names[k], l.v[i]) == 0) {
				o->wish.flags |= bits[k];
				known = true;
			}
		if (!known) {
			_cleanup_free_ char *shown = text_escape(l.v[i], strlen(l.v[i]));

			return near ? complain("unknown flag %s; did you mean %s?", shown, near)
				    : complain("unknown flag %s; there are " ALL_FLAGS, shown);
		}
	}
	return l.n ? 0 : complain("--flag needs a flag; there are " ALL_FLAGS);
}

/* -1 and -2 as new_s_context knew them. */
static int set_number(struct options *o, const char *text)
{
	_cleanup_free_ char *shown = text_escape(text, strlen(text));
	uint64_t n;

	if (o->numbered)
		return complain("--ctx %s: a process is in one context; it was named before", shown);
	o->numbered = true;
	if (strcmp(text, "-1") == 0 || strcmp(text, "-2") == 0)
		o->wish.number = text[1] == '1' ? CTX_NEXT : CTX_STAY;
	else if (text_uint(text, 1, CTX_LAST, &n) == 0)
		o->wish.number = (int)n;
	else
		return complain("--ctx %s: contexts have the numbers 1 to %d (0 is the host's)", shown, CTX_LAST);
	return 0;
}

static int wrong_option(int c, char *const *argv)
{
	_cleanup_free_ char *wrong = tool_wrong_option(c, argv, longs);

	return complain("%s (chcontext --help)", wrong);
}

static int read_option(struct options *o, int c, char *const *argv)
{
	_cleanup_err_ struct err e = {0};

	switch (c) {
	case 'h':
		fputs(help_text, stdout);
		exit(EXIT_DONE);
	case OPT_CAP:
		return caps_add(&o->caps, optarg, &e) < 0 ? complain("%s", e.msg) : 0;
	case OPT_CTX:
		return set_number(o, optarg);
	case OPT_DISCONNECT:
		o->disconnect = true;
		return 0;
	case OPT_DOMAINNAME:
		/* What a kernel without a domain name says. */
		o->wish.domainname = strcmp(optarg, "none") == 0 ? "(none)" : optarg;
		return 0;
	case OPT_FLAG:
		return add_flags(o, optarg);
	case OPT_HOSTNAME:
		o->wish.hostname = optarg;
		return 0;
	case OPT_SECURE:
		o->secure = true;
		return 0;
	case OPT_SILENT:
		o->silent = true;
		return 0;
	}
	return wrong_option(c, argv);
}

static int read_options(struct options *o, int argc, char **argv)
{
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "+:h", longs, NULL)) >= 0)
		r = read_option(o, c, argv);
	if (r == 0 && optind == argc)
		r = complain("no command named: chcontext [OPTIONS] COMMAND… (chcontext --help)");
	return r;
}

/* ---- what it does ------------------------------------------------------------------------------------------------ */

/* Returns in a child with a session of its own; the caller ends here, with 0 once the command runs. */
static int disconnect(void)
{
	unsigned char code;
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid > 0) {
		close(p[1]);
		_exit(read(p[0], &code, 1) == 1 ? code : EXIT_DONE);
	}
	close(p[0]);
	setsid();
	return pid < 0 ? -1 : p[1];
}

static int become(const struct options *o, const struct ctx_made *made, char **argv)
{
	_cleanup_err_ struct err e = {0};
	uint64_t drop = ((o->secure ? caps_secure() : 0) | o->caps.drop) & ~o->caps.keep;
	int r = caps_ceiling(drop | made->drop, &e);

	if (r < 0)
		return complain("%s", e.msg);
	if (r > 0 && !o->silent)
		complain("note: lowering capabilities for good is not allowed here (CAP_SETPCAP, CAP_SYS_ADMIN), so "
			 "no_new_privs does it: setuid programs give no privilege at all");
	if (!o->silent && o->wish.number != CTX_STAY)
		printf("New security context is %u\n", made->number);
	r = tool_exec(argv, &e);
	complain("%s", e.msg);
	return r;
}

static int run(const struct options *o, char **argv, int *told)
{
	_cleanup_err_ struct err e = {0};
	struct ctx_made made;
	int r;

	if (ctx_make(&o->wish, &made, &e) < 0)
		return complain("%s", e.msg);
	if (!made.child) {
		if (made.weaker && !o->silent)
			complain("note: %s", made.weaker);
		return become(o, &made, argv);
	}
	*told = close_fd(*told); /* the command's process tells */
	r = ctx_wait(&made, &e);
	return r < 0 ? complain("%s", e.msg) : r;
}

int main(int argc, char **argv)
{
	struct options o = {.wish.number = CTX_NEXT};
	int r = read_options(&o, argc, argv), told = -1;
	unsigned char code;

	if (r)
		return r;
	if (o.disconnect) {
		told = disconnect();
		if (told < 0)
			return complain("--disconnect: %s", strerror(errno));
	}
	r = run(&o, argv + optind, &told);
	code = (unsigned char)r;
	if (told >= 0)
		(void)!write(told, &code, 1);
	return r;
}
