/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vserver/: names, the guarded home, configuration, uid ranges.
 */
#include "tests/unit/vserver_sandbox.h"

#include <sys/statvfs.h>
#include <sys/wait.h>

/* ---- names ------------------------------------------------------------------------------------------------------- */

static void names(void **state)
{
	static const char *const good[] = {"web1", "a", "A.b_c-d", "0", "all", "Upgrade"};
	static const struct {
		const char *name, *says;
	} bad[] = {
		{"", "empty"},
		{".web", "begin"},
		{"-n", "begin"},
		{"_x", "begin"},
		{"a/b", "only letters"},
		{"../x", "begin"},
		{"ALL", "word of"},
		{"upgrade", "word of"},
		{"exec", "word of"},
		{"bootstrap", "word of"},
		{"w\xc3\xa4", "only"},
		{"a b", "only letters"},
		{"a\nb", "only letters"},
		{"@x", "only letters"},
	};
	char long_name[66];
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(vs_name_check(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(vs_name_check(bad[i].name, &e), -EINVAL);
		assert_non_null(strstr(e.msg, bad[i].says));
		assert_null(strchr(e.msg, '\n'));
		err_clear(&e);
	}
	memset(long_name, 'a', 65);
	long_name[65] = 0;
	assert_int_equal(vs_name_check(long_name, NULL), -EINVAL);
	long_name[64] = 0;
	assert_int_equal(vs_name_check(long_name, NULL), 0);
}

/* ---- home -------------------------------------------------------------------------------------------------------- */

static void home_is_guarded_once(void **state)
{
	_cleanup_close_ int a = vs_home(NULL), b = vs_home(NULL);
	struct statx x, y;
	struct statvfs fs;
	struct stat st;

	assert_true(a >= 0 && b >= 0);
	assert_int_equal(fstatvfs(a, &fs), 0);
	assert_true((fs.f_flag & ST_NOSUID) && (fs.f_flag & ST_NODEV));
	assert_int_equal(fstat(a, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID, &x), 0);
	assert_int_equal(statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID, &y), 0);
	assert_int_equal(x.stx_mnt_id, y.stx_mnt_id);
}

static void home_keeps_what_is_mounted_below(void **state)
{
	_cleanup_free_ char *tree = place("/vservers/own"), *above = place("/vservers");
	_cleanup_close_ int home = -1;
	struct statvfs fs;

	put("/vservers/own/x", "");
	assert_int_equal(mount("tmpfs", tree, "tmpfs", 0, NULL), 0);
	put("/vservers/own/inside", "");
	home = vs_home(NULL);
	assert_true(home >= 0);
	assert_int_equal(faccessat(home, "own/inside", F_OK, 0), 0);
	assert_int_equal(statvfs(tree, &fs), 0);
	assert_true((fs.f_flag & ST_NOSUID) && (fs.f_flag & ST_NODEV));
	/* Once in the guarding mount, once below it. */
	assert_int_equal(umount(tree), 0);
	assert_int_equal(umount2(above, MNT_DETACH), 0);
	assert_int_equal(umount(tree), 0);
}

static int mounts_at(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096], at[2048];
	int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += sscanf(line, "%*s %*s %*s %*s %2047s", at) == 1 && strcmp(at, path) == 0;
	return n;
}

static void home_by_many_at_once(void **state)
{
	_cleanup_free_ char *path = place("/vservers");

	for (int i = 0; i < 16; i++)
		if (fork() == 0)
			_exit(vs_home(NULL) >= 0 ? 0 : 1);
	for (int i = 0; i < 16; i++) {
		int status = -1;

		wait(&status);
		assert_int_equal(status, 0);
	}
	assert_int_equal(mounts_at(path), 1);
}

static void home_dirs_are_beside_trees(void **state)
{
	static const char *const bad[] = {"web1", "", ".", "..", "./x", "../x", "/.undo"};
	_cleanup_close_ int fd = vs_home_dir(".undo/web1", NULL);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(vs_home_dir(bad[i], NULL), -EINVAL);
}

/* ---- configuration ----------------------------------------------------------------------------------------------- */

static char *conf_text(const char *name)
{
	_cleanup_close_ int dir = place_dir("/etc/vservers", 0755, NULL);
	_cleanup_free_ char *file = xasprintf("%s.conf", name);
	struct buf b = {0};

	assert_int_equal(path_read(dir, file, 1 << 20, &b, NULL), 0);
	return b.p;
}

static const char full_conf[] = "# Description: the web\n"
				"\n"
				"# a comment of the administrator's\n"
				"ONBOOT=yes\n"
				"IPROOT='eth0:192.0.2.1/24 192.0.2.2'   # two\n"
				"S_FLAGS=\"lock nproc\"\n"
				"PRIORITY=7\n"
				"VPKG=no\n"
				"ULIMIT='-H $x'\n";

static void config_reads(void **state)
{
	struct vs_config c;

	put("/etc/vservers/web.conf", full_conf);
	assert_int_equal(vs_config_load("web", &c, NULL), 0);
	assert_string_equal(c.description, "the web");
	assert_null(c.hostname);
	assert_int_equal(c.priority, 7);
	assert_true(c.no_vpkg);
	assert_int_equal(c.uid_base, 0);
	assert_int_equal(c.ip.n, 2);
	assert_string_equal(c.ip.v[1], "192.0.2.2");
	assert_int_equal(c.other.n, 3);
	assert_string_equal(c.other.v[0], "ONBOOT=yes");
	assert_string_equal(c.other.v[2], "ULIMIT=-H $x");
	vs_config_free(&c);
}

static void config_keeps_what_it_does_not_change(void **state)
{
	_cleanup_free_ char *same = NULL, *changed = NULL;
	struct vs_config c;

	put("/etc/vservers/web.conf", full_conf);
	assert_int_equal(vs_config_load("web", &c, NULL), 0);
	assert_int_equal(vs_config_save("web", &c, NULL), 0);
	same = conf_text("web");
	assert_string_equal(same, full_conf);
	c.uid_base = 655360;
	c.priority = 9;
	c.no_vpkg = false;
	assert_int_equal(vs_config_save("web", &c, NULL), 0);
	vs_config_free(&c);
	changed = conf_text("web");
	assert_string_equal(changed, "# Description: the web\n"
				     "\n"
				     "# a comment of the administrator's\n"
				     "ONBOOT=yes\n"
				     "IPROOT='eth0:192.0.2.1/24 192.0.2.2'   # two\n"
				     "S_FLAGS=\"lock nproc\"\n"
				     "PRIORITY=\"9\"\n"
				     "ULIMIT='-H $x'\n"
				     "UIDMAP=\"655360:65536\"\n");
}

static void config_new_is_short(void **state)
{
	struct vs_config c = {.uid_base = 524288};
	_cleanup_free_ char *text = NULL;

	assert_int_equal(vs_config_save("neu", &c, NULL), 0);
	text = conf_text("neu");
	assert_string_equal(text, "UIDMAP=\"524288:65536\"\n");
	c.hostname = (char *)"a\nB=c";
	assert_int_equal(vs_config_save("neu", &c, NULL), -EINVAL);
}

static void config_refuses(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"UIDMAP=no\n", "web.conf:1: UIDMAP"},
		{"UIDMAP=1000\n", "UIDMAP"},
		{"UIDMAP=655360:1000\n", "UIDMAP"},
		{"UIDMAP=4294967295\n", "UIDMAP"},
		{"\nPRIORITY=-1\n", "web.conf:2: PRIORITY"},
		{"PRIORITY=0\n", "PRIORITY"},
		{"VPKG=maybe\n", "yes or no"},
		{"S_HOSTNAME='a b'\n", "host name"},
		{"X=$(id)\n", "web.conf:1:"},
		{"rm -rf /\n", "web.conf:1:"},
	};
	struct err e = {0};
	struct vs_config c;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		put("/etc/vservers/web.conf", bad[i].text);
		assert_true(vs_config_load("web", &c, &e) < 0);
		assert_non_null(strstr(e.msg, bad[i].says));
		err_clear(&e);
	}
	assert_int_equal(vs_config_load("wen", &c, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "did you mean web?"));
	err_clear(&e);
}

/* ---- uid ranges -------------------------------------------------------------------------------------------------- */

static void uids_avoid_others(void **state)
{
	uint32_t first = 0, next = 0;
	_cleanup_free_ char *line = NULL;
	struct vserver *v = NULL;

	assert_int_equal(vs_alloc_uids(&first, NULL), 0);
	assert_true(first >= 0x80000 && (first - 0x80000) % 65536 == 0);
	line = xasprintf("joe:%u:1\n#\nbroken\n", first + 65535);
	put("/etc/subuid", line);
	assert_int_equal(vs_alloc_uids(&next, NULL), 0);
	assert_true(next > first);
	free(line);
	line = xasprintf("UIDMAP=%u\n", next);
	put("/etc/vservers/a.conf", line);
	first = next;
	assert_int_equal(vs_alloc_uids(&next, NULL), 0);
	assert_true(next > first);
	sandbox_vserver("b", "");
	assert_int_equal(vs_open("b", &v, NULL), 0);
	assert_int_equal(vs_uids(v, NULL), 0);
	assert_int_equal(v->conf.uid_base, next);
	vs_free(v);
	assert_int_equal(vs_open("b", &v, NULL), 0);
	assert_int_equal(v->conf.uid_base, next);
	vs_free(v);
	/* A configuration that cannot be read might have any range. */
	put("/etc/vservers/c.conf", "nonsense\n");
	assert_true(vs_alloc_uids(&next, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(names),
		T(home_is_guarded_once),
		T(home_keeps_what_is_mounted_below),
		T(home_by_many_at_once),
		T(home_dirs_are_beside_trees),
		T(config_reads),
		T(config_keeps_what_it_does_not_change),
		T(config_new_is_short),
		T(config_refuses),
		T(uids_avoid_others),
	};

	const char *missing = sandbox_missing();

	return missing ? skip_all(missing) : cmocka_run_group_tests(tests, NULL, NULL);
}
