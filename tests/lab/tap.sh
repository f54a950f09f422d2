#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The monitor's tap tests where there are kernel data planes to hand a tap to:
# on the host that runs the unit tests there are usually none.
# check: kernels=one smp=2 limit=900 shared=1 cost=8
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

# A case that is skipped elsewhere must not be so here: nothing is missing.
tap_program()
{
	CMOCKA_MESSAGE_OUTPUT=TAP "$lab_top/build/tests/test-tap" 2>&1 |
		sed -uE 's/^not ok [0-9]+ # SKIP (.*)/not ok - \1 - skipped/'
}

inside()
{
	check "module loads" module_load
	modprobe -a vhost_net macvtap veth
	cases "tap: " tap_program
	check "module unloads" rmmod viola
}

lab_run "$@"
