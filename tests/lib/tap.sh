# SPDX-License-Identifier: GPL-2.0-or-later
#
# TAP for the test scripts in tests/cli and tests/root. A script begins with
#
#	. "$(dirname "$0")/../lib/tap.sh"
#	need_root; need_cmd rpmbuild; private_mounts "$@"; own_disk	# each only where it is needed
#
# and then has: TOP (the checkout, the working directory), BIN (the built programs, first in PATH), TMP (an empty directory of
# this test, below build/tmp), VPKG_SYSROOT=$TMP/root (exported), TESTDATA (after need_testdata). Everything in TMP,
# mounts and sealed files included, is gone at the end, also after a signal.
#
#	ok DESC CMD…            CMD succeeds               run CMD…          sets $status, $out, $err (of one command)
#	not_ok DESC CMD…        CMD fails                  is GOT WANT DESC  two strings are equal
#	like TEXT REGEX DESC    extended regex matches     unlike TEXT REGEX DESC
#	exits CODE DESC CMD…    run CMD, and its status    one_line TEXT DESC  one line, as an error message must be
#	pass DESC, fail DESC, diag TEXT, skip REASON [N]
#	done_testing            the last line of every script (plan N at its begin, if you like to count)
#	on_exit CMD             runs CMD at the end (last one first)
#
# What a test cannot run without: must_have REASON CMD… (any command that probes), need_root, need_cmd NAME…, need_testdata
# [SUBDIR]. Missing, the whole script is skipped with that reason; under VPKG_MUST_RUN=1 it fails.

set -u
tap_self=$(readlink -f "$0")
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cd "$TOP" || exit 1
BUILD=$TOP/${VPKG_B:-build}
[[ ${VPKG_B:-} = /* ]] && BUILD=$VPKG_B
BIN=$BUILD/bin
PATH=$BIN:/usr/local/sbin:/usr/sbin:/sbin:$PATH
export LC_ALL=C.UTF-8
umask 022
tap_n=0 tap_failed=0 tap_plan='' tap_done='' tap_exits=()

diag() { printf '%s\n' "$*" | sed 's/^/# /'; }

tap_result() { # 0|1 DESC
	tap_n=$((tap_n + 1))
	local desc=${2//#/\\#}
	if [ "$1" = 0 ]; then
		echo "ok $tap_n - $desc"
	else
		echo "not ok $tap_n - $desc"
		tap_failed=$((tap_failed + 1))
		diag "at ${tap_self##*/} line ${BASH_LINENO[$((${#BASH_LINENO[@]} - 2))]}"
	fi
	return "$1"
}

pass() { tap_result 0 "$1"; }
fail() { tap_result 1 "$1"; }

run() {
	status=0
	"$@" >"$TMP/.out" 2>"$TMP/.err" </dev/null || status=$?
	out=$(tr -d '\0' <"$TMP/.out")
	err=$(tr -d '\0' <"$TMP/.err")
}

tap_show() {
	diag "command: $*"
	diag "status: $status"
	[ -z "$out" ] || diag "stdout: $(tail -n 20 <<<"$out")"
	[ -z "$err" ] || diag "stderr: $(tail -n 20 <<<"$err")"
}

ok() {
	local desc=$1
	shift
	run "$@"
	[ "$status" = 0 ] && { pass "$desc"; return; }
	fail "$desc"
	tap_show "$@"
	return 1
}

not_ok() {
	local desc=$1
	shift
	run "$@"
	[ "$status" != 0 ] && { pass "$desc"; return; }
	fail "$desc"
	tap_show "$@"
	return 1
}

exits() {
	local want=$1 desc=$2
	shift 2
	run "$@"
	[ "$status" = "$want" ] && { pass "$desc"; return; }
	fail "$desc"
	diag "wanted status: $want"
	tap_show "$@"
	return 1
}

is() {
	[ "$1" = "$2" ] && { pass "$3"; return; }
	fail "$3"
	diag "     got: $1"
	diag "expected: $2"
	return 1
}

like() {
	[[ $1 =~ $2 ]] && { pass "$3"; return; }
	fail "$3"
	diag "    text: $1"
	diag "no match: $2"
	return 1
}

unlike() {
	[[ ! $1 =~ $2 ]] && { pass "$3"; return; }
	fail "$3"
	diag "   text: $1"
	diag "matches: $2"
	return 1
}

one_line() {
	[ -n "$1" ] && [ "$(wc -l <<<"$1")" = 1 ] && { pass "$2"; return; }
	fail "$2"
	diag "not one line: $1"
	return 1
}

plan() {
	tap_plan=$1
	echo "1..$1"
}

done_testing() {
	[ -n "$tap_plan" ] || plan "$tap_n"
	[ "$tap_plan" = "$tap_n" ] || { diag "planned $tap_plan tests, ran $tap_n"; tap_failed=$((tap_failed + 1)); }
	tap_done=1
	[ "$tap_failed" = 0 ]
	exit $?
}

# A part of the script that cannot run: N tests at once.
skip() {
	local reason=$1 n=${2:-1}
	while [ "$n" -gt 0 ]; do
		tap_n=$((tap_n + 1))
		n=$((n - 1))
		if [ "${VPKG_MUST_RUN:-}" = 1 ]; then
			tap_failed=$((tap_failed + 1))
			echo "not ok $tap_n - must run here, but: $reason"
		else
			echo "ok $tap_n # SKIP $reason"
		fi
	done
}

skip_all() {
	tap_done=1
	if [ "${VPKG_MUST_RUN:-}" = 1 ]; then
		echo "1..1"
		echo "not ok 1 - must run here, but: $1"
		exit 1
	fi
	echo "1..0 # SKIP $1"
	exit 0
}

must_have() {
	local reason=$1
	shift
	"$@" >/dev/null 2>&1 </dev/null || skip_all "$reason"
}

need_root() { must_have "needs root" [ "$(id -u)" = 0 ]; }

need_cmd() {
	local c
	for c; do
		must_have "needs the program $c" command -v "$c"
	done
}

need_testdata() {
	TESTDATA=$TOP/../shared/testdata${1:+/$1}
	must_have "needs the test data ../shared/testdata${1:+/$1}" [ -d "$TESTDATA" ]
	TESTDATA=$(cd "$TESTDATA" && pwd -P)
}

# Starts the script again in a mount namespace of its own, whose mounts the host never sees. Call it before any test,
# with "$@".
private_mounts() {
	[ -z "${TAP_PRIVATE:-}" ] || return 0
	need_root
	must_have "needs mount namespaces" unshare -m --propagation private true
	tap_cleanup
	TAP_PRIVATE=1 exec unshare -m --propagation private -- bash "$tap_self" "$@"
}

# TMP becomes an ext4 of its own that is never flushed to the disk: else a test of whole trees waits for fsync most of its
# time, and only a power failure could tell the difference. Its image has no name any more: however the test ends, with its
# last process the disk is gone, sealed files and all. Call it after private_mounts.
own_disk() {
	local image=$TMP.img
	truncate -s 6G "$image" && mkfs.ext4 -q -m 0 -E root_owner=0:0 "$image" && mount -o loop,nobarrier,noinit_itable "$image" "$TMP" ||
		diag "no loop device: the disk itself is used, which is slower"
	rm -f "$image"
	chmod 700 "$TMP"
	mkdir -p "$VPKG_SYSROOT"
}

on_exit() { tap_exits+=("$*"); }

tap_cleanup() {
	local m pids i
	for ((i = ${#tap_exits[@]} - 1; i >= 0; i--)); do
		eval "${tap_exits[i]}"
	done
	tap_exits=()
	pids=$(jobs -p)
	[ -z "$pids" ] || kill -9 $pids 2>/dev/null
	wait 2>/dev/null
	cd "$TOP" || return
	[ -n "${TMP:-}" ] && [ -d "$TMP" ] || return
	# The last mounted first, and only below our own directory.
	while m=$(awk -v t="$TMP" 'index($5, t "/") == 1 || $5 == t { l = $5 } END { print l }' /proc/self/mountinfo) && [ -n "$m" ]; do
		umount -l "$(printf '%b' "$m")" 2>/dev/null || break
	done
	rm -rf --one-file-system "$TMP" 2>/dev/null
	if [ -d "$TMP" ]; then # sealed files
		chattr -R -f -i "$TMP" 2>/dev/null
		rm -rf --one-file-system "$TMP"
	fi
}

tap_end() {
	local code=$?
	trap '' INT TERM HUP
	trap - EXIT
	if [ -z "$tap_done" ]; then
		diag "${tap_self##*/} ended before its end, status $code"
		[ "$code" != 0 ] || code=1
	fi
	tap_cleanup
	exit "$code"
}
trap tap_end EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir -p "$BUILD/tmp"
TMP=$(mktemp -d "$BUILD/tmp/$(basename "$0" .t).XXXXXX") || exit 1
export VPKG_SYSROOT=$TMP/root
mkdir "$VPKG_SYSROOT"
