/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A copied package database becomes the solver's installed packages. Runs in the sandbox, with the copy's directory as
 * its root and working directory.
 */
#include "repo/plan.h"

#include <rpm/rpmdb.h>
#include <rpm/rpmkeyring.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>
#include <rpm/rpmts.h>
#include <solv/repo_rpmdb.h>

#define STATUS_MAX (512u << 20)

/* ---- Debian: status ---------------------------------------------------------------------------------------------- */
static void check_state(Repo *repo, Id p, struct strv *problems)
{
	/* In the order of dpkg's own states. What the others are is nothing installed. */
	static const struct {
		const char *state, *what;
	} broken[] = {
		{"half-installed", "only half installed"},
		{"unpacked", "unpacked but not configured"},
		{"half-configured", "only half configured"},
	};
	Pool *pool = repo->pool;
	Solvable *s = pool_id2solvable(pool, p);
	const char *status = solvable_lookup_str(s, SOLVABLE_INSTALLSTATUS);
	_cleanup_strv_ struct strv w = {0};
	const char *state;

	strv_split(&w, status ? status : "", " \t");
	state = w.n >= 3 ? w.v[2] : "";
	if (strcmp(state, "installed") != 0 && strncmp(state, "triggers-", 9) != 0) {
		const char *name = pool_id2str(pool, s->name);
		bool known = strcmp(state, "not-installed") == 0 || strcmp(state, "config-files") == 0;

		for (size_t i = 0; i < ARRAY_LEN(broken); i++)
			if (strcmp(state, broken[i].state) == 0) {
				strv_addf(problems, "%s is %s there: repair it first (dpkg --configure -a)", name,
					  broken[i].what);
				return; /* its files are there, so it counts */
			}
		if (!known)
			strv_addf(problems, "%s has the unknown state \"%s\" in dpkg's status", name,
				  status ? status : "");
		repo_free_solvable(repo, p, 0);
	} else if (strcmp(w.v[1], "ok") != 0) {
		strv_addf(problems, "%s must be reinstalled there, says dpkg's status (%s)", pool_id2str(pool, s->name),
			  status);
	}
}

static int load_status(Repo *repo, struct strv *problems, struct err *e)
{
	_cleanup_buf_ struct buf text = {0}, filtered = {0};
	_cleanup_fclose_ FILE *f = fopen("status", "re");
	char chunk[65536];
	size_t n;
	int r;

	if (!f)
		return err_sys(e, "dpkg's status");
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
		buf_add(&text, chunk, n);
		if (text.len > STATUS_MAX)
			return err_set(e, -EFBIG, "dpkg's status is longer than %u bytes", STATUS_MAX);
	}
	if (ferror(f))
		return err_sys(e, "dpkg's status");
	stanza_filter(text.p ? text.p : "", text.len, NULL, &filtered);
	r = pool_add_stanzas(repo, &filtered, e);
	if (r < 0)
		return r;
	for (Id p = repo->start; p < repo->end; p++)
		if (repo->pool->solvables[p].repo == repo)
			check_state(repo, p, problems);
	return 0;
}

/* ---- rpm --------------------------------------------------------------------------------------------------------- */
static int on_log(rpmlogRec rec, rpmlogCallbackData data)
{
	struct buf *first = data;

	if (rpmlogRecPriority(rec) <= RPMLOG_ERR && first->len == 0) {
		const char *s = rpmlogRecMessage(rec);

		buf_add(first, s, strcspn(s, "\n"));
	}
	return 0;
}

static void add_headers(Repo *repo, rpmts ts)
{
	void *state = rpm_state_create(repo->pool, NULL);
	rpmdbMatchIterator it = rpmtsInitIterator(ts, RPMDBI_PACKAGES, NULL, 0);
	Header h;

	while ((h = rpmdbNextIterator(it))) {
		const char *name = headerGetString(h, RPMTAG_NAME);
		void *handle;

		if (!name || strcmp(name, "gpg-pubkey") == 0)
			continue; /* a key that was imported is stored as if it were a package */
		handle = rpm_byrpmh(state, (struct headerToken_s *)h);
		if (handle)
			repo_add_rpm_handle(repo, handle,
					    REPO_REUSE_REPODATA | REPO_NO_INTERNALIZE | RPM_ADD_NO_RPMLIBREQS);
	}
	rpmdbFreeIterator(it);
	rpm_state_free(state);
	repo_internalize(repo);
}

static int load_rpmdb(Repo *repo, struct err *e)
{
	_cleanup_free_ char *here = getcwd(NULL, 0);
	_cleanup_buf_ struct buf log = {0};
	rpmKeyring none = rpmKeyringNew();
	rpmts ts = rpmtsCreate();
	int r = 0;

	rpmPushMacro(NULL, "_dbpath", NULL, here ? here : "/", RMIL_CMDLINE);
	rpmlogSetCallback(on_log, &log);
	rpmtsSetKeyring(ts, none);
	rpmtsSetVSFlags(ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES | RPMVSF_NOHDRCHK);
	if (rpmtsOpenDB(ts, O_RDONLY) != 0)
		r = err_set(e, -EBADMSG, "its rpm database cannot be opened%s%s", log.len ? ": " : "",
			    log.len ? log.p : "");
	else
		add_headers(repo, ts);
	if (r == 0 && log.len)
		r = err_set(e, -EBADMSG, "its rpm database is damaged: %s", log.p);
	rpmlogSetCallback(NULL, NULL);
	rpmtsFree(ts);
	rpmKeyringFree(none);
	return r;
}

int plan_load_installed(Repo *repo, enum repo_format format, struct strv *problems, struct err *e)
{
	return format == REPO_DEB ? load_status(repo, problems, e) : load_rpmdb(repo, e);
}

int plan_add_file(Repo *repo, enum repo_format format, int fd, struct err *e)
{
	_cleanup_buf_ struct buf control = {0}, filtered = {0};
	int before = repo->pool->nsolvables, r = 0;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "package");
	if (format == REPO_DEB) {
		r = package_deb_control(fd, &control, e);
		if (r < 0)
			return r;
		stanza_filter(control.p, control.len, NULL, &filtered);
		r = pool_add_stanzas(repo, &filtered, e);
	} else {
		_cleanup_fclose_ FILE *f = fdopen(dup(fd), "r");
		void *state = rpm_state_create(repo->pool, NULL), *handle = f ? rpm_byfp(state, f, "package") : NULL;

		if (handle)
			repo_add_rpm_handle(repo, handle, RPM_ADD_NO_RPMLIBREQS);
		rpm_state_free(state);
	}
	if (r == 0 && repo->pool->nsolvables != before + 1)
		r = err_set(e, -EBADMSG, "cannot be read as one package: %s", pool_errstr(repo->pool));
	return r < 0 ? r : before;
}
