#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# viola.ko comes and goes: 100 times, and not while it is in use.
set -uo pipefail
# shellcheck source=lib/module.bash
source "$(dirname "$0")/lib/module.bash"

rounds=100

load_and_unload()
{
	local i

	for ((i = 0; i < rounds; i++)); do
		module_load || return 1
		[[ -c /dev/viola-net && $(stat -c %a /dev/viola-net) == 600 ]] || return 1
		# Every tenth time it was used in between.
		if ((i % 10 == 0)); then
			"$module_top/build/bin/viola-test-vring" --count 100 traffic || return 1
		fi
		rmmod viola || return 1
		[[ ! -e /dev/viola-net ]] || return 1
	done
}

refused_while_open()
{
	module_load || return 1
	exec 9<>/dev/viola-net
	if rmmod viola 2>/dev/null; then
		echo "rmmod removed a module in use"
		return 1
	fi
	exec 9>&-
	rmmod viola
}

memory_kib()
{
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^(Slab|VmallocUsed|Percpu):/ { kib += $2 } END { print kib }' /proc/meminfo
}

inside()
{
	local before after

	module_load && rmmod viola
	before=$(memory_kib)
	check "loads and unloads $rounds times" load_and_unload
	after=$(memory_kib)
	# A page per round would be 400 KiB; the rest of the machine breathes, too.
	printf '# %d KiB more than before\n' $((after - before))
	if ((after - before < 4096)); then
		ok "leaves no memory behind"
	else
		not_ok "leaves no memory behind" "$before KiB before, $after KiB after"
	fi
	check "is not removed while a device is open" refused_while_open
	check "no thread is left" bash -c '! pgrep viola-[0-9]'
}

module_test 240 "$@"
