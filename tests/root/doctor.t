#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vpkg doctor: what is tried out is told as it is, here and where something was taken away; nothing is left behind.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/fleet.sh"
need_root
need_cmd jq capsh setpriv
private_mounts "$@"
mount -t bpf bpf /sys/fs/bpf || skip_all "needs a BPF file system"

mkdir -p "$VPKG_SYSROOT/vservers"
all='cgroup v2 /vserver,cgroup.freeze,cgroup.kill,user namespaces,idmapped mounts,seccomp notification,immutable attribute,BTF,BPF cgroup programs,BPF sk_lookup,BPF LSM'
works() { jq -r --arg f "$1" '.features[] | select(.feature == $f) | .status' <<<"$json"; }
complete() { # every feature that does not work says what was seen, what it means, and the remedy; the others nothing
	jq -e 'all(.features[]; if .status == "ok" then .reason + .consequence + .remedy == ""
		else (.reason | length) > 5 and (.consequence | length) > 5 and (.remedy | length) > 5 end)' <<<"$json" >/dev/null
}
looks() { exits "$@" && json=$out; } # STATUS DESC CMD…

# ---- here --------------------------------------------------------------------------------------------------------------

before=$(find "$VPKG_SYSROOT" /sys/fs/bpf | sort)
looks 0 "on a host where vservers run" vpkg doctor --json
is "$(jq -r '[.features[].feature] | join(",")' <<<"$json")" "$all" "each feature is named"
is "$(jq -r .kernel <<<"$json")" "$(uname -r)" "the kernel, too"
is "$(jq -r .healthy <<<"$json")" true "it is healthy"
ok "what does not work says why, and what to do" complete
is "$(works 'BPF cgroup programs')" "$(vserver-kernel load address >/dev/null 2>&1 && echo ok || echo failed)" \
	"what it says of cgroup programs is what loading them does"
vserver-kernel unload address
lsm=$(works 'BPF LSM')
is "$(vserver-kernel load seal >/dev/null 2>&1 && echo ok || echo failed)" "$lsm" "the same of LSM programs"
vserver-kernel unload seal
exits 0 "as a table" vpkg doctor
is "$(grep -cE '^[^ ].* (works|does not work|MISSING)$' <<<"$out")" 11 "a line each"
is "$(grep -c '^    remedy: ' <<<"$out")" "$(jq '[.features[] | select(.status != "ok")] | length' <<<"$json")" "a remedy each"
is "$(find "$VPKG_SYSROOT" /sys/fs/bpf | sort)" "$before" "nothing is left behind"

# ---- with less ----------------------------------------------------------------------------------------------------------

less() { unshare -m --propagation private sh -c "$1"' && exec vpkg doctor --json'; } # COMMANDS
looks 3 "without a v2 cgroup hierarchy" less 'for m in $(awk "/ - cgroup2 / { print \$5 }" /proc/self/mountinfo); do umount -l $m; done'
is "$(works 'cgroup v2 /vserver')/$(works cgroup.freeze)/$(works 'user namespaces')" failed/failed/ok "that is what does not work"
is "$(jq -r .healthy <<<"$json")" false "no vserver can run"
ok "what does not work says why, and what to do" complete
like "$(jq -r '.features[0].remedy' <<<"$json")" "mount -t cgroup2" "as in a shell"
looks 3 "on a file system without idmapped mounts" less "mount -t ramfs none '$VPKG_SYSROOT' && mkdir '$VPKG_SYSROOT/vservers'"
is "$(works 'idmapped mounts')/$(works 'immutable attribute')/$(works cgroup.freeze)" failed/failed/ok "that is what does not work"
like "$(jq -r '.features[] | select(.feature == "idmapped mounts") | .remedy' <<<"$json")" ext4 "file systems are named"
looks 3 "without CAP_SYS_ADMIN and CAP_BPF" capsh --drop=cap_bpf,cap_sys_admin -- -c 'exec vpkg doctor --json'
is "$(works 'BPF cgroup programs')/$(works 'idmapped mounts')" failed/failed "that is what does not work"

# ---- errors --------------------------------------------------------------------------------------------------------------

exits 1 "an argument" vpkg doctor web1
one_line "$err" "one line"
exits 1 "not root" setpriv --reuid 1000 --regid 1000 --clear-groups vpkg doctor
one_line "$err" "one line"
is "$(leftovers)" "" "nothing is left behind"
done_testing
