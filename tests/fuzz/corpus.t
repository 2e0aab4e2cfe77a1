#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every fuzz target on every file of its corpus, tests/fuzz/corpus/NAME, then some seconds of new inputs. What it finds is
# left in build/fuzz/found: add it to the corpus with the repair.
. "$(dirname "$0")/../lib/tap.sh"
seconds=${FUZZ_SECONDS:-5}
export UBSAN_OPTIONS=print_stacktrace=1
for source in tests/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	target=$BUILD/$name
	name=${name#fuzz_}
	corpus=tests/fuzz/corpus/$name
	if ! ok "$name was built" test -x "$target"; then continue; fi
	ok "$name has a corpus" test -n "$(ls -A "$corpus" 2>/dev/null)"
	mkdir -p "$BUILD/found"
	ok "$name: $(ls "$corpus" | wc -l) known inputs" "$target" -runs=1 -artifact_prefix="$BUILD/found/" "$corpus"/*
	mkdir "$TMP/$name"
	cp "$corpus"/* "$TMP/$name"
	ok "$name: $seconds s of new inputs" "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 \
		-artifact_prefix="$BUILD/found/" "$TMP/$name"
done
done_testing
