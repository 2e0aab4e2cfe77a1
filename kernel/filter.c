/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The system call filter of a context: what no vserver needs and what namespaces do not confine; and, for a package
 * tool's transaction, the filter that makes its flushes free.
 */
#include "kernel/inside.h"

#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>

/* Refused with EPERM. open_by_handle_at walks past any root; keyrings are per user, not per context; the rest drives
 * the kernel itself. */
static const char *const refused[] = {
	"add_key",
	"keyctl",
	"request_key",
	"open_by_handle_at",
	"bpf",
	"perf_event_open",
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
	"userfaultfd",
	"kexec_load",
	"kexec_file_load",
	"init_module",
	"finit_module",
	"delete_module",
	"create_module",
	"iopl",
	"ioperm",
	"swapon",
	"swapoff",
	"reboot",
	"acct",
	"quotactl",
	"quotactl_fd",
	"lookup_dcookie",
	"nfsservctl",
	"vhangup",
	"settimeofday",
	"clock_settime",
	"clock_adjtime",
	"adjtimex",
	"setns",
	"pivot_root",
	"process_madvise",
	"move_pages",
	"migrate_pages",
	"fanotify_init",
	"mount_setattr",
	"open_tree",
	"move_mount",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"syslog",
};

static const char *const flushes[] = {"fsync",           "fdatasync",       "sync", "syncfs", "msync",
				      "sync_file_range", "sync_file_range2"};

static int deny(scmp_filter_ctx f, const char *name, uint32_t action)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(f, action, nr, 0);
}

static int rules(scmp_filter_ctx f, bool no_flush)
{
	const uint32_t eperm = SCMP_ACT_ERRNO(EPERM);
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(refused); i++)
		r = deny(f, refused[i], eperm);
	for (size_t i = 0; r == 0 && no_flush && i < ARRAY_LEN(flushes); i++)
		r = deny(f, flushes[i], SCMP_ACT_ERRNO(0));
	/* No nested user namespaces. clone3's flags are in memory that a filter cannot see: with ENOSYS, libc uses
	 * clone. */
	if (r == 0)
		r = seccomp_rule_add(f, eperm, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
	if (r == 0)
		r = seccomp_rule_add(f, eperm, SCMP_SYS(unshare), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* A lease on a shared file, open for reading, would make every other vserver's open of it wait. */
	if (r == 0)
		r = seccomp_rule_add(f, eperm, SCMP_SYS(fcntl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, F_SETLEASE));
	if (r == 0)
		r = seccomp_rule_add(f, eperm, SCMP_SYS(fcntl64), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, F_SETLEASE));
	/* Typing into a terminal that somebody else reads. */
	if (r == 0)
		r = seccomp_rule_add(f, eperm, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, TIOCSTI));
	return r;
}

int filter_load(bool no_flush)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = f ? 0 : -ENOMEM;

	/* suid programs work inside: no_new_privs stays off, which CAP_SYS_ADMIN over the own user namespace permits.
	 */
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
#ifdef __x86_64__
	if (r == 0)
		r = seccomp_arch_add(f, SCMP_ARCH_X86);
#endif
	if (r == 0)
		r = rules(f, no_flush);
	if (r == 0)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return r;
}
