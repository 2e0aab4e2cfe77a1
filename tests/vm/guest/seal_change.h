/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For seal_try.c: ways to change contents that take more than one system call. Each returns 0 or an
 * errno.
 */
#pragma once

#include "tests/vm/guest/seal_base.h"

#include <linux/loop.h>
#include <linux/userfaultfd.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static int do_writev(const char *p)
{
	struct iovec v[2] = {{"X", 1}, {"Y", 1}};

	return result(writev(best(p), v, 2));
}

static int do_pwritev2(const char *p)
{
	struct iovec v = {"X", 1};

	return result(pwritev2(best(p), &v, 1, 0, RWF_APPEND));
}

static int do_append(const char *p)
{
	int fd = best(p);

	return result(fcntl(fd, F_SETFL, O_APPEND) < 0 ? -1 : write(fd, "X", 1));
}

static int do_aio(const char *p)
{
	struct { /* struct iocb */
		uint64_t data;
		uint32_t key, rw_flags;
		uint16_t opcode;
		int16_t reqprio;
		uint32_t fd;
		uint64_t buf, nbytes;
		int64_t offset;
		uint64_t reserved;
		uint32_t flags, resfd;
	} cb = {.opcode = 1 /* IOCB_CMD_PWRITE */, .buf = (uint64_t)(uintptr_t) "X", .nbytes = 1}, *list = &cb;
	struct {
		uint64_t data, obj;
		int64_t res, res2;
	} event = {0};
	unsigned long context = 0;

	cb.fd = (uint32_t)best(p);
	if (syscall(SYS_io_setup, 1, &context) < 0 || syscall(SYS_io_submit, context, 1, &list) < 0 ||
	    syscall(SYS_io_getevents, context, 1, 1, &event, NULL) < 0)
		return errno;
	return event.res < 0 ? (int)-event.res : 0;
}

static int do_mmap(const char *p)
{
	char *m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, best(p), 0);

	if (m == MAP_FAILED)
		return errno;
	m[100] ^= 1;
	return result(msync(m, SIZE, MS_SYNC));
}

static int do_mprotect(const char *p)
{
	char *m = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, best(p), 0);

	if (m == MAP_FAILED || mprotect(m, SIZE, PROT_READ | PROT_WRITE) < 0)
		return errno;
	m[100] ^= 1;
	return 0;
}

/* Holes are made in a file by its mapping. */
static int do_madvise(const char *p)
{
	char *m = best_map(p);

	return m == MAP_FAILED ? errno : result(madvise(m, 4096, MADV_REMOVE));
}

/* A child that has it mapped and waits; what another process then writes to that memory. */
static pid_t mapper(char *m)
{
	pid_t pid = m == MAP_FAILED ? -1 : fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static int end_mapper(pid_t pid, int r)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

static int do_vm_write(const char *p)
{
	char *m = best_map(p);
	struct iovec from = {"X", 1}, to = {m + 100, 1};
	pid_t pid = mapper(m);

	return pid < 0 ? errno : end_mapper(pid, result(process_vm_writev(pid, &from, 1, &to, 1, 0)));
}

static int do_poke(const char *p)
{
	char *m = best_map(p);
	pid_t pid = mapper(m);

	if (pid < 0 || ptrace(PTRACE_ATTACH, pid, 0, 0) < 0 || waitpid(pid, NULL, 0) < 0)
		return errno;
	return end_mapper(pid, result(ptrace(PTRACE_POKEDATA, pid, m + 104, 0x5858585858585858)));
}

static int do_proc_mem(const char *p)
{
	char *m = best_map(p), path[64];
	pid_t pid = mapper(m);

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	return pid < 0 ? errno : end_mapper(pid, result(pwrite(open(path, O_RDWR), "X", 1, (off_t)(long)(m + 100))));
}

/* No file system but one in memory lets anybody fill in the pages of a file. */
static int do_userfaultfd(const char *p)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register r = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	char *m = best_map(p);

	r.range.start = (uint64_t)(uintptr_t)m;
	r.range.len = SIZE;
	if (m == MAP_FAILED || fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0)
		return errno;
	return result(ioctl(fd, UFFDIO_REGISTER, &r));
}

/* A file with other contents, to copy from. */
static int source(void)
{
	static char data[SIZE];
	int fd = open(other("source"), O_RDWR | O_CREAT, 0644);

	memset(data, 'c', sizeof(data));
	if (pwrite(fd, data, sizeof(data), 0) != sizeof(data))
		return fails(EIO);
	return fd;
}

static int do_copy_range(const char *p)
{
	int from = source();
	loff_t a = 0, b = 0;

	return result(copy_file_range(from, &a, best(p), &b, 4096, 0));
}

static int do_clone(const char *p)
{
	int from = source();

	return result(ioctl(best(p), FICLONE, from));
}

static int do_clone_range(const char *p)
{
	struct file_clone_range r = {.src_fd = source(), .src_length = 4096};

	return result(ioctl(best(p), FICLONERANGE, &r));
}

static int do_sendfile(const char *p)
{
	int from = source();
	off_t at = 0;

	return result(sendfile(best(p), from, &at, 9));
}

static int do_splice(const char *p)
{
	int pipes[2];
	loff_t at = 0;

	if (pipe(pipes) < 0 || write(pipes[1], "text", 4) < 0)
		return errno;
	return result(splice(pipes[0], NULL, best(p), &at, 4, 0));
}

/* Memory that becomes the pipe's, and then the file's. */
static int do_vmsplice(const char *p)
{
	int pipes[2];
	loff_t at = 0;
	struct iovec v = {mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096};

	memset(v.iov_base, 'v', 4096);
	if (pipe(pipes) < 0 || vmsplice(pipes[1], &v, 1, SPLICE_F_GIFT) < 0)
		return errno;
	return result(splice(pipes[0], NULL, best(p), &at, 4096, SPLICE_F_MOVE));
}

static int do_memfd(const char *p)
{
	int from = memfd_create("m", 0);
	off_t at = 0;

	if (write(from, "text", 4) < 0)
		return errno;
	return result(sendfile(best(p), from, &at, 4));
}

/* By a block device whose contents the file is; nothing lies between that and the file's pages. */
static int do_loop(const char *p)
{
	struct loop_config config = {.fd = (uint32_t)best(p), .info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO};
	int control = open("/dev/loop-control", O_RDWR), n = ioctl(control, LOOP_CTL_GET_FREE), fd, writable, off = 0,
	    r;
	char path[32], data[512];

	snprintf(path, sizeof(path), "/dev/loop%d", n);
	fd = open(path, O_RDWR);
	if (n < 0 || fd < 0 || ioctl(fd, LOOP_CONFIGURE, &config) < 0)
		return errno;
	memset(data, 'l', sizeof(data));
	ioctl(fd, BLKROSET, &off);
	r = result(pwrite(fd, data, sizeof(data), 0) == (ssize_t)sizeof(data) ? fsync(fd) : -1);
	writable = open(path, O_RDWR);
	if (r && writable >= 0)
		r = result(pwrite(writable, data, sizeof(data), 0) < 0 ? -1 : fsync(writable));
	return r;
}
