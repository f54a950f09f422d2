# SPDX-License-Identifier: GPL-2.0
#
# viola.ko. `make modules` builds it for every kernel that tools/kernels lists,
# `make module KDIR=...` for the kernel whose headers (or build tree) are there.
# Either way it lands in build/module/<release>/viola.ko; kbuild works in a
# mirror of the sources there, so that it leaves nothing in the tree.
#
#   MODULE_WERROR=1      a compiler warning fails the build
#   MODULE_FLAGS="W=1"   goes to kbuild as it is; "C=2" runs sparse

module-sources := Kbuild module/build $(wildcard module/*.[ch] module/compat/*.h \
		  module/compat/window module/compat/probe/*.c include/viola/*.h \
		  include/uapi/*.h)
module-releases := $(shell tools/kernels 2>/dev/null | awk '{ print $$2 }')

$(B)/module/%/viola.ko: $(module-sources)
	$(call say,MODULE,$@)
	$(Q)MODULE_WERROR=$(MODULE_WERROR) MODULE_FLAGS="$(MODULE_FLAGS)" V=$(V) \
		module/build $$(tools/kernels --build $*) \
		$(B)/module/$*

modules: $(patsubst %,$(B)/module/%/viola.ko,$(module-releases))

.PHONY: module
module:
	$(if $(KDIR),,$(error make module needs KDIR=<kernel headers>, such as KDIR=/lib/modules/$(shell uname -r)/build))
	$(Q)MODULE_WERROR=$(MODULE_WERROR) MODULE_FLAGS="$(MODULE_FLAGS)" V=$(V) \
		module/build $(KDIR) $(B)/module/
