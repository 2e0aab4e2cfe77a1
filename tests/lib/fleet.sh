# SPDX-License-Identifier: GPL-2.0-or-later
#
# For tests of whole vservers: small packages, trees, and the picture of a tree to compare.
#
#	mkdeb NAME VERSION [FIELD: VALUE | +PATH=TEXT | @SCRIPT=TEXT]…   makes $TMP/pkgs/NAME_VERSION.deb and prints its path
#	picture VSERVER          every path that packages could change: type, mode, owner, times, digest
#	copy FROM TO             makes a vserver just like another, unshared
#	leftovers                what a run may not leave: contexts' processes, cgroups, mounts below the tree
#	mini                     makes the RPM test distribution once a build; prints its directory

mkdeb() {
	local name=$1 version=$2 d=$TMP/mkdeb a path
	shift 2
	rm -rf "$d"
	mkdir -p "$d/DEBIAN" "$TMP/pkgs"
	{
		printf 'Package: %s\nVersion: %s\nMaintainer: Tests <tests@example.org>\nDescription: test\n' "$name" "$version"
		for a; do [[ $a == [+@]* ]] || printf '%s\n' "$a"; done
		[[ " $* " == *' Architecture: '* ]] || echo 'Architecture: all'
	} >"$d/DEBIAN/control"
	for a; do
		case $a in
		+*) path=${a%%=*} && path=$d/${path#+} && mkdir -p "${path%/*}" && printf '%s' "${a#*=}" >"$path" ;;
		@conffiles=*) printf '%s\n' "${a#*=}" >"$d/DEBIAN/conffiles" ;;
		@*) path=${a%%=*} && path=$d/DEBIAN/${path#@} && printf '#!/bin/sh\n%s\n' "${a#*=}" >"$path" && chmod 755 "$path" ;;
		esac
	done
	dpkg-deb --root-owner-group -b "$d" "$TMP/pkgs/${name}_$version.deb" >/dev/null
	echo "$TMP/pkgs/${name}_$version.deb"
}

# Logs say that something was tried, and the times of /var/log and of the context's mount points with them.
picture() {
	local tree=$VPKG_SYSROOT/vservers/$1
	(cd "$tree" || exit; find . -xdev \( -path ./var/log -o -path ./dev -o -path ./proc -o -path ./tmp \) -prune -o -printf '%P %y %m %U:%G %s %T@ %l\n' |
		sed -E 's/^(\S* d \S+ \S+ )[0-9]+ /\1/' | sort
		find . -xdev \( -path ./var/log -o -path ./dev -o -path ./proc \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum)
}

copy() {
	cp -a "$VPKG_SYSROOT/vservers/$1" "$VPKG_SYSROOT/vservers/$2" &&
		sed '/^UIDMAP/d; /^S_HOSTNAME/d' "$VPKG_SYSROOT/etc/vservers/$1.conf" >"$VPKG_SYSROOT/etc/vservers/$2.conf"
}

# A context's cgroup is locked as long as its caller lives: other tests' contexts are not ours to complain of.
dead_cgroups() {
	local unified
	unified=$(awk '$(NF-2) == "cgroup2" || $0 ~ / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
	[ ! -d "$unified/vserver" ] || find "$unified/vserver" -mindepth 1 -type d -name '[0-9]*' -exec flock -n {} echo {} \; | sort
}

tap_dead=$(dead_cgroups)

# Those that were dead before this test are not its own either.
new_cgroups() { comm -13 <(echo "$tap_dead") <(dead_cgroups); }

leftovers() {
	# What is there only once is another test's, about to be locked.
	[ -z "$(new_cgroups)" ] || comm -12 <(new_cgroups) <(sleep 0.3; new_cgroups)
	awk -v t="$VPKG_SYSROOT/vservers/" 'index($5, t) == 1 { print $5 }' /proc/self/mountinfo
	ls -A "$VPKG_SYSROOT/vservers/.undo" "$VPKG_SYSROOT/var/lib/vpkg/journal" "$VPKG_SYSROOT/var/cache/vpkg/tmp" 2>/dev/null |
		grep -v -e : -e '^$'
	ls -A "$VPKG_SYSROOT/vservers" 2>/dev/null | grep '^\.new-'
	return 0
}

mini() {
	tests/rpmdistro/make "$BUILD/mini" --version-bump less >"$TMP/mini.log" 2>&1 || { tail "$TMP/mini.log" >&2; return 1; }
	echo "$BUILD/mini"
}
