# SPDX-License-Identifier: GPL-2.0
# What runs in the guest, and its peer on the host's side of the link.

guest-link-src := tools/guest/account.c tools/guest/failure.c \
		  tools/guest/frame.c tools/guest/link.c

programs += viola-agent
viola-agent-src := tools/guest/agent.c tools/guest/hdr.c tools/guest/irqs.c \
		   tools/guest/results.c tools/guest/session.c \
		   tools/guest/settle.c tools/guest/workload.c \
		   tools/lib/number.c $(guest-link-src)
viola-agent-cflags := -Os -ffunction-sections -fdata-sections
viola-agent-ldflags := -static -Wl,--gc-sections -s

programs += viola-farend
viola-farend-src := tools/guest/farend-main.c tools/guest/farend.c \
		    $(guest-link-src)

scripts += tools/guest/viola-mkinitramfs tools/guest/viola-guest-init

unit-tests += test-hdr test-wire test-agent
test-hdr-src := tests/unit/test-hdr.c tools/guest/hdr.c
test-wire-src := tests/unit/test-wire.c $(guest-link-src)
test-agent-src := tests/unit/test-agent.c tools/guest/farend.c \
		  tools/guest/hdr.c tools/guest/irqs.c tools/guest/results.c \
		  tools/guest/session.c tools/guest/workload.c $(guest-link-src)
test-agent-libs := -lpthread
