/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Capabilities: their names as people write them, and the ceiling, which a process lowers for itself and for all that
 * it starts: no setuid program, no file capability and no user namespace leads above it again.
 */
#include "kernel/kernel.h"

#include <ctype.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define BIT(cap) (UINT64_C(1) << (cap))
#define MAX_CAPS 64

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* The name in libcap's spelling, or false when it is none: libcap itself takes numbers, too. */
static bool spell(const char *word, char out[48])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	if (strncasecmp(word, "cap_", 4) == 0)
		word += 4;
	if (!*word || word[strspn(word, letters)] || strlen(word) > 40)
		return false;
	snprintf(out, 48, "cap_%s", word);
	for (char *p = out; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return true;
}

/* Without "cap_", which would make every name look alike. */
static int suggest(const char *word, const char *spelt, struct err *e)
{
	_cleanup_free_ char *shown = text_escape(word, strlen(word));
	_cleanup_strv_ struct strv names = {0};
	const char *near;
	char upper[48];
	size_t i = 0;

	for (cap_value_t c = 0; c < cap_max_bits(); c++) {
		char *name = cap_to_name(c);

		if (name && strncmp(name, "cap_", 4) == 0)
			strv_add(&names, name + 4);
		cap_free(name);
	}
	near = spelt ? text_nearest(spelt + 4, (const char *const *)names.v, names.n) : NULL;
	if (!near)
		return err_set(e, -EINVAL, "unknown capability %s; capabilities(7) lists them", shown);
	for (; near[i] && i + 1 < sizeof(upper); i++)
		upper[i] = (char)toupper((unsigned char)near[i]);
	upper[i] = 0;
	return err_set(e, -EINVAL, "unknown capability %s; did you mean CAP_%s?", shown, upper);
}

int caps_add(struct caps_list *list, const char *word, struct err *e)
{
	bool drop = word[0] == '!';
	char spelt[48];
	cap_value_t c;

	if (!spell(word + drop, spelt))
		return suggest(word + drop, NULL, e);
	if (strcmp(spelt, "cap_quotactl") == 0)
		return err_set(e, -EINVAL,
			       "CAP_QUOTACTL was the patched kernels' own; here CAP_SYS_ADMIN covers quotas");
	if (cap_from_name(spelt, &c) < 0 || c >= MAX_CAPS)
		return suggest(word + drop, spelt, e);
	*(drop ? &list->drop : &list->keep) |= BIT(c);
	return 0;
}

uint64_t caps_secure(void)
{
	return BIT(CAP_LINUX_IMMUTABLE) | BIT(CAP_NET_BROADCAST) | BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW) |
	       BIT(CAP_IPC_LOCK) | BIT(CAP_IPC_OWNER) | BIT(CAP_SYS_MODULE) | BIT(CAP_SYS_RAWIO) | BIT(CAP_SYS_PACCT) |
	       BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_BOOT) | BIT(CAP_SYS_NICE) | BIT(CAP_SYS_RESOURCE) | BIT(CAP_SYS_TIME) |
	       BIT(CAP_MKNOD);
}

/* ---- user namespaces --------------------------------------------------------------------------------------------- */

/* Whoever makes a user namespace, or enters one that its uid made, has every capability there, whatever the bounding
 * set was. clone3's flags are in memory that a filter cannot see: with ENOSYS, libc uses clone. setns with type 0 takes
 * a namespace of any type. */
static int filter_rules(scmp_filter_ctx f)
{
	const uint32_t eperm = SCMP_ACT_ERRNO(EPERM);
	const struct scmp_arg_cmp first = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER);
	const struct scmp_arg_cmp second = SCMP_A1(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER);
	int r = seccomp_rule_add(f, eperm, SCMP_SYS(clone), 1, first);

	if (r == 0)
		r = seccomp_rule_add(f, eperm, SCMP_SYS(unshare), 1, first);
	if (r == 0)
		r = seccomp_rule_add(f, eperm, SCMP_SYS(setns), 1, second);
	if (r == 0)
		r = seccomp_rule_add(f, eperm, SCMP_SYS(setns), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, 0));
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r;
}

/* 0 or -errno; -EACCES without both CAP_SYS_ADMIN and no_new_privs. */
static int filter_user_namespaces(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = f ? 0 : -ENOMEM;

	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_API_SYSRAWRC, 1);
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
#if defined(__x86_64__) && !defined(__ILP32__)
	if (r == 0)
		r = seccomp_arch_add(f, SCMP_ARCH_X86);
	if (r == 0)
		r = seccomp_arch_add(f, SCMP_ARCH_X32);
#elif defined(__aarch64__)
	if (r == 0)
		r = seccomp_arch_add(f, SCMP_ARCH_ARM);
#endif
	if (r == 0)
		r = filter_rules(f);
	if (r == 0)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return r;
}

/* Whether something has refused them already: a ceiling or a context around this one, or a chroot. */
static bool user_namespaces_refused(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) < 0 && errno == EPERM ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- the ceiling ------------------------------------------------------------------------------------------------- */

/* Whether the bounding set can lose what it has of drop. */
static bool may_lower_bound(uint64_t drop)
{
	cap_flag_value_t own = CAP_CLEAR;
	cap_t caps = cap_get_proc();
	bool any = false;

	if (caps)
		cap_get_flag(caps, CAP_SETPCAP, CAP_EFFECTIVE, &own);
	cap_free(caps);
	for (cap_value_t c = 0; c < MAX_CAPS; c++)
		any |= drop & BIT(c) && cap_get_bound(c) == 1;
	return !any || own == CAP_SET;
}

static int lower_bound(uint64_t drop, struct err *e)
{
	for (cap_value_t c = 0; c < MAX_CAPS; c++)
		if (drop & BIT(c) && cap_get_bound(c) == 1 && cap_drop_bound(c) < 0)
			return err_sys(e, "lowering the capability ceiling");
	return 0;
}

/* The ambient set follows: the kernel keeps it within these. */
static int lower_own(uint64_t drop, struct err *e)
{
	static const cap_flag_t sets[] = {CAP_EFFECTIVE, CAP_PERMITTED, CAP_INHERITABLE};
	cap_t caps = cap_get_proc();
	int r = caps ? 0 : -1;

	for (cap_value_t c = 0; r == 0 && c < cap_max_bits(); c++)
		for (size_t i = 0; r == 0 && drop & BIT(c) && i < ARRAY_LEN(sets); i++)
			r = cap_set_flag(caps, sets[i], 1, &c, CAP_CLEAR);
	if (r == 0)
		r = cap_set_proc(caps);
	if (r < 0)
		r = err_sys(e, "lowering the capabilities");
	cap_free(caps);
	return r;
}

int caps_ceiling(uint64_t drop, struct err *e)
{
	bool lower = may_lower_bound(drop), pinned = false;
	int r;

	if (!drop)
		return 0;
	if (lower) {
		r = filter_user_namespaces();
		pinned = r == -EACCES && !user_namespaces_refused();
		if (r < 0 && r != -EACCES)
			goto no_filter;
	}
	if (!lower || pinned) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			return err_sys(e, "lowering the capability ceiling: no_new_privs");
		r = filter_user_namespaces();
		if (r < 0)
			goto no_filter;
	}
	r = lower ? lower_bound(drop, e) : 0;
	if (r == 0)
		r = lower_own(drop, e);
	return r < 0 ? r : !lower || pinned;
no_filter:
	errno = -r;
	return err_sys(e, "lowering the capability ceiling: system call filter against user namespaces");
}
