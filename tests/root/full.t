#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A disk that fills up, the vservers' or the cache's, in the middle of a bootstrap and of an apply: one line says so, the
# bootstrap leaves nothing, the vserver is as it was, and with space made the same command works.
. "$(dirname "$0")/../lib/tap.sh"
. "$TOP/tests/lib/fleet.sh"
need_root
need_cmd mkfs.ext4 dpkg-deb rpmbuild createrepo_c
private_mounts "$@"
own_disk
VS=$VPKG_SYSROOT/vservers
CACHE=$VPKG_SYSROOT/var/cache/vpkg

# A file system of a size, without blocks that only root may use.
small() { # MIB DIR
	mkdir -p "$2"
	truncate -s "$1M" "$TMP/${2##*/}.img"
	mkfs.ext4 -q -m 0 "$TMP/${2##*/}.img" && mount -o loop "$TMP/${2##*/}.img" "$2"
}
must_have "needs a loop device" eval 'small 8 "$TMP/probe" && umount "$TMP/probe"'
fill() {
	local left=$(stat -f -c '%a * %S' "$1")
	[ $((left)) = 0 ] || fallocate -l $((left * 98 / 100)) "$1/.filler"
	dd if=/dev/zero of="$1/.filler2" bs=1K 2>/dev/null
}
make_space() { rm -f "$1"/.filler*; }
small 600 "$VS"
small 150 "$CACHE"
MINI=$(mini) || { fail "the RPM test distribution"; done_testing; }

says_full() { # DESC
	is "$status" 1 "$1: exit status 1"
	one_line "$err" "$1: one line"
	like "$err" '^vpkg: .*([Nn]o space left|not enough space).*make space' "$1: it names the disk and the remedy"
}
nothing_of() { # NAME DESC
	is "$(ls -A "$VS" "$VPKG_SYSROOT/etc/vservers" 2>/dev/null | grep -F "$1")" '' "$2"
}
# Fills the disk as soon as the tree that is being built has that path.
fill_when() { # NAME PATH
	until [ -e "$VS/.new-$1/$2" ]; do sleep 0.01; done
	fill "$VS"
}
full_bootstrap() { # NAME DISTRO PATH DESC
	fill_when "$1" "$3" &
	local filler=$!
	run vpkg bootstrap -q "$1" "$2"
	{ kill $filler; wait $filler; } 2>/dev/null
	says_full "$4"
	nothing_of "$1" "$4: nothing is left"
	make_space "$VS"
}

# ---- bootstrap ------------------------------------------------------------------------------------------------------
fill "$CACHE"
run vpkg bootstrap -q d1 debian/12
says_full "the cache's disk is full"
nothing_of d1 "… and nothing is left"
make_space "$CACHE"
fill "$VS"
run vpkg bootstrap -q d1 debian/12
says_full "the vservers' disk is full from the start"
nothing_of d1 "… and nothing is left"
make_space "$VS"
full_bootstrap d1 debian/12 usr/share "Debian, while unpacking"
full_bootstrap d1 debian/12 var/lib/dpkg/status "Debian, while configuring"
full_bootstrap m1 "$MINI/mini-1.conf" usr/bin/bash "RPM, while unpacking"
ok "with space made, the Debian one works" vpkg bootstrap -q d1 debian/12
ok "… and the RPM one" vpkg bootstrap -q m1 "$MINI/mini-1.conf"
is "$(vserver d1 exec dpkg --audit 2>&1)" '' "the tree is whole"

# ---- apply ----------------------------------------------------------------------------------------------------------
# The times of a scratch directory, and of the memory that sqlite's readers share, are not put back.
aside() { sed -E 's/^(var\/tmp d|var\/lib\/rpm\/rpmdb.sqlite-shm f) .*/\1/'; }
full_apply() { # VSERVER PACKAGE DESC
	local was left
	was=$(picture "$1")
	left=$(leftovers | grep -v /cgroup | grep -vE '/vserver/[0-9]+$')
	run vpkg -q "$1" -- "$2"
	is "$status" 3 "$3: exit status 3"
	like "$out" "$1 +(undone|failed) .*([Nn]o space left|not enough space)" "$3: the table says why"
	diag "$(grep "^$1" <<<"$out")"
	is "$(wc -l <<<"$out")" 2 "$3: in one line"
	make_space "$VS"
	is "$(diff <(echo "$was" | aside) <(picture "$1" | aside))" '' "$3: the vserver is exactly as before"
	is "$(leftovers | grep -v /cgroup | grep -vE '/vserver/[0-9]+$')" "$left" "$3: nothing is left"
}
text=$(head -c 90000 /dev/urandom | base64)
ok "a first version" vpkg -q d1 -- "$(mkdeb grow 1 "+usr/share/grow/a=$text" '+etc/grow.conf=old' '@conffiles=/etc/grow.conf')"

# A script of the package fills the disk, so that dpkg is in the middle of its work.
eat='dd if=/dev/zero of=/usr/lib/eaten bs=64K 2>/dev/null; dd if=/dev/zero of=/usr/lib/eaten2 bs=512 2>/dev/null; true'
full_apply d1 "$(mkdeb grow 2 "+usr/share/grow/a=new $text" "+usr/share/grow/b=$text" "@preinst=$eat")" "a deb's preinst fills the disk"
full_apply d1 "$(mkdeb grow 3 "+usr/share/grow/a=new $text" "@postinst=$eat
echo x >/usr/lib/grow || { echo 'postinst: No space left on device' >&2; exit 1; }")" "a deb's postinst fills the disk"

# Too big for the disk, though its file is small.
mkdir -p "$TMP/big/DEBIAN" "$TMP/big/usr/share/grow"
truncate -s $(($(df --output=avail -B1M "$VS" | tail -n 1) + 100))M "$TMP/big/usr/share/grow/big"
printf 'Package: grow\nVersion: 4\nArchitecture: all\nMaintainer: Tests <tests@example.org>\nDescription: test\n' >"$TMP/big/DEBIAN/control"
dpkg-deb --root-owner-group -Zgzip -z1 -b "$TMP/big" "$TMP/pkgs/grow_4.deb" >/dev/null
full_apply d1 "$TMP/pkgs/grow_4.deb" "a deb that is too big"

# Full before it begins: there is no room for the pre-image.
fill "$VS"
full_apply d1 "$(mkdeb grow 5 "+usr/share/grow/a=newer $text")" "the disk is full from the start"

cat >"$TMP/grow.spec" <<END
Name: grow
Version: 1
Release: 1
Summary: test
License: none
BuildArch: noarch
%description
test
%install
mkdir -p %{buildroot}/usr/share/grow
head -c 90000 /dev/urandom >%{buildroot}/usr/share/grow/a
%pre
$eat
%files
/usr/share/grow
END
rpmbuild -bb --quiet -D "_topdir $TMP/rpm" -D "_dbpath $TMP/rpm/db" -D "_rpmdir $TMP/pkgs" "$TMP/grow.spec" >"$TMP/rpm.log" 2>&1
full_apply m1 "$TMP/pkgs/noarch/grow-1-1.noarch.rpm" "an rpm's %pre fills the disk"

was=$(picture d1)
pkg=$(mkdeb grow 6 "+usr/share/grow/a=newest $text" "+usr/share/grow/c=$text$text$text")
fill "$CACHE"
run vpkg -q d1 -- "$pkg"
says_full "the cache's disk is full"
is "$(diff <(echo "$was") <(picture d1))" '' "… and the vserver is exactly as before"
make_space "$CACHE"
ok "with space made, the same command works" vpkg -q d1 -- "$pkg"
is "$(vserver d1 exec dpkg-query -W -f '${Version} ${Status}' grow)" '6 install ok installed' "… and the package is there"
is "$(vserver d1 exec dpkg --audit 2>&1)" '' "… and the tree is whole"
done_testing
