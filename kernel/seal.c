/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The seal itself, set, taken off, asked for, and tried out: the mark that the programs of seal.bpf.c respect, where
 * they are loaded, else the immutable attribute.
 */
#include "kernel/seal.h"
#include "kernel/load.h"
#include "kernel/seal.skel.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* The mark, and dump's attribute beside it: statx shows only that, so that a look at most files needs no ioctl. */
#define MARK (FS_SYNC_FL | FS_NOATIME_FL | FS_NODUMP_FL)
/* Set by seal_stat in stx_attributes, a bit that no kernel uses. */
#define ATTR_MARKED (1ULL << 63)

/* ---- the piece --------------------------------------------------------------------------------------------------- */

static struct bpf_object *piece_open(void **ret_skel)
{
	struct seal_bpf *skel = seal_bpf__open();

	*ret_skel = skel;
	return skel ? skel->obj : NULL;
}

static void piece_close(void *skel)
{
	seal_bpf__destroy(skel);
}

/* Each program with the hook that it is for, and how many parameters it knows that to have. */
static const struct variant {
	const char *program, *hook;
	int params;
	bool may_be_missing; /* the hook is younger than 5.12 */
} variants[] = {
	{"seal_open", "bpf_lsm_file_open", 1, false},
	{"seal_setattr_2", "bpf_lsm_inode_setattr", 2, false},
	{"seal_setattr_3", "bpf_lsm_inode_setattr", 3, false},
	{"seal_setxattr", "bpf_lsm_inode_setxattr", 6, false},
	{"seal_removexattr", "bpf_lsm_inode_removexattr", 3, false},
	{"seal_set_acl", "bpf_lsm_inode_set_acl", 4, true},
	{"seal_remove_acl", "bpf_lsm_inode_remove_acl", 3, true},
	{"seal_ioctl", "bpf_lsm_file_ioctl", 3, false},
	{"seal_ioctl_compat", "bpf_lsm_file_ioctl_compat", 3, true},
	{"seal_file_setattr", "bpf_lsm_inode_file_setattr", 2, true},
	{"seal_fcntl", "bpf_lsm_file_fcntl", 3, false},
	{"seal_notify", "bpf_lsm_path_notify", 3, false},
};

/* Whether every hook that this kernel has is met by a program that knows its parameters: one that is passed something
 * else than it thinks would let through what it should refuse. */
static int choose_variants(struct bpf_object *obj, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
		const struct variant *v = &variants[i];
		int params = kernel_func_params(v->hook);
		bool met = params == v->params || (params < 0 && v->may_be_missing);

		for (size_t k = 0; k < ARRAY_LEN(variants); k++)
			met |= strcmp(variants[k].hook, v->hook) == 0 && variants[k].params == params;
		if (!met)
			return err_set(e, -EOPNOTSUPP,
				       "seal: this kernel's hook %s is not as this program knows it (%d parameters)",
				       v->hook, params);
		bpf_program__set_autoload(bpf_object__find_program_by_name(obj, v->program), params == v->params);
	}
	return 0;
}

static int piece_tune(void *opened, int home, struct err *e)
{
	struct seal_bpf *skel = opened;
	struct stat st;

	if (fstat(home, &st) < 0)
		return err_sys(e, "cgroup /vserver");
	skel->rodata->home = st.st_ino;
	if (kernel_func_params("create_io_thread") < 0)
		return err_set(e, -EOPNOTSUPP,
			       "seal: io_uring of this kernel works in threads that are in no context; Linux 5.12 is "
			       "needed");
	return choose_variants(skel->obj, e);
}

const struct piece seal_piece = {
	.name = "seal",
	.layout = SEAL_LAYOUT,
	.instead = "files are sealed by the immutable attribute",
	.open = piece_open,
	.close = piece_close,
	.tune = piece_tune,
};

/* ---- one file ---------------------------------------------------------------------------------------------------- */

static int attribute_error(struct err *e)
{
	if (errno == ENOTTY || errno == EOPNOTSUPP || errno == ENOSYS)
		return err_set(e, -EOPNOTSUPP,
			       "seal: this file system has no immutable attribute; use ext4, xfs or btrfs");
	if (errno == EPERM)
		return err_set(e, -EPERM,
			       "seal: not allowed to change the immutable attribute; run as root with "
			       "CAP_LINUX_IMMUTABLE");
	return err_sys(e, "seal: cannot change the immutable attribute");
}

/* One system call for all of it. Yet on xfs the kernel's own copy of the attributes is without any of them for an
 * instant: whoever changes those of a file that a context can reach has the contexts frozen. */
static int change_flags(int fd, int add, int remove, struct err *e)
{
	int flags, want;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return attribute_error(e);
	want = (flags | add) & ~remove;
	if (want == flags || ioctl(fd, FS_IOC_SETFLAGS, &want) == 0)
		return 0;
	return attribute_error(e);
}

int seal_set(int fd, struct err *e)
{
	int r = seal_marks() ? change_flags(fd, MARK, FS_IMMUTABLE_FL, NULL) : -EOPNOTSUPP;

	return r == 0 ? 0 : seal_set_firm(fd, e);
}

int seal_set_firm(int fd, struct err *e)
{
	return change_flags(fd, FS_IMMUTABLE_FL, MARK, e);
}

int seal_clear(int fd, struct err *e)
{
	return change_flags(fd, 0, FS_IMMUTABLE_FL | MARK, e);
}

bool seal_may_be(const struct statx *stx)
{
	return stx->stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_NODUMP);
}

bool seal_is(const struct statx *stx)
{
	return stx->stx_attributes & (STATX_ATTR_IMMUTABLE | ATTR_MARKED);
}

/* Opens nothing that a guest's lease or a device could hold up: the file is a regular one, and O_NONBLOCK. */
bool seal_marked(int dir, const char *name, struct statx *stx)
{
	_cleanup_close_ int path = -1, fd = -1;
	struct statx again;
	int flags;

	if (!S_ISREG(stx->stx_mode) || !(stx->stx_attributes & STATX_ATTR_NODUMP) || !marks_count())
		return false;
	path = *name ? openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : fcntl(dir, F_DUPFD_CLOEXEC, 3);
	fd = path < 0 ? -1 : path_reopen(path, O_RDONLY | O_NONBLOCK | O_NOATIME);
	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_INO, &again) < 0 || again.stx_ino != stx->stx_ino ||
	    ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || (flags & MARK) != MARK) {
		fd = fd < 0 ? -1 : fd;
		return false;
	}
	stx->stx_attributes |= ATTR_MARKED;
	return true;
}

/* What a process in a context of its own gets: 0 when it can open the file for writing, else errno. */
static int write_from_context(int fd, struct err *e)
{
	uint32_t number;
	_cleanup_close_ int cgroup = cgroup_new(&number, e), procs = -1;
	int status = 0;
	pid_t pid;

	if (cgroup < 0)
		return cgroup;
	procs = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	pid = fork();
	if (pid == 0) {
		int opened = write(procs, "0", 1) == 1 ? path_reopen(fd, O_WRONLY) : -EIO;

		_exit(opened < 0 ? -opened : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		err_sys(e, "seal: trying it out");
	cgroup_drop(number);
	return pid < 0 ? -EAGAIN : WEXITSTATUS(status);
}

static int try_write(int fd, bool marked, struct err *e)
{
	int r;

	if (marked)
		return write_from_context(fd, e);
	r = path_reopen(fd, O_WRONLY);
	if (r >= 0)
		close(r);
	return r >= 0 || fchmod(fd, 0644) == 0 ? 0 : EPERM;
}

int seal_probe(int dir, struct err *e)
{
	_cleanup_close_ int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct statx stx;
	int r;

	if (fd < 0)
		return err_sys(e, "seal: cannot make a temporary file to try it on");
	r = seal_set(fd, e);
	if (r < 0)
		return r;
	if (seal_stat(fd, "", &stx) < 0 || !seal_is(&stx))
		r = err_set(e, -EOPNOTSUPP,
			    "seal: this file system does not keep the attributes that seal a file; files cannot be "
			    "shared on it");
	if (r == 0)
		r = try_write(fd, !(stx.stx_attributes & STATX_ATTR_IMMUTABLE), e);
	if (r == 0)
		r = err_set(e, -EOPNOTSUPP,
			    "seal: a sealed file can be changed here; files cannot be shared on this file system");
	seal_clear(fd, NULL);
	return r < 0 ? r : 0;
}
