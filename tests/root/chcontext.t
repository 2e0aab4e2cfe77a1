#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chcontext where the kernel has no programs for contexts: namespaces, as root and as an ordinary user. What holds is tried
# against a context, with the same try within it as the control; what is weaker is tried, too, so that the table in the manual
# page stays true. With the programs: tests/vm/guest/20-context.t.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need_cmd cc setpriv ps pgrep nsenter timeout
private_mounts "$@"
for c in try things own; do
	must_have "needs a C compiler that links static programs" cc -std=gnu17 -D_GNU_SOURCE -O1 -static -pthread -I. \
		-o "$TMP/context_$c" "tests/vm/guest/context_$c.c"
done
[ "$("$TMP/context_own" self)" = "Invalid argument" ] || skip_all "the programs in the kernel decide here: the fallback is not in use"

# Programs, not functions, so that what they start in the background is this shell's own child. A user may not come where
# this checkout is, so a copy.
U=$(mktemp -d)
on_exit 'rm -rf "$U"'
cp "$BIN/chcontext" "$TMP"/context_* "$U/"
printf '#!/bin/sh\nexec setpriv --reuid 4711 --regid 4711 --clear-groups "$@"\n' >"$U/user"
printf '#!/bin/sh\nexec chcontext --silent --ctx "$@"\n' >"$U/in_ctx" # N CMD…
chmod 755 "$U" "$U"/*
PATH=$U:$PATH
HOME_CG=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)/vserver
# Numbers that other tests running here do not use.
N=$((20000 + $$ % 20000))
wait_for() { # CMD…: until it succeeds, at most half a minute
	local i
	for ((i = 0; i < 600; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	return 1
}
gone() { ! kill -0 "$1" 2>/dev/null; }
one_error() { # STATUS REGEX DESC CMD…
	local code=$1 want=$2 desc=$3
	shift 3
	exits "$code" "$desc" "$@"
	one_line "$err" "… in one line"
	like "$err" "$want" "… that says it"
}

# ---- the command -------------------------------------------------------------------------------------------------------

run chcontext true
like "$out" '^New security context is [0-9]+$' "the number is told"
is "$status" 0 "… and the command runs"
like "$err" "^chcontext: note: without the context programs.*chcontext\(8\)$" "what is weaker is told"
one_line "$err" "… in one line"
run chcontext --silent true
is "$status$out$err" 0 "--silent tells nothing"
for code in 0 1 7 255; do
	exits $code "exit status $code" chcontext --silent sh -c "exit $code"
done
exits 137 "killed: 128 and the signal" chcontext --silent sh -c 'kill -9 $$'
one_error 127 "nosuch: command not found" "no such command" chcontext --silent nosuch
one_error 126 "cannot be executed" "not executable" chcontext --silent /etc/passwd
is "$(printf 'a\nb' | chcontext --silent sh -c 'cat; printf "%s|" "$@"' x '' 'a  b' --silent)" $'a\nb|a  b|--silent|' "input, output and arguments arrive"
is "$(cd /usr/bin && chcontext --silent pwd)" /usr/bin "… and the working directory"
is "$(chcontext --silent ls /proc/self/fd | xargs)" "$(env ls /proc/self/fd | xargs)" "no descriptor of chcontext's own arrives"
is "$(FOO=bar chcontext --silent sh -c 'echo $FOO')" bar "the environment stays"

# ---- one context, another, the host --------------------------------------------------------------------------------------

target() { # CMD…: in front of it; $pid: as the host sees it, $inner: as the context does
	local out
	out=$(mktemp "$TMP/hold.XXXX")
	"$@" context_try hold >"$out" 2>&1 &
	starter=$!
	wait_for test -s "$out"
	inner=$(cat "$out")
	pid=$(pgrep -nx context_try)
}
LOOK="status cmdline dir task stat chdir getpgid getsid getsched getioprio environ maps"
TOUCH="kill tgkill sigqueue pidfd getfd attach vmread kcmp mem oom nice sched affinity ioprio rlimit memory"
target env
host=$pid
target in_ctx $N
ten=$pid
is "$(context_try each "$host" $LOOK $TOUCH)" "$LOOK $TOUCH" "on the host all works: $LOOK $TOUCH"
is "$(in_ctx $N context_try each $inner $LOOK $TOUCH)" "$LOOK $TOUCH" "within a context, too"
is "$(in_ctx $N context_try each "$host" $LOOK $TOUCH)" "" "from a context on the host nothing"
is "$(chcontext --silent context_try each "$ten" $LOOK $TOUCH)" "" "from another context nothing, by the host's number"
is "$(in_ctx $((N + 1)) context_try each 2 status stat kill | xargs)" "status stat kill" "number 2 of another context is its own"
is "$(context_try each "$ten" $LOOK $TOUCH)" "$LOOK $TOUCH" "weaker: the host's root sees and reaches all"
run in_ctx $N ps -eo pid=,comm=
like "$out" "^ *1 context"$'\n'" *[0-9]+ context_try"$'\n'" *[0-9]+ ps$" "ps in it shows its own alone"
is "$(in_ctx $N sh -c 'trap "" TERM; kill -TERM -1; exit 0' && context_try kill "$host" && echo lives)" lives "kill -1 in it leaves the host"
ok "… and ends its own" wait_for gone "$ten"
wait "$starter"
is $? 143 "… as their starter tells"

for kind in shm sem msg; do
	is "$(chcontext --silent sh -c "context_things $kind-make 4711 && context_things $kind-get 4711 && echo made")" made "$kind: made and found in a context"
	exits 1 "$kind: the host does not find it" context_things $kind-get 4711
done
ok "shm: made on the host" context_things shm-make 4712
exits 1 "… not found in a context" chcontext --silent context_things shm-get 4712
ok "… but on the host" context_things shm-rm "$(context_things ids 4712 | cut -d' ' -f1)"
context_things serve "@chcontext$$" >"$TMP/serve" 2>&1 &
server=$!
wait_for grep -q ready "$TMP/serve"
ok "weaker: abstract sockets are reached from a context" chcontext --silent context_things connect "@chcontext$$"
kill $server

# ---- numbers, joining --------------------------------------------------------------------------------------------------

for i in $(seq 12); do
	chcontext sh -c 'sleep 1' 2>/dev/null >"$TMP/number.$i" &
	numbers[i]=$!
done
wait "${numbers[@]}"
is "$(cat "$TMP"/number.* | sort -u | wc -l)" 12 "twelve at once get twelve numbers"
is "$(user chcontext sh -c 'user=1; sleep 0.3' 2>/dev/null | sort -u | grep -c 'New security context is [5-6]')" 1 "a user's context has a number"
target in_ctx $N
is "$(cat /proc/$pid/cgroup | sed -n 's/^0:://p')" "/vserver/$N" "root's context has a cgroup of its number"
is "$(in_ctx $N context_try each $inner status kill attach)" "status kill attach" "who joins it reaches its processes"
is "$(in_ctx $N readlink /proc/self/ns/ipc)" "$(nsenter -t "$pid" -i readlink /proc/self/ns/ipc)" "… and has its IPC"
is "$(cd /usr/bin && in_ctx $N pwd)" /usr/bin "… in the same directory"
exits 5 "… its exit status" in_ctx $N sh -c 'exit 5'
kill "$starter"
wait "$starter" 2>/dev/null
ok "the end of its starter ends the command" wait_for gone "$pid"
one_error 1 "no context 60000" "a number above 49151 must be there" chcontext --ctx 60000 true
one_error 1 "only root in the host's context" "a user names no number" user chcontext --ctx $N true
one_error 1 "only root in the host's context" "nor does root in a context" chcontext --silent chcontext --ctx $N true
is "$(chcontext --silent sh -c 'chcontext --silent sh -c "echo \$\$"')" 2 "a context within a context"
run chcontext --ctx 1 ps -eo pid=
like "$out"$'\n' "(^|"$'\n'") *$host"$'\n' "context 1 sees the host"
like "$err" "this is no other context" "… and says why"

# ---- its life ----------------------------------------------------------------------------------------------------------

mark=$((3000000 + $$))
exits 0 "a command that leaves a daemon ends" timeout 20 chcontext --silent sh -c "sleep $mark & exit 0"
ok "… the daemon lives" wait_for pgrep -f "^sleep $mark\$"
daemon=$(pgrep -f "^sleep $mark\$")
reaper=$(ps -o ppid= -p "$daemon" | tr -d ' ')
is "$(ps -o comm= -p "$reaper")" context "… below a reaper"
is "$(ls /proc/$reaper/fd | wc -l)/$(readlink /proc/$reaper/fd/0 /proc/$reaper/fd/1 /proc/$reaper/fd/2 /proc/$reaper/cwd | xargs)" \
	"5//dev/null /dev/null /dev/null /" "… that holds nothing of the caller's"
kill "$daemon"
ok "… which ends with it" wait_for gone "$reaper"
chcontext --silent sleep $mark &
starter=$!
wait_for pgrep -f "^sleep $mark\$"
pid=$(pgrep -f "^sleep $mark\$")
kill -9 $starter
ok "kill -9 of chcontext ends the command" wait_for gone "$pid"
chcontext --silent --flag fakeinit sleep $mark &
starter=$!
wait_for pgrep -f "^sleep $mark\$"
pid=$(pgrep -f "^sleep $mark\$")
kill -9 $starter
ok "… with fakeinit, too" wait_for gone "$pid"
chcontext --silent sh -c 'trap "echo got; exit 9" TERM; echo up; while :; do sleep 0.05; done' >"$TMP/trap" &
starter=$!
wait_for grep -q up "$TMP/trap"
kill -TERM $starter
wait $starter
is "$?/$(tail -n 1 "$TMP/trap")" 9/got "a signal sent to chcontext reaches the command"
ok "--disconnect returns while the command runs" timeout 20 chcontext --silent --disconnect sleep $mark
ok "… which goes on" wait_for pgrep -f "^sleep $mark\$"
is "$(ps -o sid= -p "$(pgrep -f "^sleep $mark\$")" | tr -d ' ' | grep -cx "$(ps -o sid= -p $$ | tr -d ' ')")" 0 "… in a session of its own"
pkill -f "^sleep $mark\$"
one_error 127 "not found" "--disconnect tells what cannot be run" chcontext --silent --disconnect nosuch
exits 1 "… and what cannot be had" chcontext --silent --disconnect --ctx 60000 true

# ---- flags, names, capabilities ----------------------------------------------------------------------------------------

one_error 1 "locked into its context" "lock: no other context" in_ctx $N --flag lock chcontext true
exits 1 "… nor with hideinfo" in_ctx $N --flag lock,hideinfo chcontext --silent true
ok "… without it one can" in_ctx $N chcontext --silent true
exits 1 "lock as a user" user chcontext --silent --flag lock chcontext --silent true
ok "… without it one can" user chcontext --silent chcontext --silent true
target in_ctx $N --flag private
one_error 1 "private" "private: nobody joins" chcontext --ctx $N true
kill "$starter"
ok "… until it ends" wait_for in_ctx $N true
is "$(in_ctx $N --flag fakeinit sh -c 'echo $$; echo /proc/[0-9]*' | xargs)" "1 /proc/1" "fakeinit: number 1"
exits 3 "… its exit status" in_ctx $N --flag fakeinit sh -c "sleep $mark & exit 3"
ok "… takes all with it" wait_for sh -c "! pgrep -f '^sleep $mark\$'"
like "$(in_ctx $N sed -n s/^0:://p /proc/self/cgroup)" "/vserver/$N$" "control: the number is in /proc/self/cgroup"
is "$(in_ctx $N --flag hideinfo sed -n s/^0:://p /proc/self/cgroup)" / "hideinfo: it is not"
if [ -n "$(awk '/ - cgroup .*(,|rw,)pids/ { print $5 }' /proc/self/mountinfo)$(grep -sw pids "$HOME_CG/../cgroup.controllers")" ]; then
	is "$( (ulimit -u 20; in_ctx $N --flag nproc context_own forks 50))" 19 "nproc: counts root's processes in the context"
	is "$( (ulimit -u 20; in_ctx $N context_own forks 50))" 50 "… as it does not without"
else
	skip "no pids controller here" 2
fi
is "$( (ulimit -u 20; user chcontext --silent --flag nproc context_own forks 50) | awk '{ print ($1 < 20) }')" 1 "nproc as a user"
for c in cpu:sched memory:ulimit; do
	if [ -n "$(awk -v c="(,|rw,)${c%:*}" '$0 ~ " - cgroup .*" c "(,|$)" { print $5 }' /proc/self/mountinfo)" ]; then
		like "$( (ulimit -v 400000; in_ctx $N --flag ${c#*:} cat /proc/self/cgroup))" ":${c%:*}:/vserver/$N" "${c#*:}: a group of its own"
		ok "… which is gone afterwards" wait_for sh -c "chcontext --silent true; ! grep -q /vserver/$N /proc/*/cgroup; [ -z \"\$(ls -d /sys/fs/cgroup/${c%:*}/vserver/$N 2>/dev/null)\" ]"
	else
		skip "no v1 ${c%:*} controller here" 2
	fi
	one_error 1 "flag ${c#*:}: only root" "${c#*:} is root's" user chcontext --flag ${c#*:} true
done
is "$(chcontext --silent --hostname inner --domainname nis sh -c 'cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname' | xargs)" "inner nis" "--hostname, --domainname"
is "$(user chcontext --silent --hostname inner --domainname none sh -c 'cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname' | xargs)" "inner (none)" "… as a user; none"
unlike "$(hostname)" '^inner$' "… the host's stays"
like "$(chcontext --silent --secure grep CapBnd /proc/self/status)" 'f40c05ff$' "--secure takes what the original took"
like "$(chcontext --silent --secure --cap CAP_SYS_ADMIN --cap '!CAP_CHOWN' grep CapBnd /proc/self/status)" 'f42c05fe$' "--cap leaves one, and takes another"
like "$(user chcontext --silent --secure grep CapEff /proc/self/status)" '0000000000000000$' "--secure as a user"

# ---- bad input ---------------------------------------------------------------------------------------------------------

one_error 1 "no command named" "no command" chcontext
one_error 1 "unknown option --secur?e?x; did you mean --secure" "unknown option" chcontext --securex true
one_error 1 "unknown flag lokc; did you mean lock\?" "unknown flag" chcontext --flag lokc true
one_error 1 "unknown capability .*; did you mean CAP_NET_RAW" "unknown capability" chcontext --cap NET_ROW true
for n in 0 65536 -3 abc '' 99999999999999999999 1x; do
	one_error 1 "1 to 65535" "context number '$n'" chcontext --ctx "$n" true
done
one_error 1 "named before" "two numbers" chcontext --ctx 5 --xid 6 true
one_error 1 "1 to 64 characters" "a long name" chcontext --hostname "$(printf 'x%.0s' $(seq 65))" true
one_error 1 "context's flags are set when it is made" "flags of a running context" chcontext --ctx -2 --flag lock true
is "$(chcontext --ctx -2 --secure grep CapBnd /proc/self/status)" "$(chcontext --silent --secure grep CapBnd /proc/self/status)" "--ctx -2 only lowers"
one_error 1 "only looks on" "context 1 has no flags" chcontext --ctx 1 --flag private true
one_error 1 "user namespaces" "no user namespaces" unshare -r sh -c "echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -sys_admin chcontext true"

kill "$host" 2>/dev/null
wait 2>/dev/null
chcontext --silent true
is "$(ls "$HOME_CG" 2>/dev/null | awk -v n=$N '$1 == n || $1 == n + 1')" "" "nothing is left of these contexts"
done_testing
