/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Calls unlink, rename and link in all ways that supervise.t cares for, each once in a directory of sealed files and once in
 * one of the same files without seal: what a caller gets, and what is there afterwards, must be the same. With S_FLAGS=cow,
 * the same for what changes a file itself.
 *
 *	calls count names|edits|limits  prints the number of cases
 *	calls names SEALED PLAIN        each case N in SEALED/N and PLAIN/N; a line for each: "same NAME RESULT" or "differs …"
 *	calls edits SEALED PLAIN
 *	calls limits SEALED PLAIN       what stays refused for sealed files
 *
 * A case's directory holds f and g (root's; g writable for group 1001), u (user 1000's), and for names h (a second name of
 * f), all these sealed or not; p, which never is; d, a directory; sl, a symlink to f.
 */
/* A table of calls, a line each. */
/* clang-format off */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define OTHER_MOUNT "/dev/shm/x"

static char top[4096]; /* absolute path of the case's directory */

static int at(const char *dir, int flags)
{
	return open(dir, O_DIRECTORY | O_CLOEXEC | flags);
}
static int fail(int e)
{
	errno = e;
	return -1;
}
static int rename_flags(const char *from, const char *to, unsigned flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

/* ---- unlink -------------------------------------------------------------------------------------------------------- */

static int unlink_f(void) { return unlink("f"); }
static int unlink_absolute(void)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s//./d/../f", top);
	return unlink(path);
}
static int unlink_slash(void) { return unlink("f/"); }
static int unlink_below(void) { return unlink("f/x"); }
static int unlink_missing(void) { return unlink("missing/f"); }
static int unlink_symlink(void) { return unlink("sl"); }
static int unlink_dot(void) { return unlink("."); }
static int unlink_empty(void) { return unlink(""); }
static int unlink_address(void) { return (int)syscall(SYS_unlink, (char *)16); }
static int unlink_long_name(void)
{
	char path[300];

	memset(path, 'a', 299);
	path[299] = 0;
	return unlink(path);
}
static int unlink_long_path(void)
{
	char path[4098];

	for (int i = 0; i < 4096; i += 2)
		memcpy(path + i, "./", 2);
	memcpy(path + 4096, "f", 2);
	return unlink(path);
}
static int unlink_longest_path(void)
{
	char path[4096];

	for (int i = 0; i < 4094; i += 2)
		memcpy(path + i, "./", 2);
	memcpy(path + 4094, "f", 2);
	return unlink(path);
}
static int unlink_page_end(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p + 4096, 4096);
	memcpy(p + 4094, "f", 2);
	return unlink(p + 4094);
}
static int rmdir_f(void) { return rmdir("f"); }
static int removedir_f(void) { return unlinkat(AT_FDCWD, "f", AT_REMOVEDIR); }
static int rmdir_d(void) { return rmdir("d"); }
static int unlinkat_flags(void) { return unlinkat(AT_FDCWD, "f", 0x4); }
static int unlinkat_fd(void) { return unlinkat(at("..", 0), strrchr(top, '/') + 1, 0); }
static int unlinkat_dir(void) { return unlinkat(at(".", 0), "f", 0); }
static int unlinkat_path(void) { return unlinkat(at(".", O_PATH), "f", 0); }
static int unlinkat_bad(void) { return unlinkat(999, "f", 0); }
static int unlinkat_bad_absolute(void)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s/f", top);
	return unlinkat(999, path, 0);
}
static int unlinkat_file(void) { return unlinkat(open("p", O_RDONLY), "f", 0); }
static int unlinkat_gone(void)
{
	int fd = at("d", 0);

	rmdir("d");
	return unlinkat(fd, "../f", 0);
}
static int unlink_proc_cwd(void) { return unlink("/proc/self/cwd/p"); }

/* ---- rename -------------------------------------------------------------------------------------------------------- */

static int rename_away(void) { return rename("f", "n"); }
static int rename_over(void) { return rename("p", "f"); }
static int rename_both(void) { return rename("f", "g"); }
static int rename_itself(void) { return rename("f", "f"); }
static int rename_second_name(void) { return rename("f", "h"); }
static int rename_over_plain(void) { return rename("f", "p"); }
static int rename_dir_over(void) { return rename("d", "f"); }
static int rename_over_dir(void) { return rename("f", "d"); }
static int rename_into_dir(void) { return renameat(AT_FDCWD, "f", at("d", O_PATH), "f"); }
static int rename_slash(void) { return rename("f/", "n"); }
static int rename_to_slash(void) { return rename("f", "n/"); }
static int rename_missing(void) { return rename("f", "missing/n"); }
static int rename_from_missing(void) { return rename("missing", "f"); }
static int rename_mount(void) { return rename("f", OTHER_MOUNT); }
static int rename_symlink(void) { return rename("sl", "f"); }
static int rename_noreplace(void) { return rename_flags("f", "g", RENAME_NOREPLACE); }
static int rename_noreplace_free(void) { return rename_flags("f", "n", RENAME_NOREPLACE); }
static int rename_exchange(void) { return rename_flags("f", "g", RENAME_EXCHANGE); }
static int rename_exchange_plain(void) { return rename_flags("p", "f", RENAME_EXCHANGE); }
static int rename_exchange_dir(void) { return rename_flags("f", "d", RENAME_EXCHANGE); }
static int rename_exchange_missing(void) { return rename_flags("f", "n", RENAME_EXCHANGE); }
static int rename_both_flags(void) { return rename_flags("f", "g", RENAME_EXCHANGE | RENAME_NOREPLACE); }
static int rename_bad_flags(void) { return rename_flags("f", "g", 64); }
static int rename_whiteout(void) { return rename_flags("f", "n", RENAME_WHITEOUT); }

/* ---- link ---------------------------------------------------------------------------------------------------------- */

static int link_f(void) { return link("f", "n"); }
static int link_exists(void) { return link("f", "g"); }
static int link_symlink(void) { return link("sl", "n"); }
static int link_follow(void) { return linkat(AT_FDCWD, "sl", AT_FDCWD, "n", AT_SYMLINK_FOLLOW); }
static int link_dirs(void) { return linkat(at(".", O_PATH), "f", at("d", O_PATH), "n", 0); }
static int link_empty(void) { return linkat(open("f", O_RDONLY), "", AT_FDCWD, "n", AT_EMPTY_PATH); }
static int link_empty_path(void) { return linkat(open("f", O_PATH), "", AT_FDCWD, "n", AT_EMPTY_PATH); }
static int link_empty_noflag(void) { return linkat(open("f", O_PATH), "", AT_FDCWD, "n", 0); }
static int link_missing(void) { return link("f", "missing/n"); }
static int link_mount(void) { return link("f", OTHER_MOUNT); }
static int link_flags(void) { return linkat(AT_FDCWD, "f", AT_FDCWD, "n", AT_SYMLINK_NOFOLLOW); }
static int link_slash(void) { return link("f/", "n"); }
static int link_to_slash(void) { return link("f", "n/"); }
static int link_dir(void) { return link("d", "n"); }

/* ---- directories that hold sealed files, and files that have no name yet -------------------------------------------- */

static int rename_directory(void) { return rename("f", "d/f") < 0 ? -1 : rename("d", "e"); }
static int rmdir_full(void) { return rename("f", "d/f") < 0 ? -1 : rmdir("d"); }
static int link_unnamed(const char *to)
{
	char path[64];
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd < 0 ? -1 : linkat(AT_FDCWD, path, AT_FDCWD, to, AT_SYMLINK_FOLLOW);
}
static int tmpfile_link(void) { return link_unnamed("n"); }
static int tmpfile_over(void) { return link_unnamed("f"); }
static int tmpfile_rename_over(void) { return link_unnamed("n") < 0 ? -1 : rename("n", "f"); }

/* ---- ways around the supervisor, and what would mislead it: not there ------------------------------------------------ */

static int refused_uring(void)
{
	char params[120] = {0};

	return (int)syscall(SYS_io_uring_setup, 4, params);
}
static int refused_user_namespace(void) { return unshare(CLONE_NEWUSER); }
static int refused_clone3(void) { return (int)syscall(SYS_clone3, NULL, 0); }
static int refused_landlock(void) { return (int)syscall(444, NULL, 0, 1); /* landlock_create_ruleset, for its version */ }
static int refused_other_root(void) { return (int)syscall(SYS_open_by_handle_at, -1, NULL, 0); }
#ifdef __x86_64__
static int refused_x32(void) { return (int)syscall(0x40000000 + SYS_unlink, "f"); }
#endif
/* What a program forbids itself by a filter of its own stays forbidden. */
static int own_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unlink, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = 4, .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		return fail(998);
	return (int)syscall(SYS_unlink, "f");
}

/* ---- callers other than root's plain process ----------------------------------------------------------------------- */

/* Becomes user 1000 of group 1000 and 1001; the case runs in a child of its own. */
static int user(void)
{
	gid_t groups[] = {1001};

	return setgroups(1, groups) < 0 || setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0 ? fail(999)
													       : 0;
}
static int dir_mode(mode_t mode, uid_t uid, gid_t gid)
{
	return chown(".", uid, gid) < 0 || chmod(".", mode) < 0 ? fail(998) : user();
}
static int user_unlink(void) { return dir_mode(0755, 0, 0) < 0 ? -1 : unlink("f"); }
static int user_rename(void) { return dir_mode(0755, 0, 0) < 0 ? -1 : rename("f", "n"); }
static int user_link(void) { return dir_mode(0755, 0, 0) < 0 ? -1 : link("u", "n"); }
static int user_rmdir(void) { return dir_mode(0755, 0, 0) < 0 ? -1 : rmdir("f"); }
static int user_no_search(void) { return dir_mode(0700, 0, 0) < 0 ? -1 : unlink("f"); }
static int user_own_dir(void) { return dir_mode(0755, 1000, 0) < 0 ? -1 : unlink("f"); }
static int user_own_dir_over(void) { return dir_mode(0755, 1000, 0) < 0 ? -1 : rename("p", "f"); }
static int user_group_dir(void) { return dir_mode(0770, 0, 1001) < 0 ? -1 : unlink("f"); }
static int user_other_group(void) { return dir_mode(0770, 0, 1002) < 0 ? -1 : unlink("f"); }
static int user_sticky(void) { return dir_mode(01777, 0, 0) < 0 ? -1 : unlink("f"); }
static int user_sticky_rmdir(void) { return dir_mode(01777, 0, 0) < 0 ? -1 : rmdir("f"); }
static int user_sticky_over(void) { return dir_mode(01777, 0, 0) < 0 ? -1 : rename("u", "f"); }
static int user_sticky_own(void) { return dir_mode(01777, 0, 0) < 0 ? -1 : unlink("u"); }
static int user_sticky_own_dir(void) { return dir_mode(01777, 1000, 0) < 0 ? -1 : unlink("f"); }
static int user_link_foreign(void) { return dir_mode(0777, 0, 0) < 0 ? -1 : link("f", "n"); }
static int user_link_own(void) { return dir_mode(0777, 0, 0) < 0 ? -1 : link("u", "n"); }
static int user_link_unreadable(void) { return dir_mode(0711, 0, 0) < 0 ? -1 : link("u", "d/n"); }
static int fsuid_alone(void)
{
	if (chown(".", 1000, 0) < 0 || chmod(".", 0755) < 0)
		return fail(998);
	syscall(SYS_setfsuid, 2000); /* drops the effective capabilities over files, too */
	return unlink("f");
}
static int fsuid_owner(void)
{
	if (chown(".", 1000, 0) < 0 || chmod(".", 0755) < 0)
		return fail(998);
	syscall(SYS_setfsuid, 1000);
	return unlink("f");
}
static int no_caps(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	if (chown(".", 1000, 1000) < 0 || chmod(".", 0755) < 0 || syscall(SYS_capset, &h, none) < 0)
		return fail(998);
	return unlink("f");
}
/* In a sticky directory, one capability makes the difference, or another one does not. */
static int one_cap(int cap)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {{.effective = 1u << cap, .permitted = 1u << cap}};

	if (chown(".", 0, 0) < 0 || chmod(".", 01777) < 0 || prctl(PR_SET_KEEPCAPS, 1) < 0 || user() < 0 ||
	    syscall(SYS_capset, &h, d) < 0)
		return fail(998);
	return unlink("f");
}
static int cap_fowner(void) { return one_cap(CAP_FOWNER); }
static int cap_kill(void) { return one_cap(CAP_KILL); }
static int chrooted(void) { return chroot(".") < 0 ? fail(998) : unlink("/f"); }
static int chrooted_symlink(void)
{
	if (symlink("/d", "abs") < 0 || chroot(".") < 0)
		return fail(998);
	return rename("/f", "abs/f");
}
static int chrooted_cwd_outside(void) { return chdir("d") < 0 || chroot(".") < 0 || chdir("/") < 0 ? fail(998) : unlink("../f"); }
static int outside_of_root(void) { return chroot("d") < 0 ? fail(998) : unlink("f"); }
static int undumpable(void) { return prctl(PR_SET_DUMPABLE, 0) < 0 ? fail(998) : unlink("f"); }
static int chosen_name(void) { return prctl(PR_SET_NAME, "a)\nUid: 0 0 0") < 0 ? fail(998) : user_unlink(); }
static int vforked(void)
{
	static volatile int result;
	pid_t pid;

	result = 0;
	pid = vfork();
	if (pid == 0) {
		result = unlink("f") < 0 ? errno : 0;
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return result ? fail(result) : 0;
}

struct job {
	int (*fn)(void);
	int result;
};
static void *thread_in_dir(void *arg)
{
	struct job *j = arg;

	if (unshare(CLONE_FS | CLONE_FILES) < 0 || chdir(top) < 0)
		j->result = 997;
	else
		j->result = j->fn() < 0 ? errno : 0;
	return NULL;
}
/* A thread whose current directory, descriptors and ids are its own. */
static int other_thread(int (*fn)(void))
{
	struct job j = {fn, 0};
	pthread_t t;

	if (chdir("/") < 0 || pthread_create(&t, NULL, thread_in_dir, &j) != 0)
		return fail(996);
	pthread_join(t, NULL);
	return j.result ? fail(j.result) : 0;
}
static int own_ids(void)
{
	if (chown(".", 0, 0) < 0 || chmod(".", 0755) < 0)
		return -1;
	syscall(SYS_setresuid, 1000, 1000, 1000); /* this thread alone, not by glibc */
	return unlink("f");
}
static int thread_cwd(void) { return other_thread(unlink_f); }
static int thread_fd(void) { return other_thread(unlinkat_dir); }
static int thread_ids(void) { return other_thread(own_ids); }

/* ---- the entry of 32-bit programs ---------------------------------------------------------------------------------- */

#ifdef __x86_64__
/* The second argument is a path, or a number where there is none. */
static long call32(long nr, const char *first, const char *second, long number)
{
	static char *low;
	long r, b, c = number;

	if (!low)
		low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	memcpy(low, first, strlen(first) + 1);
	b = (long)low;
	if (second)
		c = (long)memcpy(low + 4096, second, strlen(second) + 1);
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(b), "c"(c), "d"(0L) : "memory", "r8", "r9", "r10", "r11");
	return r < 0 ? fail((int)-r) : r;
}
static int unlink_32(void) { return (int)call32(10, "f", NULL, 0); }
static int link_32(void) { return (int)call32(9, "f", "n", 0); }
static int rename_32(void) { return (int)call32(38, "p", "f", 0); }
#endif

/* ---- changing the file itself -------------------------------------------------------------------------------------- */

static int write_to(int fd)
{
	return fd < 0 || write(fd, "X", 1) != 1 ? -1 : close(fd);
}
static int edit_write(void) { return write_to(open("f", O_WRONLY)); }
static int edit_append(void) { return write_to(open("f", O_WRONLY | O_APPEND)); }
static int edit_rdwr(void)
{
	char c;
	int fd = open("f", O_RDWR);

	return fd < 0 || read(fd, &c, 1) != 1 || c != 'f' ? -1 : write_to(fd);
}
static int edit_trunc(void) { return write_to(open("f", O_WRONLY | O_TRUNC)); }
static int edit_rdonly_trunc(void) { return open("f", O_RDONLY | O_TRUNC) < 0 ? -1 : 0; }
static int edit_creat(void) { return write_to(creat("f", 0600)); }
static int edit_create(void) { return write_to(open("f", O_WRONLY | O_CREAT, 0600)); }
static int edit_create_new(void) { return write_to(open("n", O_WRONLY | O_CREAT, 0600)); }
static int edit_excl(void) { return write_to(open("f", O_WRONLY | O_CREAT | O_EXCL, 0600)); }
static int edit_symlink(void) { return write_to(open("sl", O_WRONLY)); }
static int edit_nofollow(void) { return write_to(open("f", O_WRONLY | O_NOFOLLOW)); }
static int edit_nofollow_symlink(void) { return write_to(open("sl", O_WRONLY | O_NOFOLLOW)); }
static int edit_slash(void) { return write_to(open("f/", O_WRONLY)); }
static int edit_directory(void) { return write_to(open("f", O_WRONLY | O_DIRECTORY)); }
static int edit_dir(void) { return write_to(open("d", O_WRONLY)); }
static int edit_tmpfile(void) { return write_to(open(".", O_WRONLY | O_TMPFILE, 0600)); }
static int edit_openat(void) { return write_to(openat(at("d", O_PATH), "../f", O_RDWR)); }
static int edit_absolute(void)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s/sl", top);
	return write_to(open(path, O_RDWR));
}
static int edit_map(void)
{
	int fd = open("f", O_RDWR);
	char *p = fd < 0 ? MAP_FAILED : mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? -1 : (*p = 'M', 0);
}
static int edit_truncate(void) { return truncate("f", 1); }
static int edit_chmod(void) { return chmod("f", 0755); }
static int edit_chmod_suid(void) { return chmod("sl", 04755); }
static int edit_fchmodat(void) { return fchmodat(at(".", 0), "f", 0600, 0); }
static int edit_chown(void) { return chown("f", 1000, 1000); }
static int edit_lchown(void) { return lchown("sl", 1000, 1000); }
static int edit_fchownat(void) { return fchownat(AT_FDCWD, "f", 1000, (gid_t)-1, AT_SYMLINK_NOFOLLOW); }
static int edit_chown_range(void) { return chown("f", 70000, 0); }
static int edit_utimes(void) { return utimes("f", NULL); }
static int explicit_times(const char *name)
{
	struct timespec t[2] = {{.tv_sec = 5}, {.tv_sec = 6}};

	return utimensat(AT_FDCWD, name, t, 0);
}
static int edit_utimensat(void) { return explicit_times("sl"); }
static int edit_setxattr(void) { return setxattr("f", "user.x", "y", 1, 0); }
static int edit_removexattr(void) { return removexattr("f", "user.x"); }
static int edit_trusted(void) { return setxattr("f", "trusted.x", "y", 1, 0); }
/* Younger than this may be built with: by number, which is the same everywhere. */
static int edit_fchmodat2(void) { return (int)syscall(452, AT_FDCWD, "f", 0600, AT_SYMLINK_NOFOLLOW); }
static int edit_setxattrat(void)
{
	struct {
		uint64_t value;
		uint32_t size, flags;
	} args = {(uintptr_t)"y", 1, 0};

	return (int)syscall(463, AT_FDCWD, "sl", 0, "user.x", &args, sizeof(args));
}
static int edit_removexattrat(void) { return (int)syscall(466, AT_FDCWD, "f", AT_SYMLINK_NOFOLLOW, "user.x"); }
static int edit_no_openat2(void)
{
	uint64_t how[3] = {O_WRONLY, 0, 0};

	return write_to((int)syscall(SYS_openat2, AT_FDCWD, "f", how, sizeof(how)));
}
static int edit_twice(void) { return edit_write() < 0 ? -1 : edit_append(); }
static int edit_then_unlink(void) { return edit_write() < 0 ? -1 : unlink("f"); }
/* Both bytes must be there: the second one does not get a copy of its own. */
static int edit_by_two(void)
{
	pid_t pid = fork();
	int status, r = edit_append();

	if (pid == 0)
		_exit(r < 0);
	waitpid(pid, &status, 0);
	return status ? fail(995) : r;
}
static int user_write(void) { return user() < 0 ? -1 : edit_write(); }
static int user_write_own(void) { return user() < 0 ? -1 : write_to(open("u", O_RDWR)); }
static int user_write_group(void) { return user() < 0 ? -1 : write_to(open("g", O_WRONLY)); }
static int user_noatime(void) { return user() < 0 ? -1 : write_to(open("g", O_WRONLY | O_NOATIME)); }
static int user_truncate(void) { return user() < 0 ? -1 : truncate("f", 0); }
static int user_chmod(void) { return user() < 0 ? -1 : chmod("f", 0666); }
static int user_chmod_own(void) { return user() < 0 ? -1 : chmod("u", 0600); }
static int user_chown_own(void) { return user() < 0 ? -1 : chown("u", 2000, (gid_t)-1); }
static int user_chgrp_own(void) { return user() < 0 ? -1 : chown("u", (uid_t)-1, 1001); }
static int user_utimes(void) { return user() < 0 ? -1 : utimes("f", NULL); }
static int user_utimes_group(void) { return user() < 0 ? -1 : utimes("g", NULL); }
static int user_utimensat_group(void) { return user() < 0 ? -1 : explicit_times("g"); }
static int user_utimensat_own(void) { return user() < 0 ? -1 : explicit_times("u"); }
static int user_setxattr(void) { return user() < 0 ? -1 : setxattr("f", "user.x", "y", 1, 0); }
static int user_setxattr_group(void) { return user() < 0 ? -1 : setxattr("g", "user.x", "y", 1, 0); }
static int user_unreachable(void) { return dir_mode(0700, 0, 0) < 0 ? -1 : write_to(open("u", O_WRONLY)); }
static int user_foreign_dir(void) { return dir_mode(0755, 0, 0) < 0 ? -1 : write_to(open("u", O_WRONLY)); }
static int chrooted_write(void) { return chroot(".") < 0 ? fail(998) : write_to(open("/sl", O_WRONLY)); }
static int thread_write(void) { return other_thread(edit_write); }
#ifdef __x86_64__
static int edit_open_32(void) { return write_to((int)call32(5, "f", NULL, O_WRONLY | O_APPEND)); }
static int edit_creat_32(void) { return write_to((int)call32(8, "f", NULL, 0600)); }
static int edit_chmod_32(void) { return (int)call32(15, "f", NULL, 0600); }
#endif

/* ---- what is refused even with S_FLAGS=cow --------------------------------------------------------------------------- */

static int limit_fchmod(void) { return fchmod(open("f", O_RDONLY), 0600); }
static int limit_fchown(void) { return fchown(open("f", O_RDONLY), 5, 5); }
static int limit_futimens(void) { return futimens(open("f", O_RDONLY), (struct timespec[2]){{.tv_sec = 1}, {.tv_sec = 1}}); }
static int limit_fsetxattr(void) { return fsetxattr(open("f", O_RDONLY), "user.x", "y", 1, 0); }
static int limit_proc_write(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", open("f", O_RDONLY));
	return write_to(open(path, O_WRONLY));
}
static int limit_proc_link(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", open("f", O_RDONLY));
	return linkat(AT_FDCWD, path, AT_FDCWD, "n", AT_SYMLINK_FOLLOW);
}
static int limit_proc_unlink(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/cwd/f");
	return unlink(path);
}

/* ---- the tables ---------------------------------------------------------------------------------------------------- */

#define C(f) {#f, f}
struct test_case {
	const char *name;
	int (*run)(void);
};
static const struct test_case names[] = {
	C(unlink_f),
	C(unlink_absolute),
	C(unlink_slash),
	C(unlink_below),
	C(unlink_missing),
	C(unlink_symlink),
	C(unlink_dot),
	C(unlink_empty),
	C(unlink_address),
	C(unlink_long_name),
	C(unlink_long_path),
	C(unlink_longest_path),
	C(unlink_page_end),
	C(rmdir_f),
	C(removedir_f),
	C(rmdir_d),
	C(unlinkat_flags),
	C(unlinkat_fd),
	C(unlinkat_dir),
	C(unlinkat_path),
	C(unlinkat_bad),
	C(unlinkat_bad_absolute),
	C(unlinkat_file),
	C(unlinkat_gone),
	C(unlink_proc_cwd),
	C(rename_away),
	C(rename_over),
	C(rename_both),
	C(rename_itself),
	C(rename_second_name),
	C(rename_over_plain),
	C(rename_dir_over),
	C(rename_over_dir),
	C(rename_into_dir),
	C(rename_slash),
	C(rename_to_slash),
	C(rename_missing),
	C(rename_from_missing),
	C(rename_mount),
	C(rename_symlink),
	C(rename_noreplace),
	C(rename_noreplace_free),
	C(rename_exchange),
	C(rename_exchange_plain),
	C(rename_exchange_dir),
	C(rename_exchange_missing),
	C(rename_both_flags),
	C(rename_bad_flags),
	C(rename_whiteout),
	C(link_f),
	C(link_exists),
	C(link_symlink),
	C(link_follow),
	C(link_dirs),
	C(link_empty),
	C(link_empty_path),
	C(link_empty_noflag),
	C(link_missing),
	C(link_mount),
	C(link_flags),
	C(link_slash),
	C(link_to_slash),
	C(link_dir),
	C(rename_directory),
	C(rmdir_full),
	C(tmpfile_link),
	C(tmpfile_over),
	C(tmpfile_rename_over),
	C(refused_uring),
	C(refused_user_namespace),
	C(refused_clone3),
	C(refused_landlock),
	C(refused_other_root),
#ifdef __x86_64__
	C(refused_x32),
#endif
	C(own_filter),
	C(user_unlink),
	C(user_rename),
	C(user_link),
	C(user_rmdir),
	C(user_no_search),
	C(user_own_dir),
	C(user_own_dir_over),
	C(user_group_dir),
	C(user_other_group),
	C(user_sticky),
	C(user_sticky_rmdir),
	C(user_sticky_over),
	C(user_sticky_own),
	C(user_sticky_own_dir),
	C(user_link_foreign),
	C(user_link_own),
	C(user_link_unreadable),
	C(fsuid_alone),
	C(fsuid_owner),
	C(no_caps),
	C(cap_fowner),
	C(cap_kill),
	C(chrooted),
	C(chrooted_symlink),
	C(chrooted_cwd_outside),
	C(outside_of_root),
	C(undumpable),
	C(chosen_name),
	C(vforked),
	C(thread_cwd),
	C(thread_fd),
	C(thread_ids),
#ifdef __x86_64__
	C(unlink_32),
	C(link_32),
	C(rename_32),
#endif
};
static const struct test_case edits[] = {
	C(edit_write),
	C(edit_append),
	C(edit_rdwr),
	C(edit_trunc),
	C(edit_rdonly_trunc),
	C(edit_creat),
	C(edit_create),
	C(edit_create_new),
	C(edit_excl),
	C(edit_symlink),
	C(edit_nofollow),
	C(edit_nofollow_symlink),
	C(edit_slash),
	C(edit_directory),
	C(edit_dir),
	C(edit_tmpfile),
	C(edit_openat),
	C(edit_absolute),
	C(edit_map),
	C(edit_truncate),
	C(edit_chmod),
	C(edit_chmod_suid),
	C(edit_fchmodat),
	C(edit_chown),
	C(edit_lchown),
	C(edit_fchownat),
	C(edit_chown_range),
	C(edit_utimes),
	C(edit_utimensat),
	C(edit_setxattr),
	C(edit_removexattr),
	C(edit_trusted),
	C(edit_fchmodat2),
	C(edit_setxattrat),
	C(edit_removexattrat),
	C(edit_no_openat2),
	C(edit_twice),
	C(edit_then_unlink),
	C(edit_by_two),
	C(user_write),
	C(user_write_own),
	C(user_write_group),
	C(user_noatime),
	C(user_truncate),
	C(user_chmod),
	C(user_chmod_own),
	C(user_chown_own),
	C(user_chgrp_own),
	C(user_utimes),
	C(user_utimes_group),
	C(user_utimensat_group),
	C(user_utimensat_own),
	C(user_setxattr),
	C(user_setxattr_group),
	C(user_unreachable),
	C(user_foreign_dir),
	C(chrooted_write),
	C(thread_write),
#ifdef __x86_64__
	C(edit_open_32),
	C(edit_creat_32),
	C(edit_chmod_32),
#endif
};
static const struct test_case limits[] = {
	C(limit_fchmod),
	C(limit_fchown),
	C(limit_futimens),
	C(limit_fsetxattr),
	C(limit_proc_write),
	C(limit_proc_link),
	C(limit_proc_unlink),
};
static const struct test_case *cases;
static size_t n_cases;

static int choose(const char *table)
{
	static const struct {
		const char *name;
		const struct test_case *cases;
		size_t n;
	} tables[] = {
		{"names", names, sizeof(names) / sizeof(names[0])},
		{"edits", edits, sizeof(edits) / sizeof(edits[0])},
		{"limits", limits, sizeof(limits) / sizeof(limits[0])},
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (strcmp(table, tables[i].name) != 0)
			continue;
		cases = tables[i].cases;
		n_cases = tables[i].n;
		return 1;
	}
	return 0;
}

static int visible(const struct dirent *de)
{
	return de->d_name[0] != '.';
}

/* Names, types, owners, sizes and contents: what is there afterwards. */
static void look(const char *dir, char *out, size_t size)
{
	struct dirent **list;
	int n = scandir(dir, &list, visible, alphasort);
	size_t len = 0;

	out[0] = 0;
	for (int i = 0; i < n; i++) {
		char path[8192], bytes[9] = "", xattr[64];
		struct stat st;
		int fd;

		snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		lstat(path, &st);
		fd = S_ISREG(st.st_mode) ? open(path, O_RDONLY) : -1;
		if (fd >= 0 && read(fd, bytes, 8) > 0)
			bytes[strcspn(bytes, "\n")] = '|';
		close(fd);
		len += (size_t)snprintf(out + len, size - len, " %s=%o:%u:%u:%s", list[i]->d_name, st.st_mode, st.st_uid,
					st.st_gid, bytes);
		if (S_ISREG(st.st_mode) && getxattr(path, "user.x", xattr, sizeof(xattr)) > 0)
			len += (size_t)snprintf(out + len, size - len, "+x");
		if (S_ISDIR(st.st_mode))
			look(path, out + len, size - len);
		len = strlen(out);
	}
}

static int run_case(size_t i, const char *base, char *out, size_t size)
{
	int status;
	pid_t pid;

	snprintf(top, sizeof(top), "%s/%zu", base, i);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (chdir(top) < 0)
			exit(2);
		snprintf(out, size, "%s", cases[i].run() < 0 ? strerror(errno) : "done");
		exit(0);
	}
	waitpid(pid, &status, 0);
	if (status != 0)
		snprintf(out, size, "status %x", status);
	look(top, out + strlen(out), size - strlen(out));
	return status;
}

static int table(const char *sealed, const char *plain)
{
	size_t size = 65536;
	char *text = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < n_cases; i++) {
		run_case(i, sealed, text, size);
		unlink(OTHER_MOUNT);
		run_case(i, plain, text + size, size);
		unlink(OTHER_MOUNT);
		if (strcmp(text, text + size) == 0)
			printf("same %s: %s\n", cases[i].name, text);
		else
			printf("differs %s: sealed: %s; plain: %s\n", cases[i].name, text, text + size);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "count") == 0 && choose(argv[2]))
		return printf("%zu\n", n_cases) < 0;
	if (argc == 4 && choose(argv[1]))
		return table(argv[2], argv[3]);
	return 2;
}
