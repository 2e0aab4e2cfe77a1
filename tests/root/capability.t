#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# reducecap and capchroot as root: what was taken away is really gone, for the command and for all that it starts, by the
# kernel's own word and by trying. Each trick has its positive control: the same without the ceiling works.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need_cmd busybox cc setpriv setcap nsenter unshare chattr lsattr
private_mounts "$@"
chmod 755 "$TMP"

must_have "needs a C compiler that links static programs" cc -O1 -static -o "$TMP/escape" tests/root/escape.c
E=$TMP/escape
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
sets() { # CMD…: the five sets of what CMD makes of itself, as masks without 0x
	"$@" grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):' /proc/self/status | sed 's/.*\t//' | paste -sd' '
}
mask() { # BASE CAP-NUMBER…: the base without those
	local m=$((16#$1)) c
	shift
	for c; do m=$((m & ~(1 << c))); done
	printf '%016x\n' "$m"
}
bound=$(sed -n 's/^CapBnd:\t//p' /proc/self/status)
must_have "needs the full rights of root" [ $((16#$bound & (1 << 21 | 1 << 27 | 1 << 18 | 1 << 8))) = $((1 << 21 | 1 << 27 | 1 << 18 | 1 << 8)) ]

# ---- the sets -------------------------------------------------------------------------------------------------------

zero=0000000000000000
secure=(9 11 12 13 14 15 16 17 20 21 22 23 24 25 27)
for words in '--cap CAP_MKNOD' '--cap mknod' '--cap !CAP_MKNOD' '--cap=Mknod' --MKNOD --CAP_MKNOD --mknod; do
	m=$(mask $bound 27)
	# shellcheck disable=SC2086
	is "$(sets reducecap $words)" "$zero $m $m $m $zero" "reducecap $words: MKNOD is in none of the sets"
done
m=$(mask $bound "${secure[@]}")
is "$(sets reducecap --secure)" "$zero $m $m $m $zero" "--secure takes the original's fifteen and no other"
m=$(mask $bound "${secure[@]}" 19 0)
is "$(sets reducecap --secure --SYS_PTRACE --cap chown)" "$zero $m $m $m $zero" "… and more by name"
is "$(sets reducecap --cap chown --cap sys_ptrace --secure)" "$zero $m $m $m $zero" "… in any order"
is "$(sets reducecap)" "$zero $bound $bound $bound $zero" "without options nothing is taken away"
inherit=(setpriv --inh-caps +mknod,+chown --ambient-caps +mknod,+chown)
is "$(sets "${inherit[@]}" | cut -d' ' -f1,5)" "0000000008000001 0000000008000001" "control: inheritable and ambient capabilities"
is "$(sets "${inherit[@]}" reducecap --MKNOD | cut -d' ' -f1,5)" "0000000000000001 0000000000000001" "they are taken away, too"
m=$(mask $bound "${secure[@]}" 0)
is "$(sets reducecap --secure reducecap --CHOWN)" "$zero $m $m $m $zero" "a ceiling below a ceiling"
run reducecap --secure reducecap --CHOWN grep NoNewPrivs /proc/self/status
is "$out" "NoNewPrivs:	0" "… leaves setuid programs as they are"
is "$err" "" "… and has nothing to say"

run reducecap --show --MKNOD
is "$status" 0 "--show alone"
like "$out" $'(^|\n)CAP_MKNOD +- +- +- +- +-\n' "… shows what is gone"
like "$out" $'(^|\n)CAP_CHOWN +X +X +X +- +-\n' "… and what is left"
run reducecap --show --MKNOD busybox echo ran
like "$out" $'CAP_MKNOD .*\nran$' "--show with a command runs it after that"

# ---- the command ----------------------------------------------------------------------------------------------------

run reducecap --MKNOD "$E" args --help --cap x -- "" "a  b" '$d'
is "$out" '[--help][--cap][x][--][][a  b][$d]' "arguments arrive untouched"
exits 42 "the command's status" reducecap --MKNOD busybox sh -c 'exit 42'
exits 0 "-- ends the options" reducecap --MKNOD -- busybox true

# ---- trying ---------------------------------------------------------------------------------------------------------

tried() { # DESC CAP TRICK…: works, and does not without CAP
	local desc=$1 cap=$2
	shift 2
	exits 0 "control: $desc" "$@"
	exits 1 "refused without $cap: $desc" reducecap --cap "$cap" "$@"
}
touch "$TMP/mine"
tried "making a device" MKNOD "$E" mknod
tried "giving a file away" CHOWN "$E" chown 12 "$TMP/mine"
tried "a raw socket" NET_RAW "$E" raw-socket
tried "mounting" SYS_ADMIN "$E" unshare-mount
tried "changing the root" SYS_CHROOT busybox chroot / /bin/true
exits 1 "--secure refuses a device" reducecap --secure "$E" mknod
exits 1 "--secure refuses a raw socket" reducecap --secure "$E" raw-socket
rm -f /node

# What gives privilege gives no more than the ceiling has.
m=$(mask $bound 27)
cp "$(command -v grep)" "$TMP/suid"
chmod 4755 "$TMP/suid"
cp "$(command -v grep)" "$TMP/filecap"
must_have "needs a file system with file capabilities" setcap cap_mknod,cap_chown=p "$TMP/filecap"
cp "$(command -v grep)" "$TMP/filecap-e"
setcap cap_mknod,cap_chown=ep "$TMP/filecap-e"
is "$(as_nobody "$TMP/suid" CapEff /proc/self/status)" "CapEff:	$bound" "control: a setuid program gives nobody everything"
is "$(reducecap --MKNOD setpriv --reuid 65534 --regid 65534 --clear-groups "$TMP/suid" CapEff /proc/self/status)" "CapEff:	$m" \
	"below the ceiling, not what is above it"
is "$(as_nobody "$TMP/filecap" CapPrm /proc/self/status)" "CapPrm:	0000000008000001" "control: a file with capabilities gives nobody two"
is "$(reducecap --MKNOD setpriv --reuid 65534 --regid 65534 --clear-groups "$TMP/filecap" CapPrm /proc/self/status)" \
	"CapPrm:	0000000000000001" "below the ceiling, one"
ok "control: a program that insists on both runs" as_nobody "$TMP/filecap-e" CapPrm /proc/self/status
not_ok "below the ceiling, it does not" reducecap --MKNOD setpriv --reuid 65534 --regid 65534 --clear-groups "$TMP/filecap-e" CapPrm /proc/self/status
not_ok "nothing is raised again" reducecap --MKNOD setpriv --inh-caps +mknod true

for trick in unshare-user clone-user clone3-user; do
	exits 0 "control: $trick" "$E" $trick
	exits 1 "refused: $trick" reducecap --MKNOD "$E" $trick
done
unshare -U --map-root-user sleep 300 &
sleeper=$!
on_exit "kill $sleeper 2>/dev/null"
for ((i = 0; i < 100; i++)); do
	! grep -q ' 1$' /proc/$sleeper/uid_map || break
	sleep 0.1
done
like "$(nsenter -U -t $sleeper --preserve-credentials grep CapBnd /proc/self/status)" 'f$' "control: entering a user namespace that exists"
not_ok "refused: entering it" reducecap --MKNOD nsenter -U -t $sleeper --preserve-credentials true
like "$err" "not permitted" "… by the kernel"
ok "other namespaces can be entered still" reducecap --MKNOD nsenter -m -t $$ true
exits 0 "and made" reducecap --MKNOD "$E" unshare-mount

# ---- without privilege ----------------------------------------------------------------------------------------------

run as_nobody "$BIN/reducecap" --secure "$TMP/suid" -E '^(Uid|CapPrm|NoNewPrivs):' /proc/self/status
is "$status" 0 "reducecap as nobody"
is "$(tr '\n' ' ' <<<"$out")" "Uid:	65534	65534	65534	65534 CapPrm:	$zero NoNewPrivs:	1 " "a setuid program gives nothing"
one_line "$err" "one line says so"
like "$err" "no_new_privs" "… and how"
exits 1 "user namespaces are refused there, too" as_nobody "$BIN/reducecap" --secure "$E" unshare-user
# CAP_SETPCAP without CAP_SYS_ADMIN, as in other containers: the ceiling can be lowered, the filter not be set so.
run setpriv --bounding-set -sys_admin reducecap --MKNOD grep -E '^(CapBnd|NoNewPrivs):' /proc/self/status
is "$(tr '\n' ' ' <<<"$out")" "CapBnd:	$(mask $bound 21 27) NoNewPrivs:	1 " "without CAP_SYS_ADMIN, no_new_privs holds the ceiling against user namespaces"
exits 1 "… which are refused" setpriv --bounding-set -sys_admin reducecap --MKNOD "$E" unshare-user

# ---- flags ----------------------------------------------------------------------------------------------------------

mkdir "$TMP/mnt"
ok "--flag namespace: a mount" reducecap --flag namespace busybox sh -c "mount -t tmpfs x '$TMP/mnt' && touch '$TMP/mnt/there'"
not_ok "… that nobody else sees" test -e "$TMP/mnt/there"

# ---- capchroot ------------------------------------------------------------------------------------------------------

T=$TMP/tree
mkdir -p "$T"/{bin,etc,tmp,real}
cp "$(command -v busybox)" "$E" "$T/bin/"
printf '%s\n' 'root:x:0:0::/root:/bin/sh' '' 'broken:x' 'web:x:1001:1002:A web:/srv:/bin/sh' 'low:x:0:0::/:' \
	'minus:x:4294967295:5::/:' 'gminus:x:7:4294967295::/:' 'text:x:abc:5::/:' '7777:x:1003:1003::/:' >"$T/real/passwd"
printf '%s\n' 'root:x:0:' 'webs:x:1002:web' 'data:x:2001:other,web' 'not:x:2002:webs,we,webb' 'bad:x:x:web' 'last:x:2003:web' >"$T/real/group"
# Absolute, so that only a lookup that takes the tree for "/" finds it.
ln -s /real/passwd "$T/etc/passwd"
ln -s /real/group "$T/etc/group"

ok "capchroot runs a command" capchroot "$T" /bin/busybox true
run capchroot "$T" busybox ls /
is "$out" $'bin\netc\nreal\ntmp' "its root is the directory"
(cd "$TMP" && capchroot "$T" busybox pwd) >"$TMP/pwd"
is "$(cat "$TMP/pwd")" / "and it stands there"
run capchroot "$T" escape args --suid x -- "" "a  b"
is "$out" '[--suid][x][--][][a  b]' "arguments arrive untouched"
exits 7 "the command's status" capchroot "$T" busybox sh -c 'exit 7'
exits 127 "no such command" capchroot "$T" nosuch
like "$err" "^capchroot: nosuch: command not found$" "… says so"
cp "$(command -v env)" "$T/bin/dynamic"
exits 127 "a program without its loader" capchroot "$T" /bin/dynamic
like "$err" "loader is not there" "… says so"
exits 126 "what cannot be executed" capchroot "$T" /real/passwd
exec 9<"$TOP" 8>"$TMP/eight"
run capchroot "$T" escape fds
is "$out" $'0\n1\n2' "no descriptor but the three goes along"
exec 9<&- 8>&-
status=0
err=$(capchroot "$T" busybox true <"$TOP" 2>&1) || status=$?
is "$status" 1 "a directory as standard input is refused"
like "$err" "descriptor 0 is a directory" "… and said"
status=0
capchroot "$T" escape leaked-fd 0 "$TOP" <&- >"$TMP/leak" 2>&1 || status=$?
is "$status" 1 "nothing of the host's takes the place of a closed one"

exits 0 "control: the double chroot leads out" capchroot "$T" escape double-chroot "$TOP"
exits 1 "--nochroot: it does not" capchroot --nochroot "$T" escape double-chroot "$TOP"
exits 1 "--nochroot behind the directory" capchroot "$T" --nochroot escape double-chroot "$TOP"
exits 1 "--nochroot: no user namespace" capchroot --nochroot "$T" escape unshare-user
mkdir "$T/proc"
mount -t proc proc "$T/proc"
m=$(mask $bound 18)
is "$(sets capchroot --nochroot "$T" busybox)" "$zero $m $m $m $zero" "--nochroot takes SYS_CHROOT and nothing else"

id_of() { # ARG…: uid, gid, groups, effective capabilities
	capchroot "$@" busybox grep -E '^(Uid|Gid|Groups|CapEff):' /proc/self/status | sed 's/.*:\t//; s/\t.*//; s/ *$//' | paste -sd' '
}
is "$(id_of --suid web "$T")" "1001 1002 1002 2001 2003 $zero" "--suid: the tree's user, group and groups, and no capability"
is "$(id_of "$T" --suid web)" "1001 1002 1002 2001 2003 $zero" "--suid behind the directory"
is "$(id_of --suid 1001 "$T")" "1001 1002 1002 2001 2003 $zero" "--suid with a number"
is "$(id_of --suid 7777 "$T")" "1003 1003 1003 $zero" "a name of digits is a name"
is "$(id_of --nochroot --suid web "$T")" "1001 1002 1002 2001 2003 $zero" "--suid with --nochroot"
is "$(id_of --suid root "$T")" "0 0 0 $bound" "--suid root"
is "$(reducecap --secure capchroot --nochroot --suid web "$T" busybox id 2>/dev/null)" "uid=1001(web) gid=1002(webs) groups=1002(webs),2001(data),2003(last)" \
	"below reducecap --secure, as the original chained them"

wrong_user() { # USER REGEX
	run capchroot --suid "$1" "$T" busybox touch /tmp/ran
	is "$status" 1 "--suid $1: status 1"
	one_line "$err" "--suid $1: one line"
	like "$err" "^capchroot: --suid .*$2" "--suid $1: says what"
}
wrong_user nosuch "no user of that name"
wrong_user "$(awk -F: '$3 > 0 && $1 !~ /^(web|low|text)$/ { print $1; exit }' /etc/passwd)" "no user of that name" # the host's
wrong_user "" "no user of that name"
wrong_user minus "passwd:6: "
wrong_user gminus "passwd:7: "
wrong_user text "passwd:8: "
wrong_user broken "passwd:3: "
wrong_user 4294967295 "no user of that name"
rm "$T/etc/passwd"
wrong_user web "/etc/passwd: No such file"
mkfifo "$T/etc/passwd"
wrong_user web "/etc/passwd: Invalid"
rm "$T/etc/passwd"
ln -s ../../../../../../../../etc/passwd "$T/etc/passwd"
wrong_user web "/etc/passwd: " # itself: the way up ends at the tree
rm "$T/etc/passwd"
head -c 17000000 /dev/zero >"$T/etc/passwd"
wrong_user web "larger than"
not_ok "and nothing was executed" test -e "$T/tmp/ran"
ok "--suid root needs no passwd" capchroot --suid root "$T" busybox true
is "$(nm -D "$BIN/capchroot" | grep -cE ' (get(pw|gr)(nam|uid|gid|ent)|initgroups|getgrouplist|dlopen)')" 0 "no name service is in the program, so none is loaded from a tree"
run as_nobody "$BIN/capchroot" "$T" busybox true
is "$status" 1 "capchroot as nobody"
like "$err" "^capchroot: .*takes root with CAP_SYS_CHROOT$" "… says what is missing"
one_line "$err" "… in one line"
cp -a "$T/real" "$T/bin" "$TMP/mnt/" && mkdir "$TMP/mnt/etc" && cp "$T/real/passwd" "$TMP/mnt/etc/"
run reducecap --SETUID capchroot --suid web "$TMP/mnt" busybox true
is "$status" 1 "without the right to change ids"
like "$err" "becoming uid 1001, gid 1002: Operation not permitted$" "… nothing runs, and it says so"
done_testing
