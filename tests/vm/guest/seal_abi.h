/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For seal_try.c: system calls made in other ways than the usual one: through io_uring, by its worker and its poll
 * thread too, and through the kernel's 32-bit entry. Each returns 0 or an errno.
 */
#pragma once

#include "tests/vm/guest/seal_base.h"

#include <linux/io_uring.h>

static int ring(struct io_uring_sqe *want, unsigned setup_flags)
{
	struct io_uring_params params = {.flags = setup_flags, .sq_thread_idle = 1000};
	int fd = (int)syscall(SYS_io_uring_setup, 4, &params);
	unsigned *tail, *array;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqe;
	char *rings;
	size_t size;

	if (fd < 0)
		return errno;
	size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
	rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
	sqes = mmap(NULL, 4 * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQES);
	if (rings == MAP_FAILED || sqes == MAP_FAILED)
		return errno;
	sqes[0] = *want;
	tail = (unsigned *)(rings + params.sq_off.tail);
	array = (unsigned *)(rings + params.sq_off.array);
	array[0] = 0;
	__atomic_store_n(tail, 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, fd, 1, 1,
		    IORING_ENTER_GETEVENTS | (setup_flags & IORING_SETUP_SQPOLL ? IORING_ENTER_SQ_WAKEUP : 0), NULL,
		    0) < 0)
		return errno;
	cqe = (struct io_uring_cqe *)(rings + params.cq_off.cqes);
	return cqe->res < 0 ? -cqe->res : 0;
}

static int ring_open(const char *p, unsigned setup, unsigned char sqe_flags)
{
	struct io_uring_sqe s = {.opcode = IORING_OP_OPENAT,
				 .flags = sqe_flags,
				 .fd = AT_FDCWD,
				 .addr = (uint64_t)(uintptr_t)p,
				 .open_flags = O_WRONLY};

	return ring(&s, setup);
}

#define RING_FTRUNCATE 55 /* since 6.9 */

/* On the best descriptor, for "X" at the begin, by the worker where the caller would not have to wait. */
static int ring_fd(const char *p, unsigned char op, unsigned char sqe_flags)
{
	static struct iovec v = {"X", 1};
	struct io_uring_sqe s = {.opcode = op, .flags = sqe_flags, .fd = best(p)};

	switch (op) {
	case IORING_OP_WRITE:
		s.addr = (uint64_t)(uintptr_t)v.iov_base;
		s.len = 1;
		break;
	case IORING_OP_WRITEV:
		s.addr = (uint64_t)(uintptr_t)&v;
		s.len = 1;
		break;
	case IORING_OP_FALLOCATE: /* len is the mode, addr the length */
		s.len = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
		s.addr = 4096;
		break;
	case RING_FTRUNCATE:
		s.off = 1;
		break;
	case IORING_OP_FSETXATTR:
		s.addr = (uint64_t)(uintptr_t) "user.new";
		s.addr2 = (uint64_t)(uintptr_t) "x";
		s.len = 1;
		break;
	}
	return ring(&s, 0);
}

static int ring_xattr(const char *p)
{
	struct io_uring_sqe s = {.opcode = IORING_OP_SETXATTR,
				 .fd = AT_FDCWD,
				 .addr = (uint64_t)(uintptr_t) "user.new",
				 .addr2 = (uint64_t)(uintptr_t) "x",
				 .len = 1,
				 .flags = IOSQE_ASYNC};
	uint64_t path = (uint64_t)(uintptr_t)p;

	memcpy((char *)&s + 48, &path, sizeof(path)); /* addr3, which older headers do not name */
	return ring(&s, 0);
}

/* The kernel's 32-bit system calls take pointers below 4 GB: there is a copy. */
static char *low(const void *data, size_t len)
{
	char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	return m == MAP_FAILED ? NULL : memcpy(m, data, len);
}

static char *low_text(const char *text)
{
	return low(text, strlen(text) + 1);
}

static int old_call(int nr, long a, long b, long c, long d)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)r < 0 ? -(int)r : 0;
}

/* One that takes a path first. */
static int old_path(int nr, const char *path, long b, long c)
{
	return old_call(nr, (long)low_text(path), b, c, 0);
}

static int old_write(const char *p)
{
	return old_call(4, best(p), (long)low_text("X"), 1, 0);
}

static int old_ftruncate(const char *p)
{
	return old_call(93, best(p), 1, 0, 0);
}

static int old_utime(const char *p)
{
	static const int32_t times32[2] = {1, 2};

	return old_path(30, p, (long)low(times32, sizeof(times32)), 0);
}

static int old_setxattr(const char *p)
{
	char *name = low_text("user.new");

	return old_call(226, (long)low_text(p), (long)name, (long)name, 1);
}

static int old_setflags(const char *p)
{
	int fd = open(p, O_RDONLY), flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return errno;
	flags ^= FS_NODUMP_FL;
	return old_call(54, fd, 0x40046602 /* FS_IOC32_SETFLAGS */, (long)low(&flags, sizeof(flags)), 0);
}
