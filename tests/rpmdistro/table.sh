# SPDX-License-Identifier: GPL-2.0-or-later
#
# What "mini" consists of: which Debian packages it is made from, what they are called as rpms, what is left out of them,
# and the scriptlets and further files that a real distribution's packages have. Sourced by make and build.sh.

DIST=mini1
# The programs; the libraries that they need are found through Depends.
SEEDS='bash coreutils sed grep findutils mawk tar gzip bzip2 xz-utils cpio diffutils less util-linux mount hostname
procps passwd rpm rpm-common libc-bin ncurses-base'
# Depends that mini does without: Debian's own machinery, perl, what only the left-out files need.
LEFT_OUT='perl perl-* libperl* debconf cdebconf dpkg debugedit install-info libpam-modules* libpam-runtime libdbus-* dbus*
readline-common gcc-*-base debianutils init-system-helpers base-files libfsverity* librpmbuild* librpmsign* rpm2cpio
libaudit-common util-linux-extra login* libnewt* libarchive* sensible-utils libssl* tzdata* sysvinit-utils libtext-* media-types'

# The rpm that a Debian package's files go to. Several may go to the same.
rpm_name() {
	case $1 in
	libc6 | libc-bin) echo glibc ;;
	libgcc-s1) echo libgcc ;;
	passwd) echo shadow-utils ;;
	mount | bsdutils) echo util-linux ;;
	rpm | rpm-common) echo rpm ;;
	librpm[0-9]* | librpmio[0-9]*) echo rpm-libs ;;
	xz-utils) echo xz ;;
	liblzma*) echo xz-libs ;;
	libbz2*) echo bzip2-libs ;;
	libtinfo* | libncursesw*) echo ncurses-libs ;;
	libpam0g*) echo pam ;;
	libelf*) echo elfutils-libelf ;;
	libcrypt1*) echo libxcrypt ;;
	libsqlite3*) echo sqlite-libs ;;
	liblua*) echo lua-libs ;;
	libpopt*) echo popt ;;
	libpcre2*) echo pcre2 ;;
	libreadline*) echo readline ;;
	libzstd*) echo libzstd ;;
	liblz4*) echo lz4-libs ;;
	zlib1g*) echo zlib ;;
	lib*) sed -E 's/t64$//; s/-?[0-9.]+(-[0-9]+)?$//' <<<"$1" ;;
	*) echo "$1" ;;
	esac
}

# In the stage directory of the rpm $1: files that mini leaves out, and those that Debian makes in its postinst.
adjust() {
	local f
	rm -rf usr/share/{doc,man,info,locale,lintian,bug,bash-completion,menu,pixmaps,gdb,doc-base,initramfs-tools,applications} \
		usr/lib/*/gconv usr/lib/*/audit etc/pam.d etc/init.d etc/cron* etc/skel etc/dbus-1 usr/lib/systemd usr/lib/tmpfiles.d
	case $1 in
	bash)
		ln -s bash usr/bin/sh
		;;
	glibc)
		mkdir -p etc
		printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n' >etc/nsswitch.conf
		;;
	mawk)
		ln -s mawk usr/bin/awk
		;;
	rpm)
		find usr/bin usr/lib/rpm -maxdepth 1 \( -name 'rpmbuild' -o -name 'rpmspec' -o -name 'rpmsign' -o -name gendiff \
			-o -name 'brp-*' -o -name 'check-*' -o -name 'find-*' -o -name '*deps*' -o -name '*.prov' -o -name '*.req' \
			-o -name 'rpmdb_*' -o -name rpm.daily -o -name '*.sh' -o -name tgpg -o -name rpmuncompress \
			-o -name mkinstalldirs -o -name '*.supp' \) -delete
		rm -rf usr/lib/rpm/fileattrs usr/lib/*/rpm-plugins
		find usr/lib/rpm/platform -mindepth 1 -maxdepth 1 ! -name "$RPM_ARCH-*" ! -name 'noarch-*' -exec rm -r {} +
		mkdir -p usr/lib/rpm/macros.d var/lib/rpm
		# Debian's default is a directory in the user's home.
		printf '%%_dbpath /var/lib/rpm\n%%_db_backend sqlite\n' >usr/lib/rpm/macros.d/macros.mini
		;;
	esac
	# Scripts of interpreters that mini does not have.
	find . -type f -perm -100 | while read -r f; do
		if head -qc 64 "$f" | head -n 1 | grep -qaE '^#! ?/usr/bin/(perl|python|env )|^#! ?/bin/dash'; then rm -f "$f"; fi
	done
	[ "$1" = util-linux ] || find . -xtype l -path './usr/bin/*' -delete
}

# Provides, Requires and scriptlets of the rpm $1 beyond what rpm's generators find.
extra_spec() {
	case $1 in
	bash)
		cat <<-'END'
			Provides: /bin/sh, /bin/bash
			%post -p <lua>
			local shells = {["/bin/sh"] = true, ["/bin/bash"] = true}
			local f = io.open("/etc/shells", "a+")
			if f then
				for line in f:lines() do shells[line] = nil end
				for shell in pairs(shells) do f:write(shell .. "\n") end
				f:close()
			end
		END
		;;
	glibc) # nearly everything needs it, so it must not need the shell that ldd is written in
		printf '%s\n' 'Provides: /sbin/ldconfig, rtld(GNU_HASH)' 'Requires: basesystem' '%global __requires_exclude ^/(usr/)?bin/'
		;;
	sed) # mini-release, which comes before it therefore, has a %post that uses it
		echo 'Requires: system-release'
		;;
	mawk) echo 'Provides: /bin/awk' ;;
	coreutils) echo 'Provides: /bin/cat, /bin/ls, /bin/rm' ;;
	shadow-utils) echo 'Requires: setup' ;;
	rpm) echo 'Requires: rpm-libs = %{version}, popt' ;;
	esac
}
