/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Rpm package files: checked (rpm_check.c), then their header and every file of their payload read to the end. Runs in
 * the sandbox.
 */
#include "repo/internal.h"

#include <rpm/header.h>
#include <rpm/rpmarchive.h>
#include <rpm/rpmcrypto.h>
#include <rpm/rpmfi.h>
#include <rpm/rpmfiles.h>
#include <rpm/rpmkeyring.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmts.h>

#define DATA_MAX (64ull << 30)

static char *text_of(Header h, rpmTagVal tag)
{
	const char *s = headerGetString(h, tag);

	return xstrdup(s ? s : "");
}

static void identity(Header h, struct repo_package *p)
{
	_cleanup_free_ char *version = text_of(h, RPMTAG_VERSION), *release = text_of(h, RPMTAG_RELEASE);
	uint64_t epoch = headerGetNumber(h, RPMTAG_EPOCH);

	p->name = text_of(h, RPMTAG_NAME);
	p->arch = headerIsSource(h) ? xstrdup("src") : text_of(h, RPMTAG_ARCH);
	p->evr = epoch ? xasprintf("%llu:%s-%s", (unsigned long long)epoch, version, release)
		       : xasprintf("%s-%s", version, release);
	p->installed = headerGetNumber(h, RPMTAG_LONGSIZE);
}

static void list_files(rpmfiles files, struct repo_package *p)
{
	int n = (int)rpmfilesFC(files);

	for (int i = 0; i < n; i++) {
		char *name = rpmfilesFN(files, i);

		if (name && rpmfilesFFlags(files, i) & RPMFILE_CONFIG)
			strv_add(&p->conffiles, name);
		if (name)
			strv_take(&p->files, name);
	}
}

/* One file's contents, against the digest that the header has of it. */
static int read_file(rpmfi fi, uint64_t *total, struct err *e)
{
	int algo = 0;
	size_t len = 0, got_len = 0;
	const unsigned char *want = rpmfiFDigest(fi, &algo, &len);
	DIGEST_CTX ctx = want && algo ? rpmDigestInit(algo, RPMDIGEST_NONE) : NULL;
	uint64_t left = rpmfiFSize(fi);
	void *got = NULL;
	char chunk[32768];
	ssize_t n = 0;
	bool same = true;

	while (left > 0) {
		n = rpmfiArchiveRead(fi, chunk, left < sizeof(chunk) ? left : sizeof(chunk));
		if (n <= 0)
			break;
		if (ctx)
			rpmDigestUpdate(ctx, chunk, (size_t)n);
		left -= (uint64_t)n;
		*total += (uint64_t)n;
		if (*total > DATA_MAX)
			break;
	}
	if (ctx) {
		rpmDigestFinal(ctx, &got, &got_len, 0);
		same = got_len == len && memcmp(got, want, len) == 0;
		free(got);
	}
	if (*total > DATA_MAX)
		return err_set(e, -EFBIG, "unpacks to more than %llu GiB", DATA_MAX >> 30);
	if (left > 0)
		return err_set(e, -EBADMSG, "truncated or corrupt payload: %s ends early", rpmfiFN(fi));
	if (!same)
		return err_set(e, -EBADMSG, "corrupt payload: %s is not what the header's digest says", rpmfiFN(fi));
	return 0;
}

static int read_payload(FD_t fd, Header h, rpmfiles files, struct err *e)
{
	const char *compressor = headerGetString(h, RPMTAG_PAYLOADCOMPRESSOR);
	_cleanup_free_ char *mode = NULL;
	uint64_t total = 0;
	FD_t payload;
	rpmfi fi;
	int r = 0, rc = 0;

	/* As rpm itself makes the mode of it: "xz" → "r.xzdio"; none means gzip, of the time when there was no other.
	 */
	mode = xasprintf("r.%s", !compressor || strcmp(compressor, "gzip") == 0 ? "gzdio"
				 : strcmp(compressor, "bzip2") == 0             ? "bzdio"
				 : strcmp(compressor, "xz") == 0                ? "xzdio"
				 : strcmp(compressor, "lzma") == 0              ? "lzdio"
				 : strcmp(compressor, "zstd") == 0              ? "zstdio"
										: "ufdio");
	payload = Fdopen(fdDup(Fileno(fd)), mode);
	if (!payload)
		return err_set(e, -EBADMSG, "its payload is compressed with %s, which librpm here cannot read",
			       compressor);
	fi = rpmfiNewArchiveReader(payload, files, RPMFI_ITER_READ_ARCHIVE);
	while (r == 0 && fi && (rc = rpmfiNext(fi)) >= 0)
		if (S_ISREG(rpmfiFMode(fi)) && rpmfiArchiveHasContent(fi))
			r = read_file(fi, &total, e);
	if (r == 0 && fi && rc != RPMERR_ITER_END)
		r = err_set(e, -EBADMSG, "truncated or corrupt payload: %s", rpmfileStrerror(rc));
	if (fi) {
		rpmfiArchiveClose(fi);
		rpmfiFree(fi);
	}
	Fclose(payload);
	return r;
}

static int on_log(rpmlogRec rec, rpmlogCallbackData data)
{
	return 0;
}

int package_rpm_read(int fd, const struct rpm_keys *keys, struct repo_package *ret, struct err *e)
{
	rpmts ts = NULL;
	rpmfiles files = NULL;
	Header h = NULL;
	FD_t in = NULL;
	rpmKeyring none;
	rpmRC rc;
	int r = package_rpm_check(fd, keys, &ret->warning, e);

	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "rpm");
	rpmlogSetCallback(on_log, NULL);
	ts = rpmtsCreate();
	none = rpmKeyringNew();
	rpmtsSetKeyring(ts, none); /* or it would look for the host's */
	rpmKeyringFree(none);
	rpmtsSetVSFlags(ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES); /* all checked above */
	in = fdDup(fd);
	rc = in ? rpmReadPackageFile(ts, in, "package", &h) : RPMRC_FAIL;
	if (!h || (rc != RPMRC_OK && rc != RPMRC_NOKEY && rc != RPMRC_NOTTRUSTED)) {
		r = err_set(e, -EBADMSG, "truncated or corrupt rpm: its header cannot be read");
	} else {
		identity(h, ret);
		files = rpmfilesNew(NULL, h, RPMTAG_BASENAMES, RPMFI_KEEPHEADER);
		if (files)
			list_files(files, ret);
		r = read_payload(in, h, files, e);
	}
	rpmfilesFree(files);
	headerFree(h);
	if (in)
		Fclose(in);
	rpmtsFree(ts);
	return r;
}
