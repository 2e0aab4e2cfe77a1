/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files whose contents change under one name (InRelease, repomd.xml): the last copy is kept, with the server's time of
 * it, and asked for again with If-Modified-Since. Nothing here is believed: signatures are verified on every use.
 */
#include "repo/internal.h"

#include <time.h>

#define FRESH_SECONDS 3

static int replace(struct transfer *t, const uint8_t sha256[DIGEST_LEN], struct err *e)
{
	return 0;
}

static int fetch_local(const char *path, const char *what, uint64_t max, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "%s: %s", what, path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: not a regular file: %s", what, path);
	if ((uint64_t)st.st_size > max)
		return err_set(e, -EFBIG, "%s: longer than %llu bytes: %s", what, (unsigned long long)max, path);
	return TAKE_FD(fd);
}

static void list_name(const char *url, char out[2 * DIGEST_LEN + 1])
{
	struct digest *d = digest_new();
	uint8_t key[DIGEST_LEN];

	digest_update(d, url, strlen(url));
	digest_final(d, key);
	text_hex(out, key, DIGEST_LEN);
}

void lists_forget(const char *url)
{
	_cleanup_close_ int dir = cache_sub("lists", NULL);
	char name[2 * DIGEST_LEN + 1];

	list_name(url, name);
	if (dir >= 0)
		unlinkat(dir, name, 0);
}

int lists_fetch(const char *url, const char *what, uint64_t max, struct err *e)
{
	_cleanup_free_ char *path = url_local_path(url), *fresh = NULL;
	_cleanup_close_ int dir = -1, tmp = -1, old = -1, fd = -1;
	char name[2 * DIGEST_LEN + 1];
	struct stat st;
	int r;

	if (path)
		return fetch_local(path, what, max, e);
	dir = cache_sub("lists", e);
	tmp = dir < 0 ? dir : cache_sub("tmp", e);
	if (tmp < 0)
		return tmp;
	list_name(url, name);
	old = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	fd = cache_temp_file("list", &fresh, e);
	if (fd < 0)
		return fd;
	struct transfer t = {.url = url, .what = what, .fd = fd, .max = max, .complete = replace};

	if (old >= 0 && fstat(old, &st) == 0 && st.st_size > 0)
		t.since = st.st_mtim.tv_sec;
	r = transfer_run(&t, 1, NULL, NULL, e);
	if (r < 0 || t.unmodified) {
		unlinkat(tmp, fresh, 0);
		return r < 0 ? r : TAKE_FD(old);
	}
	/* Without a time from the server the next request must not be conditional; nor after one so fresh that the file
	 * may change again within the same second. */
	if (t.modified >= time(NULL) - FRESH_SECONDS)
		t.modified = 0;
	struct timespec times[2] = {{.tv_sec = t.modified}, {.tv_sec = t.modified}};

	if (futimens(fd, times) < 0 || renameat(tmp, fresh, dir, name) < 0) {
		r = err_sys(e, "cannot write to %s/var/cache/vpkg/lists", place_sysroot());
		unlinkat(tmp, fresh, 0);
		return r;
	}
	lseek(fd, 0, SEEK_SET);
	return TAKE_FD(fd);
}
