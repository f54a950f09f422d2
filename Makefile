# SPDX-License-Identifier: GPL-2.0
#
# `make compare` and `make check` are the two commands of the README: both
# install what is missing first (tools/setup). Everything generated lands in
# build/ (and results in out/). Each folder that makes programs says so in its
# own build.mk:
#
#   programs += viola-foo          -> build/bin/viola-foo
#   viola-foo-src := tools/foo/main.c
#   viola-foo-libs, -cflags, -ldflags (optional)
#   scripts += tools/bar/viola-bar -> build/bin/viola-bar
#   python += tools/bar/viola_bar  -> build/lib/viola/viola_bar/, a package for scripts
#   unit-tests += test-baz         -> build/tests/test-baz, made by `make tests-built`
#   sanitized += viola-test-qux    -> build/bin/viola-test-qux with ASan and UBSan, so too

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

VERSION := 0.1.0
COMMIT  := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)

CC      ?= gcc
ifeq ($(origin CC),default)
# A second build of the same sources, in this tree or another, takes seconds with ccache.
CC      := $(if $(shell command -v ccache 2>/dev/null),ccache )gcc
endif
PREFIX  ?= /usr/local
DESTDIR ?=

B := build

warnings := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes \
	    -Wold-style-definition -Wundef -Wwrite-strings -Wshadow \
	    -Wpointer-arith -Wno-unused-parameter -Wno-missing-field-initializers
common-cflags := -std=gnu11 -D_GNU_SOURCE -Iinclude -I. -g $(warnings) \
		 -fno-strict-aliasing -fno-common -ffile-prefix-map=$(CURDIR)=. \
		 -DVIOLA_VERSION='"$(VERSION)"'
CFLAGS ?= -O2
sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

programs   :=
scripts    :=
python     :=
unit-tests :=
sanitized  :=

include $(wildcard vmm/build.mk vmm/*/build.mk dpdk-backend/build.mk module/build.mk tools/*/build.mk tests/*/build.mk)

# Programs with the same flags share their objects: build/obj/plain or
# build/obj/sanitized; those with flags of their own have build/obj/PROGRAM.
# $(call object-rule,object folder,flags)
define object-rule
$(B)/obj/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC) $$(common-cflags) $$(CFLAGS) $(2) -MMD -MP -c -o $$@ $$<
endef

# $(call c-rules,name,output,flags,SHARED): objects and link of one program
define c-rules
$(1)-dir := $(B)/obj/$(if $(strip $($(1)-cflags)),$(1),$(4))
$(1)-obj := $$(patsubst %.c,$$($(1)-dir)/%.o,$$($(1)-src))
$(if $(strip $($(1)-cflags)),$(call object-rule,$(1),$(3) $($(1)-cflags)))
$(2): $$($(1)-obj)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $(3) $$($(1)-ldflags) -o $$@ $$^ $$($(1)-libs)
-include $$($(1)-obj:.o=.d)
endef

ifeq ($(V),1)
Q :=
say =
else
Q := @
say = @printf '  %-7s %s\n' $(1) $(2)
endif

$(eval $(call object-rule,plain,))
$(eval $(call object-rule,sanitized,$(sanitize)))
$(foreach p,$(programs),$(eval $(call c-rules,$(p),$(B)/bin/$(p),,plain)))
$(foreach p,$(sanitized),$(eval $(call c-rules,$(p),$(B)/bin/$(p),$(sanitize),sanitized)))
$(foreach t,$(unit-tests),$(eval $(t)-libs += -lcmocka))
$(foreach t,$(unit-tests),$(eval $(call c-rules,$(t),$(B)/tests/$(t),$(sanitize),sanitized)))

script-outputs := $(addprefix $(B)/bin/,$(notdir $(scripts)))
define script-rule
$(B)/bin/$(notdir $(1)): $(1)
	@mkdir -p $$(@D)
	$$(call say,SCRIPT,$$@)
	$$(Q)install -m 755 $$< $$@
endef
$(foreach s,$(scripts),$(eval $(call script-rule,$(s))))

# $(call package-rules,source folder): a Python package's modules and templates. A script
# in bin/ finds them in ../lib/viola, built and installed.
define package-rules
python-outputs += $(patsubst $(1)/%,$(B)/lib/viola/$(notdir $(1))/%, \
	$(wildcard $(1)/*.py $(1)/*.html))
$(B)/lib/viola/$(notdir $(1))/%: $(1)/%
	@mkdir -p $$(@D)
	$$(call say,PYTHON,$$@)
	$$(Q)install -m 644 $$< $$@
endef
python-outputs := $(B)/lib/viola/version
$(foreach p,$(python),$(eval $(call package-rules,$(p))))
$(B)/lib/viola/version: Makefile
	@mkdir -p $(@D)
	$(Q)echo '$(VERSION)' >$@

.PHONY: all programs modules setup check check-all compare bench install clean
all: programs modules
programs: $(addprefix $(B)/bin/,$(programs)) $(script-outputs) $(python-outputs)
tests-built: $(addprefix $(B)/tests/,$(unit-tests)) $(addprefix $(B)/bin/,$(sanitized))
.PHONY: tests-built

setup:
	@tools/setup

# Only what a comparison needs: no DPDK, no checkers, one kernel; and no tests' programs.
.PHONY: setup-compare compare-built
setup-compare:
	@tools/setup --for compare
compare-built: $(addprefix $(B)/bin/,viola viola-lab viola-measure viola-vmm viola-agent) \
	       $(script-outputs) $(python-outputs) modules

# All CPUs, unless the user said how many jobs.
jobs = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

# The two commands of the README. Each is a second make, because what setup
# installs (compiler, headers) decides what the first one could build.
compare: setup-compare
	@$(MAKE) --no-print-directory $(jobs) compare-built
	@$(B)/bin/viola compare

# The module with all warnings there are: what the compiler says fails the build, what
# sparse says is judged by tests/module/run.
strict := MODULE_WERROR=1 MODULE_FLAGS="W=1 $(if $(shell command -v sparse),C=2 CF=-D__CHECK_ENDIAN__)"

check: setup
	@$(MAKE) --no-print-directory $(jobs) $(strict) all tests-built
	@tools/check

# Every kernel, all mutations, long rounds: hours.
check-all: setup
	@$(MAKE) --no-print-directory $(jobs) $(strict) all tests-built
	@tools/check --all

# One kernel's module so, in a B of its own.
.PHONY: strict-module
strict-module:
	@$(MAKE) --no-print-directory $(strict) $(B)/module/$(KERNEL)/viola.ko

bench: setup
	@$(MAKE) --no-print-directory $(jobs) all
	@tests/bench/run

# viola-dpdk beside testpmd and OVS-DPDK; VIOLA_BENCH_QUICK=1 for 3 minutes.
bench-dpdk: setup
	@$(MAKE) --no-print-directory $(jobs) programs
	@tests/bench/run dpdk dpdk-ring
.PHONY: bench-dpdk

# Programs, Python packages, man pages, completion, udev rule, service, what QEMU's
# tools look for, and the module's source for DKMS.
bindir  := $(DESTDIR)$(PREFIX)/bin
libdir  := $(DESTDIR)$(PREFIX)/lib
datadir := $(DESTDIR)$(PREFIX)/share
dkmsdir := $(DESTDIR)/usr/src/viola-$(VERSION)
udevdir := $(DESTDIR)/usr/lib/udev/rules.d
unitdir := $(DESTDIR)/usr/lib/systemd/system
# Where QEMU's vhost-user specification has management programs look.
vhostdir := $(DESTDIR)$(if $(filter /usr,$(PREFIX)),/usr/share,/etc)/qemu/vhost-user

installed := $(filter-out viola-test-% viola-havoc bench-%,$(programs) $(notdir $(scripts)))

install: programs
	install -d $(bindir) $(udevdir) $(datadir)/man/man1 $(datadir)/man/man4 \
		$(datadir)/bash-completion/completions $(dkmsdir)
	cp -P $(addprefix $(B)/bin/,$(installed) viola-run) $(bindir)
	set -e; for file in $(python-outputs:$(B)/lib/%=%); do \
		install -D -m 644 $(B)/lib/$$file $(libdir)/$$file; done
	install -m 644 $(wildcard Documentation/man/*.1) $(datadir)/man/man1
	install -m 644 $(wildcard Documentation/man/*.4) $(datadir)/man/man4
	ln -sf viola-vmm.1 $(datadir)/man/man1/viola-run.1
	install -m 644 tools/viola/completion.bash $(datadir)/bash-completion/completions/viola
	install -m 644 packaging/udev/60-viola.rules $(udevdir)
ifneq ($(filter viola-dpdk,$(programs)),)
	install -d $(unitdir) $(vhostdir)
	sed 's|@BINDIR@|$(PREFIX)/bin|' packaging/systemd/viola-dpdk.service \
		>$(unitdir)/viola-dpdk.service
	sed 's|@BINDIR@|$(PREFIX)/bin|' packaging/vhost-user/50-viola-dpdk.json \
		>$(vhostdir)/50-viola-dpdk.json
	chmod 644 $(unitdir)/viola-dpdk.service $(vhostdir)/50-viola-dpdk.json
endif
	cp -r Kbuild packaging/dkms.conf module include $(dkmsdir)

clean:
	rm -rf $(B)
