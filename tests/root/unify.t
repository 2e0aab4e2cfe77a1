#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vunify and vdu on small trees: what is shared and what never is, bad input, hostile trees, kill -9, a full master.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need_cmd busybox lsattr getfattr setfattr setcap jq perl flock mkfs.ext4
private_mounts "$@"
. tests/root/unify_trees.sh

field() { jq -r ".[] | select(.vserver == \"$1\") | .$2" <<<"$out"; }

for v in a b c; do
	make_tree $v
	for i in 1 2 3 4 5; do
		add_file $v /usr/share/same/f$i "same $i"
	done
	add_file $v /usr/share/own/f1 "own of $v"
	add_file $v /usr/share/never/suid suid 4755
	add_file $v /usr/share/never/sgid sgid 2755
	add_file $v /usr/share/never/cap cap 755
	setcap cap_net_raw+ep "$VS/$v/usr/share/never/cap"
	add_file $v /etc/thing "a thing"
	add_file $v /var/lib/thing "a state"
	add_file $v /usr/share/never/conf "a conffile"
	echo /usr/share/never/conf >"$VS/$v/var/lib/dpkg/info/pkg.conffiles"
	add_file $v /usr/share/never/unlisted unlisted
	sed -i '/unlisted/d' "$VS/$v/var/lib/dpkg/info/pkg.list"
	printf %064d 0 >"$VS/$v/usr/share/never/small"
	touch -d @1000000000 "$VS/$v/usr/share/never/small"
	add_file $v /usr/share/differ/mode mode
	add_file $v /usr/share/differ/mtime mtime
	add_file $v /usr/share/differ/nsec nsec
	add_file $v /usr/share/differ/owner owner
	add_file $v /usr/share/differ/xattr xattr
	add_file $v /usr/share/differ/contents contents
	add_file $v /usr/bin/tool tool 755
	ln -s usr/bin "$VS/$v/sbin"
	printf '%s\n' /usr /usr/share /usr/share/never/small /sbin/tool '' relative/path /../../etc/passwd >>"$VS/$v/var/lib/dpkg/info/pkg.list"
done
chmod 600 "$VS/b/usr/share/differ/mode"
touch -d '2020-01-02 UTC' "$VS/b/usr/share/differ/mtime"
touch -d '2020-01-01 00:00:00.123456788 UTC' "$VS/b/usr/share/differ/nsec"
chown 7:7 "$VS/b/usr/share/differ/owner"
setfattr -n user.x -v y "$VS/b/usr/share/differ/xattr"
perl -e 'my ($f) = @ARGV; my @s = stat $f; open F, "+<", $f; print F "C"; close F' "$VS/b/usr/share/differ/contents"
touch -d '2020-01-01 00:00:00.123456789 UTC' "$VS/b/usr/share/differ/contents"
for v in a b c; do
	eval "before_$v=\$(digest_tree $v)"
done
same_trees() {
	local v k
	for v in a b c; do
		k=before_$v
		[ "$(digest_tree $v)" = "${!k}" ] || return 1
	done
}

# ---- dry run, run, again -------------------------------------------------------------------------------------------

ok "dry run" vunify -n --json a b
is "$(field a linked),$(field b linked)" 6,6 "it says what would be linked"
same_inode a b /usr/share/same/f1
is "$?" 1 "and links nothing"
ok "vunify a b" vunify --json a b
is "$(field a status),$(field b status)" ok,ok "both are ok"
is "$(field a linked),$(field b linked)" 6,6 "what the dry run said"
is "$(field a shared)" 6 "all of them are shared"
is "$(field a files)" "$(field b files)" "the same number of files is eligible"
[ "$(field b bytes)" -gt 0 ]
is "$?" 0 "space was freed"
same_inode a b /usr/share/same/f1 && sealed a /usr/share/same/f1 && sealed b /usr/share/same/f5
is "$?" 0 "equal files are one sealed inode"
same_inode a b /usr/bin/tool
is "$?" 0 "also one that is listed twice, through a symlink"
for f in never/suid never/sgid never/cap never/conf never/unlisted never/small differ/mode differ/mtime differ/nsec differ/owner \
	differ/xattr differ/contents own/f1; do
	same_inode a b /usr/share/$f || sealed a /usr/share/$f
	is "$?" 1 "not linked, not sealed: $f"
done
same_inode a b /etc/thing || same_inode a b /var/lib/thing
is "$?" 1 "not linked: /etc, /var"
same_trees
is "$?" 0 "contents and metadata of every tree are as they were"
is "$(ls -A "$VS/.unify/tmp")" "" "nothing is left in the store's tmp"
ok "again" vunify --json a b
is "$(field a linked),$(field a shared)" 0,6 "nothing is left to do"
ok "c alone joins what the store has" vunify --json c
is "$(field c linked)" 6 "and nothing else"
same_inode a c /usr/share/same/f2
is "$?" 0 "c has the inode of a and b"

# ---- vdu -----------------------------------------------------------------------------------------------------------

ok "vdu" vdu --json a b
is "$(field a apparent)" "$(($(field a exclusive) + $(field a shared)))" "apparent is exclusive and shared"
is "$(field a apparent)" "$(($(du -s --block-size=1 "$VS/a" | cut -f1)))" "apparent is what du counts"
[ "$(field a shared)" -ge $((6 * 4096)) ]
is "$?" 0 "the linked files are shared"
ok "vdu of a directory" vdu --json "$VS/a"
is "$(jq -r '.[0].vserver' <<<"$out")" "$VS/a" "is named as it was given"
exits 3 "vdu of nothing" vdu "$VS/nothing"

# ---- bad input -----------------------------------------------------------------------------------------------------

exits 1 "no selector" vunify
one_line "$err" "one line"
exits 1 "unknown option" vunify --jsn a
like "$err" "did you mean --json" "suggests the nearest"
exits 1 "unknown vserver" vunify nosuch
one_line "$err" "one line"
make_tree x
rm "$VS/x/usr/bin/dpkg" "$VS/x/var/lib/dpkg/status"
exits 2 "one without a package database fails, the other is unified" vunify --json a x
is "$(field a status),$(field x status)" ok,failed "and the result says so"
like "$(field x reason)" 'neither a dpkg nor an rpm database' "with the reason"
exec 8<"$VPKG_SYSROOT/run/vservers/a/lock"
flock 8
exits 75 "a locked vserver" vunify a
exits 2 "a locked one and another" vunify a b
exec 8<&-
rm -rf "$VS/x" "$VPKG_SYSROOT/etc/vservers/x.conf"

# ---- hostile trees -------------------------------------------------------------------------------------------------

mkdir "$TMP/outside"
for v in h1 h2; do
	make_tree $v
	mkdir -p "$VS/$v/usr/share/real"
	# Resolved in the tree these lead to its own root; a host tool that follows them would meet the host's files.
	ln -s ../../../../../../../../../../../../../.. "$VS/$v/usr/share/up"
	ln -s "$TMP/outside" "$VS/$v/usr/share/abs"
	ln -s /etc "$VS/$v/usr/share/toetc"
	mkfifo "$VS/$v/usr/share/real/fifo"
	printf '%s\n' "/usr/share/up$TMP/outside/f" /usr/share/abs/f /usr/share/real/fifo /usr/share/toetc/thing \
		>"$VS/$v/var/lib/dpkg/info/evil.list"
	head -c 100000 /dev/urandom >"$VS/$v/var/lib/dpkg/info/bytes.list"
	head -c 9999 /dev/zero >"$VS/$v/var/lib/dpkg/info/zero.conffiles"
	add_file $v /usr/share/real/f fine
	add_file $v /etc/thing "etc by another name"
done
printf '%0100d\n' 1 >"$TMP/outside/f"
cp -a "$TMP/outside/f" "$TMP/outside/g"
outside=$(stat -c '%i %h %z' "$TMP/outside/f")
ok "trees with symlinks out, a fifo, and random bytes for lists" vunify --json h1 h2
same_inode h1 h2 /usr/share/real/f
is "$?" 0 "what is fine is shared"
same_inode h1 h2 /etc/thing
is "$?" 1 "a name that leads to /etc through a symlink is not"
is "$(stat -c '%i %h %z' "$TMP/outside/f")" "$outside" "nothing outside was touched"
exec 7>>"$VS/h1/usr/share/real/late"
for v in h1 h2; do
	add_file $v /usr/share/real/late "open for writing"
done
exec 7>>"$VS/h1/usr/share/real/late"
ok "a file that somebody has open for writing" vunify --json h1 h2
[ "$(field h1 skipped)" = 1 ] && ! same_inode h1 h2 /usr/share/real/late
is "$?" 0 "is skipped"
exec 7>&-
ok "once it is closed" vunify --json h1 h2
same_inode h1 h2 /usr/share/real/late
is "$?" 0 "it is shared"

# ---- rpm: its list comes from its own rpm, in its context ----------------------------------------------------------

for v in r1 r2; do
	make_tree $v
	for f in plain config ghost; do
		add_file $v /usr/share/pkg/$f $f
	done
	rm -r "$VS/$v/usr/bin/dpkg" "$VS/$v/var/lib/dpkg"
	printf '%s\n' '#!/bin/busybox sh' 'test "$(/bin/busybox id -u)" = 0 || exit 9' 'echo "0 33188 /usr/share/pkg/plain"' \
		'echo "17 33188 /usr/share/pkg/config"' 'echo "64 33188 /usr/share/pkg/ghost"' 'echo "error: warning of rpm"' \
		>"$VS/$v/usr/bin/rpm"
	chmod 755 "$VS/$v/usr/bin/rpm"
done
ok "vservers with rpm" vunify --json r1 r2
is "$(field r1 linked)" 1 "the plain file is shared"
same_inode r1 r2 /usr/share/pkg/config || same_inode r1 r2 /usr/share/pkg/ghost
is "$?" 1 "configuration and ghost files are not"
printf '#!/bin/busybox sh\necho "cannot open database" >&2\nexit 3\n' >"$VS/r1/usr/bin/rpm"
exits 2 "a vserver whose rpm fails" vunify --json r1 r2
like "$(field r1 reason)" 'status 3: cannot open database' "says why"

# ---- collecting ----------------------------------------------------------------------------------------------------

n=$(find "$STORE" -type f | wc -l)
ok "deleting a vserver that has sealed files" vserver h1 delete --yes
ok "and the other that shared with it" vserver h2 delete --yes
ok "vunify collects" vunify -q a b
is "$(find "$STORE" -type f | wc -l)" $((n - 2)) "the objects that nobody links any more are gone"

# ---- hard links made by hand ---------------------------------------------------------------------------------------

add_file a /usr/share/hand/f hand
mkdir "$VS/b/usr/share/hand"
ln "$VS/a/usr/share/hand/f" "$VS/b/usr/share/hand/f"
echo /usr/share/hand/f >>"$VS/b/var/lib/dpkg/info/pkg.list"
old=$(inode a /usr/share/hand/f)
ok "an unsealed file that two vservers link" vunify --json a b
same_inode a b /usr/share/hand/f && sealed a /usr/share/hand/f && [ "$(inode a /usr/share/hand/f)" != "$old" ]
is "$?" 0 "becomes a fresh sealed inode"

# ---- a full master -------------------------------------------------------------------------------------------------

if [ "$(stat -f -c %T "$VS")" = ext2/ext3 ]; then
	o=$(find "$STORE" -type f -inum "$(inode a /usr/share/same/f1)")
	mkdir "$VS/.links"
	chattr -i "$o"
	perl -e 'my ($o, $d) = @ARGV; my $i = 0; 1 while link $o, "$d/" . $i++; unlink "$d/0"' "$o" "$VS/.links"
	chattr +i "$o"
	for v in m1 m2 m3; do
		make_tree $v
		add_file $v /usr/share/same/f1 "same 1"
	done
	ok "a master with one link free" vunify --json m1 m2 m3
	is "$(field m1 linked),$(field m2 linked),$(field m3 linked)" 1,1,1 "all are linked"
	same_inode m1 a /usr/share/same/f1
	is "$?" 0 "one to the old master"
	same_inode m2 m3 /usr/share/same/f1 && ! same_inode m1 m2 /usr/share/same/f1
	is "$?" 0 "the others to a new one"
	[ -f "$o.1" ]
	is "$?" 0 "under the same key"
	ok "again" vunify --json m1 m2 m3
	is "$(field m1 linked),$(field m2 shared),$(field m3 shared)" 0,1,1 "nothing is left to do"
	chattr -i "$o" && rm -rf "$VS/.links" && chattr +i "$o"
	for v in m1 m2 m3; do
		vserver $v delete --yes >/dev/null
	done
else
	skip "the file system's limit of links is not ext4's" 7
fi

# ---- kill -9 -------------------------------------------------------------------------------------------------------

for v in k1 k2 k3; do
	make_tree $v
	for i in $(seq 1 400); do
		add_file $v /usr/share/many/f$i "many $i"
	done
	eval "before_$v=\$(digest_tree $v)"
done
bad=0 stuck=0
for i in $(seq 1 15); do
	vunify -q k1 k2 k3 >/dev/null 2>&1 &
	pid=$!
	sleep "0.$((RANDOM % 5))$((RANDOM % 9 + 1))"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	no_helpers && thawed || stuck=$((stuck + 1))
	[ "$(unsealed_objects)" = 0 ] || bad=$((bad + 1))
	for v in k1 k2 k3; do
		k=before_$v
		[ "$(digest_tree $v)" = "${!k}" ] || bad=$((bad + 1))
	done
	# Private files again, so that each round has work to do. The sealed ones go aside.
	cp -a "$VS/k1" "$VS/.copy" && mv "$VS/k1" "$VS/.k1-$i" && mv "$VS/.copy" "$VS/k1"
done
is "$stuck" 0 "15 times kill -9: no helper is left, the vservers are thawed"
is "$bad" 0 "15 times kill -9: every object is sealed, every tree is as it was"
ok "the next run" vunify --json k1 k2 k3
is "$(field k1 shared),$(field k2 shared),$(field k3 shared)" 400,400,400 "finishes the work"
is "$(ls -A "$VS/.unify/tmp")" "" "and nothing is left in the store's tmp"
is "$(unsealed_objects)" 0 "every object is sealed"

# ---- a full disk ---------------------------------------------------------------------------------------------------

mkdir "$TMP/small"
truncate -s 80M "$TMP/image"
mkfs.ext4 -q -F -m 0 "$TMP/image"
if mount -o loop "$TMP/image" "$TMP/small" 2>/dev/null; then
	VPKG_SYSROOT=$TMP/small VS=$TMP/small/vservers
	for v in s1 s2; do
		make_tree $v
		for i in 1 2 3; do
			add_file $v /usr/share/f$i "big $i"
			head -c 6000000 /dev/zero | tr '\0' x >>"$VS/$v/usr/share/f$i"
			touch -d '2020-01-01 UTC' "$VS/$v/usr/share/f$i"
		done
		eval "before_$v=\$(digest_tree $v)"
	done
	free=$(df --output=avail -B1M "$TMP/small" | tail -n 1)
	fallocate -l $((free - 3))M "$TMP/small/fill"
	exits 1 "no room for even one object" vunify -q s1 s2
	one_line "$err" "one line"
	is "$(ls -A "$VS/.unify/tmp")" "" "what was begun is removed"
	rm "$TMP/small/fill"
	sync -f "$TMP/small"
	fallocate -l $((free - 10))M "$TMP/small/fill.new"
	ok "room for one at a time" vunify --json s1 s2
	is "$(field s1 shared),$(field s2 shared)" 3,3 "is enough"
	[ "$(digest_tree s1)$(digest_tree s2)" = "$before_s1$before_s2" ]
	is "$?" 0 "the trees are as they were"
else
	skip "needs loop devices" 6
fi
done_testing
