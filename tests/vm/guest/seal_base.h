/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For seal_try.c: what its tries have in common.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h>
#include <sched.h>
#include <sys/mount.h>

#define SIZE 65536

static const char *dir; /* for what a try makes besides */

static int result(long r)
{
	return r < 0 ? errno : 0;
}

/* The last four stay. */
static char *other(const char *name)
{
	static char path[4][4096];
	static int i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static char *fd_path(const char *of, int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/%s/%d", of, fd);
	return path;
}

/* An errno stays in errno, as for a system call. */
static int fails(int error)
{
	errno = error;
	return -1;
}

/* A descriptor for writing; where that is refused, the best that one gets: the try goes on with it, and whatever then
 * fails counts as refused. */
static bool got_less;

static int best(const char *p)
{
	int fd = open(p, O_RDWR);

	if (fd >= 0 || (errno != EPERM && errno != EACCES))
		return fd;
	got_less = true;
	return open(p, O_RDONLY);
}

/* A shared mapping of it, writable if one may. */
static char *best_map(const char *p)
{
	int fd = best(p);

	return mmap(NULL, SIZE, got_less ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static int write_open(const char *p)
{
	return result(open(p, O_WRONLY));
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* Becomes root of a new user namespace, with the same numbers. */
static int new_userns(void)
{
	return unshare(CLONE_NEWUSER) < 0 || write_text("/proc/self/setgroups", "deny") < 0 ||
			       write_text("/proc/self/uid_map", "0 0 1") < 0 ||
			       write_text("/proc/self/gid_map", "0 0 1") < 0
		       ? -1
		       : 0;
}

static int own_mounts(void)
{
	return unshare(CLONE_NEWNS) < 0 ? -1 : mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}
