/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An rpm-md repository's index: repomd.xml, its detached signature where it has one, and by the digest that it lists
 * the primary metadata. Many repositories do not sign repomd.xml (Fedora, CentOS 6): there each package's own signature
 * is demanded instead.
 */
#include "repo/solver.h"

#include <solv/dataiterator.h>
#include <solv/repo_repomdxml.h>
#include <strings.h>

#define REPOMD_MAX (16u << 20)

struct primary {
	char *path;
	uint64_t size;
	uint8_t sha256[DIGEST_LEN];
	bool has_digest;
};

struct repomd_job {
	int fd;
};

static int parse_in_sandbox(int out, void *arg, struct err *e)
{
	struct repomd_job *j = arg;
	_cleanup_buf_ struct buf b = {0};
	_cleanup_fclose_ FILE *f = fdopen(j->fd, "r");
	Pool *pool = pool_create();
	Repo *repo = repo_create(pool, "repomd");
	const unsigned char *sum = NULL;
	const char *path = NULL;
	unsigned long long size = 0;
	Dataiterator di;
	Id type = 0;

	if (!f || repo_add_repomdxml(repo, f, 0))
		return err_set(e, -EBADMSG, "is not a repomd.xml: %s", pool_errstr(pool));
	dataiterator_init(&di, pool, repo, SOLVID_META, REPOSITORY_REPOMD_TYPE, "primary", SEARCH_STRING);
	dataiterator_prepend_keyname(&di, REPOSITORY_REPOMD);
	if (dataiterator_step(&di)) {
		dataiterator_setpos_parent(&di);
		path = pool_lookup_str(pool, SOLVID_POS, REPOSITORY_REPOMD_LOCATION);
		sum = pool_lookup_bin_checksum(pool, SOLVID_POS, REPOSITORY_REPOMD_CHECKSUM, &type);
		size = pool_lookup_num(pool, SOLVID_POS, REPOSITORY_REPOMD_SIZE, 0);
	}
	wire_str(&b, path);
	wire_u64(&b, size);
	wire_u64(&b, sum && type == REPOKEY_TYPE_SHA256);
	wire_bytes(&b, sum && type == REPOKEY_TYPE_SHA256 ? sum : (const unsigned char[DIGEST_LEN]){0}, DIGEST_LEN);
	dataiterator_free(&di);
	pool_free(pool);
	return wire_send(out, &b, e);
}

static int parse_repomd(int fd, const char *url, struct primary *ret, struct err *e)
{
	struct repomd_job j = {.fd = fd};
	_cleanup_buf_ struct buf b = {0};
	struct wire w;
	int r = sandbox_call(parse_in_sandbox, &j, -1, &fd, 1, 60, &b, e);

	if (r < 0)
		return err_wrap(e, "%s", url);
	w = (struct wire){.p = b.p, .end = b.p + b.len};
	ret->path = wire_get_str(&w);
	ret->size = wire_get_u64(&w);
	ret->has_digest = wire_get_u64(&w) == 1;
	wire_get_bytes(&w, ret->sha256, DIGEST_LEN);
	if (w.bad)
		return err_set(e, -EBADMSG, "%s: its reader broke", url);
	if (!url_path_ok(ret->path))
		return err_set(e, -EBADMSG, "%s lists no primary metadata", url);
	if (!ret->has_digest)
		return err_set(e, -EBADMSG, "%s gives no SHA-256 of %s (a repository made by an old createrepo?)", url,
			       ret->path);
	return 0;
}

/* 1: verified; 0: nobody signed it. */
static int check_signature(const struct repo_source *s, int fd, const char *base, const char *url, struct err *e)
{
	struct verify_policy p = {.keyring = s->keyring,
				  .fingerprints = &s->fingerprints,
				  .allow_expired = s->allow_expired,
				  .allow_sha1 = true};
	_cleanup_free_ char *sig_url = url_join(base, "repodata/repomd.xml.asc");
	_cleanup_close_ int sig = -1;
	struct err mine = {0};
	int r;

	if (s->no_signatures)
		return 0;
	sig = lists_fetch(sig_url, "repomd.xml.asc", REPOMD_MAX, &mine);
	if (sig == -ENOENT) {
		err_clear(&mine);
		return 0;
	}
	r = sig < 0 ? sig : verify_detached(fd, sig, &p, url, &mine);
	if (r < 0)
		err_set(e, r, "%s", mine.msg);
	err_clear(&mine);
	return r < 0 ? r : 1;
}

static int bring(const struct repo_source *s, const char *base, const char *url, int repomd, const struct report *r,
		 struct repo_indexes *l, struct err *e)
{
	struct primary p = {0};
	_cleanup_free_ char *what = NULL, *at = NULL, *path = NULL;
	struct repo_download d = {.has_digest = true};
	int status, fd, is_signed;

	is_signed = check_signature(s, repomd, base, url, e);
	if (is_signed < 0)
		return is_signed;
	if (lseek(repomd, 0, SEEK_SET) < 0)
		return err_sys(e, "%s", url);
	status = parse_repomd(repomd, url, &p, e);
	path = p.path;
	if (status < 0)
		return status;
	d.url = at = url_join(base, path);
	d.what = what = xasprintf("%s %s", s->name, path);
	d.size = p.size;
	memcpy(d.sha256, p.sha256, DIGEST_LEN);
	status = repo_fetch(&d, 1, r, e);
	if (status < 0)
		return status == -ENOENT ? -EBADMSG : status;
	fd = repo_cache_open(d.sha256, e);
	if (fd < 0)
		return fd;
	indexes_add(l, s, base, path, !is_signed && !s->no_signatures, fd);
	return 0;
}

int rpmmd_indexes(const struct repo_source *s, const char *base, const struct report *r, struct repo_indexes *l,
		  struct err *e)
{
	_cleanup_free_ char *url = url_join(base, "repodata/repomd.xml");
	_cleanup_free_ char *sig_url = url_join(base, "repodata/repomd.xml.asc");
	_cleanup_close_ int fd = -1;
	int status;

	if (!s->arch)
		return err_set(e, -EINVAL, "an rpm-md repository needs an architecture");
	fd = lists_fetch(url, "repomd.xml", REPOMD_MAX, e);
	status = fd < 0 ? fd : bring(s, base, url, fd, r, l, e);
	if (status < 0) {
		/* What was wrong must not come back as "not modified" when the mirror is well again. */
		lists_forget(url);
		lists_forget(sig_url);
	}
	return status;
}
