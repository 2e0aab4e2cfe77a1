#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# setattr and showattr on real files: sealed, shared, immutable, open for writing; and in a tree whose owner means harm.
. "$(dirname "$0")/../lib/tap.sh"
need_root
need_cmd lsattr chattr mkfifo setpriv
private_mounts "$@"
chmod 755 "$TMP"
D=$TMP/d
mkdir "$D"
touch "$D/probe"
must_have "needs a file system with the immutable attribute" sh -c "chattr +i '$D/probe' && chattr -i '$D/probe'"
rm "$D/probe"

seal_of() { showattr -d "$1" | cut -d' ' -f1; } # sealed or -
immutable() { [[ $(lsattr -d "$1" | cut -d' ' -f1) == *i* ]]; }
says() { # REGEX DESC: the last run failed with one line
	is "$status" 1 "$2: status 1"
	one_line "$err" "$2: one line"
	like "$err" "^setattr: $1" "$2: says what"
}

# ---- one file -------------------------------------------------------------------------------------------------------

echo one >"$D/one"
for name in iunlink immu immulink; do
	for not in '~' '!'; do
		ok "--$name" setattr --$name "$D/one"
		is "$out$err" "" "… says nothing"
		is "$(seal_of "$D/one")" sealed "… seals"
		ok "… also what is sealed" setattr --$name "$D/one"
		ok "--$not$name" setattr "--$not$name" "$D/one"
		is "$(seal_of "$D/one")" - "… takes the seal off"
		ok "… and the file can be written" sh -c 'echo more >>"$1"' sh "$D/one"
	done
done
ok "--immutable" setattr --immutable "$D/one"
ok "… is chattr's i" immutable "$D/one"
not_ok "… and holds" sh -c 'echo more >>"$1"' sh "$D/one"
ok "--~immutable" setattr --~immutable "$D/one"
not_ok "… takes it off" immutable "$D/one"
mkdir "$D/dir"
ok "--immutable on a directory" setattr --immutable "$D/dir"
not_ok "… holds" touch "$D/dir/new"
ok "--!immutable" setattr '--!immutable' "$D/dir"
ok "… takes it off" touch "$D/dir/new"

exec 7>>"$D/one"
run setattr --iunlink "$D/one"
says ".*/one: some program has it open for writing" "a file that is open for writing"
is "$(seal_of "$D/one")" - "… has no seal"
exec 7>&-
ok "… and gets it when it is not any more" setattr --iunlink "$D/one"
setattr --~iunlink "$D/one"
exec 7<"$D/one"
ok "a file that is open for reading" setattr --iunlink "$D/one"
exec 7<&-

# ---- shared files ---------------------------------------------------------------------------------------------------

setattr --~iunlink "$D/one"
ln "$D/one" "$D/two"
setattr --iunlink "$D/one"
for not in --~iunlink --~immutable; do
	run setattr $not "$D/two"
	says ".*/two: sealed, and 2 names share it" "$not on a shared file"
	is "$(seal_of "$D/two")" sealed "… which keeps its seal"
done
ok "--force" setattr --force --~iunlink "$D/two"
is "$(seal_of "$D/one")" - "… takes it off"
ok "a file with two names and no seal" setattr --~iunlink "$D/two"

# ---- trees ----------------------------------------------------------------------------------------------------------

T=$TMP/tree
mkdir -p "$T/a/b" "$T/.hidden" "$T/mnt" "$TMP/outside" "$TMP/other/in"
for f in a/1 a/b/2 .hidden/3 4 .5; do echo $f >"$T/$f"; done
echo out >"$TMP/outside/file"
echo mounted >"$TMP/other/in/file"
ln -s "$TMP/outside" "$T/a/link"
ln -s "$TMP/outside/file" "$T/a/flink"
mkfifo "$T/a/fifo"
mknod "$T/a/null" c 1 3
mount --bind "$TMP/other" "$T/mnt"

ok "-R" timeout 20 setattr -R --iunlink "$T"
is "$err" "" "… passes over what is no regular file"
for f in a/1 a/b/2 .hidden/3 4 .5 mnt/in/file; do
	is "$(seal_of "$T/$f")" sealed "… seals $f"
done
is "$(seal_of "$TMP/outside/file")" - "… follows no symbolic link"
not_ok "… and changes no directory" immutable "$T/a"
ok "-R --~iunlink" setattr -R --~iunlink "$T"
is "$(seal_of "$T/.hidden/3")$(seal_of "$T/mnt/in/file")" -- "… everywhere"
ok "-Rx" setattr -Rx --iunlink "$T"
is "$(seal_of "$T/a/b/2")" sealed "… seals"
is "$(seal_of "$T/mnt/in/file")" - "… but not in what is mounted below"
ok "-R on the files of one" setattr -R --~iunlink "$T/4" "$T/a"
is "$(seal_of "$T/4")$(seal_of "$T/a/1")$(seal_of "$T/.hidden/3")" --sealed "… takes only those"
setattr -Rx --~iunlink "$T"
ok "-R --immutable" setattr -Rx --immutable "$T"
ok "… takes directories, too" immutable "$T/a/b"
ok "-R --~immutable" setattr -Rx --~immutable "$T"
not_ok "… takes it off those" immutable "$T/a/b"

for i in $(seq 1 50); do echo $i >"$T/a/s$i" && ln "$T/a/s$i" "$TMP/outside/s$i"; done
setattr -R --iunlink "$T/a"
run setattr -R --~iunlink "$T/a"
says "50 sealed files that other names share kept the seal \(the first: .*/a/s1\)" "-R over 50 shared files"
is "$(seal_of "$T/a/1")" - "… does the others"
is "$(seal_of "$T/a/s50")" sealed "… and leaves those"
ok "… unless --force" setattr -R --force --~iunlink "$T/a"
is "$(seal_of "$T/a/s50")" - "… which takes them, too"

# ---- what is wrong --------------------------------------------------------------------------------------------------

run setattr --iunlink "$T/a"
says ".*/a: not a regular file; -R" "a directory without -R"
run setattr --iunlink "$T/a/flink"
says ".*/flink: not a regular file$" "a symbolic link"
run timeout 20 setattr --iunlink "$T/a/fifo"
says ".*/fifo: not a regular file$" "a fifo"
run setattr --iunlink "$D/one" "$D/nosuch" "$D/two"
says ".*/nosuch: No such file" "a file that is missing"
is "$(seal_of "$D/two")" sealed "… and those behind it are done"
setattr --force --~iunlink "$D/two"
bad=$'\e[2J\nx'
mkdir "$D/$bad"
run setattr --iunlink "$D/$bad"
says '.*/\\x1b\[2J\\x0ax: not a regular' "a name that would drive the terminal"
mkdir "$TMP/tmpfs"
mount -t tmpfs x "$TMP/tmpfs"
touch "$TMP/tmpfs/file"
if ! chattr +d "$TMP/tmpfs/file" 2>/dev/null; then
	run setattr --iunlink "$TMP/tmpfs/file"
	says ".*/file: .*no immutable attribute" "a file system without attributes"
fi
run setattr --iunlink /proc/self/status
says "/proc/self/status: .*no immutable attribute" "a file of /proc"
run setpriv --reuid 65534 --regid 65534 --clear-groups "$BIN/setattr" --iunlink "$D/one"
says "changing these attributes takes root with CAP_LINUX_IMMUTABLE" "as nobody"
run reducecap --LINUX_IMMUTABLE setattr --iunlink "$D/one"
says "changing these attributes takes root with CAP_LINUX_IMMUTABLE" "without the capability"
is "$(seal_of "$D/one")" - "… nothing is done"

# A directory that is swapped for a symbolic link all the time leads nowhere else.
mkdir -p "$T/swap/dir" "$T/swap/dir2"
echo in >"$T/swap/dir/file"
ln -s "$TMP/outside" "$T/swap/link"
(while :; do
	mv -T --exchange "$T/swap/dir" "$T/swap/link" 2>/dev/null || { mv "$T/swap/dir" "$T/swap/away" && mv "$T/swap/link" "$T/swap/dir" && mv "$T/swap/dir" "$T/swap/link" && mv "$T/swap/away" "$T/swap/dir"; }
done) 2>/dev/null &
swapper=$!
for i in $(seq 1 200); do setattr -R --iunlink "$T/swap" 2>/dev/null; done
kill $swapper
wait $swapper 2>/dev/null
is "$(seal_of "$TMP/outside/file")" - "200 runs over a tree that is swapped meanwhile seal nothing outside"

# ---- showattr -------------------------------------------------------------------------------------------------------

S=$TMP/show
mkdir -p "$S/sub/deep" "$S/mnt"
touch "$S/b" "$S/a" "$S/.dot" "$S/sub/c" "$S/sub/deep/d" "$S/sub/.e"
ln -s a "$S/link"
mount --bind "$TMP/other" "$S/mnt"
names() { (cd "$S" && showattr "$@") | sed 's/^[^ ]* *[^ ]* //' | paste -sd' '; }
is "$(names .)" ". ./a ./b ./mnt ./sub" "showattr DIRECTORY: itself, then what is in it, without names with a dot"
is "$(names)" ". ./a ./b ./mnt ./sub" "showattr alone shows the current directory"
is "$(names -a .)" ". ./.dot ./a ./b ./mnt ./sub" "-a: those, too"
is "$(names -d .)" "." "-d: the directory itself"
is "$(names -R sub)" "sub sub/c sub/deep sub/deep/d" "-R: what is below"
is "$(names -Ra sub/)" "sub/ sub/.e sub/c sub/deep sub/deep/d" "-Ra"
is "$(names -R .)" ". ./a ./b ./mnt ./mnt/in ./mnt/in/file ./sub ./sub/c ./sub/deep ./sub/deep/d" "-R goes into what is mounted"
is "$(names -Rx .)" ". ./a ./b ./mnt ./sub ./sub/c ./sub/deep ./sub/deep/d" "-Rx does not"
is "$(names -dR a b)" "a b" "files"
chattr +a "$S/a"
like "$(showattr "$S/a")" "^- +-----a" "attributes are shown in lsattr's letters"
chattr -a "$S/a"
run showattr "$S/link"
is "$status" 1 "a symbolic link has no attributes"
run showattr "$S/nosuch" "$S/b"
is "$status" 1 "a file that is missing"
like "$out" "/b$" "… does not hide the others"
done_testing
