#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The seal holds. Root of a vserver attacks its links of sealed files in a loop while the host unshares, links, exchanges and
# unlinks other links of the same files, and while programs of the host are killed in the middle of that.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need_cmd busybox cc lsattr getfattr pgrep
private_mounts "$@"
. tests/root/unify_trees.sh

libs=$(pkg-config --libs libbpf libcap libseccomp libcrypto inih) || skip_all "needs the development packages of make deps"
must_have "needs a C compiler that links static programs" cc -D_GNU_SOURCE -O1 -static -o "$TMP/attack" tests/root/seal_attack.c
ok "the host's side compiles" cc -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -std=gnu17 -I. -O1 -o "$TMP/host" tests/root/seal_host.c \
	"$BUILD"/lib{unify,vserver,kernel,lib}.a $libs

DATA=/usr/share/data
for v in att vic; do
	make_tree $v
	for i in $(seq 1 20); do
		add_file $v $DATA/f$i "file $i"
	done
	cp "$TMP/attack" "$VS/$v/bin/"
done
mkdir -p "$VS/att/usr/share/control" "$TMP/root/vservers/.undo/t"
for i in 1 2; do
	cp "$VS/att$DATA/f$i" "$VS/att/usr/share/control/"
done
KEEP=$VS/.undo/t
must_have "needs a file system with the immutable attribute" sh -c "chattr +i '$VS/att/bin/attack' && chattr -i '$VS/att/bin/attack'"

# The positive control: on files without seal every trick works in the vserver.
run vserver att exec attack /usr/share/control once
is "$status" 0 "the attacker runs in the vserver"
is "$(awk '$1 == "HIT" { print $2 }' <<<"$out" | sort -u | wc -l)" 10 "control: all 10 tricks work on files without seal"
diag "$(tail -n 1 <<<"$out")"

ok "vunify seals the files" vunify -q att vic
same_inode att vic $DATA/f7 && sealed att $DATA/f7
is "$?" 0 "they are one sealed inode"
before_att=$(digest_tree att) before_vic=$(digest_tree vic)

# ---- attack while the host works -----------------------------------------------------------------------------------

attack() {
	rm -f "$VS/att/stop"
	vserver att exec attack $DATA >"$TMP/attack.log" 2>&1 </dev/null &
	attacker=$!
}
# Sets $attempts and $hits. Never in a subshell: that could not wait for it.
stop_attack() {
	touch "$VS/att/stop"
	wait "$attacker" || echo "attacker: status $?" >>"$TMP/attack.log"
	rm -f "$VS/att/stop"
	hits=$(grep -c ^HIT "$TMP/attack.log")
	attempts=$(sed -n 's/^attempts //p' "$TMP/attack.log")
}

attack
ok "600 rounds of unshare, link, exchange, unlink and restore" "$TMP/host" "$VS/vic" $DATA "$KEEP" 600
stop_attack
is "$hits" 0 "not one attack succeeded"
[ "${attempts:-0}" -gt 1000 ]
is "$?" 0 "and there were many (more than 1000)"
diag "attempts: $attempts; $(head -n 3 "$TMP/attack.log")"
is "$(digest_tree att)" "$before_att" "the attacker's tree is as it was"
is "$(digest_tree vic)" "$before_vic" "the other tree is as it was"
is "$(unsealed_objects)" 0 "every object is sealed"
is "$(ls -A "$KEEP")" "" "nothing is left beside"

# ---- kill -9 of the host's program ---------------------------------------------------------------------------------

# What a killed program leaves in KEEP is a link or a private copy; the tree has the file under its name in any case.
attack
bad=0 stuck=0
for i in $(seq 1 40); do
	rm -rf "$TMP/k$i"
	mkdir "$KEEP/$i"
	"$TMP/host" "$VS/vic" $DATA "$KEEP/$i" 100000 >/dev/null 2>&1 &
	pid=$!
	sleep "0.0$((RANDOM % 90 + 10))"
	kill -9 $pid
	wait $pid 2>/dev/null
	thawed || stuck=$((stuck + 1))
	no_helpers || stuck=$((stuck + 1))
	[ "$(unsealed_objects)" = 0 ] || bad=$((bad + 1))
	vunify -q att vic >/dev/null || bad=$((bad + 1))
done
stop_attack
is "$stuck" 0 "40 times kill -9: the vservers are thawed and no helper is left"
is "$bad" 0 "40 times kill -9: every object is sealed, and vunify works"
is "$hits" 0 "not one attack succeeded meanwhile"
[ "${attempts:-0}" -gt 1000 ]
is "$?" 0 "and there were many (more than 1000)"
diag "attempts: $attempts; $(head -n 3 "$TMP/attack.log")"
is "$(digest_tree att)" "$before_att" "the attacker's tree is as it was"
is "$(digest_tree vic)" "$before_vic" "the other tree is as it was"
chattr -R -f -i "$KEEP" # they are this test's own; the objects get their seals back below
rm -rf "$KEEP" && mkdir "$KEEP"

# ---- an object that lost its seal ----------------------------------------------------------------------------------

vunify -q att vic >/dev/null
is "$(unsealed_objects)" 0 "objects that lost their seal get it back"
o=$(find "$STORE" -type f -inum "$(inode vic $DATA/f3)")
chattr -i "$o"
echo changed >>"$o"
ok "vunify with a store object that was changed while it had no seal" vunify -q att vic
[ ! -e "$o" ]
is "$?" 0 "it left the store"
sealed att $DATA/f3
is "$?" 0 "the vservers that share it cannot change it for each other"

# ---- kill -9 of the helper itself ----------------------------------------------------------------------------------

"$TMP/host" "$VS/vic" $DATA "$KEEP" 100000 >/dev/null 2>"$TMP/host.err" &
pid=$!
sleep 0.3
h=$(helpers)
[ -z "$h" ] || kill -9 $h
wait $pid
is "$?" 2 "a program whose helper was killed ends"
like "$(cat "$TMP/host.err")" 'helper process was killed' "and says why"
ok "the vservers are thawed" thawed
is "$(unsealed_objects)" 0 "and every object is sealed"
done_testing
