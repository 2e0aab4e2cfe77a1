#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The manual pages tell the truth: each program has one, --help says the same, every option that a program reads is in its
# page, and every option of the page is read by the program.
. "$(dirname "$0")/../lib/tap.sh"

for main in */main_*.c; do
	prog=$(basename "$main" .c)
	prog=${prog#main_}
	prog=${prog//+/-}
	page=man/$prog.8.scd
	ok "$prog has a manual page" test -f "$page" || continue
	ok "$prog --help" "$BIN/$prog" --help
	like "$out" "^Usage:"$'\n'"  $prog" "… is its synopsis"
	is "$err" "" "… says nothing else"

	# What the sources of the program compare or hand to getopt_long.
	sources=$main
	[ "$prog" != vpkg ] || sources="$main vpkg/cmd_*.c"
	# shellcheck disable=SC2086
	read_by=$(cat $sources | grep -oE '"(--)?[a-z][a-z-]+", *(no|required|optional)_argument|"--[a-z][a-z-]+"' |
		sed -E 's/^"(--)?//; s/".*//' | grep -vx help | sort -u)
	in_page=$(grep -oE -- '--[a-z][a-z-]+' "$page" | sed 's/^--//' | grep -vx help | sort -u)
	is "$in_page" "$read_by" "$prog reads the options of its page, and no others"

	# Verbs of the table in the program.
	verbs=$(sed -nE 's/^[ \t]*\{ ?"([a-z]+)", (cmd|verb)_[a-z]+ ?\},?$/\1/p' "$main" | sort -u)
	[ -z "$verbs" ] || is "$(sed -n '/^# VERBS/,/^# [A-UW-Z]/p' "$page" | sed -nE 's/^\*([a-z]+)\*.*/\1/p' | sort -u)" "$verbs" \
		"$prog has the verbs of its page, and no others"
done
done_testing
