#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Addresses on stock kernels: that their programs load there, and decide. What they decide in detail, chbind_sockets.t says.
. "$(dirname "$0")/lib.sh"

NET=$BUILD/vm/bin/address_net
ip=$(command -v ip || echo "busybox ip")
$ip link set lo up
for i in 1 2 3; do
	$ip addr add 192.0.2.$i/32 dev lo
	$ip addr add 2001:db8::$i/128 dev lo
done
says() { timeout 60 "$@" 2>&1 | head -n 5 | tr '\n' ' ' | sed 's/ $//'; }
serve() {
	local o=$TMP/$1 i
	shift
	: >"$o"
	"$@" >"$o" 2>&1 &
	served=$!
	for i in $(seq 1 600); do
		[ ! -s "$o" ] || return 0
		sleep 0.05
	done
}
A="chbind --silent --ip 192.0.2.1 --ip 2001:db8::1" B="chbind --silent --ip 192.0.2.2" D="chbind --silent --ip 192.0.2.3 --ip 2001:db8::3 --ip 192.0.2.2"
ok "the programs load, and a command is locked" chbind --ip 192.0.2.1 true
is "$(says $B "$NET" bind tcp 192.0.2.1 700)" "bind EADDRNOTAVAIL" "a foreign address cannot be bound"
is "$(says $B "$NET" bind udp 192.0.2.1 700 freebind)" "bind EADDRNOTAVAIL" "nor with freebind"
serve o $A "$NET" serve tcp6 :: 80 name=a
one=$served
serve o1 $B "$NET" serve tcp 0.0.0.0 80 name=b
two=$served
is "$(cat "$TMP/o" "$TMP/o1")" "ready [::]:80"$'\n'"ready 0.0.0.0:80" "two contexts have one port"
like "$(says "$NET" ask tcp 192.0.2.1 80)" ": a peer" "the first at its address"
like "$(says "$NET" ask tcp6 2001:db8::1 80)" ": a peer" "and at its IPv6 one"
like "$(says "$NET" ask tcp 192.0.2.2 80)" ": b peer" "the second at its own"
like "$(says $B "$NET" ask tcp 127.0.0.1 80)" ": b peer 127.0.0.1:.* local 127.0.0.1:80" "127.0.0.1 is the second's there"
like "$(says $A "$NET" ask tcp6 ::1 80)" ": a peer .* local \[::1\]:80" "::1 the first's"
is "$(says "$NET" ask tcp 127.0.0.1 80)" "connect ECONNREFUSED" "the host's is nobody's"
like "$(says $B "$NET" ask tcp 192.0.2.1 80)" ": a peer .*192.0.2.2\]?:" "the source is the context's"
serve o2 $B "$NET" serve udp 0.0.0.0 53 name=b
three=$served
for how in "" connect src=0.0.0.0 src=127.0.0.1 "src=127.0.0.1 connect" "src=0.0.0.0 connect"; do
	like "$(says $B "$NET" ask udp 127.0.0.1 53 $how)" "^from 127.0.0.1:53: b peer" "UDP ${how:-sendto} at 127.0.0.1"
done
is "$(says $D "$NET" bind udp 0.0.0.0 55)" "bind EOPNOTSUPP" "UDP on a wildcard with several addresses is refused"
serve o3 $D "$NET" serve udp - 0 name=d first=192.0.2.1:9
four=$served
like "$(says "$NET" ask udp 192.0.2.3 "$(sed 's/.*://' "$TMP/o3")")" "d peer" "sendto without bind: reached at its address"
is "$(says "$NET" ask udp 192.0.2.1 "$(sed 's/.*://' "$TMP/o3")" wait=500)" "timeout" "not at another"
is "$(says $B "$NET" ask raw 192.0.2.1 0)" "send EPERM" "a raw socket sends from no other"
is "$(says $B chcontext --silent "$NET" bind tcp 192.0.2.1 700)" "bind EADDRNOTAVAIL" "a context is locked as who makes it"
kill -9 $one $two $three $four
{ wait; } 2>/dev/null
vserver-kernel unload --force >/dev/null 2>&1
done_testing
