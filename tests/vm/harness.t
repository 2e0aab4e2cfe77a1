#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/vm/run itself: what a script says and its exit status come out unchanged, each script finds the file systems as they were made,
# and nothing that goes wrong in a machine passes for success. Takes two boots; make check-long runs it.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need_cmd qemu-system-x86_64 clang cc
[ -s "$BUILD/vm/image/root.img" ] || skip_all "needs tests/vm/vm.t to have run"
KERNEL=$(basename "$(ls -d "$BUILD"/vm/kernel-* | head -n 1)")
KERNEL=${KERNEL#kernel-}

script() { cat >"$TMP/$1.t"; } # NAME
lines() { printf 'ok 1 - \\ %%s "quoted"\n\n    indented\n= bye\no ut\n%05000d\nno newline at the end' 7; }

script says <<'END'
lines() { printf 'ok 1 - \\ %%s "quoted"\n\n    indented\n= bye\no ut\n%05000d\nno newline at the end' 7; }
lines
printf 'first\nsecond\n' >&2
exit 3
END
run tests/vm/run "$KERNEL" "$TMP/says.t"
is "$status" 3 "the exit status is the script's"
is "$out" "$(lines)" "its standard output is as it was"
is "$err" $'first\nsecond' "its standard error is as it was"

script scribbles <<'END'
for fs in ext4 xfs btrfs; do touch /mnt/$fs/here; rm -r /mnt/$fs/root/vservers/rpm2; done
END
script looks <<'END'
ls -d /mnt/*/here 2>/dev/null; ls -d /mnt/*/root/vservers/rpm2; grep -c ' /mnt/' /proc/self/mounts
END
script leaves <<'END'
setsid sleep 1000 >/dev/null 2>&1 </dev/null &
END
script talks <<'END'
echo begins; setsid sleep 1001 &
END
script holds <<'END'
mkdir /mnt/xfs/m; mount -t tmpfs m /mnt/xfs/m
END
script warns <<'END'
echo 512 >/proc/sys/kernel/tainted # as WARN_ON does
END
script hangs <<'END'
echo before; sleep 1002
END
script dies <<'END'
echo last words; sleep 1; echo c >/proc/sysrq-trigger; sleep 60
END
script never <<'END'
echo never
END
run env VPKG_VM_SCRIPT_LIMIT=20 tests/vm/run "$KERNEL" "$TMP"/{scribbles,looks,leaves,talks,holds,warns,hangs,dies,never}.t
is "$status" 1 "a run in which that happens fails"
is "$out" "$(printf '%s\n' /mnt/{btrfs,ext4,xfs}/root/vservers/rpm2 3 begins before 'last words')" \
	"what one script does to the file systems the next does not see; output until the end is there"
says() { like "$err" "$2" "$1"; }
says "a process that is left is told" 'leaves\.t: processes are left: [0-9]+ sleep 1000'
says "… also one that holds the output" 'talks\.t: processes are left: [0-9]+ sleep 1001'
says "a file system that is in use is told" 'holds\.t: /mnt/xfs is in use'
says "a kernel warning is told" 'warns\.t: the kernel complains \(tainted 0, now 512\)'
says "a script that hangs is ended" 'hangs\.t: it did not end within 20 s'
says "… and what it did is told" 'hangs: .*sleep 1002'
says "a kernel that dies is told" "ended during [^ ]*dies\.t"
says "… with its last words" 'Kernel panic'
unlike "$err" 'scribbles|looks|never' "the others are not blamed"

run env VPKG_VM_LIMIT=5 tests/vm/run "$KERNEL" "$TMP/never.t"
is "$status" 1 "a machine whose time is up fails"
like "$err" "did not come up|ended: " "… and that is told"
exits 1 "a kernel that is not there" tests/vm/run 0.0 "$TMP/never.t"
one_line "$err" "… is one line"
exits 1 "a script that is not there" tests/vm/run "$KERNEL" "$TMP/nowhere.t"
one_line "$err" "… is one line"
is "$(ls -d "$BUILD"/vm/run-* 2>/dev/null)" "" "no scratch directory is left"
done_testing
