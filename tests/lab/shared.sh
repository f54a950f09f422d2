#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The scripts that say "shared=1" one after the other in one lab machine for each kernel,
# as starting one takes longer than some of them.
#
#	tests/lab/shared.sh [KERNEL]	only this one
#
# check: smp=2 limit=3000 cost=200
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

inside()
{
	local script name

	for script; do
		name=${script##*/}
		cases "${name%.sh}: " bash "$script" --inside
		# What a failure left behind is not the next one's.
		[[ ! -d /sys/module/viola ]] || check "${name%.sh}: the module is gone" rmmod viola
	done
}

lab_main "$@"
for kernel in $(lab_kernels all "$@"); do
	scripts=()
	for script in tests/lab/*.sh; do
		[[ $(lab_note shared 0 "$script") == 1 ]] || continue
		for on in $(lab_kernels "$(lab_note kernels one "$script")"); do
			[[ $on != "$kernel" ]] || scripts+=("$script")
		done
	done
	lab_cases "$kernel" -- "${scripts[@]}"
done
tap_end
