/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * capchroot [--nochroot] [--suid USER] DIRECTORY COMMAND…: becomes the command with the directory as its root.
 */
#include "kernel/kernel.h"
#include "kernel/tool.h"
#include "kernel/user.h"

#include <stdarg.h>
#include <sys/capability.h>

#include "help/capchroot.h"

enum { OPT_NOCHROOT = TOOL_LONG, OPT_SUID };

static const struct option longs[] = {
	{"nochroot", no_argument, NULL, OPT_NOCHROOT},
	{"suid", required_argument, NULL, OPT_SUID},
	{"help", no_argument, NULL, 'h'},
	{0},
};

struct wish {
	bool nochroot;
	const char *user, *dir;
	char *shown_user, *shown_dir; /* harmless to print */
	char **command;
};

static void wish_free(struct wish *w)
{
	free(w->shown_user);
	free(w->shown_dir);
}

static int complain(const char *fmt, ...) PRINTF(1, 2);
static int complain(const char *fmt, ...)
{
	va_list ap;

	fputs("capchroot: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

/* Options, up to the first word that is none. argv[0] is not looked at. */
static int read_options(struct wish *w, int argc, char **argv)
{
	_cleanup_free_ char *wrong = NULL;
	int c;

	optind = 0; /* glibc: from the begin, with another argv */
	while ((c = getopt_long(argc, argv, "+:h", longs, NULL)) >= 0) {
		switch (c) {
		case 'h':
			fputs(help_text, stdout);
			exit(EXIT_DONE);
		case OPT_NOCHROOT:
			w->nochroot = true;
			break;
		case OPT_SUID:
			w->user = optarg;
			break;
		default:
			wrong = tool_wrong_option(c, argv, longs);
			return complain("%s (capchroot --help)", wrong);
		}
	}
	return 0;
}

/* Options may stand before the directory (as the original read them) and behind it (as its help had them). */
static int read_line(struct wish *w, int argc, char **argv)
{
	int r = read_options(w, argc, argv);

	if (r)
		return r;
	if (optind == argc)
		return complain("no directory named: capchroot [--nochroot] [--suid USER] DIRECTORY COMMAND…");
	argv += optind;
	argc -= optind;
	w->dir = argv[0];
	w->shown_dir = text_escape(w->dir, strlen(w->dir));
	r = read_options(w, argc, argv);
	if (r)
		return r;
	if (optind == argc)
		return complain("no command named: capchroot %s COMMAND…", w->shown_dir);
	w->command = argv + optind;
	w->shown_user = w->user ? text_escape(w->user, strlen(w->user)) : NULL;
	return 0;
}

/* A directory of the host's as standard input leads out of any chroot. */
static int check_streams(void)
{
	struct stat st;

	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
			return complain("descriptor %d is a directory outside of the new root; it would lead out of it",
					fd);
	return 0;
}

static int change_root(const struct wish *w, int dir)
{
	if (fchdir(dir) == 0 && chroot(".") == 0 && chdir("/") == 0)
		return 0;
	return complain("%s: chroot: %s%s", w->shown_dir, strerror(errno),
			errno == EPERM ? "; it takes root with CAP_SYS_CHROOT" : "");
}

static int give_up_chroot(void)
{
	_cleanup_err_ struct err e = {0};
	int r = caps_ceiling(UINT64_C(1) << CAP_SYS_CHROOT, &e);

	if (r < 0)
		return complain("--nochroot: %s", e.msg);
	if (r > 0)
		complain("note: --nochroot is held by no_new_privs, for want of CAP_SETPCAP: setuid programs give no "
			 "privilege");
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(user_free) struct user u = {0};
	_cleanup_err_ struct err e = {0};
	_cleanup_close_ int dir = -1;
	_cleanup_(wish_free) struct wish w = {0};
	int r = read_line(&w, argc, argv);

	if (r || check_streams() != 0)
		return EXIT_USAGE;
	dir = open(w.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return complain("%s: %s", w.shown_dir, strerror(errno));
	if (w.user && user_find(dir, w.user, &u, &e) < 0)
		return complain("--suid %s: %s: %s", w.shown_user, w.shown_dir, e.msg);
	if (change_root(&w, dir) != 0 || (w.nochroot && give_up_chroot() != 0))
		return EXIT_USAGE;
	if (w.user && user_become(&u, &e) < 0)
		return complain("--suid %s: %s", w.shown_user, e.msg);
	dir = close_fd(dir);
	close_all_but(NULL, 0);
	r = tool_exec(w.command, &e);
	complain("%s", e.msg);
	return r;
}
