/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vserver/: locks and marks, deleting, selectors.
 */
#include "tests/unit/vserver_sandbox.h"

/* ---- locks and marks --------------------------------------------------------------------------------------------- */

static pid_t in_child(int (*hold)(void), int *ret_ready)
{
	int ready[2];
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		char ok = (char)hold();

		close_fd(ready[0]);
		(void)!write(ready[1], &ok, 1);
		pause();
		_exit(0);
	}
	close_fd(ready[1]);
	*ret_ready = 1;
	assert_int_equal(read(ready[0], ret_ready, 1), 1);
	close_fd(ready[0]);
	*ret_ready = (signed char)*ret_ready;
	return pid;
}

static int hold_lock(void)
{
	return vs_lock_name("web", 0, NULL) >= 0 ? 0 : 1;
}
static int hold_mark(void)
{
	struct vserver *v;

	return vs_open("web", &v, NULL) == 0 && vs_use(v, NULL) == 0 ? 0 : 1;
}

static void lock_names_its_holder(void **state)
{
	_cleanup_free_ char *pid_text = NULL, *holder = NULL;
	struct err e = {0};
	int ready, fd;
	pid_t pid;

	sandbox_vserver("web", "");
	assert_null(vs_lock_holder("web"));
	pid = in_child(hold_lock, &ready);
	assert_int_equal(ready & 1, 0);
	pid_text = xasprintf("(pid %d)", (int)pid);
	assert_int_equal(vs_lock_name("web", 0, &e), -EBUSY);
	assert_non_null(strstr(e.msg, pid_text));
	assert_non_null(strstr(e.msg, "test_vserver"));
	err_clear(&e);
	holder = vs_lock_holder("web");
	assert_non_null(strstr(holder, pid_text));
	end_child(pid);
	assert_null(vs_lock_holder("web"));
	fd = vs_lock_name("web", 0, NULL);
	assert_true(fd >= 0);
	close_fd(fd);
}

static void lock_of_a_vserver_that_is_gone(void **state)
{
	_cleanup_vs_ struct vserver *stale = NULL, *v = NULL;
	struct err e = {0};

	sandbox_vserver("web", "");
	assert_int_equal(vs_open("web", &stale, NULL), 0);
	assert_int_equal(vs_open("web", &v, NULL), 0);
	assert_int_equal(vs_lock(v, 0, NULL), 0);
	assert_int_equal(vs_delete(v, NULL), 0);
	assert_int_equal(vs_lock(stale, 0, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "deleted"));
	err_clear(&e);
	assert_int_equal(vs_use(stale, NULL), -ENOENT);
}

static void marks_end_with_their_owner(void **state)
{
	struct strv users = {0};
	int ready;
	pid_t pid;

	sandbox_vserver("web", "");
	pid = in_child(hold_mark, &ready);
	assert_int_equal(ready & 1, 0);
	assert_int_equal(vs_users("web", &users, NULL), 0);
	assert_int_equal(users.n, 1);
	strv_free(&users);
	end_child(pid);
	users = (struct strv){0};
	assert_int_equal(vs_users("web", &users, NULL), 0);
	assert_int_equal(users.n, 0);
}

/* ---- deleting ---------------------------------------------------------------------------------------------------- */

static void delete_leaves_nothing(void **state)
{
	static const char *const gone[] = {
		"/vservers/web",
		"/vservers/.undo/web",
		"/vservers/.undo/web+lost.1",
		"/vservers/.undo/web+lost.12",
		"/vservers/.deleting-web.1",
		"/var/lib/vpkg/journal/web",
		"/etc/vservers/web.conf",
		"/run/vservers/web",
	};
	_cleanup_free_ char *foreign = xasprintf("/vservers/.deleting-other.%d/x", (int)getppid());
	const char *const stay[] = {
		"/vservers/other/etc/x",
		"/vservers/.undo/other+lost.1/LIST",
		"/vservers/.undo/web.2+lost.1/LIST",
		foreign,
	};
	_cleanup_vs_ struct vserver *v = NULL;

	sandbox_vserver("web", "");
	sandbox_vserver("other", "");
	put("/vservers/.undo/web/1", "");
	put("/vservers/.undo/web+lost.1/LIST", "");
	put("/vservers/.undo/web+lost.12/3", "");
	put("/var/lib/vpkg/journal/web/state", "applying");
	put("/vservers/.deleting-web.1/deep/er/x", "");
	for (size_t i = 1; i < ARRAY_LEN(stay); i++)
		put(stay[i], "");
	assert_int_equal(vs_open("web", &v, NULL), 0);
	assert_int_equal(vs_delete(v, NULL), -EINVAL);
	assert_int_equal(vs_lock(v, 0, NULL), 0);
	assert_int_equal(vs_delete(v, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
		_cleanup_free_ char *path = place("%s", gone[i]);

		assert_int_equal(access(path, F_OK), -1);
	}
	for (size_t i = 0; i < ARRAY_LEN(stay); i++) {
		_cleanup_free_ char *path = place("%s", stay[i]);

		assert_int_equal(access(path, F_OK), 0);
	}
}

static void delete_refuses_users_and_mounts(void **state)
{
	_cleanup_vs_ struct vserver *v = NULL;
	_cleanup_free_ char *tree = place("/vservers/web/etc"), *file = place("/vservers/web/etc/x");
	struct err e = {0};
	int ready;
	pid_t pid;

	sandbox_vserver("web", "");
	assert_int_equal(vs_open("web", &v, NULL), 0);
	assert_int_equal(vs_lock(v, 0, NULL), 0);
	pid = in_child(hold_mark, &ready);
	assert_int_equal(ready & 1, 0);
	assert_int_equal(vs_delete(v, &e), -EBUSY);
	assert_non_null(strstr(e.msg, "(pid "));
	err_clear(&e);
	end_child(pid);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(mount("tmpfs", tree, "tmpfs", 0, NULL), 0);
	assert_int_equal(vs_delete(v, &e), -ENOTEMPTY);
	assert_non_null(strstr(e.msg, "mount point"));
	err_clear(&e);
	assert_int_equal(umount(tree), 0);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(vs_delete(v, NULL), 0);
}

/* ---- selecting --------------------------------------------------------------------------------------------------- */

static void fleet(void)
{
	sandbox_vserver("web1", "");
	sandbox_vserver("web2", "PRIORITY=5\n");
	sandbox_vserver("db", "");
	sandbox_vserver("hidden", "VPKG=no\n");
	put("/etc/vservers/treeless.conf", "");
	put("/vservers/confless/x", "");
	put("/vservers/web1/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
	put("/vservers/web1/usr/bin/dpkg", "");
	put("/vservers/web1/var/lib/dpkg/status", "");
	put("/vservers/db/etc/os-release", "ID=\"centos\"\nVERSION_ID=\"7.9\"\n");
	put("/vservers/db/usr/bin/rpm", "");
}

static void selects(void **state)
{
	static const struct {
		const char *in, *out;
	} good[] = {
		{"ALL", "web2 db web1"},
		{"web1 db", "db web1"},
		{"web*", "web2 web1"},
		{"ALL !web*", "db"},
		{"!db ALL", "web2 web1"},
		{"@debian", "web1"},
		{"@debian/12", "web1"},
		{"@redhat", "db"},
		{"@centos/7", "db"},
		{"@centos", "db"},
		{"hidden", "hidden"},
		{"ALL hidden", "web2 db hidden web1"},
		{"web1 web? ALL", "web2 db web1"},
		{"ALL !@redhat", "web2 web1"},
		{"ALL !nothing*", "web2 db web1"},
	};
	fleet();
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		_cleanup_strv_ struct strv words = {0};
		_cleanup_buf_ struct buf got = {0};
		struct vserver **v = NULL;
		size_t n = 0;

		strv_split(&words, good[i].in, " ");
		assert_int_equal(vs_select((const char *const *)words.v, words.n, &v, &n, NULL), 0);
		assert_null(v[n]);
		for (size_t k = 0; k < n; k++)
			buf_addf(&got, "%s%s", k ? " " : "", v[k]->name);
		assert_string_equal(got.p, good[i].out);
		vs_free_all(v);
	}
}

static void selects_nothing(void **state)
{
	static const struct {
		const char *in;
		int status;
		const char *says;
	} bad[] = {
		{"", -EINVAL, "no vserver named"},
		{"!web1", -EINVAL, "only leaves out"},
		{"web3", -ENOENT, "did you mean web"},
		{"nosuch*", -ENOENT, "nosuch* selects no vserver"},
		{"@mandrake", -ENOENT, "@mandrake selects no vserver"},
		{"@fedora/12", -ENOENT, "@fedora/12 selects no vserver"},
		{"@debain", -EINVAL, "did you mean @debian?"},
		{"@running", -EINVAL, "no selector"},
		{"treeless", -ENOENT, "no tree"},
		{"confless", -ENOENT, "confless.conf does not exist"},
		{"web1 !web*", -ENOENT, "leave every vserver out"},
		{"ALL !wbe1", -ENOENT, "did you mean web1?"},
		{"../x", -EINVAL, "cannot be a vserver's name"},
	};
	fleet();
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_strv_ struct strv words = {0};
		_cleanup_err_ struct err e = {0};
		struct vserver **v = NULL;
		size_t n = 0;

		strv_split(&words, bad[i].in, " ");
		assert_int_equal(vs_select((const char *const *)words.v, words.n, &v, &n, &e), bad[i].status);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("%s: %s", bad[i].in, e.msg);
		assert_null(v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lock_names_its_holder), T(lock_of_a_vserver_that_is_gone),  T(marks_end_with_their_owner),
		T(delete_leaves_nothing), T(delete_refuses_users_and_mounts), T(selects),
		T(selects_nothing),
	};

	const char *missing = sandbox_missing();

	return missing ? skip_all(missing) : cmocka_run_group_tests(tests, NULL, NULL);
}
