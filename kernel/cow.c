/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Copy on write for sealed files: before a vserver changes one in place, its name is given a private copy, and the
 * change goes there. The host makes the copy, in the directory where the name is, without a name until it is complete
 * and on disk; so there is never half a file, and a death at any point leaves nothing.
 *
 * Only the name that was used gets the copy: further links of the file in the same vserver keep the shared one.
 */
#include "kernel/supervise.h"

#include <linux/capability.h>
#include <linux/openat2.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>

#define SAME_MASK (STATX_INO | STATX_MNT_ID)

static bool same_file(int a, int dir, const char *name)
{
	struct statx x, y;

	return statx(a, "", AT_EMPTY_PATH, SAME_MASK, &x) == 0 &&
	       statx(dir, name, AT_SYMLINK_NOFOLLOW, SAME_MASK, &y) == 0 && x.stx_ino == y.stx_ino &&
	       x.stx_mnt_id == y.stx_mnt_id;
}

/* Where the file is: the kernel's own path of it holds no symlink. Whether it is still true is looked at afterwards. */
static int find_name(int victim, struct cow *c)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	char path[PATH_MAX], *slash;
	int r = own_path(victim, path);

	if (r < 0)
		return r;
	slash = strrchr(path, '/');
	if (path[0] != '/' || strlen(slash + 1) > NAME_MAX)
		return -ENOENT;
	memcpy(c->name, slash + 1, strlen(slash + 1) + 1);
	slash[slash == path] = '\0';
	c->dir = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	if (c->dir < 0)
		return -ENOENT;
	return same_file(victim, c->dir, c->name) ? 0 : -ENOENT;
}

static int allow_reserves(bool on)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		return -errno;
	d[0].effective = on ? d[0].permitted : d[0].permitted & ~(1u << CAP_SYS_RESOURCE);
	return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

/* Blocks and quota are taken as the vserver's root, not as the host's: that one may use what the file system keeps for
 * it, and a guest could use it up. The host's root also has no id in the idmapped mount which the directory is reached
 * by. All other capabilities stay. */
static int spend_as(uint32_t id)
{
	setfsgid(id);
	setfsuid(id);
	return (uint32_t)setfsuid((uid_t)-1) != id ? -EPERM : allow_reserves(false);
}

static void spend_as_host(void)
{
	setfsuid(0);
	setfsgid(0);
	allow_reserves(true);
}

static int make_twin(struct cow *c)
{
	int r = spend_as(c->id);

	if (r == 0) {
		c->twin = openat(c->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		r = c->twin < 0 ? -errno : copy_meta(c->old, c->twin);
		c->twin = c->twin < 0 ? -1 : c->twin;
	}
	spend_as_host();
	return r;
}

int cow_begin(int victim, uint32_t uid_base, struct cow *ret)
{
	int r;

	*ret = (struct cow){.dir = -1, .old = -1, .twin = -1, .id = uid_base};
	r = find_name(victim, ret);
	if (r < 0)
		return r;
	ret->old = own_reopen(victim, O_RDONLY | O_NONBLOCK | O_NOATIME);
	if (ret->old < 0) {
		r = ret->old;
		ret->old = -1;
		return r;
	}
	return make_twin(ret);
}

int cow_fill(const struct cow *c)
{
	int r = spend_as(c->id);

	if (r == 0)
		r = copy_data(c->old, c->twin);
	/* Again, since writing changed the times and the trial of the change may have changed anything. */
	if (r == 0)
		r = copy_meta(c->old, c->twin);
	if (r == 0 && fsync(c->twin) < 0)
		r = -errno;
	spend_as_host();
	return r;
}

void cow_close(struct cow *c)
{
	c->dir = close_fd(c->dir);
	c->old = close_fd(c->old);
	c->twin = close_fd(c->twin);
}
