#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The mark, on a kernel whose BPF programs respect it: nothing that a context's root may try changes a marked file, on ext4, xfs and
# btrfs, and what package tools do works; marks count only while the programs are loaded, and no vserver runs while they are not;
# a store goes from the immutable attribute to marks and back; a mark that a guest makes gains it nothing.
. "$(dirname "$0")/lib.sh"
private_mounts "$@"

CONTEXT=/sys/fs/cgroup/vserver/60000
on_exit "rmdir $CONTEXT/below $CONTEXT /sys/fs/cgroup/vserver 2>/dev/null"
on_exit "vserver-kernel unload --force"
# As root of a context that has every capability and no filter: whatever is refused, the seal refuses.
inside() {
	mkdir -p "$CONTEXT" && sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$CONTEXT" "$@"
}
flags() { lsattr -d "$1" | cut -d' ' -f1 | tr -d -- '-eE'; }

ok "the programs load" vserver-kernel load seal
ok "and are live" vserver-kernel status seal
programs=$(lsm_programs)

# ---- every way to change a file ------------------------------------------------------------------------------------------

# What a file system or kernel cannot do at all; everything else has to be tried there.
missing() { # KIND
	local all="userfaultfd|setxattr by XFS's handles"
	older 6.6 && all+='|fchmodat2'
	older 6.9 && all+='|io_uring ftruncate'
	older 6.17 && all+='|file_setattr'
	[ "$1" = btrfs ] || all+='|setxattr btrfs.compression|BTRFS_IOC_DEFRAG_RANGE'
	[ "$1" = features ] || all+='|FS_IOC_SETVERSION'
	case $1 in
	ext4) all+='|FS_IOC_ENABLE_VERITY|FS_IOC_FSSETXATTR of a project' ;;
	xfs) all+='|FS_IOC_ENABLE_VERITY' ;;
	btrfs) all+='|FS_IOC_FSSETXATTR of a project|swapon' ;;
	esac
	[[ $1 = xfs || $1 = btrfs ]] || all+='|FICLONE|FICLONERANGE|FICLONE from it|FIDEDUPERANGE'
	echo "^($all): "
}
older() { [ "$VM_KERNEL" != "$1" ] && [ "$(printf '%s\n' "$VM_KERNEL" "$1" | sort -V | head -n 1)" = "$VM_KERNEL" ]; }
picture() { sha256sum <"$1" && stat -c '%a %u %g %s %Y' "$1" && getfattr --absolute-names -d -m - "$1" && flags "$1"; }

# ext4 as mkfs makes it leaves some things out.
truncate -s 256M "$TMP/features.img"
mkfs.ext4 -q -F -b 4096 -O verity,project,^metadata_csum "$TMP/features.img"
mkdir /mnt/features
modprobe loop
mount -o loop,noatime "$TMP/features.img" /mnt/features

declare -A done=()
for fs in $FILESYSTEMS features; do
	D=/mnt/$fs/try
	mkdir -p $D/twins
	head -c 65536 /dev/urandom >$D/file
	chmod 644 $D/file
	setfattr -n user.keep -v me $D/file
	setfacl -m u:1:r $D/file
	ln $D/file $D/store
	cp "$(command -v seal_try)" $D/program
	chattr +ASd $D/file $D/program
	before=$(picture $D/file)
	for what in change allow; do
		n=0
		inside seal_try $what $D/file $D/twins >"$TMP/tries" 2>&1 || fail "$fs: seal_try $what: $?"
		while read -r verdict rest; do
			n=$((n + 1))
			case "$verdict $rest" in
			ok\ *) pass "$fs: $what: $rest" && done[$rest]=1 ;;
			skip\ *) like "$rest" "$(missing $fs)" "$fs: $what: not to be had here: $rest" ;;
			*) fail "$fs: $what: $verdict $rest" ;;
			esac
		done <"$TMP/tries"
		diag "$fs: $n tries to $what"
		is $n $([ $what = change ] && echo 109 || echo 26) "$fs: all of them ran"
	done
	is "$(picture $D/file)" "$before" "$fs: the file is as it was"
	exits 77 "$fs: a marked program runs" inside $D/program anything 77
	ok "$fs: the host may write" sh -c "echo more >>$D/file"
	ok "$fs: and take the mark off" chattr -ASd $D/file
	ok "$fs: then a context may write" inside sh -c "echo more >>$D/file"
done
umount /mnt/features
# It names a file by its argument, so a context may not do it to any.
H="setxattr by XFS's handles"
ok "xfs: control: the host can $H" seal_try once "$H" /mnt/xfs/try/program /mnt/xfs/try
not_ok "… a context cannot, whatever the file" inside seal_try once "$H" /mnt/xfs/try/file /mnt/xfs/try
diag "${#done[@]} different tries to change a marked file, or to use it"

# ---- marks and their programs, in whole vservers -------------------------------------------------------------------------

# In a namespace without the file system of pins nothing can be loaded, nor is anything live: as on a kernel without BPF LSM.
without_bpf() { unshare -m --propagation private sh -c 'umount -l /sys/fs/bpf && exec "$@"' sh "$@"; }
# Kinds of seals that the objects of the store have, and how many of each.
kinds() { find "$STORE" -type f -exec lsattr {} + | awk '{ gsub(/[-eE]/, "", $1); n[$1]++ } END { for (k in n) printf "%s%s=%d", (i++ ? " " : ""), k, n[k]; print "" }'; }
NOTE=.unify/marks
F=/usr/share/data/f

# Newly shared files, collection, usage.
newly_shared() {
	local v
	for v in one two; do add_file $v ${F}7 "file 7"; done
	rm "$VS/two${F}4"
	ok "$fs: vunify again" vunify one two
	same_inode one two ${F}7
	is "$?" 0 "$fs: shares what is new"
	is "$(kinds)" "SdA=6" "$fs: by a mark, and drops what nobody has any more"
	run vdu --json one two
	is "$(jq -r 'map(.shared > 0) | all' <<<"$out")" true "$fs: vdu sees what is shared"
}

# Marks that a guest made.
marks_of_guests() {
	local v own
	without_bpf vserver one exec busybox sh -c "busybox cp ${F}3 /tmp/f8; busybox chattr +ASd /tmp/f8 2>/dev/null; busybox mkdir -p /usr/share/own"
	printf 'file 8 %080d\n' 0 >"$VS/one${F}8"
	cp "$VS/one${F}8" "$VS/two${F}8"
	touch -d '2020-01-01 00:00:00 UTC' "$VS"/{one,two}"${F}8"
	for v in one two; do echo ${F}8 >>"$VS/$v/var/lib/dpkg/info/pkg.list"; done
	chattr +ASd "$VS/one${F}8"
	own=$(inode one ${F}8)
	ok "$fs: a file with marks of its guest's making" vunify one two
	same_inode one two ${F}8
	is "$?" 0 "$fs: is shared like others"
	[ "$(inode one ${F}8)" != "$own" ] && [ ! -e "$VS/.unify/tmp/$own" ] && [ "$(find "$STORE" -inum "$own" | wc -l)" = 0 ]
	is "$?" 0 "$fs: by a new inode: the guest's is never adopted"
}

for fs in $FILESYSTEMS; do
	export VPKG_SYSROOT=/mnt/$fs/small
	. tests/root/unify_trees.sh
	for v in one two; do
		make_tree $v
		for i in 1 2 3 4 5 6; do add_file $v /usr/share/data/f$i "file $i"; done
	done

	# Without the programs: the immutable attribute.
	ok "$fs: vunify without BPF" without_bpf vunify -q one two
	is "$(kinds)" "i=6" "$fs: seals by the immutable attribute"
	ok "$fs: and makes no note" test ! -e "$VS/$NOTE"
	ok "$fs: a vserver runs" without_bpf vserver one exec busybox true

	# They become live.
	ok "$fs: vunify with BPF" vunify -q one two
	is "$(kinds)" "SdA=6" "$fs: puts marks in the place of that"
	ok "$fs: with a note on the disk" test -s "$VS/$NOTE"
	is "$(stat -c '%a %u' "$VS/$NOTE")" "600 0" "$fs: for root alone"
	like "$(showattr "$VS/one${F}1")" '^sealed ' "$fs: showattr says sealed"
	run vserver one exec busybox sh -c "echo x >>${F}1; echo x >${F}2; busybox chmod 600 ${F}3; busybox rm ${F}4; busybox cp ${F}5 /tmp/n; busybox mv /tmp/n ${F}5; busybox touch ${F}6"
	like "$err" "${F}1: Operation not permitted" "$fs: its root cannot write to what is shared,"
	like "$err" "${F}2: Operation not permitted" "$fs: nor truncate it,"
	like "$err" "${F}3: Operation not permitted" "$fs: nor change its mode,"
	like "$err" "${F}6: Operation not permitted" "$fs: nor its times;"
	unlike "$err" 'f[45]' "$fs: it can remove and replace it"
	ok "$fs: a file that was replaced is its own" vserver one exec busybox sh -c "echo x >>${F}5"
	is "$(cat "$VS"/two${F}[1-6] | sha256sum)" "$(for i in 1 2 3 4 5 6; do printf 'file %s %080d\n' $i 0; done | sha256sum)" "$fs: the other vserver's are as they were"

	[ $fs != ext4 ] || newly_shared

	# The programs go: nothing runs until they are back, or the marks are gone.
	ok "$fs: unload, as a reboot does" vserver-kernel unload seal
	# The kernel lets go of programs a little later.
	ok "$fs: control: then a mark protects nothing" wait_for inside sh -c "exec 3<>'$VS/one${F}1'"
	exits 1 "$fs: where they cannot be loaded no vserver runs" without_bpf vserver one exec busybox true
	like "$err" 'protects nothing now .* run: vunify ALL' "$fs: and is told the remedy"
	one_line "$err" "$fs: in one line"
	ok "$fs: where they can, they are loaded first" vserver one exec busybox true
	ok "$fs: and live" vserver-kernel status seal
	like "$(without_bpf showattr "$VS/one${F}1")" '^- ' "$fs: a mark without its programs is no seal"

	# Back to the immutable attribute; an object that was changed meanwhile goes.
	ok "$fs: unload again" vserver-kernel unload seal
	wait_for inside sh -c "echo changed >>'$VS/one${F}2'"
	ok "$fs: vunify without BPF" without_bpf vunify one two
	like "$err" '6 objects had no seal that holds' "$fs: verifies every object"
	like "$(kinds)" '^i=5$' "$fs: seals all by the immutable attribute"
	ok "$fs: and removes the note" test ! -e "$VS/$NOTE"
	is "$(flags "$VS/one${F}2")" i "$fs: what was changed cannot be changed for each other any more"
	find "$STORE" -type f -exec sha256sum {} + >"$TMP/objects"
	not_ok "$fs: and is in the store no more" grep -q "$(sha256sum <"$VS/one${F}2" | cut -c1-64)" "$TMP/objects"
	ok "$fs: a vserver runs" without_bpf vserver one exec busybox true

	[ $fs != ext4 ] || marks_of_guests
	chattr -R -f -i -ASd "$VS" || true
	rm -rf --one-file-system "$VS/.unify"
	umount "$VS"
done
ok "unload" vserver-kernel unload
is "$(find /sys/fs/bpf -mindepth 1 -name '*vserver*')" "" "leaves nothing"
enforced seal $programs
done_testing
