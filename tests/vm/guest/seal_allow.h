/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For seal_try.c: what a mark allows, since no file changes by it. Each returns 0 or an errno.
 */
#pragma once

#include "tests/vm/guest/seal_base.h"

#include <linux/fiemap.h>
#include <sys/inotify.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static int allow_read(const char *p)
{
	char c[SIZE];

	return result(read(open(p, O_RDONLY), c, SIZE) == SIZE ? 0 : fails(EIO));
}

static int allow_link(const char *p)
{
	char *l = other("new-link");
	int r = result(link(p, l));

	unlink(l);
	return r;
}

static int allow_unlink(const char *p)
{
	char *l = other("to-unlink");

	return result(link(p, l) < 0 ? -1 : unlink(l));
}

static int allow_rename(const char *p)
{
	char *a = other("to-rename"), *b = other("renamed");
	int r = result(link(p, a) < 0 ? -1 : rename(a, b));

	unlink(b);
	return r;
}

static int allow_rename_over(const char *p)
{
	char *a = other("fresh"), *b = other("victim");
	int r;

	close(open(a, O_CREAT | O_WRONLY, 0644));
	r = result(link(p, b) < 0 ? -1 : rename(a, b));
	unlink(b);
	return r;
}

static int allow_exchange(const char *p)
{
	char *a = other("one"), *b = other("two");
	int r;

	close(open(a, O_CREAT | O_WRONLY, 0644));
	r = result(link(p, b) < 0 ? -1 : renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE));
	unlink(a);
	unlink(b);
	return r;
}

static int allow_private_mmap(const char *p)
{
	char *m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, open(p, O_RDONLY), 0);

	if (m == MAP_FAILED)
		return errno;
	m[100] = 'X';
	return 0;
}

static int allow_copy_from(const char *p)
{
	loff_t a = 0, b = 0;

	return result(
		copy_file_range(open(p, O_RDONLY), &a, open(other("copy"), O_CREAT | O_WRONLY, 0644), &b, 4096, 0));
}

static int allow_getflags(const char *p)
{
	int flags;

	return result(ioctl(open(p, O_RDONLY), FS_IOC_GETFLAGS, &flags));
}

static int allow_fsgetxattr(const char *p)
{
	struct fsxattr a;

	return result(ioctl(open(p, O_RDONLY), FS_IOC_FSGETXATTR, &a));
}

static int allow_fiemap(const char *p)
{
	struct fiemap f = {.fm_length = SIZE};

	return result(ioctl(open(p, O_RDONLY), FS_IOC_FIEMAP, &f));
}

static int allow_getxattr(const char *p)
{
	char v[16];

	return result(getxattr(p, "user.keep", v, sizeof(v)));
}

static int allow_read_lock(const char *p)
{
	struct flock l = {.l_type = F_RDLCK};

	return result(fcntl(open(p, O_RDONLY), F_SETLK, &l));
}

static int allow_dir_watch(const char *p)
{
	(void)p;
	return result(inotify_add_watch(inotify_init1(0), dir, IN_CREATE | IN_MODIFY));
}

static int allow_lease_dir_file(const char *p)
{
	(void)p;
	return result(fcntl(open(other("twin"), O_RDONLY), F_SETLEASE, F_RDLCK));
}

/* Contents are compared by the kernel, and are equal: nothing that anybody could see changes. */
static int allow_dedupe(const char *p)
{
	struct file_dedupe_range *d = calloc(1, sizeof(*d) + sizeof(d->info[0]));
	int from = open(other("twin"), O_RDONLY);

	d->src_length = SIZE;
	d->dest_count = 1;
	d->info[0].dest_fd = open(p, O_RDONLY);
	if (ioctl(from, FIDEDUPERANGE, d) < 0)
		return errno;
	return d->info[0].status < 0 ? -d->info[0].status : 0;
}

/* A private mapping's page becomes the process's own when a tracer writes to it, although it is read-only. */
static int allow_poke(const char *p)
{
	char *m = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, open(p, O_RDONLY), 0);
	int fd = open("/proc/self/mem", O_RDWR);

	if (m == MAP_FAILED)
		return errno;
	return result(pwrite(fd, "XXXX", 4, (off_t)(long)(m + 100)) == 4 && m[100] == 'X' ? 0 : fails(EIO));
}

/* Its pages in a pipe, which is then written to: what CVE-2022-0847 let reach the file. */
static int allow_splice_from(const char *p)
{
	static char buffer[SIZE];
	int pipes[2], fd = open(p, O_RDONLY);
	loff_t at = 0;

	if (pipe(pipes) < 0 || write(pipes[1], buffer, SIZE) != SIZE || read(pipes[0], buffer, SIZE) != SIZE ||
	    splice(fd, &at, pipes[1], NULL, 1, 0) != 1)
		return errno;
	return result(write(pipes[1], "written", 7));
}

static int allow_vmsplice_from(const char *p)
{
	char *m = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, open(p, O_RDONLY), 0);
	struct iovec v = {m, 4096};
	int pipes[2];

	if (m == MAP_FAILED || pipe(pipes) < 0 || vmsplice(pipes[1], &v, 1, SPLICE_F_GIFT) != 4096)
		return errno;
	return result(write(pipes[1], "written", 7));
}

static int allow_sendfile_from(const char *p)
{
	int to = memfd_create("m", 0);
	off_t at = 0;

	return result(sendfile(to, open(p, O_RDONLY), &at, SIZE) == SIZE && pwrite(to, "X", 1, 0) == 1 ? 0 : -1);
}

static int allow_mount_over(const char *p)
{
	char *o = other("over");

	close(open(o, O_CREAT | O_WRONLY, 0644));
	if (own_mounts() < 0 || mount(o, p, NULL, MS_BIND, NULL) < 0)
		return errno;
	return result(write(open(p, O_WRONLY), "other", 5));
}

/* A context may mark files of its own, and take that off again. */
static int allow_own_mark(const char *p)
{
	int fd = open(other("own"), O_CREAT | O_RDWR, 0644), mark = FS_SYNC_FL | FS_NOATIME_FL | FS_NODUMP_FL, flags;

	(void)p;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return errno;
	flags |= mark;
	return result(ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -1 : unlink(other("own")));
}
