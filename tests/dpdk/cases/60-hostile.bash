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

# hostile_end STATUS: each case of the table has a result and the back end ended well
hostile_end()
{
	local results

	results=$(grep -c '^\(not \)\?ok - ' <<<"$hostile")
	[ "$results" -gt 0 ] && [ "$results" -eq "$2" ] && [ "$1" -eq 0 ] && return 0
	printf '%d results of %d, status %d: %s\n' "$results" "$2" "$1" \
		"$(tail -n 2 <<<"$hostile")" >>"$dir/why"
	return 1
}

# hostile_cases: all of them, or the one asked for, with one back end; as many results
hostile_cases()
{
	local names name only=() status=0

	mapfile -t names < <(sed -n 's/^	{ "\([^"]*\)", .*/\1/p' tests/dpdk/peer-hostile.c)
	if [[ $word == 'hostile: '?* ]]; then
		only=(--only "${word#hostile: }")
		mapfile -t names < <(printf '%s\n' "${names[@]}" | grep -F "${only[1]}")
	fi
	: >"$dir/why"
	peer_limit=400 peer_backend=$asan peer hostile --packed "${only[@]}" ||
		status=1
	hostile=$(<"$dir/peer.log")
	grep -v 'VHOST_CONFIG' "$dir/backend.log" | grep -A 30 'ERROR\|runtime error' |
		sed 's/^/# /' | head -n 40
	for name in "${names[@]}"; do
		run_case "hostile: $name" hostile "$name"
	done
	[[ -n ${only[*]} ]] || run_case 'hostile: the back end outlives them all' \
		hostile_end $status ${#names[@]}
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
