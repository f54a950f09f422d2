#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How many nested guests with traffic a lab machine carries before one hangs or dies.
# Guests of `viola compare` (round trips, then streams) are started one after another
# in one lab machine; when that hangs or breaks, the next machine goes on.
#
#	tests/bench/nested.sh [GUESTS]		(default 10)
#
# VIOLA_BENCH_LAB	options of `viola lab` (--icount)
# VIOLA_BENCH_SIDE	guests at a time (1)
# VIOLA_BENCH_RTT	round trips of each size and guest (400)
# VIOLA_BENCH_RATE	ms of each stream (50)
# VIOLA_BENCH_LIMIT	seconds of the lab machine for one guest (120)
# VIOLA_BENCH_PATHS	paths, in turn (virtio vhost viola)
# VIOLA_QEMU=qemu-system-x86_64	shows the packaged QEMU's faults
set -uo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
work=${VIOLA_BENCH_WORK:-$top/build/bench/nested}
side=${VIOLA_BENCH_SIDE:-1}
silence=300	# seconds without a guest that ends: the machine hangs

# One guest after the other, as `viola compare` runs them. What became of each is a
# line of a file on this machine, which outlives the lab machine.
loop() {
	local number=$1 guests=$2 stage=/tmp/nested.$1 i path status
	local paths
	read -r -a paths <<<"${VIOLA_BENCH_PATHS:-virtio vhost viola}"

	for ((i = 0; i < guests; i++)); do
		path=${paths[$((i % ${#paths[@]}))]}
		rm -rf "$stage"
		mkdir -p "$stage/log"
		cp "$work/initramfs" "$stage/log/initramfs"
		echo "begin $path" >>"$work/guests.$number"
		viola-compare --inner "$stage" --guest-kernel "$(uname -r)" --paths "$path" \
			--rtt-count "${VIOLA_BENCH_RTT:-400}" --warmup 20 \
			--rate-ms "${VIOLA_BENCH_RATE:-50}" --limit "${VIOLA_BENCH_LIMIT:-120}" >"$stage/out" 2>&1
		status=$(jq -r '.status + " " + (.reason // "")' "$stage/log/path-$path.json" \
			2>/dev/null)
		[[ $status == ok* ]] || cp -r "$stage" "$work/failed.$number.$(date +%s)"
		echo "end $path ${status:-none $(tail -n 1 "$stage/out")}" >>"$work/guests.$number"
	done
}

if [[ ${1:-} == --inside ]]; then
	for ((number = 1; number <= side; number++)); do
		loop "$number" "$(($2 / side))" &
	done
	wait
	exit
fi

count() {
	cat "$work"/guests.* 2>/dev/null | grep -c "$@" || true
}

guests=${1:-10}
rm -rf "$work"
mkdir -p "$work"
release=$("$top/tools/kernels" 6.12) || exit
"$top/build/bin/viola-mkinitramfs" --kernel "$release" --output "$work/initramfs" || exit
machines=0 hung=0
while done=$(count '^end') && ((done + hung < guests)); do
	machines=$((machines + 1))
	read -r -a options <<<"${VIOLA_BENCH_LAB---icount}"
	"$top/build/bin/viola" lab "${options[@]}" --timeout 0 --log "$work/kernel.$machines.log" \
		-- "$top/tests/bench/nested.sh" --inside "$((guests - done - hung))" \
		>"$work/lab.$machines" 2>&1 &
	lab=$!
	# A machine that hangs says nothing more.
	seen=$(count .) since=$SECONDS
	while kill -0 $lab 2>/dev/null; do
		sleep 2
		if (($(count .) != seen)); then
			seen=$(count .) since=$SECONDS
		elif ((SECONDS - since > silence)); then
			kill $lab
			break
		fi
	done
	wait $lab
	status=$?
	((status == 0)) || echo "machine $machines: status $status"
	hung=$(($(count '^begin') - $(count '^end')))
	((machines < 50)) || break
done
head -n 1 "$work/lab.1"
printf '%d guests in %d machines: %d ok, %d failed, %d hung or died with the machine\n' \
	"$(count '^begin')" "$machines" "$(count '^end [^ ]* ok')" \
	"$(($(count '^end') - $(count '^end [^ ]* ok')))" "$hung"
