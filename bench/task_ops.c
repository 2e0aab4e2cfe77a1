/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What processes do all the time, each in a loop: task_ops DIR ROUNDS prints "OPERATION NANOSECONDS" of the fastest of
 * so many rounds. DIR takes its files. Where the machine's clock counts instructions, so does this (bench/costs).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char self[4096];

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void op_open(void)
{
	int fd = open("file", O_RDONLY);

	check(fd >= 0, "open");
	close(fd);
}

static void op_write(void)
{
	int fd = open("file", O_WRONLY);

	check(fd >= 0, "open for writing");
	close(fd);
}

static void op_create(void)
{
	int fd = open("new", O_WRONLY | O_CREAT | O_EXCL, 0644);

	check(fd >= 0 && rename("new", "newer") == 0 && unlink("newer") == 0, "create, rename, unlink");
	close(fd);
}

static void op_chmod(void)
{
	check(chmod("file", 0644) == 0, "chmod");
}

static void op_stat(void)
{
	struct stat st;

	check(stat("file", &st) == 0, "stat");
}

static void op_map(void)
{
	int fd = open("file", O_RDONLY);
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);

	check(fd >= 0 && p != MAP_FAILED, "mmap");
	munmap(p, 4096);
	close(fd);
}

static void op_proc(void)
{
	int fd = open("/proc/self/stat", O_RDONLY);

	check(fd >= 0, "/proc/self/stat");
	close(fd);
}

static void op_kill(void)
{
	check(kill(getpid(), 0) == 0, "kill");
}

static void op_unix(void)
{
	int fd[2];

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0, "socketpair");
	close(fd[0]);
	close(fd[1]);
}

static void op_fork(void)
{
	pid_t pid = fork();

	check(pid >= 0, "fork");
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
}

static void op_exec(void)
{
	int status = 1;
	pid_t pid = vfork();

	check(pid >= 0, "vfork");
	if (pid == 0) {
		execl(self, self, (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	check(status == 0, "exec");
}

static const struct {
	const char *name;
	void (*op)(void);
	unsigned n;
} ops[] = {
	{"open", op_open, 400},
	{"open-for-writing", op_write, 400},
	{"create-rename-unlink", op_create, 100},
	{"chmod", op_chmod, 400},
	{"stat", op_stat, 400},
	{"mmap", op_map, 200},
	{"open-proc", op_proc, 200},
	{"kill", op_kill, 400},
	{"socketpair", op_unix, 200},
	{"fork", op_fork, 50},
	{"exec", op_exec, 25},
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	double best[sizeof(ops) / sizeof(*ops)] = {0};
	int fd;

	if (argc < 3) /* op_exec's child */
		return 0;
	check(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0, "/proc/self/exe");
	check(chdir(argv[1]) == 0, argv[1]);
	fd = open("file", O_RDWR | O_CREAT, 0644);
	check(fd >= 0 && ftruncate(fd, 4096) == 0, "file");
	close(fd);
	for (int round = atoi(argv[2]); round > 0; round--)
		for (size_t k = 0; k < sizeof(ops) / sizeof(*ops); k++) {
			double from = now(), each;

			for (unsigned i = 0; i < ops[k].n; i++)
				ops[k].op();
			each = (now() - from) / ops[k].n;
			best[k] = best[k] == 0 || each < best[k] ? each : best[k];
		}
	for (size_t k = 0; k < sizeof(ops) / sizeof(*ops); k++)
		printf("%s %.0f\n", ops[k].name, best[k]);
	return 0;
}
