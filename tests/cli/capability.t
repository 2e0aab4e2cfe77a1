#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What reducecap, capchroot, setattr and showattr refuse, with one line and a status each, before they do anything.
. "$(dirname "$0")/../lib/tap.sh"

refused() { # STATUS REGEX PROGRAM ARG…
	local want=$1 regex=$2 desc=${*:3}
	desc=${desc//$'\e'/ESC}
	shift 2
	exits "$want" "$desc: status $want" "$@"
	one_line "$err" "$desc: one line"
	like "$err" "^$1: .*$regex" "$desc: says what"
	is "$out" "" "$desc: nothing on standard output"
}

for p in reducecap capchroot setattr showattr; do
	exits 0 "$p -h" $p -h
	like "$out" $'^Usage:\n  '"$p " "… is the help"
	refused 1 "unknown option --hlep; did you mean --help\?" $p --hlep
	refused 1 "unknown option -q" $p -q
	refused 1 '\\x1b' $p $'--\e[31m'
	unlike "$err" $'\e' "… shown, not sent"
done
for p in reducecap capchroot setattr; do
	refused 1 "no (command|directory|attribute) named" $p
done

touch "$TMP/ran" && rm "$TMP/ran"
refused 1 "unknown capability MKNODE; did you mean CAP_MKNOD\?" reducecap --cap MKNODE touch "$TMP/ran"
refused 1 "unknown capability CAP_SYS_CHROT; did you mean CAP_SYS_CHROOT\?" reducecap --cap '!CAP_SYS_CHROT' touch "$TMP/ran"
refused 1 "--MKNODE: unknown capability MKNODE; did you mean CAP_MKNOD\?" reducecap --MKNODE touch "$TMP/ran"
refused 1 "unknown capability 27; capabilities" reducecap --cap 27 touch "$TMP/ran"
refused 1 "unknown capability ; capabilities" reducecap --cap '' touch "$TMP/ran"
refused 1 "CAP_QUOTACTL was the patched kernels' own" reducecap --QUOTACTL touch "$TMP/ran"
refused 1 "unknown option --secrue; did you mean --secure\?" reducecap --secrue touch "$TMP/ran"
refused 1 "--secure=yes: this option takes no value" reducecap --secure=yes touch "$TMP/ran"
refused 1 "--cap needs a value" reducecap --cap
refused 1 "--flag needs a value" reducecap --flag
refused 1 "--flag needs a flag" reducecap --flag , touch "$TMP/ran"
refused 1 "unknown flag lok; did you mean lock\?" reducecap --flag lok touch "$TMP/ran"
refused 1 "unknown flag sooner$" reducecap --flag sooner touch "$TMP/ran"
# lock can be set where the context programs are in the kernel; the others only in a context.
[ -d /sys/fs/bpf/vserver/context ] || lock=lock
for flag in fakeinit hideinfo ${lock:-} nproc private sched ulimit; do
	refused 1 "the flag $flag is a context's: chcontext --flag $flag COMMAND" reducecap --flag $flag touch "$TMP/ran"
	refused 1 "the flag $flag is a context's" reducecap --flag namespace,$flag touch "$TMP/ran"
done
refused 1 "no command named" reducecap --secure
refused 127 "nosuch: command not found" reducecap nosuch
refused 127 "/nosuch/x: command not found" reducecap /nosuch/x
printf '#!/nosuch/interpreter\n' >"$TMP/script" && chmod 755 "$TMP/script"
refused 127 "its interpreter or loader is not there" reducecap "$TMP/script"
refused 126 "cannot be executed: Permission denied" reducecap "$TOP/Makefile"
exits 3 "options end at the command" reducecap sh -c 'exit 3' --cap
exits 0 "--show" reducecap --show
like "$out" "^Capability +Ceiling +Effective +Permitted +Inheritable +Ambient" "… has a head"
is "$(tail -n +2 <<<"$out" | wc -l)" "$(($(cat /proc/sys/kernel/cap_last_cap) + 1))" "… and a line for each capability of the kernel"

refused 1 "no command named: capchroot $TMP COMMAND" capchroot "$TMP"
refused 1 "no command named" capchroot "$TMP" --suid root
refused 1 "--suid needs a value" capchroot --suid
refused 1 "unknown option --nochrot; did you mean --nochroot\?" capchroot --nochrot "$TMP" touch "$TMP/ran"
refused 1 "unknown option --siud; did you mean --suid\?" capchroot "$TMP" --siud root touch "$TMP/ran"
refused 1 "$TMP/nosuch: No such file or directory" capchroot "$TMP/nosuch" touch "$TMP/ran"
refused 1 "$TOP/Makefile: Not a directory" capchroot "$TOP/Makefile" touch "$TMP/ran"
refused 1 "--suid web: $TMP: its /etc/passwd: No such file" capchroot --suid web "$TMP" touch "$TMP/ran"

refused 1 "no file named" setattr --iunlink
refused 1 "no attribute named" setattr "$TOP/Makefile"
refused 1 "no attribute named" setattr -Rx "$TOP/Makefile"
refused 1 "either sets or takes off" setattr --iunlink --~immutable "$TOP/Makefile"
refused 1 "either sets or takes off" setattr --~iunlink --iunlink "$TOP/Makefile"
refused 1 "unknown option --iunlnk; did you mean --iunlink\?" setattr --iunlnk "$TOP/Makefile"
refused 1 "unknown option --~imutable; did you mean --~immutable\?" setattr --~imutable "$TOP/Makefile"
refused 1 "--force=yes: this option takes no value" setattr --force=yes --iunlink "$TOP/Makefile"
for gone in admin watch hide barrier write cow flags ixunlink iunlink-but-not-immutable; do
	refused 1 "there is no --$gone here: " setattr --$gone "$TOP/Makefile"
	refused 1 "there is no --$gone here: " setattr "--~$gone" "$TOP/Makefile"
done
refused 1 "there is no --flags here: " setattr --flags=0x10 "$TOP/Makefile"

refused 1 "/nosuch: No such file" showattr /nosuch
refused 1 "/dev/null: neither a regular file nor a directory" showattr /dev/null
refused 1 "its file system has no attributes" showattr /proc/self/status
not_ok "nothing was executed" test -e "$TMP/ran"
done_testing
