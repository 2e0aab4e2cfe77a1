/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between the loader (load.c), its pins (pins.c) and the pieces that it loads (context.c, address.c, seal.c).
 */
#pragma once

#include "kernel/internal.h"

#include <bpf/libbpf.h>

/* A piece is one BPF object with its maps and links. Its maps are pinned below KERNEL_PINS/NAME/ under their own names,
 * its links as link_PROGRAM. A program named with '?' before its section ("?lsm/x") is loaded only if tune() says so.
 * Each object has a map `ready`: an array of one struct ready.
 */
#define KERNEL_BPFFS "/sys/fs/bpf"
#define KERNEL_PINS KERNEL_BPFFS "/vserver"

struct piece {
	const char *name;    /* context, address or seal */
	unsigned layout;     /* raised whenever the meaning of what is in its pinned maps changes */
	const char *instead; /* where the kernel does not take it: what stands in for it. A clause; may be NULL */
	/* Opens the skeleton's object, not loaded; *ret_skel is what close() gets. NULL and errno on failure. */
	struct bpf_object *(*open)(void **ret_skel);
	void (*close)(void *skel);
	/* Before it is loaded: sets read-only data and chooses between variants of programs. May be NULL. home is the
	 * cgroup /vserver. 0 or -errno. */
	int (*tune)(void *skel, int home, struct err *e);
	/* After it is loaded, before its programs are attached: fills maps. May be NULL. 0 or -errno. */
	int (*fill)(void *skel, struct err *e);
};
extern const struct piece context_piece, address_piece, seal_piece;
extern const struct piece *const kernel_pieces[KERNEL_PIECES];

/* A pinned map of a live piece: a descriptor; -ENODEV when the piece is not loaded. */
int piece_map(const struct piece *p, const char *map, struct err *e);
/* ---- facts.c ----------------------------------------------------------------------------------------------------- */
/* How many parameters the running kernel's function `func` has, by its own type information; -ENOENT when it has no
 * such function. The first call reads the types, which stay in memory until kernel_forget_types. */
int kernel_func_params(const char *func);
/* Whether it has so many: which variant of a hook to load. */
bool kernel_func_takes(const char *func, unsigned params);
/* Whether this kernel now and then leaves out a program of a hook: until 6.2 one that is preempted by itself, which
 * happens where kernel code is preemptible. Then an LSM program protects nothing. */
bool kernel_skips_programs(void);
/* Reads the kernel's type information into memory: 0 or -errno. */
int kernel_types(void);
void kernel_forget_types(void);
/* As libbpf saw it: the reason of the last failure, or "". kernel_listen forgets it and listens again. */
const char *kernel_why(void);
void kernel_listen(void);

/* Attaches one program (load.c): to the cgroup `home`, to this network namespace, or to the whole kernel, as its type
 * is. NULL and errno. */
struct bpf_link *kernel_attach(struct bpf_program *prog, int home);

/* ---- pins.c ------------------------------------------------------------------------------------------------------ */
struct ready { /* the one value of the map of that name */
	uint32_t layout;
	uint32_t complete;
};
int ready_get(const struct piece *p, struct ready *ret);
int ready_set(const struct piece *p, uint32_t complete);
/* Whether it says that a piece of this layout is complete. */
bool ready_live(const struct piece *p);
/* The directory of the pins, locked: one loader at a time. With make, it is made, and the file system of pins mounted
 * if the host has not (*ret_mounted); else -ENODEV where there is none. */
int pins_open(bool make, bool *ret_mounted, struct err *e);
/* The cgroup /vserver, kept from going as its last context does. */
int pins_hold(int pins, struct err *e);
/* When no piece is left, the directory and the cgroups go, too. */
void pins_tidy(int pins);
int pins_remove(const struct piece *p, int pins, struct err *e);
/* Whether anything runs in /vserver. */
bool pins_in_use(void);
/* The caller frees. */
char *pin_path(const struct piece *p, const char *name);
