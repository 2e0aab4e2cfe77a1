/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Downloads side by side with libcurl: resumed, tried three times, bounded in size, ended by an interrupt. Knows
 * nothing of packages; what a complete body is worth is decided by whoever asked for it.
 */
#include "repo/internal.h"

#include <curl/curl.h>
#include <poll.h>
#include <time.h>

#define PARALLEL 8
#define TRIES 3
#define RETRY_MS 400
#define CONNECT_SECONDS 20L
#define STALLED_SECONDS 30L

struct transfer_state {
	CURL *easy;
	struct digest *digest;
	uint64_t have; /* bytes of the body in fd */
	int64_t not_before;
	unsigned tries;
	int write_error; /* errno */
	bool too_long, running, done;
	char text[CURL_ERROR_SIZE];
};

struct engine {
	struct transfer *t;
	size_t n, running, done;
	CURLM *multi;
	const char *what;
	const struct report *report;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct transfer_state *s = t->state;
	uint64_t limit = t->size ? t->size : t->max;

	n *= size;
	if (limit && s->have + n > limit) {
		s->too_long = true;
		return 0;
	}
	for (size_t at = 0; at < n;) {
		ssize_t w = write(t->fd, p + at, n - at);

		if (w < 0 && errno != EINTR) {
			s->write_error = errno;
			return 0;
		}
		at += w > 0 ? (size_t)w : 0;
	}
	digest_update(s->digest, p, n);
	s->have += n;
	return n;
}

static void restart(struct transfer *t)
{
	struct transfer_state *s = t->state;

	digest_free(s->digest);
	s->digest = digest_new();
	s->have = 0;
	if (ftruncate(t->fd, 0) < 0 || lseek(t->fd, 0, SEEK_SET) < 0)
		s->write_error = errno;
}

/* Hashes what a former run left, so that the rest can follow. */
static void take_up(struct transfer *t)
{
	struct transfer_state *s = t->state;
	char chunk[65536];
	ssize_t n;

	s->digest = digest_new();
	if (!t->resume) {
		restart(t);
		return;
	}
	while ((n = pread(t->fd, chunk, sizeof(chunk), (off_t)s->have)) > 0) {
		digest_update(s->digest, chunk, (size_t)n);
		s->have += (uint64_t)n;
	}
	if (n < 0 || (t->size && s->have >= t->size) || lseek(t->fd, 0, SEEK_END) < 0)
		restart(t);
}

static int begin(struct engine *g, struct transfer *t, struct err *e)
{
	struct transfer_state *s = t->state;
	CURL *c;
	int r = t->fd < 0 ? t->open(t, e) : 0;

	if (r < 0)
		return r;
	if (!s->digest)
		take_up(t);
	c = s->easy = curl_easy_init();
	if (!c)
		return err_set(e, -ENOMEM, "libcurl cannot start a download");
	s->write_error = 0;
	s->too_long = false;
	s->text[0] = 0;
	curl_easy_setopt(c, CURLOPT_URL, t->url);
	curl_easy_setopt(c, CURLOPT_PRIVATE, t);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->text);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, 8L);
	curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, STALLED_SECONDS);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "vpkg");
	curl_easy_setopt(c, CURLOPT_FILETIME, 1L);
	if (s->have)
		curl_easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)s->have);
	if (t->since) {
		curl_easy_setopt(c, CURLOPT_TIMECONDITION, (long)CURL_TIMECOND_IFMODSINCE);
		curl_easy_setopt(c, CURLOPT_TIMEVALUE_LARGE, (curl_off_t)t->since);
	}
	s->tries++;
	s->running = true;
	g->running++;
	curl_multi_add_handle(g->multi, c);
	return 0;
}

/* What the failure is in words, its errno, and whether another try may help. */
static int explain(const struct transfer *t, CURLcode code, bool *ret_again, struct err *e)
{
	const struct transfer_state *s = t->state;
	long http = 0;

	*ret_again = false;
	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &http);
	if (s->write_error)
		return err_set(e, -s->write_error, "%s: cannot write to %s/var/cache/vpkg: %s", t->what,
			       place_sysroot(), strerror(s->write_error));
	if (s->too_long)
		return err_set(e, -EBADMSG, "%s: longer than the %llu bytes that its index announces: %s", t->what,
			       (unsigned long long)(t->size ? t->size : t->max), t->url);
	if (code == CURLE_HTTP_RETURNED_ERROR && (http == 404 || http == 410))
		return err_set(e, -ENOENT, "%s: not found: %s", t->what, t->url);
	if (code == CURLE_HTTP_RETURNED_ERROR && (http == 401 || http == 403))
		return err_set(e, -EACCES, "%s: the server refuses it (%ld): %s", t->what, http, t->url);
	*ret_again = true;
	if (code == CURLE_PARTIAL_FILE)
		return err_set(e, -EBADMSG, "%s: truncated, only %llu bytes came: %s", t->what,
			       (unsigned long long)s->have, t->url);
	if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT) {
		*ret_again = false;
		return err_set(e, -EINVAL, "%s: not an http, https or file address: %s", t->what, t->url);
	}
	if (code == CURLE_HTTP_RETURNED_ERROR)
		return err_set(e, -EHOSTUNREACH, "%s: the server answers %ld: %s", t->what, http, t->url);
	return err_set(e, -EHOSTUNREACH, "%s: %s: %s", t->what, s->text[0] ? s->text : curl_easy_strerror(code),
		       t->url);
}

/* The body is there as far as libcurl can tell. */
static int body_complete(struct transfer *t, bool *ret_again, struct err *e)
{
	struct transfer_state *s = t->state;
	uint8_t sha256[DIGEST_LEN];
	curl_off_t modified = -1;
	long unmet = 0, http = 0;
	int r;

	curl_easy_getinfo(s->easy, CURLINFO_CONDITION_UNMET, &unmet);
	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &http);
	curl_easy_getinfo(s->easy, CURLINFO_FILETIME_T, &modified);
	t->modified = modified > 0 ? (time_t)modified : 0;
	t->unmodified = t->since && (unmet || http == 304);
	if (t->size && s->have != t->size && !t->unmodified) {
		*ret_again = true;
		return err_set(e, -EBADMSG, "%s: truncated: %llu bytes instead of %llu: %s", t->what,
			       (unsigned long long)s->have, (unsigned long long)t->size, t->url);
	}
	digest_final(s->digest, sha256);
	s->digest = NULL;
	r = t->complete(t, sha256, e);
	*ret_again = r == -EAGAIN;
	return r == -EAGAIN ? -EBADMSG : r;
}

static int finish(struct engine *g, struct transfer *t, CURLcode code, struct err *e)
{
	struct transfer_state *s = t->state;
	bool again = false, afresh;
	struct err mine = {0};
	int r;

	r = code == CURLE_OK ? body_complete(t, &again, &mine) : explain(t, code, &again, &mine);
	/* What was resumed and turned out wrong may be wrong in its beginning; and not every server resumes. */
	afresh = r < 0 &&
		 (code == CURLE_OK || code == CURLE_RANGE_ERROR || code == CURLE_HTTP_RETURNED_ERROR || !t->resume);
	curl_multi_remove_handle(g->multi, s->easy);
	curl_easy_cleanup(s->easy);
	s->easy = NULL;
	s->running = false;
	g->running--;
	if (r >= 0) {
		s->done = true;
		g->done++;
		return 0;
	}
	if (!again || s->tries >= TRIES) {
		if (code == CURLE_OK && again)
			restart(t); /* wrong contents are nothing to resume */
		err_set(e, r, "%s", mine.msg ? mine.msg : strerror(-r));
		err_clear(&mine);
		return r;
	}
	err_clear(&mine);
	if (afresh)
		restart(t);
	s->not_before = now_ms() + RETRY_MS * s->tries;
	return 0;
}

static void tell(const struct engine *g)
{
	uint64_t have = 0, total = 0;

	for (size_t i = 0; i < g->n; i++) {
		have += g->t[i].state->have;
		total += g->t[i].size ? g->t[i].size : g->t[i].state->have;
	}
	if (g->what && total)
		report_progress(g->report, g->what, have < total || g->done == g->n ? have : total - 1, total);
}

static int start_some(struct engine *g, struct err *e)
{
	int64_t now = now_ms();
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->n && g->running < PARALLEL; i++) {
		struct transfer_state *s = g->t[i].state;

		if (!s->done && !s->running && s->not_before <= now)
			r = begin(g, &g->t[i], e);
	}
	return r;
}

static int loop(struct engine *g, struct err *e)
{
	int r = 0, left;

	while (r == 0 && g->done < g->n) {
		struct curl_waitfd intr = {.fd = intr_fd(), .events = CURL_WAIT_POLLIN};
		CURLMsg *m;

		r = start_some(g, e);
		if (r == 0)
			r = intr_check(e);
		if (r < 0)
			break;
		curl_multi_perform(g->multi, &left);
		while (r == 0 && (m = curl_multi_info_read(g->multi, &left))) {
			struct transfer *t = NULL;

			if (m->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
			r = finish(g, t, m->data.result, e);
		}
		tell(g);
		if (r == 0 && g->done < g->n)
			curl_multi_poll(g->multi, &intr, intr.fd >= 0 ? 1 : 0, 200, NULL);
	}
	return r;
}

int transfer_run(struct transfer *t, size_t n, const char *what, const struct report *r, struct err *e)
{
	static bool ready;
	struct engine g = {.t = t, .n = n, .what = what, .report = r};
	int status;

	if (n == 0)
		return 0;
	if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, -ENOMEM, "libcurl cannot start");
	ready = true;
	g.multi = curl_multi_init();
	if (!g.multi)
		return err_set(e, -ENOMEM, "libcurl cannot start");
	curl_multi_setopt(g.multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	for (size_t i = 0; i < n; i++)
		t[i].state = xcalloc(1, sizeof(*t[i].state));
	status = loop(&g, e);
	for (size_t i = 0; i < n; i++) {
		struct transfer_state *s = t[i].state;

		if (s->easy) {
			curl_multi_remove_handle(g.multi, s->easy);
			curl_easy_cleanup(s->easy);
		}
		digest_free(s->digest);
		free(s);
		t[i].state = NULL;
	}
	curl_multi_cleanup(g.multi);
	return status;
}
