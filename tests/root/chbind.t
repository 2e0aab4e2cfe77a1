#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chbind(8), and locks to addresses as other rooms use them: options, wrong words, only narrowing, faults.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/chbind_host.sh"
chbind_host "$@"

# ---- the command ----------------------------------------------------------------------------------------------------

exits 0 "chbind runs a command" chbind --ip 192.0.2.1 --ip wire:2001:db8::1/64 echo it runs
is "$out" "ipv4root is now 192.0.2.1 2001:db8::1"$'\n'"it runs" "and says to what it is locked, as the original did"
like "$err" "note: UDP servers on 0.0.0.0.*NETNS=yes" "several addresses: it names what UDP servers need then"
one_line "$err" "in one line"
is "$(says chbind --ip wire true)" "ipv4root is now 192.0.2.1" "a device stands for its first address"
is "$(says chbind true)" "ipv4root is now 0.0.0.0" "no address: no lock"

# ---- only narrower --------------------------------------------------------------------------------------------------

is "$(says $D chbind --ip 198.51.100.1 "$NET" bind tcp 198.51.100.1 700)" "ipv4root is now 198.51.100.1 bound 198.51.100.1:700" "chbind in chbind narrows"
is "$(says $D chbind --silent --ip 198.51.100.1 "$NET" bind tcp 192.0.2.4 700)" "bind EADDRNOTAVAIL" "and what was taken is gone"
exits 1 "it does not widen" $D chbind --ip 192.0.2.1 true
is "$err" "chbind: 192.0.2.1: not allowed: this context is locked to 192.0.2.4 198.51.100.1, and can only be locked to less" "and says what is allowed"
exits 1 "0.0.0.0 does not, either" $D chbind --ip 0.0.0.0 true
one_line "$err" "in one line"
exits 1 "nor does hearing broadcasts" $D chbind --ip 192.0.2.4 --bcast 255.255.255.255 true
exits 1 "nor a second step" $D chbind --silent --ip 192.0.2.4 chbind --silent --ip 198.51.100.1 true
is "$(says $D sh -c "'$NET' serve tcp 127.0.0.1 700 name=d >'$TMP/o' & sleep 0.3; chbind --silent --ip 192.0.2.4 '$NET' ask tcp 127.0.0.1 700; kill \$!" |
	sed 's/:[0-9]* local/ local/')" "from 127.0.0.1:700: d peer 127.0.0.1 local 127.0.0.1:700" "127.0.0.1 stays that of the context"
is "$(says $B sh -c "exec 3<>/dev/null; exec $E true" 2>&1)" "chbind: 192.0.2.5: not allowed: this context is locked to 192.0.2.2, and can only be locked to less" \
	"whatever the way"

# ---- what is said of wrong commands ---------------------------------------------------------------------------------

wrong() { # STATUS TEXT COMMAND…
	exits "$1" "${*:3:8}" "${@:3}"
	like "$err" "$2" "… says why"
	one_line "$err" "… in one line"
}
many=()
for i in $(seq 5 20); do many+=(--ip 192.0.2.$i); done
wrong 1 "16 addresses" chbind "${many[@]}" --ip 192.0.2.1 true
wrong 1 "nosuch: neither an address nor a device" chbind --ip nosuch true
wrong 1 "192.0.2.1000" chbind --ip 192.0.2.1000 true
wrong 1 "length up to 32" chbind --ip 192.0.2.1/33 true
wrong 1 "no mask" chbind --ip 192.0.2.1/255.0.255.0 true
wrong 1 "multicast" chbind --ip 224.0.0.1 true
wrong 1 "own loopback" chbind --ip 127.240.1.1 true
wrong 1 "--bcast without --ip" chbind --bcast 255.255.255.255 true
wrong 1 "no broadcast" chbind --ip 192.0.2.1 --bcast lo true
wrong 1 "needs an address" chbind --ip
wrong 1 "unknown option" chbind --ipp 192.0.2.1 true
wrong 1 "no command" chbind --ip 192.0.2.1
wrong 1 "only root" setpriv --reuid 1000 --clear-groups "$BIN/chbind" --ip 192.0.2.1 true
wrong 127 "No such file" chbind --silent --ip 192.0.2.1 nosuchprogram
wrong 126 "Permission denied" chbind --silent --ip 192.0.2.1 /dev/null
wrong 0 "warning: 203.0.113.7: no device" chbind --silent --ip 203.0.113.7 true

# ---- what other rooms do with it ------------------------------------------------------------------------------------

mkdir -p "$CGROUPS/vserver/4711/inner"
echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range
ok "a cgroup is locked" "$LOCK" lock "$CGROUPS/vserver/4711" 192.0.2.2
is "$(in_cg 4711 "$NET" bind tcp 192.0.2.1 700)" "bind EADDRNOTAVAIL" "and with it what is started there"
is "$(in_cg 4711/inner "$NET" bind tcp 192.0.2.1 700)" "bind EADDRNOTAVAIL" "also in a cgroup below"
is "$(in_cg 4711/inner "$NET" bind tcp 192.0.2.2 700)" "bound 192.0.2.2:700" "its own it can bind"
is "$(in_cg 4711 unshare -Ur "$NET" bind tcp 192.0.2.2 80)" "bind EACCES" "root of a user namespace gets no port below 1024"
ok "unless that namespace is the context's" "$LOCK" lock "$CGROUPS/vserver/4711" 192.0.2.2 guest
is "$(in_cg 4711 unshare -Ur "$NET" bind tcp 192.0.2.2 80)" "bound 192.0.2.2:80" "then it does"
is "$(in_cg 4711 unshare -Ur "$NET" bind udp 0.0.0.0 53)" "bound 0.0.0.0:53" "on a wildcard, too"
is "$(in_cg 4711 unshare -Ur unshare -Ur "$NET" bind tcp 192.0.2.2 80)" "bind EACCES" "but not in one below that"
is "$(in_cg 4711 unshare -Ur setpriv --bounding-set=-all --inh-caps=-all "$NET" bind tcp 192.0.2.2 80)" "bind EACCES" "nor without the capability"
is "$(in_cg 4711 "$NET" ask ping 192.0.2.200 0)" "socket EPERM" "ping sockets there are none"
ok "unless wanted" "$LOCK" lock "$CGROUPS/vserver/4711" 192.0.2.2 raw
is "$(in_cg 4711 "$NET" ask ping 192.0.2.200 0 src=192.0.2.2)" "from 192.0.2.200:0: echo" "then there are"
is "$(in_cg 4711 "$NET" ask ping 192.0.2.200 0 src=192.0.2.1)" "send EPERM" "confined"
exits 1 "a cgroup in it gets no more" "$LOCK" lock "$CGROUPS/vserver/4711/inner" 192.0.2.1
like "$err" "locked to 192.0.2.2" "and is told what is allowed"
sleep 100 &
one=$!
echo $one >"$CGROUPS/vserver/4711/inner/cgroup.procs"
is "$("$LOCK" query "$one")" "192.0.2.2/120 raw refused=0" "what a process is locked to can be asked"
is "$("$LOCK" query 1)" " refused=0" "of the host's, too"
ok "a lock is taken off" "$LOCK" lock "$CGROUPS/vserver/4711"
is "$(in_cg 4711 "$NET" bind tcp 192.0.2.1 700)" "bound 192.0.2.1:700" "and is gone"
exits 1 "a cgroup elsewhere is not locked" "$LOCK" lock "$TAP_PRIVATE" 192.0.2.2
one_line "$err" "and says so"
gone "$one"
rmdir "$CGROUPS/vserver/4711/inner" "$CGROUPS/vserver/4711"

# ---- contexts ------------------------------------------------------------------------------------------------------

# The search for leaks starts a process, which it cannot in another's namespaces, nor when it is traced.
[ -z "${VPKG_ASAN:-}" ] || export ASAN_OPTIONS=detect_leaks=0
is "$(says $B chcontext --silent "$NET" bind tcp 192.0.2.1 700)" "bind EADDRNOTAVAIL" "a new context is locked as who makes it"
is "$(says $B chcontext --silent "$NET" bind tcp 192.0.2.2 700)" "bound 192.0.2.2:700" "to the same"
serve o $B chcontext --silent --ctx 100 "$NET" bind tcp 0.0.0.0 700 hold
one=$served
is "$(cat "$TMP/o")" "bound 0.0.0.0:700" "so is one with a number"
is "$(says $E chcontext --silent --ctx 100 "$NET" bind tcp 192.0.2.2 701)" "bind EADDRNOTAVAIL" "who joins it keeps the own lock"
is "$(says $E chcontext --silent --ctx 100 "$NET" bind tcp 192.0.2.5 701)" "bound 192.0.2.5:701" "and its addresses"
is "$(says chcontext --silent --ctx 100 "$NET" bind tcp 192.0.2.5 701)" "bind EADDRNOTAVAIL" "who has none gets the context's"
gone $one
until_is "populated 0 frozen 0" sh -c "tr '\n' ' ' <'$CGROUPS/vserver/100/cgroup.events' | sed 's/ \$//'"
is "$(says chcontext --silent --ctx 100 "$NET" bind tcp 192.0.2.5 701)" "bound 192.0.2.5:701" "which ends with the context"
chcontext --silent true

# ---- faults --------------------------------------------------------------------------------------------------------

# Death at each step leaves nothing that is in the way of the next.
n=0 bad=0
while "$LOCK" kill $n chbind --silent --ip 192.0.2.6 --ip 2001:db8::6 true 2>/dev/null; do
	n=$((n + 2))
	[ $((n % 20)) != 0 ] || [ "$(says $B "$NET" bind tcp 192.0.2.2 700)" = "bound 192.0.2.2:700" ] || bad=$((bad + 1))
done
diag "killed before and after $((n / 2)) system calls"
ok "chbind was killed at many steps" [ "$n" -gt 100 ]
is "$bad" 0 "the next one works after each"
n=0
while $D sh -c 'exec "$@"' - "$LOCK" kill $n chbind --silent --ip 198.51.100.1 true 2>/dev/null; do n=$((n + 4)); done
ok "so one in another" [ "$n" -gt 100 ]
"$LOCK" collect
is "$(find "$CGROUPS/vserver" -mindepth 1 -type d -printf '%f ')" "programs " "and nothing of them stays"

exits 1 "without a bpf file system" unshare -m sh -c 'umount /sys/fs/bpf && exec chbind --ip 192.0.2.1 true'
like "$err" "no bpf file system at /sys/fs/bpf" "… says why"
one_line "$err" "… in one line"
exits 1 "without a v2 hierarchy" unshare -m sh -c "umount '$CGROUPS' && exec chbind --ip 192.0.2.1 true"
like "$err" "cgroup" "… says why"
one_line "$err" "… in one line"
exits 1 "in a cgroup namespace that the hierarchy was not mounted for" $B unshare -C chbind --ip 192.0.2.1 true
like "$err" "cgroup namespace" "… says why, instead of taking it for the host"
one_line "$err" "… in one line"

mkdir "$CGROUPS/vserver/full"
ok "as many locks as there can be" "$LOCK" fill "$CGROUPS/vserver/full" 4095 4095
exits 1 "one more" chbind --ip 192.0.2.1 true
like "$err" "4095 contexts are locked" "… says why"
one_line "$err" "… in one line"
exits 1 "or of another room" "$LOCK" lock "$CGROUPS/vserver/full" 192.0.2.1
find "$CGROUPS/vserver/full" -mindepth 1 -depth -type d -exec rmdir {} +
ok "when they are gone there is room again" chbind --ip 192.0.2.1 true
"$LOCK" collect
ok "as many cgroups as there can be" "$LOCK" fill "$CGROUPS/vserver/full" 8192 1
exits 1 "one more" chbind --ip 192.0.2.1 true
like "$err" "the table of 8192 locked cgroups is full" "… says why"
one_line "$err" "… in one line"
find "$CGROUPS/vserver/full" -depth -type d -exec rmdir {} +
ok "when they are gone there is room again" chbind --ip 192.0.2.1 true

gone $peer
nothing_left
done_testing
