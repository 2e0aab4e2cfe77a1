/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The piece of address.bpf.c, and its tables: which cgroup has which lock, looked up, and collected when the cgroups
 * are gone. address_lock.c makes locks.
 */
#include "kernel/address_lock.h"
#include "kernel/address.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <dirent.h>
#include <limits.h>
#include <sys/file.h>

/* ---- the piece --------------------------------------------------------------------------------------------------- */

static struct bpf_object *piece_open(void **ret_skel)
{
	struct address_bpf *skel = address_bpf__open();

	*ret_skel = skel;
	return skel ? skel->obj : NULL;
}

static void piece_close(void *skel)
{
	address_bpf__destroy(skel);
}

static int piece_tune(void *opened, int home, struct err *e)
{
	struct address_bpf *skel = opened;
	struct stat st;

	if (fstat(home, &st) < 0)
		return err_sys(e, "cgroup /vserver");
	skel->rodata->home = st.st_ino;
	return 0;
}

const struct piece address_piece = {
	.name = "address",
	.layout = ADDRESS_LAYOUT,
	.open = piece_open,
	.close = piece_close,
	.tune = piece_tune,
};

/* ---- the tables -------------------------------------------------------------------------------------------------- */

void address_close(struct address_tables *t)
{
	close_fd(t->cgroups);
	close_fd(t->locks);
	close_fd(t->home);
	close_fd(t->turn);
}

int address_open(struct address_tables *t, struct err *e)
{
	*t = ADDRESS_NO_TABLES;
	t->home = cgroup_home_if_any(e);
	if (t->home < 0)
		return t->home;
	t->cgroups = piece_map(&address_piece, "cgroups", e);
	if (t->cgroups < 0)
		return t->cgroups;
	t->locks = piece_map(&address_piece, "locks", e);
	return t->locks < 0 ? t->locks : 0;
}

int address_turn(struct address_tables *t, struct err *e)
{
	t->turn = open(KERNEL_PINS "/address", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->turn < 0 || flock(t->turn, LOCK_EX) < 0)
		return err_sys(e, KERNEL_PINS "/address");
	return 0;
}

static uint64_t id_of(int cgroup)
{
	struct stat st;

	return fstat(cgroup, &st) < 0 ? 0 : st.st_ino;
}

struct address_cgroup address_entry(const struct address_tables *t, uint64_t id)
{
	struct address_cgroup c = {0};

	bpf_map_lookup_elem(t->cgroups, &id, &c);
	return c;
}

/* ---- what is gone ------------------------------------------------------------------------------------------------ */

/* Opens a cgroup by its number, which is its file handle: -ESTALE when it is gone. */
static int open_cgroup(int home, uint64_t id)
{
	union {
		struct file_handle h;
		char bytes[sizeof(struct file_handle) + sizeof(uint64_t)];
	} handle = {.h = {.handle_bytes = sizeof(id), .handle_type = 0xfe /* FILEID_KERNFS */}};
	int fd;

	memcpy(handle.h.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(home, &handle.h, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Removes a cgroup of our own that is empty; whether it is gone. */
static bool remove_own(int cgroup)
{
	_cleanup_free_ char *link = xasprintf("/proc/self/fd/%d", cgroup);
	char path[PATH_MAX], *name;
	ssize_t n = readlink(link, path, sizeof(path) - 1);

	if (n <= 0)
		return false;
	path[n] = '\0';
	name = strrchr(path, '/');
	return name && strncmp(name + 1, ADDRESS_OWN, strlen(ADDRESS_OWN)) == 0 && rmdir(path) == 0;
}

/* Those below a cgroup that a caller left behind which died between making them and entering them in the table. */
static void sweep_own(int parent)
{
	DIR *d = fdopendir(openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (strncmp(de->d_name, ADDRESS_OWN, strlen(ADDRESS_OWN)) == 0)
			unlinkat(parent, de->d_name, AT_REMOVEDIR); /* but not while a process is in it */
	if (d)
		closedir(d);
}

/* A lock, and the one whose loopback it has. */
static void mark_used(const struct address_tables *t, uint32_t slot, bool *used)
{
	struct address_lock lock;

	if (slot == 0 || slot >= ADDRESS_LOCKS || bpf_map_lookup_elem(t->locks, &slot, &lock) < 0)
		return;
	used[slot] = true;
	used[ADDRESS_SLOT(lock.owner)] = true;
}

void address_collect(const struct address_tables *t, bool *used)
{
	bool again = false; /* where one of our own went, that above it may go now */

	sweep_own(t->home);
	do {
		uint64_t id, next;
		void *at = NULL;

		again = false;
		memset(used, 0, ADDRESS_LOCKS * sizeof(*used));
		while (bpf_map_get_next_key(t->cgroups, at, &next) == 0) {
			_cleanup_close_ int fd = open_cgroup(t->home, next);
			struct address_cgroup c = address_entry(t, next);

			if (fd >= 0 && c.below)
				sweep_own(fd);
			if (fd == -ESTALE || (fd >= 0 && remove_own(fd))) {
				again = again || fd >= 0;
				fd = fd < 0 ? -1 : fd;
				bpf_map_delete_elem(t->cgroups, &next);
				continue; /* from the one before */
			}
			fd = fd < 0 ? -1 : fd;
			mark_used(t, c.slot, used);
			id = next;
			at = &id;
		}
	} while (again);
	address_loop_sweep(used);
}

void addr_collect(void)
{
	_cleanup_tables_ struct address_tables t;
	bool used[ADDRESS_LOCKS];

	if (address_open(&t, NULL) == 0 && address_turn(&t, NULL) == 0)
		address_collect(&t, used);
}

/* ---- where a cgroup is ------------------------------------------------------------------------------------------- */

int address_place(const struct address_tables *t, int cgroup, struct address_place *ret, struct err *e)
{
	_cleanup_close_ int at = fcntl(cgroup, F_DUPFD_CLOEXEC, 3);
	uint64_t home = id_of(t->home), id;

	*ret = (struct address_place){0};
	for (int depth = 0; depth < 32 && at >= 0 && (id = id_of(at)) != home; depth++) {
		int up = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (ret->n == ADDRESS_DEPTH) /* the deepest are none's, then */
			memmove(ret->id, ret->id + 1, --ret->n * sizeof(ret->id[0]));
		ret->id[ret->n++] = id;
		close(at);
		at = up;
	}
	if (at < 0 || id_of(at) != home || ret->n == 0)
		return err_set(e, -EINVAL, "addresses: this cgroup is not below /vserver");
	for (size_t i = ret->n; i-- > 0;) {
		struct address_cgroup c = address_entry(t, ret->id[i]);

		ret->above = i == 0 ? ret->slot : ret->above;
		ret->slot = c.slot ? c.slot : ret->slot;
	}
	return 0;
}

/* Whether the calling process is listed there, which needs no name that a cgroup namespace could change. Where
 * processes cannot be listed (threaded cgroups), it counts as being there. */
static bool holds_us(int cgroup)
{
	int fd = openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC), pid;
	_cleanup_fclose_ FILE *f = fd < 0 ? NULL : fdopen(fd, "re");

	if (!f)
		return true;
	while (fscanf(f, "%d", &pid) == 1)
		if (pid == getpid())
			return true;
	return ferror(f);
}

int address_cgroup_of(int home, pid_t pid, struct err *e)
{
	_cleanup_free_ char *file = pid ? xasprintf("/proc/%d/cgroup", (int)pid) : xstrdup("/proc/self/cgroup"),
			    *line = NULL, *path = NULL;
	_cleanup_fclose_ FILE *f = fopen(file, "re");
	size_t size = 0;
	ssize_t n;
	int fd;

	if (!f)
		return err_sys(e, "process %d", (int)pid);
	while ((n = getline(&line, &size, f)) > 0)
		if (strncmp(line, "0::/", 4) == 0) {
			line[n - 1] = '\0';
			path = xasprintf("../%s", line + 4);
			break;
		}
	if (!path)
		return err_set(e, -ENOENT, "%s: no v2 cgroup", file);
	fd = openat(home, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cgroup %s", path + 2);
	if (pid == 0 && !holds_us(fd)) {
		close(fd);
		return err_set(e, -EXDEV,
			       "addresses: the cgroup %s of this process is not that of the mounted hierarchy: "
			       "leave its cgroup namespace, or mount one there",
			       path + 2);
	}
	return fd;
}

int addr_query(pid_t pid, struct addr_set *ret, struct err *e)
{
	_cleanup_tables_ struct address_tables t;
	_cleanup_close_ int cgroup = -1;
	struct address_lock lock;
	struct address_place p;

	*ret = (struct addr_set){0};
	if (address_open(&t, NULL) < 0)
		return 0; /* nothing is locked */
	cgroup = address_cgroup_of(t.home, pid, e);
	if (cgroup < 0)
		return cgroup;
	if (address_place(&t, cgroup, &p, NULL) < 0 || !p.slot)
		return 0;
	if (bpf_map_lookup_elem(t.locks, &p.slot, &lock) < 0)
		return err_set(e, -EIO, "addresses: the lock of process %d cannot be read", (int)pid);
	*ret = address_set(&lock);
	return 0;
}
