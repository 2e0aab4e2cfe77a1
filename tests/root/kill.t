#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kill -9 once in each phase of an update: every vserver is exactly as before or exactly as after. tests/long/kill.t does it at
# hundreds of random moments.
. "$(dirname "$0")/../lib/tap.sh"
. "$TOP/tests/lib/fleet.sh"
REAL='libc6 coreutils'
. "$TOP/tests/long/kill.sh"
need_root
need_cmd dpkg-deb rpmbuild createrepo_c apt-get lsattr
private_mounts "$@"
own_disk

MINI=$(mini) || skip_all "the RPM test distribution could not be made"
kill_setup || { fail "setting up"; done_testing; }
unpacked() { echo "usr/share/soak/only-in-$((at[$1] + 1))-5"; }
in_script() { echo "usr/lib/soak-made/deep/$((at[$1] + 1))"; }
kill_round both preparing
kill_round parent applying
kill_round helper applying
kill_round tool "$(unpacked deb)"
kill_round worker "$(in_script deb)"
kill_round both "$(in_script deb)" both
kill_round both "$(unpacked rpm)" rpm
kill_round worker committed
kill_round both committed
diag "old: ${outcomes[old]:-0}, new: ${outcomes[new]:-0}"
done_testing
