#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where the seal is the immutable attribute, a vserver's own dpkg, apt-get and rpm replace sealed files, the C library, the
# shell and coreutils among them, while an attacker in another vserver tries to change those that it shares; and with
# S_FLAGS=cow the tools that people use change sealed files. The other vservers' files stay as they are, digest by digest.
. "$(dirname "$0")/../lib/tap.sh"
. "$TOP/tests/lib/fleet.sh"
need_root
need_cmd busybox cc perl lsattr getfattr setfattr setfacl getfacl dpkg-deb rpmbuild createrepo_c
private_mounts "$@"
own_disk
. tests/root/unify_trees.sh
must_have "needs a C compiler that links static programs" \
	cc -D_GNU_SOURCE -O1 -static -o "$TMP/attack" tests/root/seal_attack.c

# ---- the vserver's own dpkg and apt, with an attacker who shares the files -------------------------------------------

ok "bootstrap web1" vpkg bootstrap web1 debian/12
ok "web2" vpkg bootstrap web2 debian/12
ok "evil" vpkg bootstrap evil debian/12
cp "$TMP/attack" "$VS/evil/bin/"
version() { # N: two hundred files that differ in each version
	local args=() i
	for i in $(seq 200); do args+=("+usr/share/tool/$i=$(printf '%099d' "$1") $i"); done
	mkdeb tool "$1" "${args[@]}"
}
exits 0 "a package of 200 files comes to all" vpkg web1 web2 evil -- "$(version 1)"
is "$(inode web1 /usr/share/tool/7)" "$(inode evil /usr/share/tool/7)" "… who share them"
ok "… sealed" sealed web1 /usr/share/tool/7
tree_sums() { (cd "$VS/$1" && find usr lib bin sbin -xdev -type f -print0 | sort -z | xargs -0 sha256sum && find usr -xdev -type f -printf '%p %m %U %G %s %T@\n' | sort) | sha256sum; }
before2=$(tree_sums web2) before3=$(tree_sums evil)
vserver evil exec attack /usr/share/tool >"$TMP/attack.log" 2>&1 </dev/null &
attacker=$!
for n in 2 3; do
	cp "$(version $n)" "$VS/web1/root/tool.deb"
	ok "dpkg -i in the vserver replaces sealed files" vserver web1 exec dpkg -i /root/tool.deb
	is "$(cat "$VS/web1/usr/share/tool/9")" "$(printf '%099d' $n) 9" "… by the new ones"
done
cp "$(version 4)" "$VS/web1/root/tool.deb"
ok "apt-get in the vserver, too" vserver web1 exec apt-get -qq -y -o APT::Sandbox::User=root install /root/tool.deb
is "$(cat "$VS/web1/usr/share/tool/9")" "$(printf '%099d' 4) 9" "… by the new ones"
# Newer versions of real packages: text is as it was, and ELF files have a byte more, which nothing reads.
renew() { # DEB
	local d=$TMP/renew f
	rm -rf "$d"
	dpkg-deb -R "$1" "$d"
	sed -i 's/^Version: .*/&+test1/' "$d/DEBIAN/control"
	LC_ALL=C grep -rlaP '^\x7fELF' "$d" | while read -r f; do printf '\n' >>"$f"; done
	(cd "$d" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | xargs -0r md5sum >DEBIAN/md5sums)
	dpkg-deb --root-owner-group -Znone -b "$d" "$2" >/dev/null
}
real=()
while read -r f; do # the cache has digests for names
	name=$(dpkg-deb -f "$f" Package 2>/dev/null)
	case $name in
	coreutils | bash | libc6 | libc-bin | perl-base | tar) renew "$f" "$VS/web1/root/$name.deb" && real+=("/root/$name.deb") ;;
	esac
done < <(find "$VPKG_SYSROOT/var/cache/vpkg" -type f -size +100k)
is "${#real[@]}" 6 "real packages are in the cache"
# Regular files of these packages that are one inode with the other vserver's
shared_of() { # VSERVER OTHER LIST-COMMAND…
	local a=$1 b=$2 f
	shift 2
	vserver "$a" exec "$@" | while read -r f; do
		[ ! -f "$VS/$a$f" ] || [ -L "$VS/$a$f" ] || [ "$(inode "$a" "$f")" != "$(inode "$b" "$f" 2>/dev/null)" ] || echo "$f"
	done
}
n=$(shared_of web1 web2 dpkg -L bash coreutils libc6 | wc -l)
[ "$n" -gt 100 ]
is "$?" 0 "bash, coreutils and libc6 are shared ($n files)"
ok "dpkg -i upgrades bash and coreutils" vserver web1 exec dpkg -i /root/{bash,coreutils,tar}.deb
ok "apt-get upgrades the C library and perl" vserver web1 exec apt-get -qq -y -o APT::Sandbox::User=root install /root/{libc6,libc-bin,perl-base}.deb
like "$(vserver web1 exec dpkg-query -W bash coreutils libc6)" 'bash.*test1.*coreutils.*test1.*libc6.*test1' "… to the newer versions"
is "$(shared_of web1 web2 dpkg -L bash coreutils libc6)" "" "… and all their files are its own"
ok "apt-get removes" vserver web1 exec apt-get -qq -y remove tool
is "$(ls "$VS/web1/usr/share/tool" 2>/dev/null)" "" "… all files"
ok "dpkg --verify" vserver web1 exec dpkg --verify
is "$out" "" "… finds nothing changed"
ok "dpkg --audit" vserver web1 exec dpkg --audit
is "$out" "" "… finds nothing unfinished"
touch "$VS/evil/stop"
wait $attacker
rm -f "$VS/evil/stop"
is "$(grep -c ^HIT "$TMP/attack.log")" 0 "not one of the attacker's attempts to change the files succeeded"
attempts=$(sed -n 's/^attempts //p' "$TMP/attack.log")
[ "${attempts:-0}" -gt 1000 ]
is "$?" 0 "… of many ($attempts)"
is "$(tree_sums web2)" "$before2" "the second vserver is as it was"
is "$(tree_sums evil)" "$before3" "and so is the attacker's"
ok "the files are still sealed" sealed web2 /usr/share/tool/7
is "$(unsealed_objects)" 0 "… all of the store"
is "$(find "$VS/web1" -name '*.dpkg-*' -newer "$TMP/attack.log" -not -path '*/var/*')" "" "dpkg left no temporary name"

# ---- S_FLAGS=cow and the tools that people use ------------------------------------------------------------------------

echo 'S_FLAGS=cow' >>"$VPKG_SYSROOT/etc/vservers/evil.conf"
cp "$(command -v busybox)" "$VS/evil/bin/busybox"
T=/usr/share/tool
edit() { # NUMBER DESC COMMAND…: changes file NUMBER of the vserver evil, of nobody else
	local n=$1 desc=$2
	shift 2
	ok "$desc" vserver evil exec "$@"
	if [ "$(inode evil $T/$n)" = "$(inode web2 $T/$n)" ] || sealed evil $T/$n; then fail "… its own file"; else pass "… its own file"; fi
}
edit 1 "shell >>" sh -c "echo more >>$T/1"
is "$(tail -c 5 "$VS/evil$T/1")" more "… what was added is there"
is "$(head -c 99 "$VS/evil$T/1")" "$(printf '%099d' 1)" "… and what was before"
edit 2 "sed -i" sed -i s/2$/two/ $T/2
is "$(cat "$VS/evil$T/2")" "$(printf '%099d' 1) two" "… changed it"
edit 3 "perl in place" perl -i -pe 's/3$/three/' $T/3
edit 4 "perl +<" perl -e "open(my \$h, '+<', '$T/4') or die; print \$h 'X'; close \$h or die"
is "$(head -c 2 "$VS/evil$T/4")" X0 "… one byte"
edit 5 "dd conv=notrunc" sh -c "echo Y | dd of=$T/5 bs=1 count=1 conv=notrunc status=none"
edit 6 "a static busybox" busybox sh -c "busybox echo z >>$T/6"
edit 7 "chmod" chmod 600 $T/7
is "$(stat -c '%a %Y' "$VS/evil$T/7")" "600 $(stat -c %Y "$VS/web2$T/7")" "… and nothing else of it"
edit 8 "chown" chown 5:6 $T/8
edit 9 "touch" touch $T/9
edit 10 "truncate" truncate -s 5 $T/10
edit 11 "cp over it" cp /etc/hostname $T/11
edit 12 "tee -a" sh -c "echo tee | tee -a $T/12"
o=$VS/evil$T/13
chattr -i "$o" && setfattr -n user.note -v kept "$o" && setfacl -m u:33:rw "$o" && chattr +i "$o"
edit 13 "a file with attributes and an ACL" sh -c "echo more >>$T/13"
is "$(getfattr -n user.note --only-values --absolute-names "$o")" kept "… has its attribute"
is "$(getfacl -cE --absolute-names "$o")" "$(getfacl -cE --absolute-names "$VS/web2$T/13")" "… and its ACL"
is "$(cd "$VS/web2$T" && cat $(seq 12))" "$(for i in $(seq 12); do printf '%099d %d' 1 $i; done)" "the other vserver's files are as they were"
is "$(find "$VS/evil" -name '.vpkg*')" "" "no temporary name is left"
is "$(unsealed_objects)" 0 "the store is sealed"

# A full disk: the change fails, and nothing is lost.
truncate -s 40M "$TMP/image"
mkfs.ext4 -q -F -m 0 "$TMP/image"
mkdir "$TMP/small"
if mount -o loop "$TMP/image" "$TMP/small" 2>/dev/null; then
	(
		export VPKG_SYSROOT=$TMP/small
		VS=$TMP/small/vservers
		make_tree s
		echo S_FLAGS=cow >>"$VPKG_SYSROOT/etc/vservers/s.conf"
		head -c 4000000 /dev/zero | tr '\0' x >"$VS/s/big"
		ln "$VS/s/big" "$VS/.big"
		chattr +i "$VS/.big"
		fallocate -l $(($(df --output=avail -B1 "$TMP/small" | tail -n 1) - 2000000)) "$TMP/small/fill"
		vserver s exec busybox sh -c 'busybox echo x >>/big' >"$TMP/full" 2>&1 && echo succeeded >>"$TMP/full"
		cmp "$VS/s/big" "$VS/.big" >>"$TMP/full" 2>&1
		find "$VS/s" -name '.vpkg*' >>"$TMP/full"
	)
	umount -l "$TMP/small/vservers"
	like "$(cat "$TMP/full")" '^[^:]*: .*No space left on device$' "on a full disk, the change fails and says why; nothing else happens"
	umount "$TMP/small"
else
	skip "needs loop devices"
fi

# ---- the vserver's own rpm ---------------------------------------------------------------------------------------------

MINI=$BUILD/mini
tests/rpmdistro/make "$MINI" --version-bump less --version-bump bash --version-bump coreutils --version-bump glibc >"$TMP/mini.log" 2>&1 ||
	skip_all "the RPM test distribution could not be made"
ok "bootstrap rpm1" vpkg bootstrap rpm1 "$MINI/mini-1.conf" --include less
ok "rpm2" vpkg bootstrap rpm2 "$MINI/mini-1.conf" --include less
ok "vunify" vunify rpm1 rpm2
file=$(vserver rpm1 exec rpm -ql less | grep -m 1 '^/usr/bin/')
ok "they share $file" sealed rpm1 "$file"
before=$(tree_sums rpm2)
cp "$MINI"/updates/less-*-2.*.rpm "$VS/rpm1/root/less.rpm"
ok "rpm -U in the vserver replaces sealed files" vserver rpm1 exec rpm -U /root/less.rpm
like "$(vserver rpm1 exec rpm -q less)" '-2\.mini1' "… by the new ones"
n=$(shared_of rpm1 rpm2 rpm -ql bash coreutils glibc | wc -l)
[ "$n" -gt 50 ]
is "$?" 0 "they share bash, coreutils and glibc ($n files)"
cp "$MINI"/updates/{bash,coreutils,glibc}-*-2.*.rpm "$VS/rpm1/root/"
ok "rpm -U of what it runs on" vserver rpm1 exec sh -c 'rpm -U /root/bash-*.rpm /root/coreutils-*.rpm /root/glibc-*.rpm'
is "$(vserver rpm1 exec rpm -q --qf '%{RELEASE}\n' bash coreutils glibc | sort -u | cut -d. -f1)" 2 "… to the newer versions"
is "$(shared_of rpm1 rpm2 rpm -ql bash coreutils glibc)" "" "… and all their files are its own"
ok "rpm -V" vserver rpm1 exec rpm -V bash coreutils glibc
is "$out" "" "… finds nothing changed"
ok "rpm -e" vserver rpm1 exec rpm -e less
ok "… removed it" test ! -e "$VS/rpm1$file"
is "$(tree_sums rpm2)" "$before" "the other vserver is as it was"
ok "… and sealed" sealed rpm2 "$file"
is "$(unsealed_objects)" 0 "… with all of the store"
for v in web1 web2 evil rpm1 rpm2; do vserver $v delete --yes >/dev/null; done
wait_for() {
	local i
	for ((i = 0; i < 300; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}
# What another test, beside this one, has killed goes with its next vserver.
nothing_left() { [ -z "$(leftovers)" ]; }
ok "nothing is left behind" wait_for nothing_left || diag "$(leftovers)"
done_testing
