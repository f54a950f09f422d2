# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
#
# Hostile front ends (tests/dpdk/peer-hostile.c), and a fuzzer of them, against the
# build with AddressSanitizer and UBSan. VIOLA_FUZZ_SECONDS is how long the fuzzer
# runs (20), VIOLA_FUZZ_SEED where it begins (1).

asan=build/bin/viola-test-dpdk-asan

# hostile NAME: the result of one case, from $hostile
hostile()
{
	grep -qF "ok - $1 (" <<<"$hostile" && ! grep -qF "not ok - $1 (" <<<"$hostile" && return 0
	grep -B 3 -F "not ok - $1 (" <<<"$hostile" | grep '^#' >>"$dir/why"
	return 1
}

# hostile_cases: all of them, or the one asked for, with one back end; as many results
hostile_cases()
{
	local names name only=()

	mapfile -t names < <(sed -n 's/^	{ "\([^"]*\)", .*/\1/p' tests/dpdk/peer-hostile.c)
	[[ $word != 'hostile: '?* ]] || only=(--only "${word#hostile: }")
	: >"$dir/why"
	peer_limit=400 peer_backend=$asan peer hostile --packed "${only[@]}"
	hostile=$(<"$dir/peer.log")
	grep -v 'VHOST_CONFIG' "$dir/backend.log" | grep -A 30 'ERROR\|runtime error' |
		sed 's/^/# /' | head -n 40
	for name in "${names[@]}"; do
		run_case "hostile: $name" hostile "$name"
	done
}

protocol_fuzz()
{
	local status=0

	peer_limit=$((${VIOLA_FUZZ_SECONDS:-20} + 200)) peer_backend=$asan \
		peer fuzz --packed --seconds "${VIOLA_FUZZ_SECONDS:-20}" \
		--seed "${VIOLA_FUZZ_SEED:-1}" --kept tests/dpdk/fuzz-kept || status=1
	[ $status -eq 0 ] || grep -v 'VHOST_CONFIG' "$dir/backend.log" |
		grep -A 30 'ERROR\|runtime error' | sed 's/^/# /' | head -n 40
	return $status
}

# A word of another case's name asks for none of these.
[[ -z $active || hostile != *"$word"* && $word != hostile* ]] || hostile_cases
run_case 'protocol fuzzer' protocol_fuzz
