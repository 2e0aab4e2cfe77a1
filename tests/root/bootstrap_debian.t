#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vpkg bootstrap of Debian 11, 12 and 13 from a real mirror: the tree satisfies its own dpkg and apt, has an identity of its
# own, and equals debootstrap's of the same packages but for tests/data/debootstrap-differences.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need_cmd debootstrap perl
private_mounts "$@"
own_disk
VS=$VPKG_SYSROOT/vservers
EXPLAINED=$TOP/tests/data/debootstrap-differences
: >"$TMP/used"

in_order() { # NAME: dpkg has nothing to say against it
	ok "$1: dpkg --audit" vserver "$1" exec dpkg --audit
	is "$out" "" "$1: dpkg --audit is silent"
	ok "$1: dpkg --verify" vserver "$1" exec dpkg --verify
	is "$out" "" "$1: dpkg --verify is silent"
	is "$(find "$VS/$1" -xdev -name '*.dpkg-*' ! -path '*/var/lib/dpkg/*' | head)" "" "$1: no half-configured file is left"
}

updates() { # NAME: apt works inside
	ok "$1: apt-get update" vserver "$1" exec apt-get update
	unlike "$out$err" '(^|'$'\n'')[WE]:' "$1: apt-get update has no warning"
}

# Most of this test's time is debootstrap's: its runs follow each other beside all that ours do.
declare -A peers=()
debootstrap_later() { # VERSION SUITE INCLUDE MIRROR
	(
		exec 9>"$TMP/debootstrap.lock"
		flock 9
		exec setsid env -u VPKG_SYSROOT debootstrap --variant=minbase ${3:+--include="$3"} "$2" "$TMP/debootstrap$1" "$4"
	) >"$TMP/debootstrap$1.log" 2>&1 </dev/null &
	peers[$1]=$!
	on_exit "kill -9 $! -$! 2>/dev/null"
}

releases='11:bullseye: 12:bookworm:usr-is-merged 13:trixie:'
for release in $releases; do
	IFS=: read -r v suite include <<<"$release"

	# ---- the definition: main, updates, security ------------------------------------------------------------------
	d=d$v
	ok "$d: vpkg bootstrap debian/$v" vpkg bootstrap "$d" "debian/$v" --ip "eth0:192.0.2.$v/24" --hostname "host$v" || continue
	mirror=$(awk -v s="$suite" '$1 == "deb" && $3 == s { print $2; exit }' "$VS/$d/etc/apt/sources.list")
	debootstrap_later "$v" "$suite" "$include" "$mirror"
	in_order "$d"
	updates "$d"
	run vserver "$d" exec apt-get --simulate dist-upgrade
	like "$out" "(^|"$'\n'")0 upgraded, 0 newly installed" "$d: security updates were in from the start"
	run vserver "$d" exec hostname
	is "$out" "host$v" "$d: host name inside"
	is "$(cat "$VS/$d/etc/hostname")" "host$v" "$d: /etc/hostname"
	like "$(cat "$VS/$d/etc/hosts")" "192.0.2.$v[[:space:]]host$v" "$d: /etc/hosts has its address"
	like "$(cat "$VS/$d/etc/machine-id")" '^[0-9a-f]{32}$' "$d: machine id"
	like "$(grep ^root: "$VS/$d/etc/shadow")" '^root:\*:' "$d: nobody can log in as root yet"
	like "$(cat "$VS/$d/etc/apt/sources.list")" "deb http[^ ]* $suite-security main" "$d: sources.list has the security suite"
	like "$(cat "$VPKG_SYSROOT/etc/vservers/$d.conf")" 'IPROOT="eth0:192.0.2' "$d: its configuration has the address"
	[ -L "$VS/$d/bin" ] && [ "$(readlink "$VS/$d/bin")" = usr/bin ] && pass "$d: /usr is merged" || fail "$d: /usr is merged"

	# ---- one suite, by hand: compared below, and not run before that ----------------------------------------------
	ok "c$v: vpkg bootstrap --family debian" vpkg bootstrap "c$v" --family debian --repo "$mirror" --suite "$suite" \
		--key "distros/keyrings/debian-$v.gpg" --include "$include"
done

# ---- a variant with services: what the tree's own dpkg installs ----------------------------------------------------------
before=$(ps -eo comm | grep -E '^(cron|sshd|systemd-logind)$' | sort)
ok "s12: --variant standard with another package" vpkg bootstrap s12 debian/12 --variant standard --include openssh-server
in_order s12
ok "s12: what was included is there" vserver s12 exec dpkg-query -W openssh-server cron nano
is "$(ps -eo comm | grep -E '^(cron|sshd|systemd-logind)$' | sort)" "$before" "s12: no service was started by it"
ok "s12: ssh host keys were made in it" test -s "$VS/s12/etc/ssh/ssh_host_ed25519_key"

# ---- names --------------------------------------------------------------------------------------------------------------
exits 1 "a name that is taken" vpkg bootstrap d12 debian/12
one_line "$err" "is refused in one line"
like "$err" "vserver d12 exists already" "that says so"
exits 1 "a package that is nowhere" vpkg bootstrap n12 debian/12 --include bsah
one_line "$err" "is refused in one line"
like "$err" "bsah" "that names it"
is "$(ls -A "$VS" | grep -c '^\.new')" 0 "no unfinished tree is left"

# ---- the same as debootstrap ---------------------------------------------------------------------------------------------
installed() { dpkg-query --admindir="$1/var/lib/dpkg" -W -f='${binary:Package} ${Version} ${db:Status-Status}\n' | sort; }
for release in $releases; do
	IFS=: read -r v suite include <<<"$release"
	c=c$v peer=$TMP/debootstrap$v
	[ -n "${peers[$v]:-}" ] && [ -d "$VS/$c" ] || continue # which was said above
	wait "${peers[$v]}" && pass "debootstrap $suite" || { fail "debootstrap $suite"; diag "$(tail "$TMP/debootstrap$v.log")"; continue; }
	is "$(installed "$VS/$c")" "$(installed "$peer")" "$c: the same packages as debootstrap's"
	ok "$c: trees could be compared" perl tests/lib/treediff.pl "$VS/$c" "$peer" "$EXPLAINED" "$TMP/used"
	is "$out" "" "$c: equals debootstrap's tree"
	in_order "$c"
	updates "$c"
done
is "$(awk '!/^#/ && NF { print $1 }' "$EXPLAINED" | grep -vxFf "$TMP/used")" "" "every explained difference was seen"
is "$(cat "$VS"/*/etc/machine-id | sort | uniq -d)" "" "no two have one machine id"

done_testing
