// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The smallest BPF LSM program whose work can be seen: no file whose name is "vpkg-probe-refused" can be opened. For
 * 00-boot.t, which asks whether this kernel attaches and obeys such programs at all, before tests of the real ones
 * blame those.
 *
 * Only what is used of the kernel's structures is declared; the loader finds the offsets in the kernel's BTF.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EPERM 1

struct qstr {
	const unsigned char *name;
} __attribute__((preserve_access_index));

struct dentry {
	struct qstr d_name;
} __attribute__((preserve_access_index));

struct path {
	struct dentry *dentry;
} __attribute__((preserve_access_index));

struct file {
	struct path f_path;
} __attribute__((preserve_access_index));

SEC("lsm/file_open")
int BPF_PROG(probe_open, struct file *file)
{
	static const char refused[] = "vpkg-probe-refused";
	char name[sizeof refused + 1];

	if (bpf_probe_read_kernel_str(name, sizeof name, file->f_path.dentry->d_name.name) == sizeof refused &&
	    bpf_strncmp(name, sizeof refused, refused) == 0)
		return -EPERM;
	return 0;
}

char _license[] SEC("license") = "GPL";
