/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The system calls that a context's supervisor is asked about: the filter that stops them, and what their arguments
 * are.
 *
 * The filter is the second of a context (filter.c has the first): a program of its own, because the kernel gives its
 * listener only to whoever loads it. What the first one refuses never comes here. It costs a call that it does not name
 * nothing since Linux 5.11, which keeps a bitmap of those that every filter lets pass.
 */
#include "kernel/supervise.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/filter.h>

/* Headers of Linux 5.19 and newer have it; of older ones the value is the same. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* Indices of arguments; NONE: the call has no such one. */
#define NONE (-1)
struct form {
	const char *name;
	enum call_kind kind;
	int8_t dir[2], path[2];
	int8_t flags, value[2];
	unsigned fixed; /* flags that the call's name implies */
	int number;     /* of a call that libseccomp may not know: the same on every architecture. Else 0 */
};

static const struct form forms[] = {
	{"unlink", CALL_UNLINK, {NONE, NONE}, {0, NONE}, NONE, {NONE, NONE}, 0, 0},
	/* dpkg calls rmdir on anything and wants ENOTDIR for a file; of a sealed one the kernel says EPERM first. */
	{"rmdir", CALL_UNLINK, {NONE, NONE}, {0, NONE}, NONE, {NONE, NONE}, AT_REMOVEDIR, 0},
	{"unlinkat", CALL_UNLINK, {0, NONE}, {1, NONE}, 2, {NONE, NONE}, 0, 0},
	{"rename", CALL_RENAME, {NONE, NONE}, {0, 1}, NONE, {NONE, NONE}, 0, 0},
	{"renameat", CALL_RENAME, {0, 2}, {1, 3}, NONE, {NONE, NONE}, 0, 0},
	{"renameat2", CALL_RENAME, {0, 2}, {1, 3}, 4, {NONE, NONE}, 0, 0},
	{"link", CALL_LINK, {NONE, NONE}, {0, 1}, NONE, {NONE, NONE}, 0, 0},
	{"linkat", CALL_LINK, {0, 2}, {1, 3}, 4, {NONE, NONE}, 0, 0},
	/* From here on with CTX_COW only. */
	{"open", CALL_OPEN, {NONE, NONE}, {0, NONE}, 1, {NONE, NONE}, 0, 0},
	{"openat", CALL_OPEN, {0, NONE}, {1, NONE}, 2, {NONE, NONE}, 0, 0},
	{"creat", CALL_OPEN, {NONE, NONE}, {0, NONE}, NONE, {NONE, NONE}, O_CREAT | O_WRONLY | O_TRUNC, 0},
	{"truncate", CALL_TRUNCATE, {NONE, NONE}, {0, NONE}, NONE, {NONE, NONE}, 0, 0},
	{"truncate64", CALL_TRUNCATE, {NONE, NONE}, {0, NONE}, NONE, {NONE, NONE}, 0, 0},
	{"chmod", CALL_MODE, {NONE, NONE}, {0, NONE}, NONE, {1, NONE}, 0, 0},
	{"fchmodat", CALL_MODE, {0, NONE}, {1, NONE}, NONE, {2, NONE}, 0, 0},
	{"fchmodat2", CALL_MODE, {0, NONE}, {1, NONE}, 3, {2, NONE}, 0, 452},
	{"chown", CALL_OWNER, {NONE, NONE}, {0, NONE}, NONE, {1, 2}, 0, 0},
	{"chown32", CALL_OWNER, {NONE, NONE}, {0, NONE}, NONE, {1, 2}, 0, 0},
	{"lchown", CALL_OWNER, {NONE, NONE}, {0, NONE}, NONE, {1, 2}, AT_SYMLINK_NOFOLLOW, 0},
	{"lchown32", CALL_OWNER, {NONE, NONE}, {0, NONE}, NONE, {1, 2}, AT_SYMLINK_NOFOLLOW, 0},
	{"fchownat", CALL_OWNER, {0, NONE}, {1, NONE}, 4, {2, 3}, 0, 0},
	{"utime", CALL_TIMES, {NONE, NONE}, {0, NONE}, NONE, {1, NONE}, 0, 0},
	{"utimes", CALL_TIMES, {NONE, NONE}, {0, NONE}, NONE, {1, NONE}, 0, 0},
	{"futimesat", CALL_TIMES, {0, NONE}, {1, NONE}, NONE, {2, NONE}, 0, 0},
	{"utimensat", CALL_TIMES, {0, NONE}, {1, NONE}, 3, {2, NONE}, 0, 0},
	{"utimensat_time64", CALL_TIMES, {0, NONE}, {1, NONE}, 3, {2, NONE}, 0, 0},
	{"setxattr", CALL_XATTR, {NONE, NONE}, {0, NONE}, NONE, {1, NONE}, 0, 0},
	{"lsetxattr", CALL_XATTR, {NONE, NONE}, {0, NONE}, NONE, {1, NONE}, AT_SYMLINK_NOFOLLOW, 0},
	{"removexattr", CALL_XATTR, {NONE, NONE}, {0, NONE}, NONE, {1, NONE}, 0, 0},
	{"lremovexattr", CALL_XATTR, {NONE, NONE}, {0, NONE}, NONE, {1, NONE}, AT_SYMLINK_NOFOLLOW, 0},
	{"setxattrat", CALL_XATTR, {0, NONE}, {1, NONE}, 2, {3, NONE}, 0, 463},
	{"removexattrat", CALL_XATTR, {0, NONE}, {1, NONE}, 2, {3, NONE}, 0, 466},
};

/* ---- the filter -------------------------------------------------------------------------------------------------- */

/* An open is asked about when it can change a file that is there: for writing or to truncate, and not where O_EXCL (it
 * must not be there) or O_DIRECTORY (it is no file; O_TMPFILE has that bit, too) excludes it. Rules of one call are
 * alternatives. */
static int open_rules(scmp_filter_ctx f, int nr, unsigned arg)
{
	static const uint64_t wanted[] = {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(wanted); i++) {
		uint64_t mask = O_ACCMODE | O_EXCL | O_DIRECTORY | (wanted[i] & O_TRUNC);

		r = seccomp_rule_add(f, SCMP_ACT_NOTIFY, nr, 1, SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, mask, wanted[i]));
	}
	return r;
}

/* Where libseccomp does not know the call, the filter does not either. */
static int refuse(scmp_filter_ctx f, const char *name, uint32_t error)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(f, SCMP_ACT_ERRNO(error), nr, 0);
}

static bool unknown(const struct form *f)
{
	return seccomp_syscall_resolve_name(f->name) == __NR_SCMP_ERROR;
}

static int rules(scmp_filter_ctx f, bool cow)
{
	int r = 0, nr;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(forms); i++) {
		if (unknown(&forms[i]) || (forms[i].kind >= CALL_OPEN && !cow))
			continue;
		nr = seccomp_syscall_resolve_name(forms[i].name);
		if (forms[i].kind == CALL_OPEN && forms[i].flags != NONE)
			r = open_rules(f, nr, (unsigned)forms[i].flags);
		else
			r = seccomp_rule_add(f, SCMP_ACT_NOTIFY, nr, 0);
	}
	/* Its flags are in memory; programs that use it can do without. */
	if (r == 0 && cow)
		r = refuse(f, "openat2", ENOSYS);
	/* What a program forbids itself by Landlock would not bind the actor, which has no way to learn of it: so it is
	 * told that there is no Landlock here, rather than to rely on it. */
	if (r == 0)
		r = refuse(f, "landlock_create_ruleset", EOPNOTSUPP);
	return r;
}

/* Instructions before libseccomp's, for what it does not know: notify on these numbers, else go on with its own. They
 * are the same for 32-bit programs; the third entry (x32) has a bit more in them and is refused by the first filter. */
static size_t newer_rules(bool cow, struct sock_filter code[2 * ARRAY_LEN(forms) + 1])
{
	size_t n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (forms[i].number && unknown(&forms[i]) && (forms[i].kind < CALL_OPEN || cow)) {
			code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)forms[i].number,
								 0, 1);
			code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
		}
	return n;
}

/* Loads what libseccomp made by hand, since only then the listener's flags are ours to choose. */
static int load_program(int fd, bool cow)
{
	_cleanup_free_ struct sock_filter *code = NULL;
	struct sock_fprog prog;
	struct stat st;
	size_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	code = xmalloc((2 * ARRAY_LEN(forms) + 1) * sizeof(*code) + (size_t)st.st_size);
	n = newer_rules(cow, code);
	if (pread(fd, code + n, (size_t)st.st_size, 0) != st.st_size)
		return -EIO;
	prog.len = (unsigned short)(n + (size_t)st.st_size / sizeof(*code));
	prog.filter = code;
	/* With the second flag, no signal interrupts a caller once its question was read: unlink never fails with
	 * EINTR, and programs do not expect it. Linux before 5.19 does not have it. */
	for (unsigned long flags = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;; flags = 0) {
		int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
					    SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, &prog);

		if (listener >= 0 || errno != EINVAL || !flags)
			return listener < 0 ? -errno : listener;
	}
}

int call_filter(bool cow)
{
	_cleanup_close_ int fd = memfd_create("filter", MFD_CLOEXEC);
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = !f ? -ENOMEM : fd < 0 ? -errno : 0;

	/* What is foreign to the first filter, that one has refused. */
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
#ifdef __x86_64__
	if (r == 0)
		r = seccomp_arch_add(f, SCMP_ARCH_X86);
#endif
	if (r == 0)
		r = rules(f, cow);
	if (r == 0)
		r = seccomp_export_bpf(f, fd);
	if (f)
		seccomp_release(f);
	return r == 0 ? load_program(fd, cow) : r;
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

struct number {
	uint32_t arch;
	int nr;
	const struct form *form;
};
static struct number numbers[2 * ARRAY_LEN(forms)];
static size_t n_numbers;

/* libseccomp's names of architectures are the kernel's. */
static void learn(uint32_t arch)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		int nr = seccomp_syscall_resolve_name_arch(arch, forms[i].name);

		if (nr == __NR_SCMP_ERROR && forms[i].number)
			nr = forms[i].number;
		if (nr >= 0)
			numbers[n_numbers++] = (struct number){arch, nr, &forms[i]};
	}
}

static const struct number *find(const struct seccomp_data *d)
{
	if (n_numbers == 0) {
		learn(seccomp_arch_native());
#ifdef __x86_64__
		learn(SCMP_ARCH_X86);
#endif
	}
	for (size_t i = 0; i < n_numbers; i++)
		if (numbers[i].arch == d->arch && numbers[i].nr == d->nr)
			return &numbers[i];
	return NULL;
}

static bool follows(const struct call *c)
{
	switch (c->kind) {
	case CALL_UNLINK:
	case CALL_RENAME:
		return false;
	case CALL_LINK:
		return c->flags & AT_SYMLINK_FOLLOW;
	case CALL_OPEN:
		return !(c->flags & O_NOFOLLOW);
	default:
		return !(c->flags & AT_SYMLINK_NOFOLLOW);
	}
}

/* The 32-bit chown and lchown have 16-bit ids, of which the last one means "as it is". */
static void widen(const struct number *n, struct call *c)
{
#ifdef __x86_64__
	if (n->arch != SCMP_ARCH_X86 || c->kind != CALL_OWNER || n->form->flags != NONE || strstr(n->form->name, "32"))
		return;
	for (int i = 0; i < 2; i++)
		c->value[i] = (c->value[i] & 0xffff) == 0xffff ? UINT32_MAX : c->value[i] & 0xffff;
#endif
}

bool call_decode(const struct seccomp_data *data, struct call *ret)
{
	const struct number *number = find(data);
	const struct form *f;

	if (!number)
		return false;
	f = number->form;
	ret->kind = f->kind;
	ret->flags = f->fixed | (f->flags == NONE ? 0 : (unsigned)data->args[f->flags]);
	ret->n = f->path[1] == NONE ? 1 : 2;
	for (unsigned i = 0; i < 2; i++) {
		ret->dir[i] = f->dir[i] == NONE ? AT_FDCWD : (int)data->args[f->dir[i]];
		ret->address[i] = f->path[i] == NONE ? 0 : data->args[f->path[i]];
		ret->value[i] = f->value[i] == NONE ? 0 : data->args[f->value[i]];
		ret->path[i][0] = '\0';
	}
	ret->follow = follows(ret);
	widen(number, ret);
	return true;
}
