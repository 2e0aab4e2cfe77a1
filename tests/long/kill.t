#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kill -9 at VPKG_ROUNDS random moments: every vserver is exactly as before or exactly as after.
. "$(dirname "$0")/../lib/tap.sh"
. "$TOP/tests/lib/fleet.sh"
. "$TOP/tests/long/kill.sh"
need_root
need_cmd dpkg-deb rpmbuild createrepo_c apt-get lsattr
private_mounts "$@"
own_disk

MINI=$(mini) || skip_all "the RPM test distribution could not be made"
kill_setup || { fail "setting up"; done_testing; }
for ((round = 1; round <= ${VPKG_ROUNDS:-300}; round++)); do
	kill_random
done
diag "old: ${outcomes[old]:-0}, new: ${outcomes[new]:-0}"
done_testing
