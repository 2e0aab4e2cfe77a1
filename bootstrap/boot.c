/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The whole way from options to a vserver: resolve, fetch, build in /vservers/.new-NAME, identity, then one rename that
 * makes it a vserver. Everything before that rename can be cut off at any point; the next run clears what it left.
 */
#include "bootstrap/internal.h"

#include "unify/unify.h"

#include <sys/statvfs.h>

static int options_check(const struct boot_options *o, struct err *e)
{
	int r = vs_name_check(o->name, e);
	for (size_t i = 0; r == 0 && o->ip && i < o->ip->n; i++) {
		_cleanup_free_ char *address = NULL;
		r = boot_address(o->ip->v[i], &address, e);
	}
	if (r < 0 || !o->hostname)
		return r;
	size_t n = strspn(o->hostname, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
	if (o->hostname[n] || n == 0 || n > 64 || strchr(".-", o->hostname[0]))
		return err_set(e, -EINVAL, "'%s' is no host name: letters, digits, '-' and '.', at most 64",
			       o->hostname);
	return 0;
}

/* A configuration without a tree is a dead run's if its unfinished tree is still there, and somebody's otherwise. */
static int name_free(const struct boot_build *b, struct err *e)
{
	const char *name = b->o->name;
	_cleanup_free_ char *conf = place("/etc/vservers/%s.conf", name);
	struct stat st;
	if (fstatat(b->home, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, -EEXIST,
			       "vserver %s exists already (%s/vservers/%s); choose another name or run "
			       "'vserver %s delete --yes' first",
			       name, place_sysroot(), name, name);
	if (access(conf, F_OK) == 0 && fstatat(b->home, b->temp, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(e, -EEXIST, "the name %s is taken: %s exists (without a tree); remove it first", name,
			       conf);
	return 0;
}

static int resolve(struct boot_build *b, struct err *e)
{
	const struct boot_distro *d = b->o->distro;
	_cleanup_strv_ struct strv names = {0};
	const struct strv *lists[] = {&d->minimal, b->o->standard ? &d->standard : NULL, b->o->include};
	for (size_t l = 0; l < ARRAY_LEN(lists); l++)
		for (size_t i = 0; lists[l] && i < lists[l]->n; i++)
			if (!strv_has(&names, lists[l]->v[i]))
				strv_add(&names, lists[l]->v[i]);
	return repo_resolve(d->repos, d->n_repos, d->family == VS_DEBIAN ? REPO_DEB : REPO_RPM, &names, b->o->report,
			    &b->solution, e);
}

/* Said before the work rather than after half of it. What packages say of their size is a little too low. */
static int space_check(const struct boot_build *b, struct err *e)
{
	struct statvfs fs;
	uint64_t need = 0;
	char a[16], n[16];
	for (size_t i = 0; i < b->solution.n; i++)
		need += b->solution.pkgs[i].installed;
	if (fstatvfs(b->home, &fs) < 0)
		return err_sys(e, "statvfs of /vservers");
	uint64_t have = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (have < need)
		return err_set(e, -ENOSPC, "not enough space in %s/vservers: the new tree needs about %s, %s are free",
			       place_sysroot(), text_bytes(n, need), text_bytes(a, have));
	return 0;
}

static int open_log(struct boot_build *b, struct err *e)
{
	_cleanup_close_ int dir = place_dir("/var/log/vpkg", 0755, e);
	if (dir < 0)
		return dir;
	b->log_path = place("/var/log/vpkg/bootstrap-%s.log", b->o->name);
	b->log = fopen(b->log_path, "we");
	return b->log ? 0 : err_sys(e, "%s", b->log_path);
}

static int open_tree_root(struct boot_build *b, struct err *e)
{
	int r = seal_remove_tree(b->home, b->temp, e);
	if (r < 0)
		return err_wrap(e, "what a former run left as %s", b->temp);
	if (mkdirat(b->home, b->temp, 0755) < 0)
		return err_sys(e, "%s/vservers/%s", place_sysroot(), b->temp);
	b->tree = openat(b->home, b->temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->tree < 0 || fchmod(b->tree, 0755) < 0)
		return err_sys(e, "%s/vservers/%s", place_sysroot(), b->temp);
	return 0;
}

/* The ids that the build runs as. They stay nobody's until the configuration is saved, which picks anew: on disk ids
 * are 0-based, so which ones the build had does not matter. */
static int pick_uids(uint32_t *ret, struct err *e)
{
	_cleanup_close_ int lock = vs_alloc_lock(e);
	return lock < 0 ? lock : vs_alloc_uids(ret, e);
}

static int build_tree(struct boot_build *b, struct err *e)
{
	int r = open_log(b, e);
	if (r == 0)
		r = open_tree_root(b, e);
	if (r == 0)
		r = pick_uids(&b->uid_base, e);
	if (r == 0)
		r = b->o->distro->family == VS_DEBIAN ? boot_debian(b, e) : boot_redhat(b, e);
	if (r == 0)
		r = boot_identity(b, e);
	if (r == 0)
		r = intr_check(e);
	/* Tools ran without flushing. All of it is on disk before a name says that it is whole. */
	if (r == 0 && syncfs(b->tree) < 0)
		r = err_sys(e, "writing the new tree to disk");
	return r;
}

/* Configuration first: a tree under its final name always has one. */
static int commit(struct boot_build *b, struct err *e)
{
	const struct boot_options *o = b->o;
	_cleanup_free_ char *conf = place("/etc/vservers/%s.conf", o->name);
	_cleanup_close_ int lock = vs_alloc_lock(e);
	struct vs_config c = {0};
	if (lock < 0)
		return lock;
	int r = vs_alloc_uids(&c.uid_base, e);
	if (r < 0)
		return r;
	c.hostname = xstrdup(o->hostname);
	for (size_t i = 0; o->ip && i < o->ip->n; i++)
		strv_add(&c.ip, o->ip->v[i]);
	r = vs_config_save(o->name, &c, e);
	vs_config_free(&c);
	if (r == 0 && renameat2(b->home, b->temp, b->home, o->name, RENAME_NOREPLACE) < 0) {
		r = err_sys(e, "cannot give the new tree its name %s/vservers/%s", place_sysroot(), o->name);
		unlink(conf);
	}
	if (r == 0)
		fsync(b->home);
	return r;
}

/* Shared with the other vservers from birth. A host that cannot do that has a whole vserver nevertheless. */
static void share(const struct boot_options *o)
{
	_cleanup_err_ struct err e = {0};
	_cleanup_vs_ struct vserver *v = NULL;
	struct unify_options options = {.report = o->report};
	struct unify_result result = {0};
	int r = vs_open(o->name, &v, &e);
	if (r == 0)
		r = unify_run(&v, 1, &options, &result, &e);
	if (r < 0 || result.error.status < 0)
		report_note(o->report, "%s is not shared with other vservers yet: %s", o->name,
			    r < 0 ? e.msg : result.error.msg);
	err_clear(&result.error);
}

static int create_locked(struct boot_build *b, struct err *e)
{
	int r = name_free(b, e);
	if (r == 0)
		r = resolve(b, e);
	if (r == 0)
		r = space_check(b, e);
	if (r == 0)
		r = repo_solution_fetch(&b->solution, b->o->report, e);
	if (r < 0)
		return r;
	r = build_tree(b, e);
	if (r == 0)
		r = commit(b, e);
	/* What is full is not to be seen in every one of these messages. */
	if (r == -ENOSPC)
		err_wrap(e, "%s/vservers", place_sysroot());
	if (r < 0) {
		b->tree = close_fd(b->tree);
		/* The first error is the one that matters. */
		seal_remove_tree(b->home, b->temp, NULL);
	}
	return r;
}

int boot_create(const struct boot_options *o, struct err *e)
{
	struct boot_build b = {.o = o, .home = -1, .tree = -1};
	_cleanup_close_ int lock = -1;
	int r = options_check(o, e);
	if (r == 0)
		r = ctx_probe(e);
	if (r < 0)
		return r;
	b.home = vs_home(e);
	if (b.home < 0)
		return b.home;
	b.temp = xasprintf(".new-%s", o->name);
	lock = vs_lock_name(o->name, 0, e);
	r = lock < 0 ? lock : create_locked(&b, e);
	close_fd(b.tree);
	close_fd(b.home);
	free(b.temp);
	free(b.log_path);
	if (b.log)
		fclose(b.log);
	strv_free(&b.tail);
	repo_solution_free(&b.solution);
	if (r == 0)
		share(o);
	return r;
}
