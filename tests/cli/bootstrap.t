#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vpkg bootstrap: what a wrong command line gets: one line that says what to write instead, exit 1, and nothing made.

. "$(dirname "$0")/../lib/tap.sh"

refused() { # DESC REGEX ARG…
	local desc=$1 regex=$2
	shift 2
	run vpkg bootstrap "$@"
	is "$status" 1 "$desc: exit status 1"
	one_line "$err" "$desc: one line"
	like "$err" "^vpkg: .*$regex" "$desc: says so"
	is "$out" "" "$desc: nothing on standard output"
}

refused "no arguments" "NAME DISTRO"
refused "a name alone" "--list shows all" web1
refused "three words" "one word too many: extra" web1 debian/12 extra
refused "unknown option" "unknown option --varient.*did you mean --variant" web1 debian/12 --varient minimal
refused "unknown option far from all" "unknown option --zzzzzzzzz" web1 debian/12 --zzzzzzzzz
refused "option without its value" "option --ip needs a value" web1 debian/12 --ip
refused "unknown distribution" "unknown distribution 'debian/21'.*did you mean debian/1[123]" web1 debian/21
refused "unknown distribution by codename" "did you mean bookworm" web1 bokworm
refused "nothing near" "unknown distribution 'qqqqqqqq' .vpkg bootstrap --list" web1 qqqqqqqq
refused "distribution in capitals" "did you mean debian/12" web1 Debian/12
refused "name with a slash" "cannot be a vserver's name" a/b debian/12
refused "name that leads out" "cannot be a vserver's name" ../x debian/12
refused "name with a leading dot" "must begin with a letter or digit" .web debian/12
refused "empty name" "cannot be empty" "" debian/12
refused "a verb's name" "is a word of" upgrade debian/12
refused "ALL" "is a word of" ALL debian/12
refused "variant" "unknown variant 'standart', did you mean standard" web1 debian/12 --variant standart
refused "address" "is no address" web1 debian/12 --ip eth0
refused "network length" "the length of the network" web1 debian/12 --ip eth0:192.0.2.11/33
refused "host name" "is no host name" web1 debian/12 --hostname 'a b'
refused "distribution and repository" "leave out either" web1 debian/12 --repo http://a.example/
refused "key for a distribution" "go with --repo only" web1 debian/12 --key "$TMP/key"
refused "family without repository" "belong together" web1 --family debian
refused "repository without family" "belong together" web1 --repo http://a.example/
refused "nobody signs" "--key FILE, or accept unsigned" web1 --family debian --suite one --repo http://a.example/
refused "key and no signatures" "contradict" web1 --family debian --suite one --repo http://a.example/ --key "$TMP/k" --no-signatures
refused "missing key file" "--key .*/nokey: No such file" web1 --family debian --suite one --repo http://a.example/ --key "$TMP/nokey"
refused "Debian without suite" "needs its --suite" web1 --family debian --repo http://a.example/ --no-signatures
refused "family that is not built" "'mandrake' cannot be bootstrapped; debian and redhat can" web1 --family mandrake --repo /srv --no-signatures
refused "unknown family" "'gentoo' cannot be bootstrapped" web1 --family gentoo --repo /srv --no-signatures
refused "odd URL" "http, https and file URLs" web1 --family redhat --repo ftp://a.example/ --no-signatures
refused "missing directory" "No such file or directory" web1 --family redhat --repo "$TMP/none" --no-signatures
touch "$TMP/file"
refused "repository that is a file" "is no directory" web1 --family redhat --repo "$TMP/file" --no-signatures
printf '[distro]\nname = own/1\nfamly = debian\n' >"$TMP/own.conf"
refused "broken definition by path" "own.conf:3: unknown key 'famly'; is it 'family'" web1 "$TMP/own.conf"
mkdir -p "$VPKG_SYSROOT/etc/vpkg/distros"
cp "$TMP/own.conf" "$VPKG_SYSROOT/etc/vpkg/distros/own-1.conf"
refused "broken definition by name" "own-1.conf:3: unknown key" web1 own/1
rm -r "$VPKG_SYSROOT/etc"

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$TMP" "$TMP/root"
	run setpriv --reuid 65534 --clear-groups "$BIN/vpkg" bootstrap web1 debian/12
else
	run vpkg bootstrap web1 debian/12
fi
is "$status" 1 "not root: exit status 1"
one_line "$err" "not root: one line"
like "$err" "root" "not root: says so"

ok "--list" vpkg bootstrap --list
for v in 11 12 13; do
	like "$out" "debian/$v +debian +until 20" "--list has debian/$v"
done
ok "--help" vpkg bootstrap --help
like "$out" "vpkg bootstrap NAME DISTRO" "--help shows the synopsis"

is "$(find "$VPKG_SYSROOT" -mindepth 1)" "" "none of it made anything"

done_testing
