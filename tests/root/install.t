#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vpkg SELECTOR… -- FILE…: plan, apply by the vserver's own tool, all or nothing, the truth about each.
. "$(dirname "$0")/../lib/tap.sh"
. "$TOP/tests/lib/fleet.sh"
need_root
need_cmd dpkg-deb jq rpmbuild createrepo_c
private_mounts "$@"
own_disk

MINI=$(mini) || skip_all "the RPM test distribution could not be made"
ok "bootstrap web1" vpkg bootstrap web1 debian/12
ok "web2, just like it" copy web1 web2
ok "rpm1, another family" vpkg bootstrap rpm1 "$MINI/mini-1.conf" --include less
V=$VPKG_SYSROOT/vservers
big() { head -c 100000 /dev/zero | tr '\0' "$1"; }

# ---- mixed families, side by side
v1=$(mkdeb tool 1.0 "+usr/bin/tool=$(big 1)" "+etc/tool.conf=default" @conffiles=/etc/tool.conf)
v2=$(mkdeb tool 2.0 "+usr/bin/tool=$(big 2)" "+usr/share/tool/new=$(big n)" "+etc/tool.conf=newer" @conffiles=/etc/tool.conf)
rpm2=$(ls "$MINI"/updates/less-*-2.*.rpm)
exits 0 "an older version goes to the Debian vservers" vpkg ALL -- "$v1"
like "$out" 'rpm1 +skipped' "the other family skips it"
echo "mine" >"$V/web1/etc/tool.conf"
run vpkg ALL -n --json -- "$v2" "$rpm2"
is "$(jq -r '[.[] | .vserver + " " + .changes[0].name + " " + .changes[0].from] | join(",")' <<<"$out" | sed 's/less [^,]*/less/')" \
	"rpm1 less,web1 tool 1.0,web2 tool 1.0" "-n --json says what would change"
is "$(vserver web1 exec dpkg-query -W -f '${Version}' tool)" 1.0 "-n changes nothing"
exits 0 "a newer deb and rpm with one command line" vpkg ALL --json -- "$v2" "$rpm2"
is "$(jq -r '[.[].status] | unique | join(",")' <<<"$out")" ok "every vserver is ok"
is "$(vserver web2 exec dpkg-query -W -f '${Version}' tool)" 2.0 "the Debian vserver has it"
like "$(vserver rpm1 exec rpm -q less)" '-2\.mini1' "the RPM vserver has it"
is "$(cat "$V/web1/etc/tool.conf")" mine "a conffile that the administrator changed is kept"
is "$(stat -c %i "$V/web1/usr/bin/tool")" "$(stat -c %i "$V/web2/usr/bin/tool")" "equal files are one inode afterwards"
like "$(lsattr "$V/web1/usr/bin/tool")" '^-*i' "and sealed"
is "$(leftovers)" "" "nothing is left behind"

# ---- said before anything changes
p1=$(picture web1) p2=$(picture web2)
exits 3 "a missing dependency" vpkg web1 -- "$(mkdeb needs 1 'Depends: does-not-exist')"
like "$out" 'does-not-exist' "is named"
exits 3 "a conflict" vpkg web1 -- "$(mkdeb clash 1 'Conflicts: tool')"
like "$out" 'tool' "is named"
exits 0 "a wrong architecture" vpkg web1 -- "$(mkdeb other 1 'Architecture: arm64')"
like "$out" 'arm64' "is named"
exits 0 "an older version" vpkg web1 -- "$v2"
like "$out" 'skipped' "the same version again is skipped"
is "$(picture web1)" "$p1" "and nothing changed"

# ---- a failing maintainer script, after files were replaced
touch "$V/web2/etc/refuse"
p2=$(picture web2)
bad=$(mkdeb tool 3.0 "+usr/bin/tool=$(big 3)" "+usr/share/tool/third=$(big t)" "+etc/tool.conf=third" @conffiles=/etc/tool.conf \
	"@postinst=[ ! -e /etc/refuse ] || { useradd -r evil; rm /usr/bin/env; echo x >>/etc/passwd; exit 1; }")
exits 2 "one fails, the others do not" vpkg ALL -- "$bad"
like "$out" 'web2 +undone' "it is reported as undone"
is "$(vserver web1 exec dpkg-query -W -f '${Version}' tool)" 3.0 "the other one has it"
is "$(diff <(echo "$p2") <(picture web2))" "" "the vserver is as before, every path and byte"
ok "dpkg --audit is silent there" vserver web2 exec dpkg --audit
is "$out" "" "really"
exits 3 "a failing %post, which rpm itself would not tell" vpkg rpm1 -- "$(ls "$MINI"/odd/mini-broken-1.1*.rpm)"
like "$out" 'rpm1 +undone' "is undone"

# ---- scripts that ask
exits 0 "a script that reads its standard input does not block" \
	vpkg web1 -- "$(mkdeb asks 1 '@postinst=read answer; [ -z "$answer" ]; ! [ -t 0 ]')"
svc=$(mkdeb svc 1 "@postinst=invoke-rc.d x start; /usr/sbin/invoke-rc.d x start; sleep 1000.$$ & exit 0")
exits 0 "a script that starts services" vpkg web1 -- "$svc"
is "$(pgrep -fx "sleep 1000.$$")" "" "leaves no process"

# ---- interrupted
rm "$V/web2/etc/refuse"
slow=$(mkdeb tool 4.0 "+usr/bin/tool=$(big 4)" "@postinst=touch /started; sleep 300.$$")
p2=$(picture web2)
for signal in INT KILL; do
	vpkg web2 -- "$slow" >"$TMP/log" 2>&1 &
	pid=$!
	for _ in $(seq 300); do [ -e "$V/web2/started" ] && break; sleep 0.1; done
	ok "the transaction is in its middle ($signal)" test -e "$V/web2/started"
	kill -$signal $pid
	wait $pid 2>/dev/null
	for _ in $(seq 100); do pgrep -fx "sleep 300.$$" >/dev/null || break; sleep 0.1; done
	is "$(pgrep -fx "sleep 300.$$")" "" "no process outlives it ($signal)"
	exits 0 "vpkg recover" vpkg recover
	is "$(diff <(echo "$p2") <(picture web2))" "" "the vserver is as before ($signal)"
	is "$(leftovers)" "" "nothing is left behind ($signal)"
done

# ---- a full disk, busy, bad files
exits 1 "no packages" vpkg ALL --
exits 1 "no such vserver" vpkg wbe1 -- "$v2"
like "$err" 'web1' "suggests the nearest"
exits 1 "no such file" vpkg ALL -- "$TMP/none.deb"
one_line "$err" "in one line"
(flock 9 && exec sleep 60) 9>>"$VPKG_SYSROOT/run/vservers/web1/lock" &
sleep 0.3
exits 75 "a busy vserver" vpkg web1 -- "$v2"
one_line "$err" "in one line"
kill $! && wait $! 2>/dev/null
for v in web1 web2 rpm1; do ok "delete $v" vserver $v delete --yes; done
is "$(leftovers)" "" "nothing is left behind"
done_testing
