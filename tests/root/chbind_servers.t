#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Contexts locked to addresses, with real servers and clients: each serves at the addresses that it is given and at no other, on
# a host that has them all.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/chbind_host.sh"
# Its package would start a server on this host: only the program is taken from it.
[ -n "${TAP_PRIVATE:-}" ] || command -v nginx >/dev/null || [ -x "$BUILD/nginx/usr/sbin/nginx" ] || {
	mkdir -p "$BUILD/nginx" && (cd "$BUILD/nginx" && apt-get -qq download nginx 2>"$TMP/log" && dpkg -x nginx_*.deb .) ||
		diag "no nginx to be had: $(head -n 1 "$TMP/log")"
}
PATH=$PATH:$BUILD/nginx/usr/sbin
need_cmd nginx dnsmasq dig curl busybox
chbind_host "$@"

# ---- web servers ----------------------------------------------------------------------------------------------------

web() { # NAME CHBIND…: nginx on 0.0.0.0:80 and [::]:80
	local name=$1 dir=$TMP/web-$1
	shift
	mkdir -p "$dir"
	cat >"$dir/conf" <<-END
		daemon off;
		master_process off;
		pid $dir/pid;
		error_log $dir/log;
		events { }
		http {
			access_log off;
			client_body_temp_path $dir;
			proxy_temp_path $dir;
			fastcgi_temp_path $dir;
			uwsgi_temp_path $dir;
			scgi_temp_path $dir;
			server {
				listen 80;
				listen [::]:80;
				return 200 "$name for \$remote_addr at \$server_addr\n";
			}
		}
	END
	"$@" nginx -e "$dir/log" -c "$dir/conf" >"$dir/out" 2>&1 &
}
web a $A
web_a=$!
web b $B
web_b=$!
web c $C
web_c=$!
web d $D
web_d=$!
get() { # PREFIX… URL
	says "${@:1:$#-1}" curl -s -m 8 --noproxy '*' "${@: -1}"
}
until_is 8 listeners t 80
is "$(listeners t 80)" 8 "four contexts' nginx listen on 0.0.0.0:80 and [::]:80 at once" ||
	diag "$(ss -Hltn 'sport = :80'; cat "$TMP"/web-*/log "$TMP"/web-*/out)"
for where in "$client" env; do
	from=192.0.2.200 from6=2001:db8::200
	[ "$where" != env ] || from='[0-9.]*' from6='[0-9a-f:]*'
	like "$(get $where http://192.0.2.1/)" "^a for $from at 192.0.2.1$" "from ${where%% *}: 192.0.2.1 is the first one's"
	like "$(get $where http://192.0.2.2/)" "^b for $from at 192.0.2.2$" "192.0.2.2 the second's"
	like "$(get $where 'http://[2001:db8::1]/')" "^a for $from6 at 2001:db8::1$" "2001:db8::1 the first's"
	like "$(get $where 'http://[2001:db8::3]/')" "^c for $from6 at 2001:db8::3$" "2001:db8::3 the third's"
	like "$(get $where http://192.0.2.4/)" "^d for $from at 192.0.2.4$" "192.0.2.4 the fourth's"
	like "$(get $where http://198.51.100.1/)" "^d for [0-9.]* at 198.51.100.1$" "198.51.100.1 too, which is in another network"
	is "$(get $where http://192.0.2.5/)" "" "192.0.2.5 is nobody's"
	is "$(get $where 'http://[2001:db8::2]/')" "" "2001:db8::2 is nobody's: the second has no IPv6"
done
is "$(get env http://127.0.0.1/)" "" "the host's 127.0.0.1 is nobody's"
is "$(get env 'http://[::1]/')" "" "nor is its ::1"
is "$(get $A http://127.0.0.1/)" "a for 127.0.0.1 at 127.0.0.1" "127.0.0.1 in the first context is its own"
is "$(get $A 'http://[::1]/')" "a for ::1 at ::1" "so is ::1"
is "$(get $B http://127.0.0.1/)" "b for 127.0.0.1 at 127.0.0.1" "127.0.0.1 in the second is its own"
is "$(get $B 'http://[::1]/')" "b for ::1 at ::1" "and ::1, although it has no IPv6 address"
is "$(get $C http://127.0.0.1/)" "c for 127.0.0.1 at 127.0.0.1" "127.0.0.1 in the third, although it has no IPv4 address"
is "$(get $D http://127.0.0.5/)" "d for 127.0.0.1 at 127.0.0.5" "127.0.0.5 in the fourth"
is "$(get $B http://192.0.2.1/)" "a for 192.0.2.2 at 192.0.2.1" "one context reaches another, and comes from its own address"
is "$(get $A 'http://[2001:db8::3]/')" "c for 2001:db8::1 at 2001:db8::3" "by IPv6, too"
like "$(says $B curl -s -m 8 'http://[2001:db8::3]/' -w '%{errormsg}')" "connect to 2001:db8::3" "without an IPv6 address there is no IPv6"
like "$(says $A curl -s --interface 192.0.2.2 http://192.0.2.2/ -w '%{errormsg}')" "Cannot assign requested address" \
	"curl cannot come from another's address"
is "$(says curl -s --interface 192.0.2.3 http://192.0.2.2/)" "b for 192.0.2.3 at 192.0.2.2" "but on the host"
gone $web_a $web_b $web_c $web_d

# ---- DNS servers ----------------------------------------------------------------------------------------------------

dns() { # NAME CHBIND…
	local name=$1
	shift
	"$@" dnsmasq -k --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file= --port=53 \
		--txt-record=who.test,"$name" >"$TMP/dns-$name" 2>&1 &
}
who() { # PREFIX… SERVER [+tcp]
	says "${@:1:$#-2}" dig +short +time=2 +tries=1 -t TXT who.test "@${@: -2:1}" ${@: -1}
}
dns b $B
one=$!
dns e $E
two=$!
dns c $C
three=$!
until_is 6 listeners t 53
is "$(listeners t 53)" 6 "three contexts' dnsmasq listen on 0.0.0.0:53 and [::]:53 at once" || diag "$(cat "$TMP"/dns-*)"
for how in +notcp +tcp; do
	is "$(who $client 192.0.2.2 $how)" '"b"' "dig $how: the first context's DNS server, on 0.0.0.0:53"
	is "$(who $client 192.0.2.5 $how)" '"e"' "the second's"
	is "$(who $client 2001:db8::3 $how)" '"c"' "the third's, by IPv6"
	is "$(who $B 127.0.0.1 $how)" '"b"' "at 127.0.0.1 in the first"
	is "$(who $E 127.0.0.1 $how)" '"e"' "at 127.0.0.1 in the second"
	is "$(who $C ::1 $how)" '"c"' "at ::1 in the third"
	like "$(who env 127.0.0.1 $how)" "refused|no servers|timed out" "on the host's 127.0.0.1 there is none"
	like "$(who $client 192.0.2.6 $how)" "refused|no servers|timed out" "nor at another address"
done
gone $one $two $three


# ---- a DHCP server --------------------------------------------------------------------------------------------------

HB="chbind --silent --ip 192.0.2.2 --bcast 255.255.255.255"
mkdir "$TMP/dhcp"
cat >"$TMP/dhcp/script" <<END
#!/bin/sh
[ "\$1" != bound ] || echo "leased \$ip by \$serverid"
END
chmod +x "$TMP/dhcp/script"
$HB dnsmasq -k --conf-file=/dev/null --port=0 --user=root --pid-file= --dhcp-leasefile="$TMP/dhcp/leases" --log-dhcp \
	--log-facility=- --dhcp-range=192.0.2.100,192.0.2.120,10m --dhcp-authoritative --listen-address=192.0.2.2 >"$TMP/dhcp/log" 2>&1 &
one=$!
until_is 1 listeners u 67
serve o $client "$NET" serve udp 0.0.0.0 68 reuse mute
two=$served
run $client timeout 60 busybox udhcpc -f -n -q -i eth0 -t 9 -T 3 -s "$TMP/dhcp/script"
like "$out" "leased 192.0.2.1[012][0-9] by 192.0.2.2" \
	"dnsmasq in a context leases an address to a client by broadcast, as 192.0.2.2" ||
	diag "$err" "$(tail -n 20 "$TMP/dhcp/log")"
like "$(says chbind --silent --ip 192.0.2.2 "$NET" bind udp 0.0.0.0 68)" "bound" "the port of clients is free for others meanwhile"
gone $one $two

gone $peer
nothing_left
done_testing
