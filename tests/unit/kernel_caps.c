/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names of capabilities, and the ceiling as a function (what it does to programs: tests/root/capability.t).
 */
#include "tests/unit/must.h"

#include "kernel/kernel.h"

#include <sched.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define BIT(c) (UINT64_C(1) << (c))

static void names_are_understood(void **state)
{
	static const struct {
		const char *word;
		uint64_t keep, drop;
	} cases[] = {
		{"CAP_CHOWN", BIT(0), 0},        {"chown", BIT(0), 0},   {"Cap_Net_Raw", BIT(13), 0},
		{"!CAP_SYS_CHROOT", 0, BIT(18)}, {"!mknod", 0, BIT(27)}, {"CHECKPOINT_RESTORE", BIT(40), 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct caps_list l = {0};

		assert_int_equal(caps_add(&l, cases[i].word, NULL), 0);
		assert_int_equal(l.keep, cases[i].keep);
		assert_int_equal(l.drop, cases[i].drop);
	}
}

/* Every name that libcap knows, in both spellings. */
static void all_names(void **state)
{
	for (cap_value_t c = 0; c < cap_max_bits(); c++) {
		struct caps_list l = {0};
		char *name = cap_to_name(c);

		if (strncmp(name, "cap_", 4) == 0) {
			assert_int_equal(caps_add(&l, name, NULL), 0);
			assert_int_equal(caps_add(&l, name + 4, NULL), 0);
			assert_int_equal(l.keep, BIT(c));
		}
		cap_free(name);
	}
}

static void words_add_up(void **state)
{
	struct caps_list l = {0};
	struct err e = {0};

	assert_int_equal(caps_add(&l, "chown", NULL), 0);
	assert_int_equal(caps_add(&l, "kill", NULL), 0);
	assert_int_equal(caps_add(&l, "!mknod", NULL), 0);
	assert_error(&e, caps_add(&l, "nonsense", &e), -EINVAL, "nonsense");
	assert_int_equal(l.keep, BIT(0) | BIT(5));
	assert_int_equal(l.drop, BIT(27));
}

static void wrong_names_are_refused(void **state)
{
	static const struct {
		const char *word, *part;
	} cases[] = {
		{"MKNODE", "did you mean CAP_MKNOD?"},
		{"!CAP_SYS_CHROT", "unknown capability CAP_SYS_CHROT; did you mean CAP_SYS_CHROOT?"},
		{"net_admn", "did you mean CAP_NET_ADMIN?"},
		{"CAP_QUOTACTL", "CAP_SYS_ADMIN"},
		{"", "capabilities(7)"},
		{"!", "capabilities(7)"},
		{"CAP_", "capabilities(7)"},
		{"!!mknod", "capabilities(7)"},
		{"27", "capabilities(7)"},
		{"cap_27", "capabilities(7)"},
		{"mknod,chown", "capabilities(7)"},
		{"\033[2J", "\\x1b[2J"},
		{"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "capabilities(7)"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct caps_list l = {0};
		struct err e = {0};

		assert_error(&e, caps_add(&l, cases[i].word, &e), -EINVAL, cases[i].part);
		assert_int_equal(l.keep | l.drop, 0);
	}
}

static void secure_is_the_originals_list(void **state)
{
	static const char *const names[] = {"LINUX_IMMUTABLE", "NET_BROADCAST", "NET_ADMIN",  "NET_RAW",
					    "IPC_LOCK",        "IPC_OWNER",     "SYS_MODULE", "SYS_RAWIO",
					    "SYS_PACCT",       "SYS_ADMIN",     "SYS_BOOT",   "SYS_NICE",
					    "SYS_RESOURCE",    "SYS_TIME",      "MKNOD"};
	struct caps_list l = {0};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(caps_add(&l, names[i], NULL), 0);
	assert_int_equal(caps_secure(), l.keep);
}

/* Runs fn in a child, since nothing is ever raised again; its value is the exit status. */
static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(fn());
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int lower(void)
{
	if (caps_ceiling(0, NULL) != 0 || cap_get_bound(CAP_MKNOD) != 1)
		return 1;
	if (unshare(CLONE_NEWNS) < 0)
		return 2;
	if (caps_ceiling(BIT(CAP_MKNOD) | BIT(63), NULL) != 0)
		return 3;
	if (cap_get_bound(CAP_MKNOD) != 0 || cap_get_bound(CAP_CHOWN) != 1)
		return 4;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
		return 5;
	if (unshare(CLONE_NEWUSER) == 0 || errno != EPERM)
		return 6;
	/* Once more, and a part that is gone already. */
	if (caps_ceiling(BIT(CAP_MKNOD) | BIT(CAP_SYS_ADMIN) | BIT(CAP_SETPCAP), NULL) != 0)
		return 7;
	if (caps_ceiling(BIT(CAP_MKNOD), NULL) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
		return 8;
	/* CAP_SETPCAP is gone: only no_new_privs can hold the next. */
	if (caps_ceiling(BIT(CAP_CHOWN), NULL) != 1 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 9;
	return unshare(CLONE_NEWNS) < 0 ? 0 : 10;
}

static void the_ceiling_is_lowered(void **state)
{
	need_root();
	must_have(cap_get_bound(CAP_MKNOD) == 1 && cap_get_bound(CAP_SYS_ADMIN) == 1, "needs the full rights of root");
	assert_int_equal(in_child(lower), 0);
	assert_int_equal(cap_get_bound(CAP_MKNOD), 1);
}

static int lower_as_nobody(void)
{
	if (geteuid() == 0 && (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
		return 1;
	if (caps_ceiling(BIT(CAP_MKNOD), NULL) != 1 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	return unshare(CLONE_NEWUSER) < 0 && errno == EPERM ? 0 : 3;
}

static void without_privilege_no_new_privs_holds_it(void **state)
{
	must_have(cap_get_bound(CAP_MKNOD) == 1, "needs a ceiling that can be lowered");
	assert_int_equal(in_child(lower_as_nobody), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_understood),
		cmocka_unit_test(all_names),
		cmocka_unit_test(words_add_up),
		cmocka_unit_test(wrong_names_are_refused),
		cmocka_unit_test(secure_is_the_originals_list),
		cmocka_unit_test(the_ceiling_is_lowered),
		cmocka_unit_test(without_privilege_no_new_privs_holds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
