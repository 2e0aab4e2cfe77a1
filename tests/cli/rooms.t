#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The shape of the project: dependencies between rooms go one way and through public headers only; every file says its
# licence; no file names a package registry or a place on some developer's machine.
. "$(dirname "$0")/../lib/tap.sh"

rooms=(lib kernel vserver unify repo bootstrap vpkg)

if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	files() { git ls-files --cached --others --exclude-standard -- "$@"; }
else
	files() { find . -path ./build -prune -o -type f -print | sed 's|^\./||' | grep -E "${1:+^$1/}" || true; }
fi

# Includes of FILE, each as "line:path".
includes() { sed -n 's/^[ \t]*#[ \t]*include[ \t]*"\([^"]*\)".*/\1/p' "$1" | nl -ba -s: | tr -d ' '; }

before=' '
for room in "${rooms[@]}"; do
	bad=''
	n=0
	while read -r file; do
		case $file in
		*.[ch]) ;;
		*) continue ;;
		esac
		[ -f "$file" ] || continue
		n=$((n + 1))
		while IFS=: read -r _ path; do
			dir=${path%%/*}
			case $path in
			"$room"/* | help/*) continue ;; # its own; made from the manual page
			"$dir/$dir.h") [[ $before == *" $dir "* ]] && continue ;;
			esac
			bad+="$file includes $path"$'\n'
		done < <(includes "$file")
	done < <(files "$room")
	is "$bad" "" "$room/ ($n files) includes its own headers and the public ones of the rooms before it, no others"
	before+="$room "
done

bad=''
for room in "${rooms[@]}"; do
	[ ! -d "$room" ] || [ -f "$room/$room.h" ] || bad+="$room/$room.h is missing"$'\n'
done
is "$bad" "" "every room has its public header"

# Licences. Left out: the licence itself, keys, and data that a comment would change or that has no comments.
without=''
while read -r file; do
	case $file in
	COPYING | LICENSE* | *.gpg | *.pgp | *.asc | *.json | *.patch | .gitignore | .clang-format) continue ;;
	tests/fuzz/corpus/* | tests/*/data/* | tests/golden/*) continue ;;
	esac
	[ -f "$file" ] && [ ! -L "$file" ] || continue
	head -n 3 "$file" | tr -d '\0' | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' || without+="$file"$'\n'
done < <(files)
is "$without" "" "every file has its SPDX line among its first three"

# Names of hosts that only this machine or its owner should care about. Debian's own archive is what definitions name; the
# host's mirror is read from /etc/apt at run time. The patterns are written so that they do not find this file.
own=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
	grep -oE '(https?|ftp)://[^/ ]+' | sed -E 's|.*://||; s|^[^@]*@||; s|:[0-9]+$||' | sort -u |
	grep -vE '^(ftp|security|archive)[.]debian[.]org$' | sed 's/[.]/[.]/g' | paste -sd'|')
hosts='deb[.]debian[.]org|pypi[.]org|files[.]pythonhosted[.]org|registry[.]npmjs[.]org|crates[.]io|proxy[.]golang[.]org'
hosts+='|rubygems[.]org|hub[.]docker[.]com|quay[.]io|ghcr[.]io'
[ -z "$own" ] || hosts+="|$own"
named=$(files | while read -r f; do [ -f "$f" ] && printf '%s\0' "$f"; done | xargs -0 grep -nIE "(^|[^A-Za-z0-9-])($hosts)" || true)
is "$named" "" "no file names a package registry"

places=$(files | while read -r f; do [ -f "$f" ] && printf '%s\0' "$f"; done |
	xargs -0 grep -nIE '(^|[^A-Za-z0-9._/-])/(work[/]|home[/][a-z])' || true)
is "$places" "" "no file names a place of one machine"

# Functions that this project does without.
calls=$(files | grep -E '\.[ch]$' | while read -r f; do [ -f "$f" ] && printf '%s\0' "$f"; done |
	xargs -0 grep -nE '(^|[^A-Za-z0-9_])(system|popen|sprintf|vsprintf|strcpy|strcat|realpath|gets|tmpnam|mktemp)[ ]?\(' |
	grep -vE '^[^:]*:[0-9]+:[ \t]*(/?\*|//)' || true)
is "$calls" "" "no file calls system, popen, sprintf, strcpy, strcat, realpath or their kind"

long=$(files "${rooms[@]}" | grep -E '\.[ch]$' | while read -r f; do
	[ -f "$f" ] || continue
	n=$(wc -l <"$f")
	[ "$n" -le 450 ] || echo "$f: $n lines"
done)
is "$long" "" "no file of a room is longer than 450 lines"

done_testing
