#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Instructions of a round trip by vhost-net and by viola.ko, in one lab run that
# counts them. The lab has one CPU and nothing to wait for, so a round trip's
# virtual time is all that anybody executed for it: guest, VMM, worker, tap, far
# end. Documentation/performance/worker-mode.md has the story behind the ratio.
set -euo pipefail

cd "$(dirname "$0")/../.."
out=build/bench/roundtrip

build/bin/viola compare --icount --paths virtio,vhost,viola --rate-ms 0 --out "$out" \
	>"$out.log" 2>&1 || {
	tail -n 20 "$out.log"
	exit 1
}
# shellcheck disable=SC2016 # jq's variables, not the shell's
jq -r '
	def span: "\(.median) (\(.low) to \(.high))";
	"path    size  round trips  instructions of a round trip (median over rounds, interval)",
	(.paths[] | .path as $path | .rtt[] |
		"\($path + "       " | .[:7])  \(.size)\t\(.count)\t\(.p50_ns | span)"),
	(.paths[] | select(.path == "viola") | .rtt[] |
		"viola / vhost, \(.size) bytes: \(.p50_ns.ratio |
			map_values(if type == "number" then . * 1000 | round / 1000 else . end) | span)"),
	.verdict[]
' "$out/latest/result.json"
