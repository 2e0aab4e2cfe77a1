/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When two files are equal: a key over contents, size, mode, owner, group, mtime and extended attributes; and how a key
 * is taken of a file that a guest may be changing at the same time.
 *
 * A key of a guest's file is believed only if nobody had the file open for writing when the reading began (a writable
 * mapping could store without leaving a trace), if the ctime then was older than a clock tick (a change within the tick
 * of the last one leaves no trace either), and if the ctime is still the same when the key is used.
 */
#include "unify/internal.h"

#include <signal.h>
#include <sys/xattr.h>
#include <time.h>

#define TICK_NS 20000000 /* twice the longest clock tick (CONFIG_HZ=100) */

struct meta meta_of(const struct statx *stx)
{
	return (struct meta){.size = stx->stx_size,
			     .mtime = stx->stx_mtime.tv_sec,
			     .mtime_nsec = stx->stx_mtime.tv_nsec,
			     .mode = stx->stx_mode,
			     .uid = stx->stx_uid,
			     .gid = stx->stx_gid};
}

#define CMP(a, b) ((a) < (b) ? -1 : (a) > (b))

int meta_cmp(const struct meta *a, const struct meta *b)
{
	int r = CMP(a->size, b->size);

	r = r ? r : CMP(a->mtime, b->mtime);
	r = r ? r : CMP(a->mtime_nsec, b->mtime_nsec);
	r = r ? r : CMP(a->mode, b->mode);
	r = r ? r : CMP(a->uid, b->uid);
	return r ? r : CMP(a->gid, b->gid);
}

bool same_state(const struct statx *a, const struct statx *b)
{
	struct meta ma = meta_of(a), mb = meta_of(b);

	return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major &&
	       a->stx_dev_minor == b->stx_dev_minor && a->stx_ctime.tv_sec == b->stx_ctime.tv_sec &&
	       a->stx_ctime.tv_nsec == b->stx_ctime.tv_nsec && meta_cmp(&ma, &mb) == 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds names and values of all xattrs, in order of the names. 1 when one makes the file unfit. */
static int add_xattrs(struct digest *d, int fd)
{
	_cleanup_free_ char *list = NULL, *value = NULL;
	_cleanup_free_ char **names = NULL;
	ssize_t len = flistxattr(fd, NULL, 0);
	size_t n = 0;

	if (len <= 0)
		return len < 0 && errno != EOPNOTSUPP ? -errno : 0;
	list = xmalloc((size_t)len);
	names = xcalloc((size_t)len, sizeof(*names));
	value = xmalloc(65536);
	len = flistxattr(fd, list, (size_t)len);
	if (len < 0)
		return errno == ERANGE ? -EAGAIN : -errno;
	for (char *p = list; p < list + len; p += strlen(p) + 1)
		names[n++] = p;
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; i < n; i++) {
		ssize_t size = fgetxattr(fd, names[i], value, 65536);
		uint64_t header[2];

		if (strcmp(names[i], "security.capability") == 0)
			return 1;
		if (size < 0)
			return errno == ENODATA ? -EAGAIN : -errno;
		header[0] = strlen(names[i]);
		header[1] = (uint64_t)size;
		digest_update(d, header, sizeof(header));
		digest_update(d, names[i], header[0]);
		digest_update(d, value, (size_t)size);
	}
	return 0;
}

static int add_contents(struct digest *d, int fd, uint64_t size)
{
	_cleanup_free_ char *chunk = xmalloc(1 << 18);
	uint64_t at = 0;

	while (at < size) {
		ssize_t n = pread(fd, chunk, 1 << 18, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EAGAIN; /* it shrank */
		digest_update(d, chunk, (size_t)n);
		at += (uint64_t)n;
	}
	return at == size ? 0 : -EAGAIN;
}

int key_fd(int fd, uint8_t key[DIGEST_LEN])
{
	struct digest *d;
	struct statx stx;
	struct meta m;
	uint64_t header[8];
	int r;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) < 0)
		return -errno;
	m = meta_of(&stx);
	memcpy(header, "vpkg-u1", 8);
	header[1] = m.size;
	header[2] = m.mode;
	header[3] = m.uid;
	header[4] = m.gid;
	header[5] = (uint64_t)m.mtime;
	header[6] = m.mtime_nsec;
	header[7] = 0;
	d = digest_new();
	digest_update(d, header, sizeof(header));
	r = add_xattrs(d, fd);
	if (r == 0) {
		static const uint64_t end[2];

		digest_update(d, end, sizeof(end)); /* no xattr has an empty name */
		r = add_contents(d, fd, m.size);
	}
	if (r != 0) {
		digest_free(d);
		return r;
	}
	digest_final(d, key);
	return 0;
}

bool no_writers(int fd)
{
	/* Somebody who opens the file in the moment in which we have the lease makes the kernel signal us: with one
	 * that does nothing, instead of SIGIO, which kills. */
	if (fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return false;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return true;
}

/* Waits until the last change is older than a tick of the clock that ctime is taken from. */
static void settle(const struct statx_timestamp *ctime)
{
	struct timespec now;
	int64_t age;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec - ctime->tv_sec > 1 || ctime->tv_sec - now.tv_sec > 1)
		return;
	age = (now.tv_sec - ctime->tv_sec) * 1000000000 + now.tv_nsec - (int64_t)ctime->tv_nsec;
	if (age < TICK_NS && age > -TICK_NS)
		nanosleep(&(struct timespec){.tv_nsec = (long)(TICK_NS - age)}, NULL);
}

int key_guest(int path, const struct statx *seen, uint8_t key[DIGEST_LEN])
{
	_cleanup_close_ int fd = -1;
	struct statx stx;
	int r;

	if (statx(path, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) < 0)
		return -errno;
	if (!S_ISREG(stx.stx_mode) || !same_state(seen, &stx))
		return -EAGAIN;
	settle(&stx.stx_ctime);
	fd = path_reopen(path, O_RDONLY | O_NONBLOCK | O_NOATIME | O_NOCTTY);
	if (fd < 0) {
		r = fd;
		fd = -1;
		return r;
	}
	if (!no_writers(fd))
		return -EAGAIN;
	r = key_fd(fd, key);
	if (r != 0)
		return r;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) < 0)
		return -errno;
	return same_state(seen, &stx) ? 0 : -EAGAIN;
}
