/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tries everything that could change a file: on the marked file, where it has to be refused and leave contents and
 * attributes as they are, and on an unmarked twin, where it has to succeed. And everything that a mark must allow.
 *
 *	seal_try change MARKED DIR	a line each: "ok NAME", "not ok NAME: WHY", or "skip NAME: ERRNO" where it
 *					cannot be done to the twin either
 *	seal_try allow MARKED DIR	the same for what has to work
 *	seal_try once NAME PATH DIR	one of the former on one file; its errno, or 0, is the exit status
 *	seal_try PATH NUMBER		ends with NUMBER: to be executed while it is marked itself
 *
 * Twins are made in DIR, on the same file system. Each try is a process of its own, which ends with the errno that it
 * got, or 0. One that needs a descriptor for writing goes on with the best that it gets, and EPERM is then what it ends
 * with when that does not do.
 */
#include "tests/vm/guest/seal_abi.h"
#include "tests/vm/guest/seal_allow.h"
#include "tests/vm/guest/seal_attribute.h"
#include "tests/vm/guest/seal_base.h"
#include "tests/vm/guest/seal_change.h"
#include "tests/vm/guest/seal_open.h"

#include <sys/file.h>

static const char acl[] = {2, 0, 0,  0,  1,  0,  6,  0, -1, -1, -1, -1, 2,  0,  4,  0, 1, 0, 0,  0,  4,  0,
			   4, 0, -1, -1, -1, -1, 16, 0, 4,  0,  -1, -1, -1, -1, 32, 0, 4, 0, -1, -1, -1, -1};
static const struct timespec times[2] = {{1, 2}, {3, 4}};

/* A function of tries is run through with each name, and executes the one of it; without a name it only says all names.
 */
static const char *names[160], *chosen;
static size_t n_names;

static bool is(const char *name)
{
	if (!chosen && n_names < sizeof(names) / sizeof(names[0]))
		names[n_names++] = name;
	return chosen && strcmp(name, chosen) == 0;
}
#define TRY(name, value)              \
	do {                          \
		if (is(name))         \
			return value; \
	} while (0)

/* What has to be refused. */
static int changes(const char *p)
{
	TRY("open O_WRONLY", result(open(p, O_WRONLY)));
	TRY("open O_RDWR", result(open(p, O_RDWR)));
	TRY("open O_APPEND", result(open(p, O_WRONLY | O_APPEND)));
	TRY("open O_TRUNC", result(open(p, O_WRONLY | O_TRUNC)));
	TRY("open O_RDONLY|O_TRUNC", result(open(p, O_RDONLY | O_TRUNC)));
	TRY("open O_CREAT", result(open(p, O_RDWR | O_CREAT, 0644)));
	TRY("open O_DIRECT", result(open(p, O_WRONLY | O_DIRECT)));
	TRY("creat", result(creat(p, 0644)));
	TRY("openat2", do_openat2(p));
	TRY("open of /proc/self/fd, from O_PATH", result(open(fd_path("fd", open(p, O_PATH)), O_WRONLY)));
	TRY("open of /proc/self/fd, from O_RDONLY", result(open(fd_path("fd", open(p, O_RDONLY)), O_RDWR)));
	TRY("open_by_handle_at", by_handle(p, O_WRONLY));
	TRY("open of /proc/self/map_files", open_map_file(p));
	TRY("open of another link", open_link(p));
	TRY("open through a symlink", open_symlink(p));
	TRY("open of a bind mount", open_bind(p));
	TRY("open of an idmapped mount", open_idmapped(p));
	TRY("open through an overlay", open_overlay(p));
	TRY("open in a user namespace", open_userns(p));
	TRY("open in a user namespace in one, and mounts of its own", open_nested_userns(p));
	TRY("open from a cgroup below", open_subgroup(p));
	TRY("open from a thread", open_thread(p));
	TRY("write", result(write(best(p), "X", 1)));
	TRY("pwrite", result(pwrite(best(p), "X", 1, 100)));
	TRY("writev", do_writev(p));
	TRY("pwritev2 that appends", do_pwritev2(p));
	TRY("write of a descriptor made to append", do_append(p));
	TRY("io_submit", do_aio(p));
	TRY("shared writable mmap", do_mmap(p));
	TRY("mprotect of a shared mapping", do_mprotect(p));
	TRY("madvise MADV_REMOVE of a mapping", do_madvise(p));
	TRY("process_vm_writev to who has it mapped", do_vm_write(p));
	TRY("ptrace of who has it mapped", do_poke(p));
	TRY("/proc/PID/mem of who has it mapped", do_proc_mem(p));
	TRY("userfaultfd", do_userfaultfd(p));
	TRY("fallocate", result(fallocate(best(p), 0, 0, 2 * SIZE)));
	TRY("fallocate that punches a hole",
	    result(fallocate(best(p), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096)));
	TRY("ftruncate", result(ftruncate(best(p), 1)));
	TRY("copy_file_range", do_copy_range(p));
	TRY("FICLONE", do_clone(p));
	TRY("FICLONERANGE", do_clone_range(p));
	TRY("sendfile", do_sendfile(p));
	TRY("sendfile from a memfd", do_memfd(p));
	TRY("splice", do_splice(p));
	TRY("splice of what vmsplice gave", do_vmsplice(p));
	TRY("a loop device over it", do_loop(p));
	TRY("truncate", result(truncate(p, 1)));
	TRY("chmod", result(chmod(p, 04755)));
	TRY("fchmod", result(fchmod(open(p, O_RDONLY), 0600)));
	TRY("chmod in a user namespace", chmod_userns(p));
	TRY("chmod through an overlay", chmod_overlay(p));
	TRY("fchmodat2", result(syscall(452, AT_FDCWD, p, 0600, AT_SYMLINK_NOFOLLOW)));
	TRY("chmod of /proc/self/fd", result(chmod(fd_path("fd", open(p, O_PATH)), 0600)));
	TRY("chown", result(chown(p, 1, 1)));
	TRY("lchown", result(lchown(p, 1, -1)));
	TRY("fchown", result(fchown(open(p, O_RDONLY), -1, 1)));
	TRY("fchownat AT_EMPTY_PATH", result(fchownat(open(p, O_PATH), "", 1, 1, AT_EMPTY_PATH)));
	TRY("utimensat now", result(utimensat(AT_FDCWD, p, NULL, 0)));
	TRY("utimensat", result(utimensat(AT_FDCWD, p, times, AT_SYMLINK_NOFOLLOW)));
	TRY("utimensat of atime alone", utimes_atime(p));
	TRY("futimens", result(futimens(open(p, O_RDONLY), times)));
	TRY("setxattr", result(setxattr(p, "user.new", "x", 1, 0)));
	TRY("lsetxattr XATTR_REPLACE", result(lsetxattr(p, "user.keep", "x", 1, XATTR_REPLACE)));
	TRY("fsetxattr", result(fsetxattr(open(p, O_RDONLY), "user.new", "x", 1, 0)));
	TRY("setxattr in a user namespace", setxattr_userns(p));
	TRY("setxattr by XFS's handles", xfs_attr_by_handle(p));
	TRY("setxattr trusted", result(setxattr(p, "trusted.new", "x", 1, 0)));
	TRY("setxattr security.capability", set_capability(p));
	TRY("removexattr", result(removexattr(p, "user.keep")));
	TRY("fremovexattr", result(fremovexattr(open(p, O_RDONLY), "user.keep")));
	TRY("set an ACL", result(setxattr(p, "system.posix_acl_access", acl, sizeof(acl), 0)));
	TRY("remove an ACL", result(removexattr(p, "system.posix_acl_access")));
	TRY("setxattr btrfs.compression", result(setxattr(p, "btrfs.compression", "zstd", 4, 0)));
	TRY("FS_IOC_SETFLAGS that clears", change_flags(p, 0, FS_SYNC_FL | FS_NOATIME_FL | FS_NODUMP_FL));
	TRY("FS_IOC_SETFLAGS that clears, in a user namespace", flags_userns(p));
	TRY("FS_IOC_SETFLAGS that makes it append-only", flags_and_back(p, FS_APPEND_FL));
	TRY("FS_IOC_SETFLAGS that makes it immutable", flags_and_back(p, FS_IMMUTABLE_FL));
	TRY("FS_IOC_FSSETXATTR of flags", fsxattr(p, FS_XFLAG_NODUMP, 0));
	TRY("FS_IOC_FSSETXATTR of a project", fsxattr(p, 0, 7));
	TRY("file_setattr", do_file_setattr(p));
	TRY("FS_IOC_SETVERSION", set_version(p));
	TRY("FS_IOC_ENABLE_VERITY", do_verity(p));
	TRY("BTRFS_IOC_DEFRAG_RANGE", do_defrag(p));
	TRY("F_SETLEASE F_RDLCK", result(fcntl(open(p, O_RDONLY), F_SETLEASE, F_RDLCK)));
	TRY("F_SETLEASE F_WRLCK", result(fcntl(open(p, O_RDONLY), F_SETLEASE, F_WRLCK)));
	TRY("F_SET_RW_HINT", write_hint(p));
	TRY("inotify", result(inotify_add_watch(inotify_init1(0), p, IN_OPEN | IN_ACCESS)));
	TRY("fanotify", fa_watch(p));
	TRY("swapon", do_swapon(p));
	TRY("acct", do_acct(p));
	TRY("io_uring openat", ring_open(p, 0, 0));
	TRY("io_uring openat by a worker", ring_open(p, 0, IOSQE_ASYNC));
	TRY("io_uring openat by the poll thread", ring_open(p, IORING_SETUP_SQPOLL, 0));
	TRY("io_uring write", ring_fd(p, IORING_OP_WRITE, 0));
	TRY("io_uring write by a worker", ring_fd(p, IORING_OP_WRITE, IOSQE_ASYNC));
	TRY("io_uring writev", ring_fd(p, IORING_OP_WRITEV, 0));
	TRY("io_uring fallocate", ring_fd(p, IORING_OP_FALLOCATE, 0));
	TRY("io_uring ftruncate", ring_fd(p, RING_FTRUNCATE, 0));
	TRY("io_uring setxattr by a worker", ring_xattr(p));
	TRY("io_uring fsetxattr", ring_fd(p, IORING_OP_FSETXATTR, 0));
	TRY("32-bit open", old_path(5, p, O_WRONLY, 0));
	TRY("32-bit write", old_write(p));
	TRY("32-bit ftruncate", old_ftruncate(p));
	TRY("32-bit truncate", old_path(92, p, 1, 0));
	TRY("32-bit chmod", old_path(15, p, 0600, 0));
	TRY("32-bit chown", old_path(212, p, 1, 1));
	TRY("32-bit utime", old_utime(p));
	TRY("32-bit setxattr", old_setxattr(p));
	TRY("32-bit FS_IOC_SETFLAGS", old_setflags(p));
	return ENOSYS;
}

/* What has to work. */
static int allowed(const char *p)
{
	TRY("read", allow_read(p));
	TRY("link", allow_link(p));
	TRY("unlink", allow_unlink(p));
	TRY("rename", allow_rename(p));
	TRY("rename over it", allow_rename_over(p));
	TRY("RENAME_EXCHANGE", allow_exchange(p));
	TRY("private writable mmap", allow_private_mmap(p));
	TRY("FICLONE from it",
	    result(ioctl(open(other("clone"), O_CREAT | O_WRONLY, 0644), FICLONE, open(p, O_RDONLY))));
	TRY("copy_file_range from it", allow_copy_from(p));
	TRY("FS_IOC_GETFLAGS", allow_getflags(p));
	TRY("FS_IOC_FSGETXATTR", allow_fsgetxattr(p));
	TRY("FS_IOC_FIEMAP", allow_fiemap(p));
	TRY("getxattr", allow_getxattr(p));
	TRY("flock", result(flock(open(p, O_RDONLY), LOCK_EX | LOCK_NB)));
	TRY("a lock for reading", allow_read_lock(p));
	TRY("inotify on its directory", allow_dir_watch(p));
	TRY("fsync", result(fsync(open(p, O_RDONLY))));
	TRY("open_by_handle_at for reading", by_handle(p, O_RDONLY));
	TRY("private mapping, written to by /proc/self/mem", allow_poke(p));
	TRY("splice from it, and a write to the pipe", allow_splice_from(p));
	TRY("vmsplice of it, and a write to the pipe", allow_vmsplice_from(p));
	TRY("sendfile to a memfd", allow_sendfile_from(p));
	TRY("a mount over it", allow_mount_over(p));
	TRY("marks on its own files", allow_own_mark(p));
	TRY("a lease on an unmarked file", allow_lease_dir_file(p));
	TRY("FIDEDUPERANGE", allow_dedupe(p));
	return ENOSYS;
}

/* ---- twins, and comparing ---- */

static const char *make_twin(const char *of)
{
	static char data[SIZE], p[4096];
	int from = open(of, O_RDONLY), fd;

	snprintf(p, sizeof(p), "%s/twin", dir);
	unlink(p);
	fd = open(p, O_CREAT | O_EXCL | O_WRONLY, 0644);
	if (fd < 0 || read(from, data, SIZE) != SIZE || write(fd, data, SIZE) != SIZE ||
	    fsetxattr(fd, "user.keep", "me", 2, 0) < 0 ||
	    fsetxattr(fd, "system.posix_acl_access", acl, sizeof(acl), 0) < 0)
		return NULL;
	close(fd);
	close(from);
	return p;
}

struct state {
	struct statx stx;
	char data[SIZE], names[1024], values[1024];
	ssize_t n_names, n_values;
	struct fsxattr fsx;
	int flags;
	long version;
};
/* All of a file that anybody could see; of the times not atime, which reading sets, nor ctime, which links do. */
static void look(const char *p, struct state *s)
{
	int fd = open(p, O_RDONLY);
	ssize_t n;

	memset(s, 0, sizeof(*s));
	statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &s->stx);
	memset(&s->stx.stx_ctime, 0, sizeof(s->stx.stx_ctime));
	s->stx.stx_blocks = s->stx.stx_nlink = 0;
	n = read(fd, s->data, SIZE);
	s->n_names = flistxattr(fd, s->names, sizeof(s->names));
	for (char *name = s->names; n == SIZE && name < s->names + s->n_names; name += strlen(name) + 1) {
		ssize_t len = fgetxattr(fd, name, s->values + s->n_values, sizeof(s->values) - (size_t)s->n_values);

		s->n_values += len > 0 ? len : 0;
	}
	ioctl(fd, FS_IOC_GETFLAGS, &s->flags);
	ioctl(fd, FS_IOC_FSGETXATTR, &s->fsx);
	s->fsx.fsx_nextents = 0;
	ioctl(fd, FS_IOC_GETVERSION, &s->version);
	close(fd);
}

/* errno of the try; 255: it crashed. */
static int run(int (*tries)(const char *), const char *name, const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int r;

		chosen = name;
		r = tries(path);
		_exit(r && got_less ? EPERM : r);
	}
	while (waitpid(pid, &status, 0) < 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void try_change(const char *name, const char *marked)
{
	static struct state before, after;
	const char *twin = make_twin(marked);
	int r, control;

	if (!twin) {
		printf("not ok %s: no twin: %s\n", name, strerror(errno));
		return;
	}
	look(marked, &before);
	/* The marked one first: what the twin's success leaves behind could make it fail. */
	r = run(changes, name, marked);
	look(marked, &after);
	control = run(changes, name, twin);
	if (memcmp(&before, &after, sizeof(before)) != 0)
		printf("not ok %s: the marked file was changed (%s)\n", name, strerror(r));
	else if (control != 0)
		printf("skip %s: %s\n", name, strerrorname_np(control));
	else if (r != EPERM && r != EACCES)
		printf("not ok %s: %s\n", name, r ? strerror(r) : "was allowed");
	else
		printf("ok %s\n", name);
}

static void try_allowed(const char *name, const char *marked)
{
	static struct state before, after;
	const char *twin = make_twin(marked);
	int r, control;

	look(marked, &before);
	control = run(allowed, name, twin);
	twin = make_twin(marked);
	r = run(allowed, name, marked);
	look(marked, &after);
	if (memcmp(&before, &after, sizeof(before)) != 0)
		printf("not ok %s: the marked file was changed\n", name);
	else if (control != 0 && r == control)
		printf("skip %s: %s\n", name, strerrorname_np(control));
	else if (r != 0)
		printf("not ok %s: %s\n", name, strerror(r));
	else
		printf("ok %s\n", name);
}

int main(int argc, char **argv)
{
	bool allow;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 5) {
		chosen = argv[2];
		dir = argv[4];
		return changes(argv[3]);
	}
	if (argc != 4)
		return argc == 3 ? atoi(argv[2]) : 1;
	allow = strcmp(argv[1], "allow") == 0;
	dir = argv[3];
	(allow ? allowed : changes)("");
	for (size_t i = 0; i < n_names; i++)
		(allow ? try_allowed : try_change)(names[i], argv[2]);
	return 0;
}
