# SPDX-License-Identifier: GPL-2.0
# Static: the same program is the first process of the lab machine, where no
# library is mounted yet.
programs += viola-lab
viola-lab-src := tools/lab/main.c tools/lab/options.c tools/lab/machine.c \
		 tools/lab/modules.c tools/lab/initramfs.c tools/lab/session.c \
		 tools/lab/pump.c tools/lab/klog.c tools/lab/init.c tools/lab/command.c \
		 tools/lib/number.c
viola-lab-ldflags := -static
viola-lab-libs := -llzma
