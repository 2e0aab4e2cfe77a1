# SPDX-License-Identifier: GPL-2.0-or-later
#
# For seal.t and unify.t: small trees that pass for Debian vservers (a database that lists files is all that unification
# asks), and what is looked at afterwards.

VS=$VPKG_SYSROOT/vservers
STORE=$VS/.unify/objects
BASE=786432

# make_tree NAME: busybox, an empty package database, a configuration
make_tree() {
	local t=$VS/$1
	mkdir -p "$t"/{bin,tmp,usr/bin,usr/share,etc,var/lib/dpkg/info,root} "$VPKG_SYSROOT/etc/vservers"
	chmod 700 "$VS"
	cp "$(command -v busybox)" "$t/bin/"
	cp "$(command -v busybox)" "$t/usr/bin/dpkg"
	: >"$t/var/lib/dpkg/status"
	echo "UIDMAP=$BASE:65536" >"$VPKG_SYSROOT/etc/vservers/$1.conf"
	BASE=$((BASE + 65536))
}

# add_file NAME PATH CONTENTS [MODE]: a packaged file (listed) of a fixed time; CONTENTS is made longer than 64 bytes
add_file() {
	local t=$VS/$1 p=$2
	mkdir -p "$(dirname "$t$p")"
	printf '%s %080d\n' "$3" 0 >"$t$p"
	chmod "${4:-644}" "$t$p"
	touch -d '2020-01-01 00:00:00.123456789 UTC' "$t$p"
	echo "$p" >>"$t/var/lib/dpkg/info/pkg.list"
}

inode() { stat -c %i "$VS/$1$2"; }
same_inode() { [ "$(inode "$1" "$3")" = "$(inode "$2" "$3")" ]; }
sealed() { [[ $(lsattr -d "$VS/$1$2" 2>/dev/null) = ????i* ]]; }

# Contents, modes, owners, times and attributes of a tree, without what unification may change
digest_tree() {
	(cd "$VS/$1" && find . -xdev -printf '%p %y %m %U %G %l ' \( -type f -printf '%s %T@\n' -o -printf '\n' \) | sort
	find "$VS/$1" -xdev -type f -print0 | sort -z | xargs -0 sha256sum
	getfattr -R -d -m - "$VS/$1" 2>/dev/null) | sha256sum
}

unsealed_objects() { find "$STORE" -type f -exec lsattr {} + 2>/dev/null | grep -vc '^....i'; }

# No vserver's process stands still. Another test's may, for a moment.
thawed() {
	local home i
	home=$(awk '$0 ~ / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)/vserver
	for ((i = 0; i < 100; i++)); do
		[ -d "$home" ] || return 0
		[ "$(cat "$home/cgroup.freeze" 2>/dev/null || echo 0)" = 0 ] && return 0
		sleep 0.05
	done
	return 1
}

# The helper processes of our own programs: they live in our mount namespace.
helpers() {
	local ns p
	ns=$(readlink /proc/self/ns/mnt)
	for p in $(pgrep -x vpkg-seal); do
		[ "$(readlink "/proc/$p/ns/mnt" 2>/dev/null)" = "$ns" ] && echo "$p"
	done
	return 0
}
no_helpers() {
	local i
	for ((i = 0; i < 100; i++)); do
		[ -z "$(helpers)" ] && return 0
		sleep 0.05
	done
	return 1
}
