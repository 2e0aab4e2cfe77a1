#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# While vpkg updates all others, root of one vserver tries without pause to change its links of the same shared files.
. "$(dirname "$0")/../lib/tap.sh"
. "$TOP/tests/lib/fleet.sh"
need_root
need_cmd dpkg-deb
private_mounts "$@"
own_disk

ok "bootstrap web1" vpkg bootstrap web1 debian/12
ok "web2, just like it" copy web1 web2
ok "evil, which ALL leaves out later" copy web1 evil
V=$VPKG_SYSROOT/vservers
names=$(for i in $(seq 40); do echo "/usr/share/tool/$i"; done)
version() { # N: forty files that differ in each version
	local args=() i
	for i in $(seq 40); do args+=("+usr/share/tool/$i=$(head -c 5000 /dev/zero | tr '\0' "$1") $i"); done
	mkdeb tool "$1" "${args[@]}"
}
exits 0 "the files come to all" vpkg ALL -- "$(version 1)"
echo 'VPKG=no' >>"$VPKG_SYSROOT/etc/vservers/evil.conf"
inode=$(stat -c %i "$V/web1/usr/share/tool/1")
is "$(stat -c %i "$V/evil/usr/share/tool/1")" "$inode" "and are shared with the attacker"

# Attempts on each file: open for writing, append, truncate, chmod, chown, utime; each success is a line. (Links are
# allowed.) The same on a file of its own is the control.
cat >"$V/evil/root/attack.pl" <<'END'
$| = 1;
my @shared = map { "/usr/share/tool/$_" } 1 .. 40;
my ($tries, %won) = (0);
sub attempt {
	my ($f) = @_;
	my %a = (
		write => sub { my $h; open($h, '+<', $f) && syswrite($h, 'X') },
		append => sub { my $h; open($h, '>>', $f) && syswrite($h, 'X') },
		truncate => sub { truncate($f, 1) },
		chmod => sub { chmod(04777, $f) > 0 },
		chown => sub { chown(1, 1, $f) > 0 },
		utime => sub { utime(1, 1, $f) > 0 },
	);
	for my $k (sort keys %a) { $tries++; $won{$k}++ if $a{$k}->() }
}
open(my $own, '>', '/root/own'); print $own 'mine'; close $own;
attempt('/root/own');
print join(' ', 'control', sort keys %won), "\n";
%won = (); $tries = 0;
print "started\n";
until (-e '/root/stop') { attempt($_) for @shared }
print "tries $tries won ", join(' ', map { "$_=$won{$_}" } sort keys %won), "\n";
END
sums() { (cd "$V/$1" && sha256sum usr/share/tool/* && stat -c '%n %a %u %g %s %Y' usr/share/tool/*); }
before=$(sums evil)
vserver evil exec perl /root/attack.pl >"$TMP/attack" 2>&1 &
attacker=$!
for _ in $(seq 100); do grep -q started "$TMP/attack" && break; sleep 0.1; done
like "$(cat "$TMP/attack")" 'control append chmod chown truncate utime write' "every attempt succeeds on a file of its own"

for n in 2 3 4 5; do exits 0 "vpkg ALL -- tool $n" vpkg ALL -- "$(version $n)" || break; done
exits 0 "vunify ALL" vunify ALL
touch "$V/evil/root/stop"
wait $attacker
like "$(tail -n 1 "$TMP/attack")" '^tries [0-9]{4,} won $' "not one of the attacker's attempts succeeded"
diag "$(tail -n 1 "$TMP/attack")"
is "$(sums evil)" "$before" "its files keep their digests and modes"
is "$(sums web1)" "$(sums web2)" "the others have the new ones"
is "$(cat "$V/web1/usr/share/tool/7" | tr -d 5)" " 7" "with the right contents"
ok "dpkg --verify agrees" vserver web1 exec dpkg --verify tool
is "$out" "" "with every file"
unsealed=$(find "$VPKG_SYSROOT/vservers/.unify/objects" -type f -print0 | xargs -0r lsattr | awk '$1 !~ /i/' | head -n 3)
is "$unsealed" "" "every object of the store is sealed"
for v in web1 web2 evil; do vserver $v delete --yes >/dev/null; done
is "$(leftovers)" "" "nothing is left behind"
done_testing
