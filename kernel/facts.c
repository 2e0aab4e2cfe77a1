/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the running kernel is like, asked of itself: its functions, its habits, and the reasons that libbpf hears.
 */
#include "kernel/load.h"

#include <bpf/btf.h>
#include <sys/utsname.h>

/* ---- what libbpf says -------------------------------------------------------------------------------------------- */

static char why[256];

/* libbpf tells a failure's reason in its warnings alone; the first one is the cause, the rest its consequences. */
static int keep_why(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char *nl;

	if (level != LIBBPF_WARN || why[0])
		return 0;
	vsnprintf(why, sizeof(why), fmt, args);
	nl = strchr(why, '\n');
	if (nl)
		*nl = '\0';
	if (strncmp(why, "libbpf: ", 8) == 0)
		memmove(why, why + 8, strlen(why + 8) + 1);
	return 0;
}

const char *kernel_why(void)
{
	return why;
}

void kernel_listen(void)
{
	why[0] = '\0';
	libbpf_set_print(keep_why);
}

/* ---- what the kernel is like ------------------------------------------------------------------------------------- */

/* Some megabytes, which several questions share; kernel_load forgets it at its end. */
static struct btf *types;

int kernel_types(void)
{
	if (!types)
		types = btf__load_vmlinux_btf();
	return types ? 0 : errno ? -errno : -ENOENT;
}

int kernel_func_params(const char *func)
{
	const struct btf_type *t;
	int id;

	id = kernel_types() == 0 ? btf__find_by_name_kind(types, func, BTF_KIND_FUNC) : -1;
	if (id <= 0)
		return -ENOENT;
	t = btf__type_by_id(types, btf__type_by_id(types, (uint32_t)id)->type);
	return t ? btf_vlen(t) : -ENOENT;
}

bool kernel_func_takes(const char *func, unsigned params)
{
	return kernel_func_params(func) == (int)params;
}

void kernel_forget_types(void)
{
	btf__free(types);
	types = NULL;
}

/* Whether the file has the line. */
static bool has_line(const char *path, const char *line)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *have = NULL;
	size_t size = 0;

	while (f && getline(&have, &size, f) > 0)
		if (strncmp(have, line, strlen(line)) == 0 && strspn(have + strlen(line), "\n") > 0)
			return true;
	return false;
}

/* The program's own counter went with 6.2; the function that has it since for other kinds of programs tells. */
bool kernel_skips_programs(void)
{
	_cleanup_free_ char *config = NULL;
	_cleanup_close_ int fd = -1;
	char line[4096];
	struct utsname u;
	ssize_t n;

	if (kernel_func_takes("__bpf_prog_enter_recur", 2))
		return false;
	fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, line, sizeof(line) - 1) : -1;
	line[n > 0 ? n : 0] = 0;
	uname(&u);
	if (strstr(u.version, " PREEMPT ") || strstr(u.version, " PREEMPT_RT ") || strstr(line, "preempt=full"))
		return true;
	/* PREEMPT_DYNAMIC says only that one could choose. */
	config = xasprintf("/boot/config-%s", u.release);
	return strstr(u.version, " PREEMPT_DYNAMIC ") && !strstr(line, "preempt=") &&
	       has_line(config, "CONFIG_PREEMPT=y");
}
