#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kill -9 at a dozen moments: every vserver is exactly as before or exactly as after. tests/long/kill.t has hundreds.
. "$(dirname "$0")/../lib/tap.sh"
. "$TOP/tests/lib/fleet.sh"
REAL='libc6 coreutils'
. "$TOP/tests/long/kill.sh"
need_root
need_cmd dpkg-deb rpmbuild createrepo_c apt-get lsattr
private_mounts "$@"

MINI=$(mini) || skip_all "the RPM test distribution could not be made"
kill_setup || { fail "setting up"; done_testing; }
kill_round both preparing
kill_round parent applying
kill_round worker applying
kill_round both usr/lib/soak-made/deep/$((at[deb] + 1)) both
kill_round helper applying
kill_round tool 0.50
kill_round both 0.30
kill_round worker 0.40 both
kill_round parent 0.60
kill_round both 0.70 rpm
kill_round worker committed
kill_round both 0.90
diag "old: ${outcomes[old]:-0}, new: ${outcomes[new]:-0}"
done_testing
