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

build/bin/viola compare --icount --paths virtio,vhost,viola --rtt-count 200 --out "$out" \
	>"$out.log" 2>&1 || {
	tail -n 20 "$out.log"
	exit 1
}
# shellcheck disable=SC2016 # jq's variables, not the shell's
jq -r '
	[.paths[] | {(.path): [.rtt[] | {size, count, ns: .p50_ns}]}] | add as $p |
	"path    size  round trips  instructions (median)",
	($p | to_entries[] | .key as $path | .value[] |
		"\($path + "       " | .[:7])  \(.size)\t\(.count)\t\(.ns)"),
	(range($p.vhost | length) as $i |
		"viola / vhost, \($p.vhost[$i].size) bytes: " +
		"\($p.viola[$i].ns / $p.vhost[$i].ns * 1000 | round / 1000)")
' "$out/latest/result.json"
