#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a context keeps in. Each trick of escape.c is tried in a vserver, and, where it can be, in a plain chroot or on the
# host as well: the positive control, without which a refusal would prove nothing.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need_cmd busybox cc ipcrm script pgrep
private_mounts "$@"

CTL=$TMP/chroot
TREE=$VPKG_SYSROOT/vservers/bb
BASE=655360
MARK=$((1000000 + $$)) # seconds to sleep: a number by which our processes are known
mkdir -p "$CTL/bin" "$TREE/bin" "$TREE/root" "$VPKG_SYSROOT/etc/vservers"
must_have "needs a C compiler that links static programs" cc -O1 -static -o "$TMP/escape" tests/root/escape.c
cp "$TMP/escape" "$(command -v busybox)" "$CTL/bin/"
must_have "needs a static busybox (Debian's busybox-static)" chroot "$CTL" /bin/busybox true
cp "$TMP/escape" "$(command -v busybox)" "$TREE/bin/"
echo "UIDMAP=$BASE:65536" >"$VPKG_SYSROOT/etc/vservers/bb.conf"
echo secret >"$TMP/marker"

inside() { vserver bb exec "$@"; }
sh_inside() { vserver bb exec busybox sh -c "$1"; }
sleepers() { pgrep -cf "^busybox sleep $MARK\$"; }
no_sleepers() { [ "$(sleepers)" = 0 ]; }
two_sleepers() { [ "$(sleepers)" = 2 ]; }
wait_for() { # CMD…: until it succeeds, at most half a minute
	local i
	for ((i = 0; i < 300; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}

# The trick is refused inside. Status 1 is vserver's own failure too, so nothing may be on standard error.
blocked() { # DESC TRICK…
	local desc=$1
	shift
	run inside escape "$@"
	if [ "$status" = 1 ] && [ -z "$err" ]; then
		pass "refused: $desc"
	else
		fail "refused: $desc"
		tap_show "$@"
	fi
}

# … while in a plain chroot it works.
blocked_not_in_chroot() {
	local desc=$1
	shift
	exits 0 "control, plain chroot: $desc" chroot "$CTL" /bin/escape "$@"
	blocked "$desc" "$@"
}

# … while on the host it works.
blocked_not_on_host() {
	local desc=$1
	shift
	exits 0 "control, host: $desc" "$TMP/escape" "$@"
	blocked "$desc" "$@"
}

# ---- a command in it ------------------------------------------------------------------------------------------------

ok "a command runs" inside busybox true
for code in 0 1 2 77 125 255; do
	exits $code "exit status $code is the command's" inside busybox sh -c "exit $code"
done
exits 137 "killed by a signal: 128 and its number" inside escape raise 9
exits 127 "command not found" inside nosuch
like "$err" "nosuch.*not found" "… says which"
: >"$TREE/root/plain"
exits 126 "not executable" inside /root/plain
run inside escape args --help -x -- "" "a  b" 'c"$d' "--yes"
is "$out" '[--help][-x][--][][a  b][c"$d][--yes]' "arguments arrive untouched"
head -c 5000000 /dev/urandom >"$TMP/data"
inside busybox cat <"$TMP/data" >"$TMP/copy"
ok "standard input and output are relayed byte by byte" cmp "$TMP/data" "$TMP/copy"
run inside busybox sh -c 'echo to-err >&2; echo to-out'
is "$out/$err" "to-out/to-err" "the two outputs stay apart"
exits 0 "input that nobody reads does not hinder the end" bash -c "head -c 5000000 /dev/zero | vserver bb exec busybox true"
exits 0 "closed standard streams" bash -c "vserver bb exec busybox true <&- >&- 2>&-"

# ---- what it sees ---------------------------------------------------------------------------------------------------

is "$(inside busybox hostname)" bb "host name is the vserver's"
echo "S_HOSTNAME=web.example.org" >>"$VPKG_SYSROOT/etc/vservers/bb.conf"
is "$(inside busybox hostname)" web.example.org "host name is the configuration's"
unlike "$(hostname)" "^(bb|web.example.org)$" "… and the host's is another"

(exec -a busybox busybox sleep $MARK) &
sleeper=$!
wait_for pgrep -f "^busybox sleep $MARK\$"
run inside busybox ps -o pid,args
like "$out" "busybox ps" "ps shows its own processes"
unlike "$out" "sleep $MARK" "… and none of the host's"
is "$(sh_inside 'cd /proc; echo [0-9]*')" "1 2" "/proc has its own processes only"
is "$(inside busybox cat /proc/self/uid_map | xargs)" "0 $BASE 65536" "user ids are the configured range"
is "$(inside busybox cat /proc/self/gid_map | xargs)" "0 $BASE 65536" "group ids too"
is "$(inside busybox grep Groups: /proc/self/status | xargs)" "Groups:" "no supplementary group of the caller's"
is "$(HOST_SECRET=x TERM=xterm LD_PRELOAD= inside busybox env | sort | xargs)" \
	"HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb" \
	"the environment is clean"
is "$(inside busybox ls /dev | xargs)" \
	"core fd full null ptmx pts random shm stderr stdin stdout tty urandom vpkg zero" "/dev holds what it shall"
is "$(sh_inside 'busybox find /dev -type b -o -type c | busybox sort | busybox xargs')" \
	"/dev/full /dev/null /dev/pts/ptmx /dev/random /dev/tty /dev/urandom /dev/zero" "… and no device of the host's"
ok "/dev/null can be written, /dev/urandom read" sh_inside 'busybox head -c 9 /dev/urandom >/dev/null'
is "$(inside busybox awk '{ print $5 }' /proc/self/mountinfo | sort | xargs)" "/ /dev /dev/pts /proc" \
	"no mount of the host's is in its table"
run inside busybox cat /proc/1/cmdline
unlike "$out" "vserver|exec|busybox" "the caller's command line is not to be seen inside"

# ---- descriptors, terminals -----------------------------------------------------------------------------------------

exec 8<"$TMP/marker" 9</
exits 0 "control, plain chroot: a leaked directory" chroot "$CTL" /bin/escape leaked-fd 9 "${TMP#/}/marker"
blocked "a leaked directory" leaked-fd 9 "${TMP#/}/marker"
is "$(inside escape fds | xargs)" "0 1 2" "no descriptor but the three"
exec 8<&- 9<&-
is "$(sh_inside 'for f in 0 1 2; do busybox readlink /proc/self/fd/$f; done' 2>&1 </dev/null | cut -d: -f1 | xargs)" \
	"pipe pipe pipe" "and they are pipes"
exits 0 "control: a terminal can be opened by its name" script -qec "$TMP/escape open-w /dev/tty" /dev/null
exits 1 "refused: the caller's terminal" script -qec "vserver bb exec escape open-w /dev/tty" /dev/null
like "$out" "No such device" "… there is none"

# ---- the ways out ---------------------------------------------------------------------------------------------------

blocked_not_in_chroot "double chroot" double-chroot "$TMP/marker"
blocked_not_in_chroot "mknod" mknod
blocked_not_in_chroot "mount" mount
blocked_not_in_chroot "fsopen" fsopen
blocked "unmounting /dev" umount /dev
blocked "unmounting /proc" umount /proc
blocked "remounting its root" remount
blocked "pivot_root" pivot
blocked_not_on_host "setns" setns
blocked_not_on_host "unshare of a mount namespace" unshare-mount
blocked_not_on_host "unshare of a user namespace" unshare-user
blocked_not_on_host "clone into a user namespace" clone-user
blocked_not_on_host "clone3 into a user namespace" clone3-user
blocked_not_in_chroot "raw socket" raw-socket
blocked_not_in_chroot "packet socket" packet-socket
blocked "bpf" bpf
blocked "host name" hostname evil
blocked_not_in_chroot "lease on a file" lease /bin/busybox

handle=$("$TMP/escape" handle "$TMP/marker")
if [ -n "$handle" ]; then
	# shellcheck disable=SC2086 # two words
	blocked_not_in_chroot "a file by its handle" open-handle $handle
else
	skip "this file system has no file handles" 2
fi

if "$TMP/escape" add-key; then
	on_exit "'$TMP/escape' drop-key >/dev/null"
	blocked_not_in_chroot "root's keyring" find-key
	run "$TMP/escape" find-key-32
	if [ "$status" = 0 ]; then
		blocked "a keyring by the entry of 32-bit programs" find-key-32
	else
		diag "no 32-bit system calls here: nothing to refuse"
		exits "$status" "… the same inside" inside escape find-key-32
	fi
else
	skip "this kernel has no keyrings" 3
fi

shm=$((0x76700000 + $$))
"$TMP/escape" make-shm $shm
on_exit "ipcrm -M $shm"
blocked_not_in_chroot "the host's shared memory" find-shm $shm

mknod "$CTL/zero" c 1 5
mknod "$TREE/zero" c 1 5
blocked_not_in_chroot "a device node on its disk" open-r /zero
rm "$TREE/zero"

# ---- the kernel's knobs ---------------------------------------------------------------------------------------------

for file in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/drop_caches \
	/proc/sys/net/ipv4/ip_forward; do
	[ -e $file ] && blocked_not_on_host "writing to $file" open-w $file
done
# What opens for writing belongs to its own IPC and PID namespaces, or only asks to be told of pressure.
run inside escape sweep /proc
left=$(grep -vE '^/proc/(sys/(kernel/(shm|msg|sem|auto_msgmni|ns_last_pid|pid_max)|fs/mqueue/|user/max_)|pressure/)' <<<"$out")
is "$left" "" "nothing else in /proc opens for writing"
blocked_not_on_host "reading the kernel's messages" open-r /proc/kmsg
[ -e /proc/kcore ] && blocked_not_on_host "reading the kernel's memory" open-r /proc/kcore

# ---- the first process, which has a host program's image ------------------------------------------------------------

blocked "tracing it" ptrace 1
for file in mem environ root cwd fd maps; do
	blocked "/proc/1/$file" open-r /proc/1/$file
done

# ---- processes ------------------------------------------------------------------------------------------------------

blocked_not_in_chroot "signalling a host process" kill $sleeper
run inside busybox kill -9 -1
ok "kill -9 -1 inside leaves the host's alone" kill -0 $sleeper
kill $sleeper
wait $sleeper 2>/dev/null
wait_for no_sleepers

# ---- capabilities ---------------------------------------------------------------------------------------------------

mask=0 # chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service sys_chroot audit_write setfcap
for cap in 0 1 3 4 5 6 7 8 10 18 29 31; do
	mask=$((mask | 1 << cap))
done
want=$(printf '%016x' $mask)
is "$(inside busybox awk '/^Cap/ { print $1 $2 }' /proc/self/status | xargs)" \
	"CapInh:0000000000000000 CapPrm:$want CapEff:$want CapBnd:$want CapAmb:0000000000000000" \
	"capabilities are exactly the allow-list"
is "$(inside busybox awk '/^Seccomp:/ { print $2 }' /proc/self/status)" 2 "a system call filter is on"

# ---- owners on disk -------------------------------------------------------------------------------------------------

sh_inside 'echo x >/root/made; echo y >/root/users; busybox chown 1000:1001 /root/users'
is "$(stat -c %u:%g "$TREE/root/made")" 0:0 "what its root makes is root's on disk"
is "$(stat -c %u:%g "$TREE/root/users")" 1000:1001 "what it gives to a user is that user's on disk"
is "$(inside busybox stat -c %u:%g /root/users)" 1000:1001 "… and inside"
ok "the last id of its range exists" inside escape chown 65535 /root/made
blocked "an id beyond its range" chown 65536 /root/made
cp "$TMP/escape" "$TREE/bin/suid"
chmod 4755 "$TREE/bin/suid"
is "$(inside escape as 1000 /bin/escape euid)" "1000 1000" "control: a plain program has its user's id"
is "$(inside escape as 1000 /bin/suid euid)" "1000 0" "a suid program works"

# ---- ends -----------------------------------------------------------------------------------------------------------

cgroup=$(awk '{ for (i = 6; i <= NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
cgroup_of() { awk -F: '$1 == 0 { print $3 }' "/proc/$1/cgroup"; }
cgroup_empty() { ! grep -qs . "$cgroup$own/cgroup.procs"; }
mounted_anywhere() { grep -qs "/${TMP##*/}/root/vservers/bb / " /proc/[0-9]*/mountinfo; }

exits 4 "a command that leaves a daemon behind" sh_inside "busybox setsid busybox sleep $MARK & exit 4"
ok "… leaves none: all ended with it" wait_for no_sleepers

start_sleepers() {
	rm -f "$TREE/started"
	vserver bb exec busybox sh -c "busybox setsid busybox sleep $MARK & busybox sleep $MARK & echo >/started; wait" 2>/dev/null &
	pid=$!
	wait_for test -e "$TREE/started"
	wait_for two_sleepers
}
for signal in KILL TERM; do
	start_sleepers
	is "$(sleepers)" 2 "control: two run"
	ok "control: its tree is mounted somewhere" mounted_anywhere
	own=$(cgroup_of "$(pgrep -of "^busybox sleep $MARK\$")")
	like "$own" "^/vserver/[0-9]+$" "it is in a cgroup of its own"
	is "$(ps -o uid= -p "$(pgrep -of "^busybox sleep $MARK\$")" | xargs)" $BASE "… as the first user of the range"
	run vserver bb status
	like "$status $out" "^0 bb: running.*pid $pid" "status says running, and who"
	kill -$signal $pid
	wait $pid 2>/dev/null
	ok "kill -$signal of vserver: no process is left" wait_for no_sleepers
	ok "… no mount" wait_for eval '! mounted_anywhere'
	ok "… nothing in its cgroup" wait_for cgroup_empty
	exits 3 "… status says stopped" vserver bb status
	ok "… and the next command runs" inside busybox true
	not_ok "… after which that cgroup is gone" test -d "$cgroup$own"
done
is "$(ls -A "$VPKG_SYSROOT/run/vservers/bb")" "" "no mark is left"

# ---- trees that mean harm -------------------------------------------------------------------------------------------

mkdir -p "$TMP/outside" "$VPKG_SYSROOT/vservers/evil"
: >"$VPKG_SYSROOT/etc/vservers/evil.conf"
for name in dev proc; do
	for kind in link up file; do
		rm -rf "$VPKG_SYSROOT/vservers/evil"
		mkdir -p "$VPKG_SYSROOT/vservers/evil/bin"
		cp "$(command -v busybox)" "$VPKG_SYSROOT/vservers/evil/bin/"
		case $kind in
		link) ln -s "$TMP/outside" "$VPKG_SYSROOT/vservers/evil/$name" ;;
		up) ln -s "../../../outside" "$VPKG_SYSROOT/vservers/evil/$name" ;;
		file) : >"$VPKG_SYSROOT/vservers/evil/$name" ;;
		esac
		exits 1 "/$name is not a directory ($kind)" vserver evil exec busybox true
		one_line "$err" "… one line says so"
		like "$err" "$name" "… and names it"
	done
done
is "$(ls -A "$TMP/outside")" "" "nothing came to be outside"
ok "… and nothing is mounted there" eval '! grep -qs /outside /proc/self/mountinfo'
is "$(grep -c "$VPKG_SYSROOT" /proc/self/mountinfo)" 1 "of all this, only the guarding mount is there"
done_testing
