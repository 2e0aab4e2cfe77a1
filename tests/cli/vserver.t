#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vserver's command line: what it refuses, with one line and a status each, before it touches anything.
. "$(dirname "$0")/../lib/tap.sh"

mkdir -p "$VPKG_SYSROOT/etc/vservers"
: >"$VPKG_SYSROOT/etc/vservers/web1.conf"
before=$(find "$VPKG_SYSROOT" | sort)

refused() { # STATUS REGEX DESC ARG…
	local want=$1 regex=$2 desc=$3
	shift 3
	exits "$want" "$desc: status $want" vserver "$@"
	one_line "$err" "$desc: one line"
	like "$err" "$regex" "$desc: says what"
	is "$out" "" "$desc: nothing on standard output"
}

exits 0 "--help" vserver --help
like "$out" "^Usage:" "--help begins with the usage"
echo "$out" >"$TMP/help"
for verb in exec status delete; do
	ok "--help names $verb" grep -qE "^ *vserver .*\<$verb\>" "$TMP/help"
done
for verb in start stop enter; do
	not_ok "--help does not offer $verb" grep -qE "^ *vserver .*\<$verb\>" "$TMP/help"
done

refused 1 "no vserver named" "no argument"
refused 1 "no vserver named" "only --silent" --silent
refused 1 "no verb" "no verb" web1
refused 1 "unknown option --hlep; did you mean --help\?" "unknown option" --hlep
refused 1 "unknown verb exce; did you mean exec\?" "a slip" web1 exce true
refused 1 "unknown verb stats; did you mean status\?" "another" --silent web1 stats
refused 1 "unknown verb start; did you mean status\?|unknown verb start; there are" "a verb of later versions" web1 start
refused 1 "unknown verb enter; there are exec, status, delete" "another one" web1 enter
refused 1 "is a word of" "a verb in the place of NAME" exec web1
refused 1 "only letters" "a slash in NAME" web1/x status
refused 1 "must begin" "a leading dot" .web status
refused 1 "x1b" "an escape sequence is shown, not sent" $'\e[31m' status
unlike "$err" $'\e' "… indeed"
refused 1 "no vserver web2: .*did you mean web1\?" "exec in a vserver that does not exist" web2 exec true
refused 1 "exec needs a command" "exec without a command" web1 exec
refused 1 "no vserver web2" "delete of a vserver that does not exist" web2 delete --yes
refused 1 "delete has no option --force" "an option that delete does not have" web1 delete --force
refused 1 "status takes no argument" "an argument for status" web1 status now
refused 5 "no vserver web9: .*web9.conf does not exist" "status of a vserver that does not exist" web9 status
echo 'UIDMAP=$(id)' >"$VPKG_SYSROOT/etc/vservers/bad.conf"
refused 1 "bad.conf:1: " "status with a broken configuration" bad status
refused 1 "bad.conf:1: " "exec with a broken configuration" bad exec true
rm "$VPKG_SYSROOT/etc/vservers/bad.conf"
is "$(find "$VPKG_SYSROOT" | sort)" "$before" "nothing came to be"

# As another user, where this checkout can be read by one.
if [ "$(id -u)" = 0 ]; then
	as_user() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
	chmod 755 "$TMP" "$VPKG_SYSROOT"
else
	as_user() { "$@"; }
fi
if as_user vserver --help >/dev/null 2>&1; then
	exits 1 "exec needs root" as_user vserver web1 exec true
	one_line "$err" "… one line"
	like "$err" "only root.*run this as root" "… says so"
	exits 1 "delete needs root" as_user vserver web1 delete --yes
	like "$err" "only root" "… says so"
	is "$(find "$VPKG_SYSROOT" | sort)" "$before" "nothing came to be"
fi
done_testing
