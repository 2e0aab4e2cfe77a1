#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The machine is what the other scripts take for granted: the kernel that was asked for, with BPF LSM that loads and enforces, BTF, one
# cgroup hierarchy, three file systems that know the immutable attribute, whole vservers and packages for them, clean hands.
. "$(dirname "$0")/lib.sh"

like "$(uname -r)" "^${VM_KERNEL//./\\.}\.[0-9].*-cloud-amd64$" "kernel $(uname -r)"
is "$(id -u)" 0 "root"
is "$(nproc)" "$VM_CPUS" "processors: $VM_CPUS"
like ",$(cat /sys/kernel/security/lsm)," ',bpf,' "bpf is in the list of security modules"
is "$(head -c 2 /sys/kernel/btf/vmlinux | od -An -tx1 | tr -d " ")" 9feb "the kernel has BTF"
is "$(stat -f -c %T /sys/fs/cgroup /sys/fs/bpf | xargs)" "cgroup2fs bpf_fs" "cgroup2 and bpffs are mounted"
like " $(cat /sys/fs/cgroup/cgroup.controllers) " ' memory .*pids ' "cgroup2 has the controllers"

for fs in $FILESYSTEMS; do
	is "$(findmnt -n -o FSTYPE /mnt/$fs)" $fs "$fs is mounted"
	echo sealed >/mnt/$fs/f
	ok "$fs: chattr +i" chattr +i /mnt/$fs/f
	not_ok "$fs: … holds" sh -c "echo x >>/mnt/$fs/f"
	not_ok "$fs: … against unlink" rm -f /mnt/$fs/f
	ok "$fs: chattr -i" chattr -i /mnt/$fs/f
	ok "$fs: extended attributes and ACLs" sh -c "setfattr -n user.a -v b /mnt/$fs/f && setfacl -m u:nobody:r /mnt/$fs/f"
done

# ---- a BPF LSM program -------------------------------------------------------------------------------------------------
magic=$TMP/vpkg-probe-refused
echo text >"$magic"
echo text >"$TMP/vpkg-probe-refused-not"
is "$(cat "$magic")" text "without the program: the file opens"
on_exit bpf_unload probe
ok "the program loads and attaches" bpf_load probe
not_ok "with it: open is refused" cat "$magic"
like "$err" "Operation not permitted" "… with EPERM"
ok "… and other names are not" cat "$TMP/vpkg-probe-refused-not"
bpf_unload probe
ok "detached: the file opens again" wait_for cat "$magic"

# ---- vservers and packages ---------------------------------------------------------------------------------------------
ok "the programs run" ldd "$BIN"/{vpkg,vunify,vserver}
unlike "$out$err" "not found" "… and find their libraries"
for fs in $FILESYSTEMS; do
	on_fs $fs
	run vserver deb1 exec dpkg-query -W -f '${Version}' libc6
	is "$(dpkg-deb -f /srv/debs/libc6_*.deb Version)" "$out+vm1" "$fs: a command in the context of deb1; a newer libc6 is there"
	run vserver rpm2 exec rpm -q --qf '%{NAME} %{RELEASE}\n' bash coreutils glibc
	is "$(echo $out)" "bash 1.mini1 coreutils 1.mini1 glibc 1.mini1" "$fs: a command in the context of rpm2"
done
is "$(ls /srv/rpms/{bash,coreutils,glibc}-*-2.*.rpm | wc -l)" 3 "newer packages are there"
ok "modules load on demand: overlay, veth" sh -c "ip link add v0 type veth peer name v1 && ip link del v0 && modprobe overlay && grep -q overlay /proc/filesystems"

done_testing
