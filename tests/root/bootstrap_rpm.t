#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# RPM trees: the project's own test distribution through its definition file, and CentOS 7's real packages as a
# repository given by hand. The tree's own rpm must list every package and find nothing that the data does not explain.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need_cmd rpmbuild rpmsign createrepo_c gpg
private_mounts "$@"
own_disk

# Debian's rpm has its database in the home directory; and what is in ~/.rpmmacros must not reach a new tree.
export HOME=$TMP/home
mkdir "$HOME"
printf '%%_excludedocs 1\n%%_netsharedpath /usr\n%%_install_langs xx\n' >"$HOME/.rpmmacros"

MINI=$BUILD/mini
VS=$VPKG_SYSROOT/vservers
log() { cat "$VPKG_SYSROOT/var/log/vpkg/bootstrap-$1.log"; }

# What rpm -Va says, less the lines that the regex explains.
unexplained() { # NAME REGEX
	vserver "$1" exec rpm -Va >"$TMP/va" 2>&1
	grep -vE "$2" "$TMP/va"
}

# ---- the test distribution ------------------------------------------------------------------------------------------
ok 'tests/rpmdistro/make makes a distribution' env -u VPKG_SYSROOT HOME="$TMP" tests/rpmdistro/make "$MINI" || {
	done_testing
}
ok 'vpkg bootstrap makes a tree of it' vpkg bootstrap m1 "$MINI/mini-1.conf" --variant standard
unlike "$err" 'scriptlet' 'no scriptlet failed for good'
like "$(log m1)" '%post\(mini-release[^)]*\) scriptlet failed' "a scriptlet that needed a package installed later failed"
is "$(cat "$VS/m1/usr/share/mini-release")" 'Mini Linux release 1 (installed)' '… and was run again in the end'

listed=$(vserver m1 exec rpm -qa --qf '%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm\n' | sort)
is "$(comm -23 <(echo "$listed") <(ls "$MINI/repo/Packages" | sort))" '' "the tree's own rpm lists packages of the repository"
wanted=$(sed -nE 's/^(minimal|standard) = //p' "$MINI/mini-1.conf" | tr ' ' '\n' | sort)
is "$(comm -13 <(vserver m1 exec rpm -qa --qf '%{NAME}\n' | sort) <(echo "$wanted"))" '' '… all that the variant asks for'
is "$(unexplained m1 '^S.5....T.  c /etc/(hosts|group|gshadow|passwd|shadow|shells)$|^.....UG..    /proc$|c /usr/share/mini-release$')" '' \
	'rpm -Va says what scriptlets, the identity and the mounted /proc explain, no more'
is "$(vserver m1 exec rpm -Va --noscripts mini-tools)" '' 'owner, mode and file capability of mini-tools are right'
ok 'ldconfig ran' grep -q libtinfo "$VS/m1/etc/ld.so.cache"
like "$(vserver m1 exec cat /var/lib/mini-tools/installed)" 'mini-tools 1.0' 'a %post ran the program of its package'
like "$(stat -c '%a %U' "$VS/m1/usr/bin/passwd")" '^4755 root$' 'a suid program is one'
is "$(ls -d "$VS"/m1/.vpkg* "$VS"/.new* 2>/dev/null)" '' 'no scratch directory is left'
is "$(stat -c %a "$VS/m1/proc" "$VS/m1/sys" "$VS/m1/dev" | xargs)" '555 555 755' 'the mount points have their modes'
ok 'the tree can install a package by itself' vserver m1 exec sh -c 'rpm -e --nodeps less && ! rpm -q less'
is "$(ls -A "$HOME")" .rpmmacros 'no package database was made in the home directory'

# ---- what goes wrong ------------------------------------------------------------------------------------------------
mkdir "$TMP/odd"
cp "$MINI"/odd/*.rpm "$TMP/odd/"
createrepo_c -q --no-database "$TMP/odd" >/dev/null 2>&1
by_hand() { # NAME PACKAGES
	vpkg bootstrap "$1" --family redhat --repo "$MINI/repo" --repo "$TMP/odd" --no-signatures --include "$2"
}
nothing_left() { # NAME DESC
	is "$(ls -A "$VS" "$VPKG_SYSROOT/etc/vservers" | grep -F "$1")" '' "$2"
}

ok 'a %post that fails in the end does not stop the bootstrap' by_hand m2 bash,rpm,coreutils,mini-broken
like "$err" '%post scriptlet of mini-broken-1\.1[^ ]* failed' '… but it is said'
exits 1 'a %pre that refuses does' by_hand m3 bash,rpm,coreutils,mini-prefail
like "$(tail -n 1 <<<"$err")" 'mini-prefail' '… with its reason'
nothing_left m3 '… and nothing is left'
exits 1 'a missing dependency is refused' by_hand m3 bash,rpm,mini-needs
like "$(tail -n 1 <<<"$err")" 'mini-nowhere' '… by its name'
nothing_left m3 '… with nothing left'
sed 's/^minimal = .*/minimal = bash coreutils/' "$MINI/mini-1.conf" >"$TMP/norpm.conf"
exits 1 'a tree without rpm is refused' vpkg bootstrap m3 "$TMP/norpm.conf"
like "$(tail -n 1 <<<"$err")" '--include rpm' '… with the remedy'
nothing_left m3 '… with nothing left'

cp -r "$MINI/repo" "$TMP/damaged"
printf x | dd of="$(echo "$TMP"/damaged/Packages/sed-*.rpm)" bs=1 seek=5000 conv=notrunc status=none
sed "s|^url = .*|url = file://$TMP/damaged|" "$MINI/mini-1.conf" >"$TMP/damaged.conf"
rm -rf "$VPKG_SYSROOT/var/cache/vpkg"
exits 1 'a package that is not the one in the index is refused' vpkg bootstrap m3 "$TMP/damaged.conf"
like "$(tail -n 1 <<<"$err")" 'sed-' '… by its name'
nothing_left m3 '… with nothing left'
echo '<!-- -->' >>"$TMP/damaged/repodata/repomd.xml"
exits 1 'an index that its signature does not fit is refused' vpkg bootstrap m3 "$TMP/damaged.conf"
like "$(tail -n 1 <<<"$err")" 'signature' '… as that'
nothing_left m3 '… with nothing left'

# ---- CentOS 7 -------------------------------------------------------------------------------------------------------
EL7=$TOP/../shared/testdata/el7
if [ ! -d "$EL7" ]; then
	# Real packages that not every checkout has: nothing to insist on.
	VPKG_MUST_RUN='' skip 'CentOS 7: needs the test data ../shared/testdata/el7'
	done_testing
fi
mkdir "$TMP/el7"
cp "$EL7"/*.rpm "$TMP/el7/"
createrepo_c -q --no-database "$TMP/el7" >/dev/null 2>&1
query() { rpm --dbpath "$TMP/db" -qp --nosignature --nodigest --qf "$1" "$TMP"/el7/*.rpm 2>/dev/null; }
ok 'CentOS 7: vpkg bootstrap makes a tree of all packages' vpkg bootstrap old1 --family redhat --repo "$TMP/el7" \
	--no-signatures --include "$(query '%{NAME},')"
unlike "$err" 'scriptlet' 'no scriptlet failed for good'
like "$(log old1)" '%post\(libsepol[^)]*\) scriptlet failed' "libsepol's came too early, and was run again"
is "$(vserver old1 exec rpm -qa --qf '%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n' | sort)" \
	"$(query '%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n' | sort)" "the tree's own rpm lists every package and no other"
is "$(dd if="$VS/old1/var/lib/rpm/Packages" bs=4 skip=3 count=1 status=none | od -An -tx4)" ' 00061561' \
	'its database is a Berkeley DB hash'
like "$(vserver old1 exec rpm --version)" '4\.11' 'it is that of rpm 4.11'

# The altered files of this data (MANIFEST.tsv) have headers to match, and dropped ones are in no header. tzdata's hard
# links are out of the order that the host's librpm wants.
vserver old1 exec rpm -Va >"$TMP/va" 2>&1
is "$(awk 'substr($0, 3, 1) == "5" || /^missing/' "$TMP/va")" '' 'rpm -Va finds every file of every package, with its contents'
like "$(log old1)" '== rpm -i --force' "… those too that the host's librpm laid out wrong"
is "$(awk 'substr($0, 3, 1) != "5" && !/^missing/' "$TMP/va" | grep -vE '^\.M\.{7}  g /|^\.M\.{7}  c /etc/machine-id$|^\.{5}UG\.\.    /proc$')" '' \
	'… and else only what a real CentOS 7 says too, and the mounted /proc'
ok "rpm's database can be rebuilt by itself" vserver old1 exec rpm --rebuilddb
ok 'yum of the tree starts' vserver old1 exec yum --version
done_testing
