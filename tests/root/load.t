#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The loader of BPF programs, with a piece that every kernel takes (load_piece.bpf.c in the place of the address piece): loading,
# loading twice, a new version in the place of an old one without a gap, kill -9 at each step, several at once, faults. In a
# cgroup, a mount namespace and a bpf file system of its own, so that nothing of it reaches the host or other tests.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need_cmd clang cc strace pkg-config perl
if [ -z "${LOAD_CGROUP:-}" ]; then
	unified=$(awk '$0 ~ / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
	LOAD_CGROUP=$unified/load-test.$$
	must_have "needs a writable v2 cgroup hierarchy" mkdir "$LOAD_CGROUP"
	tap_cleanup
	trap : INT TERM HUP
	# In a process of its own: a cgroup's namespace begins where its first process is.
	LOAD_CGROUP=$LOAD_CGROUP TAP_PRIVATE=1 bash -c 'echo $$ >"$LOAD_CGROUP/cgroup.procs" && exec unshare -m -C --propagation private -- bash "$0"' \
		"$tap_self"
	code=$?
	for _ in $(seq 50); do
		find "$LOAD_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null
		[ -d "$LOAD_CGROUP" ] || break
		sleep 0.1
	done
	[ ! -d "$LOAD_CGROUP" ] || diag "left: $LOAD_CGROUP"
	tap_done=1
	trap - EXIT
	exit $code
fi

# Ours alone: a v2 hierarchy that begins at our cgroup, and a bpf file system.
awk '$0 ~ / - cgroup2 / { print $5 }' /proc/self/mountinfo | while read -r m; do umount -l "$m"; done
mkdir "$TMP/cgroup"
must_have "needs a v2 cgroup hierarchy in a cgroup namespace" mount -t cgroup2 none "$TMP/cgroup"
must_have "needs the bpf file system" mount -t bpf bpf /sys/fs/bpf
HOME_CGROUP=$TMP/cgroup/vserver
PINS=/sys/fs/bpf/vserver

# ---- several builds of one program ---------------------------------------------------------------------------------------

libs=$(pkg-config --libs libbpf libcap libseccomp libcrypto libcurl 2>/dev/null) || skip_all "needs the development packages of make deps"
# The test's piece takes the place of the product's: of two definitions the linker takes the first.
build() { # NAME BPF-FLAGS C-FLAGS
	clang -target bpf -mcpu=v3 -O2 -g -Wall -Werror -DPORT=41 "-I/usr/include/$(uname -m)-linux-gnu" $2 -c -o "$TMP/$1.o" \
		tests/root/load_piece.bpf.c &&
		cc -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. "-DOBJECT=\"$TMP/$1.o\"" $3 -O1 -o "$TMP/$1" tests/root/load_piece.c \
			"$BUILD/kernel/main_vserver+kernel.o" "$BUILD"/lib{kernel,lib}.a $libs -Wl,-z,muldefs
}
ok "the first build" build one -DOTHER=43 "-DLAYOUT=1 -DFILL=4"
ok "a second one, of the same layout, with other programs" build two "-DOTHER=47 -DWITHOUT_BIND6" "-DLAYOUT=1 -DFILL=4"
ok "one whose program no kernel takes" build broken "-DOTHER=43 -DBROKEN" "-DLAYOUT=1 -DFILL=4"
ok "one that fills a map above its size" build full -DOTHER=53 "-DLAYOUT=1 -DFILL=5"
ok "one of a newer layout" build newer -DOTHER=59 "-DLAYOUT=2 -DFILL=4"
for b in one two broken full newer; do
	[ -x "$TMP/$b" ] || { diag "$err"; done_testing; }
done

# What a process in a context may bind of the ports in question.
ask='use Socket; open(my $c, ">", "$ARGV[0]/cgroup.procs") or die; syswrite($c, $$); close $c;
sub try { my ($p) = @_; socket(my $s, AF_INET, SOCK_DGRAM, 0); return bind($s, pack_sockaddr_in($p, INADDR_LOOPBACK)) ? 1 : 0 }'
bindable() {
	mkdir -p "$HOME_CGROUP/49999"
	perl -e "$ask"' print join " ", grep { try($_) } @ARGV[1 .. $#ARGV]' "$HOME_CGROUP/49999" 41 43 47 53 59
	for _ in $(seq 50); do rmdir "$HOME_CGROUP/49999" 2>/dev/null && break; sleep 0.02; done
}
must_have "needs cgroup BPF" eval "$TMP/one load address && $TMP/one unload address"
tree() { find "$PINS" 2>/dev/null | sort | tr '\n' ' '; }
live() { [[ $("$TMP/${1:-one}" status address | tail -n 1) == 'address    loaded '* ]]; }

# ---- loading, twice, and away --------------------------------------------------------------------------------------------

is "$(bindable)" "41 43 47 53 59" "control: without programs every port can be bound"
rmdir "$HOME_CGROUP" 2>/dev/null
exits 3 "status when nothing is loaded" "$TMP/one" status address
like "$out" 'address +not loaded +0 +1' "says so"
exits 0 "load, with no cgroup /vserver yet" "$TMP/one" load address
is "$out$err" "" "says nothing"
exits 0 "status" "$TMP/one" status address
like "$out" 'address +loaded +3 +1' "tells the state, the number of programs and the layout"
is "$(bindable)" "47 53 59" "its programs decide"
before=$(tree)
exits 0 "loading a second time" "$TMP/one" load address
is "$(tree)" "$before" "pins the same"
is "$(bindable)" "47 53 59" "and the programs decide"
exits 0 "unload" "$TMP/one" unload address
is "$(tree)$(ls -d "$HOME_CGROUP" 2>&1 | grep -v 'No such')" "" "leaves neither a pin nor a cgroup"
is "$(bindable)" "41 43 47 53 59" "nothing decides any more"
exits 0 "unloading once more" "$TMP/one" unload address
exits 0 "what this kernel does not take is no failure when it was not named" "$TMP/one" load
exits 0 "status of the one that it takes" "$TMP/one" status address

# ---- the command line ----------------------------------------------------------------------------------------------------

exits 1 "an unknown piece" vserver-kernel load adress
like "$err" 'did you mean address' "suggests the nearest"
one_line "$err" "in one line"
exits 1 "an unknown verb" vserver-kernel lod
like "$err" 'did you mean load' "suggests the nearest"
exits 1 "an unknown option" vserver-kernel unload --forc
like "$err" 'did you mean --force' "suggests the nearest"
exits 1 "--force where it has no meaning" vserver-kernel load --force
exits 1 "no verb" vserver-kernel
one_line "$err" "in one line"

# ---- an upgrade without a gap --------------------------------------------------------------------------------------------

mkdir -p "$HOME_CGROUP/attack"
perl -e "$ask"' my ($tries, $won) = (0, 0); until (-e $ARGV[1]) { $won += try(41); $tries++ } print "tries $tries won $won\n"' \
	"$HOME_CGROUP/attack" "$TMP/stop" >"$TMP/attack" &
attacker=$!
bad=0
for _ in $(seq 25); do
	"$TMP/two" load address >"$TMP/log" 2>&1 && [ "$(bindable)" = "43 53 59" ] || bad=$((bad + 1))
	"$TMP/one" load address >"$TMP/log" 2>&1 && [ "$(bindable)" = "47 53 59" ] || bad=$((bad + 1))
done
is "$bad" 0 "50 times another build takes the place of the one that decides, with more or fewer programs"
exits 75 "unload while something runs in a context" "$TMP/one" unload address
one_line "$err" "is refused in one line"
ok "and changes nothing" live
exits 1 "a program that no kernel takes" sh -c "'$TMP/broken' load address; [ \$? = 3 ] && exit 1"
one_line "$err" "is refused in one line"
like "$err" 'does not take the programs' "which says why"
is "$(bindable)" "47 53 59" "what was there decides as before"
exits 3 "a map that is too full" "$TMP/full" load address
like "$err" '^vserver-kernel: address: its map is full' "is refused in one line"
is "$(bindable)" "47 53 59" "what was there decides as before"
ok "and is complete" live
exits 75 "an older layout, in use" "$TMP/newer" load address
one_line "$err" "is not replaced, in one line"
like "$err" 'stop all vservers' "with the remedy"
exits 3 "its state" "$TMP/newer" status address
like "$out" 'address +older +3 +1, here 2' "is older"
touch "$TMP/stop"
wait $attacker
rmdir "$HOME_CGROUP/attack"
like "$(cat "$TMP/attack")" '^tries [0-9]{4,} won 0$' "an attacker that tried all the time never bound the port"
diag "$(cat "$TMP/attack")"

exits 0 "an older layout that is not in use gives way" "$TMP/newer" load address
ok "to the newer one" live newer
is "$(bindable)" "43 47 53" "which decides"
exits 3 "a newer layout" "$TMP/one" load address
like "$err" 'a newer vpkg has loaded' "is left alone"
one_line "$err" "in one line"
ok "and live" live newer
exits 3 "its state for the older program" "$TMP/one" status address
like "$out" 'address +newer +3 +2, here 1' "is newer"
exits 0 "unload takes it away nevertheless" "$TMP/one" unload address

# ---- kill -9 -------------------------------------------------------------------------------------------------------------

# Kills the program before the Nth of the system calls that change anything. Fails when it came to its end.
steps=bpf,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,flock
killed() { # N CMD…
	local n=$1
	shift
	sh -c 'strace -f -o "$0" -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" "$3" "$4" "$5"; exit $?' \
		"$TMP/strace" $steps "$n" "$@" >"$TMP/log" 2>&1
	[ $? = 137 ]
}
must_have "needs strace that may inject signals" killed 1 "$TMP/one" load address

n=1 bad=''
while killed $n "$TMP/one" load address; do
	# Either it does not count, or it is whole.
	live && [ "$(bindable)" != "47 53 59" ] && bad+=" $n:live-without-effect"
	"$TMP/one" load address >"$TMP/log" 2>&1 || bad+=" $n:load:$(cat "$TMP/log")"
	live || bad+=" $n:not-live"
	[ "$(bindable)" = "47 53 59" ] || bad+=" $n:does-not-decide"
	[[ $(tree) != *_new* ]] || bad+=" $n:left:$(tree)"
	"$TMP/one" unload address >"$TMP/log" 2>&1 || bad+=" $n:unload:$(cat "$TMP/log")"
	[ -z "$(tree)" ] || bad+=" $n:pins:$(tree)"
	n=$((n + 1))
done
is "$bad" "" "killed before each of $((n - 1)) steps of loading: the next load finishes it, the next unload clears it"
[ $n -gt 15 ]
is $? 0 "and there were more than 15 steps"
"$TMP/one" unload address

"$TMP/one" load address
n=1 bad=''
while killed $n "$TMP/two" load address; do
	b=$(bindable)
	[[ $b != *41* ]] || bad+=" $n:gap:$b"
	live || bad+=" $n:not-live"
	"$TMP/one" load address >"$TMP/log" 2>&1 || bad+=" $n:load:$(cat "$TMP/log")"
	[ "$(bindable)" = "47 53 59" ] || bad+=" $n:does-not-decide"
	[[ $(tree) != *_new* ]] || bad+=" $n:left:$(tree)"
	n=$((n + 1))
done
is "$bad" "" "killed before each of $((n - 1)) steps of an upgrade: what decided goes on deciding, the next load finishes it"
"$TMP/one" unload address

n=1 bad=''
while :; do
	"$TMP/one" load address
	killed $n "$TMP/one" unload address || break
	live && [ "$(bindable)" != "47 53 59" ] && bad+=" $n:live-without-effect"
	"$TMP/one" unload address >"$TMP/log" 2>&1 || bad+=" $n:unload:$(cat "$TMP/log")"
	[ -z "$(tree)" ] || bad+=" $n:pins:$(tree)"
	"$TMP/one" load address >"$TMP/log" 2>&1 && live || bad+=" $n:load:$(cat "$TMP/log")"
	"$TMP/one" unload address
	n=$((n + 1))
done
is "$bad" "" "killed before each of $((n - 1)) steps of unloading: it never counts without deciding, the next one clears it"

# ---- several at once -----------------------------------------------------------------------------------------------------

pids=''
for i in $(seq 12); do
	"$TMP/$([ $((i % 2)) = 0 ] && echo one || echo two)" load address >"$TMP/load.$i" 2>&1 &
	pids+=" $!"
done
bad=0
for p in $pids; do wait "$p" || bad=$((bad + 1)); done
is "$bad" 0 "12 loaders of two builds at once all succeed"
ok "it is live" live
like "$(bindable)" '^(47|43) 53 59$' "and one of the two decides"

pids=''
for i in $(seq 12); do
	"$TMP/one" "$([ $((i % 3)) = 0 ] && echo unload || echo load)" address >"$TMP/load.$i" 2>&1 &
	pids+=" $!"
done
bad=0
for p in $pids; do wait "$p" || bad=$((bad + 1)); done
is "$bad" 0 "loaders and unloaders at once all succeed"
[ "$bad" = 0 ] || diag "$(cat "$TMP"/load.*)"
exits 0 "and a last load leaves it" "$TMP/one" load address
is "$(bindable)" "47 53 59" "live"

# ---- a context that is there ---------------------------------------------------------------------------------------------

mkdir -p "$HOME_CGROUP/sleeper"
sh -c "echo \$\$ >'$HOME_CGROUP/sleeper/cgroup.procs'; exec sleep 1000" &
sleeper=$!
for _ in $(seq 100); do grep -q . "$HOME_CGROUP/sleeper/cgroup.procs" && break; sleep 0.02; done
exits 75 "unload while a context runs" "$TMP/one" unload address
like "$err" 'protect what runs' "is refused"
exits 0 "unless forced" "$TMP/one" unload --force address
is "$(bindable)" "41 43 47 53 59" "then nothing decides"
exits 0 "loading beside a running context" "$TMP/one" load address
kill -9 $sleeper
wait $sleeper 2>/dev/null
for _ in $(seq 100); do rmdir "$HOME_CGROUP/sleeper" 2>/dev/null && break; sleep 0.02; done

# Somebody removes the cgroup by hand: what was attached to it decides nothing in the one that takes its place.
rmdir "$HOME_CGROUP/programs" "$HOME_CGROUP"
exits 3 "without its cgroup it does not count" "$TMP/one" status address
like "$out" 'not complete' "and says so"
exits 0 "loading mends that" "$TMP/one" load address
is "$(bindable)" "47 53 59" "and it decides in the new cgroup"
exits 0 "unload" "$TMP/one" unload address

# ---- what is missing -----------------------------------------------------------------------------------------------------

umount /sys/fs/bpf
exits 3 "no bpf file system, in a mount namespace that is not the host's" "$TMP/one" load address
like "$err" 'on the host do: mount -t bpf' "is refused with the remedy"
one_line "$err" "in one line"
exits 0 "unloading then" "$TMP/one" unload address
exits 3 "status then" "$TMP/one" status address
ok "in the first mount namespace it is mounted" unshare -p -f -m --propagation private --mount-proc sh -c "
	'$TMP/one' load address && '$TMP/one' status address && grep -q ' /sys/fs/bpf .* - bpf ' /proc/self/mountinfo &&
	'$TMP/one' unload address"
ok "and unmounted again if nothing could be loaded" unshare -p -f -m --propagation private --mount-proc sh -c "
	! '$TMP/broken' load address && ! grep -q ' /sys/fs/bpf .* - bpf ' /proc/self/mountinfo"
mount -t bpf bpf /sys/fs/bpf
umount "$TMP/cgroup"
exits 3 "no v2 cgroup hierarchy" "$TMP/one" load address
like "$err" 'mount -t cgroup2' "is refused with the remedy"
one_line "$err" "in one line"
is "$(tree)" "" "nothing is left"
done_testing
