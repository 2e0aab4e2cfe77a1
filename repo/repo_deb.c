/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A Debian archive's indexes: InRelease (or Release and Release.gpg), its signature, its date, its suite, and by the
 * digests that it lists the Packages files of the wanted components.
 */
#include "repo/internal.h"

#include <time.h>

#define RELEASE_MAX (32u << 20)
#define DAY 86400

/* In the order of preference: the best compressed first. */
static const char *const compressions[] = {".xz", ".zst", ".bz2", ".gz", ""};

struct release_job {
	const struct buf *text;
	const struct strv *wanted;
};

static int parse_in_sandbox(int out, void *arg, struct err *e)
{
	_cleanup_buf_ struct buf b = {0};
	struct release_job *j = arg;
	struct release rel;
	int r = release_parse(j->text->p, j->text->len, j->wanted, &rel, e);

	if (r < 0)
		return r;
	wire_str(&b, rel.suite);
	wire_str(&b, rel.codename);
	wire_u64(&b, (uint64_t)rel.date);
	wire_u64(&b, (uint64_t)rel.valid_until);
	wire_u64(&b, (rel.by_hash ? 1 : 0) | (rel.no_all ? 2 : 0));
	wire_u64(&b, rel.n);
	for (size_t i = 0; i < rel.n; i++) {
		wire_str(&b, rel.files[i].path);
		wire_u64(&b, rel.files[i].size);
		wire_bytes(&b, rel.files[i].sha256, DIGEST_LEN);
	}
	release_free(&rel);
	return wire_send(out, &b, e);
}

static int parse_release(const struct buf *text, const struct strv *wanted, const char *label, struct release *ret,
			 struct err *e)
{
	struct release_job j = {.text = text, .wanted = wanted};
	_cleanup_buf_ struct buf b = {0};
	struct wire w;
	uint64_t flags, n;
	int r = sandbox_call(parse_in_sandbox, &j, -1, NULL, 0, 60, &b, e);

	if (r < 0)
		return err_wrap(e, "%s", label);
	w = (struct wire){.p = b.p, .end = b.p + b.len};
	ret->suite = wire_get_str(&w);
	ret->codename = wire_get_str(&w);
	ret->date = (int64_t)wire_get_u64(&w);
	ret->valid_until = (int64_t)wire_get_u64(&w);
	flags = wire_get_u64(&w);
	ret->by_hash = flags & 1;
	ret->no_all = flags & 2;
	n = wire_get_u64(&w);
	w.bad |= n > 16 * wanted->n;
	ret->files = xcalloc(w.bad ? 1 : n + 1, sizeof(*ret->files));
	for (ret->n = 0; !w.bad && ret->n < n; ret->n++) {
		struct release_file *f = &ret->files[ret->n];

		f->path = wire_get_str(&w);
		f->size = wire_get_u64(&w);
		wire_get_bytes(&w, f->sha256, DIGEST_LEN);
		w.bad |= !strv_has(wanted, f->path);
	}
	return w.bad ? err_set(e, -EBADMSG, "%s: its reader broke", label) : 0;
}

/* ---- the signed text --------------------------------------------------------------------------------------------- */
static int read_all(int fd, const char *label, struct buf *ret, struct err *e)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(ret, chunk, (size_t)n);
	buf_add(ret, "", 0);
	return n < 0 ? err_sys(e, "%s", label) : 0;
}

static int unsigned_text(int fd, const char *label, struct buf *ret, struct err *e)
{
	_cleanup_buf_ struct buf all = {0}, text = {0}, sig = {0};
	int r = read_all(fd, label, &all, e);

	if (r < 0)
		return r;
	if (clearsign_split(all.p, all.len, &text, &sig) == 0) {
		*ret = text;
		text = (struct buf){0};
	} else {
		*ret = all;
		all = (struct buf){0};
	}
	return 0;
}

/* Archives without InRelease: Release and, apart from it, its signature. */
static int separate_release(const struct repo_source *s, const struct verify_policy *p, const char *dir,
			    struct buf *ret, struct err *e)
{
	_cleanup_free_ char *url = url_join(dir, "Release"), *sig_url = url_join(dir, "Release.gpg");
	_cleanup_close_ int fd = lists_fetch(url, "Release", RELEASE_MAX, e), sig = -1;
	int r;

	if (fd < 0 || s->no_signatures)
		return fd < 0 ? fd : unsigned_text(fd, url, ret, e);
	sig = lists_fetch(sig_url, "Release.gpg", RELEASE_MAX, e);
	if (sig == -ENOENT) {
		err_clear(e);
		return err_set(e, -EBADMSG, "%s has no signature (neither InRelease nor Release.gpg is there)", url);
	}
	if (sig < 0)
		return sig;
	r = verify_detached(fd, sig, p, url, e);
	return r < 0 ? r : read_all(fd, url, ret, e);
}

static int release_text(const struct repo_source *s, const char *dir, struct buf *ret, struct err *e)
{
	struct verify_policy p = {
		.keyring = s->keyring, .fingerprints = &s->fingerprints, .allow_expired = s->allow_expired};
	_cleanup_free_ char *url = url_join(dir, "InRelease");
	_cleanup_close_ int fd = -1;
	struct err mine = {0};
	int r;

	fd = lists_fetch(url, "InRelease", RELEASE_MAX, &mine);
	if (fd == -ENOENT) {
		err_clear(&mine);
		r = separate_release(s, &p, dir, ret, &mine);
		if (r == -ENOENT) {
			err_clear(&mine);
			err_set(&mine, r, "%s has neither InRelease nor Release: is %s a suite of it?", dir, s->suite);
		}
	} else if (fd < 0) {
		r = fd;
	} else if (s->no_signatures) {
		r = unsigned_text(fd, url, ret, &mine);
	} else {
		r = verify_inline(fd, &p, url, ret, &mine);
	}
	if (r < 0)
		err_set(e, r, "%s", mine.msg);
	err_clear(&mine);
	return r;
}

/* ---- what it must say -------------------------------------------------------------------------------------------- */
static void day(int64_t t, char out[32])
{
	struct tm tm;
	time_t tt = (time_t)t;

	gmtime_r(&tt, &tm);
	strftime(out, 32, "%Y-%m-%d", &tm);
}

static bool names_suite(const struct release *rel, const char *suite)
{
	/* "stable/updates" of old security archives calls itself by its first half. */
	size_t n = strcspn(suite, "/");
	const char *names[] = {rel->suite, rel->codename};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], suite) == 0 || (strncmp(names[i], suite, n) == 0 && suite[n] == '/'))
			return true;
	return !*rel->suite && !*rel->codename;
}

static int check_release(const struct repo_source *s, const struct release *rel, const char *url,
			 const struct report *r, struct err *e)
{
	int64_t now = (int64_t)time(NULL);
	char when[32];

	if (!names_suite(rel, s->suite))
		return err_set(e, -EBADMSG, "%s is of suite %s (%s), not of %s", url, rel->suite, rel->codename,
			       s->suite);
	if (rel->date > now + DAY) {
		day(rel->date, when);
		return err_set(e, -EBADMSG, "%s is dated %s, in the future: is the clock right?", url, when);
	}
	if (rel->valid_until && rel->valid_until < now) {
		day(rel->valid_until, when);
		if (!s->allow_expired)
			return err_set(e, -ESTALE,
				       "%s expired on %s: the mirror is out of date, use another; or the clock is "
				       "wrong",
				       url, when);
		report_note(r, "%s expired on %s (an archived release)", url, when);
	}
	return 0;
}

/* ---- the indexes ------------------------------------------------------------------------------------------------- */
static void want(const struct repo_source *s, struct strv *ret)
{
	const char *archs[] = {s->arch, "all"};

	for (size_t c = 0; c < (s->components.n ? s->components.n : 1); c++)
		for (size_t a = 0; a < ARRAY_LEN(archs); a++)
			for (size_t i = 0; i < ARRAY_LEN(compressions); i++)
				strv_addf(ret, "%s/binary-%s/Packages%s", s->components.n ? s->components.v[c] : "main",
					  archs[a], compressions[i]);
}

static const struct release_file *best(const struct release *rel, const char *component, const char *arch)
{
	for (size_t i = 0; i < ARRAY_LEN(compressions); i++) {
		_cleanup_free_ char *path = xasprintf("%s/binary-%s/Packages%s", component, arch, compressions[i]);

		for (size_t k = 0; k < rel->n; k++)
			if (strcmp(rel->files[k].path, path) == 0)
				return &rel->files[k];
	}
	return NULL;
}

static int fetch_index(const struct repo_source *s, const struct release *rel, const struct release_file *f,
		       const char *dir, const char *base, const struct report *r, struct repo_indexes *l, struct err *e)
{
	_cleanup_free_ char *what = xasprintf("%s %s", s->suite, f->path);
	char hex[2 * DIGEST_LEN + 1];
	struct repo_download d = {.size = f->size, .has_digest = true, .what = what};
	struct err mine = {0};
	int status = -ENOENT, fd;

	text_hex(hex, f->sha256, DIGEST_LEN);
	memcpy(d.sha256, f->sha256, DIGEST_LEN);
	if (rel->by_hash) {
		_cleanup_free_ char *rel_path =
			xasprintf("%.*sby-hash/SHA256/%s", (int)(strrchr(f->path, '/') + 1 - f->path), f->path, hex);

		d.url = url_join(dir, rel_path);
		status = repo_fetch(&d, 1, r, &mine);
		free(d.url);
	}
	if (status == -ENOENT) {
		err_clear(&mine);
		d.url = url_join(dir, f->path);
		status = repo_fetch(&d, 1, r, &mine);
		free(d.url);
	}
	if (status < 0) {
		/* The signed list has it: that it is gone makes this mirror broken, not this suite unknown. */
		err_set(e, status == -ENOENT ? -EBADMSG : status, "%s", mine.msg);
		err_clear(&mine);
		return status == -ENOENT ? -EBADMSG : status;
	}
	fd = repo_cache_open(d.sha256, e);
	if (fd < 0)
		return fd;
	indexes_add(l, s, base, f->path, false, fd);
	return 0;
}

/* A page of a captive portal or half a file must not come back as "not modified" when the mirror is well again. */
static void forget(const char *dir)
{
	static const char *const names[] = {"InRelease", "Release", "Release.gpg"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_free_ char *url = url_join(dir, names[i]);

		lists_forget(url);
	}
}

int deb_indexes(const struct repo_source *s, const char *base, const struct report *r, struct repo_indexes *l,
		struct err *e)
{
	_cleanup_free_ char *rel_dir = xasprintf("dists/%s", s->suite ? s->suite : ""), *dir = url_join(base, rel_dir);
	_cleanup_free_ char *url = url_join(dir, "InRelease");
	_cleanup_strv_ struct strv wanted = {0};
	_cleanup_(release_free) struct release rel = {0};
	_cleanup_buf_ struct buf text = {0};
	int status;

	if (!s->suite || !url_path_ok(s->suite) || !s->arch)
		return err_set(e, -EINVAL, "a Debian repository needs a suite and an architecture");
	want(s, &wanted);
	status = release_text(s, dir, &text, e);
	if (status == 0)
		status = parse_release(&text, &wanted, url, &rel, e);
	if (status == 0)
		status = check_release(s, &rel, url, r, e);
	for (size_t c = 0; status == 0 && c < (s->components.n ? s->components.n : 1); c++) {
		const char *component = s->components.n ? s->components.v[c] : "main";
		const struct release_file *f = best(&rel, component, s->arch), *all = best(&rel, component, "all");

		if (!f)
			status = err_set(e, -EBADMSG, "%s lists no packages of %s for %s", url, component, s->arch);
		if (status == 0)
			status = fetch_index(s, &rel, f, dir, base, r, l, e);
		if (status == 0 && all && !rel.no_all)
			status = fetch_index(s, &rel, all, dir, base, r, l, e);
	}
	if (status < 0)
		forget(dir);
	return status;
}
