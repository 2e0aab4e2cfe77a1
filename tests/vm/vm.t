#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs every script of tests/vm/guest on each stock kernel: one virtual machine a kernel, all side by side. What the scripts say in
# TAP becomes tests of this one, with the kernel and the script before it; what they write to standard error comes out at
# once. Besides, of every script: it ran to its end, all that it had planned, and left nothing; of every kernel: it lived
# until all were done, and each piece of BPF programs that a script tests was seen to enforce; how many programs, that also comes
# out on standard error. Without qemu or a mirror all is skipped, which is a failure under VPKG_MUST_RUN=1. VPKG_VM_KERNELS
# ("6.1") and VPKG_VM_SCRIPTS (paths) make it fewer.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need_cmd qemu-system-x86_64 clang cc mke2fs mkfs.xfs mkfs.btrfs busybox cpio rpmbuild rpmsign createrepo_c gpg
must_have "needs an amd64 machine, as its programs run in one" [ "$(uname -m)" = x86_64 ]
must_have "needs bpf/bpf_helpers.h of libbpf-dev" [ -e /usr/include/bpf/bpf_helpers.h ]

# No line of TAP before all is there: until then the whole test may be skipped. Exit status 77: not to be had here.
prepare() { # DESC CMD…
	run "${@:2}"
	[ "$status" != 0 ] || return 0
	[ "$status" != 77 ] || skip_all "$err"
	fail "$1"
	tap_show "${@:2}"
	done_testing
}

tests/vm/image >"$TMP/image.log" 2>&1 </dev/null &
image=$!
on_exit 'kill -9 $image 2>/dev/null; wait $image 2>/dev/null'
kernels=${VPKG_VM_KERNELS:-}
[ -n "$kernels" ] || { prepare "which kernels there are" tests/vm/kernel && kernels=$out; }
prepare "kernels $kernels" tests/vm/kernel $kernels
wait $image
# shellcheck disable=SC2016
prepare "disks" sh -c 'cat "$1" >&2; exit "$2"' sh "$TMP/image.log" $?
pass "kernels $(echo $kernels) and disks are there"

scripts=${VPKG_VM_SCRIPTS:-$(echo tests/vm/guest/*.t)}
mkfifo "$TMP/frames"
for k in $kernels; do
	tests/vm/run --frames "$k" $scripts >"$TMP/frames" 2>"$TMP/run-$k.err" &
done

# ---- what the machines say ---------------------------------------------------------------------------------------------

declare -A enforced=() name=() plan_of=() ran=() bad=() fault_of=() ended=() bye=() since=() uname_of=()

tap_line() { # KERNEL LINE: of a script's standard output
	local k=$1 desc
	if [[ $2 =~ ^(not\ )?ok( +[0-9]+)?( - | |$)(.*) ]]; then
		desc="$k ${name[$k]}: ${BASH_REMATCH[4]//\\#/#}"
		ran[$k]=$((ran[$k] + 1))
		if [ -n "${BASH_REMATCH[1]}" ]; then
			bad[$k]=1
			tap_result 1 "$desc" >"$TMP/line"
			sed '/^# at /d' "$TMP/line"
		elif [[ $2 =~ \#\ (SKIP|skip)\ ?(.*) ]]; then
			skip "$k ${name[$k]}: ${BASH_REMATCH[2]}"
		else
			pass "$desc"
		fi
	elif [[ $2 =~ ^1\.\.0\ *\#\ *SKIP\ *(.*) ]]; then
		plan_of[$k]=0
		skip "$k ${name[$k]}: ${BASH_REMATCH[1]}"
	elif [[ $2 =~ ^1\.\.([0-9]+)$ ]]; then
		plan_of[$k]=${BASH_REMATCH[1]}
	elif [[ $2 =~ ^#\ enforced:\ ([1-9][0-9]*)\ .*\ ([a-z]+)$ ]]; then
		enforced[$k]+=" ${BASH_REMATCH[2]} ${BASH_REMATCH[1]}"
	elif [ -n "$2" ]; then
		diag "$k ${2#\# }"
	fi
}

frame() { # KERNEL WORD REST
	local k=$1 s
	case $2 in
	up) diag "$k is up after $((SECONDS - started)) s: $3" && uname_of[$k]=$3 ;;
	begin)
		s=${3##*/}
		name[$k]=${s%.t} plan_of[$k]='' ran[$k]=0 bad[$k]='' fault_of[$k]='' since[$k]=$SECONDS
		;;
	fault) fault_of[$k]+="${fault_of[$k]:+; }$3" ;;
	end)
		ended[$k]=$((${ended[$k]:-0} + 1))
		# A status that only repeats that a test failed is no news.
		if [ "${plan_of[$k]}" != "${ran[$k]}" ]; then
			fail "$k ${name[$k]}: ran ${ran[$k]} tests, planned ${plan_of[$k]:-none}"
		elif [ "${3##* }" != 0 ] && [ -z "${bad[$k]}" ]; then
			fail "$k ${name[$k]}: exit status ${3##* }"
		else
			pass "$k ${name[$k]}: ran all it had planned"
		fi
		is "${fault_of[$k]}" "" "$k ${name[$k]}: left nothing"
		diag "$k ${name[$k]}: $((SECONDS - since[$k])) s"
		name[$k]=''
		;;
	bye) bye[$k]=1 ;;
	lost) diag "$k: $3" ;;
	esac
}

started=$SECONDS
# Not IFS= read: a trap that runs in it would not split words either.
while read -r line; do
	k=${line%% *} line=${line#* }
	case $line in
	'o '*) tap_line "$k" "${line#o }" ;;
	'e '*) printf '# %s: %s\n' "$k" "${line#e }" >&2 ;;
	'= '*) line=${line#= } && frame "$k" "${line%% *}" "${line#* }" ;;
	esac
done <"$TMP/frames"

n=$(wc -w <<<"$scripts")
pieces=$(sed -n 's/^enforced \([a-z]*\) .*/\1/p' $scripts | xargs)
for k in $kernels; do
	is "${bye[$k]:-}" 1 "$k (${uname_of[$k]:-never up}) lived until all was done"
	is "${ended[$k]:-0}" "$n" "$k ran $n scripts"
	is "$(echo ${enforced[$k]:-} | sed -E 's/ [0-9]+//g')" "$pieces" "$k: the programs of these enforced what they should: $pieces"
	echo "# kernel ${uname_of[$k]:-$k}: LSM programs that enforced:${enforced[$k]:- none}" >&2
	[ ! -s "$TMP/run-$k.err" ] || diag "$(cat "$TMP/run-$k.err")"
	diag "$k: $((SECONDS - started)) s for all machines"
done
done_testing
