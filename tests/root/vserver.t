#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vserver on real trees: the guarded directory, status, delete with all that can be in its way.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need_cmd busybox setpriv chattr
private_mounts "$@"

V=$VPKG_SYSROOT/vservers
mkdir -p "$VPKG_SYSROOT/etc/vservers"

make_vserver() { # NAME
	mkdir -p "$V/$1/bin" "$V/$1/etc"
	cp "$(command -v busybox)" "$V/$1/bin/"
	printf 'ID=test\nVERSION_ID=1\n' >"$V/$1/etc/os-release"
	echo "# Description: $1" >"$VPKG_SYSROOT/etc/vservers/$1.conf"
}
wait_for() {
	local i
	for ((i = 0; i < 300; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}
mounts() { awk -v p="$V" '$5 == p' /proc/self/mountinfo; }

# ---- the guarded directory ------------------------------------------------------------------------------------------

make_vserver a
chmod 755 "$V"
cp "$BIN/vserver" "$V/a/suid"
chmod 4755 "$V/a/suid"
mknod "$V/a/zero" c 1 5
ok "control: a device node can be opened" head -c 1 "$V/a/zero"
is "$(mounts)" "" "control: nothing is mounted"
exits 3 "status of a stopped vserver" vserver a status
is "$out" "a: stopped, test/1" "… says so, and what it is"
like "$(mounts)" "nosuid,nodev" "the trees' directory is bound over itself, nosuid and nodev"
is "$(stat -c '%a %u' "$V")" "700 0" "… and only root's"
not_ok "a device node on a guest's disk cannot be opened" head -c 1 "$V/a/zero"
not_ok "another user cannot reach a guest's suid file" setpriv --reuid 65534 --clear-groups test -e "$V/a/suid"
vserver a status >/dev/null
is "$(mounts | wc -l)" 1 "the mount is made once"
rm "$V/a/zero"

# ---- exec gives a range of ids where the configuration names none ---------------------------------------------------

make_vserver b
ok "exec" vserver a exec busybox true
ok "exec in another" vserver b exec busybox true
base_of() { sed -n 's/^UIDMAP="\([0-9]*\):65536"$/\1/p' "$VPKG_SYSROOT/etc/vservers/$1.conf"; }
like "$(base_of a)" "^[0-9]+$" "a range is written to the configuration"
is "$(head -n 1 "$VPKG_SYSROOT/etc/vservers/a.conf")" "# Description: a" "… which keeps what it had"
ok "… another for each" test "$(base_of a)" != "$(base_of b)"
first=$(base_of a)
vserver a exec busybox true
is "$(base_of a)" "$first" "… for good"
for i in 1 2 3 4 5 6; do
	make_vserver many$i
done
for i in 1 2 3 4 5 6; do
	vserver many$i exec busybox true &
done
wait
is "$(for i in 1 2 3 4 5 6; do base_of many$i; done | sort -u | wc -l)" 6 "… also when many ask at once"

# ---- delete ---------------------------------------------------------------------------------------------------------

exits 1 "delete without --yes" vserver a delete
one_line "$err" "… one line"
like "$err" "would delete .*/vservers/a .*--yes" "… says what it would delete"
ok "… and deletes nothing" test -e "$V/a/bin/busybox"

vserver a exec busybox sh -c 'echo >/started; busybox sleep 1000' 2>/dev/null &
pid=$!
wait_for test -e "$V/a/started"
exits 75 "delete while a command runs in it" vserver a delete --yes
one_line "$err" "… one line"
like "$err" "pid $pid" "… names it"
kill $pid
wait $pid 2>/dev/null

exec 7>"$VPKG_SYSROOT/run/vservers/a/lock"
echo "4711 a test" >&7
flock 7
exits 75 "delete of a locked vserver" vserver a delete --yes
like "$err" "a test \(pid 4711\)" "… names the holder"
exits 3 "status of it" vserver a status
like "$out" "locked by a test \(pid 4711\)" "… names the holder too"
exec 7>&-

mkdir "$V/a/mnt"
mount -t tmpfs none "$V/a/mnt"
exits 1 "delete with something mounted in it" vserver a delete --yes
like "$err" "/a/mnt is a mount point" "… names it"
ok "… and nothing is lost" test -e "$V/a/bin/busybox"
umount "$V/a/mnt"

mkdir -p "$V/.undo/a" "$V/.undo/b" "$V/.deleting-a.1/deep" "$TMP/outside"
echo keep >"$TMP/outside/file"
echo keep >"$V/.shared"
ln -s "$TMP/outside" "$V/a/link"
if ln "$V/.shared" "$V/a/shared" && chattr +i "$V/.shared" 2>/dev/null; then
	on_exit "chattr -i '$V/.shared' 2>/dev/null"
	sealed=1
fi
mkdir -p "$V/a/$(printf 'd/%.0s' {1..300})"
touch "$V/a/$(printf 'new\nline')" "$V/a/-rf"
exits 0 "delete --yes" vserver --silent a delete --yes
is "$out$err" "" "--silent says nothing"
for gone in "$V/a" "$V/.undo/a" "$V/.deleting-a.1" "$VPKG_SYSROOT/etc/vservers/a.conf" "$VPKG_SYSROOT/run/vservers/a"; do
	not_ok "${gone#"$VPKG_SYSROOT"} is gone" test -e "$gone"
done
is "$(cat "$TMP/outside/file")" keep "what a link pointed to is not"
if [ -n "${sealed:-}" ]; then
	is "$(cat "$V/.shared")" keep "a sealed file lost just this name"
	like "$(lsattr "$V/.shared")" "^[^ ]*i" "… and is still sealed"
else
	skip "no immutable files on this file system" 2
fi
ok "the others are there" test -e "$V/b/bin/busybox" -a -e "$V/.undo/b"
exits 5 "status: no configuration" vserver a status

# ---- killed in the middle -------------------------------------------------------------------------------------------

make_vserver c
mv "$V/c" "$V/.deleting-c.1"
exits 3 "a vserver whose deletion was cut off" vserver c status
like "$out" "no tree" "… has no tree"
exits 1 "exec in it" vserver c exec busybox true
like "$err" "no tree" "… says so"
ok "delete finishes it" vserver c delete --yes
not_ok "… its tree is gone" test -e "$V/.deleting-c.1"
not_ok "… and its configuration" test -e "$VPKG_SYSROOT/etc/vservers/c.conf"
is "$(ls -A "$V" | xargs)" ".shared .undo b many1 many2 many3 many4 many5 many6" "nothing else is left"
done_testing
