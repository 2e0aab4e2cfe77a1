#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Security contexts decided by the kernel. Everything that one process may do to another (context_try.c, context_things.c, context_own.c) is
# tried within a context, where it works, and across, where it must not: from another context, from the host's, from a context
# on the host's; as root, and as one user with two contexts.
. "$(dirname "$0")/lib.sh"

PINS=/sys/fs/bpf/vserver/context
mkdir "$TMP/bin"
PATH=$TMP/bin:$PATH
ln -s "$(command -v context_as)" "$TMP/bin/user"   # CMD…
ln -s "$(command -v context_as)" "$TMP/bin/in_ctx" # N CMD…
cat >"$TMP/bin/tries" <<'EOF'
#!/bin/sh
# TRY:ARGUMENT…: the ones that worked
w=
for t; do context_things "${t%%:*}" "${t#*:}" >/dev/null && w="$w $t"; done
echo ${w# }
EOF
chmod 755 "$TMP" "$TMP/bin" "$TMP/bin/tries"
# Something to be tried on, a child of this shell: its number in $pid.
target() { # CMD…: in front of it
	local out
	out=$(mktemp "$TMP/hold.XXXX")
	"$@" context_try hold >"$out" 2>&1 &
	wait_for test -s "$out"
	pid=$(cat "$out")
}
# How many threads a context has: the lower half of its word in the map.
threads() { # N
	bpftool -j map lookup pinned $PINS/numbers key $(($1 & 255)) $(($1 >> 8)) 0 0 | jq -r '.formatted.value // .value | tonumber? // (.[0:4] | map(tonumber? // .) | tostring)' |
		awk '{ print $1 % 4294967296 }'
}
no_threads() { [ "$(threads "$1")" = 0 ]; }

# ---- before ------------------------------------------------------------------------------------------------------------

not_ok "before it is loaded, nobody can ask" context_own self
ok "the programs load" vserver-kernel load context
on_exit vserver-kernel unload context --force
run vserver-kernel status context
like "$out" "context +loaded" "… and are live"
programs=$(lsm_programs)
is "$(context_own self)" 0 "this script is in context 0"

# ---- numbers -----------------------------------------------------------------------------------------------------------

run chcontext context_own self
like "$out" "^New security context is (5734[4-9]|57[4-9]..|5[89]...|6....)"$'\n'"" "root gets a new context, its number is told"
is "$(sed -n 's/^New .* //p' <<<"$out")" "$(tail -n 1 <<<"$out")" "… and is the one"
is "$err" "" "… without a note: nothing is weaker"
is "$(in_ctx 10 context_own self)" 10 "root gets the number that it names"
is "$(in_ctx 49151 context_own self)" 49151 "… up to 49151"
is "$(chcontext --silent --xid 11 context_own self)" 11 "--xid says the same"
run user chcontext context_own self
is "$status/$(sed -n 's/^New .* //p' <<<"$out")" "0/$(tail -n 1 <<<"$out")" "an ordinary user gets a new context, without a daemon or a setuid program"
a=$(user chcontext --silent sh -c 'context_own self; sleep 1' & user chcontext --silent context_own self; wait)
is "$(sort -u <<<"$a" | wc -l)" 2 "two at once get two"
is "$(in_ctx 10 sh -c 'sh -c "context_own self"')" 10 "children inherit it"
is "$(in_ctx 10 sh -c 'context_own self & wait')" 10 "… also in the background"
is "$(in_ctx 10 context_own exec-thread context_own self)" 10 "… and a thread that executes, which becomes another task"
is "$(in_ctx 10 sh -c 'cat /proc/self/cgroup')" 0::/vserver/10 "root's context has a cgroup"
exits 7 "the command's exit status" in_ctx 10 sh -c 'exit 7'
# shellcheck disable=SC2016
exits 137 "… and signal" sh -c 'in_ctx 10 sh -c "kill -9 \$\$"; exit $?'

one_error() { # STATUS REGEX DESC CMD…
	local code=$1 want=$2 desc=$3
	shift 3
	exits "$code" "$desc" "$@"
	one_line "$err" "… in one line"
	like "$err" "$want" "… that says it"
}
one_error 1 "only root in the host's context" "a user names no number" user chcontext --ctx 10 true
one_error 1 "only root in the host's context" "nor does root in a context" in_ctx 10 chcontext --ctx 11 true
exits 1 "nor does root in context 1" in_ctx 1 chcontext --ctx 11 true
exits 1 "nor does root of a user namespace" user unshare -r chcontext --ctx 11 true
one_error 1 "no context 60000" "a number above 49151 must be there" chcontext --ctx 60000 true
one_error 1 "1 to 65535" "0 is the host's" chcontext --ctx 0 true
one_error 1 "1 to 65535" "70000 is too large" chcontext --ctx 70000 true
one_error 1 "sched: only root" "a user cannot limit a context as a whole" user chcontext --flag sched true
one_error 1 "no flag but lock" "the host's context gets no flags" chcontext --ctx -2 --flag nproc true
not_ok "a process with threads stays where it is" context_own enter-threaded 4294967295
like "$out" busy "… and is told so"
ok "… which without threads works" context_own enter 4294967295
is "$(user chcontext --silent sh -c 'chcontext --silent context_own self')" "$(user chcontext --silent sh -c 'chcontext --silent context_own self' | awk '{ print $1 - 2 }')" \
	"from a context to another new one, and numbers go up"

# ---- one on the other --------------------------------------------------------------------------------------------------

LOOK="status cmdline dir task stat chdir getpgid getsid getsched getioprio environ maps ns root"
TOUCH="kill tgkill sigqueue pidfd getfd setns attach seize vmread kcmp mem oom nice sched affinity ioprio rlimit memory"
each() { context_try each "$@"; } # PID TRY…: the names of those that worked
target env
host=$pid
target in_ctx 10
ten=$pid
target in_ctx 12
twelve=$pid
is "$(each $host $LOOK $TOUCH)" "$LOOK $TOUCH" "from the host on the host all works: $LOOK $TOUCH"
is "$(in_ctx 10 context_try each $ten $LOOK $TOUCH)" "$LOOK $TOUCH" "within context 10 all works"
is "$(in_ctx 11 context_try each $ten $LOOK $TOUCH)" "" "from context 11 on 10 nothing works"
is "$(each $ten $LOOK $TOUCH)" "" "from the host on context 10 nothing works"
is "$(in_ctx 10 context_try each $host $LOOK $TOUCH)" "" "from context 10 on the host nothing works"
is "$(in_ctx 1 context_try each $ten $LOOK $TOUCH)" "$LOOK" "context 1 sees context 10, and touches nothing"
is "$(in_ctx 1 context_try each $host $LOOK $TOUCH)" "$LOOK" "… and the host"
is "$(each $host setown setown-ioctl setown-ex)" "setown setown-ioctl setown-ex" "on the host, a descriptor's signals can go to others"
is "$(in_ctx 10 context_try each $host setown setown-ioctl setown-ex)" "" "in a context they cannot"
is "$(in_ctx 10 context_try each self setown)/$(in_ctx 10 context_try each group setown)/$(in_ctx 10 unshare -pf context_try each self setown)" \
	setown/setown/setown "… but to the process itself and its group, also in a process namespace"
exits 1 "SIGCONT from another session is refused" setsid -w chcontext --silent --ctx 11 context_try cont $ten
ok "… within a session it passes, for job control" in_ctx 11 context_try cont $ten
ok "context 10's target lived through all" in_ctx 10 context_try kill $ten

# kill -1 and a process group reach one's own alone.
in_ctx 13 sh -c 'trap "" TERM; kill -TERM -1; exit 0'
ok "kill -1 in a context leaves the host" context_try kill $host
ok "… and the other contexts" in_ctx 10 context_try kill $ten
target in_ctx 14
fourteen=$pid
in_ctx 14 sh -c 'trap "" TERM; kill -TERM -1; exit 0'
ok "… and ends its own" wait_for sh -c "! grep -q . /proc/$fourteen/cmdline"

# One user, two contexts and the host's.
cat >"$TMP/two" <<'EOF'
context_try hold >$1/user.pid &
while ! [ -s $1/user.pid ]; do sleep 0.05; done
context_try each $! kill attach vmread status stat nice
touch $1/user.ready
while ! [ -e $1/user.done ]; do sleep 0.05; done
kill $!
EOF
chmod 777 "$TMP"
user chcontext --silent sh "$TMP/two" "$TMP" >"$TMP/user.out" &
wait_for test -e "$TMP/user.ready"
pid=$(cat "$TMP/user.pid")
T="kill attach vmread status stat nice"
is "$(cat "$TMP/user.out")" "$T" "a user within a context of one's own: all works"
is "$(user chcontext --silent context_try each "$pid" $T)" "" "the same user, from another context: nothing"
is "$(user context_try each "$pid" $T)" "" "the same user, from the host's: nothing"
is "$(context_try each "$pid" $T)" "" "root, from the host's: nothing"
ok "root can enter a user's context" in_ctx "$(chcontext --silent --ctx 1 awk -v p="$pid" '$1 == p { print $2 }' $PINS/link_context_list)" context_try kill "$pid"
touch "$TMP/user.done"

# ---- parents, and the kernel itself ------------------------------------------------------------------------------------

ok "a child born in another context: signalled, looked at, waited for by its parent" context_own child 15
exits 1 "… a user can have none" user context_own child 15
exits 1 "… nor can root in a context" in_ctx 10 context_own child 15
is "$(context_own serve 10 context_try each $ten $LOOK $TOUCH)" "$LOOK $TOUCH" "a process of the host that serves context 10 reaches into it"
is "$(context_own serve 10 context_own self)" 0 "… stays the host's"
is "$(context_own serve 11 context_try each $ten $LOOK $TOUCH)" "" "… and reaches no other"
exits 1 "… a user can serve none" user context_own serve 10 true
exits 1 "… nor can root in a context" in_ctx 11 context_own serve 10 true
exits 1 "a child cannot have a parent in another context trace it" context_own traceme 15
ok "… within a context it can" context_own traceme 0
ok "the signal at a parent's death passes" context_own pdeath 15
ok "this shell can end its own child in context 12" kill "$twelve"
ok "… which ends" wait_for sh -c "! chcontext --silent --ctx 12 context_try kill $twelve"
sleep 0.2
is "$(in_ctx 10 timeout 1 sh -c 'sleep 20' >/dev/null 2>&1; echo $?)" 124 "timeouts and alarms work inside"
is "$(timeout 1 chcontext --silent --ctx 10 sleep 20; echo $?)" 124 "timeout ends what it started in a context"

# ---- what is seen ------------------------------------------------------------------------------------------------------

run in_ctx 10 ps -eo pid=,args=
like "$out" "$ten context_try hold" "ps in context 10 shows its process"
is "$(grep -cE 'context_try|init|bash' <<<"$out")" 1 "… and no other one's"
run ps -eo pid=,args=
like "$out" "$host context_try hold" "ps on the host shows the host's"
unlike "$out" "(^|"$'\n'") *$ten " "… and not context 10's"
run in_ctx 1 ps -eo pid=,args=
like "$out" "$host context_try hold" "ps in context 1 shows the host's"
like "$out" "$ten context_try hold" "… and context 10's"
ok "pgrep and pidof agree" sh -c "[ \$(pgrep -x context_try) = $host ] && [ \$(chcontext --silent --ctx 10 pgrep -x context_try) = $ten ]"
run cat $PINS/link_context_list
like "$out"$'\n' $'\n'"$host 0 context_try"$'\n' "the list of processes by context: the host's"
unlike "$out" $'\n'"$ten " "… not context 10's"
run in_ctx 1 cat $PINS/link_context_list
like "$out"$'\n' $'\n'"$ten 10 context_try"$'\n' "… for context 1 all, with their numbers"

# ---- IPC ---------------------------------------------------------------------------------------------------------------

GET="shm-get:4711 sem-get:4711 msg-get:4711"
is "$(in_ctx 10 tries shm-make:4711 sem-make:4711 msg-make:4711 mq-make:/vmq $GET mq-open:/vmq)" \
	"shm-make:4711 sem-make:4711 msg-make:4711 mq-make:/vmq $GET mq-open:/vmq" "made in context 10 and found there: memory, semaphores, queues"
read -r shm sem msg < <(in_ctx 10 context_things ids 4711)
USE="shm-use:$shm shm-stat:$shm sem-use:$sem msg-use:$msg" RM="shm-rm:$shm sem-rm:$sem msg-rm:$msg"
is "$(in_ctx 11 tries $GET mq-open:/vmq $USE $RM)" "" "context 11 finds none, uses none and removes none, by key or number"
is "$(tries $GET mq-open:/vmq $USE $RM)" "" "nor does the host's root"
is "$(in_ctx 10 tries $USE $RM)" "$USE $RM" "context 10 does"
is "$(tries shm-make:4712 mq-make:/vhost)" "shm-make:4712 mq-make:/vhost" "made on the host"
is "$(in_ctx 10 tries shm-get:4712 mq-open:/vhost)" "" "… refused to context 10"
host_shm=$(context_things ids 4712 | cut -d' ' -f1)
is "$(tries mq-open:/vhost shm-rm:$host_shm)" "mq-open:/vhost shm-rm:$host_shm" "… works on the host"
is "$(bpftool -j map dump pinned $PINS/ipc | jq length)" 0 "nothing is kept of what is gone"

serve() { # NAME CMD…
	local name=$1 out
	shift
	out=$(mktemp "$TMP/serve.XXXX")
	"$@" context_things serve "$name" >"$out" 2>&1 &
	wait_for grep -q ready "$out"
}
serve @ctx10 in_ctx 10
serve @host env
serve "$TMP/path" in_ctx 10
TEN="connect:@ctx10 send:@ctx10.d" HOST="connect:@host send:@host.d" PATHS="connect:$TMP/path send:$TMP/path.d"
is "$(in_ctx 10 tries $TEN $HOST $PATHS)" "$TEN $PATHS" "abstract sockets: context 10 reaches its own; and one with a path"
is "$(in_ctx 11 tries $TEN $HOST $PATHS)" "$PATHS" "context 11 none but that with a path"
is "$(tries $TEN $HOST $PATHS)" "$HOST $PATHS" "the host its own"
chmod 600 "$TMP/path" "$TMP/path.d"
is "$(user tries $PATHS)" "" "… and a path's modes decide"

# ---- flags -------------------------------------------------------------------------------------------------------------

one_error 1 "locked into its context" "lock: no other context" in_ctx 20 --flag lock chcontext true
one_error 1 "locked into its context" "lock: for users, too" user chcontext --silent --flag lock chcontext true
ok "… without it one can" user chcontext --silent chcontext true
one_error 1 "locked" "lock, set later" in_ctx 20 chcontext --ctx -2 --flag lock chcontext true
one_error 1 "new context's" "a member cannot make its context private" in_ctx 20 chcontext --ctx -2 --flag private true
one_error 1 "locked" "lock, on the host" chcontext --ctx -2 --flag lock chcontext true
target in_ctx 21 --flag private
one_error 1 "private" "private: nobody joins" chcontext --ctx 21 true
kill "$pid"
ok "… until it is empty" wait_for in_ctx 21 true
is "$(in_ctx 10 context_own self; in_ctx 10 context_try kill "$ten"; echo $?)" 10$'\n'0 "… while without it one joins"
is "$( (ulimit -u 10; in_ctx 22 --flag nproc context_own forks 50))" 9 "nproc: counts root's processes in the context"
is "$( (ulimit -u 10; in_ctx 23 context_own forks 50))" 50 "… as it does not without"
is "$( (ulimit -u 10; in_ctx 22 --flag nproc context_own forks 50; in_ctx 24 --flag nproc context_own forks 50) | xargs)" "9 9" "… each context for itself"
run in_ctx 25 --flag hideinfo context_own self
is "$status/$out" "1/Operation not permitted" "hideinfo: the number is not told"
is "$(in_ctx 26 --flag hideinfo cat /proc/self/cgroup)" 0::/ "… nor by the cgroup"
is "$(in_ctx 27 --flag fakeinit sh -c 'echo $$; context_own self; echo /proc/[0-9]*' | xargs)" "1 27 /proc/1" "fakeinit: number 1, and its own /proc"
is "$(user chcontext --silent --flag fakeinit sh -c 'echo $$')" 1 "… for users, too"
exits 3 "… its exit status" in_ctx 27 --flag fakeinit sh -c 'sleep 100 & exit 3'
ok "… takes all with it" wait_for no_threads 27
is "$(in_ctx 28 --flag sched sh -c 'cat /proc/self/cgroup'; cat /sys/fs/cgroup/vserver/28/cpu.weight 2>&1)" 0::/vserver/28$'\n'100 "sched: a share of the processors"
is "$( (ulimit -v 300000; in_ctx 29 --flag ulimit cat /sys/fs/cgroup/vserver/29/memory.max))" 307200000 "ulimit: memory for the whole context"
is "$(in_ctx 30 --hostname inner --domainname nis sh -c 'cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname' | xargs)" "inner nis" "--hostname, --domainname"
is "$(in_ctx 30 --domainname none cat /proc/sys/kernel/domainname)" "(none)" "--domainname none"
is "$(hostname)" vm "… the host's stay"
is "$(user chcontext --silent --hostname mine cat /proc/sys/kernel/hostname)" mine "… for users, too"
like "$(in_ctx 31 --secure grep CapEff /proc/self/status)" "000001ff[0-9a-f]{2}[0-9a-f]*" "--secure"
like "$(in_ctx 31 --secure --cap CAP_NET_RAW --cap '!CHOWN' capsh --print 2>/dev/null || in_ctx 31 --secure --cap CAP_NET_RAW --cap '!CHOWN' grep CapEff /proc/self/status)" \
	"cap_net_raw|[0-9a-f]{12}2[0-9a-f]{3}" "--cap"
start=$EPOCHREALTIME
ok "--disconnect returns" chcontext --disconnect --silent --ctx 32 sleep 1000
ok "… at once" awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { exit b - a > 30 }'
ok "… and it runs" test "$(threads 32)" = 1
in_ctx 32 sh -c 'trap "" TERM; kill -TERM -1; exit 0'
one_error 127 "not found" "--disconnect tells what cannot be run" chcontext --silent --disconnect nosuch

# ---- vservers ----------------------------------------------------------------------------------------------------------

on_fs ext4
cp "$(command -v context_own)" "$(command -v context_try)" "$VPKG_SYSROOT/vservers/deb1/usr/bin/"
run vserver deb1 exec context_own self
like "$out" '^(49[1-9]..|5[0-6]...|57[0-2]..)$' "a vserver's processes are in a context of its number"
is "$err" "" "… quietly"
exits 1 "… and locked into it" vserver deb1 exec context_own enter 4294967295
is "$(vserver deb1 exec sh -c 'sleep 5 & sleep 0.1; kill $! && wait $!; echo $?' 2>/dev/null)" 143 "… which reach one another"
vserver deb1 exec sleep 777 2>/dev/null &
job=$!
listed() { in_ctx 1 awk '$3 == "sleep" && $2 > 1 && $2 < 57344 { print $1, $2 }' $PINS/link_context_list; }
something_listed() { listed | grep -q .; }
nothing_listed() { ! something_listed; }
wait_for something_listed
read -r pid number < <(listed)
is "$(context_try each "$pid" $LOOK $TOUCH)" "" "the host's root does not reach them"
is "$(in_ctx "$number" context_try each "$pid" kill status)" "kill status" "… but from their context"
kill "$job"
ok "the end of its caller ends it" wait_for nothing_listed
wait "$job" 2>/dev/null
is "$(context_own self)" 0 "this script is still the host's"

# ---- guard -------------------------------------------------------------------------------------------------------------

ok "control: the host's root can look at the pins" sh -c "bpftool map show pinned $PINS/tasks && mkdir /sys/fs/bpf/x && rmdir /sys/fs/bpf/x"
cat >"$TMP/attacks" <<EOF
bpftool map show pinned $PINS/tasks
bpftool map update pinned $PINS/numbers key 10 0 0 0 value 0 0 0 0 0 0 0 0
rm $PINS/ready
rmdir $PINS
mv $PINS $PINS.x
mkdir /sys/fs/bpf/x
umount /sys/fs/bpf
umount -l /sys/fs/cgroup
cat $PINS/link_context_list
vserver-kernel unload context --force
echo 0 >/sys/fs/cgroup/cgroup.procs
echo 0 >/sys/fs/cgroup/vserver/cgroup.procs
rmdir /sys/fs/cgroup/vserver/programs
mkdir /sys/fs/cgroup/vserver/x
unshare -C sh -c 'echo 0 >/sys/fs/cgroup/cgroup.procs'
EOF
# shellcheck disable=SC2016
is "$(in_ctx 40 sh -c 'while read -r c; do sh -c "$c" </dev/null >/dev/null 2>&1 && echo "$c"; done <"$1"; echo end' sh "$TMP/attacks")" end \
	"a context's root reaches none of: $(tr '\n' ';' <"$TMP/attacks")"
ok "control: in its own cgroup a context's root can do as it likes" \
	in_ctx 40 unshare -C sh -c 'mkdir /sys/fs/cgroup/vserver/40/x && echo 0 >/sys/fs/cgroup/vserver/40/x/cgroup.procs && echo 0 >/sys/fs/cgroup/vserver/40/cgroup.procs && rmdir /sys/fs/cgroup/vserver/40/x'
ok "control: the host's root can move itself" sh -c 'mkdir /sys/fs/cgroup/y && echo 0 >/sys/fs/cgroup/y/cgroup.procs && echo 0 >/sys/fs/cgroup/cgroup.procs && rmdir /sys/fs/cgroup/y'
like "$(vserver-kernel status context)" "context +loaded" "after all of that the programs are live"

# ---- counting, upgrades, the end ---------------------------------------------------------------------------------------

in_ctx 50 sh -c 'for i in $(seq 20); do for j in 1 2 3 4 5 6 7 8; do : & done; wait; done'
user chcontext --silent sh -c 'for i in $(seq 100); do (: &) ; done'
ok "after hundreds of processes nobody is counted in their context" wait_for no_threads 50
before=$(threads 10)
ok "loaded again over itself" vserver-kernel load context
is "$(threads 10)" "$before" "… contexts stay as they are"
exits 1 "… and apart" in_ctx 11 context_try kill "$ten"
in_ctx 51 sh -c 'for i in $(seq 30); do sh -c true; done' &
busy=$!
vserver-kernel load context || kill $busy
ok "loaded under load" wait $busy
ok "… and the count is right" wait_for no_threads 51
exits 75 "with a context living it is not unloaded" vserver-kernel unload context
kill "$ten" "$host" $(jobs -p) 2>/dev/null
wait 2>/dev/null
is "$(bpftool -j map dump pinned $PINS/tasks | jq length)" 0 "at the end the table of contexts is empty"
ok "it is unloaded" vserver-kernel unload context
# The kernel lets go of programs a little later.
ok "… and nobody can ask" wait_for sh -c '! context_own self'
enforced context $programs

done_testing
