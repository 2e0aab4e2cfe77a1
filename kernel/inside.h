/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between a context's two halves: run.c on the host's side starts it and serves it; inside.c is its first process.
 */
#pragma once

#include "kernel/internal.h"

/* What the first process needs of the host's side; every descriptor but the three pipes is a detached mount. */
struct inside {
	int tree;       /* the idmapped clone of the tree */
	int dev;        /* its /dev, nodes included */
	int packages;   /* read-only packages, or -1 */
	int sync;       /* read: one byte when the id maps are written; end of file when the caller died */
	int report;     /* write: what failed before the command began */
	int supervisor; /* a socket: the supervisor's other end, or -1. Closed there: nobody supervises any more */
	int in, out, err;
	const struct ctx_spec *spec;
	const char *const *argv; /* or */
	int (*fn)(void *);
	void *arg;
	const int *keep;
	size_t n_keep;
	const char *const *env;
};
/* The context's first process, from its first instruction to its end. */
_Noreturn void inside_main(const struct inside *in);

/* A detached tmpfs with the device nodes, owned by the context's root, and with the stubs if stubs. (device.c) */
int device_mount(uint32_t uid_base, bool stubs, struct err *e);
/* Loads the system call filter; needs CAP_SYS_ADMIN over the own user namespace. 0 or -errno. (filter.c) */
int filter_load(bool no_flush);
