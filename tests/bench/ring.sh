#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The ring core's cost per descriptor: nanoseconds from bench-ring, instructions
# from callgrind as the difference of two runs of different length, so that
# start and end do not count.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
bench=build/bin/bench-ring
short=20
long=60

instructions() # CASE ROUNDS: descriptors and instructions
{
	local descs ir

	descs=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$log" \
		"$bench" --case "$1" "$2") || return 1
	ir=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$log")
	printf '%s %s\n' "$descs" "${ir:?}"
}

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

"$bench" || exit 1
if ! command -v valgrind >/dev/null; then
	printf 'instructions: not counted, valgrind is not installed\n'
	exit 0
fi
printf '\n%-32s %8s %8s\n' "instructions" "/desc" "/chain"
while read -r name per_chain; do
	read -r d1 i1 < <(instructions "$name" $short) || exit 1
	read -r d2 i2 < <(instructions "$name" $long) || exit 1
	awk -v name="$name" -v d=$((d2 - d1)) -v i=$((i2 - i1)) -v n="$per_chain" \
		'BEGIN { printf "%-32s %8.1f %8.1f\n", name, i / d, i / d * n }'
done < <("$bench" --list)
