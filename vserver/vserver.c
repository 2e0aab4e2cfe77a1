/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One vserver, opened: its configuration, its tree and what the tree says of itself.
 */
#include "vserver/internal.h"

static int open_tree_of(struct vserver *v, struct err *e)
{
	_cleanup_close_ int home = vs_home(e);

	if (home < 0)
		return home;
	v->tree = openat(home, v->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (v->tree >= 0)
		return vs_detect(v->tree, &v->family, &v->distro, &v->arch);
	if (errno == ENOENT)
		return 0;
	return err_sys(e, "vserver %s: its tree %s/vservers/%s", v->name, place_sysroot(), v->name);
}

int vs_open(const char *name, struct vserver **ret, struct err *e)
{
	_cleanup_vs_ struct vserver *v = NULL;
	int r = vs_name_check(name, e);

	if (r < 0)
		return r;
	v = xcalloc(1, sizeof(*v));
	v->tree = v->lock = v->use = -1;
	v->name = xstrdup(name);
	r = vs_config_load(name, &v->conf, e);
	if (r < 0)
		return r;
	r = open_tree_of(v, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(v);
	return 0;
}

void vs_free(struct vserver *v)
{
	if (!v)
		return;
	vs_unuse(v);
	close_fd(v->tree);
	close_fd(v->lock);
	vs_config_free(&v->conf);
	free(v->name);
	free(v->distro);
	free(v->arch);
	free(v);
}

/* S_FLAGS is one of the keys that are kept as they are; its words are chcontext's, and "cow". */
static bool has_flag(const struct vs_config *c, const char *flag)
{
	static const char key[] = "S_FLAGS=";
	bool found = false;

	for (size_t i = 0; i < c->other.n; i++) {
		_cleanup_strv_ struct strv words = {0};

		if (strncmp(c->other.v[i], key, strlen(key)) != 0)
			continue;
		strv_split(&words, c->other.v[i] + strlen(key), " \t");
		found = strv_has(&words, flag); /* the last line counts, as in a shell */
	}
	return found;
}

struct ctx_spec vs_context(const struct vserver *v, unsigned flags)
{
	/* Whoever has sealed files looked after has them copied, too, where the administrator wants that. */
	if (flags & CTX_SUPERVISE && has_flag(&v->conf, "cow"))
		flags |= CTX_COW;
	return (struct ctx_spec){
		.root = v->tree,
		.uid_base = v->conf.uid_base,
		.hostname = v->conf.hostname ? v->conf.hostname : v->name,
		.packages = -1,
		.flags = flags,
	};
}
