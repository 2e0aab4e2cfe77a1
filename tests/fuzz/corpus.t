#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every fuzz target on every file of its corpus, tests/fuzz/corpus/NAME, then some seconds of new inputs, as many targets at
# a time as there are processors. What it finds is left in build/fuzz/found: add it to the corpus with the repair.
. "$(dirname "$0")/../lib/tap.sh"
seconds=${FUZZ_SECONDS:-5}
at_once=$(nproc)
names=()
export UBSAN_OPTIONS=print_stacktrace=1
mkdir -p "$BUILD/found"
for source in tests/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	target=$BUILD/$name
	name=${name#fuzz_}
	corpus=tests/fuzz/corpus/$name
	if ! ok "$name was built" test -x "$target"; then continue; fi
	ok "$name has a corpus" test -n "$(ls -A "$corpus" 2>/dev/null)"
	ok "$name: $(ls "$corpus" | wc -l) known inputs" "$target" -runs=1 -artifact_prefix="$BUILD/found/" "$corpus"/*
	names+=("$name")
done

finished() { # PID NAME
	wait "$1" && return
	tail -n 20 "$TMP/$2.log"
	return 1
}
for ((i = 0; i < ${#names[@]}; i += at_once)); do
	part=("${names[@]:i:at_once}") pids=()
	for name in "${part[@]}"; do
		mkdir "$TMP/$name"
		cp "tests/fuzz/corpus/$name"/* "$TMP/$name"
		"$BUILD/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 \
			-artifact_prefix="$BUILD/found/" "$TMP/$name" >"$TMP/$name.log" 2>&1 </dev/null &
		pids+=($!)
	done
	for j in "${!part[@]}"; do
		ok "${part[j]}: $seconds s of new inputs" finished "${pids[j]}" "${part[j]}"
	done
done
done_testing
