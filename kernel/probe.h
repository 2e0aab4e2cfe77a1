/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether a kind of BPF program loads here and decides: each is tried with a tiny program that refuses or changes one
 * thing for this process alone, and is gone when the function returns.
 */
#pragma once

#include "kernel/internal.h"

#include <bpf/libbpf.h>

/* Each returns 0 when it decided as it should; -EOPNOTSUPP with what the kernel said, or that it said yes and did not
 * ask the program; -errno when it could not be tried. */
int probe_lsm(struct err *e);
int probe_cgroup(struct err *e);
int probe_sk_lookup(struct err *e);

/* Whether a process can answer another one's system calls (seccomp's user notification), with a value and with a
 * descriptor. 0 or -errno. (notify.c) */
int probe_notify(struct err *e);
