/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /var/cache/vpkg: contents under the name of their SHA-256. Nothing here is flushed to disk, and nothing needs to be:
 * every object is hashed again when it is opened, and a damaged one is as good as absent.
 */
#include "repo/internal.h"

#define OBJECT_NAME (2 + 1 + 2 * (DIGEST_LEN - 1) + 1) /* ab/cdef… */

static void object_name(const uint8_t sha256[DIGEST_LEN], char out[OBJECT_NAME])
{
	text_hex(out, sha256, 1);
	out[2] = '/';
	text_hex(out + 3, sha256 + 1, DIGEST_LEN - 1);
}

int repo_cache_dir(struct err *e)
{
	return place_dir("/var/cache/vpkg", 0700, e);
}

int cache_sub(const char *name, struct err *e)
{
	_cleanup_close_ int dir = repo_cache_dir(e);
	int fd;

	if (dir < 0)
		return dir;
	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "cannot make directory %s/var/cache/vpkg/%s", place_sysroot(), name);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, "%s/var/cache/vpkg/%s", place_sysroot(), name);
}

bool cache_parse_hex(const char *hex, uint8_t ret[DIGEST_LEN])
{
	uint8_t out[DIGEST_LEN];

	if (strlen(hex) != 2 * DIGEST_LEN || strspn(hex, "0123456789abcdefABCDEF") != 2 * DIGEST_LEN)
		return false;
	for (size_t i = 0; i < DIGEST_LEN; i++) {
		char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};

		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	memcpy(ret, out, DIGEST_LEN);
	return true;
}

bool cache_has(const uint8_t sha256[DIGEST_LEN])
{
	_cleanup_close_ int dir = cache_sub("objects", NULL);
	char name[OBJECT_NAME];

	object_name(sha256, name);
	return dir >= 0 && faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int repo_cache_open(const uint8_t sha256[DIGEST_LEN], struct err *e)
{
	_cleanup_close_ int dir = cache_sub("objects", e);
	_cleanup_close_ int fd = -1;
	char name[OBJECT_NAME];
	uint8_t seen[DIGEST_LEN];
	int r;

	if (dir < 0)
		return dir;
	object_name(sha256, name);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "%s/var/cache/vpkg/objects/%s", place_sysroot(), name);
	r = digest_fd(fd, seen);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "%s/var/cache/vpkg/objects/%s", place_sysroot(), name);
	}
	if (memcmp(seen, sha256, DIGEST_LEN) != 0) {
		unlinkat(dir, name, 0);
		return err_set(e, -ENOENT,
			       "%s/var/cache/vpkg/objects/%s was damaged and is removed: run the command again",
			       place_sysroot(), name);
	}
	return TAKE_FD(fd);
}

int cache_take(int dir, const char *name, const uint8_t sha256[DIGEST_LEN], struct err *e)
{
	_cleanup_close_ int objects = cache_sub("objects", e);
	char object[OBJECT_NAME], sub[3] = {0};

	if (objects < 0)
		return objects;
	object_name(sha256, object);
	memcpy(sub, object, 2);
	if (mkdirat(objects, sub, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "cannot make directory %s/var/cache/vpkg/objects/%s", place_sysroot(), sub);
	if (fchmodat(dir, name, 0644, 0) < 0 || renameat(dir, name, objects, object) < 0)
		return err_sys(e, "%s/var/cache/vpkg/objects/%s", place_sysroot(), object);
	return 0;
}

int repo_cache_add(int fd, uint8_t ret_sha256[DIGEST_LEN], struct err *e)
{
	_cleanup_close_ int dir = cache_sub("tmp", e);
	_cleanup_close_ int out = -1;
	_cleanup_free_ char *name = NULL;
	uint8_t sha256[DIGEST_LEN];
	int r;

	if (dir < 0)
		return dir;
	out = cache_temp_file("add", &name, e);
	if (out < 0)
		return out;
	r = copy_data(fd, out);
	if (r == 0)
		r = digest_fd(out, sha256); /* of the copy: the original may be changed while it is read */
	if (r < 0) {
		errno = -r;
		r = err_sys(e, "cannot copy a file into %s/var/cache/vpkg", place_sysroot());
	} else {
		r = cache_take(dir, name, sha256, e);
	}
	if (r < 0)
		unlinkat(dir, name, 0);
	else
		memcpy(ret_sha256, sha256, DIGEST_LEN);
	return r;
}
