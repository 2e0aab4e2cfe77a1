/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One request to the process that lifts seals, as it goes over its socket: window.c sends it, window_helper.c serves
 * it.
 */
#pragma once

#include "kernel/window.h"

#include <sys/socket.h>

/* The operations, with descriptors as indices into the ones that come along. */
#define MAX_FDS (3 * WINDOW_OPS + 2)
struct wire_op {
	enum seal_what what;
	unsigned flags;
	uint8_t fd[3]; /* file, dir[0], dir[1]; NO_FD where there is none */
	char name[2][NAME_MAX + 1];
};
#define NO_FD 255
struct request {
	enum window_freeze mode;
	uint32_t n;
	uint8_t park[2]; /* cgroup and listener of threads to send back, or NO_FD */
	uint32_t n_parks;
	uint64_t parks[WINDOW_PARKS];
	struct wire_op ops[WINDOW_OPS];
};
struct reply {
	int frozen; /* 0, or the -errno of the freezing: then nothing was tried */
	uint32_t frozen_us;
	int status[WINDOW_OPS];
	char msg[512]; /* of the first failure */
};

union fd_control {
	char buf[CMSG_SPACE(sizeof(int) * MAX_FDS)];
	struct cmsghdr align;
};

/* The helper's life, in a process forked for it: serves what comes on sock, until the process that the pidfd caller
 * names is gone. */
_Noreturn void window_helper(int sock, int caller);
