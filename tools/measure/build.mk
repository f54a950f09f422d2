# SPDX-License-Identifier: GPL-2.0
# The half of `viola compare` that measures.
programs += viola-measure
viola-measure-src := tools/measure/main.c tools/measure/rounds.c \
		     tools/measure/guest.c tools/measure/result.c \
		     tools/measure/counters.c tools/measure/guest-time.c \
		     tools/measure/kernel.c tools/measure/paths.c \
		     tools/measure/place.c tools/measure/tap.c tools/measure/threads.c \
		     tools/guest/account.c tools/guest/failure.c \
		     tools/guest/farend.c tools/guest/frame.c \
		     tools/guest/link.c tools/lib/number.c
viola-measure-libs := -ljansson -lbpf

unit-tests += test-measure
test-measure-src := tests/unit/test-measure.c tools/measure/result.c \
		    tools/measure/counters.c tools/measure/guest-time.c \
		    tools/measure/paths.c tools/measure/place.c tools/measure/threads.c \
		    tools/guest/failure.c
test-measure-libs := -ljansson -lbpf
