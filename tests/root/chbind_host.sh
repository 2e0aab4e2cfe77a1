# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the tests of addresses share: a host of its own with twenty addresses, in network, mount and cgroup namespaces and with
# a bpf file system that nobody else sees, and a client behind a pair of virtual devices, which is another network namespace.
# After tap.sh: chbind_host "$@". Then there are
#
#	NET LOCK        chbind_net and chbind_lock, compiled        CGROUPS     the host's v2 cgroups
#	$client CMD…    CMD on the client                           says CMD…   its first lines as one, within 10 s
#	serve FILE CMD… starts a server and waits until it says something in TMP/FILE; sets $served
#	gone PID…       kills what was started                      until_is TEXT CMD…  waits for an output
#
# The host's addresses are 192.0.2.1 to .20 and 2001:db8::1 to ::20 on the device wire, and 198.51.100.1; the client's
# 192.0.2.200 and 2001:db8::200.

# The script again, in namespaces of its own. However it ends, all that it started ends with it, cgroups included.
chbind_again() {
	local v2 cg status
	v2=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-") { if ($(i + 1) == "cgroup2") print $5; next } }' /proc/self/mountinfo |
		head -n 1)
	[ -n "$v2" ] || skip_all "needs a v2 cgroup hierarchy"
	must_have "needs network and cgroup namespaces" unshare -m -n -C true
	cg=$v2/$(basename "$TMP")
	mkdir "$cg" || exit 1
	CHBIND_CG=$cg
	on_exit chbind_end
	(
		echo $BASHPID >"$cg/cgroup.procs"
		trap - EXIT HUP INT TERM
		TAP_PRIVATE=$v2 exec unshare -m -n -C --propagation private -- bash "$tap_self" "$@"
	) &
	wait $!
	status=$?
	tap_done=1
	exit $status
}

# First by a signal after which the script tidies up.
chbind_end() {
	local i pids
	for i in $(seq 1 400); do
		pids=$(find "$CHBIND_CG" -name cgroup.procs -exec cat {} + 2>/dev/null)
		[ -n "$pids" ] || break
		case $i in
		1) kill -TERM $pids 2>/dev/null ;;
		200) kill -KILL $pids 2>/dev/null ;;
		esac
		sleep 0.05
	done
	for i in $(seq 1 100); do
		find "$CHBIND_CG" -depth -type d -exec rmdir {} + 2>/dev/null
		[ -d "$CHBIND_CG" ] || return 0
		sleep 0.05
	done
}

chbind_host() {
	local i
	need_root
	need_cmd ip ss setpriv nsenter unshare bpftool
	[ -n "${TAP_PRIVATE:-}" ] || chbind_again "$@"
	umount -l "$TAP_PRIVATE" && mount -t cgroup2 none "$TAP_PRIVATE" && mount -t bpf bpf /sys/fs/bpf || exit 1
	CGROUPS=$TAP_PRIVATE
	NET=$TMP/net LOCK=$TMP/lock
	must_have "needs a C compiler" cc -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -o "$NET" tests/root/chbind_net.c
	cc -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -std=gnu17 ${VPKG_ASAN:+-fsanitize=address,undefined} -I. -O1 -o "$LOCK" \
		tests/root/chbind_lock.c "$BUILD"/lib{kernel,lib}.a $(pkg-config --libs libcap libseccomp libcrypto inih libbpf) || exit 1

	# Other than the test's, whose end would be this one's.
	unshare -n sleep 1000 &
	peer=$!
	until [ "$(readlink /proc/$peer/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
	client="nsenter -t $peer -n --"
	ip link set lo up
	ip link add wire type veth peer name eth0 netns $peer
	$client ip link set lo up
	ip link set wire up
	$client ip link set eth0 up
	$client ip addr add 192.0.2.200/24 dev eth0
	$client ip -6 addr add 2001:db8::200/64 dev eth0 nodad
	$client ip route add 198.51.100.0/24 via 192.0.2.1
	for i in $(seq 1 20); do
		echo "addr add 192.0.2.$i/24 brd + dev wire"
		echo "addr add 2001:db8::$i/64 dev wire nodad"
	done | ip -batch -
	ip addr add 198.51.100.1/24 dev wire

	A="chbind --silent --ip 192.0.2.1 --ip 2001:db8::1" # both families
	B="chbind --silent --ip 192.0.2.2"
	C="chbind --silent --ip 2001:db8::3"
	D="chbind --silent --ip wire:192.0.2.4/24 --ip 198.51.100.1/24"
	E="chbind --silent --ip 192.0.2.5"
}

says() {
	timeout 10 "$@" 2>&1 | head -n 5 | tr '\n' ' ' | sed 's/ $//'
}

until_is() {
	local want=$1 i
	shift
	for i in $(seq 1 200); do
		[ "$("$@")" != "$want" ] || return 0
		sleep 0.05
	done
	return 1
}

listeners() { ss -Hl"$1"n "sport = :$2" | wc -l; } # t|u PORT

serve() {
	local o=$TMP/$1 i
	shift
	: >"$o"
	"$@" >"$o" 2>&1 &
	served=$!
	for i in $(seq 1 200); do
		[ ! -s "$o" ] || return 0
		sleep 0.05
	done
}

gone() {
	kill -9 "$@" 2>/dev/null
	wait "$@" 2>/dev/null
}

in_cg() { # CGROUP below /vserver, COMMAND…
	local cg=$CGROUPS/vserver/$1
	shift
	sh -c 'echo $$ >"$0/cgroup.procs" && exec timeout 10 "$@"' "$cg" "$@" 2>&1 | head -n 5 | tr '\n' ' ' | sed 's/ $//'
}

# That nothing of any lock is there any more, when all who had one are gone.
nothing_left() {
	ok "what is left is collected" "$LOCK" collect
	is "$(find "$CGROUPS/vserver" -mindepth 1 -maxdepth 1 -type d -printf '%f ')" "programs " "no cgroup is left"
	is "$(bpftool map dump pinned /sys/fs/bpf/vserver/address/cgroups | grep -c '"key"')" 0 "no entry of the table"
	is "$(ip -6 -o addr show dev lo | grep -c fd76:)" 0 "no address on lo"
}
