/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Downloads and the cache against a server that misbehaves on demand: what is right comes through, what is wrong ends
 * in one line, and a killed run leaves nothing that the next one does not remove or resume.
 */
#include "tests/unit/repo_server.h"

#include "repo/internal.h"

#include <dirent.h>

/* mode: the server's, or an address. contents: what the digest is to say, or NULL. */
static int fetch(const char *mode, const char *path, const char *contents, uint64_t size, struct err *e)
{
	_cleanup_free_ char *base = strpbrk(mode, "/:") ? xstrdup(mode) : server_url(mode);
	_cleanup_free_ char *url = xasprintf("%s/%s", base, path);
	struct repo_download d = {.url = url, .what = "the file", .size = size, .has_digest = contents};
	int r;

	if (contents)
		sha256_text(contents, d.sha256);
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
	before = server_logged("ok a from");
	assert_int_equal(fetch("ok", "a", text, strlen(text), NULL), 0);
	assert_int_equal(server_logged("ok a from"), before); /* the cache had it */
	assert_int_equal(fetch("ok", "a", NULL, 0, NULL), 0);
	assert_int_equal(fetch("norange", "a", fresh("a"), 0, NULL), 0);
}

static void test_resumed(void **state)
{
	const char *text = fresh("b");

	assert_int_equal(fetch("dies", "b", text, strlen(text), NULL) < 0, 1);
	assert_int_equal(server_logged("dies b from 0"), 1); /* each further try went on where the first ended */
	assert_int_equal(fetch("ok", "b", text, strlen(text), NULL), 0);
	assert_int_equal(server_logged("ok b from 0"), 0);
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
	assert_int_equal(server_logged("busy c"), 3);
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
	put("www/dir/x", "");
	assert_error(&e, fetch(url, "dir", "not in the cache", 0, &e), -EINVAL, "not a regular file");
}

static void test_damaged_cache(void **state)
{
	const char *text = fresh("d");
	char hex[2 * DIGEST_LEN + 1];
	_cleanup_free_ char *object = NULL;
	uint8_t sha256[DIGEST_LEN];
	struct err e = {0};

	sha256_text(text, sha256);
	text_hex(hex, sha256, DIGEST_LEN);
	assert_int_equal(fetch("ok", "d", text, 0, NULL), 0);
	object = xasprintf("var/cache/vpkg/objects/%.2s/%s", hex, hex + 2);
	put(object, "damaged");
	assert_error(&e, repo_cache_open(sha256, &e), -ENOENT, "damaged");
	put(object, "damaged");
	assert_int_equal(fetch("ok", "d", text, 0, NULL), 0); /* fetched again */
}

/* ---- what a killed run leaves ------------------------------------------------------------------------------------ */
/* The files in that directory of the cache that have at least so many bytes. */
static size_t files(const char *sub, off_t size)
{
	_cleanup_free_ char *path = place("/var/cache/vpkg/%s", sub);
	DIR *d = opendir(path);
	struct dirent *de;
	struct stat st;
	size_t n = 0;

	while (d && (de = readdir(d)))
		n += de->d_name[0] != '.' && fstatat(dirfd(d), de->d_name, &st, 0) == 0 && st.st_size >= size;
	if (d)
		closedir(d);
	return n;
}

/* A process that runs fn and hangs, until it has a file with half of the text in that directory. */
static pid_t hang(int (*fn)(const char *text), const char *text, const char *sub)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn(text);
		_exit(1);
	}
	while (!files(sub, (off_t)strlen(text) / 2)) {
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		usleep(10000);
	}
	return pid;
}

static int hang_with_digest(const char *text)
{
	return fetch("hangs", "e", text, strlen(text), NULL);
}
static int hang_without(const char *text)
{
	return fetch("hangs", "e", NULL, 0, NULL);
}
static int hang_list(const char *text)
{
	_cleanup_free_ char *base = server_url("hangs"), *url = url_join(base, "e");

	return lists_fetch(url, "the list", 1 << 20, NULL);
}
static int hang_with_temp(const char *text)
{
	char *file, *dir;
	int fd = cache_temp_file("test", &file, NULL);

	repo_cache_temp("test", &dir, NULL);
	if (write(fd, text, strlen(text)) > 0)
		pause();
	return -1;
}

static void test_killed(void **state)
{
	static int (*const work[])(const char *) = {hang_without, hang_list, hang_with_temp};

	for (size_t i = 0; i < ARRAY_LEN(work); i++) {
		const char *text = fresh("e");
		pid_t pid = hang(work[i], text, "tmp");
		size_t n = files("tmp", 0);

		/* The living one's stay. */
		assert_int_equal(fetch("norange", "e", text, 0, NULL), 0);
		repo_cache_temp_sweep();
		assert_int_equal(files("tmp", 0), n);
		end_child(pid);
		assert_int_equal(files("tmp", 0), n);
		assert_int_equal(fetch("norange", "e", fresh("e"), 0, NULL), 0);
		assert_int_equal(files("tmp", 0), 0);
	}
}

static void test_killed_and_resumed(void **state)
{
	const char *text = fresh("e");
	pid_t pid = hang(hang_with_digest, text, "partial");

	/* Somebody else is at the same file: each has its own. */
	assert_int_equal(fetch("norange", "e", text, strlen(text), NULL), 0);
	assert_int_equal(files("partial", 0), 1);
	assert_int_equal(files("tmp", 0), 0);
	end_child(pid);
	assert_int_equal(files("partial", 0), 1);
	/* The cache has it by now: nobody will resume it. */
	assert_int_equal(fetch("norange", "e", fresh("e"), 0, NULL), 0);
	assert_int_equal(files("partial", 0), 0);

	/* One file stays, however often it is tried. */
	text = fresh("e");
	end_child(hang(hang_with_digest, text, "partial"));
	pid = hang(hang_with_digest, text, "partial");
	while (!server_logged("hangs e from 2047")) {
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		usleep(10000);
	}
	end_child(pid);
	put("www/f", "another file");
	assert_int_equal(fetch("ok", "f", "another file", 0, NULL), 0);
	assert_int_equal(files("partial", 1), 1);
	assert_int_equal(fetch("ok", "e", text, strlen(text), NULL), 0);
	assert_int_equal(server_logged("ok e from 2047"), 1);
	assert_int_equal(files("partial", 0), 0);
	/* Nothing came: nothing is left to resume. */
	assert_true(fetch("ok", "none", "x", 0, NULL) < 0);
	assert_int_equal(files("partial", 0), 0);
}

/* Between opening and locking, another process may have finished the file: it is an object of the cache by then. */
static void test_lock(void **state)
{
	_cleanup_free_ char *name = NULL, *again = NULL;
	_cleanup_close_ int tmp = cache_sub("tmp", NULL), other = cache_sub("partial", NULL), fd = -1, late = -1;

	fd = cache_temp_file("test", &name, NULL);
	assert_true(fd >= 0);
	late = openat(tmp, name, O_RDWR | O_CLOEXEC);
	assert_false(cache_lock(tmp, name, late));
	assert_int_equal(renameat(tmp, name, other, "moved"), 0);
	fd = close_fd(fd);
	assert_false(cache_lock(tmp, name, late));
	again = xasprintf("var/cache/vpkg/tmp/%s", name);
	put(again, "another");
	assert_false(cache_lock(tmp, name, late));
	assert_true(cache_lock(other, "moved", late));
	assert_int_equal(unlinkat(other, "moved", 0), 0);
	repo_cache_temp_sweep();
	assert_int_equal(files("tmp", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_damaged_cache),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_killed_and_resumed),
		cmocka_unit_test(test_lock),
	};

	return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
