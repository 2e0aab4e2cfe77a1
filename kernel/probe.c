/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Trying out the kinds of BPF programs: load, attach, do what the program decides about, look.
 */
#include "kernel/probe.h"
#include "kernel/load.h"
#include "kernel/probe.skel.h"

#include <bpf/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void destroy_probe(struct probe_bpf **skel)
{
	probe_bpf__destroy(*skel);
}
static void destroy_link(struct bpf_link **link)
{
	bpf_link__destroy(*link);
}
#define _cleanup_probe_ _cleanup_(destroy_probe)
#define _cleanup_link_ _cleanup_(destroy_link)

/* The object with this one program, loaded; NULL: *e says why. */
static struct probe_bpf *load_one(const char *program, const char *what, struct err *e)
{
	struct probe_bpf *skel;
	int r;

	kernel_listen();
	skel = probe_bpf__open();
	if (!skel) {
		err_sys(e, "%s: the program to try it cannot be read", what);
		return NULL;
	}
	skel->rodata->target = (uint32_t)getpid();
	bpf_map__set_autocreate(skel->maps.listener, strcmp(program, "probe_lookup") == 0);
	bpf_program__set_autoload(bpf_object__find_program_by_name(skel->obj, program), true);
	r = probe_bpf__load(skel);
	if (r == 0)
		return skel;
	probe_bpf__destroy(skel);
	err_set(e, -EOPNOTSUPP, "%s: the kernel does not take such a program: %s%s%s", what, strerror(-r),
		*kernel_why() ? ": " : "", kernel_why());
	return NULL;
}

static int cannot_attach(const char *what, int error, struct err *e)
{
	return err_set(e, -EOPNOTSUPP, "%s: such a program loads, but cannot be attached: %s%s%s", what,
		       strerror(error), *kernel_why() ? ": " : "", kernel_why());
}

/* ---- BPF LSM ----------------------------------------------------------------------------------------------------- */

int probe_lsm(struct err *e)
{
	static const char what[] = "BPF LSM";
	_cleanup_probe_ struct probe_bpf *skel = load_one("probe_setnice", what, e);
	_cleanup_link_ struct bpf_link *link = NULL;
	int nice, r;

	if (!skel)
		return e ? e->status : -EOPNOTSUPP;
	link = kernel_attach(skel->progs.probe_setnice, -1);
	if (!link)
		return cannot_attach(what, errno, e);
	nice = getpriority(PRIO_PROCESS, 0);
	r = setpriority(PRIO_PROCESS, 0, nice) < 0 ? errno : 0;
	if (r != EXDEV)
		return err_set(e, -EOPNOTSUPP,
			       "%s: such a program loads, but the kernel does not ask it: bpf is not among its active "
			       "security modules",
			       what);
	if (kernel_skips_programs())
		return err_set(e, -EOPNOTSUPP,
			       "%s: this kernel leaves out a program that is preempted (before Linux 6.2, fully "
			       "preemptible), so it can be got around; boot with preempt=voluntary",
			       what);
	return 0;
}

/* ---- cgroup ------------------------------------------------------------------------------------------------------ */

static int bind_anywhere(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	_cleanup_close_ int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 ? errno : 0;
}

/* errno of a bind in that cgroup, or -errno. */
static int bind_in(int cgroup)
{
	_cleanup_close_ int procs = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	int status = 0;
	pid_t pid;

	if (procs < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		_exit(write(procs, "0", 1) == 1 ? bind_anywhere() : 255);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) != 255 ? WEXITSTATUS(status) : -EIO;
}

static int try_bind(struct probe_bpf *skel, int cgroup, const char *what, struct err *e)
{
	_cleanup_link_ struct bpf_link *link = NULL;
	int r = bind_in(cgroup);

	if (r != 0)
		return err_set(e, r < 0 ? r : -r, "%s: nothing can be bound even without a program: %s", what,
			       strerror(abs(r)));
	link = kernel_attach(skel->progs.probe_bind, cgroup);
	if (!link)
		return cannot_attach(what, errno, e);
	r = bind_in(cgroup);
	if (r < 0)
		return err_set(e, r, "%s: trying it out: %s", what, strerror(-r));
	if (r != EPERM)
		return err_set(e, -EOPNOTSUPP, "%s: such a program loads, but the kernel does not ask it", what);
	return 0;
}

int probe_cgroup(struct err *e)
{
	static const char what[] = "BPF cgroup programs";
	_cleanup_probe_ struct probe_bpf *skel = load_one("probe_bind", what, e);
	_cleanup_close_ int cgroup = -1;
	uint32_t number;
	int r;

	if (!skel)
		return e ? e->status : -EOPNOTSUPP;
	cgroup = cgroup_new(&number, e);
	if (cgroup < 0)
		return cgroup;
	r = try_bind(skel, cgroup, what, e);
	cgroup_drop(number);
	return r;
}

/* ---- sk_lookup --------------------------------------------------------------------------------------------------- */

#define OTHER_PORT 7 /* nothing listens in an empty network namespace */

static int loopback_up(void)
{
	_cleanup_close_ int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};

	return s < 0 || ioctl(s, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	_cleanup_close_ int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return s < 0 || connect(s, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
}

enum { LOOKUP_DECIDES, LOOKUP_NO_NETNS, LOOKUP_NO_SOCKET, LOOKUP_NO_MAP, LOOKUP_NO_ATTACH, LOOKUP_NOT_ASKED };

/* In a child, in a network namespace of its own. */
static int try_lookup(struct probe_bpf *skel)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	_cleanup_link_ struct bpf_link *link = NULL;
	_cleanup_close_ int s = -1;
	uint32_t zero = 0;
	uint64_t value;

	if (unshare(CLONE_NEWNET) < 0 || loopback_up() < 0)
		return LOOKUP_NO_NETNS;
	s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 8) < 0 ||
	    connect_to(OTHER_PORT) != -ECONNREFUSED)
		return LOOKUP_NO_SOCKET;
	value = (uint64_t)s;
	if (bpf_map_update_elem(bpf_map__fd(skel->maps.listener), &zero, &value, BPF_ANY) < 0)
		return LOOKUP_NO_MAP;
	link = kernel_attach(skel->progs.probe_lookup, -1);
	if (!link)
		return LOOKUP_NO_ATTACH;
	return connect_to(OTHER_PORT) == 0 ? LOOKUP_DECIDES : LOOKUP_NOT_ASKED;
}

int probe_sk_lookup(struct err *e)
{
	static const char *const said[] = {
		[LOOKUP_NO_NETNS] = "no network namespace to try it in can be made",
		[LOOKUP_NO_SOCKET] = "no socket to try it with can be made",
		[LOOKUP_NO_MAP] = "the kernel takes no listening socket into a map (before Linux 5.9?)",
		[LOOKUP_NO_ATTACH] = "such a program loads, but cannot be attached to a network namespace",
		[LOOKUP_NOT_ASKED] = "such a program loads, but the kernel does not ask it",
	};
	_cleanup_probe_ struct probe_bpf *skel = load_one("probe_lookup", "BPF sk_lookup", e);
	int status = 0;
	pid_t pid;

	if (!skel)
		return e ? e->status : -EOPNOTSUPP;
	pid = fork();
	if (pid == 0)
		_exit(try_lookup(skel));
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) >= (int)ARRAY_LEN(said))
		return err_set(e, -EIO, "BPF sk_lookup: trying it out failed");
	if (WEXITSTATUS(status) == LOOKUP_DECIDES)
		return 0;
	return err_set(e, -EOPNOTSUPP, "BPF sk_lookup: %s", said[WEXITSTATUS(status)]);
}
