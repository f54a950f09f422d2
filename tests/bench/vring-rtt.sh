#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Instructions of a round trip, all in all: a driver in userspace, its ring, the
# device, a tap, a raw socket that sends the frame back, and the same way home.
# One thread does both ends, one after the other, on a lab machine with one CPU
# whose clock counts instructions; so the time of a round trip is what was
# executed for it, by the program (the same for both devices), the kernel's
# network stack and scheduler (the same work, but see the document), and vhost-net
# or viola.
#
#	tests/bench/vring-rtt.sh [COUNT]	round trips per line (2000)
#
# Documentation/performance/worker-mode.md tells what the figures mean.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
count=${1:-2000}

if [[ $count == --inside ]]; then
	modprobe -a tun tap vhost_net
	insmod "build/module/$(uname -r)/viola.ko" || exit 1
	for size in 64 256 1024 1514; do
		for node in vhost-net viola-net; do
			build/bin/viola-test-vring --node /dev/$node --size $size --count "$2" rtt
		done
	done
	exit
fi

status=0
printf '%-6s %5s  %-10s %9s %9s %9s %9s\n' kernel size device mean p50 p99 'of vhost'
while read -r name _; do
	if ! out=$(build/bin/viola lab --quiet --icount --kernel "$name" --timeout 300 -- \
		bash tests/bench/vring-rtt.sh --inside "$count" </dev/null); then
		printf '%s: the lab failed\n' "$name" >&2
		status=1
		continue
	fi
	awk -v kernel="$name" '/^rtt / {
		for (i = 2; i <= NF; i++) {
			split($i, pair, "=")
			v[pair[1]] = pair[2]
		}
		sub(".*/", "", v["node"])
		if (v["node"] == "vhost-net")
			vhost = v["mean_ns"]
		printf "%-6s %5d  %-10s %9d %9d %9d %8.1f%%\n", kernel, v["size"], v["node"],
			v["mean_ns"], v["p50_ns"], v["p99_ns"], 100 * v["mean_ns"] / vhost
	}' <<<"$out"
done < <(tools/kernels)
exit $status
