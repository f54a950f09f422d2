#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The monitor's tap tests where there are kernel data planes to hand a tap to:
# on the host that runs the unit tests there are usually none.
set -uo pipefail
# shellcheck source=lib/module.bash
source "$(dirname "$0")/lib/module.bash"

inside()
{
	local line

	module_load
	modprobe -a vhost_net macvtap veth
	while IFS= read -r line; do
		case $line in
		"[       OK ] "*) ok "tap: ${line#*] }" ;;
		"[  SKIPPED ] "*) not_ok "tap: ${line#*] }" "skipped, and nothing is missing here" ;;
		"[  FAILED  ] "*) not_ok "tap: ${line#*] }" "see what test-tap says" ;;
		"[==========]"*run*) break ;; # a summary follows, with the same names
		esac
	done < <("$module_top/build/tests/test-tap" 2>&1)
	check "module unloads" rmmod viola
}

module_test 120 "$@"
