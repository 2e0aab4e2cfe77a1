/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is loaded, as the pins below /sys/fs/bpf/vserver tell: the directory and its lock, the maps, whether a piece is
 * live, and taking a piece away.
 *
 * A piece counts as live when its map `ready` says so, which is written last, and as long as the cgroup that its
 * programs were made for is there: a directory below that, "programs", is made with them and keeps it.
 */
#include "kernel/load.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define HOLD "programs"

const struct piece *const kernel_pieces[KERNEL_PIECES] = {
	[KERNEL_CONTEXT] = &context_piece,
	[KERNEL_ADDRESS] = &address_piece,
	[KERNEL_SEAL] = &seal_piece,
};

const char *kernel_piece_name(enum kernel_piece which)
{
	return kernel_pieces[which]->name;
}

/* ---- the directory ----------------------------------------------------------------------------------------------- */

/* Pins go with the file system that they are in, and that with the last mount of it. */
static bool hosts_mounts(void)
{
	struct stat ours, first;

	return stat("/proc/self/ns/mnt", &ours) == 0 && stat("/proc/1/ns/mnt", &first) == 0 &&
	       ours.st_ino == first.st_ino;
}

static int find_bpffs(bool make, bool *ret_mounted, struct err *e)
{
	struct statfs fs;

	if (statfs(KERNEL_BPFFS, &fs) < 0)
		return err_sys(e, KERNEL_BPFFS " (a kernel without BPF?)");
	if ((unsigned long)fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (!make)
		return err_set(e, -ENODEV, "nothing is loaded: no bpf file system at " KERNEL_BPFFS);
	if (!hosts_mounts())
		return err_set(e, -EOPNOTSUPP,
			       "no bpf file system at " KERNEL_BPFFS " in this mount namespace; on the host do: "
			       "mount -t bpf bpf " KERNEL_BPFFS);
	if (mount("bpf", KERNEL_BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return err_sys(e, "mounting the bpf file system at " KERNEL_BPFFS);
	*ret_mounted = true;
	return 0;
}

int pins_open(bool make, bool *ret_mounted, struct err *e)
{
	int r = find_bpffs(make, ret_mounted, e);

	while (r == 0) {
		_cleanup_close_ int fd = -1;
		struct stat ours, there;

		if (make && mkdir(KERNEL_PINS, 0700) < 0 && errno != EEXIST)
			return err_sys(e, KERNEL_PINS);
		fd = open(KERNEL_PINS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT && make)
			continue;
		if (fd < 0 && errno == ENOENT)
			return err_set(e, -ENODEV, "nothing is loaded: " KERNEL_PINS " is not there");
		if (fd < 0)
			return err_sys(e, KERNEL_PINS);
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return err_sys(e, KERNEL_PINS);
		/* Removed while we waited: the lock is on the wrong one. */
		if (fstat(fd, &ours) == 0 && stat(KERNEL_PINS, &there) == 0 && ours.st_ino == there.st_ino)
			return TAKE_FD(fd);
	}
	return r;
}

int pins_hold(int pins, struct err *e)
{
	/* The cgroup goes when its last context does, at any moment before the directory is in it. */
	for (int tries = 0; tries < 100; tries++) {
		_cleanup_close_ int home = cgroup_home(e);

		if (home < 0)
			return home;
		if (mkdirat(home, HOLD, 0755) == 0) {
			/* What was made for an earlier cgroup of this name decides nothing in this one. */
			for (int i = 0; i < KERNEL_PIECES; i++)
				ready_set(kernel_pieces[i], 0);
			return TAKE_FD(home);
		}
		if (errno == EEXIST)
			return TAKE_FD(home);
		if (errno != ENOENT && errno != ENODEV)
			return err_sys(e, "cgroup /vserver/" HOLD);
	}
	return err_set(e, -EAGAIN, "cgroup /vserver: it keeps being removed; try again");
}

void pins_tidy(int pins)
{
	_cleanup_close_ int home = -1;

	for (int i = 0; i < KERNEL_PIECES; i++)
		if (faccessat(pins, kernel_pieces[i]->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return;
	home = cgroup_home_if_any(NULL);
	if (home >= 0) {
		unlinkat(home, HOLD, AT_REMOVEDIR);
		unlinkat(home, "../vserver", AT_REMOVEDIR);
	}
	rmdir(KERNEL_PINS);
}

int pins_remove(const struct piece *p, int pins, struct err *e)
{
	return tree_remove(pins, p->name, NULL, e);
}

char *pin_path(const struct piece *p, const char *name)
{
	return xasprintf(KERNEL_PINS "/%s/%s", p->name, name);
}

/* ---- what is live ------------------------------------------------------------------------------------------------ */

int piece_map(const struct piece *p, const char *map, struct err *e)
{
	_cleanup_free_ char *path = pin_path(p, map);
	int fd = bpf_obj_get(path);

	if (fd == -ENOENT)
		return err_set(e, -ENODEV, "the %s programs are not loaded; run: vserver-kernel load", p->name);
	return fd < 0 ? err_set(e, fd, "%s: %s", path, strerror(-fd)) : fd;
}

int ready_get(const struct piece *p, struct ready *ret)
{
	_cleanup_close_ int fd = piece_map(p, "ready", NULL);
	uint32_t zero = 0;

	return fd < 0 ? fd : bpf_map_lookup_elem(fd, &zero, ret);
}

int ready_set(const struct piece *p, uint32_t complete)
{
	_cleanup_close_ int fd = piece_map(p, "ready", NULL);
	struct ready value = {0};
	uint32_t zero = 0;
	int r = fd < 0 ? fd : bpf_map_lookup_elem(fd, &zero, &value);

	if (value.layout == 0)
		value.layout = p->layout; /* a new map */
	value.complete = complete;
	return r < 0 ? r : bpf_map_update_elem(fd, &zero, &value, BPF_ANY);
}

static bool held(void)
{
	_cleanup_close_ int home = cgroup_home_if_any(NULL);

	return home >= 0 && faccessat(home, HOLD, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool ready_live(const struct piece *p)
{
	struct ready r;

	return ready_get(p, &r) == 0 && r.complete && r.layout == p->layout;
}

bool kernel_live(enum kernel_piece which)
{
	return ready_live(kernel_pieces[which]) && held();
}

static unsigned count_links(const struct piece *p)
{
	_cleanup_free_ char *path = xasprintf(KERNEL_PINS "/%s", p->name);
	DIR *d = opendir(path);
	struct dirent *de;
	unsigned n = 0;

	while (d && (de = readdir(d)))
		n += strncmp(de->d_name, "link_", 5) == 0;
	if (d)
		closedir(d);
	return n;
}

void kernel_status(enum kernel_piece which, struct kernel_status *ret)
{
	const struct piece *p = kernel_pieces[which];
	_cleanup_free_ char *path = xasprintf(KERNEL_PINS "/%s", p->name);
	struct ready r = {0};

	*ret = (struct kernel_status){.own_layout = p->layout};
	if (access(path, F_OK) < 0)
		return;
	ret->state = KERNEL_PARTLY;
	ret->programs = count_links(p);
	if (ready_get(p, &r) < 0 || !r.complete || !held())
		return;
	ret->layout = r.layout;
	ret->state = r.layout == p->layout ? KERNEL_LIVE : r.layout < p->layout ? KERNEL_OLDER : KERNEL_NEWER;
}

/* ---- away -------------------------------------------------------------------------------------------------------- */

bool pins_in_use(void)
{
	_cleanup_close_ int home = cgroup_home_if_any(NULL), fd = -1;
	char text[256];
	ssize_t n;

	if (home < 0)
		return false;
	fd = openat(home, "cgroup.events", O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	text[n > 0 ? n : 0] = 0;
	return strstr(text, "populated 1");
}

int kernel_unload(enum kernel_piece which, bool force, struct err *e)
{
	const struct piece *p = kernel_pieces[which];
	_cleanup_close_ int pins = -1;
	struct ready before = {0};
	int r;

	if (which == KERNEL_ADDRESS)
		addr_collect(); /* what is on lo for locks that are gone: without the tables nobody knew */
	pins = pins_open(false, NULL, e);
	if (pins == -ENODEV) {
		err_clear(e);
		return 0;
	}
	if (pins < 0)
		return pins;
	/* First it is no longer live, then we look: a context that begins just now looks the other way round. */
	if (ready_get(p, &before) == 0)
		ready_set(p, 0);
	if (!force && pins_in_use() && faccessat(pins, p->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		ready_set(p, before.complete);
		return err_set(e, -EBUSY,
			       "%s: its programs protect what runs in contexts now; stop all vservers first, or say "
			       "--force",
			       p->name);
	}
	r = pins_remove(p, pins, e);
	pins_tidy(pins);
	return r;
}
