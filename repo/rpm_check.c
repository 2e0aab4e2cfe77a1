/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An rpm's digests and signatures, by librpm, against the given keys only. librpm tells each one's state in its log and
 * only there, so its log is what is read. Runs in the sandbox.
 */
#include "repo/internal.h"

#include <locale.h>
#include <rpm/rpmcli.h>
#include <rpm/rpmkeyring.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>
#include <rpm/rpmpgp.h>
#include <rpm/rpmts.h>
#include <strings.h>

struct findings {
	struct buf text;
	char *bad, *missing, *unknown_key, *unusable;
	bool good_digest, good_signature, any_signature;
};

static void findings_free(struct findings *f)
{
	buf_free(&f->text);
	free(f->bad);
	free(f->missing);
	free(f->unknown_key);
	free(f->unusable);
}

int package_rpm_prepare(struct err *e)
{
	static bool ready;

	if (ready)
		return 0;
	if (rpmReadConfigFiles(NULL, NULL) != 0)
		return err_set(e, -ENOENT,
			       "librpm cannot read its configuration (/usr/lib/rpm): apt-get install rpm-common");
	/* What this host's administrator set for its own packages is not what vservers' packages are held to; and a
	 * plugin could not be loaded in the sandbox. */
	rpmPushMacro(NULL, "_pkgverify_flags", NULL, "0x0", RMIL_CMDLINE);
	rpmPushMacro(NULL, "__plugindir", NULL, "/nonexistent", RMIL_CMDLINE);
	ready = true;
	return 0;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */
static bool admitted(const uint8_t *p, size_t n, const struct strv *signers)
{
	uint8_t *fp = NULL;
	size_t len = 0;
	bool yes = !signers || signers->n == 0;

	if (!yes && pgpPubkeyFingerprint(p, n, &fp, &len) == 0 && len <= 64) {
		char hex[129];

		text_hex(hex, fp, len);
		for (size_t i = 0; i < signers->n && !yes; i++)
			yes = strcasecmp(hex, signers->v[i]) == 0;
	}
	free(fp);
	return yes;
}

static void add_key(rpmKeyring ring, const uint8_t *p, size_t n)
{
	rpmPubkey key = rpmPubkeyNew(p, n), *subs;
	int count = 0;

	if (!key)
		return; /* of a kind that librpm cannot use (DSA): its signatures are then by an unknown key */
	rpmKeyringAddKey(ring, key);
	subs = rpmGetSubkeys(key, &count);
	for (int i = 0; i < count; i++) {
		rpmKeyringAddKey(ring, subs[i]);
		rpmPubkeyFree(subs[i]);
	}
	free(subs);
	rpmPubkeyFree(key);
}

static rpmKeyring make_keyring(const struct rpm_keys *keys)
{
	rpmKeyring ring = rpmKeyringNew();
	const uint8_t *p = keys->p, *end = p ? p + keys->n : NULL;
	size_t n;

	while (p < end && pgpPubKeyCertLen(p, (size_t)(end - p), &n) == 0 && n > 0 && n <= (size_t)(end - p)) {
		if (admitted(p, n, keys->signers))
			add_key(ring, p, n);
		p += n;
	}
	return ring;
}

/* ---- librpm's log ------------------------------------------------------------------------------------------------ */
static int on_log(rpmlogRec rec, rpmlogCallbackData data)
{
	struct findings *f = data;

	if (f->text.len < 65536)
		buf_adds(&f->text, rpmlogRecMessage(rec));
	return 0;
}

static void keep_first(char **to, const char *s, size_t n)
{
	if (!*to)
		*to = xstrndup(s, n);
}

/* "    Header V3 RSA/SHA256 Signature, key ID f4a80eb5: NOKEY", "    MD5 digest: BAD (Expected … != …)" */
static void read_line(const char *line, struct findings *f)
{
	const char *colon, *state, *key = strstr(line, "key ID ");
	bool signature = strstr(line, "Signature") != NULL, digest = !signature && strstr(line, "digest") != NULL;
	size_t n;

	line += strspn(line, " ");
	colon = strstr(line, ": ");
	if (!colon || (!signature && !digest))
		return;
	state = colon + 2;
	n = (size_t)(colon - line);
	f->any_signature |= signature && strncmp(state, "NOTFOUND", 8) != 0;
	if (strncmp(state, "OK", 2) == 0) {
		f->good_signature |= signature;
		f->good_digest |= digest;
	} else if (strncmp(state, "BAD", 3) == 0) {
		keep_first(&f->bad, line, n);
	} else if (strncmp(state, "NOTFOUND", 8) == 0) {
		keep_first(&f->missing, line, n);
	} else if (strncmp(state, "NOKEY", 5) == 0 && key) {
		keep_first(&f->unknown_key, key + 7, strcspn(key + 7, ": "));
	} else if (signature) {
		keep_first(&f->unusable, line, n);
	}
}

/* The package's own errors ("…: not an rpm package") without the file name, which the caller puts there. */
static int unreadable(struct findings *f, struct err *e)
{
	_cleanup_strv_ struct strv lines = {0};
	const char *last = NULL;

	strv_split(&lines, f->text.p ? f->text.p : "", "\n");
	for (size_t i = 0; i < lines.n; i++) {
		const char *at = strstr(lines.v[i], "package: ");

		if (!at)
			at = lines.v[i];
		else
			at += 9;
		if (at[strspn(at, " ")])
			last = at + strspn(at, " ");
	}
	return err_set(e, -EBADMSG, "truncated or corrupt rpm%s%s", last ? ": " : "", last ? last : "");
}

static int judge(struct findings *f, int rc, const struct rpm_keys *keys, char **ret_warning, struct err *e)
{
	bool signature = f->bad && strstr(f->bad, "Signature");

	if (f->bad)
		return err_set(e, -EBADMSG, "%s (%s)",
			       signature ? "its signature is wrong: it was changed after it was signed"
					 : "truncated or corrupt: its contents are not those of its digest",
			       f->bad);
	if (rc != 0 && !f->good_digest && f->missing)
		return err_set(e, -EBADMSG,
			       "carries no digest of its contents, so nothing tells whether it is whole "
			       "(rpm refuses such packages too)");
	if (rc != 0 && !f->good_digest)
		return unreadable(f, e);
	if (keys->must_sign && !f->good_signature) {
		if (f->unknown_key)
			return err_set(e, -ENOKEY, "signed by key %s, which is not admitted for its repository",
				       f->unknown_key);
		return err_set(e, -EBADMSG,
			       f->any_signature ? "its signature cannot be verified (%s)"
						: "is not signed, and neither is the index of its repository",
			       f->unusable ? f->unusable : "");
	}
	if (ret_warning && f->unknown_key && !f->good_signature)
		*ret_warning = xasprintf("signed by key %s, which is not in the keyring", f->unknown_key);
	else if (ret_warning && f->unusable && !f->good_signature)
		*ret_warning = xasprintf("its signature cannot be verified (%s)", f->unusable);
	else if (ret_warning && keys->n && !f->any_signature)
		*ret_warning = xstrdup("not signed");
	return 0;
}

int package_rpm_check(int fd, const struct rpm_keys *keys, char **ret_warning, struct err *e)
{
	_cleanup_(findings_free) struct findings f = {0};
	_cleanup_strv_ struct strv lines = {0};
	struct rpmQVKArguments_s qva = {.qva_mode = 'K'};
	rpmKeyring ring = make_keyring(keys);
	rpmts ts = rpmtsCreate();
	FD_t in = fdDup(fd);
	int rc;

	setlocale(LC_ALL, "C");
	rpmSetVerbosity(RPMLOG_INFO);
	rpmlogSetCallback(on_log, &f);
	rpmtsSetKeyring(ts, ring);
	rpmtsSetVfyFlags(ts, 0);
	rpmtsSetVfyLevel(ts, RPMSIG_DIGEST_TYPE);
	rc = in ? rpmVerifySignatures(&qva, ts, in, "package") : 1;
	rpmlogSetCallback(NULL, NULL);
	Fclose(in);
	rpmtsFree(ts);
	rpmKeyringFree(ring);
	strv_split(&lines, f.text.p ? f.text.p : "", "\n");
	for (size_t i = 0; i < lines.n; i++)
		read_line(lines.v[i], &f);
	return judge(&f, rc, keys, ret_warning, e);
}
