/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From an address to an object of the cache: what is there already is not fetched, what a former run left unfinished is
 * resumed, and nothing gets its name in the cache before its digest was seen.
 */
#include "repo/internal.h"

struct job {
	struct repo_download *d;
	int partial, tmp; /* directories of the cache */
	int dir;          /* that of them where the body goes */
	char *name;       /* in it */
};

static int complete(struct transfer *t, const uint8_t sha256[DIGEST_LEN], struct err *e)
{
	struct job *j = t->arg;
	char want[2 * DIGEST_LEN + 1], got[2 * DIGEST_LEN + 1];
	int r;

	if (j->d->has_digest && memcmp(sha256, j->d->sha256, DIGEST_LEN) != 0) {
		text_hex(want, j->d->sha256, DIGEST_LEN);
		text_hex(got, sha256, DIGEST_LEN);
		return err_set(e, -EAGAIN, "%s: wrong SHA-256 %.16s…, its index says %.16s…: %s", j->d->what, got, want,
			       j->d->url);
	}
	r = cache_take(j->dir, j->name, sha256, e);
	if (r < 0)
		return r;
	memcpy(j->d->sha256, sha256, DIGEST_LEN);
	j->d->has_digest = true;
	free(j->name);
	j->name = NULL;
	t->fd = close_fd(t->fd); /* there may be more downloads than a process may have files open */
	return 0;
}

static int take_local(struct repo_download *d, const char *path, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t sha256[DIGEST_LEN];
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "%s: %s", d->what, path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: not a regular file: %s", d->what, path);
	if (d->size && (uint64_t)st.st_size != d->size)
		return err_set(e, -EBADMSG, "%s: %s: %lld bytes instead of %llu: %s", d->what,
			       (uint64_t)st.st_size < d->size ? "truncated" : "too long", (long long)st.st_size,
			       (unsigned long long)d->size, path);
	r = repo_cache_add(fd, sha256, e);
	if (r < 0)
		return err_wrap(e, "%s", d->what);
	if (d->has_digest && memcmp(sha256, d->sha256, DIGEST_LEN) != 0)
		return err_set(e, -EBADMSG, "%s: its SHA-256 is not the one in its index: %s", d->what, path);
	memcpy(d->sha256, sha256, DIGEST_LEN);
	d->has_digest = true;
	return 0;
}

/* The file that the body goes to: named by what it will be, so that the next run resumes it; or, where another process
 * is at the same one, and where nobody can say what it will be, a temporary file. */
static int open_body(struct transfer *t, struct err *e)
{
	struct job *j = t->arg;
	char hex[2 * DIGEST_LEN + 1];

	text_hex(hex, j->d->sha256, DIGEST_LEN);
	if (j->d->has_digest) {
		j->dir = j->partial;
		t->fd = openat(j->dir, hex, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
		t->resume = t->fd >= 0 && cache_lock(j->dir, hex, t->fd);
		if (t->resume) {
			j->name = xstrdup(hex);
			return 0;
		}
		t->fd = close_fd(t->fd);
	}
	j->dir = j->tmp;
	t->fd = cache_temp_file("fetch", &j->name, e);
	return t->fd < 0 ? t->fd : 0;
}

/* An unfinished file is left only where a later run can know what it is. */
static void end_body(const struct job *j, const struct transfer *t)
{
	struct stat st;

	if (j->name && !(t->resume && fstat(t->fd, &st) == 0 && st.st_size > 0))
		unlinkat(j->dir, j->name, 0);
	close_fd(t->fd);
}

/* What a killed run left of something that the cache now has is nothing to resume. */
static bool still_missing(const char *name)
{
	uint8_t sha256[DIGEST_LEN];

	return cache_parse_hex(name, sha256) && !cache_has(sha256);
}

static int prepare(struct repo_download *d, struct job *j, struct transfer *t, bool *ret_needed, struct err *e)
{
	_cleanup_free_ char *path = url_local_path(d->url);
	_cleanup_close_ int have = -1;

	*ret_needed = false;
	if (d->has_digest && cache_has(d->sha256)) {
		have = repo_cache_open(d->sha256, NULL);
		if (have >= 0)
			return 0;
	}
	if (path)
		return take_local(d, path, e);
	*ret_needed = true;
	j->d = d;
	*t = (struct transfer){.url = d->url,
			       .what = d->what,
			       .size = d->size,
			       .fd = -1,
			       .open = open_body,
			       .complete = complete,
			       .arg = j};
	return 0;
}

int repo_fetch(struct repo_download *d, size_t n, const struct report *r, struct err *e)
{
	_cleanup_free_ struct transfer *t = xcalloc(n + 1, sizeof(*t));
	_cleanup_free_ struct job *jobs = xcalloc(n + 1, sizeof(*jobs));
	_cleanup_free_ char *what = NULL;
	_cleanup_close_ int partial = cache_sub("partial", e), tmp = partial < 0 ? -1 : cache_sub("tmp", e);
	size_t n_needed = 0;
	int status = partial < 0 ? partial : tmp < 0 ? tmp : 0;

	if (status == 0) {
		cache_sweep(tmp, NULL);
		cache_sweep(partial, still_missing);
	}
	for (size_t i = 0; status == 0 && i < n; i++) {
		bool needed;

		jobs[n_needed] = (struct job){.partial = partial, .tmp = tmp};
		status = intr_check(e);
		if (status == 0)
			status = prepare(&d[i], &jobs[n_needed], &t[n_needed], &needed, e);
		if (status == 0 && needed)
			n_needed++;
	}
	if (n_needed > 1)
		what = xasprintf("fetching %zu files", n_needed);
	else if (n_needed == 1)
		what = xasprintf("fetching %s", jobs[0].d->what);
	if (status == 0)
		status = transfer_run(t, n_needed, what, r, e);
	for (size_t i = 0; i < n_needed; i++) {
		end_body(&jobs[i], &t[i]);
		free(jobs[i].name);
	}
	return status;
}
