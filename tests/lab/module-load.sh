#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# viola.ko comes and goes, time after time, and not while it is in use.
# check: kernels=all smp=2 limit=1500 shared=1 cost=40
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

rounds=$(lab_rounds 40 200)

# In an emulated machine most of a round is the starting of programs; static ones start
# faster, and modprobe has been here before.
load_and_unload()
{
	local i module

	module=$lab_top/build/module/$(uname -r)/viola.ko
	for ((i = 0; i < rounds; i++)); do
		busybox insmod "$module" || return 1
		[[ -c /dev/viola-net && $(busybox stat -c %a /dev/viola-net) == 600 ]] || return 1
		# Every tenth time it was used in between.
		if ((i % 10 == 0)); then
			"$lab_top/build/bin/viola-test-vring" --count 100 traffic || return 1
		fi
		busybox rmmod viola || return 1
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

load_once()
{
	module_load && rmmod viola
}

memory_kib()
{
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^(Slab|VmallocUsed|Percpu):/ { kib += $2 } END { print kib }' /proc/meminfo
}

inside()
{
	local before after

	check "loads and unloads" load_once
	before=$(memory_kib)
	check "loads and unloads $rounds times" load_and_unload
	after=$(memory_kib)
	# A page per round would be 400 KiB; the rest of the machine breathes, too.
	note "$((after - before)) KiB more than before"
	if ((after - before < 4096)); then
		ok "leaves no memory behind"
	else
		not_ok "leaves no memory behind" "$before KiB before, $after KiB after"
	fi
	check "is not removed while a device is open" refused_while_open
	check "no thread is left" no_workers
}

lab_run "$@"
