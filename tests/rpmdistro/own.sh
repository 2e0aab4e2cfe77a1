# SPDX-License-Identifier: GPL-2.0-or-later
#
# The packages of "mini" that no Debian package is behind: the ones that a distribution writes itself. Each function
# own_NAME fills the stage directory (the working directory) and prints the spec lines that are particular to it.
# Sourced by build.sh.

OWN='setup filesystem basesystem mini-release mini-tools'

own_setup() {
	mkdir -p etc/profile.d
	cat >etc/passwd <<-'END'
		root:x:0:0:root:/root:/bin/bash
		bin:x:1:1:bin:/bin:/usr/sbin/nologin
		daemon:x:2:2:daemon:/usr/sbin:/usr/sbin/nologin
		mail:x:8:12:mail:/var/mail:/usr/sbin/nologin
		nobody:x:65534:65534:nobody:/:/usr/sbin/nologin
	END
	cat >etc/group <<-'END'
		root:x:0:
		bin:x:1:
		daemon:x:2:
		sys:x:3:
		adm:x:4:
		tty:x:5:
		disk:x:6:
		mail:x:12:
		utmp:x:22:
		shadow:x:42:
		nogroup:x:65534:
	END
	sed 's/:.*/:*:19000:0:99999:7:::/' etc/passwd >etc/shadow
	sed 's/:.*/:!::/' etc/group >etc/gshadow
	printf '/usr/bin/sh\n/usr/bin/bash\n' >etc/shells
	echo 'export PATH=/usr/sbin:/usr/bin:/sbin:/bin' >etc/profile
	echo 'multi on' >etc/host.conf
	printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n' >etc/hosts
	: >etc/fstab
	chmod 0640 etc/shadow etc/gshadow
	find etc -type f | sed 's|^|/|' >.conffiles
	printf '%%post -p <lua>\nposix.mkdir("/var/log")\nlocal f = io.open("/var/log/lastlog", "a")\nif f then f:close() end\n'
}

# Owns the directories that all share and the links of the merged /usr.
own_filesystem() {
	local d
	mkdir -p boot dev etc/opt home media mnt opt proc root run srv sys tmp \
		usr/{bin,sbin,lib,lib64,libexec,include,share/{misc,doc,man},local/{bin,lib,share},src} \
		var/{cache,lib/misc,local,log,mail,opt,spool,tmp}
	for d in bin sbin lib lib64; do ln -s "usr/$d" "$d"; done
	ln -s ../run var/run
	ln -s ../run/lock var/lock
	chmod 1777 tmp var/tmp
	chmod 0550 root
	chmod 0555 proc sys
	echo 'Requires: setup'
}

own_basesystem() {
	printf 'Requires: setup\nRequires: filesystem\n'
}

own_mini-release() {
	mkdir -p etc/pki/rpm-gpg usr/lib usr/share
	echo 'Mini Linux release 1' >usr/share/mini-release
	echo /usr/share/mini-release >.conffiles
	cat >usr/lib/os-release <<-'END'
		NAME="Mini Linux"
		ID=mini
		VERSION_ID=1
		VERSION="1"
		PRETTY_NAME="Mini Linux 1 (vpkg test distribution)"
		CPE_NAME="cpe:/o:mini:mini:1"
	END
	ln -s ../usr/lib/os-release etc/os-release
	echo 'Mini Linux release 1' >etc/mini-release
	ln -s mini-release etc/system-release
	cp "$DIR/RPM-GPG-KEY-mini" etc/pki/rpm-gpg/
	# Like CentOS 7's libsepol: the script needs a package that is installed later, and does not say so.
	cat <<-'END'
		Requires: basesystem
		Provides: system-release = 1
		%post
		sed -i 's/release 1$/release 1 (installed)/' /usr/share/mini-release
	END
}

# Numbered lines of digits, the same on every machine: from $1 lines, differing by the word $2.
own_table() {
	awk -v n="$1" -v word="$2" 'BEGIN { x = 1; for (i = 0; i < n; i++) { x = (x * 16807) % 2147483647; print i, word, x } }'
}

# What the demo and the tests upgrade: VERSION 1.1 has two of three tables, the program and the configuration changed.
own_mini-tools() {
	mkdir -p etc usr/bin usr/lib/mini-tools usr/libexec/mini-tools var/lib/mini-tools
	printf '#!/bin/sh\necho "mini-tools %s"\n' "$VERSION" >usr/bin/mini-hello
	cp "$STAGE/coreutils/usr/bin/true" usr/libexec/mini-tools/listen
	own_table 12000 same >usr/lib/mini-tools/table-1.txt
	own_table 12000 "version-$VERSION" >usr/lib/mini-tools/table-2.txt
	own_table 15000 "release-$VERSION" >usr/lib/mini-tools/table-3.txt
	printf '# mini-tools %s\ngreeting = hello\n' "$VERSION" >etc/mini-tools.conf
	chmod 0755 usr/bin/mini-hello usr/libexec/mini-tools/listen
	chmod 0750 var/lib/mini-tools
	echo /etc/mini-tools.conf >.conffiles
	echo '/var/lib/mini-tools minitools' >.groups
	echo '/usr/libexec/mini-tools/listen cap_net_bind_service=ep' >.caps
	cat <<-'END'
		Requires(pre): shadow-utils, grep
		%pre
		grep -q '^minitools:' /etc/group || groupadd -r minitools
		%post
		mini-hello >/var/lib/mini-tools/installed
	END
}

# ---- packages that go wrong, one way each ----------------------------------------------------------------------------
ODD='mini-broken=1.0 mini-broken=1.1 mini-needs=1.0 mini-conflicts=1.0 mini-foreign=1.0 mini-asks=1.0 mini-prefail=1.0'

own_mini-broken() { # 1.1's %post fails after its files are in place
	mkdir -p usr/bin usr/lib/mini-broken
	printf '#!/bin/sh\necho "mini-broken %s"\n' "$VERSION" >usr/bin/mini-broken
	chmod 0755 usr/bin/mini-broken
	own_table 9000 "broken-$VERSION" >usr/lib/mini-broken/table.txt
	[ "$VERSION" = 1.0 ] || printf '%%post\necho "mini-broken: cannot migrate the table" >&2\nexit 1\n'
}

own_mini-needs() {
	mkdir -p usr/lib && echo needs >usr/lib/mini-needs
	echo 'Requires: mini-nowhere >= 3'
}

own_mini-conflicts() {
	mkdir -p usr/lib && echo conflicts >usr/lib/mini-conflicts
	echo 'Conflicts: mini-tools'
}

own_mini-foreign() { # built for another architecture: build.sh gives --target
	mkdir -p usr/lib && echo foreign >usr/lib/mini-foreign
}

own_mini-asks() { # its %pre waits for an answer
	mkdir -p usr/lib && echo asks >usr/lib/mini-asks
	printf '%%pre\nprintf "Really install? [y/n] "\nif read -r answer; then echo "answer: $answer"; else echo "no answer"; fi\nexit 0\n'
}

own_mini-prefail() { # its %pre refuses, before anything is in place
	mkdir -p usr/lib && echo prefail >usr/lib/mini-prefail
	printf '%%pre\necho "mini-prefail: not on this system" >&2\nexit 1\n'
}
