/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For seal_try.c: ways to a descriptor that can write, other than the plain open. Each returns 0 or an errno.
 */
#pragma once

#include "tests/vm/guest/seal_base.h"

#include <pthread.h>

static int do_openat2(const char *p)
{
	struct {
		uint64_t flags, mode, resolve;
	} how = {.flags = O_RDWR};

	return result(syscall(SYS_openat2, AT_FDCWD, p, &how, sizeof(how)));
}

static int by_handle(const char *p, int flags)
{
	struct {
		struct file_handle h;
		char space[MAX_HANDLE_SZ];
	} h = {.h.handle_bytes = MAX_HANDLE_SZ};
	int mount;

	if (name_to_handle_at(AT_FDCWD, p, &h.h, &mount, 0) < 0)
		return errno;
	return result(open_by_handle_at(open(dir, O_RDONLY), &h.h, flags));
}

static int open_map_file(const char *p)
{
	int fd = open(p, O_RDONLY);
	void *m = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	char path[128];

	if (m == MAP_FAILED)
		return errno;
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (long)m, (long)m + SIZE);
	return result(open(path, O_RDWR));
}

static int open_link(const char *p)
{
	char *l = other("link");
	int r;

	unlink(l);
	if (link(p, l) < 0)
		return errno;
	r = write_open(l);
	unlink(l);
	return r;
}

static int open_symlink(const char *p)
{
	char *l = other("symlink");

	unlink(l);
	return symlink(p, l) < 0 ? errno : write_open(l);
}

static int open_bind(const char *p)
{
	char *at = other("bind");

	close(open(at, O_CREAT | O_WRONLY, 0644));
	return own_mounts() < 0 || mount(p, at, NULL, MS_BIND, NULL) < 0 ? errno : write_open(at);
}

/* The namespace of a child that waits, where ids are as here. */
static int other_userns(void)
{
	char path[64];
	int ready[2], fd;
	pid_t pid;

	if (pipe(ready) < 0 || (pid = fork()) < 0)
		return -1;
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	if (read(ready[0], path, 1) != 1)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	if (write_text(path, "0 0 65536") < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
	if (write_text(path, "0 0 65536") < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

static int open_idmapped(const char *p)
{
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, p, OPEN_TREE_CLONE);
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)other_userns()};

	if (tree < 0 || (int)attr.userns_fd < 0 ||
	    syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return errno;
	return write_open(fd_path("fd", tree));
}

/* An overlay whose upper layer has a name of it. */
static const char *overlay(const char *p)
{
	char options[8192], *upper = other("upper"), *at = other("merged"), name[4096];

	mkdir(other("lower"), 0755);
	mkdir(upper, 0755);
	mkdir(other("work"), 0755);
	mkdir(at, 0755);
	snprintf(name, sizeof(name), "%s/f", upper);
	unlink(name);
	snprintf(options, sizeof(options), "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", dir, dir, dir);
	if (link(p, name) < 0 || own_mounts() < 0 || mount("o", at, "overlay", 0, options) < 0)
		return NULL;
	return other("merged/f");
}

static int open_overlay(const char *p)
{
	const char *over = overlay(p);

	return over ? write_open(over) : errno;
}

static int chmod_overlay(const char *p)
{
	const char *over = overlay(p);

	return over ? result(chmod(over, 0600)) : errno;
}

static int open_userns(const char *p)
{
	return new_userns() < 0 ? errno : write_open(p);
}

static int open_nested_userns(const char *p)
{
	return new_userns() < 0 || new_userns() < 0 || own_mounts() < 0 ? errno : write_open(p);
}

static int own_cgroup(char *ret, size_t size)
{
	char line[512] = "";
	FILE *f = fopen("/proc/self/cgroup", "r");

	while (f && fgets(line, sizeof(line), f) && strncmp(line, "0::", 3) != 0)
		;
	line[strcspn(line, "\n")] = 0;
	return snprintf(ret, size, "/sys/fs/cgroup%s", line + 3);
}

static int move_to(const char *cgroup)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	return write_text(path, "0");
}

static int open_subgroup(const char *p)
{
	char own[600], below[700];
	int r;

	own_cgroup(own, sizeof(own));
	snprintf(below, sizeof(below), "%s/below", own);
	mkdir(below, 0755);
	if (move_to(below) < 0)
		return errno;
	r = write_open(p);
	return move_to(own) < 0 || rmdir(below) < 0 ? errno : r;
}

static void *in_thread(void *p)
{
	return (void *)(long)result(open(p, O_RDWR));
}

static int open_thread(const char *p)
{
	pthread_t t;
	void *r;

	if (pthread_create(&t, NULL, in_thread, (void *)(uintptr_t)p) != 0)
		return EAGAIN;
	pthread_join(t, &r);
	return (int)(long)r;
}
