/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Security contexts where the kernel decides (context.bpf.c): the loaded piece, and the prctl by which a process asks.
 */
#include "kernel/context.h"
#include "kernel/load.h"
#include "kernel/number.h"
#include "kernel/context.skel.h"

#include <sys/prctl.h>
#include <sys/utsname.h>

_Static_assert(CTX_LOCK == CONTEXT_LOCK && CTX_NPROC == CONTEXT_NPROC && CTX_PRIVATE == CONTEXT_PRIVATE &&
		       CTX_HIDEINFO == CONTEXT_HIDEINFO,
	       "the programs know the same flags");
_Static_assert((uint32_t)CTX_NEXT == CONTEXT_NEXT && (uint32_t)CTX_STAY == CONTEXT_STAY && CTX_LAST == CONTEXT_LAST &&
		       CTX_LAST_FIXED == CONTEXT_LAST_FIXED,
	       "… and the same numbers");

/* ---- the piece --------------------------------------------------------------------------------------------------- */

static struct bpf_object *piece_open(void **ret_skel)
{
	struct context_bpf *skel = context_bpf__open();

	*ret_skel = skel;
	return skel ? skel->obj : NULL;
}

static void piece_close(void *skel)
{
	context_bpf__destroy(skel);
}

/* Until 6.2 a program that is interrupted by itself, on one processor, is left out. An LSM program is so only where
 * kernel code can be preempted: there a fork could lose its context. The kernel's own function that came with the cure
 * tells whether it is this one's. */
static bool loses_programs(void)
{
	_cleanup_close_ int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	char line[4096];
	ssize_t n = fd >= 0 ? read(fd, line, sizeof(line) - 1) : -1;
	struct utsname u;

	line[n > 0 ? n : 0] = 0;
	uname(&u);
	if (kernel_func_takes("__bpf_prog_enter_recur", 2))
		return false;
	return strstr(u.version, " PREEMPT ") || strstr(u.version, " PREEMPT_RT ") || strstr(line, "preempt=full");
}

static int piece_tune(void *opened, int home, struct err *e)
{
	struct context_bpf *skel = opened;
	struct stat st;

	if (fstat(home, &st) < 0)
		return err_sys(e, "cgroup /vserver");
	if (loses_programs())
		return err_set(e, -EOPNOTSUPP,
			       "context: this kernel may leave out a program that is preempted (before Linux 6.2, "
			       "fully preemptible); boot it with preempt=voluntary");
	skel->rodata->home = st.st_ino;
	bpf_program__set_autoload(skel->progs.context_ioctl_compat, kernel_func_takes("bpf_lsm_file_ioctl_compat", 3));
	return 0;
}

const struct piece context_piece = {
	.name = "context",
	.layout = CONTEXT_LAYOUT,
	.open = piece_open,
	.close = piece_close,
	.tune = piece_tune,
};

/* ---- asking ------------------------------------------------------------------------------------------------------ */

/* The answer, 0…255, or -errno. */
static int ask(enum context_op op, uint32_t number, uint32_t flags)
{
	if (prctl(CONTEXT_PRCTL, (unsigned long)op, (unsigned long)number, (unsigned long)flags, 0UL) == 0)
		return -EINVAL;
	return errno >= CONTEXT_DONE && errno < CONTEXT_DONE + 256 ? errno - CONTEXT_DONE : -errno;
}

bool ctx_live(void)
{
	return ask(CONTEXT_HELLO, 0, 0) == CONTEXT_LAYOUT;
}

int ctx_number(uint32_t *ret, struct err *e)
{
	int low = ask(CONTEXT_LOW, 0, 0), high = ask(CONTEXT_HIGH, 0, 0);

	if (low == -EPERM || high == -EPERM)
		return err_set(e, -EPERM, "this context does not tell its number (flag hideinfo)");
	if (low < 0 || high < 0)
		return err_set(e, -ENODEV, "the context programs are not loaded; run as root: vserver-kernel load");
	*ret = (uint32_t)high << 8 | (uint32_t)low;
	return 0;
}

static int refusal(int r, uint32_t number, struct err *e)
{
	switch (r) {
	case -EPERM:
		return err_set(e, r, "context %u: only root in the host's context may name a context's number", number);
	case -EACCES:
		return err_set(e, r, "context %u is private: nobody joins it any more", number);
	case -EXDEV:
		return err_set(e, r, "this process is locked into its context (flag lock)");
	case -EEXIST:
		return err_set(e, r, "context %u is in use", number);
	case -EBUSY:
		return err_set(e, r, "a process with several threads cannot move to another context");
	case -ESRCH:
		return err_set(e, r, "there is no context %u", number);
	case -EAGAIN:
		return err_set(e, r, "no free context number between %u and %u", CONTEXT_FIRST_FREE, CONTEXT_LAST);
	case -ENOSPC:
		return err_set(e, r, "the kernel's table of contexts is full; end some processes in contexts");
	}
	return err_set(e, r, "context %u: %s", number, strerror(-r));
}

int context_enter(uint32_t number, uint32_t flags, struct err *e)
{
	int tries = (CONTEXT_LAST - CONTEXT_FIRST_FREE) / 64 + 1, r;

	do
		r = ask(CONTEXT_ENTER, number, flags);
	while (r == -EAGAIN && --tries);
	return r < 0 ? refusal(r, number, e) : 0;
}

int ctx_enter(int number, unsigned flags, struct err *e)
{
	return context_enter((uint32_t)number, flags & CONTEXT_FLAGS_ALL, e);
}

int ctx_next_child(uint32_t number, unsigned flags, struct err *e)
{
	int r = ask(CONTEXT_CHILD, number, flags);

	return r < 0 ? refusal(r, number, e) : 0;
}

int ctx_serve(uint32_t number, struct err *e)
{
	int r = ask(CONTEXT_SERVE, number, 0);

	return r < 0 ? refusal(r, number, e) : 0;
}
