# SPDX-License-Identifier: GPL-2.0
programs += viola
viola-src := tools/viola/main.c
