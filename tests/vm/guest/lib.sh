# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the scripts in tests/vm/guest, which run as root in a virtual machine (tests/vm/run). One begins with
#
#	. "$(dirname "$0")/lib.sh"
#
# and then has all of tests/lib/tap.sh, with the checkout in /vpkg and the programs in PATH, and besides:
#
#	VM_KERNEL            6.1 or 6.12 …: as tests/vm/run was called; uname -r says it whole
#	VM_CPUS              how many processors there are
#	FILESYSTEMS          ext4 xfs btrfs: at /mnt/ext4, /mnt/xfs, /mnt/btrfs, each the script's own, as mkfs makes it, 4 GB
#	/mnt/FS/root         a VPKG_SYSROOT on each, with the vservers deb1, deb2 (Debian), rpm1, rpm2 (tests/rpmdistro)
#	/srv/debs, /srv/rpms packages for those, newer than what they have
#	tests/vm/guest/X.c   is a program X in PATH; static, so that it can be copied into a vserver
#	                     (unless it includes bpf/libbpf.h)
#	tests/vm/guest/X.bpf.c is build/vm/bpf/X.bpf.o
#
#	on_fs FS             VPKG_SYSROOT becomes /mnt/FS/root
#	bpf_load X           loads X.bpf.o and attaches its programs; pins below /sys/fs/bpf/X, bpf_unload X takes them away
#	wait_for CMD…        until it succeeds, at most half a minute
#	lsm_programs         how many BPF LSM programs the kernel has loaded
#	enforced PIECE N     near the end: if nothing failed, N such programs of PIECE were seen at work; vm.t tells it, and wants it
#
# Everything a script leaves behind makes it fail: processes, busy file systems; files are gone with the file systems.

. "$(dirname "${BASH_SOURCE[0]}")/../../lib/tap.sh"
[ -n "${VM_KERNEL:-}" ] || skip_all "runs in a virtual machine: tests/vm/run KERNEL $0"
PATH=$BUILD/vm/bin:$PATH
FILESYSTEMS='ext4 xfs btrfs'
BPF=$BUILD/vm/bpf

wait_for() { # CMD…: until it succeeds, at most half a minute
	local i
	for ((i = 0; i < 600; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	return 1
}

lsm_programs() { bpftool -j prog show | jq 'map(select(.type == "lsm")) | length'; }
enforced() { [ "$tap_failed" != 0 ] || diag "enforced: $2 LSM programs of the piece $1"; }

on_fs() { export VPKG_SYSROOT=/mnt/$1/root; }

bpf_load() { # X
	mkdir -p "/sys/fs/bpf/$1" && attach "$BPF/$1.bpf.o" "/sys/fs/bpf/$1"
}

bpf_unload() { rm -rf "/sys/fs/bpf/$1"; } # X
