/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first installation of an RPM tree, by the host's librpm, all of it inside the context: librpm has no other way to
 * keep to a tree than chroot, and runs Lua scriptlets in its own process. An empty tree has no rpm that could do it.
 *
 * Nothing may be loaded inside that was not loaded outside: plugins are off, and glibc's name service is told to read
 * the files only, where it would else load what the new tree's nsswitch.conf names.
 */
#include "bootstrap/redhat.h"
#include "kernel/kernel.h"

#include <dirent.h>
#include <nss.h>

#include <rpm/rpmfiles.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>
#include <rpm/rpmps.h>
#include <rpm/rpmts.h>

#define SCRATCH "/" REDHAT_SCRATCH

/* A scriptlet that failed and did not stop its package. */
struct failure {
	const char *file; /* the package */
	rpmTagVal script; /* RPMTAG_POSTIN, … */
};

struct installing {
	const struct redhat_install *in;
	struct failure *failed;
	size_t n_failed;
	bool retrying;
	struct strv misplaced; /* packages whose hard links are wrong */
	FD_t open;             /* the package that librpm reads at the moment */
};

int redhat_prepare(struct err *e)
{
	static bool done;
	if (done)
		return 0;
	const char *dir = rpmConfigDir();
	_cleanup_free_ char *rc = xasprintf("%s/rpmrc", dir);
	if (access(rc, R_OK) < 0)
		return err_set(e, -ENOENT, "%s is missing; install the package rpm-common", rc);
	/* Taken over by librpm, which keeps it. What the administrator changed for himself is not for new vservers. */
	macrofiles = xasprintf("%s/macros:%s/platform/%%{_target}/macros", dir, dir);
	if (rpmReadConfigFiles(rc, NULL) != 0)
		return err_set(e, -EIO, "librpm cannot read its configuration in %s", dir);
	done = true;
	return 0;
}

static void set_environment(void)
{
	static const char *const env[] = {"PATH=" CTX_DIR "/bin:/usr/sbin:/usr/bin:/sbin:/bin",
					  "HOME=/root",
					  "TERM=dumb",
					  "LANG=C.UTF-8",
					  "SYSTEMD_OFFLINE=1",
					  "RUNLEVEL=1"};
	static const char *const databases[] = {"passwd",     "group", "shadow",  "gshadow",
						"initgroups", "hosts", "services"};
	clearenv();
	for (size_t i = 0; i < ARRAY_LEN(env); i++)
		putenv((char *)env[i]);
	for (size_t i = 0; i < ARRAY_LEN(databases); i++)
		__nss_configure_lookup(databases[i], "files");
}

static void set_macros(void)
{
	static const char *const macros[][2] = {
		{"_db_backend", "sqlite"},
		{"_tmppath", SCRATCH "/tmp"},
		{"_install_script_path", CTX_DIR "/bin:/sbin:/bin:/usr/sbin:/usr/bin"},
		/* The context's own mounts: not the packages' to change. */
		{"_netsharedpath", "/dev:/proc:/sys"},
	};
	for (size_t i = 0; i < ARRAY_LEN(macros); i++)
		rpmPushMacro(NULL, macros[i][0], NULL, macros[i][1], RMIL_CMDLINE);
}

static FD_t open_package(const char *file)
{
	_cleanup_free_ char *path = xasprintf(CTX_DIR "/pkg/%s", file);
	FD_t fd = Fopen(path, "r.ufdio");
	if (fd && Ferror(fd)) {
		Fclose(fd);
		fd = NULL;
	}
	if (!fd)
		fprintf(stderr, "error: cannot open %s\n", path);
	return fd;
}

static void failure_add(struct installing *i, const char *file, rpmTagVal script)
{
	i->failed = xrealloc(i->failed, (i->n_failed + 1) * sizeof *i->failed);
	i->failed[i->n_failed++] = (struct failure){.file = file, .script = script};
}

/* librpm since 4.14 expects the names of a hard-linked file one after the other in the payload. Where another file
 * comes between them, it gives that file's contents to the first. Older rpms collect a set's names, wherever they are.
 */
static bool links_right(rpmfiles files, int ix)
{
	const int *set;
	uint32_t n = rpmfilesFLinks(files, ix, &set);
	struct stat first = {0}, st;
	/* Each set once. */
	if (n < 2 || set[0] != ix)
		return true;
	for (uint32_t k = 0; k < n; k++) {
		char *path = rpmfilesFN(files, set[k]);
		int r = lstat(path, &st);
		free(path);
		if (r < 0 || (k > 0 && st.st_ino != first.st_ino) || st.st_nlink != n)
			return false;
		first = st;
	}
	return true;
}

static void check_links(struct installing *i, Header h, const char *file)
{
	rpmfiles files = h ? rpmfilesNew(NULL, h, 0, 0) : NULL;
	bool right = true;
	for (int ix = 0, n = files ? (int)rpmfilesFC(files) : 0; ix < n && right; ix++)
		right = links_right(files, ix);
	if (!right)
		strv_add(&i->misplaced, file);
	rpmfilesFree(files);
}

static void *notify(const void *h, const rpmCallbackType what, const rpm_loff_t amount, const rpm_loff_t total,
		    fnpyKey key, rpmCallbackData data)
{
	struct installing *i = data;
	switch (what) {
	case RPMCALLBACK_INST_OPEN_FILE:
		i->open = open_package(key);
		return i->open;
	case RPMCALLBACK_INST_CLOSE_FILE:
		if (i->open)
			Fclose(i->open);
		i->open = NULL;
		return NULL;
	case RPMCALLBACK_INST_STOP:
		if (key && !i->retrying)
			check_links(i, (Header)h, key);
		return NULL;
	case RPMCALLBACK_SCRIPT_ERROR:
		if (key)
			failure_add(i, key, (rpmTagVal)amount);
		return NULL;
	default:
		return NULL;
	}
}

static int add_package(rpmts ts, const char *file)
{
	Header h = NULL;
	FD_t fd = open_package(file);
	if (!fd)
		return -1;
	rpmRC rc = rpmReadPackageFile(ts, fd, file, &h);
	Fclose(fd);
	/* What resolved and fetched the package has verified it; here no key is known. A bad digest is RPMRC_FAIL. */
	bool usable = rc == RPMRC_OK || rc == RPMRC_NOTTRUSTED || rc == RPMRC_NOKEY;
	if (!usable || rpmtsAddInstallElement(ts, h, file, 0, NULL) != 0) {
		fprintf(stderr, "error: librpm cannot use %s\n", file);
		usable = false;
	}
	headerFree(h);
	return usable ? 0 : -1;
}

static int say_problems(rpmts ts, const char *what)
{
	rpmps ps = rpmtsProblems(ts);
	int n = rpmpsNumProblems(ps);
	if (n > 0) {
		fprintf(stderr, "error: %s:\n", what);
		rpmpsPrint(stderr, ps);
	}
	rpmpsFree(ps);
	return n;
}

/* One transaction with a database of its own. */
static int transaction(struct installing *i, const char *const *files, size_t n, const char *db, rpmtransFlags flags)
{
	_cleanup_free_ char *path = xasprintf(SCRATCH "/%s", db);
	rpmPushMacro(NULL, "_dbpath", NULL, path, RMIL_CMDLINE);
	rpmts ts = rpmtsCreate();
	rpmtsSetRootDir(ts, "/");
	/* Digests that a package has are checked; old ones need not have any (the repository's index verified them). */
	rpmtsSetVSFlags(ts, RPMVSF_MASK_NOSIGNATURES);
	rpmtsSetVfyFlags(ts, RPMVSF_MASK_NOSIGNATURES);
	rpmtsSetVfyLevel(ts, 0);
	rpmtsSetFlags(ts, flags | RPMTRANS_FLAG_NOPLUGINS | RPMTRANS_FLAG_NOCONTEXTS);
	rpmtsSetNotifyCallback(ts, notify, i);
	int r = 0;
	for (size_t k = 0; k < n && r == 0; k++)
		r = add_package(ts, files[k]);
	bool whole = n == i->in->solution->n;
	if (r == 0 && whole && (rpmtsCheck(ts) != 0 || say_problems(ts, "the packages do not fit together") > 0))
		r = -1;
	if (r == 0 && rpmtsOrder(ts) != 0) {
		fprintf(stderr, "error: librpm finds no order to install the packages in\n");
		r = -1;
	}
	if (r == 0 && rpmtsRun(ts, NULL, RPMPROB_FILTER_NONE) != 0) {
		r = -1;
		if (say_problems(ts, "the packages cannot be installed") == 0)
			fprintf(stderr, "error: not all packages could be installed\n");
	}
	rpmtsFree(ts);
	return r;
}

/* Tells librpm that all there is belongs to somebody else, so that it writes no file. */
static void share_everything(void)
{
	_cleanup_buf_ struct buf all = {0};
	DIR *root = opendir("/");
	for (struct dirent *d; root && (d = readdir(root));)
		if (d->d_name[0] != '.')
			buf_addf(&all, "%s/%s", all.len ? ":" : "", d->d_name);
	if (root)
		closedir(root);
	rpmPushMacro(NULL, "_netsharedpath", NULL, all.p ? all.p : "/", RMIL_CMDLINE);
}

/* Scriptlets that failed while the tree was half there. No order suits every package of a set with cycles (CentOS 7's
 * libsepol runs ldconfig before there is a shell that could): what runs after a package's files are in place is run
 * once more when all packages are. A transaction that has no file to write, into a new, empty database, runs it as
 * librpm does, with the same arguments, whatever language it is in (--justdb would run none). */
static int retry(struct installing *i, const struct failure *early, size_t n, rpmTagVal script, const char *db,
		 rpmtransFlags others)
{
	_cleanup_free_ const char **files = xcalloc(n + 1, sizeof *files);
	size_t count = 0;
	for (size_t k = 0; k < n; k++)
		if (early[k].script == script)
			files[count++] = early[k].file;
	if (count == 0)
		return 0;
	fprintf(stderr, "vpkg: %zu scriptlets failed before all packages were there; once more\n", count);
	return transaction(i, files, count, db, _noTransTriggers | others);
}

static int retry_all(struct installing *i)
{
	_cleanup_free_ struct failure *early = i->failed;
	size_t n = i->n_failed;
	const rpmtransFlags early_scripts = RPMTRANS_FLAG_NOPRE | RPMTRANS_FLAG_NOPRETRANS;
	i->failed = NULL;
	i->n_failed = 0;
	for (size_t k = 0; k < n; k++)
		if (early[k].script != RPMTAG_POSTIN && early[k].script != RPMTAG_POSTTRANS)
			failure_add(i, early[k].file, early[k].script);
	share_everything();
	i->retrying = true;
	int r = retry(i, early, n, RPMTAG_POSTIN, "post", early_scripts | RPMTRANS_FLAG_NOPOSTTRANS);
	if (r == 0)
		r = retry(i, early, n, RPMTAG_POSTTRANS, "posttrans", early_scripts | RPMTRANS_FLAG_NOPOST);
	return r;
}

static const char *script_name(rpmTagVal script)
{
	return script == RPMTAG_POSTIN ? "%post" : script == RPMTAG_POSTTRANS ? "%posttrans" : "trigger";
}

int redhat_install_run(void *arg)
{
	struct installing i = {.in = arg};
	const struct repo_solution *s = i.in->solution;
	_cleanup_free_ const char **files = xcalloc(s->n + 1, sizeof *files);
	for (size_t k = 0; k < s->n; k++)
		files[k] = s->pkgs[k].file;
	set_environment();
	set_macros();
	rpmSetVerbosity(RPMLOG_WARNING);
	int r = transaction(&i, files, s->n, "db", RPMTRANS_FLAG_NONE);
	if (r == 0)
		r = retry_all(&i);
	for (size_t k = 0; r == 0 && k < i.n_failed; k++)
		dprintf(i.in->result, "+the %s scriptlet of %s failed\n", script_name(i.failed[k].script),
			i.failed[k].file);
	for (size_t k = 0; r == 0 && k < i.misplaced.n; k++)
		dprintf(i.in->result, "-%s\n", i.misplaced.v[k]);
	strv_free(&i.misplaced);
	free(i.failed);
	/* The caller's streams are here too, with what it had not written yet: these two only. */
	fflush(stdout);
	fflush(stderr);
	return r < 0 ? 1 : 0;
}
