# SPDX-License-Identifier: GPL-2.0
programs += viola-compare
viola-compare-src := tools/compare/main.c tools/compare/counters.c \
		     tools/compare/inner.c tools/compare/kernel.c \
		     tools/compare/outer.c tools/compare/paths.c \
		     tools/compare/place.c tools/compare/report.c \
		     tools/compare/result.c tools/compare/run.c \
		     tools/compare/table.c tools/compare/tap.c tools/compare/view.c \
		     tools/guest/account.c tools/guest/failure.c \
		     tools/guest/farend.c tools/guest/frame.c \
		     tools/guest/link.c tools/lib/number.c
viola-compare-libs := -ljansson -lm

unit-tests += test-compare
test-compare-src := tests/unit/test-compare.c \
		    $(filter-out tools/compare/main.c tools/compare/inner.c \
				 tools/compare/outer.c,$(viola-compare-src))
test-compare-libs := -ljansson -lm
