/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * setattr [-Rx] --[~]iunlink|--[~]immutable FILE…: seals files, or takes their seal off.
 */
#include "kernel/files.h"
#include "kernel/kernel.h"
#include "kernel/tool.h"

#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/capability.h>
#include <sys/ioctl.h>

#include "help/setattr.h"

enum { OPT_SEAL = TOOL_LONG, OPT_UNSEAL, OPT_IMMUTABLE, OPT_MUTABLE, OPT_FORCE };

/* The names of both generations of the original; "!" stands for "~" there, too. */
static const struct option longs[] = {
	{"iunlink", no_argument, NULL, OPT_SEAL},
	{"immulink", no_argument, NULL, OPT_SEAL},
	{"immu", no_argument, NULL, OPT_SEAL},
	{"~iunlink", no_argument, NULL, OPT_UNSEAL},
	{"!iunlink", no_argument, NULL, OPT_UNSEAL},
	{"~immulink", no_argument, NULL, OPT_UNSEAL},
	{"!immulink", no_argument, NULL, OPT_UNSEAL},
	{"~immu", no_argument, NULL, OPT_UNSEAL},
	{"!immu", no_argument, NULL, OPT_UNSEAL},
	{"immutable", no_argument, NULL, OPT_IMMUTABLE},
	{"~immutable", no_argument, NULL, OPT_MUTABLE},
	{"!immutable", no_argument, NULL, OPT_MUTABLE},
	{"force", no_argument, NULL, OPT_FORCE},
	{"help", no_argument, NULL, 'h'},
	{0},
};

/* What other attributes of the original's were for, and what there is instead. */
static const struct {
	const char *name, *instead;
} gone[] = {
	{"admin", "entries of /proc are hidden by the vserver's own /proc"},
	{"watch", "entries of /proc are hidden by the vserver's own /proc"},
	{"hide", "entries of /proc are hidden by the vserver's own /proc"},
	{"barrier",
	 "no chroot leads out of a vserver, whose tree is the root of its own mounts; nothing needs to be set"},
	{"iunlink-but-not-immutable", "the seal is one: --iunlink"},
	{"ixunlink", "the seal is one: --iunlink"},
	{"write", "it was never used"},
	{"cow", "copying on write is a vserver's flag, not a file's"},
	{"flags", "attributes have names: --iunlink, --immutable"},
};

struct wish {
	bool seal, unseal, immutable, mutable, force, recurse;
	size_t failed;
	size_t shared; /* found by recursion, and left alone */
	char *first;   /* the first of them */
};

static int complain(const char *fmt, ...) PRINTF(1, 2);
static int complain(const char *fmt, ...)
{
	va_list ap;

	fputs("setattr: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

/* ---- one file ---------------------------------------------------------------------------------------------------- */

static int set_immutable(int fd, bool on, struct err *e)
{
	int flags, want;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		want = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
		if (want == flags || ioctl(fd, FS_IOC_SETFLAGS, &want) == 0)
			return 0;
	}
	if (errno == ENOTTY || errno == EOPNOTSUPP || errno == ENOSYS)
		return err_set(e, -EOPNOTSUPP, "its file system has no immutable attribute");
	return err_sys(e, "changing the immutable attribute");
}

/* A seal does not stop who has the file open for writing already. A lease is refused while there is such a one, and
 * lets none come until fd is closed. */
static int no_writers(int fd, struct err *e)
{
	return fcntl(fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN
		       ? err_set(e, -EBUSY, "some program has it open for writing; end that first")
		       : 0;
}

static int change(const struct wish *w, int fd, bool regular, struct err *e)
{
	int r = 0;

	if (regular && (w->seal || w->immutable))
		r = no_writers(fd, e);
	if (r == 0 && w->seal && regular)
		r = seal_set(fd, e);
	if (r == 0 && w->unseal && regular)
		r = seal_clear(fd, e);
	if (r == 0 && (w->immutable || w->mutable))
		r = set_immutable(fd, w->immutable, e);
	return r;
}

static void failed(const char *message, void *arg)
{
	struct wish *w = arg;

	complain("%s", message);
	w->failed++;
}

/* Other names of a sealed file are other vservers': what one of them writes after that, all have. The mark shows itself
 * as dump's attribute, also while its programs are not loaded. */
static bool left_shared(struct wish *w, const struct statx *stx, const char *shown, bool named)
{
	bool sealed = seal_is(stx) || stx->stx_attributes & STATX_ATTR_NODUMP;

	if (w->force || !(w->unseal || w->mutable) || !S_ISREG(stx->stx_mode) || !sealed || stx->stx_nlink < 2)
		return false;
	if (named) {
		complain(
			"%s: sealed, and %u names share it: without the seal, what is written through one changes all; "
			"say --force if that is meant",
			shown, stx->stx_nlink);
		w->failed++;
	} else if (w->shared++ == 0) {
		w->first = xstrdup(shown);
	}
	return true;
}

static void each(int handle, const char *shown, bool named, void *arg)
{
	struct wish *w = arg;
	_cleanup_err_ struct err e = {0};
	_cleanup_close_ int fd = -1;
	struct statx stx;
	bool regular;
	int r = seal_stat(handle, "", &stx);

	if (r < 0) {
		complain("%s: %s", shown, strerror(-r));
		w->failed++;
		return;
	}
	regular = S_ISREG(stx.stx_mode);
	if (!regular && !(S_ISDIR(stx.stx_mode) && (w->immutable || w->mutable))) {
		if (!named || (w->recurse && S_ISDIR(stx.stx_mode)))
			return;
		complain("%s: not a regular file%s", shown, S_ISDIR(stx.stx_mode) ? "; -R for those in it" : "");
		w->failed++;
		return;
	}
	if (left_shared(w, &stx, shown, named))
		return;
	fd = path_reopen(handle, O_RDONLY | O_NONBLOCK);
	if (fd < 0) {
		errno = -fd;
		err_sys(&e, "opening it");
	} else {
		change(w, fd, regular, &e);
	}
	if (e.status < 0) {
		complain("%s: %s", shown, e.msg);
		w->failed++;
	}
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static int wrong_option(int c, char *const *argv)
{
	const char *typed = argv[optind - 1], *name = typed + strspn(typed, "-");
	size_t n = strcspn(name += strspn(name, "~!"), "=");
	_cleanup_free_ char *wrong = NULL;

	for (size_t i = 0; c == '?' && optopt == 0 && i < ARRAY_LEN(gone); i++)
		if (strlen(gone[i].name) == n && strncmp(name, gone[i].name, n) == 0)
			return complain("there is no --%s here: %s", gone[i].name, gone[i].instead);
	wrong = tool_wrong_option(c, argv, longs);
	return complain("%s (setattr --help)", wrong);
}

static int read_options(struct wish *w, struct files *f, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, ":Rxh", longs, NULL)) >= 0) {
		switch (c) {
		case 'h':
			fputs(help_text, stdout);
			exit(EXIT_DONE);
		case 'R':
			f->recurse = w->recurse = true;
			break;
		case 'x':
			f->one_fs = true;
			break;
		case OPT_SEAL:
			w->seal = true;
			break;
		case OPT_UNSEAL:
			w->unseal = true;
			break;
		case OPT_IMMUTABLE:
			w->immutable = true;
			break;
		case OPT_MUTABLE:
			w->mutable = true;
			break;
		case OPT_FORCE:
			w->force = true;
			break;
		default:
			return wrong_option(c, argv);
		}
	}
	if (!w->seal && !w->unseal && !w->immutable && !w->mutable)
		return complain("no attribute named: setattr --iunlink FILE… (setattr --help)");
	if ((w->seal || w->immutable) && (w->unseal || w->mutable))
		return complain("it either sets or takes off, not both at once (setattr --help)");
	if (optind == argc)
		return complain("no file named: setattr --iunlink FILE… (setattr --help)");
	return 0;
}

static int check_right(void)
{
	cap_flag_value_t has = CAP_CLEAR;
	cap_t own = cap_get_proc();

	if (own)
		cap_get_flag(own, CAP_LINUX_IMMUTABLE, CAP_EFFECTIVE, &has);
	cap_free(own);
	return has == CAP_SET ? 0 : complain("changing these attributes takes root with CAP_LINUX_IMMUTABLE");
}

int main(int argc, char **argv)
{
	struct wish w = {0};
	struct files f = {.hidden = true, .each = each, .failed = failed, .arg = &w};

	if (read_options(&w, &f, argc, argv) != 0 || check_right() != 0)
		return EXIT_USAGE;
	f.itself = !f.recurse;
	/* Who opens a file while our lease is on it makes the kernel tell us so; by default that kills. */
	signal(SIGIO, SIG_IGN);
	for (int i = optind; i < argc; i++) {
		files_visit(argv[i], &f);
		if (w.shared) {
			complain("%zu sealed file%s that other names share kept the seal (the first: %s); say --force "
				 "if "
				 "all who share them may write",
				 w.shared, w.shared == 1 ? "" : "s", w.first);
			w.failed++;
		}
		free(w.first);
		w.first = NULL;
		w.shared = 0;
	}
	return w.failed ? EXIT_USAGE : EXIT_DONE;
}
