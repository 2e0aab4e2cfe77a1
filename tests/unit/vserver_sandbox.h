/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the unit tests of vserver/ stand in: a mount namespace and a sysroot of their own, as root or as anybody.
 */
#pragma once

#include "vserver/vserver.h"

#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <cmocka.h>

static char sandbox_root[64];

static inline void sandbox_write(const char *path, const char *text)
{
	_cleanup_free_ char *full = xasprintf("%s%s", sandbox_root, path);
	_cleanup_free_ char *dir = xstrdup(path);
	_cleanup_close_ int fd = -1, at = -1;

	*strrchr(dir, '/') = 0;
	at = place_dir(dir, 0755, NULL);
	assert_true(at >= 0);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static inline void sandbox_vserver(const char *name, const char *conf)
{
	_cleanup_free_ char *file = xasprintf("/etc/vservers/%s.conf", name),
			    *marker = xasprintf("/vservers/%s/etc/x", name);

	sandbox_write(file, conf);
	sandbox_write(marker, "");
}

static inline bool sandbox_map(const char *file, unsigned id)
{
	_cleanup_free_ char *text = xasprintf("0 %u 1", id);
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) > 0;
}

/* Whether the system calls are there that all of vserver/ stands on: under valgrind they may not be. */
static inline bool sandbox_possible(void)
{
	_cleanup_close_ int fd = path_open(AT_FDCWD, ".", O_PATH, 0);
	_cleanup_close_ int tree = open_tree(AT_FDCWD, "/nonexistent", OPEN_TREE_CLOEXEC);

	if (fd == -ENOSYS || (tree < 0 && errno == ENOSYS)) {
		puts("1..0 # SKIP no openat2 or open_tree here");
		return false;
	}
	return true;
}

/* Whether a namespace could be had; else the tests have nothing to stand in. */
static inline bool sandbox_enter(void)
{
	unsigned uid = geteuid(), gid = getegid();

	if (uid == 0) {
		if (unshare(CLONE_NEWNS) < 0)
			return false;
	} else {
		_cleanup_close_ int deny = -1;

		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return false;
		deny = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
		if (deny >= 0 && write(deny, "deny", 4) < 0)
			return false;
		if (!sandbox_map("/proc/self/uid_map", uid) || !sandbox_map("/proc/self/gid_map", gid))
			return false;
	}
	return mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
}

static inline int sandbox_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline int sandbox_setup(void **state)
{
	snprintf(sandbox_root, sizeof(sandbox_root), "/tmp/vpkg-test.XXXXXX");
	if (!mkdtemp(sandbox_root))
		return -1;
	return setenv("VPKG_SYSROOT", sandbox_root, 1);
}

static inline int sandbox_teardown(void **state)
{
	_cleanup_free_ char *home = place("/vservers");

	while (umount2(home, MNT_DETACH) == 0)
		;
	return nftw(sandbox_root, sandbox_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
