/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * OpenPGP signatures, by gpgv or, where that is absent, sqv: as a process of nobody's that can only read what it is
 * given. Which signatures count is decided here, from the verifier's machine-readable report: at least one must be good
 * and by an admitted key, none may be bad.
 */
#include "repo/internal.h"

#include <strings.h>
#include <sys/mman.h>

#define TEXT_MAX (64u << 20)
#define SECONDS 120

static int memory_file(const void *p, size_t n, struct err *e)
{
	_cleanup_close_ int fd = memfd_create("verify", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "memfd");
	for (size_t at = 0; at < n;) {
		ssize_t w = write(fd, (const char *)p + at, n - at);

		if (w < 0)
			return err_sys(e, "memfd");
		at += (size_t)w;
	}
	lseek(fd, 0, SEEK_SET);
	return TAKE_FD(fd);
}

static int slurp(int fd, const char *label, struct buf *ret, struct err *e)
{
	char chunk[65536];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, chunk, sizeof(chunk), at)) > 0) {
		buf_add(ret, chunk, (size_t)n);
		at += n;
		if (ret->len > TEXT_MAX)
			return err_set(e, -EFBIG, "%s: longer than %u bytes", label, TEXT_MAX);
	}
	return n < 0 ? err_sys(e, "%s", label) : 0;
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */
struct verdict {
	bool good, bad, expired, revoked, foreign, weak;
	struct strv unknown; /* keys that the keyring does not have */
	char last[16];       /* the verdict that the following VALIDSIG belongs to */
	char *signer;
};

static bool admitted(const struct strv *fingerprints, const char *primary, const char *key)
{
	for (size_t i = 0; i < fingerprints->n; i++)
		if (strcasecmp(fingerprints->v[i], primary) == 0 || strcasecmp(fingerprints->v[i], key) == 0)
			return true;
	return fingerprints->n == 0;
}

/* VALIDSIG fpr date timestamp expires version reserved pubkey-algo hash-algo class primary-fpr */
static void judge_valid(const struct strv *w, const struct verify_policy *p, struct verdict *v)
{
	const char *key = w->n > 1 ? w->v[1] : "", *primary = w->n > 10 ? w->v[10] : key;
	const char *hash = w->n > 8 ? w->v[8] : "";

	if (strcmp(hash, "1") == 0 || (strcmp(hash, "2") == 0 && !p->allow_sha1)) {
		v->weak = true;
	} else if (!p->fingerprints || admitted(p->fingerprints, primary, key)) {
		bool usable = strcmp(v->last, "GOODSIG") == 0;

		if (!usable && p->allow_expired)
			usable = strcmp(v->last, "EXPKEYSIG") == 0 || strcmp(v->last, "EXPSIG") == 0;
		v->good |= usable;
	} else {
		v->foreign = true;
		free(v->signer);
		v->signer = xstrdup(primary);
	}
	v->last[0] = 0;
}

static void judge_line(const char *line, const struct verify_policy *p, struct verdict *v)
{
	static const char *const verdicts[] = {"GOODSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "BADSIG", "ERRSIG"};
	_cleanup_strv_ struct strv w = {0};

	strv_split(&w, line, " \t\r");
	if (w.n == 0)
		return;
	if (strcmp(w.v[0], "VALIDSIG") == 0) {
		judge_valid(&w, p, v);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
		if (strcmp(w.v[0], verdicts[i]) == 0)
			snprintf(v->last, sizeof(v->last), "%s", verdicts[i]);
	v->bad |= strcmp(w.v[0], "BADSIG") == 0;
	v->expired |= strcmp(w.v[0], "EXPSIG") == 0 || strcmp(w.v[0], "EXPKEYSIG") == 0;
	v->revoked |= strcmp(w.v[0], "REVKEYSIG") == 0;
	if (strcmp(w.v[0], "NO_PUBKEY") == 0 && w.n > 1 && !strv_has(&v->unknown, w.v[1]))
		strv_add(&v->unknown, w.v[1]);
}

static int conclude(const struct verdict *v, const struct verify_policy *p, const char *label, struct err *e)
{
	_cleanup_buf_ struct buf keys = {0};

	if (v->bad)
		return err_set(e, -EBADMSG, "%s: its signature is wrong: it was changed after it was signed", label);
	if (v->good)
		return 0;
	if (v->revoked)
		return err_set(e, -EKEYREVOKED, "%s: signed with a revoked key", label);
	if (v->expired)
		return err_set(e, -EKEYEXPIRED, "%s: signed with a key that has expired; is %s up to date?", label,
			       p->keyring);
	if (v->weak)
		return err_set(e, -EBADMSG, "%s: its signature uses MD5 or SHA-1, which anybody can forge", label);
	if (v->foreign)
		return err_set(e, -ENOKEY,
			       "%s: signed by %s, which is not one of the fingerprints that are admitted for it", label,
			       v->signer);
	for (size_t i = 0; i < v->unknown.n; i++)
		buf_addf(&keys, "%s%s", i ? ", " : "", v->unknown.v[i]);
	if (v->unknown.n)
		return err_set(e, -ENOKEY, "%s: signed by key %s, which is not in %s", label, keys.p, p->keyring);
	return err_set(e, -EBADMSG, "%s: has no signature that can be verified", label);
}

int verify_judge(const char *status, const struct verify_policy *p, const char *label, struct err *e)
{
	_cleanup_strv_ struct strv lines = {0};
	struct verdict v = {0};
	int r;

	strv_split(&lines, status, "\n");
	for (size_t i = 0; i < lines.n; i++)
		if (strncmp(lines.v[i], "[GNUPG:] ", 9) == 0)
			judge_line(lines.v[i] + 9, p, &v);
	r = conclude(&v, p, label, e);
	strv_free(&v.unknown);
	free(v.signer);
	return r;
}

/* ---- running a verifier ------------------------------------------------------------------------------------------ */
/* Root's powers are nothing that a parser of signatures needs. */
static void as_nobody(struct strv *argv)
{
	static const char *const prefix[] = {
		"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--no-new-privs",
		"--"};

	for (size_t i = 0; geteuid() == 0 && i < ARRAY_LEN(prefix); i++)
		strv_add(argv, prefix[i]);
}

static bool have_program(const char *name)
{
	static const char *const dirs[] = {"/usr/bin", "/bin", "/usr/sbin", "/sbin"};

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dirs[i], name);

		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static int run(struct strv *argv, const int *keep, size_t n_keep, struct buf *out, const char *label, struct err *e)
{
	struct proc_io io = {.out = out, .out_max = TEXT_MAX, .timeout = SECONDS};
	int r = proc_run((const char *const *)argv->v, NULL, keep, n_keep, &io, e);

	return r < 0 ? err_wrap(e, "%s: verifying its signature", label) : r;
}

/* sig < 0: data is inline-signed, and its signed text is the output. The exit status is not looked at: gpgv's is not
 * zero as soon as one of several signatures is by an unknown key. */
static int run_gpgv(int data, int sig, int keys, const struct verify_policy *p, const char *label, struct buf *ret_text,
		    struct err *e)
{
	_cleanup_close_ int status = memory_file("", 0, e);
	_cleanup_strv_ struct strv argv = {0};
	_cleanup_buf_ struct buf report = {0}, text = {0};
	int keep[] = {keys, status, data, sig}, r;

	if (status < 0)
		return status;
	as_nobody(&argv);
	strv_add(&argv, "gpgv");
	strv_addf(&argv, "--homedir=/nonexistent");
	strv_addf(&argv, "--keyring=/proc/self/fd/%d", keys);
	strv_addf(&argv, "--status-fd=%d", status);
	if (sig < 0)
		strv_add(&argv, "--output=-");
	else
		strv_addf(&argv, "/proc/self/fd/%d", sig);
	strv_addf(&argv, "/proc/self/fd/%d", data);
	r = run(&argv, keep, sig < 0 ? 3 : 4, &text, label, e);
	if (r < 0)
		return r;
	r = slurp(status, label, &report, e);
	if (r == 0)
		r = verify_judge(report.p ? report.p : "", p, label, e);
	if (r == 0 && ret_text) {
		*ret_text = text;
		text = (struct buf){0};
	}
	return r;
}

/* sqv prints the fingerprints of the certificates whose signature is good, and fails when there is none. */
static int run_sqv(int data, int sig, int keys, const struct verify_policy *p, const char *label, struct err *e)
{
	_cleanup_strv_ struct strv argv = {0}, prints = {0};
	_cleanup_buf_ struct buf out = {0}, report = {0};
	int keep[] = {keys, data, sig}, r;

	as_nobody(&argv);
	strv_add(&argv, "sqv");
	strv_addf(&argv, "--keyring=/proc/self/fd/%d", keys);
	strv_addf(&argv, "/proc/self/fd/%d", sig);
	strv_addf(&argv, "/proc/self/fd/%d", data);
	r = run(&argv, keep, ARRAY_LEN(keep), &out, label, e);
	if (r < 0)
		return r;
	if (r != 0 || out.len == 0)
		return err_set(e, -EBADMSG, "%s: no signature of it is good and by a key of %s (sqv)", label,
			       p->keyring);
	strv_split(&prints, out.p, " \n");
	for (size_t i = 0; i < prints.n; i++)
		buf_addf(&report, "[GNUPG:] GOODSIG\n[GNUPG:] VALIDSIG %s\n", prints.v[i]);
	return verify_judge(report.p ? report.p : "", p, label, e);
}

static int no_verifier(const char *label, struct err *e)
{
	return err_set(e, -ENOENT,
		       "%s: its signature cannot be verified: neither gpgv nor sqv is installed "
		       "(apt-get install gpgv)",
		       label);
}

int verify_detached(int data, int sig, const struct verify_policy *p, const char *label, struct err *e)
{
	_cleanup_close_ int keys = keyring_open(p->keyring, e);

	if (keys < 0)
		return keys;
	if (have_program("gpgv"))
		return run_gpgv(data, sig, keys, p, label, NULL, e);
	return have_program("sqv") ? run_sqv(data, sig, keys, p, label, e) : no_verifier(label, e);
}

int verify_inline(int fd, const struct verify_policy *p, const char *label, struct buf *ret_text, struct err *e)
{
	_cleanup_close_ int keys = keyring_open(p->keyring, e), data = -1, sigfd = -1;
	_cleanup_buf_ struct buf all = {0}, text = {0}, sig = {0};
	int r;

	if (keys < 0)
		return keys;
	r = slurp(fd, label, &all, e);
	if (r < 0)
		return r;
	if (clearsign_split(all.p ? all.p : "", all.len, &text, &sig) < 0)
		return err_set(e, -EBADMSG, "%s: is not a signed text", label);
	if (have_program("gpgv"))
		return run_gpgv(fd, -1, keys, p, label, ret_text, e);
	if (!have_program("sqv"))
		return no_verifier(label, e);
	data = memory_file(text.p, text.len, e);
	sigfd = data < 0 ? -1 : memory_file(sig.p, sig.len, e);
	if (data < 0 || sigfd < 0)
		return -EIO;
	r = run_sqv(data, sigfd, keys, p, label, e);
	if (r == 0) {
		*ret_text = text;
		text = (struct buf){0};
	}
	return r;
}
