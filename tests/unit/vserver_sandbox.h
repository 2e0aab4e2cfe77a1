/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the unit tests of vserver/ stand in: a mount namespace and a sysroot of their own, as root or as anybody.
 */
#pragma once

#include "tests/unit/sysroot.h"
#include "vserver/vserver.h"

#include <sched.h>
#include <sys/mount.h>

static inline void sandbox_vserver(const char *name, const char *conf)
{
	_cleanup_free_ char *file = xasprintf("/etc/vservers/%s.conf", name),
			    *marker = xasprintf("/vservers/%s/etc/x", name);

	put(file, conf);
	put(marker, "");
}

static inline bool sandbox_map(const char *file, unsigned id)
{
	_cleanup_free_ char *text = xasprintf("0 %u 1", id);
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) > 0;
}

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

/* Why these tests have nothing to stand on, or NULL: under valgrind the system calls may not be there that all of
 * vserver/ needs. */
static inline const char *sandbox_calls_missing(void)
{
	_cleanup_close_ int fd = path_open(AT_FDCWD, ".", O_PATH, 0);
	_cleanup_close_ int tree = open_tree(AT_FDCWD, "/nonexistent", OPEN_TREE_CLOEXEC);

	return fd == -ENOSYS || (tree < 0 && errno == ENOSYS) ? "no openat2 or open_tree here" : NULL;
}

/* The same, or enters a mount namespace. */
static inline const char *sandbox_missing(void)
{
	const char *calls = sandbox_calls_missing();

	if (calls || sandbox_enter())
		return calls;
	return "no mount namespace for this user here; run as root, or allow user namespaces";
}

static inline int sandbox_teardown(void **state)
{
	_cleanup_free_ char *home = place("/vservers");

	while (umount2(home, MNT_DETACH) == 0)
		;
	return sysroot_teardown(state);
}

#define T(f) cmocka_unit_test_setup_teardown(f, sysroot_setup, sandbox_teardown)
