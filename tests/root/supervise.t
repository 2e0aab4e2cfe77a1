#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where the seal is the immutable attribute, who is in a vserver unlinks, renames and links sealed files nevertheless, as far
# as it might do that to files without seal; with S_FLAGS=cow it changes them, too, and only its own vserver sees it. Call by
# call, against the same calls on files without seal; many callers at once; and with any process killed in the middle.
. "$(dirname "$0")/../lib/tap.sh"
. "$TOP/tests/lib/fleet.sh"
need_root
need_cmd busybox cc perl lsattr pgrep
private_mounts "$@"
. tests/root/unify_trees.sh

must_have "needs a C compiler that links static programs" \
	cc -D_GNU_SOURCE -O1 -static -pthread -o "$TMP/calls" tests/root/supervise_calls.c
cc -D_GNU_SOURCE -O1 -static -pthread -o "$TMP/storm" tests/root/supervise_storm.c
HOLD=$VS/.hold
make_tree a
cp "$TMP/calls" "$TMP/storm" "$VS/a/bin/"
mkdir -p "$HOLD"
must_have "needs a file system with the immutable attribute" sh -c "chattr +i '$VS/a/bin/storm' && chattr -i '$VS/a/bin/storm'"
all_sealed() { [ "$(lsattr "$HOLD" | grep -vc '^....i')" = 0 ]; }
hold_sums() { (cd "$HOLD" && sha256sum ./* && stat -c '%n %a %u %g %s %Y' ./*) | sha256sum; }
wait_for() {
	local i
	for ((i = 0; i < 300; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}

# ---- what a caller gets is what it gets for a file without seal ----------------------------------------------------

case_dir() { # DIR KIND PREFIX-IN-HOLD
	local f
	mkdir -p "$1/d"
	for f in f g u p; do echo $f >"$1/$f"; done
	[ "$2" != names ] || ln "$1/f" "$1/h"
	chown 0:1001 "$1/g"
	chmod 664 "$1/g"
	chown 1000:1000 "$1/u"
	ln -s f "$1/sl"
	# The plain ones of names have as many links, which some calls tell apart.
	[ "$2-$3" = edits-plain ] || [ "$2-$3" = limits-plain ] || for f in f g u; do ln "$1/$f" "$4/$2.${1##*/}.$f"; done
}
compare() { # KIND DESC
	local n
	run vserver a exec calls "$1" "/t/$1/s" "/t/$1/p"
	n=$(grep -c ^same <<<"$out")
	is "$(grep -v ^same <<<"$out")" "" "$2"
	is "$n" "$("$TMP/calls" count "$1")" "… in every case ($n)"
}
mkdir "$VS/.plain"
for kind in names edits limits; do
	for ((i = $("$TMP/calls" count $kind) - 1; i >= 0; i--)); do
		case_dir "$VS/a/t/$kind/s/$i" $kind sealed "$HOLD"
		case_dir "$VS/a/t/$kind/p/$i" $kind plain "$VS/.plain"
	done
done
cp -a "$VS/a/t" "$TMP/t" # to seal that, too
chattr +i "$HOLD"/*
before=$(hold_sums)
compare names "unlink, rename and link of sealed files give what they give of others, and do what they do"
like "$out" "same unlink_f: done.*same user_unlink: Permission.*same user_sticky: Operation not" "… some are done, some refused"
is "$(grep -E '^same refused_' <<<"$out" | grep -vE ': (Operation not permitted|Function not implemented|Operation not supported) d=')" "" "nothing goes around the supervisor"
is "$(hold_sums)" "$before" "the files themselves are as they were"
ok "… and sealed" all_sealed

run vserver a exec calls edits /t/edits/s /t/edits/p
is "$(grep -cE 'differs edit_write: sealed: Operation not permitted.*plain: done' <<<"$out")" 1 "without S_FLAGS=cow, a sealed file cannot be changed"
is "$(hold_sums)" "$before" "the files themselves are as they were"
rm -rf "$VS/a/t/edits/p"
cp -a "$TMP/t/edits/p" "$VS/a/t/edits/p"
echo 'S_FLAGS="lock cow nproc"' >>"$VPKG_SYSROOT/etc/vservers/a.conf"
compare edits "with it, changes of sealed files give what they give of others, and do what they do"
like "$out" "same edit_write: done.*same user_write: Permission" "… some are done, some refused"
is "$(hold_sums)" "$before" "the files themselves are as they were"
ok "… and sealed" all_sealed
is "$(find "$VS/a" -name '.vpkg*')" "" "no temporary name is left"
run vserver a exec calls limits /t/limits/s /t/limits/p
is "$(grep -c 'sealed: Operation not permitted.*plain: done' <<<"$out")" "$("$TMP/calls" count limits)" "by descriptor, and by /proc, they stay refused"
is "$(hold_sums)" "$before" "… and change nothing"
sed -i /S_FLAGS/d "$VPKG_SYSROOT/etc/vservers/a.conf"

# The same on the other file systems that have the attribute.
for fs in xfs btrfs; do
	truncate -s 400M "$TMP/$fs.img"
	mkdir "$TMP/$fs"
	if ! { mkfs.$fs -q "$TMP/$fs.img" && mount -o loop "$TMP/$fs.img" "$TMP/$fs"; } >/dev/null 2>&1; then
		skip "needs mkfs.$fs, loop devices and $fs" 4
		continue
	fi
	(
		export VPKG_SYSROOT=$TMP/$fs
		VS=$TMP/$fs/vservers HOLD=$TMP/$fs/hold
		make_tree a
		cp "$TMP/calls" "$VS/a/bin/"
		mkdir "$HOLD"
		cp -a "$TMP/t" "$VS/a/t"
		for kind in names edits; do
			for i in "$VS/a/t/$kind"/s/*; do for f in f g u; do ln "$i/$f" "$HOLD/$kind.${i##*/}.$f"; done; done
		done
		rm -rf "$VS/a/t/names/p"
		mkdir -p "$VS/a/t/names/p" "$TMP/$fs/plain"
		for ((i = $("$TMP/calls" count names) - 1; i >= 0; i--)); do
			case_dir "$VS/a/t/names/p/$i" names plain "$TMP/$fs/plain"
		done
		chattr +i "$HOLD"/*
		before=$(hold_sums)
		echo S_FLAGS=cow >>"$VPKG_SYSROOT/etc/vservers/a.conf"
		for kind in names edits; do
			vserver a exec calls $kind /t/$kind/s /t/$kind/p >"$TMP/table.$kind" 2>&1
		done
		[ "$(hold_sums)" = "$before" ] && all_sealed && echo kept >"$TMP/table.kept"
		umount -l "$VS"
	)
	for kind in names edits; do
		is "$(grep -v ^same "$TMP/table.$kind")" "" "$fs: the same table of $kind"
		is "$(grep -c ^same "$TMP/table.$kind")" "$("$TMP/calls" count $kind)" "… in every case"
	done
	is "$(cat "$TMP/table.kept")" kept "… the files themselves are as they were, and sealed"
	rm -f "$TMP"/table.*
	umount "$TMP/$fs"
	rm "$TMP/$fs.img"
done

mkdir -p "$VS/ro"/{bin,dev,proc,t}
cp "$(command -v busybox)" "$TMP/calls" "$VS/ro/bin/"
cp -a "$TMP/t/names" "$VS/ro/t/"
mkdir "$VS/.hold-ro"
for i in "$VS"/ro/t/names/s/*; do for f in f g u; do ln "$i/$f" "$VS/.hold-ro/${i##*/}.$f"; done; done
chattr +i "$VS"/.hold-ro/*
echo "UIDMAP=$BASE:65536" >"$VPKG_SYSROOT/etc/vservers/ro.conf"
BASE=$((BASE + 65536))
mount --bind "$VS/ro" "$VS/ro"
mount -o remount,bind,ro "$VS/ro"
run vserver ro exec calls names /t/names/s /t/names/p
is "$(grep -v ^same <<<"$out")" "" "the same on a read-only mount"
like "$out" "same unlink_f: Read-only file system.*same rename_over: Read-only" "… where nothing is done"
umount "$VS/ro"

# What an administrator made immutable by hand, one link or a directory, stays so.
mkdir "$VS/a/fixed"
echo x >"$VS/a/fixed/f"
echo x >"$VS/a/own"
chattr +i "$VS/a/own" "$VS/a/fixed"
not_ok "an immutable file of one link stays" vserver a exec busybox rm -f /own
not_ok "an immutable directory stays" vserver a exec busybox rm -f /fixed/f
ok "… both are there" test -e "$VS/a/own" -a -e "$VS/a/fixed/f"
chattr -i "$VS/a/own" "$VS/a/fixed"

# ---- many at once ---------------------------------------------------------------------------------------------------

storm_files() { # N THREADS: that many for each thread
	chattr -f -i "$HOLD"/*
	rm -rf "$VS/a/s" "${HOLD:?}"/*
	mkdir "$VS/a/s"
	perl -e 'my ($d, $h, $n, $t) = @ARGV; for my $t (0 .. $t - 1) { for my $i (0 .. $n - 1) { my $f = "$t.$i"; open F, ">", "$d/$f" or die; print F "$f\n"; close F; link "$d/$f", "$h/$f" or die } }' \
		"$VS/a/s" "$HOLD" "$1" "$2"
	find "$HOLD" -type f -exec chattr +i {} +
}
storm_files 15 16
before=$(hold_sums)
ok "16 threads link, rename and unlink sealed files, others plain ones" vserver a exec storm storm /s 15 0 16
is "$out" "0 failures, 0 interrupted" "… each call is done once"
is "$(ls "$VS/a/s")" "" "… none is left"
is "$(hold_sums)" "$before" "the files themselves are as they were"
ok "… and sealed" all_sealed
storm_files 1 500
ok "500 threads at once" vserver a exec storm storm /s 0 0 500
is "$out" "0 failures, 0 interrupted" "… each call is done once"
is "$(ls "$VS/a/s")" "" "… none is left"
ok "… the files are sealed" all_sealed
storm_files 5 16
ok "16 under a hail of signals whose handlers interrupt calls" vserver a exec storm storm /s 5 1 16
like "$out" "^0 failures" "… each call is done once"
diag "$out"
ok "the files are sealed" all_sealed

mkdir "$VS/a/r"
(cd "$VS/a/r" && seq 1 200 | xargs touch)
cp -al "$VS/a/r/." "$HOLD/"
chattr +i "$HOLD"/[0-9]*
ok "callers are killed while they ask" vserver a exec storm dying /r 200
diag "$out"
is "$(ls "$VS/a/r")" "" "… and who asks after them is served"
ok "the files are sealed" all_sealed

# A process of a vserver that nothing can stop for a while, since it writes to a disk that takes no writes; and a vserver that
# its administrator keeps frozen.
home=$(awk '$0 ~ / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)/vserver
for i in s u; do rm -rf "$VS/a/$i" && mkdir "$VS/a/$i"; done
storm_files 2 1
vserver a exec busybox sh -c 'busybox echo >/u/begun; while [ ! -e /u/go ]; do busybox sleep 0.1; done; busybox rm -f /s/0.0; busybox echo >/u/done' &
pid=$!
wait_for test -e "$VS/a/u/begun"
truncate -s 20M "$TMP/stuck.img"
mkdir "$TMP/stuck"
if mkfs.ext4 -q "$TMP/stuck.img" && mount -o loop "$TMP/stuck.img" "$TMP/stuck" && mkdir "$home/stuck.$$"; then
	on_exit "fsfreeze -u '$TMP/stuck' 2>/dev/null; rmdir '$home/stuck.$$' 2>/dev/null"
	fsfreeze -f "$TMP/stuck"
	(echo "$BASHPID" >"$home/stuck.$$/cgroup.procs" && exec touch "$TMP/stuck/file") &
	stuck=$!
	sleep 0.2
	touch "$VS/a/u/go"
	sleep 1.5
	not_ok "no seal is lifted while a process hangs in the kernel" test -e "$VS/a/u/done"
	ok "… all run meanwhile" wait_for grep -q 0 "$home/cgroup.freeze"
	fsfreeze -u "$TMP/stuck"
	wait $stuck
	ok "… it is, when that goes on" wait_for test -e "$VS/a/u/done"
	wait $pid
	rmdir "$home/stuck.$$"
	umount "$TMP/stuck"
else
	skip "needs ext4, loop devices and fsfreeze" 3
	touch "$VS/a/u/go"
	wait $pid
fi
not_ok "… the name is gone" test -e "$VS/a/s/0.0"
ok "the files are sealed" all_sealed

rm -f "$VS/a/u"/*
vserver a exec busybox sh -c 'busybox echo >/u/begun; while :; do busybox sleep 1; done' &
pid=$!
wait_for test -e "$VS/a/u/begun"
cgroup=$(cat $(pgrep -P $pid | sed 's,.*,/proc/&/cgroup,') 2>/dev/null | sed -n 's,^0::.*/vserver/\([0-9]*\)$,\1,p' | head -n 1)
cgroup=$home/${cgroup:-none}/cgroup.freeze
echo 1 >"$cgroup"
ok "a vserver that is kept frozen holds up nobody" vserver a exec busybox rm -f /s/0.1
is "$(cat "$cgroup")" 1 "… and stays frozen"
kill -9 $pid
wait $pid 2>/dev/null

# ---- killed in the middle --------------------------------------------------------------------------------------------

supervisor_of() { pgrep -P "$1" -x vpkg-supervisor; }
vserver a exec busybox sh -c 'busybox echo >/started; busybox sleep 1000; echo survived' >"$TMP/log" 2>&1 &
pid=$!
wait_for test -e "$VS/a/started"
s=$(supervisor_of $pid)
like "$s" '^[0-9]+$' "a context has its supervisor"
kill -9 "$s"
wait $pid
is "$?" 1 "kill -9 of it ends the context, and vserver fails"
like "$(cat "$TMP/log")" 'vserver: context: its supervisor was killed' "… and says why"
unlike "$(cat "$TMP/log")" survived "… at once"
no_context() { ! pgrep -x 'vpkg-(supervisor|actor)' >/dev/null; }

kill_storm() { # WHAT: prints the pid to kill of the vserver whose pid is $pid
	case $1 in
	vserver) echo $pid ;;
	supervisor) supervisor_of $pid ;;
	actor) pgrep -P "$(supervisor_of $pid)" -x vpkg-actor ;;
	helper) helpers | tail -n 1 ;;
	esac
}
for what in supervisor vserver helper actor; do
	bad=0
	for i in 1 2 3 4; do
		storm_files 20 16
		vserver a exec storm storm /s 20 0 16 >/dev/null 2>&1 &
		pid=$!
		sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
		victims=$(kill_storm $what)
		[ -z "$victims" ] || kill -9 $victims
		[ $what = supervisor ] || [ $what = vserver ] || sleep 0.3
		kill -9 $pid 2>/dev/null
		wait $pid 2>/dev/null
		thawed || bad=1
		no_helpers || bad=2
		wait_for no_context || bad=3
		all_sealed || bad=4
	done
	is "$bad" 0 "four times kill -9 of the $what in a storm: all is sealed, thawed, ended"
done
ok "the next command runs" vserver a exec busybox true
# What another test, beside this one, has killed goes with its next vserver.
nothing_left() { [ -z "$(leftovers)" ]; }
ok "nothing is left behind" wait_for nothing_left || diag "$(leftovers)"
done_testing
