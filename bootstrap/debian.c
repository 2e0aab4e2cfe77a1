/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Builds a Debian tree: the required set is unpacked and registered natively, side by side, then the tree's own dpkg
 * configures it and installs all the rest.
 *
 * Why the required set only: in an empty tree its preinst scripts do the same right after all of it is unpacked as
 * they would before. Other packages' scripts make users, divert files or ask ucf before their files may come.
 */
#include "bootstrap/debian.h"

#include <sched.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <signal.h>

struct unpack {
	struct boot_build *b;
	const struct repo_package **pkgs; /* the required ones, largest first */
	struct debian_entry *entries;
	size_t n, done;
	int status; /* of the first failure; its message is in *e */
	struct err *e;
};

/* From here on the process can write into the new tree, as root, and nothing else. */
static int confine(int tree, struct err *e)
{
	static const cap_value_t needed[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID};
	if (fchdir(tree) < 0 || chroot(".") < 0)
		return err_sys(e, "chroot into the new tree");
	cap_t caps = cap_init();
	int r = cap_set_flag(caps, CAP_PERMITTED, ARRAY_LEN(needed), needed, CAP_SET) |
		cap_set_flag(caps, CAP_EFFECTIVE, ARRAY_LEN(needed), needed, CAP_SET) | cap_set_proc(caps);
	cap_free(caps);
	if (r < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "cannot drop capabilities");
	umask(0);
	return 0;
}

static int unpack_package(int tree, const struct repo_package *p, struct debian_entry *entry, struct err *e)
{
	_cleanup_close_ int fd = repo_cache_open(p->sha256, e);
	int r = fd < 0 ? fd : confine(tree, e);
	struct deb d;
	if (r == 0)
		r = deb_open(&d, fd, p->file, e);
	if (r < 0)
		return r;
	struct deb_control c = {0};
	_cleanup_buf_ struct buf list = {0};
	r = deb_control_read(&d, &c, e);
	if (r == 0)
		r = debian_unpack(&d, &c.conffiles, &list, e);
	if (r == 0)
		r = debian_register(&c, &list, entry, e);
	deb_control_free(&c);
	deb_close(&d);
	return r;
}

static int unpack_run(size_t i, int result_fd, void *arg)
{
	struct unpack *u = arg;
	struct debian_entry entry = {0};
	_cleanup_buf_ struct buf answer = {0};
	_cleanup_err_ struct err e = {0};
	/* Everything it makes is below a temporary name: it may be ended anywhere. */
	signal(SIGTERM, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int r = unpack_package(u->b->tree, u->pkgs[i], &entry, &e);
	if (r < 0)
		buf_addf(&answer, "%d %s", r, e.msg ? e.msg : strerror(-r));
	else
		debian_entry_pack(&entry, &answer);
	debian_entry_free(&entry);
	for (size_t at = 0; at < answer.len;) {
		ssize_t n = write(result_fd, answer.p + at, answer.len - at);
		if (n < 0)
			return EXIT_SOME;
		at += (size_t)n;
	}
	return r < 0 ? EXIT_USAGE : EXIT_DONE;
}

static void unpack_done(size_t i, int status, const char *result, size_t len, void *arg)
{
	struct unpack *u = arg;
	const char *file = u->pkgs[i]->file;
	int r = 0;
	if (u->status == 0) {
		if (status == EXIT_DONE)
			r = debian_entry_unpack(result, len, &u->entries[i], u->e);
		else if (status == -EINTR || intr_pending()) /* the jobs that had begun were ended */
			r = err_set(u->e, -EINTR, "interrupted");
		else if (status == EXIT_USAGE && strchr(result, ' '))
			r = err_set(u->e, atoi(result), "%s", strchr(result, ' ') + 1);
		else
			r = err_set(u->e, -EIO, "%s: the unpacking process died (status %d)", file, status);
		u->status = r;
	}
	report_progress(u->b->o->report, "unpacking", ++u->done, u->n);
}

static int by_size(const void *a, const void *b)
{
	const struct repo_package *const *x = a, *const *y = b;
	return (*x)->size < (*y)->size ? 1 : (*x)->size > (*y)->size ? -1 : 0;
}

static size_t cpus(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof set, &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

static int unpack_required(struct boot_build *b, struct err *e)
{
	const struct boot_distro *distro = b->o->distro;
	size_t total = b->solution.n;
	_cleanup_free_ const struct repo_package **pkgs = xcalloc(total + 1, sizeof *pkgs);
	_cleanup_free_ struct debian_entry *entries = xcalloc(total + 1, sizeof *entries);
	struct unpack u = {.b = b, .pkgs = pkgs, .entries = entries, .e = e};
	for (size_t i = 0; i < total; i++)
		if (b->solution.pkgs[i].required)
			pkgs[u.n++] = &b->solution.pkgs[i];
	if (u.n == 0)
		return err_set(e, -ENOENT,
			       "the repositories have no package of Priority: required: not a Debian archive");
	int r = debian_skeleton(b->tree, strv_has(&distro->quirks, "merged-usr"), distro->arch, e);
	if (r < 0)
		return r;
	/* The largest first, so that no process works alone at the end. */
	qsort(pkgs, u.n, sizeof *pkgs, by_size);
	struct jobs jobs = {.n = u.n, .width = cpus(), .run = unpack_run, .done = unpack_done, .arg = &u};
	r = jobs_run(&jobs, e);
	if (r == 0)
		r = u.status;
	if (r == 0)
		r = debian_database(b->tree, entries, u.n, e);
	for (size_t i = 0; i < u.n; i++)
		debian_entry_free(&entries[i]);
	return r;
}

/* Runs preinst scripts as dpkg would have before unpacking, all in one context; arguments in threes: the script's name
 * in info/, package, architecture. */
#define RUN_PREINSTS                                                                                            \
	"export DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_ROOT= "                  \
	"DPKG_ADMINDIR=/var/lib/dpkg\n"                                                                         \
	"while [ $# -gt 0 ]; do\n"                                                                              \
	"	export DPKG_MAINTSCRIPT_PACKAGE=$2 DPKG_MAINTSCRIPT_ARCH=$3 DEBCONF_PACKAGE=$2\n"                     \
	"	/var/lib/dpkg/info/$1.preinst install || { echo \"error: preinst script of $2: status $?\"; exit 1; " \
	"}\n"                                                                                                   \
	"	shift 3\n"                                                                                            \
	"done\n"

/* The preinst scripts of the required set: base-passwd's first, which makes users and groups; base-files' and libc6's
 * divert, since Debian 13, what must not replace the links of the merged /usr. */
static int run_preinsts(struct boot_build *b, struct err *e)
{
	_cleanup_strv_ struct strv argv = {0};
	const char *const start[] = {"sh", "-c", RUN_PREINSTS, "preinsts"};
	for (size_t i = 0; i < ARRAY_LEN(start); i++)
		strv_add(&argv, start[i]);
	for (size_t i = 0; i < 2 * b->solution.n; i++) {
		const struct repo_package *p = &b->solution.pkgs[i % b->solution.n];
		bool first = strcmp(p->name, "base-passwd") == 0;
		if (!p->required || first != (i < b->solution.n))
			continue;
		_cleanup_free_ char *same = xasprintf("%s:%s", p->name, p->arch);
		const char *const as[] = {p->name, same};
		for (size_t k = 0; k < ARRAY_LEN(as); k++) {
			_cleanup_free_ char *script = xasprintf("/var/lib/dpkg/info/%s.preinst", as[k]);
			struct stat st;
			if (path_stat(b->tree, script, &st) < 0)
				continue;
			strv_add(&argv, as[k]);
			strv_add(&argv, p->name);
			strv_add(&argv, p->arch);
		}
	}
	if (argv.n == ARRAY_LEN(start))
		return 0;
	return boot_tool(b, -1, (const char *const *)argv.v, NULL, "the preinst scripts of the required packages", e);
}

/* How far dpkg is, by what it prints. */
struct steps {
	struct boot_build *b;
	struct proc_io log;
	const char *what;
	size_t done, each, total; /* steps; steps that a package takes; packages */
};

static void on_dpkg_line(const char *line, size_t len, bool is_err, void *arg)
{
	struct steps *s = arg;
	s->log.line(line, len, is_err, s->log.arg);
	if (strncmp(line, "Unpacking ", 10) != 0 && strncmp(line, "Setting up ", 11) != 0)
		return;
	size_t packages = ++s->done / s->each;
	if (packages < s->total) /* the last one is done when dpkg has ended */
		report_progress(s->b->o->report, s->what, packages, s->total);
}

static int run_dpkg(struct steps *s, int packages, const char *const *argv, const char *what, struct err *e)
{
	struct ctx_spec spec = boot_context(s->b, packages);
	s->log = boot_log_io(s->b);
	struct proc_io io = s->log;
	io.line = on_dpkg_line;
	io.arg = s;
	if (s->b->log)
		fprintf(s->b->log, "== %s\n", what);
	return boot_tool_end(s->b, what, ctx_run(&spec, argv, NULL, &io, e), e);
}

static size_t count(const struct boot_build *b, bool required)
{
	size_t n = 0;
	for (size_t i = 0; i < b->solution.n; i++)
		n += b->solution.pkgs[i].required == required;
	return n;
}

static int configure_required(struct boot_build *b, struct err *e)
{
	static const char *const configure[] = {"dpkg", "--configure", "-a", NULL};
	struct steps s = {.b = b, .what = "configuring", .each = 1, .total = count(b, true)};
	report_progress(b->o->report, s.what, 0, s.total);
	int r = run_preinsts(b, e);
	if (r == 0)
		r = run_dpkg(&s, -1, configure, "dpkg --configure of the required packages", e);
	if (r == 0)
		report_progress(b->o->report, s.what, s.total, s.total);
	return r;
}

/* The names that a relation field mentions, without versions and architectures. */
static void relation_names(const char *field, struct strv *ret)
{
	_cleanup_strv_ struct strv parts = {0};
	strv_split(&parts, field ? field : "", ",|");
	for (size_t i = 0; i < parts.n; i++) {
		const char *name = parts.v[i] + strspn(parts.v[i], " ");
		strv_take(ret, xstrndup(name, strcspn(name, " (:[")));
	}
}

/* What the package must find configured before it is unpacked, and what it is called itself. */
static int package_relations(const struct repo_package *p, struct strv *needs, struct strv *is, struct err *e)
{
	_cleanup_close_ int fd = repo_cache_open(p->sha256, e);
	struct deb d;
	int r = fd < 0 ? fd : deb_open(&d, fd, p->file, e);
	if (r < 0)
		return r;
	struct deb_control c = {0};
	r = deb_control_read(&d, &c, e);
	if (r == 0) {
		_cleanup_free_ char *pre = deb_field(&c.text, "Pre-Depends");
		_cleanup_free_ char *provides = deb_field(&c.text, "Provides");
		relation_names(pre, needs);
		relation_names(provides, is);
		strv_add(is, c.package);
	}
	deb_control_free(&c);
	deb_close(&d);
	return r;
}

/* One call of the tree's dpkg for packages [from, to) of the solution that are not required. */
static int install_batch(struct steps *s, int packages, size_t from, size_t to, struct err *e)
{
	/* Nobody is there to be asked about a configuration file that a script has made before. */
	static const char *const dpkg[] = {"dpkg", "--force-confold", "-i"};
	_cleanup_strv_ struct strv argv = {0};
	for (size_t i = 0; i < ARRAY_LEN(dpkg); i++)
		strv_add(&argv, dpkg[i]);
	for (size_t i = from; i < to; i++)
		if (!s->b->solution.pkgs[i].required)
			strv_addf(&argv, CTX_DIR "/pkg/%s", s->b->solution.pkgs[i].file);
	if (argv.n == ARRAY_LEN(dpkg))
		return 0;
	return run_dpkg(s, packages, (const char *const *)argv.v, "dpkg -i of the other packages", e);
}

/* In the solution's order, as few calls as Pre-Depends allow: dpkg unpacks all that it is given before it configures.
 */
static int install_others(struct boot_build *b, int packages, struct err *e)
{
	struct steps s = {.b = b, .what = "installing", .each = 2, .total = count(b, false)};
	_cleanup_strv_ struct strv batch = {0};
	size_t from = 0;
	int r = 0;
	if (s.total == 0)
		return 0;
	report_progress(b->o->report, s.what, 0, s.total);
	for (size_t i = 0; i < b->solution.n && r == 0; i++) {
		if (b->solution.pkgs[i].required)
			continue;
		_cleanup_strv_ struct strv needs = {0}, is = {0};
		r = package_relations(&b->solution.pkgs[i], &needs, &is, e);
		bool split = false;
		for (size_t k = 0; k < needs.n && !split; k++)
			split = strv_has(&batch, needs.v[k]);
		if (r == 0 && split) {
			r = install_batch(&s, packages, from, i, e);
			strv_free(&batch);
			batch = (struct strv){0};
			from = i;
		}
		for (size_t k = 0; k < is.n; k++)
			strv_add(&batch, is.v[k]);
	}
	if (r == 0)
		r = install_batch(&s, packages, from, b->solution.n, e);
	if (r == 0)
		report_progress(b->o->report, s.what, s.total, s.total);
	return r;
}

int boot_debian(struct boot_build *b, struct err *e)
{
	int r = unpack_required(b, e);
	if (r == 0)
		r = configure_required(b, e);
	if (r < 0)
		return r;
	char *name = NULL;
	_cleanup_close_ int packages = boot_packages(b, &name, e);
	if (packages < 0)
		return packages;
	r = install_others(b, packages, e);
	boot_packages_drop(name);
	free(name);
	return r;
}
