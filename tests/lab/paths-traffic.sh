#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Verified traffic from end to end on each path, as `viola compare` measures it,
# and the counts that tell the paths apart. Counts, never times.
# check: kernels=all smp=1 cost=180
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

out=$lab_top/build/lab/paths-traffic

# holds NAME FILE FILTER [WHY]: one case, by a jq condition; WHY is a filter, too
holds()
{
	if jq -e "$3" "$2" >/dev/null 2>&1; then
		ok "$1"
	else
		not_ok "$1" "$(jq -c "${4-.fault}" "$2" 2>&1 | tail -n 1)"
	fi
}

# compare_paths KERNEL PATHS: all frames came, once and whole, on each path
compare_paths()
{
	local kernel=$1 paths=$2 path dir=$out/$1 status=0 file=$out/$1/latest/result.json

	rm -rf "$dir"
	mkdir -p "$dir"
	build/bin/viola compare --quick --kernel "$kernel" --paths "$paths" --out "$dir" \
		</dev/null >"$dir.log" 2>&1 || status=$?
	if [[ ! -e $file ]]; then
		not_ok "$kernel: compare runs" "exit status $status" "$(<"$dir.log")"
		return
	fi
	for path in ${paths//,/ }; do
		path_check "$kernel: $path" "$file" "$path"
	done
	equal "$kernel: status of compare and the lab" 0 "$status" "$(<"$dir.log")"
}

# path_check NAME FILE PATH
path_check()
{
	local one=".paths[] | select(.path == \"$3\")" bad

	holds "$1: ok" "$2" "$one | .status == \"ok\"" "$one | .reason"
	holds "$1: round trips of each size" "$2" \
		"$one | (.rtt | length) == 2 and all(.rtt[]; .count >= 200)" "$one | [.rtt[].count]"
	holds "$1: no round trip lost" "$2" \
		"$one | (.rtt | length) > 0 and all(.rtt[]; .lost == 0)" "$one | [.rtt[].lost]"
	holds "$1: packets pass both ways" "$2" \
		"$one | ([.throughput[] | select(.received > 0) | .workload] | unique) == [\"rx\", \"tx\"]" \
		"$one | [.throughput[] | {workload, size, sent, received}]"
	bad="[.rtt[], .throughput[] | .duplicated, .corrupted, .invented]"
	holds "$1: none corrupted, duplicated or invented" "$2" \
		"$one | $bad | length >= 12 and all(. == 0)" "$one | $bad"
}

# The ladder's order, by what one packet of a round trip costs.
order_check()
{
	local file=$out/$1/latest/result.json all

	# {path: {figure: median}} of the smallest round trips
	all='([.paths[] | {key: .path, value: ([.cost[] | select(.workload == "rtt")][0] |
		with_entries(.value |= .median?))}] | from_entries)'
	holds "$1: e1000 takes the most exits per packet" "$file" \
		"$all | .[\"e1000\"].exits_per_packet > ([.virtio, .vhost, .viola] | map(.exits_per_packet // infinite) | max)" \
		"$all | map_values(.exits_per_packet)"
	holds "$1: vhost and viola take fewer crossings to user space than virtio" "$file" \
		"$all | map_values(.user_exits_per_packet + .syscalls_per_packet) | all(.[]; type == \"number\") and .viola < .virtio / 2 and .vhost < .virtio / 2" \
		"$all | map_values([.user_exits_per_packet, .syscalls_per_packet])"
}

cd "$lab_top" || exit 1
for kernel in $(lab_kernels "$(lab_note kernels one)" "$@"); do
	if ! tools/kernels "$kernel" >/dev/null 2>&1; then
		skip "$kernel: traffic" "no kernel $kernel in the cache: run tools/setup"
	elif [[ $kernel == 6.12 ]]; then
		compare_paths "$kernel" e1000,virtio,vhost,viola
		order_check "$kernel"
	else
		compare_paths "$kernel" viola,vhost
	fi
done
tap_end
