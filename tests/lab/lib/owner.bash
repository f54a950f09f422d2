# SPDX-License-Identifier: GPL-2.0
#
# In the lab: what an owner of a device has while it lives, and must not leave
# behind when it dies: threads, pinned pages, memory.

# Programs are slow to start in an emulated machine, and what waits would take the CPU
# from what it waits for: pausing, and looking into files, are the shell's own.
exec {owner_silence}<> <(:)

pause() # SECONDS
{
	read -r -t "$1" -u "$owner_silence" _ || :
}

# within SECONDS COMMAND…: waits that long for COMMAND to succeed. SECONDS is for what
# hangs: generous.
within()
{
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		pause 0.2
	done
}

# has FILE REGEX: FILE has that in it, somewhere
has()
{
	local text

	[[ -e $1 ]] || return
	mapfile -d '' -t text <"$1"
	[[ ${text[*]} =~ $2 ]]
} 2>/dev/null

# has_line FILE LINE: one of its lines, with or without a carriage return, is that
has_line()
{
	local lines line

	[[ -e $1 ]] || return
	mapfile -t lines <"$1"
	for line in "${lines[@]}"; do
		[[ ${line%$'\r'} != "$2" ]] || return 0
	done
	return 1
} 2>/dev/null

# A process that is dead, though nobody may have waited for it yet.
gone() # PID
{
	[[ ! -e /proc/$1/exe ]]
}

workers()
{
	pgrep '^viola-[0-9]'
}

no_workers()
{
	! workers
}

# Pages that are pinned now: taken less given back. Each CPU keeps small counts
# to itself until it is asked.
pinned()
{
	echo 1 >/proc/sys/vm/stat_refresh
	awk '/^nr_foll_pin_acquired / { n += $2 } /^nr_foll_pin_released / { n -= $2 }
	     END { print n }' /proc/vmstat
}

pinned_is()
{
	local now

	now=$(pinned)
	echo "$now pages are pinned, $1 were before"
	[[ $now == "$1" ]]
}

# What is free counts no page on the lists that each CPU keeps for itself, up to
# 20 MB a zone in a machine of 4 GB: they wander by more than ten owners have.
# This keeps the lists at four batches, 1 MB.
memory_steady()
{
	echo 1000000 >/proc/sys/vm/percpu_pagelist_high_fraction
}

# KiB without the caches; what it says is comparable after memory_steady().
memory_free()
{
	echo 3 >/proc/sys/vm/drop_caches
	echo 1 >/proc/sys/vm/stat_refresh
	awk '/^MemFree:/ { print $2 }' /proc/meminfo
}
