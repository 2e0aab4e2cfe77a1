# SPDX-License-Identifier: GPL-2.0-or-later
#
# What kernel, image and run share: where everything lies (all below VM=build/vm), how a script says no, and when a thing that
# was made before is still right. A thing is made in a scratch directory and renamed to its place when it is whole, with the key
# of what it was made from beside it; so a killed script leaves nothing that looks finished.
#
# Exit status 77 means: not to be had here (no mirror); vm.t skips then. Everything else but 0 is a failure.

set -euo pipefail
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cd "$TOP"
BUILD=$TOP/${VPKG_B:-build}
[[ ${VPKG_B:-} = /* ]] && BUILD=$VPKG_B
VM=$BUILD/vm
ME=tests/vm/${0##*/}
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C.UTF-8
umask 022
mkdir -p "$VM"

die() { # [STATUS] MESSAGE
	local status=1
	[[ $1 != 77 ]] || { status=77 && shift; }
	echo "$ME: $*" >&2
	exit "$status"
}

need() {
	local c
	for c; do command -v "$c" >/dev/null || die "the program $c is missing; run 'make deps' as root"; done
}

# One at a time: the tests of two makes may share a build directory.
locked() { # NAME
	exec 9>"$VM/.lock-$1"
	flock 9
}

key() { sha256sum | cut -c 1-32; }                          # of what comes on stdin
fresh() { [ "$(cat "$1/.key" 2>/dev/null)" = "$2" ]; }      # DIR KEY
finish() { # WORK DIR KEY: WORK is whole
	echo "$3" >"$1/.key"
	rm -rf "$2"
	mv "$1" "$2"
}
