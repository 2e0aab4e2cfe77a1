/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tricks by which a root leaves or reaches out of its cage, one a word; built static by context.t, run in a vserver
 * and, as the positive control, in a plain chroot or on the host. Exit status: 0 the trick worked, 1 it was refused
 * (the reason on standard output), 2 it cannot be tried here.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY_NAME "vpkg-context-test"

static int refused(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return 1;
}

static int verdict(long r, const char *what)
{
	return r >= 0 ? 0 : refused(what);
}

static int double_chroot(char **a)
{
	int root = open("/", O_RDONLY | O_DIRECTORY);

	mkdir("/jail", 0700);
	if (root < 0 || chroot("/jail") < 0 || fchdir(root) < 0)
		return refused("chroot");
	for (int i = 0; i < 128; i++)
		if (chdir("..") < 0)
			return refused("..");
	if (chroot(".") < 0)
		return refused("chroot .");
	return verdict(access(a[0], F_OK), a[0]);
}

/* A directory that the caller left open. */
static int leaked_fd(char **a)
{
	if (fchdir(atoi(a[0])) < 0)
		return refused("fchdir");
	return verdict(faccessat(AT_FDCWD, a[1], F_OK, 0), a[1]);
}

static int list_fds(char **a)
{
	for (int fd = 0; fd < 65536; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("%d\n", fd);
	return 0;
}

static int try_mknod(char **a)
{
	unlink("/node");
	if (mknod("/node", S_IFCHR | 0666, makedev(1, 5)) < 0)
		return refused("mknod");
	return verdict(open("/node", O_RDONLY), "open");
}

static int try_mount(char **a)
{
	mkdir("/mnt", 0755);
	if (mount("none", "/mnt", "tmpfs", 0, NULL) < 0)
		return refused("mount");
	return verdict(umount("/mnt"), "umount");
}

static int try_umount(char **a)
{
	return verdict(umount2(a[0], MNT_DETACH), "umount");
}

static int try_fsopen(char **a)
{
	return verdict(syscall(SYS_fsopen, "tmpfs", 0), "fsopen");
}

static int try_remount(char **a)
{
	return verdict(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL), "remount");
}

static int add_key_(char **a)
{
	return verdict(syscall(SYS_add_key, "user", KEY_NAME, "secret", 6L, KEY_SPEC_USER_KEYRING), "add_key");
}

static int find_key(char **a)
{
	return verdict(syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", KEY_NAME, 0), "keyctl");
}

static int drop_key(char **a)
{
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", KEY_NAME, 0);

	return verdict(syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_USER_KEYRING), "keyctl");
}

/* keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1) by the entry for 32-bit programs, with their numbers. */
static int find_key_32(char **a)
{
#ifdef __x86_64__
	int r;
	pid_t pid = fork();

	if (pid == 0) {
		__asm__ volatile("int $0x80"
				 : "=a"(r)
				 : "0"(288), "b"(KEYCTL_GET_KEYRING_ID), "c"(KEY_SPEC_USER_KEYRING), "d"(1)
				 : "memory", "r8", "r9", "r10", "r11");
		_exit(r > 0 ? 0 : r == -ENOSYS ? 2 : 1);
	}
	if (waitpid(pid, &r, 0) != pid || !WIFEXITED(r))
		return 2;
	return WEXITSTATUS(r);
#else
	return 2;
#endif
}

static int new_user_namespace(char **a)
{
	return verdict(unshare(CLONE_NEWUSER), "unshare");
}

static int clone_user_namespace(char **a)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return verdict(pid, "clone");
}

static int clone3_user_namespace(char **a)
{
	struct {
		unsigned long long flags, f[3], exit_signal, g[6];
	} args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return verdict(pid, "clone3");
}

static int new_mount_namespace(char **a)
{
	return verdict(unshare(CLONE_NEWNS), "unshare");
}

/* Opens only: what is opened here could reboot the machine when written to. */
static int open_for_writing(char **a)
{
	return verdict(open(a[0], O_WRONLY | O_NONBLOCK | O_NOCTTY), a[0]);
}
static int open_for_reading(char **a)
{
	return verdict(open(a[0], O_RDONLY | O_NONBLOCK | O_NOCTTY), a[0]);
}

/* Every file below a directory that opens for writing. */
static void sweep_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		char path[4096];
		struct stat st;
		int fd;

		/* Of processes, only those of its own: they are all it can see. */
		if (de->d_name[0] == '.' || (strcmp(dir, "/proc") == 0 && de->d_name[0] >= '0' && de->d_name[0] <= '9'))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, de->d_name) >= (int)sizeof(path) || lstat(path, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			sweep_dir(path);
		if (!S_ISREG(st.st_mode))
			continue;
		fd = open(path, O_WRONLY | O_NONBLOCK);
		if (fd >= 0) {
			puts(path);
			close(fd);
		}
	}
	if (d)
		closedir(d);
}

static int sweep(char **a)
{
	sweep_dir(a[0]);
	return 0;
}

/* Makes every other open of the file for reading wait: a shared one's, too. */
static int take_lease(char **a)
{
	int fd = open(a[0], O_RDONLY);

	return verdict(fd < 0 ? -1 : fcntl(fd, F_SETLEASE, F_WRLCK), "F_SETLEASE");
}

/* The handle of a file as two words, and the way back, from any root on the same file system. */
static int print_handle(char **a)
{
	struct {
		struct file_handle h;
		unsigned char bytes[MAX_HANDLE_SZ];
	} f = {.h.handle_bytes = MAX_HANDLE_SZ};
	int mount_id;

	if (name_to_handle_at(AT_FDCWD, a[0], &f.h, &mount_id, 0) < 0)
		return 2;
	printf("%d ", f.h.handle_type);
	for (unsigned i = 0; i < f.h.handle_bytes; i++)
		printf("%02x", f.h.f_handle[i]);
	putchar('\n');
	return 0;
}

static int open_handle(char **a)
{
	struct {
		struct file_handle h;
		unsigned char bytes[MAX_HANDLE_SZ];
	} f = {0};
	int root = open("/", O_RDONLY | O_DIRECTORY);

	f.h.handle_type = atoi(a[0]);
	f.h.handle_bytes = (unsigned)strlen(a[1]) / 2;
	for (unsigned i = 0; i < f.h.handle_bytes && i < MAX_HANDLE_SZ; i++) {
		unsigned byte;

		if (sscanf(a[1] + 2 * i, "%2x", &byte) != 1)
			return 2;
		f.h.f_handle[i] = (unsigned char)byte;
	}
	return verdict(open_by_handle_at(root, &f.h, O_RDONLY), "open_by_handle_at");
}

static int try_setns(char **a)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY);

	return fd < 0 ? refused("ns") : verdict(setns(fd, 0), "setns");
}

static int try_pivot(char **a)
{
	return verdict(syscall(SYS_pivot_root, ".", "."), "pivot_root");
}

static int raw_socket(char **a)
{
	return verdict(socket(AF_INET, SOCK_RAW, 1), "raw socket");
}
static int packet_socket(char **a)
{
	return verdict(socket(AF_PACKET, SOCK_RAW, 0), "packet socket");
}

static int try_bpf(char **a)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return verdict(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)), "bpf");
}

static int trace(char **a)
{
	return verdict(ptrace(PTRACE_ATTACH, atoi(a[0]), 0, 0), "ptrace");
}

static int try_kill(char **a)
{
	return verdict(kill(atoi(a[0]), 0), "kill");
}

static int make_shm(char **a)
{
	return verdict(shmget(atoi(a[0]), 4096, IPC_CREAT | 0600), "shmget");
}
static int find_shm(char **a)
{
	return verdict(shmget(atoi(a[0]), 0, 0), "shmget");
}

static int set_host_name(char **a)
{
	return verdict(sethostname(a[0], strlen(a[0])), "sethostname");
}

static int show_args(char **a)
{
	for (; *a; a++)
		printf("[%s]", *a);
	putchar('\n');
	return 0;
}

static int effective_uid(char **a)
{
	printf("%d %d\n", (int)getuid(), (int)geteuid());
	return 0;
}

/* Runs a[1]… as user a[0], without any capability. */
static int as_user(char **a)
{
	unsigned id = (unsigned)atoi(a[0]);

	if (setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return refused("setuid");
	execv(a[1], a + 1);
	return refused(a[1]);
}

static int try_chown(char **a)
{
	return verdict(chown(a[1], (uid_t)atoi(a[0]), (gid_t)atoi(a[0])), "chown");
}

static int die(char **a)
{
	return raise(atoi(a[0]));
}

static const struct {
	const char *word;
	int (*fn)(char **);
	int args;
} tricks[] = {
	{"double-chroot", double_chroot, 1},
	{"leaked-fd", leaked_fd, 2},
	{"fds", list_fds, 0},
	{"mknod", try_mknod, 0},
	{"mount", try_mount, 0},
	{"umount", try_umount, 1},
	{"fsopen", try_fsopen, 0},
	{"remount", try_remount, 0},
	{"add-key", add_key_, 0},
	{"find-key", find_key, 0},
	{"find-key-32", find_key_32, 0},
	{"drop-key", drop_key, 0},
	{"unshare-user", new_user_namespace, 0},
	{"clone-user", clone_user_namespace, 0},
	{"clone3-user", clone3_user_namespace, 0},
	{"unshare-mount", new_mount_namespace, 0},
	{"open-w", open_for_writing, 1},
	{"open-r", open_for_reading, 1},
	{"sweep", sweep, 1},
	{"lease", take_lease, 1},
	{"handle", print_handle, 1},
	{"open-handle", open_handle, 2},
	{"setns", try_setns, 0},
	{"pivot", try_pivot, 0},
	{"raw-socket", raw_socket, 0},
	{"packet-socket", packet_socket, 0},
	{"bpf", try_bpf, 0},
	{"ptrace", trace, 1},
	{"kill", try_kill, 1},
	{"make-shm", make_shm, 1},
	{"find-shm", find_shm, 1},
	{"hostname", set_host_name, 1},
	{"args", show_args, 0},
	{"euid", effective_uid, 0},
	{"as", as_user, 2},
	{"chown", try_chown, 2},
	{"raise", die, 1},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(tricks) / sizeof(tricks[0]); i++)
		if (strcmp(argv[1], tricks[i].word) == 0 && argc - 2 >= tricks[i].args)
			return tricks[i].fn(argv + 2);
	fprintf(stderr, "escape: no such trick\n");
	return 2;
}
