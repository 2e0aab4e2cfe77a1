/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What other rooms do with addresses, and what can go wrong with locks, for chbind.t:
 *
 *	lock CGROUP WORD…     locks it; WORD: guest, raw, bcast=ADDRESS or an address
 *	query PID             what it is locked to
 *	collect
 *	fill CGROUP N SLOTS   makes N cgroups in CGROUP and enters them as locked, into SLOTS slots in turn
 *	kill N COMMAND…       kills the command before its Nth system call; fails when it ended before
 */
#include "kernel/address.h"
#include "kernel/kernel.h"

#include <bpf/bpf.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static int fail(struct err *e)
{
	fprintf(stderr, "%s\n", e->msg);
	err_clear(e);
	return 1;
}

static void tell(const struct addr_set *set)
{
	char text[ADDR_TEXT];

	for (size_t i = 0; i < set->n; i++)
		printf("%s%s/%d", i ? " " : "", addr_text(&set->a[i], text), set->a[i].prefix);
	printf("%s%s%s refused=%d\n", set->hears ? " hears" : "", set->guest ? " guest" : "", set->raw ? " raw" : "",
	       set->refused);
}

static int fill(const char *cgroup, uint32_t n, uint32_t slots)
{
	int fd = bpf_obj_get("/sys/fs/bpf/vserver/address/cgroups"), in = open(cgroup, O_RDONLY | O_DIRECTORY);

	for (uint32_t i = 0; i < n; i++) {
		struct address_cgroup c = {.slot = 1 + i % slots};
		char name[16];
		struct stat st;
		uint64_t id;

		snprintf(name, sizeof(name), "%u", i);
		if (mkdirat(in, name, 0755) < 0 || fstatat(in, name, &st, 0) < 0)
			return 1;
		id = st.st_ino;
		if (bpf_map_update_elem(fd, &id, &c, BPF_ANY) < 0)
			return 2;
	}
	return 0;
}

static int kill_at(int n, char **argv)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execvp(argv[0], argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) == pid && !WIFEXITED(status) && !WIFSIGNALED(status)) {
		if (n <= 0)
			kill(pid, SIGKILL);
		else
			ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
		n -= 1; /* twice a call: the other half is at its end */
	}
	return WIFSIGNALED(status) ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct addr_set set = {0};
	struct err e = {0};
	int fd, r = 0;

	if (argc == 2 && strcmp(argv[1], "collect") == 0) {
		addr_collect();
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "query") == 0) {
		if (addr_query(atoi(argv[2]), &set, &e) < 0)
			return fail(&e);
		tell(&set);
		return 0;
	}
	if (argc == 5 && strcmp(argv[1], "fill") == 0)
		return fill(argv[2], (uint32_t)atoi(argv[3]), (uint32_t)atoi(argv[4]));
	if (argc > 3 && strcmp(argv[1], "kill") == 0)
		return kill_at(atoi(argv[2]), argv + 3);
	if (argc < 3)
		return 99;
	fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 3; i < argc && r == 0; i++) {
		if (strcmp(argv[i], "guest") == 0)
			set.guest = true;
		else if (strcmp(argv[i], "raw") == 0)
			set.raw = true;
		else if (strncmp(argv[i], "bcast=", 6) == 0)
			r = addr_add_broadcast(&set, argv[i] + 6, &e);
		else
			r = addr_add(&set, argv[i], &e);
	}
	if (r == 0)
		r = addr_lock_cgroup(fd, &set, &e);
	return r < 0 ? fail(&e) : 0;
}
