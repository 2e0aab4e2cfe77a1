/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The loader: brings a piece's programs into the kernel, attaches them once for all, and pins them, so that they
 * outlive the process; replaces those of an older build without a moment in which nothing decides.
 *
 * A death at any point leaves either nothing new, or pins that the next load finishes: the piece counts as live only
 * when its `ready` map says so, which is written last.
 */
#include "kernel/load.h"
#include "kernel/probe.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define NEW "_new"

/* ---- attaching --------------------------------------------------------------------------------------------------- */

static bool is_global(const struct bpf_program *prog)
{
	return bpf_program__type(prog) == BPF_PROG_TYPE_LSM || bpf_program__type(prog) == BPF_PROG_TYPE_TRACING;
}

struct bpf_link *kernel_attach(struct bpf_program *prog, int home)
{
	_cleanup_close_ int net = -1;

	if (is_global(prog))
		return bpf_program__attach(prog);
	if (bpf_program__type(prog) != BPF_PROG_TYPE_SK_LOOKUP)
		return bpf_program__attach_cgroup(prog, home);
	net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return bpf_program__attach_netns(prog, net);
}

static char *link_path(const struct piece *p, const struct bpf_program *prog, const char *end)
{
	_cleanup_free_ char *name = xasprintf("link_%s%s", bpf_program__name(prog), end);

	return pin_path(p, name);
}

/* The pinned link of an older build's program, if the kernel can put another program into it (never into that of a
 * trampoline) and it still is where it was attached: a cgroup that was removed and made again has lost it. NULL
 * otherwise. */
static struct bpf_link *open_link(const struct piece *p, const struct bpf_program *prog, int home)
{
	_cleanup_free_ char *path = link_path(p, prog, "");
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);
	struct bpf_link *link;
	struct stat st;

	if (is_global(prog) || access(path, F_OK) < 0)
		return NULL;
	link = bpf_link__open(path);
	if (!link)
		return NULL;
	if (bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &len) == 0 && fstat(home, &st) == 0 &&
	    (info.type != BPF_LINK_TYPE_CGROUP || info.cgroup.cgroup_id == st.st_ino))
		return link;
	bpf_link__destroy(link);
	return NULL;
}

/* First step: what has no link that could be updated is attached, beside the older build's, and pinned under a name of
 * its own. Programs only ever refuse, so for that moment the stricter one decides. */
static int attach_beside(const struct piece *p, struct bpf_program *prog, int home)
{
	_cleanup_free_ char *path = link_path(p, prog, NEW);
	struct bpf_link *link = open_link(p, prog, home);
	int r;

	if (link) {
		bpf_link__destroy(link);
		return 0;
	}
	link = kernel_attach(prog, home);
	if (!link)
		return -errno;
	unlink(path);
	r = bpf_link__pin(link, path);
	bpf_link__destroy(link); /* closes our descriptor: the pin holds it */
	return r;
}

/* Second step: the new one takes the older one's place, which detaches that. */
static int take_place(const struct piece *p, struct bpf_program *prog, int home)
{
	_cleanup_free_ char *path = link_path(p, prog, ""), *new = link_path(p, prog, NEW);
	struct bpf_link *link = open_link(p, prog, home);
	int r;

	if (!link)
		return rename(new, path) < 0 ? -errno : 0;
	r = bpf_link__update_program(link, prog);
	bpf_link__destroy(link);
	return r;
}

/* Links of programs that this build does not have or does not load here, and what a loader that died left. */
static void drop_stale_links(const struct piece *p, int pins, const struct bpf_object *obj)
{
	DIR *d = fdopendir(openat(pins, p->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *de;

	while (d && (de = readdir(d))) {
		struct bpf_program *prog;

		if (strncmp(de->d_name, "link_", 5) != 0)
			continue;
		prog = obj ? bpf_object__find_program_by_name(obj, de->d_name + 5) : NULL;
		if (obj ? !prog || !bpf_program__autoload(prog)
			: strcmp(de->d_name + strlen(de->d_name) - strlen(NEW), NEW) == 0)
			unlinkat(dirfd(d), de->d_name, 0);
	}
	if (d)
		closedir(d);
}

static int each_program(const struct piece *p, struct bpf_object *obj, int home,
			int (*step)(const struct piece *, struct bpf_program *, int), struct err *e)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj)
	{
		int r = bpf_program__autoload(prog) ? step(p, prog, home) : 0;

		if (r < 0)
			return err_set(e, r, "%s: program %s: cannot attach: %s%s%s", p->name, bpf_program__name(prog),
				       strerror(-r), *kernel_why() ? ": " : "", kernel_why());
	}
	return 0;
}

static int attach_all(const struct piece *p, int pins, struct bpf_object *obj, int home, struct err *e)
{
	int r = each_program(p, obj, home, attach_beside, e);

	if (r < 0) {
		drop_stale_links(p, pins, NULL);
		return r;
	}
	r = each_program(p, obj, home, take_place, e);
	if (r < 0)
		return r;
	drop_stale_links(p, pins, obj);
	r = ready_set(p, 1);
	return r < 0 ? err_set(e, r, "%s: cannot mark it ready: %s", p->name, strerror(-r)) : 0;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

static int pin_maps(const struct piece *p, struct bpf_object *obj)
{
	struct bpf_map *m;

	bpf_object__for_each_map(m, obj)
	{
		_cleanup_free_ char *path = pin_path(p, bpf_map__name(m));
		int r = bpf_map__is_internal(m) ? 0 : bpf_map__set_pin_path(m, path);

		if (r < 0)
			return r;
	}
	return 0;
}

struct opened {
	struct bpf_object *obj;
	void *skel;
};

static int open_object(const struct piece *p, struct opened *ret, struct err *e)
{
	kernel_listen();
	errno = 0;
	ret->obj = p->open(&ret->skel);
	if (ret->obj)
		return 0;
	return err_set(e, errno ? -errno : -EINVAL, "%s: the programs cannot be read: %s%s%s", p->name, strerror(errno),
		       *kernel_why() ? ": " : "", kernel_why());
}

/* Where an LSM program loads, it need not decide. */
static int check_lsm(const struct piece *p, const struct bpf_object *obj, struct err *e)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj)
	{
		int r = bpf_program__type(prog) == BPF_PROG_TYPE_LSM ? probe_lsm(e) : 1;

		if (r <= 0) {
			if (r < 0)
				err_wrap(e, "%s", p->name);
			return r;
		}
	}
	return 0;
}

static int load_maps_and_programs(const struct piece *p, struct bpf_object *obj, struct err *e)
{
	int r;

	kernel_listen();
	r = pin_maps(p, obj);
	if (r == 0)
		r = bpf_object__load(obj);
	if (r < 0)
		return err_set(e, r == -EPERM || r == -EACCES || r == -ENOTSUP ? -EOPNOTSUPP : r,
			       "%s: this kernel does not take the programs: %s%s%s", p->name, strerror(-r),
			       *kernel_why() ? ": " : "", kernel_why());
	return 0;
}

/* A new map says which layout it is of before anything is attached. */
static int note_layout(const struct piece *p, struct err *e)
{
	struct ready now;
	int r = ready_get(p, &now);

	if (r == 0 && now.layout != p->layout)
		r = ready_set(p, 0);
	return r < 0 ? err_set(e, r, "%s: its map ready: %s", p->name, strerror(-r)) : 0;
}

static int load_object(const struct piece *p, int pins, int home, const struct opened *o, struct err *e)
{
	int r = p->tune ? p->tune(o->skel, home, e) : 0;

	if (r == 0)
		r = load_maps_and_programs(p, o->obj, e);
	if (r == 0)
		r = note_layout(p, e);
	if (r == 0 && p->fill)
		r = p->fill(o->skel, e);
	return r == 0 ? attach_all(p, pins, o->obj, home, e) : r;
}

/* What an earlier build pinned, if this one cannot go on with it; what a loader that died left may be of any. 1: what
 * is there stays. */
static int make_room(const struct piece *p, int pins, struct err *e)
{
	struct ready r;

	if (ready_get(p, &r) < 0 || r.layout == 0 || (!r.complete && r.layout != p->layout && !pins_in_use()))
		return pins_remove(p, pins, e);
	if (r.layout == p->layout)
		return 1;
	if (r.layout > p->layout)
		return err_set(
			e, -EPROTO,
			"%s: a newer vpkg has loaded its programs (layout %u, here %u); use that one, or stop all "
			"vservers and run: vserver-kernel unload",
			p->name, r.layout, p->layout);
	if (pins_in_use())
		return err_set(e, -EBUSY,
			       "%s: an older vpkg's programs are in use (layout %u, here %u) and cannot be replaced "
			       "while vservers run; stop all vservers first",
			       p->name, r.layout, p->layout);
	return pins_remove(p, pins, e);
}

static int load_locked(const struct piece *p, int pins, const struct opened *o, struct err *e)
{
	_cleanup_close_ int home = pins_hold(pins, e);
	int there, r;

	if (home < 0)
		return home;
	there = make_room(p, pins, e);
	if (there < 0)
		return there;
	if (mkdirat(pins, p->name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, KERNEL_PINS "/%s", p->name);
	r = load_object(p, pins, home, o, e);
	/* What decides stays as it was; what was not finished goes. */
	if (r < 0 && !(there && ready_live(p)))
		pins_remove(p, pins, NULL);
	return r;
}

static int load_piece(const struct piece *p, const struct opened *o, struct err *e)
{
	bool mounted = false;
	_cleanup_close_ int pins = pins_open(true, &mounted, e);
	int r;

	if (pins < 0)
		return pins;
	r = load_locked(p, pins, o, e);
	if (r < 0) {
		pins_tidy(pins);
		if (mounted && access(KERNEL_PINS, F_OK) < 0)
			umount2(KERNEL_BPFFS, MNT_DETACH);
	}
	return r;
}

int kernel_load(enum kernel_piece which, struct err *e)
{
	const struct piece *p = kernel_pieces[which];
	_cleanup_err_ struct err what = {0};
	struct opened o = {0};
	int r = open_object(p, &o, &what);

	/* Before anything is touched: a kernel that cannot is asked again and again. */
	if (r == 0) {
		r = check_lsm(p, o.obj, &what);
		if (r == 0)
			r = load_piece(p, &o, &what);
		p->close(o.skel);
	}
	kernel_forget_types();
	if (r == -EOPNOTSUPP && p->instead)
		err_set(e, r, "%s; %s", what.msg, p->instead);
	else if (r < 0)
		err_set(e, r, "%s", what.msg);
	return r;
}
