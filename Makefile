# SPDX-License-Identifier: GPL-2.0-or-later
#
# One makefile, not recursive. A room is a directory: all its *.c but main_*.c become build/libROOM.a; each
# ROOM/main_PROG.c becomes build/bin/PROG (a '+' in the name stands for '-').

prefix ?= /usr
sysconfdir ?= /etc
DESTDIR ?=
B ?= build

CC ?= cc
CFLAGS ?= -O2 -g
SANITIZE ?=
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter -Werror
PKGS := libsolv libsolvext rpm libarchive libcurl libcap libseccomp libcrypto json-c inih
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DVPKG_PREFIX='"$(prefix)"' -I. -I$(B) $(WARN) \
	$(shell pkg-config --cflags $(PKGS) 2>/dev/null | sed 's/-I/-isystem /g') $(SANITIZE) $(CFLAGS)
LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null)

# In the order of dependency: each sees only the public headers of those before it (tests/cli/rooms.t).
ROOMS := lib kernel vserver unify repo bootstrap vpkg
ROOM_LIBS := $(foreach r,vpkg bootstrap repo unify vserver kernel lib,$(B)/lib$(r).a)

srcs = $(filter-out $(1)/main_%.c,$(wildcard $(1)/*.c))
MAINS := $(foreach r,$(ROOMS),$(wildcard $(r)/main_*.c))
prog = $(subst +,-,$(patsubst main_%,%,$(basename $(notdir $(1)))))
PROGS := $(foreach m,$(MAINS),$(B)/bin/$(call prog,$(m)))

.PHONY: all
all: $(PROGS)

define ROOM_RULES
$(B)/lib$(1).a: $(patsubst %.c,$(B)/%.o,$(call srcs,$(1)))
	@rm -f $$@
	$$(AR) rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call ROOM_RULES,$(r))))

define PROG_RULES
$(B)/bin/$(call prog,$(1)): $(patsubst %.c,$(B)/%.o,$(1)) $(ROOM_LIBS)
	@mkdir -p $$(@D)
	$$(CC) $$(SANITIZE) $$(LDFLAGS) -o $$@ $$< $(ROOM_LIBS) $$(LIBS)
endef
$(foreach m,$(MAINS),$(eval $(call PROG_RULES,$(m))))

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: clean
clean:
	rm -rf $(B)
