# SPDX-License-Identifier: GPL-2.0-or-later
#
# For tests/root/kill.t and tests/long/kill.t: rounds of `vpkg … -- …` that a kill -9 ends somewhere, and what must hold
# after `vpkg recover`. Updates bring real packages with many files (glibc, coreutils, tzdata, each round's with a higher
# version and a changed file) and one with all that maintainer scripts do; the RPM side gets one of its own.
#
#	kill_setup               makes the fleet: web1 and web2, rpm1 and rpm2; the second ones follow without kills
#	kill_round VICTIM WHEN [FAMILY]…
#		VICTIM   parent | worker | both | tool | helper
#		WHEN     a journal state (preparing applying committed), the name of a path in web1 that appears, or a
#		         share of the time that a whole run takes, 0.00 to 1.10
#		FAMILY   deb, rpm, or both (default: deb)
#	REAL                     the names of the real packages, when there should be fewer
#	kill_random              a round of a random victim at a random moment

# Where things are now, by family: the round that is installed, and how long a run takes (ms).
declare -A at=([deb]=1 [rpm]=1) first=([deb]=web1 [rpm]=rpm1) twin=([deb]=web2 [rpm]=rpm2)
declare -A made=() outcomes=()
run_ms=3000
REAL=${REAL:-'libc6 libc-bin coreutils tzdata'} # of Debian's own packages, these

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# Unpacks the real packages once, below $TMP/real.
real_setup() {
	local p cache=$BUILD/debs
	mkdir -p "$cache" "$TMP/real"
	for p in $REAL; do
		compgen -G "$cache/${p}_*.deb" >/dev/null ||
			(cd "$cache" && apt-get -q -o APT::Sandbox::User=root download "$p" >/dev/null 2>&1) || return 1
		dpkg-deb -R "$(compgen -G "$cache/${p}_*.deb" | sort -V | tail -n 1)" "$TMP/real/$p" || return 1
		rm -f "$TMP/real/$p/DEBIAN/md5sums"
	done
}

real_deb() { # NAME N CHANGED-FILE OUT
	local d=$TMP/real/$1 f=$TMP/real/$1/$3 version
	[ -e "$TMP/real/$1.version" ] || {
		dpkg-deb -f "$(compgen -G "$BUILD/debs/$1_*.deb" | sort -V | tail -n 1)" Version >"$TMP/real/$1.version"
		cp -p "$f" "$TMP/real/$1.file"
	}
	version=$(<"$TMP/real/$1.version")
	cp -p "$TMP/real/$1.file" "$f"
	echo "round $2" >>"$f"
	sed -i "s/^Version: .*/Version: $version+r$2/" "$d/DEBIAN/control"
	dpkg-deb -Znone -b "$d" "$4/$1_r$2.deb" >/dev/null
}

# All that scripts do: a suid program, a conffile, a diversion, a trigger, a user, a group, an alternative, an edit of a
# file of the administrator's, a service that starts, a cache that is rewritten in place.
soak_deb() { # N OUT
	local d=$TMP/soak.deb i
	rm -rf "$d"
	mkdir -p "$d"/{DEBIAN,etc/soak.d,usr/bin,usr/lib/soak,usr/share/soak}
	cat >"$d/DEBIAN/control" <<-END
		Package: soak
		Version: $1
		Architecture: all
		Maintainer: Tests <tests@example.org>
		Description: all that maintainer scripts do
	END
	for i in $(seq 400); do printf '%0100d %s %s\n' "$i" "$i" $((i % 3 ? 0 : $1)) >"$d/usr/share/soak/file-$i"; done
	for i in $(seq 10); do printf 'dropped in round %s: %0100d\n' $1 $i >"$d/usr/share/soak/only-in-$1-$i"; done
	ln -s "file-$1" "$d/usr/share/soak/link"
	printf '#!/bin/sh\n# %0100d\necho %s\n' 0 "$1" | tee "$d/usr/lib/soak/suid" "$d/usr/lib/soak/alt-1" >"$d/usr/lib/soak/alt-2"
	chmod 755 "$d"/usr/lib/soak/alt-*
	chmod 4755 "$d/usr/lib/soak/suid"
	echo "setting = $1" | tee "$d/etc/soak.conf" >"$d/etc/soak.d/more.conf"
	printf '/etc/soak.conf\n/etc/soak.d/more.conf\n' >"$d/DEBIAN/conffiles"
	printf '#!/bin/sh\necho diverting\n' >"$d/usr/bin/soak-diverted"
	chmod 755 "$d/usr/bin/soak-diverted"
	echo 'interest-noawait /usr/share/soak' >"$d/DEBIAN/triggers"
	cat >"$d/DEBIAN/preinst" <<-'END'
		#!/bin/sh
		set -e
		dpkg-divert --package soak --add --rename --divert /usr/bin/soak-diverted.real /usr/bin/soak-diverted
	END
	cat >"$d/DEBIAN/postinst" <<-END
		#!/bin/sh
		set -e
		echo "\$@" >>/usr/lib/soak-scripts
		[ "\$1" != triggered ] || { ls /usr/share/soak >/usr/lib/soak-cache; exit 0; }
		getent passwd soak$1 >/dev/null || useradd -r -M soak$1
		getent group soakers$1 >/dev/null || groupadd -r soakers$1
		chown soak$1:soakers$1 /etc/soak.d
		update-alternatives --install /usr/bin/soak-alt soak-alt /usr/lib/soak/alt-1 10 --slave /usr/bin/soak-alt-s soak-alt-s /usr/lib/soak/suid
		update-alternatives --install /usr/bin/soak-alt soak-alt /usr/lib/soak/alt-2 $((10 + $1 % 2 * 10 - 5))
		echo "# round $1" >>/etc/bash.bashrc
		mkdir -p /usr/lib/soak-made/deep
		date >/dev/null
		echo $1 >/usr/lib/soak-made/deep/$1
		ls /usr/share/soak >/usr/lib/soak-cache
		invoke-rc.d soak start || true
		(sleep 1000 &)
	END
	chmod 755 "$d"/DEBIAN/p*inst
	dpkg-deb --root-owner-group -Znone -b "$d" "$2/soak_$1.deb" >/dev/null
}

soak_rpm() { # N OUT
	local t=$TMP/soak.rpm
	mkdir -p "$t"
	cat >"$t/soak.spec" <<-END
		%define _build_id_links none
		Name: soak
		Version: $1
		Release: 1
		Summary: all that scriptlets do
		License: GPL
		BuildArch: noarch
		%description
		test
		%install
		mkdir -p %{buildroot}/etc %{buildroot}/usr/lib/soak %{buildroot}/usr/share/soak
		for i in \$(seq 400); do printf '%%0100d %%s\n' "\$i" \$((i %% 3 ? 0 : $1)) >%{buildroot}/usr/share/soak/file-\$i; done
		for i in \$(seq 10); do printf 'only here %%0100d\n' \$i >%{buildroot}/usr/share/soak/only-in-$1-\$i; done
		ln -s file-$1 %{buildroot}/usr/share/soak/link
		printf '#!/bin/sh\n# %%0100d\necho $1\n' 0 >%{buildroot}/usr/lib/soak/suid
		echo "setting = $1" >%{buildroot}/etc/soak.conf
		%files
		%config(noreplace) /etc/soak.conf
		%attr(4755,root,root) /usr/lib/soak/suid
		/usr/share/soak
		%post
		echo "# round $1" >>/etc/profile
		mkdir -p /usr/lib/soak-made/deep
		echo $1 >/usr/lib/soak-made/deep/$1
		(sleep 1000 &) >/dev/null 2>&1
		%postun
		echo \$1 >>/usr/lib/soak-made/log
	END
	rpmbuild -bb --quiet --define "_topdir $t" --define "_rpmdir $2" --define '_rpmfilename %{NAME}-%{VERSION}.rpm' \
		--define '_binary_payload w0.gzdio' --define 'source_date_epoch_from_changelog 0' \
		--define 'use_source_date_epoch_as_buildtime 1' "$t/soak.spec" >/dev/null 2>"$t/log" || { cat "$t/log" >&2; return 1; }
}

# The packages of round N: prints their files.
packages() { # FAMILY N
	local out=$TMP/pkgs/$1-$2 p
	local -A changes=([libc6]=usr/share/doc/libc6/copyright [libc-bin]=usr/share/libc-bin/nsswitch.conf
		[coreutils]=usr/bin/sort [tzdata]=usr/share/zoneinfo/tzdata.zi)
	if [ ! -d "$out" ]; then
		mkdir -p "$out"
		case $1 in
		deb)
			soak_deb "$2" "$out"
			for p in $REAL; do real_deb $p "$2" "${changes[$p]}" "$out"; done
			;;
		rpm) soak_rpm "$2" "$out" ;;
		esac
	fi
	ls "$out"/*
}

kill_setup() {
	local old t0
	mkdir -p "$VPKG_SYSROOT/vservers"
	vpkg status >/dev/null # one mount for all that follow
	vpkg bootstrap web1 debian/12 -q >"$TMP/web1.log" 2>&1 &
	vpkg bootstrap rpm1 "$MINI/mini-1.conf" -q >"$TMP/rpm1.log" 2>&1 || { cat "$TMP/rpm1.log" >&2; return 1; }
	wait $! || { cat "$TMP/web1.log" >&2; return 1; }
	real_setup || return 1
	old=$(mkdeb soak-old 1 '+usr/bin/soak-diverted=#!/bin/sh' '+usr/share/soak-old=here') || return 1
	vpkg ALL -q -- "$old" $(packages deb 1) $(packages rpm 1) >"$TMP/log" 2>&1 || { cat "$TMP/log" >&2; return 1; }
	copy web1 web2 && copy rpm1 rpm2 || return 1
	vunify ALL >"$TMP/log" 2>&1 || { cat "$TMP/log" >&2; return 1; }
	# How long a run takes, nearly.
	packages deb 2 >/dev/null
	packages rpm 2 >/dev/null
	t0=$(now_ms)
	vpkg ALL -q -- $(packages deb 2) $(packages rpm 2) >"$TMP/log" 2>&1 || { cat "$TMP/log" >&2; return 1; }
	run_ms=$((($(now_ms) - t0) * 6 / 10))
	at[deb]=2 at[rpm]=2
	for old in deb rpm; do unlike_paths $old; done
	diag "a run takes about $run_ms ms"
}

# Everything in the tree, but for logs, scratch (rpm's scriptlets lie in /var/tmp as they run), what the context mounts over, and
# what each reader of an rpm database makes anew.
shot() { # VSERVER
	local aside='-path ./var/log -o -path ./var/tmp -o -path ./dev -o -path ./proc -o -path ./tmp'
	(cd "$VPKG_SYSROOT/vservers/$1" || exit 1
		find . -xdev \( $aside \) -prune -o -printf '%P\t%y %m %U:%G %s %T@ %l\n' |
			sed -E -e 's/(\td \S+ \S+ )[0-9]+ /\1/' -e '/^var\/lib\/rpm\/rpmdb.sqlite-shm/d' | sort
		find . -xdev \( $aside \) -prune -o -type f -printf '%P\0' | sort -z |
			grep -zvx var/lib/rpm/rpmdb.sqlite-shm | xargs -0 sha256sum | sed -E 's/^(\S+)  (.*)/\2\t\1/')
}

# Without times, and without what is each vserver's own or holds inode numbers.
essence() { # FAMILY VSERVER
	shot "$2" | sed -E 's/ [0-9]+\.[0-9]{6,} / /' | awk -F'\t' -v own="$TMP/own.$1" '
		BEGIN { while ((getline p <own) > 0) skip[p] = 1 }
		!($1 in skip)'
	[ $1 != rpm ] || vserver $2 exec rpm -qa --qf '%{NEVRA} %{SHA256HEADER}\n' | sort
}

unlike_paths() { # FAMILY: paths that differ between the twins at the beginning
	: >"$TMP/own.$1"
	# An rpm database holds the time of each installation: what it says is compared.
	printf '%s\n' var/cache/ldconfig/aux-cache var/lib/rpm/rpmdb.sqlite var/lib/rpm/rpmdb.sqlite-wal >"$TMP/own.list"
	diff <(essence $1 ${first[$1]}) <(essence $1 ${twin[$1]}) | sed -nE 's/^[<>] ([^\t]*)\t.*/\1/p' | sort -u >>"$TMP/own.list"
	mv "$TMP/own.list" "$TMP/own.$1"
}

installed() { # FAMILY VSERVER
	case $1 in
	deb) vserver $2 exec dpkg-query -W -f '${Version}\n' soak ;;
	rpm) vserver $2 exec rpm -q --qf '%{VERSION}\n' soak ;;
	esac
}

children() { cat /proc/"$1"/task/*/children 2>/dev/null; }

# The worker is a child of vpkg, the context's first process a child of that, the tool below it.
descend() { # PID
	local c
	for c in $(children "$1"); do echo "$c"; descend "$c"; done
}

strike() { # VICTIM PID
	local w t
	w=$(for c in $(children "$2"); do grep -q '^vpkg$' /proc/$c/comm 2>/dev/null && echo $c; done)
	case $1 in
	parent) kill -9 $2 ;;
	worker) [ -z "$w" ] || kill -9 $w ;;
	both) kill -9 $2 $w ;;
	helper)
		for t in /proc/[0-9]*/comm; do
			[ "$(cat $t 2>/dev/null)" = vpkg-seal ] && [ "$(cat ${t%comm}environ 2>/dev/null | tr '\0' '\n' | grep ^VPKG_SYSROOT=)" = "VPKG_SYSROOT=$VPKG_SYSROOT" ] &&
				kill -9 $(basename ${t%/comm})
		done
		;;
	tool)
		t=$(for c in $(descend $2); do case $(cat /proc/$c/comm 2>/dev/null) in dpkg | rpm) echo $c ;; esac; done | shuf -n 1)
		[ -z "$t" ] || kill -9 $t
		;;
	esac 2>/dev/null
}

wait_for() { # WHEN PID VSERVER
	local i state
	case $1 in
	[0-9]*) sleep "$(awk -v s="$1" -v ms=$run_ms 'BEGIN { printf "%.3f", s * ms / 1000 }')" ;;
	*)
		for i in $(seq 3000); do
			read -r _ _ state _ 2>/dev/null </proc/$2/stat && [ $state != Z ] || return 1
			case $1 in
			preparing | applying | committed)
				state=
				read -r state 2>/dev/null <"$VPKG_SYSROOT/var/lib/vpkg/journal/$3/state"
				[ "$state" = $1 ] && return
				;;
			*) [ -e "$VPKG_SYSROOT/vservers/$3/$1" ] && return ;;
			esac
			sleep 0.002
		done
		;;
	esac
}

# What must hold after a recovery, whatever happened. Prints what does not.
sound() {
	local v
	{ stat -Lc '%d:%i' "$VPKG_SYSROOT"/vservers/*/; stat -Lc '%d:%i %n' /proc/[0-9]*/root 2>/dev/null; } |
		awk 'NF == 1 { tree[$1] = 1 } NF == 2 && $1 in tree { print "still runs: " $2 }'
	ls -A "$VPKG_SYSROOT/vservers/.undo" "$VPKG_SYSROOT/var/lib/vpkg/journal" "$VPKG_SYSROOT/var/cache/vpkg/tmp" \
		"$VPKG_SYSROOT/vservers/.unify/tmp" 2>/dev/null | grep -v -e : -e '^$' | sed 's/^/left: /'
	lsattr -R "$VPKG_SYSROOT/vservers/.unify/objects" 2>/dev/null | awk '$2 ~ /objects\/..\// && $1 !~ /i/ { print "unsealed: " $0 }'
	# Another's freeze may be seen for a moment.
	for v in $(seq 50); do
		grep -qx 1 $(awk '/ - cgroup2 / { print $5 "/vserver/cgroup.freeze"; exit }' /proc/self/mountinfo) 2>/dev/null || break
		sleep 0.1
	done
	[ $v -lt 50 ] || echo "frozen"
	# The seal helper of a killed one ends by itself.
	return 0
}

step() { [ -z "${STEPS:-}" ] || diag "$(date +%T.%N | cut -c 1-12) $*"; }

kill_round() { # VICTIM WHEN [FAMILY]
	local victim=$1 when=$2 families=${3:-deb} f v n pid got why='' names='' files=''
	[ $families != both ] || families='deb rpm'
	for f in $families; do
		names+="${first[$f]} "
		files+="$(packages $f $((at[$f] + 1))) "
		shot ${first[$f]} >"$TMP/before.$f"
	done
	step go
	vpkg $names -- $files >"$TMP/log" 2>&1 &
	pid=$!
	wait_for $when $pid ${names%% *} && strike $victim $pid
	case $victim in
	parent | both) ;;
	*) wait $pid 2>/dev/null ;;
	esac
	step struck
	vpkg recover >"$TMP/recover.log" 2>&1 || why+="recover failed: $(cat "$TMP/recover.log")"$'\n'
	wait $pid 2>/dev/null
	step recovered
	for f in $families; do
		v=${first[$f]} n=$((at[$f] + 1))
		got=$(installed $f $v)
		case $got in
		"${at[$f]}")
			outcomes[old]=$((${outcomes[old]:-0} + 1))
			why+=$(diff "$TMP/before.$f" <(shot $v) | sed "s/^/$v, old: /" | head -n 30)
			;;
		"$n")
			outcomes[new]=$((${outcomes[new]:-0} + 1))
			vpkg ${twin[$f]} -q -- $(packages $f $n) >"$TMP/twin.log" 2>&1 || why+="the twin: $(cat "$TMP/twin.log")"$'\n'
			why+=$(diff <(essence $f ${twin[$f]}) <(essence $f $v) | sed "s/^/$v, new: /" | head -n 30)
			rm -rf "$TMP/pkgs/$f-${at[$f]}"
			at[$f]=$n
			;;
		*) why+="$v: neither round ${at[$f]} nor $n: $got"$'\n' ;;
		esac
		[ $f != deb ] || [ -z "$(vserver $v exec dpkg --audit)" ] || why+="$v: dpkg --audit: $(vserver $v exec dpkg --audit)"$'\n'
	done
	step compared
	why+=$(sound)
	is "$why" "" "$victim killed at $when ($families): $(for f in $families; do echo -n "${at[$f]} "; done)" ||
		diag "$(tail -n 5 "$TMP/log"; cat "$TMP/recover.log")"
}

kill_random() {
	local victims=(parent worker worker both both tool helper) whens=(preparing applying committed) families=(deb deb deb rpm both)
	local when
	when=$(awk -v r=$RANDOM 'BEGIN { printf "%.2f", r / 32767 * 1.1 }')
	[ $((RANDOM % 6)) -gt 0 ] || when=${whens[RANDOM % 3]}
	kill_round ${victims[RANDOM % 7]} $when ${families[RANDOM % 5]}
}
