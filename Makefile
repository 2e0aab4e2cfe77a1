# SPDX-License-Identifier: GPL-2.0-or-later
#
# One makefile, not recursive (it calls itself only to build once more with other flags, or after installing what it needs).
# A room is a directory: all its *.c but main_*.c become build/libROOM.a; each ROOM/main_PROG.c becomes build/bin/PROG (a '+'
# in the name stands for '-'). man/PROG.8.scd becomes the manual page and the text of PROG --help.
#
#   make            the programs and manual pages, in build/          make check      every test (as root, under 30 minutes)
#   make deps       installs the Debian packages that this needs      make check-long the same, longer fuzzing, and all built by clang
#   make demo       shows the main job on real packages               make bench      ratios against other programs
#   make install    DESTDIR, prefix and sysconfdir are honoured       make asan, fuzz  parts of check alone; make format
#
# A part of the tests: make test T='tests/cli/rooms.t build/tests/unit/lib_text'

prefix ?= /usr
sysconfdir ?= /etc
DESTDIR ?=
B ?= build

CC ?= cc
CFLAGS ?= -O2 -g
SANITIZE ?=
# make V=1 shows the commands.
Q := $(if $(V),,@)
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter -Werror
PKGS := libsolv libsolvext rpm libarchive libcurl libcap libseccomp libbpf libcrypto json-c inih
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null | sed 's/-I/-isystem /g')
LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DVPKG_PREFIX='"$(prefix)"' -I. -I$(B) $(WARN) \
	$(PKG_CFLAGS) $(SANITIZE) $(CFLAGS)

# Everything that building, testing and the demo need beyond a minimal Debian 12; all from Debian itself.
DEPS := \
	make gcc libc6-dev linux-libc-dev pkgconf scdoc \
	libsolv-dev libsolvext-dev librpm-dev libarchive-dev libcurl4-openssl-dev libcap-dev libseccomp-dev libssl-dev \
	libjson-c-dev libinih-dev libbpf-dev bpftool clang llvm \
	gpgv ca-certificates debian-archive-keyring \
	clang-format libclang-rt-14-dev libcmocka-dev perl busybox-static \
	gpg gpg-agent rpm createrepo-c cpio dpkg-dev debootstrap mmdebstrap rpm2cpio \
	e2fsprogs xfsprogs btrfs-progs attr acl util-linux procps xz-utils zstd jq libcap2-bin \
	iproute2 dnsmasq-base bind9-dnsutils curl qemu-system-x86

# In the order of dependency: each sees only the public headers of those before it (tests/cli/rooms.t).
ROOMS := lib kernel vserver unify repo bootstrap vpkg
ROOMS_BACK := vpkg bootstrap repo unify vserver kernel lib
# The libraries of a room and of those before it, in the order that the linker wants: that is all its programs get.
below = $(if $(filter $(1),$(firstword $(2))),$(2),$(call below,$(1),$(wordlist 2,9,$(2))))
libs_of = $(patsubst %,$(B)/lib%.a,$(call below,$(1),$(ROOMS_BACK)))
ROOM_LIBS := $(call libs_of,vpkg)

srcs = $(filter-out $(1)/main_%.c %.bpf.c,$(wildcard $(1)/*.c))
MAINS := $(foreach r,$(ROOMS),$(wildcard $(r)/main_*.c))
prog = $(subst +,-,$(patsubst main_%,%,$(basename $(notdir $(1)))))
PROGS := $(foreach m,$(MAINS),$(B)/bin/$(call prog,$(m)))
HELPS := $(patsubst man/%.8.scd,$(B)/help/%.h,$(wildcard man/*.8.scd))
# Pages of programs that there are: what is not built is not offered.
MANS := $(patsubst man/%.scd,$(B)/man/%,$(wildcard $(foreach p,$(notdir $(PROGS)),man/$(p).8.scd)))
UNITS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all
all: $(PROGS) $(MANS)

# ---- what the build needs, said in one line -----------------------------------------------------------------------

# Not an error of make's own (a stack of them, one a target), and nothing for targets that need no library.
.PHONY: have-libs
have-libs:
	@m=$$(for p in $(PKGS); do pkg-config --exists $$p 2>/dev/null || printf ' %s' $$p; done); \
	[ -z "$$m" ] || { echo "vpkg: these development packages are missing:$$m; run 'make deps' as root" >&2; exit 1; }

.PHONY: deps
deps:
	@have=$$(dpkg-query -W -f='$${Package} $${db:Status-Status}\n' $(DEPS) 2>/dev/null | sed -n 's/ installed$$//p'); \
	m=$$(for p in $(DEPS); do echo "$$have" | grep -qxF $$p || printf ' %s' $$p; done); \
	[ -z "$$m" ] || { echo "vpkg: installing$$m"; \
		[ "$$(id -u)" = 0 ] || { echo "vpkg: packages can be installed by root only; run 'make deps' as root" >&2; exit 1; }; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get -qq update && apt-get -qq -y --no-install-recommends install $$m >/dev/null; }
	@# The RPM test distribution is made of packages that apt must know.
	@apt-cache show less >/dev/null 2>&1 || apt-get -qq update

# ---- libraries and programs ---------------------------------------------------------------------------------------

define ROOM_RULES
$(B)/lib$(1).a: $(patsubst %.c,$(B)/%.o,$(call srcs,$(1)))
	@rm -f $$@
	@mkdir -p $$(@D)
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call ROOM_RULES,$(r))))

define PROG_RULES
$(B)/bin/$(call prog,$(1)): $(patsubst %.c,$(B)/%.o,$(1)) $(call libs_of,$(firstword $(subst /, ,$(1))))
	@mkdir -p $$(@D)
	@echo "  LINK  $$@"
	$$(Q)$$(CC) $$(SANITIZE) $$(LDFLAGS) -Wl,--as-needed -o $$@ $$^ $$(LIBS)
endef
$(foreach m,$(MAINS),$(eval $(call PROG_RULES,$(m))))

# kernel/X.bpf.c is compiled for the kernel's own machine and becomes kernel/X.skel.h, the object in a header. v3 is the
# newest instruction set that Debian 12's clang may use.
BPF_CLANG ?= clang
BPF_ARCH := $(subst x86_64,x86,$(subst aarch64,arm64,$(shell uname -m)))
BPF_SYSTEM := $(addprefix -idirafter ,$(shell $(BPF_CLANG) -print-file-name=include 2>/dev/null) \
	/usr/include/$(shell uname -m)-linux-gnu /usr/include)
BPF_SKELS := $(patsubst %.bpf.c,$(B)/%.skel.h,$(wildcard kernel/*.bpf.c))

$(B)/%.bpf.o: %.bpf.c $(wildcard kernel/*.h) Makefile
	@mkdir -p $(@D)
	@echo "  BPF   $<"
	$(Q)$(BPF_CLANG) -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra -Werror -Wno-unused-parameter \
		-Wno-missing-declarations -I. -nostdlibinc $(BPF_SYSTEM) -c -o $@ $<

$(B)/%.skel.h: $(B)/%.bpf.o
	$(Q)bpftool gen object $(basename $@).linked.o $<
	$(Q)bpftool gen skeleton $(basename $@).linked.o name $(notdir $*)_bpf >$@.new
	@mv $@.new $@

# What the objects were compiled with: another CC, prefix or CFLAGS makes them again.
$(B)/flags: export FLAGS = $(CC) $(ALL_CFLAGS)
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$FLAGS" | cmp -s - $@ || printf '%s\n' "$$FLAGS" >$@
.PHONY: FORCE
FORCE:

$(B)/%.o: %.c $(B)/flags | have-libs $(HELPS) $(BPF_SKELS)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# A main_PROG.c that includes "help/PROG.h" prints help_text: the page's synopsis, verbs and options.
$(B)/help/%.h: man/%.8.scd man/help.awk
	@mkdir -p $(@D)
	$(Q)awk -f man/help.awk $< >$@.new
	@mv $@.new $@

$(B)/man/%: man/%.scd
	@mkdir -p $(@D)
	$(Q)scdoc <$< >$@.new
	@mv $@.new $@

-include $(shell find $(B)/lib $(B)/tests $(ROOMS:%=$(B)/%) -name '*.d' 2>/dev/null)

# ---- installation -------------------------------------------------------------------------------------------------

# Paths of old, under which scripts call these.
OLD_PATHS := vunify vdu

.PHONY: install
install: all
	install -d $(DESTDIR)$(prefix)/sbin $(DESTDIR)$(prefix)/lib/vserver $(DESTDIR)$(prefix)/share/man/man8
	install -m 755 $(PROGS) $(DESTDIR)$(prefix)/sbin/
	$(if $(MANS),install -m 644 $(MANS) $(DESTDIR)$(prefix)/share/man/man8/)
	for p in $(filter $(OLD_PATHS),$(notdir $(PROGS))); do \
		ln -sf ../../sbin/$$p $(DESTDIR)$(prefix)/lib/vserver/$$p || exit 1; done
	(cd distros && find . -type f ! -name '.*' ! -name '*.md') | while read -r f; do \
		install -D -m 644 "distros/$$f" "$(DESTDIR)$(prefix)/share/vpkg/distros/$$f" || exit 1; done
	[ ! -f etc/vpkg.conf ] || [ -f $(DESTDIR)$(sysconfdir)/vpkg/vpkg.conf ] || \
		install -D -m 644 etc/vpkg.conf $(DESTDIR)$(sysconfdir)/vpkg/vpkg.conf

# ---- tests --------------------------------------------------------------------------------------------------------

CMOCKA = $(shell pkg-config --libs cmocka)
ASAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_FLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_SECONDS ?= 5
PROVE := prove --timer -e tests/lib/run
CLI := $(wildcard tests/cli/*.t)
# Two lanes side by side. The first has what kills vpkg and what looks for remains of killed ones: they would see each other's.
# Tests in neither lane freeze all vservers and time what they do: one by one after these, with nothing beside them.
LANES := {attack,badinput,install,kill} {bootstrap_debian,bootstrap_rpm,full,chbind,chbind_servers,chbind_sockets,capability,setattr}
ROOT := -j2 $(LANES:%=--rules='seq=tests/root/%.t') $(wildcard tests/root/*.t)
AGAIN = +@$(MAKE) --no-print-directory
BUILD = $(AGAIN) $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: units fuzzers
units: $(UNITS)
fuzzers: $(FUZZERS)

# tests/unit/ROOM_*.c is linked with that room and those before it alone, others with all.
unit_rooms = $(or $(filter $(ROOMS),$(firstword $(subst _, ,$(notdir $(1))))),vpkg)
unit_libs = $(call libs_of,$(call unit_rooms,$(1)))

define UNIT_RULES
$(1): $(1).o $(call unit_libs,$(1))
	@echo "  LINK  $$@"
	$$(Q)$$(CC) $$(SANITIZE) $$(LDFLAGS) -Wl,--as-needed -o $$@ $$^ $$(LIBS) $$(CMOCKA)
endef
$(foreach u,$(UNITS),$(eval $(call UNIT_RULES,$(u))))

$(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(ROOM_LIBS)
	@echo "  LINK  $@"
	$(Q)$(CC) $(SANITIZE) -fsanitize=fuzzer $(LDFLAGS) -Wl,--as-needed -o $@ $< $(ROOM_LIBS) $(LIBS)

.SECONDARY: $(BPF_SKELS) $(BPF_SKELS:.skel.h=.bpf.o) $(HELPS) $(UNITS:=.o) $(FUZZERS:$(B)/%=$(B)/tests/fuzz/%.o)

.PHONY: check check-built check-long test asan fuzz
check: deps
	$(BUILD) all units
	$(AGAIN) check-built

check-built:
	VPKG_B=$(B) $(PROVE) -j2 $(UNITS) $(CLI)
	$(AGAIN) asan
	$(AGAIN) fuzz
	VPKG_B=$(B) $(PROVE) $(ROOT)
	VPKG_MUST_RUN=1 VPKG_B=$(B) $(PROVE) tests/vm/vm.t

# valgrind knows neither openat2 nor pidfd_open in Debian 12; the sanitizers of asan and fuzz do its work.
check-long: check
	$(AGAIN) fuzz FUZZ_SECONDS=120
	$(BUILD) B=$(B)/clang CC=clang all units
	VPKG_B=$(B)/clang $(PROVE) -j2 $(UNITS:$(B)/%=$(B)/clang/%) $(CLI)
	VPKG_B=$(B)/clang $(PROVE) $(ROOT)
	VPKG_B=$(B) $(PROVE) tests/vm/harness.t
	VPKG_B=$(B) $(PROVE) -v tests/long/kill.t # VPKG_ROUNDS=N, 300

# Only what T names.
test: all units
	VPKG_B=$(B) $(PROVE) -v $(T)

asan:
	$(BUILD) B=$(B)/asan SANITIZE='$(ASAN_FLAGS)' CFLAGS='-O1 -g' all units
	VPKG_B=$(B)/asan VPKG_ASAN=1 $(PROVE) -j2 $(UNITS:$(B)/%=$(B)/asan/%) $(CLI)

fuzz:
	$(BUILD) B=$(B)/fuzz CC=clang SANITIZE='$(FUZZ_FLAGS)' CFLAGS='-O1 -g' fuzzers
	VPKG_B=$(B)/fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) $(PROVE) tests/fuzz/corpus.t

# ---- the rest -----------------------------------------------------------------------------------------------------

.PHONY: demo bench format clean
demo: deps
	$(BUILD) all
	VPKG_B=$(B) demo/run

bench: all
	VPKG_B=$(B) bench/run
	VPKG_B=$(B) bench/costs

format:
	clang-format -i $(wildcard */*.[ch] tests/*/*.[ch] tests/vm/guest/*.[ch])

# What a killed test or demo left may be sealed.
clean:
	@[ ! -d $(B) ] || chattr -R -f -i $(wildcard $(B)/tmp $(B)/demo $(B)/bench) 2>/dev/null || true
	rm -rf $(B)
