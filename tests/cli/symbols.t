#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# No function of ours has the name of one in a library that we use: the linker would hand ours to that library without a word.
# And no two rooms define the same name.
. "$(dirname "$0")/../lib/tap.sh"
need_cmd nm ldd

nm -g --defined-only "$BUILD"/lib*.a 2>/dev/null | awk 'NF == 3 { print $3 }' | grep -v '^__' | sort >"$TMP/all"
sort -u "$TMP/all" >"$TMP/ours"
ok "the rooms define functions" test -s "$TMP/ours"
is "$(uniq -d "$TMP/all")" "" "no name is defined twice"

for prog in "$BIN"/*; do
	ldd "$prog" | awk '$3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }'
done | sort -u >"$TMP/libraries"
while read -r library; do
	[[ $library == *san.so* ]] || nm -D --defined-only "$library" | awk -v l="${library##*/}" '{ sub(/@.*/, "", $3); print $3, l }'
done <"$TMP/libraries" | sort -u >"$TMP/theirs"
ok "the libraries define functions" test -s "$TMP/theirs"
is "$(join "$TMP/ours" "$TMP/theirs")" "" "none of ours has the name of one in a library"
done_testing
