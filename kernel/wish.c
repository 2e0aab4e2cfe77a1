/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A security context as chcontext wishes it, by whatever this host has: the programs in the kernel, or namespaces; as
 * root, with a cgroup, or as an ordinary user, without.
 */
#include "kernel/number.h"
#include "kernel/context.h"

#include <linux/keyctl.h>
#include <sched.h>
#include <sys/capability.h>
#include <sys/syscall.h>
#include <time.h>

/* ---- what is wished ---------------------------------------------------------------------------------------------- */

static int check(const struct ctx_wish *w, struct err *e)
{
	if (w->number != CTX_NEXT && w->number != CTX_STAY && (w->number < 1 || w->number > CTX_LAST))
		return err_set(e, -EINVAL,
			       "there is no context %d: 0 is the host's, 1 sees all, 2 to %d are free to choose",
			       w->number, CTX_LAST_FIXED);
	if ((w->hostname && (!*w->hostname || strlen(w->hostname) > 64)) ||
	    (w->domainname && strlen(w->domainname) > 64))
		return err_set(e, -EINVAL, "host and domain names have 1 to 64 characters");
	if (w->number == CTX_STAY && (w->hostname || w->domainname))
		return err_set(e, -EINVAL, "a name is a new context's; this one is to stay");
	if (w->number == CTX_STAY && w->flags & (CTX_FAKEINIT | CTX_SCHED | CTX_ULIMIT | CTX_PRIVATE))
		return err_set(e, -EINVAL,
			       "flags fakeinit, sched, ulimit and private are a new context's; this one is to stay");
	return 0;
}

static bool is_root(void)
{
	cap_flag_value_t has = CAP_CLEAR;
	cap_t caps = cap_get_proc();
	struct stat st;

	if (caps)
		cap_get_flag(caps, CAP_SYS_ADMIN, CAP_EFFECTIVE, &has);
	cap_free(caps);
	/* In the first user namespace, which has this number on every kernel. */
	return has == CAP_SET && stat("/proc/self/ns/user", &st) == 0 && st.st_ino == 0xeffffffd;
}

static int refuse_limits(const struct ctx_wish *w, struct err *e)
{
	if (w->flags & (CTX_SCHED | CTX_ULIMIT))
		return err_set(e, -EPERM, "flag %s: only root can limit a context as a whole",
			       w->flags & CTX_SCHED ? "sched" : "ulimit");
	return 0;
}

/* Keys of the caller's session are not for the context. Where keys are forbidden altogether there are none. */
static void own_keyring(void)
{
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
}

/* ---- with the programs in the kernel ----------------------------------------------------------------------------- */

/* Asks for the context; hideinfo only once its number is known. */
static int enter(uint32_t number, uint32_t flags, struct ctx_made *ret, struct err *e)
{
	uint32_t now = flags & (CONTEXT_LOCK | CONTEXT_NPROC | CONTEXT_PRIVATE | CONTEXT_FRESH | CONTEXT_JOIN);
	int r = context_enter(number, now, e);

	if (r == 0 && ctx_number(&ret->number, NULL) < 0)
		ret->number = 0;
	if (r == 0 && flags & CONTEXT_HIDEINFO)
		r = context_enter(CONTEXT_STAY, CONTEXT_HIDEINFO, e);
	return r;
}

static uint32_t kernel_flags(const struct ctx_wish *w)
{
	return (w->flags & CTX_ULIMIT ? CONTEXT_NPROC : 0) |
	       (w->flags & (CONTEXT_LOCK | CONTEXT_NPROC | CONTEXT_PRIVATE | CONTEXT_HIDEINFO));
}

/* To its cgroups: before it is in the context, where the kernel refuses to let them be changed or left. */
static int go_there(const struct ctx_wish *w, int dir, uint32_t number, struct err *e)
{
	int r = number_move(dir, e);

	return r < 0 ? r : controller_limits(w->flags & (CTX_SCHED | CTX_ULIMIT), number, 0, e);
}

static int own_names(const struct ctx_wish *w, struct err *e)
{
	int r = 0;

	if (w->hostname || w->domainname) {
		r = unshare(CLONE_NEWUTS) < 0 ? err_sys(e, "a host name namespace") : 0;
		r = r == 0 ? apart_names(w, e) : r;
	}
	if (r == 0 && w->flags & CTX_HIDEINFO && unshare(CLONE_NEWCGROUP) < 0)
		r = err_sys(e, "a cgroup namespace");
	return r;
}

/* A number whose cgroup is free may still be an ordinary user's: then the next. */
static int live_root_new(const struct ctx_wish *w, struct ctx_made *ret, struct err *e)
{
	uint32_t number = 0;
	int r = -EEXIST;

	while (r == -EEXIST) {
		_cleanup_err_ struct err why = {0};
		_cleanup_close_ int dir = number_new(number + 1, w->flags, &number, e);

		if (dir < 0)
			return dir;
		r = go_there(w, dir, number, e);
		if (r < 0)
			return r;
		r = enter(number, kernel_flags(w) | CONTEXT_FRESH, ret, &why);
		if (r < 0 && r != -EEXIST)
			return err_set(e, r, "%s", why.msg);
	}
	return r < 0 ? r : own_names(w, e);
}

static int live_root_given(const struct ctx_wish *w, struct ctx_made *ret, struct err *e)
{
	uint32_t number = (uint32_t)w->number;
	bool fixed = number <= CTX_LAST_FIXED;
	/* Context 1 only looks on, and those of ordinary users are made without: they have no cgroup. */
	_cleanup_close_ int dir = number == 1 ? -ENOENT : number_open(number, fixed, fixed ? e : NULL);
	int r = dir < 0 && fixed && number > 1 ? dir : 0;

	if (r == 0 && dir >= 0)
		r = go_there(w, dir, number, e);
	if (r == 0)
		r = enter(number, kernel_flags(w) | (fixed ? 0 : CONTEXT_JOIN), ret, e);
	return r < 0 ? r : own_names(w, e);
}

static int make_live(const struct ctx_wish *w, struct ctx_made *ret, struct err *e)
{
	uint32_t own = 0;
	bool hidden = ctx_number(&own, NULL) < 0, host_root = is_root() && !hidden && own == 0;
	bool spaces = w->flags & CTX_FAKEINIT || (!is_root() && (w->hostname || w->domainname));
	int r = 0;

	if (w->number == CTX_STAY) {
		r = enter(CONTEXT_STAY, kernel_flags(w), ret, e);
		return r == -EINVAL ? err_set(e, r, "the host's context can have no flag but lock") : r;
	}
	if (!host_root)
		r = refuse_limits(w, e);
	if (r == 0 && spaces)
		r = apart_make(&(struct apart){.wish = w, .cgroup = -1, .user = !is_root(), .held = -1, .plain = true},
			       ret, e);
	if (r < 0 || ret->child)
		return r;
	if (!host_root)
		r = enter((uint32_t)w->number, kernel_flags(w), ret, e);
	else if (w->number == CTX_NEXT)
		r = live_root_new(w, ret, e);
	else
		r = live_root_given(w, ret, e);
	return r;
}

/* ---- without ----------------------------------------------------------------------------------------------------- */

/* Number and flags of the context that the caller is in; 0 on the host. */
static int own_context(unsigned *ret_flags)
{
	_cleanup_close_ int dir = number_own();

	*ret_flags = dir < 0 ? 0 : number_flags(dir);
	return dir >= 0;
}

static int open_place(const struct ctx_wish *w, struct apart *a, struct ctx_made *ret, struct err *e)
{
	if (w->number == CTX_NEXT) {
		a->cgroup = number_new(0, w->flags, &ret->number, e);
		return a->cgroup < 0 ? a->cgroup : 0;
	}
	ret->number = (uint32_t)w->number;
	a->cgroup = number_open(ret->number, w->number <= CTX_LAST_FIXED, e);
	if (a->cgroup < 0)
		return a->cgroup;
	a->join = number_used(a->cgroup);
	if (a->join && number_flags(a->cgroup) & CTX_PRIVATE)
		return err_set(e, -EACCES, "context %u is private: nobody joins it any more", ret->number);
	if (a->join && w->flags & (CTX_FAKEINIT | CTX_SCHED | CTX_NPROC | CTX_ULIMIT))
		return err_set(e, -EINVAL,
			       "context %u is there already: flags fakeinit, sched, nproc and ulimit are a new one's",
			       ret->number);
	if (!a->join)
		return number_set_flags(a->cgroup, w->flags, e);
	return w->flags ? number_set_flags(a->cgroup, number_flags(a->cgroup) | w->flags, e) : 0;
}

static int apart_root(const struct ctx_wish *w, struct ctx_made *ret, struct err *e)
{
	struct apart a = {.wish = w, .cgroup = -1, .limits = true, .held = -1};
	unsigned flags;
	bool inside = own_context(&flags);
	int r;

	if (flags & CTX_LOCK)
		return err_set(e, -EXDEV, "this process is locked into its context (flag lock)");
	if (inside && w->number != CTX_NEXT)
		return err_set(e, -EPERM, "context %d: only root in the host's context may name a context's number",
			       w->number);
	if (w->number == 1) {
		ret->number = 1;
		ret->weaker = "without the context programs in the kernel the host itself sees all processes: this is "
			      "no other context";
		return w->flags || w->hostname || w->domainname
			       ? err_set(e, -EINVAL, "context 1 only looks on: it has no flags and no names")
			       : 0;
	}
	for (int i = 0;; i++) {
		_cleanup_err_ struct err why = {0};

		r = open_place(w, &a, ret, &why);
		if (r == 0)
			r = apart_make(&a, ret, &why);
		/* A context that is just ending has lost its first process, and in a moment the others. */
		if (r != -ESRCH || !a.join || i == 100) {
			close_fd(a.cgroup);
			if (r < 0)
				return err_set(e, r, "%s", why.msg);
			break;
		}
		a.cgroup = close_fd(a.cgroup);
		a.join = false;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	ret->weaker =
		"without the context programs in the kernel the host sees this context, and flags lock and private "
		"bind chcontext alone: see chcontext(8)";
	return r;
}

/* A number for whom no cgroup can be made. */
static int hold_number(uint32_t *ret, struct err *e)
{
	for (uint32_t n = CONTEXT_FIRST_FREE; n <= CONTEXT_LAST; n++) {
		_cleanup_close_ int dir = number_open(n, false, NULL);
		int fd = dir >= 0 ? -EADDRINUSE : number_hold(n);

		*ret = n;
		if (fd >= 0)
			return fd;
	}
	return err_set(e, -EBUSY, "no free context number between %u and %u", CONTEXT_FIRST_FREE, CONTEXT_LAST);
}

static int apart_user(const struct ctx_wish *w, struct ctx_made *ret, struct err *e)
{
	struct apart a = {.wish = w, .cgroup = -1, .user = true};
	int r;

	if (w->number != CTX_NEXT)
		return err_set(e, -EPERM, "context %d: only root in the host's context may name a context's number",
			       w->number);
	r = refuse_limits(w, e);
	if (r < 0)
		return r;
	a.held = hold_number(&ret->number, e);
	if (a.held < 0)
		return a.held;
	r = apart_make(&a, ret, e);
	/* The reaper holds it; without one the caller, who waits as long. */
	if (!ret->child || !(w->flags & CTX_FAKEINIT))
		close_fd(a.held);
	if (w->flags & CTX_LOCK)
		ret->drop = UINT64_C(1) << CAP_SYS_ADMIN;
	ret->weaker = "without the context programs in the kernel the same user's processes outside see and reach this "
		      "context: see chcontext(8)";
	return r;
}

static int make_apart(const struct ctx_wish *w, struct ctx_made *ret, struct err *e)
{
	if (w->number != CTX_STAY)
		return is_root() ? apart_root(w, ret, e) : apart_user(w, ret, e);
	if (w->flags)
		return err_set(e, -EOPNOTSUPP,
			       "without the context programs in the kernel a context's flags are set when it is made; "
			       "run as root: vserver-kernel load");
	return 0;
}

int ctx_make(const struct ctx_wish *wish, struct ctx_made *ret, struct err *e)
{
	struct ctx_made made = {.report = -1};
	int r = check(wish, e);

	if (r == 0)
		r = ctx_live() ? make_live(wish, &made, e) : make_apart(wish, &made, e);
	if (r < 0)
		return r;
	if (!made.child && wish->number != CTX_STAY)
		own_keyring();
	*ret = made;
	return 0;
}
