#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What sockets of contexts that are locked to addresses can and cannot do, one system call at a time: which addresses they bind,
# where they come from, what reaches them.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/chbind_host.sh"
chbind_host "$@"

# ---- what can be bound ----------------------------------------------------------------------------------------------

for p in tcp udp; do
	is "$(says $B "$NET" bind $p 192.0.2.2 700)" "bound 192.0.2.2:700" "$p: its address can be bound"
	is "$(says $B "$NET" bind $p 192.0.2.1 700)" "bind EADDRNOTAVAIL" "$p: a foreign one cannot"
	is "$(says "$NET" bind $p 192.0.2.1 700)" "bound 192.0.2.1:700" "$p: but on the host"
	for how in freebind transparent reuse device=wire; do
		is "$(says $B "$NET" bind $p 192.0.2.1 700 $how)" "bind EADDRNOTAVAIL" "$p: nor with $how"
		is "$(says $B "$NET" bind $p 203.0.113.1 700 $how)" "bind EADDRNOTAVAIL" "$p: nor one that nobody has, with $how"
	done
	is "$(says "$NET" bind $p 203.0.113.1 700 freebind)" "bound 203.0.113.1:700" "$p: but on the host"
	is "$(says $B "$NET" bind ${p}6 ::ffff:192.0.2.1 700)" "bind EADDRNOTAVAIL" "$p: nor mapped into IPv6"
	is "$(says $B "$NET" bind ${p}6 ::ffff:192.0.2.2 700)" "bound [::ffff:192.0.2.2]:700" "$p: its own can be, mapped"
	is "$(says $B "$NET" bind ${p}6 2001:db8::1 700)" "bind EADDRNOTAVAIL" "$p: nor IPv6"
	is "$(says $B "$NET" bind $p 0.0.0.0 700)" "bound 0.0.0.0:700" "$p: a wildcard stays one to the program"
	is "$(says $B "$NET" bind ${p}6 :: 700)" "bound [::]:700" "$p: so does [::]"
	is "$(says $B "$NET" bind ${p}6 :: 700 v6only)" "bound [::]:700" "$p: so does [::] for IPv6 alone"
	is "$(says $B "$NET" bind $p 127.0.0.1 700)" "bound 127.0.0.1:700" "$p: 127.0.0.1"
	is "$(says $B "$NET" bind ${p}6 ::1 700)" "bound [::1]:700" "$p: ::1"
done
for p in mptcp sctp; do
	is "$(says $B "$NET" bind $p 192.0.2.2 700)" "socket EPROTONOSUPPORT" "$p cannot be confined: it is not there"
done

# Two servers in one context collide as on any host.
serve o $D "$NET" serve tcp 0.0.0.0 701 name=d
one=$served
is "$(says $D "$NET" bind tcp 198.51.100.1 701)" "bind EADDRINUSE" "a port of a wildcard is taken at each address"
is "$(says $D "$NET" bind tcp 192.0.2.4 701)" "bind EADDRINUSE" "at the first, too"
is "$(says chbind --silent --ip 198.51.100.1 "$NET" bind tcp 0.0.0.0 701)" "bind EADDRINUSE" "also to another context with that address"
is "$(says chbind --silent --ip 192.0.2.5 "$NET" bind tcp 0.0.0.0 701)" "bound 0.0.0.0:701" "but not to one with another"
gone $one
serve o $D "$NET" serve tcp 198.51.100.1 701 name=d
one=$served
is "$(says $D "$NET" bind tcp 0.0.0.0 701)" "bind EADDRINUSE" "a wildcard collides with one of its addresses"
gone $one

# A wildcard listener of the host's does not keep its port from contexts.
serve o "$NET" serve tcp6 :: 702 name=host
host=$served
serve o1 $B "$NET" serve tcp 0.0.0.0 702 name=b
one=$served
serve o2 $D "$NET" serve tcp6 :: 702 name=d
two=$served
is "$(cat "$TMP/o1" "$TMP/o2")" "ready 0.0.0.0:702"$'\n'"ready [::]:702" "contexts bind a port on which the host listens with a wildcard"
like "$(says $client "$NET" ask tcp 192.0.2.2 702)" "b peer 192.0.2.200:[0-9]* local 192.0.2.2:702" "the context is there at its address"
like "$(says $client "$NET" ask tcp 198.51.100.1 702)" "d peer .*192.0.2.200\]?:[0-9]* local \[::ffff:198.51.100.1\]:702" "the other at its second"
like "$(says $client "$NET" ask tcp 192.0.2.9 702)" "host peer" "the host at all others"
like "$(says "$NET" ask tcp 127.0.0.1 702)" "host peer" "and at its 127.0.0.1"
like "$(says $B "$NET" ask tcp 127.0.0.1 702)" "b peer 127.0.0.1:[0-9]* local 127.0.0.1:702" "not at the context's"
is "$(says chbind --silent --ip 192.0.2.5 "$NET" ask tcp 127.0.0.1 702)" "connect ECONNREFUSED" "nor at that of one where nobody listens"
is "$(says $B "$NET" bind tcp 192.0.2.2 702)" "bind EADDRINUSE" "a second server in the context is refused the port"
is "$(says chbind --silent --ip 192.0.2.5 "$NET" ask tcp 192.0.2.9 702 src=192.0.2.5 sport=702)" "connect EADDRINUSE" \
	"who needs this port to connect from is told so"
is "$(says chbind --silent --ip 192.0.2.5 setpriv --bounding-set=-all --reuid 1000 --clear-groups "$NET" bind tcp 0.0.0.0 702)" \
	"bind EACCES" "an ordinary user gets no port below 1024 that way"
is "$(says chbind --silent --ip 192.0.2.5 setpriv --reuid 1000 --clear-groups --inh-caps=+net_bind_service --ambient-caps=+net_bind_service "$NET" bind tcp 0.0.0.0 702)" \
	"bound 0.0.0.0:702" "who has the capability does"
gone $host $one $two

# ---- where it comes from --------------------------------------------------------------------------------------------

serve o $client "$NET" serve tcp6 :: 800 name=far
far=$served
serve o $client "$NET" serve udp6 :: 800 name=far
far2=$served
peer_is() { # EXPECTED DESC COMMAND…
	local want=$1 desc=$2
	shift 2
	like "$(says "$@")" "far peer \[?(::ffff:)?$want\]?:[0-9]+ " "$desc"
}
for how in tcp udp "udp connect"; do
	set -- $how
	peer_is 192.0.2.1 "$how: the host comes from its first address" "$NET" ask $1 192.0.2.200 800 "${@:2}"
	peer_is 192.0.2.2 "$how: a context from its own" $B "$NET" ask $1 192.0.2.200 800 "${@:2}"
	peer_is 192.0.2.2 "$how: also by an IPv6 socket" $B "$NET" ask ${1}6 ::ffff:192.0.2.200 800 "${@:2}"
	peer_is 192.0.2.2 "$how: also bound to a wildcard before" $B "$NET" ask $1 192.0.2.200 800 "${@:2}" src=0.0.0.0
	peer_is 2001:db8::3 "$how: by IPv6" $C "$NET" ask ${1}6 2001:db8::200 800 "${@:2}"
	peer_is 192.0.2.4 "$how: of several, from the one on that network" chbind --silent --ip 198.51.100.1/24 --ip 192.0.2.4/24 \
		"$NET" ask $1 192.0.2.200 800 "${@:2}"
	peer_is 198.51.100.1 "$how: from the first, when none is" chbind --silent --ip 198.51.100.1/24 --ip 192.0.2.4/32 \
		"$NET" ask $1 192.0.2.200 800 "${@:2}"
	is "$(says $C "$NET" ask $1 192.0.2.200 800 "${@:2}" | sed 's/.* //')" ENETUNREACH "$how: no IPv4 without an IPv4 address"
	is "$(says $B "$NET" ask ${1}6 2001:db8::200 800 "${@:2}" | sed 's/.* //')" ENETUNREACH "$how: no IPv6 without an IPv6 address"
	is "$(says $B "$NET" ask $1 192.0.2.200 800 "${@:2}" src=192.0.2.1)" "bind EADDRNOTAVAIL" "$how: not from a foreign one"
	like "$(says $B "$NET" ask $1 192.0.2.1 800 "${@:2}" src=127.0.0.1)" "EINVAL" "$how: nor, to others, from the loopback"
done
for how in "" connect; do
	peer_is 192.0.2.9 "IP_PKTINFO${how:+, connected}: the host may take any" "$NET" ask udp 192.0.2.200 800 pktinfo=192.0.2.9 src=192.0.2.9 $how
	is "$(says $B "$NET" ask udp 192.0.2.200 800 pktinfo=192.0.2.9 $how)" "send EADDRNOTAVAIL" "a context no foreign one"
	is "$(says $B "$NET" ask udp6 ::ffff:192.0.2.200 800 pktinfo=::ffff:192.0.2.9 $how)" "send EADDRNOTAVAIL" "not mapped either"
	peer_is 192.0.2.2 "its own it may" $B "$NET" ask udp 192.0.2.200 800 pktinfo=192.0.2.2 $how
	peer_is 192.0.2.2 "none at all is its own" $B "$NET" ask udp 192.0.2.200 800 pktinfo=0.0.0.0 $how
	is "$(says $C "$NET" ask udp6 2001:db8::200 800 pktinfo=2001:db8::1 $how)" "send EADDRNOTAVAIL" "IPV6_PKTINFO likewise"
	peer_is 2001:db8::3 "its own it may" $C "$NET" ask udp6 2001:db8::200 800 pktinfo=2001:db8::3 $how
	is "$(says $B "$NET" ask udp 192.0.2.1 800 pktinfo=127.0.0.1 $how)" "send EINVAL" "nor its loopback, to others"
done
peer_is 192.0.2.2 "SO_BINDTODEVICE changes nothing" $B "$NET" ask udp 192.0.2.200 800 device=wire
peer_is 192.0.2.2 "IP_TRANSPARENT neither" $B "$NET" ask udp 192.0.2.200 800 transparent
gone $far $far2

# ---- sockets that are never bound -----------------------------------------------------------------------------------

serve o $B "$NET" serve tcp - 0 name=b
one=$served
port=$(sed 's/.*://' "$TMP/o")
like "$(says $client "$NET" ask tcp 192.0.2.2 $port)" "b peer" "listen without bind: reached at its address"
is "$(says timeout 1 $client "$NET" ask tcp 192.0.2.1 $port)" "" "not at another"
is "$(says $client "$NET" ask tcp6 2001:db8::1 $port)" "connect ECONNREFUSED" "nor by IPv6"
is "$(says timeout 1 "$NET" ask tcp 127.0.0.1 $port)" "" "nor on the host's 127.0.0.1"
gone $one
serve o "$NET" serve tcp - 0 name=host
one=$served
port=$(sed 's/.*://' "$TMP/o")
like "$(says $client "$NET" ask tcp 192.0.2.7 $port)" "host peer" "on the host it is reached at any"
gone $one
serve o $B "$NET" serve udp - 0 name=b first=192.0.2.200:9
one=$served
port=$(sed 's/.*://' "$TMP/o")
like "$(says $client "$NET" ask udp 192.0.2.2 $port)" "b peer" "sendto without bind: reached at its address"
is "$(says $client "$NET" ask udp 192.0.2.1 $port wait=300)" "timeout" "not at another"
is "$(says "$NET" ask udp 127.0.0.1 $port wait=300)" "timeout" "nor on the host's 127.0.0.1"
gone $one
serve o "$NET" serve udp - 0 name=host first=192.0.2.200:9
one=$served
port=$(sed 's/.*://' "$TMP/o")
like "$(says $client "$NET" ask udp 192.0.2.7 $port)" "host peer" "on the host it is reached at any"
gone $one

# ---- raw and ping sockets -------------------------------------------------------------------------------------------

NORAW="setpriv --bounding-set=-net_raw --inh-caps=-net_raw"
echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range
is "$(says chbind --silent --ip 192.0.2.1 "$NET" ask raw 192.0.2.200 0)" "from 192.0.2.200:0: echo" "a raw socket sends from its own address"
is "$(says $B "$NET" ask raw 192.0.2.200 0)" "send EPERM" "not from another, which the kernel chooses"
is "$(says "$NET" ask raw 192.0.2.200 0)" "from 192.0.2.200:0: echo" "but on the host"
is "$(says $B "$NET" ask ping 192.0.2.200 0 src=192.0.2.2)" "from 192.0.2.200:0: echo" "a ping socket does when it is bound to it"
is "$(says $B "$NET" ask ping 192.0.2.200 0 connect)" "from 192.0.2.200:0: echo" "or connects"
is "$(says $B "$NET" ask ping 192.0.2.200 0 src=192.0.2.1)" "send EPERM" "not when it is bound to a foreign one, which it can be"
is "$(says "$NET" ask ping 192.0.2.200 0 src=192.0.2.1)" "from 192.0.2.200:0: echo" "but on the host"
is "$(says $NORAW $B "$NET" ask ping 192.0.2.200 0)" "socket EPERM" "without CAP_NET_RAW there is none"
is "$(says $NORAW "$NET" ask ping 192.0.2.200 0)" "from 192.0.2.200:0: echo" "but on the host"

# ---- UDP at the loopback --------------------------------------------------------------------------------------------

# UDP at the loopback, in detail: to a server on a wildcard, from sockets of each kind.
serve o $B "$NET" serve udp 0.0.0.0 53 name=b
one=$served
serve o1 $E "$NET" serve udp 127.0.0.1 53 name=e
two=$served
serve o2 "$NET" serve udp 127.0.0.1 53 name=host
host=$served
for how in "" connect "src=0.0.0.0" "src=127.0.0.1" "src=127.0.0.1 connect" "src=0.0.0.0 connect"; do
	like "$(says $B "$NET" ask udp 127.0.0.1 53 $how)" "^from 127.0.0.1:53: b peer (127.0.0.1|192.0.2.2):" "UDP ${how:-sendto}: 127.0.0.1 answers"
	like "$(says $E "$NET" ask udp 127.0.0.1 53 $how)" "^from 127.0.0.1:53: e peer (127.0.0.1|192.0.2.5):" "the other context's own"
	like "$(says "$NET" ask udp 127.0.0.1 53 $how)" "^from 127.0.0.1:53: host peer 127.0.0.1:" "the host's own"
	like "$(says chbind --silent --ip 192.0.2.6 "$NET" ask udp 127.0.0.1 53 $how wait=300)" "timeout|ECONNREFUSED" "and where there is none, none"
done
is "$(says $client "$NET" ask udp 192.0.2.5 53 wait=300)" "timeout" "a server on 127.0.0.1 is not reached from outside"
like "$(says $B "$NET" ask udp 127.0.0.1 53 connect named)" "peer 127.0.0.1:53 local 127.0.0.1:" "getpeername and getsockname say so"
gone $host
serve o2 "$NET" serve udp 0.0.0.0 54 name=host
host=$served
like "$(says chbind --silent --ip 192.0.2.6 "$NET" ask udp 127.0.0.1 54 wait=300)" "ECONNREFUSED" "a wildcard server of the host's is not at contexts' 127.0.0.1"
like "$(says chbind --silent --ip 192.0.2.6 "$NET" ask udp 127.0.0.1 54 connect)" "ECONNREFUSED" "nor for connected sockets"
like "$(says "$NET" ask udp 127.0.0.1 54)" "host peer" "but at the host's"
gone $one $two $host

# ---- IPv6 loopback -------------------------------------------------------------------------------------------------

# The addresses that stand for it are on lo, where the kernel would take packets to them from anywhere.
$client ip route add fd76:7365:7276:7665::/64 via 2001:db8::1
serve o $B "$NET" serve tcp6 ::1 703 name=b
one=$served
serve o1 $B "$NET" serve udp6 ::1 703 name=b
two=$served
serve o2 $B "$NET" serve tcp6 :: 704 name=b
three=$served
loop=$(ss -Htln 'sport = :703' | sed -E 's/.*\[(fd76:[^]]*)\]:703.*/\1/')
like "$loop" "^fd76:7365:7276:7665::[0-9a-f]+$" "a context's ::1 is an address of lo"
for p in tcp udp; do
	like "$(says $B "$NET" ask ${p}6 ::1 703)" "^from \[::1\]:703: b peer \[::1\]" "$p: ::1 is reached in the context"
	unlike "$(says timeout 1 $client "$NET" ask ${p}6 "$loop" 703 wait=500)" "b peer" "$p: not from the wire"
	is "$(says $C "$NET" ask ${p}6 "$loop" 703 wait=500)" "$([ $p = tcp ] && echo connect || echo send) ENETUNREACH" "$p: not by its address from another context"
done
like "$(says $B "$NET" ask tcp6 ::1 704)" "^from \[::1\]:704: b peer" "a server on a wildcard is reached there in the context"
unlike "$(says timeout 1 $client "$NET" ask tcp6 "$loop" 704)" "b peer" "not from the wire"
is "$(says $C "$NET" ask tcp6 "$loop" 704)" "connect ENETUNREACH" "nor from another context"
gone $one $two $three
serve o $B "$NET" serve tcp 127.0.0.1 705 name=b
one=$served
loop=$(ss -Htln 'sport = :705' | sed -E 's/.* (127[.0-9]*):705.*/\1/')
like "$loop" "^127\.2[45][0-9]\." "127.0.0.1 is one of 127.240.0.0/12"
unlike "$(says "$NET" ask tcp "$loop" 705)" "b peer" "not reached from the host"
is "$(says $E "$NET" ask tcp "$loop" 705)" "connect ECONNREFUSED" "nor from another context"
gone $one

# ---- several addresses ----------------------------------------------------------------------------------------------

is "$(says $D "$NET" bind udp 0.0.0.0 55)" "bind EOPNOTSUPP" "UDP on a wildcard with several addresses is refused"
is "$(says $A "$NET" bind udp6 :: 55)" "bind EOPNOTSUPP" "so it is on [::] for both families"
is "$(says $A "$NET" bind udp6 :: 55 v6only)" "bound [::]:55" "not on [::] for IPv6 alone, where there is one"
is "$(says $A "$NET" bind udp 0.0.0.0 55)" "bound 0.0.0.0:55" "nor on 0.0.0.0"
is "$(says $D "$NET" bind udp 198.51.100.1 55)" "bound 198.51.100.1:55" "nor on one of them"
serve o $D "$NET" serve udp 0.0.0.0 0 name=d
one=$served
port=$(sed 's/.*://' "$TMP/o")
like "$(says "$NET" ask udp 192.0.2.4 $port)" "d peer" "a port of the kernel's choice works: at the first"
like "$(says "$NET" ask udp 198.51.100.1 $port)" "d peer" "at the second"
is "$(says "$NET" ask udp 192.0.2.2 $port wait=300)" "timeout" "not at others"
like "$(says $D "$NET" ask udp 127.0.0.1 $port)" "from 127.0.0.1:$port: d peer 127.0.0.1" "and at its 127.0.0.1"
is "$(says $D "$NET" bind udp 0.0.0.0 55)" "bind EOPNOTSUPP" "the server's port another one is refused"
like "$("$LOCK" query $one)" "refused=55$" "which others can read"
gone $one

ips=() many=()
for i in $(seq 5 20); do
	ips+=(192.0.2.$i)
	many+=(--ip 192.0.2.$i)
done
serve o chbind --silent "${many[@]}" "$NET" serve tcp 0.0.0.0 900 name=many
one=$served
bad=0
for ip in "${ips[@]}"; do
	[[ $(says $client "$NET" ask tcp "$ip" 900) = *" many peer 192.0.2.200:"*" local $ip:900" ]] || bad=$((bad + 1))
done
is "$bad" 0 "a TCP server with 16 addresses is reached at each"
is "$(says $client "$NET" ask tcp 192.0.2.4 900)" "connect ECONNREFUSED" "and at no other"
gone $one

# ---- broadcasts -----------------------------------------------------------------------------------------------------

HB="chbind --silent --ip 192.0.2.2 --bcast 255.255.255.255" HE="chbind --silent --ip 192.0.2.5 --bcast 255.255.255.255"
serve o $HB "$NET" serve udp 0.0.0.0 1067 name=b broadcast
one=$served
serve o1 $HE "$NET" serve udp 0.0.0.0 1067 name=e broadcast
two=$served
is "$(cat "$TMP/o" "$TMP/o1")" "ready 0.0.0.0:1067"$'\n'"ready 0.0.0.0:1067" "two contexts that hear broadcasts, on one port"
serve o2 $D "$NET" serve udp 192.0.2.4 1067 name=d
three=$served
$client "$NET" ask udp 255.255.255.255 1067 broadcast device=eth0 >"$TMP/heard" 2>&1
like "$(cat "$TMP/heard")" "from 192.0.2.(2|5):1067: (b|e) peer 192.0.2.200" "an answer comes from a context's own address"
heard() { echo "$(grep -c got "$TMP/o")$(grep -c got "$TMP/o1")"; }
until_is 11 heard
is "$(heard)" 11 "both heard it"
is "$(grep -c got "$TMP/o2")" 0 "one without --bcast did not"
says $client "$NET" ask udp 192.0.2.255 1067 broadcast device=eth0 wait=300 >/dev/null
is "$(heard)" 11 "another broadcast than theirs they do not"
gone $one $two $three


gone $peer
nothing_left
done_testing
