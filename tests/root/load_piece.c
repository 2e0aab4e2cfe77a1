/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For load.t: stands in for the address piece in a vserver-kernel that is linked with it, so that the loader is tried with
 * programs that load everywhere, in several versions. OBJECT is the compiled load_piece.bpf.c.
 */
#include "kernel/load.h"

#include <bpf/bpf.h>

static struct bpf_object *piece_open(void **ret_skel)
{
	struct bpf_object *obj = bpf_object__open_file(OBJECT, NULL);

	*ret_skel = obj;
	return obj;
}

static void piece_close(void *skel)
{
	bpf_object__close(skel);
}

static int piece_fill(void *skel, struct err *e)
{
	int map = bpf_object__find_map_fd_by_name(skel, "filled");

	for (uint32_t i = 0; i < FILL; i++) {
		int r = bpf_map_update_elem(map, &i, &i, BPF_ANY);

		if (r < 0)
			return err_set(e, r, "address: its map is full: %s", strerror(-r));
	}
	return 0;
}

const struct piece address_piece = {
	.name = "address",
	.layout = LAYOUT,
	.open = piece_open,
	.close = piece_close,
	.fill = piece_fill,
};
