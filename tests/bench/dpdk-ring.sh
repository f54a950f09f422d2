#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The ring core beside DPDK's vhost library, per descriptor: nanoseconds, medians of
# rounds that alternate, and instructions, by callgrind. The samples' quartiles go to
# build/bench/dpdk-ring.json.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
bench=build/bin/bench-dpdk-ring
json=build/bench/dpdk-ring.json
rounds=40

if [ ! -x $bench ]; then
	printf 'not built: it needs libdpdk-dev, which tools/setup installs\n'
	exit 1
fi
cpu=$(taskset -cp $$ | sed 's/.*[ ,-]//')
pages=()
if [ "$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)" -lt 32 ]; then
	printf 'ordinary pages: fewer than 32 hugepages are free\n'
	pages=(--no-huge)
fi

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

# RING OPERATION SIZE SIDE: instructions per descriptor
instructions()
{
	local descs ir

	descs=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$log" \
		--toggle-collect='measured' $bench "$cpu" --no-huge --case "$@" $rounds \
		2>/dev/null) || return 1
	ir=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$log")
	awk -v i="${ir:?}" -v d="$descs" 'BEGIN { printf "%.1f", i / d }'
}

if ! $bench "$cpu" "${pages[@]}" >$json; then
	printf 'it could not be run\n'
	exit 1
fi
counted=yes
command -v valgrind >/dev/null || counted=
[ -n "$counted" ] || printf 'instructions: not counted, valgrind is not installed\n'
printf '%-16s %-9s %5s   %25s   %25s\n' ring operation bytes 'ns: library, core, ratio' \
	'instructions, the same'
jq -r '[.ring, .operation, .size, .library.median, .core.median] | @tsv' $json |
while read -r ring operation size library core; do
	printf '%-16s %-9s %5d   %9.1f %7.1f %7.2f' "$ring" "$operation" "$size" "$library" \
		"$core" "$(awk -v a="$library" -v b="$core" 'BEGIN { print a / b }')"
	if [ -n "$counted" ]; then
		a=$(instructions "$ring" "$operation" "$size" library) &&
			b=$(instructions "$ring" "$operation" "$size" core) || exit 1
		printf '   %9.1f %7.1f %7.2f' "$a" "$b" \
			"$(awk -v a="$a" -v b="$b" 'BEGIN { print a / b }')"
	fi
	printf '\n'
done
