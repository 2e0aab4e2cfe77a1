#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The package tools of vservers whose files are shared and sealed by the mark, as they are and as the vserver's own root runs
# them: dpkg upgrades libc6, libc-bin, coreutils and bash of a Debian vserver, rpm glibc, coreutils, bash and less of another. These
# have files of their own then, and of the others not a byte has changed.
#
# Whole trees on one file system, on another one with each kernel, since it takes an emulated processor a minute to share them; on
# the others a part of them.
. "$(dirname "$0")/lib.sh"
private_mounts "$@"

on_exit "vserver-kernel unload --force"
ok "the programs load" vserver-kernel load seal
declare -A part=([ext4]=one_package [xfs]=whole_trees [btrfs]=rpm_trees)
[ "$VM_KERNEL" != 6.1 ] || part=([ext4]=whole_trees [xfs]=one_package [btrfs]=one_package)

# Contents, modes, owners, times and targets of links of a tree, or of some files. What reads an RPM database touches one file of it.
picture() { # VSERVER [FILE…]
	cd "$VS/$1" && shift || return
	[ $# != 0 ] || set -- .
	find "$@" -xdev ! -name rpmdb.sqlite-shm -printf '%p %y %m %U %G %l ' \( -type f -printf '%s %T@\n' -o -printf '\n' \) | sort
	find "$@" -xdev -type f -print0 | sort -z | xargs -0 sha256sum
	cd "$TOP" || return
}
changes() { # VSERVER: says what has, since its picture was taken
	diff "$TMP/$1.before" <(picture "$@") | head -n 5
}

inode() { stat -c %i "$VS/$1/$2"; }
flags() { lsattr -d "$VS/$1/$2" | cut -d' ' -f1 | tr -d -- '-eE'; }
shared() { # VSERVER OTHER PATH…
	local p
	for p in "${@:3}"; do
		is "$(flags "$1" "$p") $(inode "$1" "$p")" "SdA $(inode "$2" "$p")" "$fs: $1 and $2 share /$p, which is marked"
	done
}
own() { # VSERVER OTHER PATH…
	local p
	for p in "${@:3}"; do
		[ "$(inode "$1" "$p")" != "$(inode "$2" "$p")" ]
		is "$?$(flags "$1" "$p")" 0 "$fs: /$p of $1 is its own"
	done
}
sealed() { # VSERVER PATH
	not_ok "$fs: root of $1 cannot write to /$2" vserver "$1" exec sh -c "echo x >>/$2"
	like "$err" 'Operation not permitted' "$fs: … by the seal"
}

# What other packages brought is off the lists meanwhile, so that only these packages' files are compared and shared.
share_only() { # PACKAGE VSERVER…
	local package=$1 v status=0
	shift
	for v; do
		mkdir "$VS/$v/root/lists"
		find "$VS/$v/var/lib/dpkg/info" -name '*.list' ! -name "$package.list" -exec mv -t "$VS/$v/root/lists" {} +
	done
	ok "$fs: vunify, of $package in $*" vunify -q "$@"
	for v; do
		mv "$VS/$v"/root/lists/* "$VS/$v/var/lib/dpkg/info/"
		rmdir "$VS/$v/root/lists"
	done
}

deb_upgrade() { # PACKAGE…
	local p version debs=''
	for p; do
		cp /srv/debs/"${p}"_*.deb "$VS/deb1/root/"
		debs+=" /root/${p}_*.deb"
	done
	ok "$fs: dpkg -i$debs" vserver deb1 exec sh -c "dpkg -i$debs"
	for p; do
		version=$(dpkg-deb -f /srv/debs/"${p}"_*.deb Version)
		is "$(dpkg-query --admindir="$VS/deb1/var/lib/dpkg" -W -f '${Version} ${db:Status-Status}' "$p")" "$version installed" \
			"$fs: $p is installed, $version"
	done
	is "$(vserver deb1 exec dpkg -V "$@" | grep -v '^missing')" "" "$fs: its files are as the package has them"
}

rpm_upgrade() { # PACKAGE…
	local p rpms=''
	for p; do
		cp /srv/rpms/"$p"-[0-9]*.rpm "$VS/rpm1/root/"
		rpms+=" /root/$p-[0-9]*.rpm"
	done
	ok "$fs: rpm -U$rpms" vserver rpm1 exec sh -c "rpm -U$rpms"
	is "$(vserver rpm1 exec rpm -q --qf '%{NAME} %{RELEASE}\n' "$@" | grep -c ' 2\.')" $# "$fs: $* are installed, release 2"
	is "$(vserver rpm1 exec rpm -V "$@" | grep -E '^(S|..5|.M)')" "" "$fs: their files are as the packages have them"
}

LIB=usr/lib/x86_64-linux-gnu/libc.so.6

whole_trees() {
	local v files="usr/bin/bash usr/bin/ls $LIB"
	ok "$fs: vunify of whole trees" vunify -q ALL
	for v in deb2 rpm2; do picture $v >"$TMP/$v.before"; done
	shared deb1 deb2 $files
	shared rpm1 rpm2 $files
	sealed deb1 usr/bin/bash
	sealed rpm1 $LIB
	deb_upgrade libc6 libc-bin coreutils bash
	own deb1 deb2 $files
	rpm_upgrade glibc coreutils bash less
	own rpm1 rpm2 $files
	for v in deb2 rpm2; do
		is "$(changes $v)" "" "$fs: of $v nothing has changed ($(grep -c ' f ' "$TMP/$v.before") files)"
	done
	for v in deb1 deb2 rpm1 rpm2; do
		is "$(vserver $v exec bash -c 'ls -d /etc/hostname')" /etc/hostname "$fs: $v runs"
	done
}

# With S_FLAGS=cow the name gets a private copy first; the other vserver's is as it was (changes).
edit_in_place() { # PATH: of deb1
	local conf=$VPKG_SYSROOT/etc/vservers/deb1.conf
	echo S_FLAGS=cow >>"$conf"
	ok "$fs: with S_FLAGS=cow deb1 appends to /$1" vserver deb1 exec sh -c "echo edited >>/$1"
	is "$(tail -n 1 "$VS/deb1/$1")" edited "$fs: … which is there"
	own deb1 deb2 "$1"
	ok "$fs: … and changes its mode" vserver deb1 exec chmod 700 "/$1"
	sed -i '/^S_FLAGS/d' "$conf"
}

one_package() {
	local files
	share_only bash deb1 deb2
	files=$(cd "$VS/deb2" && sed 's,^/,,' var/lib/dpkg/info/bash.list | while read -r f; do [ ! -f "$f" ] || echo "$f"; done)
	picture deb2 $files >"$TMP/deb2.before"
	shared deb1 deb2 usr/bin/bash usr/bin/bashbug
	sealed deb1 usr/bin/bash
	edit_in_place usr/bin/bashbug
	deb_upgrade bash
	own deb1 deb2 usr/bin/bash
	is "$(changes deb2 $files)" "" "$fs: of deb2's nothing has changed"
}

rpm_trees() {
	local files='usr/bin/bash usr/bin/ls'
	ok "$fs: vunify of whole RPM trees" vunify -q rpm1 rpm2
	picture rpm2 >"$TMP/rpm2.before"
	shared rpm1 rpm2 $files $LIB
	sealed rpm1 $LIB
	rpm_upgrade coreutils bash
	own rpm1 rpm2 $files
	shared rpm1 rpm2 $LIB
	is "$(changes rpm2)" "" "$fs: of rpm2 nothing has changed ($(grep -c ' f ' "$TMP/rpm2.before") files)"
}

for fs in $FILESYSTEMS; do
	on_fs $fs
	VS=$VPKG_SYSROOT/vservers
	${part[$fs]}
done
done_testing
