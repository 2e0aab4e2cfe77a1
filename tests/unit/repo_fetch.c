/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Downloads and the cache against a server that misbehaves on demand, and a whole Debian archive resolved through it:
 * what is right comes through, what is wrong ends in one line.
 */
#include "tests/unit/must.h"
#include "tests/unit/repo_fixture.h"

#include "repo/internal.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static char *top_path;
static int top, port;
static pid_t server;

/* ---- the server: files below top_path/www; the first part of the path says how they are served ------------------- */
static void reply(int fd, const char *head, const char *body, size_t n)
{
	(void)!write(fd, head, strlen(head));
	(void)!write(fd, body, n);
}

static void serve_one(int fd)
{
	_cleanup_buf_ struct buf body = {0};
	_cleanup_free_ char *head = NULL;
	char in[4096] = "", mode[32] = "", path[512] = "";
	struct err e = {0};
	char *range, *log = xasprintf("%s/log", top_path);
	size_t n = 0, from = 0;
	ssize_t r;
	FILE *f = fopen(log, "ae");

	while (n < sizeof(in) - 1 && !strstr(in, "\r\n\r\n") && (r = read(fd, in + n, sizeof(in) - 1 - n)) > 0)
		n += (size_t)r;
	sscanf(in, "GET /%31[^/]/%511s", mode, path);
	range = strstr(in, "Range: bytes=");
	from = range ? strtoul(range + 13, NULL, 10) : 0;
	fprintf(f, "%s %s from %zu%s\n", mode, path, from, strstr(in, "If-Modified-Since") ? " conditional" : "");
	fclose(f);
	free(log);
	if (strcmp(mode, "ok") == 0 && strstr(in, "If-Modified-Since")) {
		reply(fd, "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n", "", 0);
		return;
	}
	if (strcmp(mode, "busy") == 0) {
		reply(fd, "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n", "", 0);
		return;
	}
	head = xasprintf("www/%s", path);
	if (path_read(top, head, 1 << 20, &body, &e) < 0) {
		err_clear(&e);
		reply(fd, "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n", "", 0);
		return;
	}
	free(head);
	if (from > body.len || strcmp(mode, "norange") == 0)
		from = 0;
	if (strcmp(mode, "longer") == 0)
		buf_adds(&body, "more");
	head = xasprintf("HTTP/1.1 %s\r\nContent-Length: %zu\r\nContent-Range: bytes %zu-%zu/%zu\r\n%s"
			 "Connection: close\r\n\r\n",
			 from ? "206 Partial" : "200 OK", body.len - from, from, body.len - 1, body.len,
			 strcmp(mode, "ok") == 0 ? "Last-Modified: Sat, 11 Jul 2020 10:16:37 GMT\r\n" : "");
	/* "cut": every connection gives half of what is left; "dies": never more than the first half. */
	n = body.len - from;
	if (strcmp(mode, "cut") == 0 && n > 4)
		n /= 2;
	if (strcmp(mode, "dies") == 0)
		n = from ? 0 : n / 2;
	reply(fd, head, body.p + from, n);
}

static void serve(int listener)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			_exit(0);
		serve_one(fd);
		close(fd);
	}
}

static int setup(void **state)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	top = temp_dir(&top_path);
	setenv("VPKG_SYSROOT", top_path, 1);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 64), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	port = ntohs(a.sin_port);
	assert_int_equal(path_mkdirs(top, "www/dists/stable/main/binary-amd64", 0755, NULL), 0);
	assert_int_equal(path_mkdirs(top, "www/pool", 0755, NULL), 0);
	fflush(NULL);
	server = fork();
	if (server == 0)
		serve(listener);
	close(listener);
	return 0;
}

static int teardown(void **state)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	temp_gone(top, top_path);
	return 0;
}

static void put(const char *path, const char *text)
{
	assert_int_equal(path_write(top, path, text, strlen(text), 0644, NULL), 0);
}

static size_t logged(const char *part)
{
	_cleanup_buf_ struct buf b = {0};
	size_t n = 0;

	if (path_read(top, "log", 1 << 20, &b, NULL) < 0)
		return 0;
	for (const char *p = b.p; (p = strstr(p, part)); p++)
		n++;
	return n;
}

static int fetch(const char *mode, const char *path, const char *contents, uint64_t size, struct err *e)
{
	_cleanup_free_ char *url = *mode == '/' || strstr(mode, ":")
					   ? xasprintf("%s/%s", mode, path)
					   : xasprintf("http://127.0.0.1:%d/%s/%s", port, mode, path);
	struct repo_download d = {.url = url, .what = "the file", .size = size};
	int r;

	if (contents) {
		struct digest *g = digest_new();

		digest_update(g, contents, strlen(contents));
		digest_final(g, d.sha256);
		d.has_digest = true;
	}
	r = repo_fetch(&d, 1, NULL, e);
	if (r == 0) {
		int fd = repo_cache_open(d.sha256, NULL);

		assert_true(d.has_digest);
		assert_true(fd >= 0);
		close(fd);
	}
	return r;
}

/* Contents that no other test has put into the cache. */
static const char *fresh(const char *path)
{
	static char text[4096];
	static unsigned serial;
	_cleanup_free_ char *full = xasprintf("www/%s", path);

	memset(text, 'x', sizeof(text) - 1);
	snprintf(text, sizeof(text), "contents %u ", ++serial);
	text[strlen(text)] = '.';
	put(full, text);
	return text;
}

static void test_good(void **state)
{
	const char *text = fresh("a");
	size_t before;

	assert_int_equal(fetch("ok", "a", text, strlen(text), NULL), 0);
	before = logged("ok a from");
	assert_int_equal(fetch("ok", "a", text, strlen(text), NULL), 0);
	assert_int_equal(logged("ok a from"), before); /* the cache had it */
	assert_int_equal(fetch("ok", "a", NULL, 0, NULL), 0);
	assert_int_equal(fetch("norange", "a", fresh("a"), 0, NULL), 0);
}

static void test_resumed(void **state)
{
	const char *text = fresh("b");

	assert_int_equal(fetch("dies", "b", text, strlen(text), NULL) < 0, 1);
	assert_int_equal(logged("dies b from 0"), 1); /* each further try went on where the first ended */
	assert_int_equal(fetch("ok", "b", text, strlen(text), NULL), 0);
	assert_int_equal(logged("ok b from 0"), 0);
	text = fresh("b");
	assert_int_equal(fetch("dies", "b", text, strlen(text), NULL) < 0, 1);
	assert_int_equal(fetch("norange", "b", text, strlen(text), NULL), 0);
}

static void test_failures(void **state)
{
	const char *text = fresh("c");
	size_t n = strlen(text);
	struct err e = {0};

	assert_error(&e, fetch("dies", "c", text, n, &e), -EBADMSG, "truncated");
	assert_error(&e, fetch("ok", "none", "x", 0, &e), -ENOENT, "not found");
	assert_error(&e, fetch("busy", "c", "x", 0, &e), -EHOSTUNREACH, "503");
	assert_int_equal(logged("busy c"), 3);
	assert_error(&e, fetch("longer", "c", text, n, &e), -EBADMSG, "longer than");
	assert_error(&e, fetch("ok", "c", "other contents", 0, &e), -EBADMSG, "wrong SHA-256");
	assert_error(&e, fetch("ok", "c", "other contents", 14, &e), -EBADMSG, "longer than");
	assert_error(&e, fetch("http://127.0.0.1:1", "c", "x", 0, &e), -EHOSTUNREACH, "http://127.0.0.1:1/c");
	assert_error(&e, fetch("gopher://127.0.0.1", "c", "x", 0, &e), -EINVAL, "not an http");
	assert_int_equal(fetch("ok", "c", text, n, NULL), 0);
}

static void test_local(void **state)
{
	_cleanup_free_ char *dir = xasprintf("%s/www", place_sysroot()), *url = xasprintf("file://%s", dir);
	const char *text = fresh("a+b");
	struct err e = {0};

	assert_int_equal(fetch(dir, "a+b", text, strlen(text), NULL), 0);
	assert_int_equal(fetch(url, "a%2bb", NULL, 0, NULL), 0);
	text = fresh("a+b");
	assert_error(&e, fetch(url, "a+b", text, 1 << 20, &e), -EBADMSG, "truncated");
	assert_error(&e, fetch(url, "a+b", "other", 0, &e), -EBADMSG, "SHA-256");
	assert_error(&e, fetch(url, "absent", "not in the cache", 0, &e), -ENOENT, "No such file");
	assert_error(&e, fetch(url, "dists", "not in the cache", 0, &e), -EINVAL, "not a regular file");
}

static void test_damaged_cache(void **state)
{
	const char *text = fresh("d");
	char hex[2 * DIGEST_LEN + 1];
	_cleanup_free_ char *object = NULL;
	uint8_t sha256[DIGEST_LEN];
	struct digest *g = digest_new();
	struct err e = {0};

	digest_update(g, text, strlen(text));
	digest_final(g, sha256);
	text_hex(hex, sha256, DIGEST_LEN);
	assert_int_equal(fetch("ok", "d", text, 0, NULL), 0);
	object = xasprintf("var/cache/vpkg/objects/%.2s/%s", hex, hex + 2);
	put(object, "damaged");
	assert_error(&e, repo_cache_open(sha256, &e), -ENOENT, "damaged");
	put(object, "damaged");
	assert_int_equal(fetch("ok", "d", text, 0, NULL), 0); /* fetched again */
}

/* ---- a whole archive --------------------------------------------------------------------------------------------- */
static void archive(const char *inrelease)
{
	put("www/dists/stable/InRelease", inrelease);
	put("www/dists/stable/main/binary-amd64/Packages", fixture_packages);
	put("www/pool/libc6.deb", "body of libc6");
	put("www/pool/base_1+a.deb", "body of base");
	put("www/pool/libreal.deb", "body of libreal");
	put("www/pool/app.deb", "body of app");
	put("key.asc", fixture_key);
}

static struct repo_source source(const char *mode)
{
	struct repo_source s = {.name = xstrdup("test"),
				.type = REPO_TYPE_DEB,
				.suite = xstrdup("stable"),
				.arch = xstrdup("amd64"),
				.keyring = xasprintf("%s/key.asc", place_sysroot())};

	strv_addf(&s.urls, "http://127.0.0.1:%d/%s", port, mode);
	return s;
}

static int resolve(struct repo_source *s, const char *names, struct repo_solution *ret, struct err *e)
{
	_cleanup_strv_ struct strv l = {0};
	struct repo_solution mine = {0};
	int r;

	strv_split(&l, names, " ");
	r = repo_resolve(s, 1, REPO_DEB, &l, NULL, ret ? ret : &mine, e);
	repo_solution_free(&mine);
	return r;
}

static void need_verifier(void)
{
	must_have(access("/usr/bin/gpgv", X_OK) == 0 || access("/usr/bin/sqv", X_OK) == 0, "needs gpgv or sqv");
}

static void test_archive(void **state)
{
	static const char *const order[] = {"libc6", "libreal", "base", "app"};
	_cleanup_(repo_source_free) struct repo_source s = source("norange");
	_cleanup_(repo_solution_free) struct repo_solution sol = {0};
	struct err e = {0};

	need_verifier();
	archive(fixture_inrelease_good);
	strv_add(&s.fingerprints, FIXTURE_FINGERPRINT);
	if (resolve(&s, "app", &sol, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(sol.n, ARRAY_LEN(order));
	for (size_t i = 0, at = 0; i < ARRAY_LEN(order); i++) {
		for (at = 0; at < sol.n && strcmp(sol.pkgs[at].name, order[i]); at++)
			;
		assert_true(at < sol.n);
		assert_int_equal(sol.pkgs[at].required, strcmp(order[i], "app") != 0);
		assert_int_equal(sol.pkgs[at].essential, strcmp(order[i], "base") == 0);
	}
	assert_string_equal(sol.pkgs[3].name, "app");
	assert_string_equal(sol.pkgs[3].evr, "1.0-1");
	assert_string_equal(sol.pkgs[2].name, "base");
	assert_string_equal(sol.pkgs[2].evr, "1:12+a~b");
	assert_string_equal(sol.pkgs[2].file, "base_1+a.deb");
	assert_non_null(strstr(sol.pkgs[2].url, "/norange/pool/base_1%2Ba.deb"));
	assert_int_equal(sol.pkgs[2].installed, 20480);
	assert_int_equal(sol.pkgs[2].size, 12);
}

static void test_archive_fetch(void **state)
{
	_cleanup_free_ char *dir = xasprintf("%s/www", place_sysroot());
	_cleanup_(repo_source_free) struct repo_source s = source("ok");
	_cleanup_(repo_solution_free) struct repo_solution sol = {0};
	struct err e = {0};

	need_verifier();
	archive(fixture_inrelease_good);
	strv_free(&s.urls);
	s.urls = (struct strv){0};
	strv_add(&s.urls, "/nonexistent");
	strv_add(&s.urls, dir);
	assert_int_equal(resolve(&s, "app", &sol, NULL), 0);
	assert_int_equal(sol.urls_tried.n, 2);
	put("www/pool/app.deb", "body of apq");
	assert_error(&e, repo_solution_fetch(&sol, NULL, &e), -EBADMSG, "app.deb");
	put("www/pool/app.deb", "body of app");
	assert_int_equal(repo_solution_fetch(&sol, NULL, &e), 0);
	for (size_t i = 0; i < sol.n; i++)
		assert_true(cache_has(sol.pkgs[i].sha256));
}

static void test_archive_bad_names(void **state)
{
	_cleanup_(repo_source_free) struct repo_source s = source("norange");
	struct err e = {0};

	need_verifier();
	archive(fixture_inrelease_good);
	assert_error(&e, resolve(&s, "apq", NULL, &e), -ENOENT, "did you mean app");
	assert_error(&e, resolve(&s, "foreign", NULL, &e), -ENOENT, "foreign");
	assert_error(&e, resolve(&s, "broken", NULL, &e), -ENOTUNIQ, "nothing provides nowhere >= 2 needed by broken");
	assert_error(&e, resolve(&s, "libfake libreal", NULL, &e), -ENOTUNIQ, "conflicts");
	assert_int_equal(resolve(&s, "virtual", NULL, &e) == -ENOTUNIQ || e.msg == NULL, 1);
	err_clear(&e);
}

static void refused(const char *inrelease, int status, const char *part)
{
	_cleanup_(repo_source_free) struct repo_source s = source("norange");
	struct err e = {0};

	archive(inrelease);
	assert_error(&e, resolve(&s, "app", NULL, &e), status, part);
}

static void test_archive_refused(void **state)
{
	_cleanup_free_ char *changed = xstrdup(fixture_inrelease_good), *prefixed = NULL;
	_cleanup_(repo_source_free) struct repo_source s = source("norange"), none = source("norange");
	struct err e = {0};

	need_verifier();
	memcpy(strstr(changed, "Origin: vpkg"), "Origin: evil", 12);
	prefixed = xasprintf("SHA256:\n\n%s", fixture_inrelease_good);
	refused(fixture_inrelease_expired, -ESTALE, "expired on 2020-07-18");
	refused(fixture_inrelease_foreign, -ENOKEY, "which is not in");
	refused(fixture_inrelease_other_suite, -EBADMSG, "not of stable");
	refused(fixture_inrelease_wrong_digest, -EBADMSG, "main/binary-amd64/Packages");
	refused(changed, -EBADMSG, "signature is wrong");
	refused(prefixed, -EBADMSG, "not a signed text");
	refused(fixture_release, -EBADMSG, "not a signed text");
	refused("", -EBADMSG, "not a signed text");
	archive(fixture_inrelease_good);
	strv_add(&s.fingerprints, "0000000000000000000000000000000000000000");
	assert_error(&e, resolve(&s, "app", NULL, &e), -ENOKEY, FIXTURE_FINGERPRINT);
	free(none.keyring);
	none.keyring = NULL;
	assert_error(&e, resolve(&none, "app", NULL, &e), -EINVAL, "no keyring");
	none.no_signatures = true;
	archive(changed);
	assert_int_equal(resolve(&none, "app", NULL, &e), 0);
	archive(fixture_inrelease_expired);
	assert_error(&e, resolve(&none, "app", NULL, &e), -ESTALE, "expired");
	none.allow_expired = true;
	assert_int_equal(resolve(&none, "app", NULL, &e), 0);
}

static void test_archive_separate(void **state)
{
	_cleanup_(repo_source_free) struct repo_source s = source("norange");
	struct err e = {0};

	need_verifier();
	archive("");
	assert_int_equal(unlinkat(top, "www/dists/stable/InRelease", 0), 0);
	assert_error(&e, resolve(&s, "app", NULL, &e), -ENOENT, "neither InRelease nor Release");
	put("www/dists/stable/Release", fixture_release);
	assert_error(&e, resolve(&s, "app", NULL, &e), -EBADMSG, "has no signature");
	put("www/dists/stable/Release.gpg", fixture_release_gpg);
	assert_int_equal(resolve(&s, "app", NULL, &e), 0);
	put("www/dists/stable/Release.gpg", "");
	assert_error(&e, resolve(&s, "app", NULL, &e), -EBADMSG, "no signature");
	unlinkat(top, "www/dists/stable/Release", 0);
	unlinkat(top, "www/dists/stable/Release.gpg", 0);
}

static void test_archive_unchanged(void **state)
{
	_cleanup_(repo_source_free) struct repo_source s = source("ok");
	size_t n;

	need_verifier();
	archive(fixture_inrelease_good);
	assert_int_equal(resolve(&s, "app", NULL, NULL), 0);
	n = logged("ok dists/stable/InRelease from 0 conditional");
	assert_int_equal(resolve(&s, "app", NULL, NULL), 0);
	assert_int_equal(logged("ok dists/stable/InRelease from 0 conditional"), n + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_damaged_cache),
		cmocka_unit_test(test_archive),
		cmocka_unit_test(test_archive_fetch),
		cmocka_unit_test(test_archive_bad_names),
		cmocka_unit_test(test_archive_refused),
		cmocka_unit_test(test_archive_separate),
		cmocka_unit_test(test_archive_unchanged),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
