# SPDX-License-Identifier: GPL-2.0
programs += viola
viola-src := tools/viola/main.c tools/viola/commands.c $(B)/obj/viola-known.c

# Written anew only where something changed, so that nothing else is made anew.
$(B)/obj/viola-known.c: tools/viola/known-programs always
	@mkdir -p $(@D)
	$(Q)$< $(programs) $(sanitized) $(notdir $(scripts)) >$@.new
	$(Q)if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
.PHONY: always

unit-tests += test-viola
test-viola-src := tests/unit/test-viola.c
# The program itself is what is tested.
tests-built: $(B)/bin/viola
