#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Bad input as users and mirrors give it: one clear line each, and nothing is changed. A mirror of real Debian packages,
# signed by a throw-away key, is served by a web server that lies in every way; bad package files go to a Debian and an
# RPM vserver; bootstraps are cut off by Ctrl-C and kill -9 at several moments.
. "$(dirname "$0")/../lib/tap.sh"
. "$TOP/tests/lib/fleet.sh"
. "$TOP/tests/lib/httpd.sh"
need_root
need_cmd gpg perl dpkg-deb dpkg-scanpackages setpriv setsid rpmbuild createrepo_c
private_mounts "$@"
own_disk
VS=$VPKG_SYSROOT/vservers

# ---- what there is to spoil -----------------------------------------------------------------------------------------
ok "bootstrap of a Debian vserver" vpkg bootstrap d1 debian/12
MINI=$(mini) && ok "bootstrap of an RPM vserver" vpkg bootstrap m1 "$MINI/mini-1.conf" || done_testing

# Its packages, out of the cache, are the mirror.
M=$TMP/mirror
mkdir -p "$M/pool" "$M/dists/test/main/binary-amd64"
for f in "$VPKG_SYSROOT"/var/cache/vpkg/objects/*/*; do
	! head -c 7 "$f" | grep -qa '!<arch>' || ln "$f" "$M/pool/$(dpkg-deb -f "$f" Package).deb"
done
(cd "$M" && dpkg-scanpackages pool >dists/test/main/binary-amd64/Packages 2>"$TMP/scan.log")
gpg_as() { gpg --homedir "$TMP/gnupg" --batch --quiet --yes --no-tty --pinentry-mode loopback --passphrase '' "$@" 2>>"$TMP/gpg.log"; }
mkdir -m 700 "$TMP/gnupg"
on_exit 'gpgconf --homedir "$TMP/gnupg" --kill all'
for who in mirror stranger; do gpg_as --quick-gen-key "$who@example.org" rsa2048 sign never; done
gpg_as --export mirror@example.org >"$TMP/mirror.gpg"
sign() { # KEY [FIELD: VALUE]…: makes InRelease anew
	local d=$M/dists/test p=main/binary-amd64/Packages key=$1
	shift
	rm -f "$d"/*Release*
	{
		printf 'Suite: test\nCodename: test\nArchitectures: amd64\nComponents: main\n'
		printf '%s\n' "$@" | grep .
		[[ "$*" == *Date:* ]] || echo "Date: $(date -uR -d '1 hour ago')"
		printf 'SHA256:\n %s %s %s\n' "$(sha256sum <"$d/$p" | cut -d' ' -f1)" "$(stat -c %s "$d/$p")" "$p"
	} >"$d/Release"
	gpg_as -u "$key@example.org" --clearsign -o "$d/InRelease" "$d/Release"
}
sign mirror
httpd_start "$M"
definition() { # URL
	printf '%s\n' '[distro]' 'name = test/1' 'family = debian' 'arch = amd64' '[repo main]' 'type = deb' "url = $1" \
		'suite = test' "keyring = $TMP/mirror.gpg" '[packages]' 'minimal = apt' '[quirks]' 'merged-usr = yes'
}
definition "$URL" >"$TMP/test.conf"
forget() { rm -rf "$VPKG_SYSROOT/var/cache/vpkg"; }

# ---- checks ---------------------------------------------------------------------------------------------------------
# Where no new tree, configuration, journal or temporary directory may appear. Changed files inside a tree: stamps.
places() { (cd "$VPKG_SYSROOT" && find vservers etc run var -maxdepth 3 ! -path 'vservers/*/*' ! -path 'run/*' ! -path 'var/cache/*' ! -path 'var/log/*' -printf '%p %y\n' | sort); }
stamps() { find "$VS/$1" -xdev -printf '%P %y %m %U:%G %s %C@ %i %l\n' | sort; }
says() { # STATUS DESC REGEX: of the last run
	is "$status" "$1" "$2: exit status $1"
	one_line "$err" "$2: one line"
	like "$err" "^v[a-z]+: .*$3" "$2: says so"
}
# Its file system and path there, as every namespace's mountinfo has them: other tests have vservers of that name too.
mine() { # NAME: processes that see its unfinished tree, mounts of it
	local at
	at=$(findmnt -rno MAJ:MIN,FSROOT,TARGET -T "$VS" | tail -n 1 | awk -v p="$VS" '{ sub("/$", "", $2); sub("/$", "", $3); print $1, $2 substr(p, length($3) + 1) }')
	grep -lsE " $at/\.new-$1[/ ]" /proc/[0-9]*/mountinfo | grep -v -e "/proc/self/" -e "/proc/$$/"
	grep -E " $VS/\.new-$1[/ ]" /proc/self/mountinfo
}
clean() { # NAME DESC
	is "$(places)" "$before" "$2: nothing is left"
	is "$(mine "$1")" '' "$2: no process or mount of it either"
}
spoiled() { # DESC REGEX [RULE]…: the mirror does that
	local desc=$1 regex=$2
	shift 2
	httpd_rules "$@"
	run vpkg bootstrap -q web1 "$TMP/test.conf"
	says 1 "$desc" "$regex"
	is "$(diff <(echo "$before") <(places))" '' "$desc: nothing is left"
}
before=$(places)

# ---- the mirror -----------------------------------------------------------------------------------------------------
forget
sed "s|^url = .*|url = http://127.0.0.1:1/debian|" "$TMP/test.conf" >"$TMP/dead.conf"
run vpkg bootstrap -q web1 "$TMP/dead.conf"
says 1 "mirror unreachable" 'InRelease.*(connect|refused).*http://127.0.0.1:1/debian/dists/test/InRelease'
spoiled "connections dropped" "InRelease.*$URL/" '. drop'
spoiled "server error" "the server answers 503.*$URL/" '. status 503'
spoiled "redirects in a circle" "redirect.*$URL/" ". redirect $URL/dists/test/InRelease"
spoiled "no such suite" "dists/test has neither InRelease nor Release: is test a suite" 'Release status 404'
spoiled "a page instead of InRelease" "InRelease: is not a signed text" "InRelease page $TOP/README.md"
spoiled "InRelease cut off" "InRelease: truncated" 'InRelease cut 300'
spoiled "InRelease short" "InRelease: is not a signed text" 'InRelease short 700'
spoiled "InRelease changed" "InRelease: its signature is wrong: it was changed" 'InRelease corrupt 120'
spoiled "Packages cut off" "Packages: truncated" 'Packages cut 5000'
spoiled "Packages short" "Packages: truncated: 5000 bytes instead of" 'Packages short 5000'
spoiled "Packages changed" "Packages: wrong SHA-256" 'Packages corrupt 4000'
spoiled "Packages missing" "Packages: not found: $URL/" 'Packages status 404'
forget
spoiled "a package cut off" "bash.deb: truncated.*$URL/pool/bash.deb" 'bash.deb cut 70000'
forget
spoiled "a package short" "dpkg.deb: truncated: 70000 bytes instead of.*$URL/" 'dpkg.deb short 70000'
forget
spoiled "a package changed" "sed.deb: wrong SHA-256.*$URL/pool/sed.deb" 'sed.deb corrupt 9000'
forget
spoiled "a package missing" "grep.deb: not found: $URL/pool/grep.deb" 'grep.deb status 404'
httpd_rules

resigned() { # DESC REGEX KEY [FIELD]…
	local desc=$1 regex=$2
	shift 2
	sign "$@"
	spoiled "$desc" "$regex"
}
resigned "signed by a stranger" "InRelease: signed by key [0-9A-F]{16}, which is not in .*mirror.gpg" stranger
resigned "expired Release" "InRelease expired on 2020-01-08: the mirror is out of date, use another" mirror \
	'Date: Wed, 01 Jan 2020 00:00:00 UTC' 'Valid-Until: Wed, 08 Jan 2020 00:00:00 UTC'
resigned "a date in the future" "dated 20[0-9-]+, in the future: is the clock right" mirror "Date: $(date -uR -d '9 days')"
sign mirror
rm "$M/dists/test/InRelease"
spoiled "unsigned Release" "Release has no signature .neither InRelease nor Release.gpg"
gpg_as -u stranger@example.org --detach-sign --armor -o "$M/dists/test/Release.gpg" "$M/dists/test/Release"
spoiled "Release.gpg by a stranger" "Release: signed by key [0-9A-F]{16}, which is not in"
rm -f "$M"/dists/test/*Release*
sign mirror
sed "s|^suite = .*|suite = other|" "$TMP/test.conf" >"$TMP/other.conf"
cp -r "$M/dists/test" "$M/dists/other"
run vpkg bootstrap -q web1 "$TMP/other.conf"
says 1 "another suite's Release" "is of suite test .test., not of other"
: >"$TMP/empty.gpg"
sed "s|^keyring = .*|keyring = $TMP/empty.gpg|" "$TMP/test.conf" >"$TMP/nokey.conf"
run vpkg bootstrap -q web1 "$TMP/nokey.conf"
says 1 "an empty keyring" "empty.gpg"

forget
httpd_rules 'bash.deb once cut 70000' 'sed.deb once drop' 'grep.deb once status 503' 'tar.deb once corrupt 999'
ok "each of these once, and the bootstrap tries again" vpkg bootstrap -q web1 "$TMP/test.conf"
is "$(vserver web1 exec dpkg --audit 2>&1)" '' "… and the tree is whole"
vserver web1 delete --yes >/dev/null 2>&1
forget

# ---- names, and who may ---------------------------------------------------------------------------------------------
httpd_rules
run vpkg bootstrap -q d1 "$TMP/test.conf"
says 1 "name taken" "vserver d1 exists already.*vserver d1 delete --yes"
echo 'VPKG=no' >"$VPKG_SYSROOT/etc/vservers/half.conf"
run vpkg bootstrap -q half "$TMP/test.conf"
says 1 "name of a configuration without a tree" "half.conf exists"
rm "$VPKG_SYSROOT/etc/vservers/half.conf"
is "$(wc -l <"$HTTPD/log")" 0 "neither asked the mirror for anything"
chmod 755 "$TMP" "$VPKG_SYSROOT"
pkg=$(mkdeb tiny 1 +usr/share/tiny/file=x)
as_nobody() {
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$BIN/$1" "${@:2}"
	says 1 "not root: $*" 'root'
}
as_nobody vpkg d1 -- "$pkg"
as_nobody vpkg bootstrap web1 debian/12
as_nobody vpkg status
as_nobody vpkg recover
as_nobody vserver d1 exec id
as_nobody vserver d1 delete --yes
as_nobody vunify ALL
as_nobody vdu ALL

# ---- files that are no packages -------------------------------------------------------------------------------------
# Refused: one line, and no inode of the tree was touched. Else a plan that was carried out, or the reason why not.
declare -A seen=()
given() { # VSERVER FILE WANT: refused, any
	local v=$1 what="$1 ${2##*/}" now
	[ -n "${seen[$v]:-}" ] || seen[$v]=$(stamps "$v")
	run vpkg -q "$v" -- "$2"
	case $status in
	1) one_line "$err" "$what: one line" && like "$err" "^vpkg: .*${2##*/}: .{9}" "$what: of it" ;;
	0 | 3) like "$out" "$v +(ok|skipped|failed|undone) +[a-zA-Z].{5}" "$what: $(sed -n "s/^$v *//p" <<<"$out" | cut -c1-90)" ;;
	*) fail "$what: exit status $status" && tap_show vpkg ;;
	esac
	[ "$3" != refused ] || is "$status" 1 "$what: refused"
	now=$(stamps "$v")
	[ "$status" = 0 ] && [[ $out != *skipped* ]] || is "$(diff <(echo "${seen[$v]}") <(echo "$now"))" '' "$what: the tree is untouched"
	seen[$v]=$now
}
deb=$(mkdeb cutme 1 "+usr/share/cutme/file=$(head -c 30000 /dev/urandom | base64)")
rpm=$(ls "$MINI"/updates/mini-tools-1.1*.rpm)
for f in "$deb" "$rpm"; do
	size=$(stat -c %s "$f") v=d1
	[ "${f##*.}" = deb ] || v=m1
	for n in 1 7 60 100 700 $((size / 2)) $((size - 1)); do
		cut=$TMP/pkgs/cut-$n.${f##*.}
		head -c "$n" "$f" >"$cut"
		given "$v" "$cut" refused
	done
	flipped=$TMP/pkgs/flipped.${f##*.}
	cp "$f" "$flipped"
	perl -e 'open F, "+<", $ARGV[0]; seek F, $ARGV[1], 0; read F, $b, 1; seek F, $ARGV[1], 0; print F ~$b' "$flipped" $((size * 3 / 4))
	given "$v" "$flipped" refused
done
echo 'hello' >"$TMP/pkgs/text.deb"
for f in text.deb none.deb; do given d1 "$TMP/pkgs/$f" refused; done
given d1 "$TMP/pkgs" refused
mkfifo "$TMP/pkgs/fifo.deb"
given d1 "$TMP/pkgs/fifo.deb" refused
run vpkg -q ALL -- "$pkg" "$TMP/pkgs/text.deb"
says 1 "a good package beside a bad one" "text.deb: not a package"
is "$(vserver d1 exec dpkg-query -W -f '${Package}' tiny 2>/dev/null)" '' "… and the good one was not installed"

DATA=$TOP/../shared/testdata
if [ -d "$DATA" ]; then
	for f in "$DATA"/rpms/bad/* "$DATA"/debs/*; do
		case ${f##*/} in
		*.cpio | *.key | no.rpm | not-a-rpm.rpm | zero-byte.rpm | *-corrupted.rpm | unsigned_broken*.rpm | quine_*.deb) want=refused ;;
		*) want=any ;;
		esac
		for v in d1 m1; do given $v "$f" $want; done
	done
else
	VPKG_MUST_RUN='' skip 'bad packages of ../shared/testdata: that folder is absent'
fi

# ---- cut off --------------------------------------------------------------------------------------------------------
before=$(places)
# Waits until CMD is true, at most 20 s.
until_true() {
	local _
	for _ in $(seq 400); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.05
	done
	return 1
}
unpacking() { [ -e "$VS/.new-web1/usr/share/doc" ] && ! configuring; }
configuring() { grep -q '^== dpkg --configure' "$VPKG_SYSROOT/var/log/vpkg/bootstrap-web1.log"; }
gone() { [ -z "$(mine web1)" ]; }
not_gone() { ! gone; }
cut_off() { # SIGNAL MOMENT DESC
	rm -f "$VPKG_SYSROOT/var/log/vpkg/bootstrap-web1.log"
	setsid "$BIN/vpkg" bootstrap -q web1 "$TMP/test.conf" >"$TMP/.out" 2>"$TMP/.err" </dev/null &
	local pid=$!
	until_true $2 || diag "the moment never came"
	[ "$2" != configuring ] || ok "control: at: $2 there are processes that see it" until_true not_gone
	if [ "$1" = INT ]; then kill -INT -- -$pid; else kill -9 $pid; fi # Ctrl-C goes to the whole group
	{ wait $pid; } 2>/dev/null
	local code=$? text
	text=$(cat "$TMP/.err")
	[ ! -e "$VS/web1" ] && pass "$3: no tree under the final name" || fail "$3: no tree under the final name"
	ok "$3: its processes end and its mounts go" until_true gone
	status=$code err=$text
	[ "$1" != INT ] || { says 130 "$3" 'interrupted' && is "$(places)" "$before" "$3: nothing is left"; }
}
asked() { grep -q bash.deb "$HTTPD/log"; }
for moment in asked unpacking configuring; do
	[ "$moment" != asked ] && httpd_rules || { forget; httpd_rules 'bash.deb stall 5000'; }
	cut_off INT "$moment" "Ctrl-C at: $moment"
	cut_off KILL "$moment" "kill -9 at: $moment"
	[ "$moment" != asked ] || { httpd_rules; vpkg bootstrap -q warm "$TMP/test.conf" && vserver warm delete --yes; } >/dev/null 2>&1
done
run vpkg bootstrap -q web1 "$TMP/test.conf"
is "$status $err" '0 ' "the next run works"
is "$(vserver web1 exec dpkg --audit 2>&1)" '' "… and makes a whole tree"
vserver web1 delete --yes >/dev/null 2>&1
is "$(places)" "$before" "… and removes what was left"
is "$(ls -A "$VPKG_SYSROOT/var/cache/vpkg/tmp")" '' "… in the cache too"
done_testing
