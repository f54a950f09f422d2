#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# viola-dpdk against DPDK's own back end (dpdk-testpmd with net_vhost), each on
# one CPU, with virtio_user front ends on another that send every frame round
# and round (tests/bench/dpdk-load.c): millions of frames per second that arrive.
#
#   tests/bench/dpdk.sh        VIOLA_BENCH_ROUNDS=5 rounds, A B A B …
#
# Hugepages are used where 1 GiB is free, else ordinary pages; both sides alike.
# Prints a table and leaves build/bench/dpdk.json. Takes four seconds for each
# of ten cases and round; nothing polls for more than three of them.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
bin=build/bin
rounds=${VIOLA_BENCH_ROUNDS:-5}
samples=60
sample_ms=10
out=build/bench
mkdir -p $out

for program in $bin/viola-dpdk $bin/viola-test-load "$(command -v dpdk-testpmd)"; do
	[ -x "$program" ] && continue
	printf 'dpdk: viola-dpdk or dpdk-testpmd is missing; run tools/setup, then make\n'
	exit 1
done
mapfile -t cpus < <(awk '/^Cpus_allowed_list:/ { n = split($2, part, ",")
	for (i = 1; i <= n; i++) { split(part[i], r, "-")
		for (c = r[1]; c <= (r[2] == "" ? r[1] : r[2]); c++) print c } }' \
	/proc/self/status | head -n 2)
if [ ${#cpus[@]} -lt 2 ]; then
	printf 'dpdk: two CPUs are needed\n'
	exit 1
fi

read -r free size < <(awk '/^HugePages_Free/ { f = $2 } /^Hugepagesize/ { s = $2 }
	END { print f + 0, s + 0 }' /proc/meminfo)
if [ $((free * size)) -ge $((1024 * 1024)) ] && grep -q ' hugetlbfs ' /proc/mounts; then
	pages=huge
	viola_memory=()
	testpmd_memory=(--in-memory)
else
	pages=ordinary
	viola_memory=(--no-huge)
	testpmd_memory=(--no-huge -m 256)
fi

dir=$(mktemp -d)
backend=
feed=
stop()
{
	[ -z "$backend" ] || kill "$backend" 2>/dev/null
	[ -z "$feed" ] || kill "$feed" 2>/dev/null
	wait 2>/dev/null
	backend=
	feed=
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# start WHO: the back end, and the sockets it has in $sockets
start()
{
	local i

	rm -f "$dir"/s?
	sockets=("$dir/s0")
	case $1 in
	*reflect | *mac) ;;
	*) sockets+=("$dir/s1") ;;
	esac
	case $1 in
	viola-*)
		local args=()
		for i in "${sockets[@]}"; do
			args+=(--port "$i")
		done
		$bin/viola-dpdk "${viola_memory[@]}" --cores "${cpus[0]}" --quiet \
			--forward "${1#viola-}" "${args[@]}" >"$dir/log" 2>&1 &
		backend=$!
		;;
	testpmd-*)
		local args=() n=0
		for i in "${sockets[@]}"; do
			args+=(--vdev "net_vhost$n,iface=$i")
			n=$((n + 1))
		done
		# It ends when its input does.
		[ -p "$dir/input" ] || mkfifo "$dir/input"
		sleep 60 >"$dir/input" &
		feed=$!
		dpdk-testpmd --lcores "0@${cpus[0]},1@${cpus[0]}" "${testpmd_memory[@]}" --no-pci \
			--file-prefix viola-bench "${args[@]}" -- --forward-mode="${1#testpmd-}" \
			--nb-cores=1 --total-num-mbufs=16384 <"$dir/input" >"$dir/log" 2>&1 &
		backend=$!
		;;
	esac
	for ((i = 0; i < 100; i++)); do
		[ -S "${sockets[-1]}" ] && break
		sleep 0.1
	done
	sleep 0.3
}

# round WHO SIZE: adds a line of JSON for each sample
round()
{
	local who=$1 size=$2 pps

	start "$who"
	timeout -k 1 20 $bin/viola-test-load "${cpus[1]}" "$size" $sample_ms $samples \
		"$([ $pages = huge ] && echo 1 || echo 0)" "${sockets[@]}" \
		>"$dir/pps" 2>"$dir/load.log" ||
		printf 'dpdk: %s, %d bytes: %s\n' "$who" "$size" "$(tail -n 1 "$dir/load.log")" >&2
	stop
	while read -r pps; do
		printf '{"case":"%s","size":%d,"pps":%s}\n' "$who" "$size" "$pps" >>"$dir/samples"
	done <"$dir/pps"
}

: >"$dir/samples"
for ((r = 0; r < rounds; r++)); do
	for size in 64 1518; do
		for who in viola-reflect testpmd-mac viola-patch testpmd-io viola-switch; do
			round $who $size
		done
	done
done

jq -s --arg pages $pages --arg cpu \
	"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
	--arg load "$(cut -d' ' -f1-3 /proc/loadavg)" \
	--arg dpdk "$(pkg-config --modversion libdpdk)" '
	def at(q): sort | .[((length - 1) * q) | round];
	{ schema: "viola-bench-dpdk/1", cpu: $cpu, load: $load, dpdk: $dpdk, pages: $pages,
	  cases: [ group_by([.size, .case])[] | { case: .[0].case, size: .[0].size,
		samples: length, min: ([.[].pps] | min), p25: ([.[].pps] | at(0.25)),
		median: ([.[].pps] | at(0.5)), p75: ([.[].pps] | at(0.75)),
		max: ([.[].pps] | max) } ] } |
	. as $all |
	def of(c; s): $all.cases[] | select(.case == c and .size == s);
	.ratios = [ (64, 1518) as $s |
		(["viola-reflect", "testpmd-mac"], ["viola-patch", "testpmd-io"],
		 ["viola-switch", "testpmd-io"]) as [$a, $b] |
		{ a: $a, b: $b, size: $s, of_medians: (of($a; $s).median / of($b; $s).median),
		  of_best: (of($a; $s).max / of($b; $s).max) } ]' "$dir/samples" >$out/dpdk.json || exit 1

printf '%s pages, DPDK %s; million frames per second, %d samples of %d ms each\n' $pages \
	"$(pkg-config --modversion libdpdk)" $((rounds * samples)) $sample_ms
printf '%-15s %5s %8s %8s %8s %8s %8s\n' case bytes min p25 median p75 max
jq -r '.cases[] | [.case, .size, (.min, .p25, .median, .p75, .max | . / 1e6)] | @tsv' \
	$out/dpdk.json |
	awk -F'\t' '{ printf "%-15s %5d %8.2f %8.2f %8.2f %8.2f %8.2f\n", $1, $2, $3, $4, $5, $6, $7 }'
jq -r '.ratios[] | [.a, .b, .size, .of_medians, .of_best] | @tsv' $out/dpdk.json |
	awk -F'\t' '{ printf "%s / %s, %d bytes: %.2f of medians, %.2f of the best samples\n", \
		$1, $2, $3, $4, $5 }'
