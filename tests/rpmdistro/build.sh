#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds one rpm of "mini" for make: build.sh NAME VERSION RELEASE OUTDIR [DEB…], with DIR, STAGE, WORK, RPM_ARCH set.
# With debs: their files, repackaged. Without: what own.sh writes. A RELEASE above 1 also changes one of the files, which
# is how a newer version of a real package is made.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/table.sh"
. "$here/own.sh"
NAME=$1 VERSION=$2 RELEASE=$3 OUT=$4
shift 4
stage=$STAGE/$NAME
[ "$OUT" = "$DIR/repo/Packages" ] || stage=$STAGE/$NAME-$VERSION-$RELEASE
target=$RPM_ARCH
arch_line=
rm -rf "$stage"
mkdir -p "$stage" "$OUT"
cd "$stage"

# Debian 12's packages still have /bin and /lib; mini has them merged.
merge_usr() {
	local d
	for d in bin sbin lib lib64; do
		[ -d "$d" ] && [ ! -L "$d" ] || continue
		mkdir -p "usr/$d"
		cp -al "$d/." "usr/$d/"
		rm -rf "$d"
	done
}

# Owners and special bits as the archive has them, not as whoever runs this could extract them.
special_modes() {
	dpkg-deb -c "$1" | awk '{ sub(/^\.\/(s?bin|lib|lib64)\//, "./usr&", $6); sub(/^\.\/usr\.\//, "./usr/", $6)
		split($2, o, "/")
		if (o[1] != "root" || o[2] != "root" || $1 ~ /[stST]/) print substr($6, 2), o[2] }' | sed 's|/ | |'
}

unpack() {
	local deb
	for deb; do
		dpkg-deb -x "$deb" .
		dpkg-deb -I "$deb" conffiles 2>/dev/null >>.conffiles || true
		special_modes "$deb" >>.groups
	done
	merge_usr
	adjust "$NAME"
}

# The largest program or library grows by a line, which ELF loaders do not look at.
change_a_file() {
	local f
	f=$(find usr -type f -size +4k -printf '%s %p\n' | sort -rn | awk 'NR == 1 { print $2 }')
	printf '\n%s %s-%s: changed for the test of updates\n' "$NAME" "$VERSION" "$RELEASE" >>"$f"
}

files() {
	local path type mode attr prefix
	: >>.conffiles
	: >>.groups
	: >>.caps
	find . -mindepth 1 ! -path './.*' -printf '%y %m %P\n' | LC_ALL=C sort -k3 | while read -r type mode path; do
		path=/$path
		prefix=
		[ "$type" != d ] || prefix='%dir '
		# Directories of the filesystem package are its alone.
		if [ "$type" = d ] && [ "$NAME" != filesystem ] && [ -d "$STAGE/filesystem$path" ]; then continue; fi
		if [ "$type" = f ] && grep -qxF -- "$path" .conffiles; then prefix='%config(noreplace) '; fi
		if [ "$type" != l ]; then
			attr=$(awk -v p="$path" '$1 == p { print $2; exit }' .groups)
			prefix+="%attr($mode,root,${attr:-root}) "
		fi
		attr=$(awk -v p="$path" '$1 == p { print $2; exit }' .caps)
		[ -z "$attr" ] || prefix+="%caps($attr) "
		printf '%s"%s"\n' "$prefix" "$path"
	done
	[ "$NAME" != glibc ] || printf '%%ghost %%attr(644,root,root) /etc/ld.so.cache\n'
}

extra=
if [ $# -gt 0 ]; then
	unpack "$@"
	[ "$RELEASE" = 1 ] || change_a_file
	extra=$(extra_spec "$NAME")
	epoch=$(find . -type f -printf '%T@\n' | sort -n | tail -n 1 | cut -d. -f1)
	[ "$(dpkg-deb -f "$1" Architecture)" != all ] || arch_line='BuildArch: noarch' target=noarch
else
	extra=$("own_$NAME")
	# A command substitution ran in this directory, so the files are here.
	epoch=1700000000
	find . -exec touch -h -d "@$epoch" {} +
	case $NAME in
	setup | filesystem | basesystem | mini-release) arch_line='BuildArch: noarch' target=noarch ;;
	mini-foreign) target=$([ "$RPM_ARCH" = aarch64 ] && echo x86_64 || echo aarch64) ;;
	esac
fi
ldconfig=
if find usr/lib -name 'lib*.so.*' 2>/dev/null | grep -q .; then
	ldconfig=$(printf '%%post -p /sbin/ldconfig\n%%postun -p /sbin/ldconfig')
fi
files >"$WORK/$NAME-$VERSION.files"
list="-f $WORK/$NAME-$VERSION.files"
[ -s "$WORK/$NAME-$VERSION.files" ] || list=
preamble=$(sed '/^%p/,$d' <<<"$extra")
scripts=$(sed -n '/^%p/,$p' <<<"$extra")
spec=$WORK/$NAME-$VERSION.spec
cat >"$spec" <<END
Name: $NAME
Version: $VERSION
Release: $RELEASE.$DIST
Summary: $NAME of the vpkg test distribution
License: see the Debian package
URL: https://example.org/mini
$arch_line
$preamble
%description
$NAME, made for the tests of vpkg.
%install
mkdir -p %{buildroot}
cp -al $stage/. %{buildroot}/
rm -f %{buildroot}/.conffiles %{buildroot}/.groups %{buildroot}/.caps
$ldconfig
$scripts
%files $list
END
export SOURCE_DATE_EPOCH=$epoch
# One buildroot a package: they are built side by side.
if ! rpmbuild -bb --quiet --target "$target" \
	-D "_topdir $WORK/top" -D "_builddir $WORK" -D "_tmppath $WORK" -D "_dbpath $WORK/db" -D "buildroot $WORK/root-$NAME-$VERSION" \
	--buildroot "$WORK/root-$NAME-$VERSION" -D "_rpmdir $OUT" -D '_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm' \
	-D '_binary_payload w3.zstdio' -D '__os_install_post %{nil}' -D 'debug_package %{nil}' -D '_build_id_links none' \
	-D '__spec_install_pre %{nil}' -D '_buildhost mini.example.org' -D 'use_source_date_epoch_as_buildtime 1' \
	-D 'vendor vpkg tests' -D '_missing_doc_files_terminate_build 0' "$spec" >"$WORK/$NAME-$VERSION.log" 2>&1; then
	echo "rpmbuild of $NAME failed:" >&2
	cat "$WORK/$NAME-$VERSION.log" >&2
	exit 1
fi
rm -rf "$WORK/root-$NAME-$VERSION"
