/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The filter of address_raw.bpf.c: brought into the kernel once, pinned beside the others, attached where it is wanted.
 */
#include "kernel/address_lock.h"
#include "kernel/address_raw.skel.h"

#include <bpf/bpf.h>

#define PIN KERNEL_PINS "/address/raw_filter"

static int share(struct bpf_map *map)
{
	_cleanup_free_ char *path = xasprintf(KERNEL_PINS "/address/%s", bpf_map__name(map));

	return bpf_map__is_internal(map) ? 0 : bpf_map__set_pin_path(map, path);
}

static int load(uint64_t home)
{
	struct address_raw_bpf *skel = address_raw_bpf__open();
	struct bpf_map *map;
	int r = skel ? 0 : -errno, fd = -1;

	if (!skel)
		return r;
	skel->rodata->home = home;
	bpf_object__for_each_map(map, skel->obj) r = r < 0 ? r : share(map);
	if (r == 0)
		r = bpf_object__load(skel->obj);
	if (r == 0)
		r = bpf_program__pin(skel->progs.leave, PIN);
	if (r == 0)
		fd = bpf_obj_get(PIN);
	address_raw_bpf__destroy(skel);
	return r < 0 ? r : fd;
}

static bool is_attached(int cgroup, uint32_t id)
{
	uint32_t ids[64], n = ARRAY_LEN(ids), flags;

	if (bpf_prog_query(cgroup, BPF_CGROUP_INET_EGRESS, 0, &flags, ids, &n) < 0)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

int address_raw_filter(const struct address_tables *t, int cgroup, struct err *e)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	struct stat st;
	int r, fd = bpf_obj_get(PIN);
	_cleanup_close_ int filter = fd < 0 ? (fstat(t->home, &st) < 0 ? -errno : load(st.st_ino)) : fd;

	if (filter < 0 || bpf_obj_get_info_by_fd(filter, &info, &len) < 0)
		return err_set(e, filter < 0 ? filter : -errno, "addresses: the filter of raw sockets: %s",
			       strerror(filter < 0 ? -filter : errno));
	if (is_attached(cgroup, info.id))
		return 0;
	r = bpf_prog_attach(filter, cgroup, BPF_CGROUP_INET_EGRESS, BPF_F_ALLOW_MULTI);
	return r < 0 ? err_set(e, r, "addresses: the filter of raw sockets: %s", strerror(-r)) : 0;
}
