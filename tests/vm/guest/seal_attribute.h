/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For seal_try.c: ways to change attributes that take more than one system call, and what is no change but reaches a
 * neighbour. Each returns 0 or an errno.
 */
#pragma once

#include "tests/vm/guest/seal_base.h"

#include <linux/btrfs.h>
#include <linux/fsverity.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/swap.h>
#include <sys/xattr.h>

static int utimes_atime(const char *p)
{
	const struct timespec t[2] = {{1, 2}, {0, UTIME_OMIT}};

	return result(utimensat(AT_FDCWD, p, t, 0));
}

static int set_capability(const char *p)
{
	static const uint32_t cap[5] = {0x02000001, 1 << 10};

	return result(setxattr(p, "security.capability", cap, sizeof(cap), 0));
}

static int chmod_userns(const char *p)
{
	return new_userns() < 0 ? errno : result(chmod(p, 0600));
}

static int setxattr_userns(const char *p)
{
	return new_userns() < 0 ? errno : result(setxattr(p, "user.new", "x", 1, 0));
}

static int change_flags(const char *p, int add, int remove)
{
	int fd = open(p, O_RDONLY), flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return errno;
	flags = (flags | add) & ~remove;
	return result(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

/* Also put back: a twin that nobody could remove would be in the way of the next. */
static int flags_and_back(const char *p, int flag)
{
	int r = change_flags(p, flag, 0);

	return r ? r : change_flags(p, 0, flag);
}

static int flags_userns(const char *p)
{
	return new_userns() < 0 ? errno : change_flags(p, 0, FS_SYNC_FL | FS_NOATIME_FL | FS_NODUMP_FL);
}

static int fsxattr(const char *p, uint32_t toggle, uint32_t project)
{
	int fd = open(p, O_RDONLY);
	struct fsxattr a;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &a) < 0)
		return errno;
	a.fsx_xflags ^= toggle;
	a.fsx_projid = project;
	return result(ioctl(fd, FS_IOC_FSSETXATTR, &a));
}

/* file_setattr(2), since 6.17. */
static int do_file_setattr(const char *p)
{
	struct {
		uint64_t xflags;
		uint32_t extsize, nextents, projid, cowextsize;
	} a = {.xflags = FS_XFLAG_NODUMP};

	return result(syscall(469, AT_FDCWD, p, &a, sizeof(a), 0));
}

static int set_version(const char *p)
{
	int fd = open(p, O_RDONLY);
	long version = 77;

	return result(ioctl(fd, FS_IOC_SETVERSION, &version));
}

static int do_verity(const char *p)
{
	struct fsverity_enable_arg a = {.version = 1, .hash_algorithm = FS_VERITY_HASH_ALG_SHA256, .block_size = 4096};

	return result(ioctl(open(p, O_RDONLY), FS_IOC_ENABLE_VERITY, &a));
}

static int do_defrag(const char *p)
{
	struct btrfs_ioctl_defrag_range_args a = {.len = (uint64_t)-1, .flags = BTRFS_DEFRAG_RANGE_START_IO};

	return result(ioctl(open(p, O_RDONLY), BTRFS_IOC_DEFRAG_RANGE, &a));
}

/* XFS sets extended attributes of whatever a handle says, by any descriptor of the file system. */
static int xfs_attr_by_handle(const char *p)
{
	struct request { /* struct xfs_fsop_handlereq */
		uint32_t fd;
		const void *path;
		uint32_t oflags;
		const void *ihandle;
		uint32_t ihandlen;
		void *ohandle;
		uint32_t *ohandlen;
	} ask = {.fd = (uint32_t)open(p, O_RDONLY)};
	struct {
		uint32_t opcode;
		int32_t error;
		const void *name, *value;
		uint32_t length, flags;
	} op = {.opcode = 2 /* ATTR_OP_SET */, .name = "new", .value = "x", .length = 1};
	struct {
		struct request on;
		uint32_t count;
		const void *ops;
	} multi = {.count = 1, .ops = &op};
	char handle[64];
	uint32_t len = sizeof(handle);
	int at = open(dir, O_RDONLY);

	ask.ohandle = handle;
	ask.ohandlen = &len;
	if (ioctl(at, _IOWR('X', 106, struct request), &ask) < 0)
		return errno;
	multi.on.ihandle = handle;
	multi.on.ihandlen = len;
	if (ioctl(at, _IOC(_IOC_WRITE, 'X', 123, sizeof(multi)), &multi) < 0)
		return errno;
	return op.error < 0 ? -op.error : op.error;
}

/* ---- what is no change, but reaches a neighbour; and other system calls that write ------------------------------- */

static int write_hint(const char *p)
{
	uint64_t hint = 3;

	return result(fcntl(open(p, O_RDONLY), F_SET_RW_HINT, &hint));
}

static int fa_watch(const char *p)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);

	return result(fd < 0 ? fd : fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, p));
}

static int do_swapon(const char *p)
{
	int fd = open(p, O_WRONLY), r;
	uint32_t header[3] = {1, SIZE / 4096 - 1, 0};

	/* The twin becomes a swap file; of the other the kernel has to say the same as without that. */
	if (fd >= 0) {
		static char zero[SIZE];

		if (pwrite(fd, zero, SIZE, 0) < 0 || pwrite(fd, header, sizeof(header), 1024) < 0 ||
		    pwrite(fd, "SWAPSPACE2", 10, 4086) < 0 || fsync(fd) < 0)
			return errno;
		close(fd);
	}
	r = result(swapon(p, 0));
	if (r == 0)
		swapoff(p);
	return r;
}

static int do_acct(const char *p)
{
	int r = result(acct(p));

	if (r == 0)
		acct(NULL);
	return r;
}
